"""Pretrained weights by name, URL, file or folder: downloaded and converted once, then cached."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from ferjax.convert.catalogue import find_weights
from ferjax.convert.converted.weights_cache import cached_names, entry_folder
from ferjax.convert.fetching import hub_client, name_url_or_file
from ferjax.convert.rules.match_and_convert import export
from ferjax.convert.tables.all_tables import find_table
from ferjax.convert.weights import Pretrained, load_pretrained, save_pretrained
from ferjax.errors import UserError
from ferjax.models.registry import abstract_variables
from ferjax.runtime.checksums import file_digest

Variables = dict[str, np.ndarray]


def network(model: str, num_classes: int, **fields: Any) -> Variables:
    """Returns random variables of a network."""
    rng = np.random.default_rng(0)
    shapes = abstract_variables(model, num_classes, **fields)
    return {path: rng.standard_normal(shape, np.float32) for path, shape in shapes.items()}


def write_source_file(variables: Variables, model: str, kind: str, path: Path) -> Path:
    """Writes variables as a file of another library."""
    save_file(export(variables, find_table(model, kind)), path)
    return path


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("FERJAX_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FERJAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def resnet18() -> Variables:
    return network("resnet18", 5)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, resnet18: Variables) -> Path:
    """Returns a folder with files of another library."""
    folder = tmp_path_factory.mktemp("files")
    write_source_file(resnet18, "resnet18", "torchvision", folder / "resnet18.safetensors")
    headless = {path: leaf for path, leaf in resnet18.items() if "/head/" not in path}
    write_source_file(headless, "resnet18", "torchvision", folder / "headless.safetensors")
    return folder


class Server(ThreadingHTTPServer):
    requests: list[str]


@pytest.fixture
def server(files: Path) -> Iterator[Server]:
    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(files))

        def log_message(self, *_: Any) -> None:
            running.requests.append(self.path)

    with Server(("127.0.0.1", 0), Handler) as running:
        running.requests = []
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def load(source: str | Path, model: str = "resnet18", **options: Any) -> Pretrained:
    return load_pretrained(source, model, abstract_variables, progress=False, **options)


def assert_equal(actual: Variables, expected: Variables) -> None:
    assert actual.keys() == expected.keys()
    for path, leaf in expected.items():
        np.testing.assert_array_equal(actual[path], leaf)


def test_a_local_file_is_converted_once(
    files: Path, tmp_path: Path, resnet18: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = files / "resnet18.safetensors"
    weights = load(file)
    assert_equal(weights.variables, resnet18)
    assert (weights.model, weights.num_classes) == ("resnet18", 5)
    assert weights.input == find_table("resnet18", "torchvision").input
    assert weights.source["sha256"] == file_digest(file)
    assert weights.source["path"] == str(file)
    assert cached_names() == {f"{file_digest(file)[:16]}-resnet18"}
    # A copy has the same weights: nothing is converted, but its own path is reported.
    copy = tmp_path / "copy.pth"
    copy.write_bytes(file.read_bytes())
    monkeypatch.setattr("ferjax.convert.plan_conversion.open_source", None)
    again = load(str(copy))
    assert_equal(again.variables, resnet18)
    assert (again.name, again.source["path"]) == (str(copy), str(copy))


def test_a_file_without_its_head(files: Path, resnet18: Variables) -> None:
    weights = load(files / "headless.safetensors")
    assert weights.num_classes is None
    assert_equal(weights.variables, {p: leaf for p, leaf in resnet18.items() if "/head/" not in p})


def test_a_head_with_one_output_is_left_out(tmp_path: Path, resnet18: Variables) -> None:
    # A network that says yes or no by one logit: its head cannot be one of classes.
    yes_or_no = {p: leaf[..., :1] if "/head/" in p else leaf for p, leaf in resnet18.items()}
    path = write_source_file(yes_or_no, "resnet18", "torchvision", tmp_path / "a.safetensors")
    weights = load(path, "resnet18")
    assert weights.num_classes is None
    assert_equal(weights.variables, {p: leaf for p, leaf in resnet18.items() if "/head/" not in p})
    assert "left out, the head: fc.bias, fc.weight" in weights.notes
    fine_tuned = (
        "the file's head has {}, ImageNet's has 1,000: fine-tuned, or trained on other classes"
    )
    assert fine_tuned.format("one output") in weights.notes
    five = write_source_file(resnet18, "resnet18", "torchvision", tmp_path / "b.safetensors")
    assert fine_tuned.format("5 outputs") in load(five, "resnet18").notes


def test_vgg_without_its_head_uses_mean_pooling(tmp_path: Path) -> None:
    variables = network("vgg16", 0, pooling="mean", head_widths=())
    weights = load(
        write_source_file(variables, "vgg16", "torchvision", tmp_path / "vgg.pth"), "vgg16"
    )
    assert_equal(weights.variables, variables)
    assert weights.fields == {"pooling": "mean", "head_widths": ()}
    assert weights.num_classes is None


def test_the_kind_decides_if_the_keys_are_ambiguous(tmp_path: Path) -> None:
    variables = network("efficientnet_b0", 3)
    file = write_source_file(variables, "efficientnet_b0", "timm", tmp_path / "some.safetensors")
    guessed = load(file, "efficientnet_b0")
    assert guessed.source["kind"] == "timm"
    assert any("timm_tf" in note for note in guessed.notes)
    explicit = load(file, "efficientnet_b0", kind="timm_tf")
    assert explicit.fields["padding"] == "same"
    assert not any("timm" in note for note in explicit.notes)
    assert len(cached_names()) == 2


def test_a_url_is_downloaded_once(server: Server, root: Path, resnet18: Variables) -> None:
    url = f"http://127.0.0.1:{server.server_port}/resnet18.safetensors?download=1"
    assert_equal(load(url).variables, resnet18)
    assert len(server.requests) == 1
    again = load(url, offline=True)
    assert_equal(again.variables, resnet18)
    assert again.source["url"] == url
    assert len(server.requests) == 1
    assert not [*(root / "downloads").iterdir()], "the raw file is removed after conversion"


@pytest.fixture
def named(server: Server, files: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Returns a name in the catalogue; its file is on the local server."""
    name = "resnet18.tv_in1k"
    spec = dataclasses.replace(
        find_weights.CATALOGUE[name],
        url=f"http://127.0.0.1:{server.server_port}/resnet18.safetensors",
        hash=f"sha256:{file_digest(files / 'resnet18.safetensors')[:8]}",
    )
    monkeypatch.setitem(find_weights.CATALOGUE, name, spec)
    return name


def test_all_names_of_weights_share_one_cache_entry(named: str, server: Server) -> None:
    loaded = [load(name) for name in ("imagenet", "tv_in1k", named)]
    assert len(server.requests) == 1
    assert {weights.name for weights in loaded} == {named} == cached_names()
    spec = find_weights.CATALOGUE[named]
    assert loaded[0].input == spec.input
    source = loaded[0].source
    assert [source[k] for k in ("url", "license", "citation")] == [
        spec.url,
        "BSD-3-Clause",
        spec.citation,
    ]


def test_a_catalogue_name_has_priority_over_a_file(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "imagenet").mkdir()
    assert load("imagenet").name == named
    with pytest.raises(UserError, match=r"imagenet: no model\.json there"):
        load("./imagenet")


@pytest.mark.parametrize("variable", [None, "FERJAX_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_without_a_cache_entry_is_an_error(
    named: str, server: Server, variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv(variable, "1")
    with pytest.raises(UserError, match=r"resnet18\.tv_in1k: not in the cache .*and offline"):
        load("imagenet", offline=variable is None)
    assert not server.requests


def test_a_wrong_hash_converts_nothing(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = dataclasses.replace(find_weights.CATALOGUE[named], hash="sha256:00000000")
    monkeypatch.setitem(find_weights.CATALOGUE, named, spec)
    with pytest.raises(UserError, match="expected 00000000"):
        load(named)
    assert not cached_names()


def test_a_file_in_the_hub_cache_is_not_downloaded(
    files: Path, root: Path, resnet18: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = files / "resnet18.safetensors"
    monkeypatch.setattr(name_url_or_file, "hub_cached", lambda repository, file: local)
    weights = load("a1_in1k", offline=True)
    assert_equal(weights.variables, resnet18)
    assert weights.source["url"].startswith("https://huggingface.co/timm/resnet18.a1_in1k/")
    assert local.exists(), "the file in the hub's cache is kept"

    def hub_download(repository: str, file: str, folder: Path) -> Path:
        assert (repository, file) == ("timm/resnet18.a2_in1k", "model.safetensors")
        (folder / file).write_bytes(local.read_bytes())
        return folder / file

    monkeypatch.setattr(name_url_or_file, "hub_cached", hub_client.hub_cached)
    monkeypatch.setattr(name_url_or_file, "hub_download", hub_download)
    assert_equal(load("resnet18.a2_in1k").variables, resnet18)
    assert not [*(root / "downloads").iterdir()]


@pytest.mark.parametrize(
    ("source", "given", "message"),
    [
        ("tv_in1", {}, r"unknown weights of resnet18: 'resnet18\.tv_in1'.*mean 'resnet18.tv_in1k'"),
        ("resnet50.tv_in1k", {}, r"weights of resnet50, not of resnet18"),
        ("imagenet", {"model": "awei"}, r"holds no weights of awei"),
        ("imagenet", {"kind": "keras"}, r"of kind torchvision, not keras"),
        ("missing.pth", {}, r"missing\.pth: no such file"),
        (Path("imagenet"), {}, r"imagenet: no such file"),
        ("https://127.0.0.1:1/x.pth", {"offline": True}, r"not in the cache"),
    ],
)
def test_missing_weights_are_an_error(source: str | Path, given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(source, **given)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.b/models/resnet18-f37072fd.pth?x=1#sha256=f37072fd", "resnet18-f37072fd.pth"),
        ("https://a.b/..", "weights"),
        ("https://a.b", "weights"),
        ("https://a.b/a%2F..%2Fb", "a_2F.._2Fb"),
        (f"https://a.b/{'x' * 300}.pth", "x" * 96 + ".pth"),
    ],
)
def test_a_url_cannot_name_a_file_outside_the_folder(url: str, name: str, tmp_path: Path) -> None:
    requests: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(name_url_or_file, "download", lambda url, file, **_: requests.append(file))
        name_url_or_file.fetch(
            name_url_or_file.resolve(url, "resnet18", None), tmp_path, offline=False, progress=False
        )
    assert requests == [tmp_path / name]


def test_a_file_without_read_permission_is_an_error(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(name_url_or_file, "file_digest", forbidden)
    with pytest.raises(UserError, match=r"resnet18\.safetensors cannot be read: Permission"):
        load(files / "resnet18.safetensors")


def test_a_file_of_another_network_is_an_error(files: Path) -> None:
    with pytest.raises(UserError, match=r"looks like resnet18 .*expected resnet50"):
        load(files / "resnet18.safetensors", "resnet50")
    assert not cached_names()


def test_a_saved_folder_is_read_without_conversion(files: Path, tmp_path: Path) -> None:
    weights = load(files / "resnet18.safetensors")
    folder = save_pretrained(tmp_path / "own", weights)
    for path in (folder, folder / "model.safetensors", str(folder / "model.json")):
        again = load(path)
        assert_equal(again.variables, weights.variables)
        assert dataclasses.replace(again, variables={}) == dataclasses.replace(
            weights, variables={}
        )
    with pytest.raises(UserError, match=r"own: weights of resnet18, expected resnet50"):
        load(folder, "resnet50")
    values = json.loads((folder / "model.json").read_text())
    del values["input"]
    (folder / "model.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"a value is missing or does not fit .KeyError: .input."):
        load(folder)


def test_a_read_only_cache_returns_its_entries(
    named: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(named)

    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    # Not by file permissions: tests often run as root, which may write everywhere.
    monkeypatch.setattr(Path, "mkdir", forbidden)
    assert load(named).name == named
    with pytest.raises(UserError, match=r"cache .* cannot be written: Permission denied"):
        load("a1_in1k")


WORKER = """
import sys
from ferjax.convert import weights
from ferjax.models.registry import abstract_variables
convert = weights.convert
weights.convert = lambda *arguments: print("converted") or convert(*arguments)
print("ready", flush=True); sys.stdin.readline()
loaded = weights.load_pretrained(sys.argv[1], "resnet18", abstract_variables, progress=False)
print(len(loaded.variables))
"""


def test_two_processes_download_and_convert_once(server: Server, resnet18: Variables) -> None:
    url = f"http://127.0.0.1:{server.server_port}/resnet18.safetensors"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert all(child.stdout and child.stdout.readline() == "ready\n" for child in children)
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    outputs = sorted(child.communicate(timeout=120)[0] for child in children)
    assert outputs == [f"{len(resnet18)}\n", f"converted\n{len(resnet18)}\n"]
    assert len(server.requests) == 1


def test_an_interrupted_conversion_is_repeated(files: Path, resnet18: Variables) -> None:
    key = f"{file_digest(files / 'resnet18.safetensors')[:16]}-resnet18"
    incomplete = entry_folder(key).with_name(f".{key}.1.tmp")
    incomplete.mkdir(parents=True)
    (incomplete / "model.safetensors").write_bytes(b"half")
    assert_equal(load(files / "resnet18.safetensors").variables, resnet18)
    assert not incomplete.exists()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(
    value: float, resnet18: Variables, tmp_path: Path
) -> None:
    kernel = resnet18["params/head/kernel"].copy()
    kernel[3, :2] = value
    variables = {**resnet18, "params/head/kernel": kernel}
    file = write_source_file(variables, "resnet18", "torchvision", tmp_path / "nan.safetensors")
    expected = "2 of the 2,560 values of params/head/kernel are NaN or infinite"
    with pytest.raises(UserError, match=rf"nan\.safetensors: {expected}"):
        load(file)
    assert not cached_names()
    # A folder of an older version may hold them.
    write_source_file(resnet18, "resnet18", "torchvision", file)
    saved = save_pretrained(tmp_path / "old", dataclasses.replace(load(file), variables=variables))
    with pytest.raises(UserError, match=rf"old: {expected}"):
        load(saved)
