"""The rules of the code base, read off its syntax trees: layers, sizes, docstrings, imports."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# DESIGN section 2. The longest prefix wins; a module imports from its own layer and those below.
LAYERS = {
    "ferjax": 0,
    "ferjax.errors": 0,
    "ferjax.emotions": 0,
    "ferjax.specs": 0,
    "ferjax.config.train_config": 0,
    "ferjax.config.fields": 0,
    "ferjax.config.json_file": 0,
    "ferjax.config.field_combinations": 0,
    "ferjax.config.phases": 0,
    "ferjax.config.tool_configs": 0,
    "ferjax.recipes": 0,
    "ferjax.runtime.atomic_files": 0,
    "ferjax.config.format_versions": 0,
    "ferjax.runtime.rendezvous": 0,
    "ferjax.runtime.compile_cache": 1,
    "ferjax.runtime.processes": 1,
    "ferjax.runtime.random_keys": 1,
    "ferjax.runtime.variable_tree": 1,
    "ferjax.runtime.sharding": 1,
    "ferjax.runtime.machine_limits": 1,
    "ferjax.images.preprocess": 1,
    "ferjax.images.augment": 1,
    "ferjax.images.colour": 1,
    "ferjax.images.geometry": 1,
    "ferjax.images.mixup_cutmix": 1,
    "ferjax.images.test_time_augmentation": 1,
    "ferjax.ops": 1,
    "ferjax.models": 2,
    "ferjax.data": 2,
    "ferjax.convert": 2,
    "ferjax.faces": 2,
    "ferjax.train": 3,
    "ferjax.report": 3,
    "ferjax.bench": 4,
    "ferjax.runs.task": 4,
    "ferjax.runs.cached_features": 4,
    "ferjax.evaluation.network_costs": 4,
    "ferjax.runs.compiled_step": 4,
    "ferjax.runs.checkpoint_meta": 4,
    "ferjax.runs.frozen_branch": 4,
    "ferjax.runs.phase_setup": 4,
    "ferjax.runs.compile_ahead": 4,
    "ferjax.runs.train_phases": 4,
    "ferjax.runs.initial_weights": 4,
    "ferjax.runs.pretrained_weights": 4,
    "ferjax.runs.weights_from_another_run": 4,
    "ferjax.runs.input_spec": 4,
    "ferjax.runs.seeds_and_folds": 4,
    "ferjax.tools.prepare_data": 4,
    "ferjax.tools.convert_weights": 4,
    "ferjax.evaluation.run_report": 4,
    "ferjax.evaluation.split_report": 4,
    "ferjax.evaluation.scores_and_figures": 4,
    "ferjax.evaluation.protocol": 4,
    "ferjax.experiment": 4,
    "ferjax.predict": 4,
    "ferjax.search": 4,
    "launch": 5,
}
STRANGERS = ("ferjax.models", "ferjax.data", "ferjax.convert")
OPTIONAL = {
    "cv2",
    "gradio",
    "h5py",
    "huggingface_hub",
    "keras",
    "optuna",
    "tensorflow",
    "timm",
    "torch",
    "torchvision",
    "transformers",
}
# Numpy only: what runs in data workers and what writes reports must not start a backend.
NO_JAX = (
    "ferjax.config.train_config",
    "ferjax.config.fields",
    "ferjax.config.json_file",
    "ferjax.convert",
    "ferjax.data",
    "ferjax.recipes",
    "ferjax.report",
    "ferjax.specs",
    "ferjax.config.tool_configs",
)

# Lines of code that is one thing, however long: the dataclass that every flag is a field of.
LONGER = {"ferjax.config.train_config": 300}

FILES = sorted([*(ROOT / "ferjax").rglob("*.py"), *(ROOT / "launch").glob("*.py")])
ENTRY_POINTS = [path for path in FILES if "__main__" in path.read_text("utf-8")]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): ast.parse(path.read_text("utf-8")) for path in FILES}
NAMES = sorted(MODULES)


def imported(node: ast.AST) -> list[str]:
    """Returns the modules that one statement imports; `from a import b` where a.b is one is a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    full = [f"{node.module}.{alias.name}" for alias in node.names]
    return [name if name in MODULES else str(node.module) for name in full]


def imports(tree: ast.AST) -> list[str]:
    return [name for node in ast.walk(tree) for name in imported(node)]


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def layer(name: str) -> int:
    return LAYERS[max((prefix for prefix in LAYERS if inside(name, prefix)), key=len)]


def outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for part in (*node.decorator_list, node.args):
                yield from (part, *outside_functions(part))
            continue
        yield node
        yield from outside_functions(node)


def test_every_module_has_a_layer_of_its_own() -> None:
    # "ferjax" itself stands for the package's docstring and version alone.
    lost = [n for n in NAMES if n != "ferjax" and not any(inside(n, p) for p in [*LAYERS][1:])]
    assert not lost, f"add to LAYERS: {lost}"


@pytest.mark.parametrize("name", NAMES)
def test_imports_point_downwards(name: str) -> None:
    ours = [
        other for other in imports(MODULES[name]) if other.split(".")[0] in ("ferjax", "launch")
    ]
    upwards = [other for other in ours if layer(other) > layer(name)]
    assert not upwards, f"{name} (layer {layer(name)}) imports {upwards}"
    if not inside(name, "launch"):
        assert not [other for other in ours if inside(other, "launch")]


@pytest.mark.parametrize("package", STRANGERS)
def test_models_data_and_convert_never_meet(package: str) -> None:
    others = [other for other in STRANGERS if other != package]
    for name in (n for n in NAMES if inside(n, package)):
        met = [o for o in imports(MODULES[name]) if any(inside(o, other) for other in others)]
        assert not met, f"{name} imports {met}"


def test_imports_form_no_circle() -> None:
    arrows = {
        name: {other for other in imports(MODULES[name]) if other in MODULES and other != name}
        for name in NAMES
    }
    while leaves := [name for name, others in arrows.items() if not others]:
        arrows = {n: others - set(leaves) for n, others in arrows.items() if n not in leaves}
    assert not arrows, f"modules that import each other: {sorted(arrows)}"


@pytest.mark.parametrize("name", [n for n in NAMES if not inside(n, "launch")])
def test_flags_live_in_launch_only(name: str) -> None:
    assert not [other for other in imports(MODULES[name]) if inside(other, "absl")]


@pytest.mark.parametrize("name", [n for n in NAMES if any(inside(n, p) for p in NO_JAX)])
def test_numpy_side_knows_no_jax(name: str) -> None:
    foreign = [o for o in imports(MODULES[name]) if o.split(".")[0] in ("jax", "flax", "optax")]
    assert not foreign


@pytest.mark.parametrize("name", NAMES)
def test_nothing_computes_at_import(name: str) -> None:
    calls = [node for node in outside_functions(MODULES[name]) if isinstance(node, ast.Call)]
    texts = [ast.unparse(call.func) for call in calls]
    begun = [t for t in texts if t.startswith(("jnp.", "jax.numpy.", "jax.random.", "jax.device"))]
    assert not begun


@pytest.mark.parametrize("name", NAMES)
def test_optional_packages_are_imported_where_used(name: str) -> None:
    nodes = outside_functions(MODULES[name])
    heavy = [other for node in nodes for other in imported(node) if other.split(".")[0] in OPTIONAL]
    assert not heavy


@pytest.mark.parametrize("name", NAMES)
def test_everything_public_is_documented_and_annotated(name: str) -> None:
    tree = MODULES[name]
    assert ast.get_docstring(tree), "no module docstring"
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    tops = [node for node in tree.body if isinstance(node, kinds)]
    members = [
        m for top in tops if isinstance(top, ast.ClassDef) for m in top.body if top.name[0] != "_"
    ]
    public = [node for node in (*tops, *members) if isinstance(node, kinds)]
    public = [node for node in public if not node.name.startswith("_")]
    assert not [node.name for node in public if not ast.get_docstring(node)], "no docstring"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            bare = [a.arg for a in arguments if not a.annotation and a.arg not in ("self", "cls")]
            assert not bare, f"{node.name}: {bare} not annotated"
            assert node.returns or node.name.startswith("__"), f"{node.name}: no return annotation"


@pytest.mark.parametrize("path", FILES, ids=[module_name(path) for path in FILES])
def test_files_are_small(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= LONGER.get(module_name(path), 250)
    if path in ENTRY_POINTS:
        assert len(lines) < 60
    assert max(map(len, lines), default=0) <= 100


def test_entry_points_are_guarded() -> None:
    assert {path.stem for path in ENTRY_POINTS} >= {"train", "evaluate", "predict", "bench"}
    for path in ENTRY_POINTS:
        assert path.parent.name == "launch"
        assert 'if __name__ == "__main__":\n    run(main)' in path.read_text("utf-8")


def test_importing_starts_no_backend() -> None:
    code = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    # Entry points define the same flags, so each runs apart from the others.
    entries = [module_name(path) for path in ENTRY_POINTS]
    groups = [[n for n in NAMES if n not in entries], *([n] for n in entries)]
    environment = {**os.environ, "JAX_PLATFORMS": "bogus"}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, *names],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for names in groups
    ]
    for names, child in zip(groups, children, strict=True):
        _, errors = child.communicate(timeout=120)
        assert child.returncode == 0, f"{names}: {errors}"
