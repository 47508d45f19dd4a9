"""The layout of the code base, read off its syntax trees: packages, sizes, docstrings, imports."""

import ast
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The floors of the house, from the ground up. A package imports packages of lower floors only,
# and none of its own floor. A new file in one of these packages needs no change here.
FLOORS = (
    {"errors"},
    {"emotions", "specs"},
    {"config"},
    {"images", "ops", "runtime"},
    {"models", "data", "convert", "faces", "recipes", "weights"},
    {"training", "report"},
    {"runs"},
    {"evaluation", "predict"},
    {"baselines", "experiment", "explain", "export", "live", "own_loop"},
    {"search", "serve", "bench", "tools", "reproduce"},
)
LOOSE_MODULES = {"ferjax.errors", "ferjax.emotions", "ferjax.specs", "ferjax.experiment"}
MOST_FILES_IN_A_FOLDER = 20
OPTIONAL_PACKAGES = {
    "ai_edge_litert",
    "ai_edge_quantizer",
    "av",
    "cv2",
    "fastapi",
    "flatbuffers",
    "h5py",
    "huggingface_hub",
    "jax2onnx",
    "keras",
    "litert_converter",
    "multipart",
    "onnx",
    "onnxruntime",
    "onnxslim",
    "openvino",
    "optuna",
    "prometheus_client",
    "pyarrow",
    "skimage",
    "sklearn",
    "starlette",
    "tensorboard",
    "tensorflow",
    "timm",
    "torch",
    "torchvision",
    "transformers",
    "uvicorn",
}
# What runs in data workers and what writes reports must not start a JAX backend.
WITHOUT_JAX = ("config", "convert", "data", "recipes", "report", "specs", "weights")
MOST_LINES = 250
# One literal table that a reader wants whole: the dataclass that every flag is a field of.
LONGER = {"ferjax.config.train_config": 350}
# Folders of tests that no package of the same name stands behind.
OTHER_TESTS = {Path("project"), Path("launch"), Path("examples")}

# Examples that are copied beside exports; ferjax never imports them (tests/export/test_usage.py).
COPIED = ROOT / "ferjax" / "export" / "usage"
FILES = sorted(
    path
    for path in [*(ROOT / "ferjax").rglob("*.py"), *(ROOT / "launch").rglob("*.py")]
    if path.parent != COPIED
)
ENTRY_POINTS = [path for path in FILES if "__main__" in path.read_text("utf-8")]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): ast.parse(path.read_text("utf-8")) for path in FILES}
PACKAGES = {module_name(path) for path in FILES if path.name == "__init__.py"}


def imported(node: ast.AST) -> list[str]:
    """Returns the modules that one statement imports; `from a import b` where a.b is one is a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    full = [f"{node.module}.{alias.name}" for alias in node.names]
    return [name if name in MODULES else str(node.module) for name in full]


def imports(name: str) -> list[str]:
    """Returns the modules that a module imports, inside functions too."""
    return [other for node in ast.walk(MODULES[name]) for other in imported(node)]


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def package_of(name: str) -> str:
    """Returns the package that a module lies in; a loose module stands for itself."""
    return name if name in PACKAGES | LOOSE_MODULES else name.rpartition(".")[0]


def arrows() -> dict[str, dict[str, str]]:
    """Returns package → packages that it imports, each with one module that does so.

    The public face (`ferjax/__init__.py`) imports lazily and is left out: everything may read its
    version.
    """
    found: dict[str, dict[str, str]] = {}
    for name in MODULES:
        if name == "ferjax":
            continue
        here = found.setdefault(package_of(name), {})
        for other in imports(name):
            there = package_of(other) if other in MODULES else ""
            if there not in ("", "ferjax", package_of(name)):
                here.setdefault(there, f"{name} imports {other}")
    return found


def floor(package: str) -> int:
    """Returns the floor that a package stands on, by its first name below `ferjax`."""
    if inside(package, "launch"):
        # What all commands share stands below the commands.
        return len(FLOORS) + (package == "launch")
    room = package.split(".")[1]
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


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


def test_packages_stand_on_floors_and_import_downwards() -> None:
    unknown = {
        n
        for n in PACKAGES - {"ferjax", "launch", "launch.command"}
        if n.split(".")[1] not in set.union(*FLOORS)
    }
    assert not unknown, f"a new package needs a floor in FLOORS: {sorted(unknown)}"
    wrong = [
        f"{why}: floor {floor(here)} to floor {floor(there)}"
        for here, others in arrows().items()
        for there, why in others.items()
        # A package and its own subpackages share a floor; the next test holds them.
        if floor(there) >= floor(here) and there.split(".")[:2] != here.split(".")[:2]
    ]
    assert not wrong


def test_packages_form_no_circle() -> None:
    left = {here: set(others) for here, others in arrows().items()}
    while leaves := {name for name, others in left.items() if not others & set(left)}:
        left = {name: others for name, others in left.items() if name not in leaves}
    assert not left, f"packages that import each other: {sorted(left)}"


def test_rooms_are_few_and_small() -> None:
    loose = {n for n in MODULES if n.count(".") == 1 and n not in PACKAGES and inside(n, "ferjax")}
    assert loose <= LOOSE_MODULES
    full = Counter(path.parent for path in FILES)
    assert not {folder for folder, count in full.items() if count > MOST_FILES_IN_A_FOLDER}


def test_tests_mirror_the_packages() -> None:
    folders = {p.parent.relative_to(ROOT / "tests") for p in (ROOT / "tests").rglob("test_*.py")}
    packages = {Path(*n.split(".")[1:]) for n in PACKAGES if n.startswith("ferjax.")}
    strangers = {
        folder
        for folder in folders
        # A suite of a package (convert/parity, launch/faults) lies below the package's tests.
        if folder != Path() and not {folder, *folder.parents} & packages | OTHER_TESTS
    }
    assert not strangers, f"tests without a package of that name: {strangers}"
    # A package whose modules lie in subpackages is tested there.
    leaves = {p for p in packages if not any(p in other.parents for other in packages)}
    assert not leaves - folders, f"packages without tests: {sorted(leaves - folders)}"
    # The loose module's own, and the one test of everything together.
    loose = {path.name for path in (ROOT / "tests").glob("test_*.py")}
    assert loose == {"test_experiment.py", "test_one_number.py"}


def test_flags_live_in_launch_only() -> None:
    users = [n for n in MODULES for other in imports(n) if inside(other, "absl")]
    assert not [name for name in users if not inside(name, "launch")]


def test_numpy_side_knows_no_jax() -> None:
    names = [n for n in MODULES if any(inside(n, f"ferjax.{p}") for p in WITHOUT_JAX)]
    assert len(names) > 50
    assert not [n for n in names for o in imports(n) if o.split(".")[0] in ("jax", "flax", "optax")]


def test_nothing_computes_at_import() -> None:
    computing = ("jnp.", "jax.numpy.", "jax.random.", "jax.device")
    calls = [
        f"{name}: {ast.unparse(node.func)}"
        for name, tree in MODULES.items()
        for node in outside_functions(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(computing)
    ]
    assert not calls


def test_optional_packages_are_imported_where_used() -> None:
    heavy = [
        f"{name}: {other}"
        for name, tree in MODULES.items()
        for node in outside_functions(tree)
        for other in imported(node)
        if other.split(".")[0] in OPTIONAL_PACKAGES
    ]
    assert not heavy


def test_everything_public_is_documented_and_annotated() -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    faults = []
    for name, tree in MODULES.items():
        if not ast.get_docstring(tree):
            faults.append(f"{name}: no docstring")
        tops = [node for node in tree.body if isinstance(node, kinds)]
        members = [
            member
            for top in tops
            if isinstance(top, ast.ClassDef) and not top.name.startswith("_")
            for member in top.body
        ]
        public = [n for n in (*tops, *members) if isinstance(n, kinds) and n.name[0] != "_"]
        faults += [f"{name}.{n.name}: no docstring" for n in public if not ast.get_docstring(n)]
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                bare = [a.arg for a in arguments if not a.annotation]
                faults += [f"{name}.{node.name}: {a}" for a in bare if a not in ("self", "cls")]
                if not node.returns and not node.name.startswith("__"):
                    faults.append(f"{name}.{node.name}: no return annotation")
    assert not faults


def test_files_are_small() -> None:
    for path in FILES:
        lines = path.read_text("utf-8").splitlines()
        assert len(lines) <= LONGER.get(module_name(path), MOST_LINES), path
        assert path not in ENTRY_POINTS or len(lines) < 60, path
        assert max(map(len, lines), default=0) <= 100, path


def test_entry_points_are_guarded() -> None:
    assert {path.stem for path in ENTRY_POINTS} >= {"train", "evaluate", "predict", "bench"}
    for path in ENTRY_POINTS:
        assert path.parent.name == "launch"
        assert 'if __name__ == "__main__":\n    run(main)' in path.read_text("utf-8")


def test_importing_starts_no_backend() -> None:
    code = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    # Entry points define the same flags, so each runs apart from the others.
    entries = [module_name(path) for path in ENTRY_POINTS]
    groups = [[n for n in MODULES if n not in entries], *([n] for n in entries)]
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


@pytest.mark.parametrize(
    "path",
    [
        "ferjax.convert.weights",
        "ferjax.data.registry",
        "ferjax.experiment",
        "ferjax.models.registry",
        "ferjax.predict",
        "ferjax.recipes",
    ],
)
def test_import_paths_of_earlier_documents_stay(path: str) -> None:
    assert path in MODULES
