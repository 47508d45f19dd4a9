"""Runs that somebody sends: config.json, checkpoints, metrics, reports, records of the images."""

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.gallery_config import GalleryConfig
from ferjax.config.train_config import TrainConfig
from ferjax.experiment import run_train
from ferjax.predict.predictor import load_predictor
from ferjax.runs.finished_runs.load_network import network_config
from ferjax.runtime.checksums import write_checksums
from ferjax.tools.gallery.write_gallery import run_gallery
from ferjax.training.run_directory.find_runs import where_runs_are
from ferjax.training.run_directory.metrics_jsonl import read_lines
from ferjax.training.run_directory.splits_file import read_split_record

DEEP, LONG = b"[" * 100_000, b'{"seed": ' + b"9" * 5000 + b"}"
# JSON files of any kind: name of the case → content.
TEXTS: dict[str, bytes] = {
    "empty": b"",
    "deep": DEEP,
    "deep objects": b'{"a":' * 50_000,
    "a long number": LONG,
    "bytes": b"\xff\xfe\x00{}",
    "half a character": b'{"a": "\xc3',
    "a list": b"[1, 2]",
    "a text": b'"config"',
    "null": b"null",
    "a number": b"NaN",
    "a megabyte of spaces": b" " * 10**6,
    "zeros": bytes(1000),
    "a page": b"<html><script>1</script></html>",
    "two objects": b"{}{}",
}


def load(run: Path, out: Path) -> str:
    return f"classes {load_predictor(run).classes}"


def config(run: Path, out: Path) -> str:
    return f"model {network_config(run).model}"


def metrics(run: Path, out: Path) -> str:
    return f"{len(read_lines(run))} lines"


def splits(run: Path, out: Path) -> str:
    return f"record {read_split_record(run) is not None}"


def gallery(run: Path, out: Path) -> str:
    out.mkdir()
    lines = run_gallery(GalleryConfig(out=str(out / "gallery.html")), [str(run)])
    page = (out / "gallery.html").read_text("utf-8")
    assert "<script>1" not in page
    return " ".join(lines)


def resume(run: Path, out: Path) -> str:
    own = json.loads((run.parent / "whole.json").read_text())
    own.pop("format")
    lists = {key: tuple(v) if isinstance(v, list) else v for key, v in own.items()}
    return str(run_train(TrainConfig(**{**lists, "resume": True, "workdir": str(run)})))


def text_in(name: str, text: bytes | Callable[[dict[str, Any]], Any]) -> Callable[..., Path]:
    """The run with another file of that name: its text, or its changed JSON values."""

    def build(folder: Path, run: Path) -> Path:
        copy = folder / "run"
        shutil.copytree(run, copy)
        shutil.copy(run / "config.json", folder / "whole.json")
        path = copy / name
        if callable(text):
            values = json.loads(path.read_text())
            changed = text(values)
            content = json.dumps(values if changed is None else changed).encode()
        else:
            content = text
        path.write_bytes(content)
        return copy

    return build


def with_value(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda values: {**values, key: value}


def meta(change: Callable[[dict[str, Any]], Any] | bytes) -> Callable[..., Path]:
    """The run with another meta in every checkpoint, and checksums of it."""

    def build(folder: Path, run: Path) -> Path:
        shutil.copytree(run, folder / "run")
        for path in (folder / "run" / "checkpoints").glob("*/meta/metadata"):
            if callable(change):
                values = json.loads(path.read_text())
                changed = change(values)
                path.write_text(json.dumps(values if changed is None else changed))
            else:
                path.write_bytes(change)
            (path.parents[1] / "SHA256SUMS").unlink()
            write_checksums(path.parents[1], "*/**/*")
        return folder / "run"

    return build


def checkpoint(change: Callable[[Path], Any], sums: bool = True) -> Callable[..., Path]:
    """The run with something else in each checkpoint's folder."""

    def build(folder: Path, run: Path) -> Path:
        shutil.copytree(run, folder / "run")
        for path in (folder / "run" / "checkpoints").iterdir():
            change(path)
            if sums and path.is_dir() and path.name.isdecimal():
                (path / "SHA256SUMS").unlink(missing_ok=True)
                write_checksums(path, "*/**/*")
        return folder / "run"

    return build


def all_files(pattern: str, content: bytes) -> Callable[[Path], Any]:
    def change(step: Path) -> None:
        for path in step.glob(pattern):
            if path.is_file():
                path.write_bytes(content)

    return change


def images_file(content: bytes) -> Callable[..., Path]:
    return text_in("splits.csv.gz", content)


_HEAD = b"split,class,content,target,image\n"
CONFIGS = {
    **{f"{name}": (text_in("config.json", text), config) for name, text in TEXTS.items()},
    "an unknown field": (text_in("config.json", with_value("__class__", "os.system")), config),
    "a later format": (text_in("config.json", with_value("format", 10**9)), config),
    "a text for the format": (text_in("config.json", with_value("format", "2")), config),
    "a list for the model": (text_in("config.json", with_value("model", ["cnn3"])), config),
    "a text for the epochs": (text_in("config.json", with_value("epochs", "many")), config),
    "an object for the seed": (text_in("config.json", with_value("seed", {"a": 1})), config),
    "NaN for the rate": (text_in("config.json", with_value("learning_rate", float("nan"))), config),
    "a pipe": (lambda folder, run: pipe(folder, run, "config.json"), config),
    "a device": (lambda folder, run: zeros(folder, run, "config.json"), config),
    "1 GB of nothing": (lambda folder, run: nothing(folder, run, "config.json"), config),
}  # fmt: skip
ORBAX = {
    **{f"meta {n}": (meta(text), load) for n, text in TEXTS.items()},
    "no classes": (meta(with_value("classes", None)), load),
    "a number of classes": (meta(with_value("classes", 7)), load),
    "100,000 classes": (meta(with_value("classes", ["x"] * 100_000)), load),
    "an unknown network": (meta(with_value("model", "os.system")), load),
    "a list for the network": (meta(with_value("model", ["cnn3"])), load),
    "fields that it does not have": (meta(with_value("fields", {"__class__": 1})), load),
    "a width of 10^9": (meta(with_value("fields", {"num_classes": 10**9})), load),
    "an input of 10^9 pixels": (
        meta(lambda v: v["spec"].update(size=10**9, storage=[10**9, 10**9])), load),
    "a negative input": (meta(lambda v: v["spec"].update(size=-32)), load),
    "an input without channels": (meta(lambda v: v["spec"].pop("channels") and None), load),
    "texts for the mean": (meta(lambda v: v["spec"].update(mean=["a"])), load),
    "a best step that is not there": (
        meta(lambda v: v["best"].update(step=10**12)), load),
    "a path for the best step": (
        meta(lambda v: v["best"].update(step="../../../../etc")), load),
    "averages of unknown parameters": (meta(with_value("averaged", ["../x"])), load),
    "no best": (meta(with_value("best", None)), load),
    "metrics deep": (checkpoint(all_files("metrics/metrics", DEEP)), load),
    "metrics of texts": (checkpoint(all_files("metrics/metrics", b'{"accuracy": "x"}')), load),
    "metrics without accuracy": (checkpoint(all_files("metrics/metrics", b"{}")), load),
    "no state": (checkpoint(lambda step: shutil.rmtree(step / "state")), load),
    "empty arrays": (checkpoint(all_files("state/**/*", b"")), load),
    "arrays of other bytes": (checkpoint(all_files("state/**/d/*", b"x" * 99)), load),
    "a manifest of other bytes": (
        checkpoint(all_files("state/manifest.ocdbt", b"\x0c" * 99)), load),
    "a tree of other bytes": (checkpoint(all_files("state/_METADATA", b"{" * 99)), load),
    "a tree that is deep": (checkpoint(all_files("state/_METADATA", DEEP)), load),
    "a tree of nothing": (checkpoint(all_files("state/_METADATA", b"{}")), load),
    "checksums of other files": (
        checkpoint(all_files("SHA256SUMS", b"0" * 64 + b"  ../../../x\n"), sums=False), load),
    "checksums of the root": (
        checkpoint(all_files("SHA256SUMS", b"0" * 64 + b"  /dev/null\n"), sums=False), load),
    "checksums of a line of a megabyte": (
        checkpoint(all_files("SHA256SUMS", b"0" * 10**6), sums=False), load),
    "checkpoints of other digits": (
        checkpoint(lambda step: step.rename(step.with_name("²" + step.name))), load),
}  # fmt: skip
JSONL = {
    f"metrics {name}": (text_in("metrics.jsonl", text + b"\n"), metrics)
    for name, text in TEXTS.items()
}
JSONL |= {
    "a pipe of metrics": (lambda folder, run: pipe(folder, run, "metrics.jsonl"), metrics),
}
RECORDS = {
    **{f"summary {n}": (text_in("splits.json", t), splits) for n, t in TEXTS.items()},
    "no gzip": (images_file(b"split,class"), splits),
    "half a gzip": (images_file(gzip.compress(_HEAD)[:-9]), splits),
    "an empty table": (images_file(gzip.compress(b"")), splits),
    "no rows": (images_file(gzip.compress(_HEAD)), splits),
    "48 MB of zeros": (images_file(gzip.compress(bytes(48 << 20))), splits),
    "a million rows": (
        images_file(gzip.compress(_HEAD + b"train,anger,,,a.png\n" * 10**6)), splits),
    "an unknown split": (images_file(gzip.compress(_HEAD + b"../x,anger,,,a.png\n")), splits),
    "a hash of a thousand digits": (
        images_file(gzip.compress(_HEAD + b"train,anger," + b"f" * 1000 + b",,a\n")), splits),
    "damaged compression": (images_file(gzip.compress(_HEAD * 99)[:30] + b"\xff" * 40), splits),
}  # fmt: skip
# What the gallery shows as a row with its reason, instead of an error.
ROWS = {f"report {name}": (text_in("report.json", text), gallery) for name, text in TEXTS.items()}
ROWS |= {
    "a text for the results": (text_in("report.json", with_value("results", "x")), gallery),
    "a list for the protocol": (text_in("report.json", with_value("protocol", [1])), gallery),
    "1 GB of nothing": (lambda folder, run: nothing(folder, run, "report.json"), gallery),
    "a pipe": (lambda folder, run: pipe(folder, run, "report.json"), gallery),
    "metrics deep": (text_in("metrics.jsonl", DEEP + b"\n"), gallery),
    "config of bytes": (text_in("config.json", b"\xff"), gallery),
}
FINISHED = {
    f"report {name}": (text_in("report.json", text), resume) for name, text in TEXTS.items()
}
FINISHED["no config in it"] = (text_in("report.json", b"{}"), resume)
FINISHED["a list for its config"] = (text_in("report.json", b'{"config": [1]}'), resume)


def replaced(folder: Path, run: Path, name: str) -> Path:
    shutil.copytree(run, folder / "run")
    (folder / "run" / name).unlink()
    return folder / "run" / name


def pipe(folder: Path, run: Path, name: str) -> Path:
    os.mkfifo(replaced(folder, run, name))
    return folder / "run"


def zeros(folder: Path, run: Path, name: str) -> Path:
    replaced(folder, run, name).symlink_to("/dev/null")
    return folder / "run"


def nothing(folder: Path, run: Path, name: str) -> Path:
    path = replaced(folder, run, name)
    path.touch()
    os.truncate(path, 1 << 30)
    return folder / "run"


TABLES = {
    "run config": (CONFIGS, "refused"),
    "Orbax": (ORBAX, "refused"),
    "metrics jsonl": (JSONL, "refused"),
    "splits file": (RECORDS, "refused"),
    "report in the gallery": (ROWS, "without numbers"),
    "report of a finished run": (FINISHED, "refused"),
}
CASES = [(kind, name) for kind, (table, _) in TABLES.items() for name in table]


# Tasks of Orbax that end after its error, when their loop is closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{a}: {b}" for a, b in CASES])
def test_reading_a_run(kind: str, name: str, give: Any, small_run: Path) -> None:
    table, ends = TABLES[kind]
    build, consume = table[name]
    give(kind, lambda folder: build(folder, small_run), consume, ends)


def test_a_report_of_a_search_that_is_damaged_hides_nothing(tmp_path: Path) -> None:
    for text in TEXTS.values():
        (tmp_path / "report.json").write_bytes(text)
        assert where_runs_are(tmp_path) == "Give the folder of a ferjax run."


def test_the_run_itself_is_read(small_run: Path, tmp_path: Path) -> None:
    """Otherwise everything above would be refused for another reason."""
    shutil.copy(small_run / "config.json", small_run.parent / "whole.json")
    ends = [use(small_run, tmp_path / use.__name__) for use in (load, config, metrics, splits)]
    assert ends[0].startswith("classes")
    assert ends[1] == "model base_cnn"
    assert ends[3] == "record True"
    assert int(ends[2].split()[0]) > 2
    assert "without numbers" not in gallery(small_run, tmp_path / "gallery")
    assert "report.md" in resume(small_run, tmp_path)
