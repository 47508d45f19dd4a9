"""What a command leaves: whether it is whole, how far it is, and whether two results are equal."""

import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
from pages import COMMIT, page_text
from PIL import Image
from safetensors.numpy import load

from ferjax.reproduce.reporting.embedded_results import unpacked
from ferjax.runtime.checksums import SUMS_FILE, find_damage

# Keys of JSON whose values are times, speeds, memory, or facts about the process and the machine.
_OF_THE_MACHINE = re.compile(
    r"^(?:saved|spent|finished|written|created|costs|speed|program|commands?"
    r"|(?:evaluation_)?environment|(?:total_)?minutes|peak_bytes|flop_utilisation|milliseconds.*)$|(?:^|_)seconds$"
    r"|per_(?:core_)?second$|memory"
)
# Some tests give the cache a folder of its own, which notes name. Pictures within pages have no
# space and no quotation mark before a slash: their megabytes are not searched from every slash on.
_FEATURE_CACHE = re.compile(r"(?<=[\s\"'])/[^\s\"'<>]*/features\b")
# Names under which ferjax, Orbax and JAX build what is not finished.
_UNFINISHED = re.compile(
    r"^\..*\.tmp$|orbax-checkpoint-tmp|\.building$|\.partial$|^\.probe\.|^\.unfinished$|\.complete$"
    r"|^replaced\.|\.part$"
)
# Files that grow by lines.
_LINES = re.compile(r"\.jsonl$|^journal")
# What a finished command has there but a reader does not look at.
_IGNORED = re.compile(r"\.lock$|^\.lock|^workers$|^log$|^cache$")
# Results within a page, as JSON.
_RESULTS = re.compile(r'(<script [^>]*id="results">)(.*?)(?=</script>)', re.DOTALL)
_TEXTS = (".html", ".json", ".jsonl", ".md", ".py")


@dataclass(frozen=True)
class Seen:
    """One look at a folder.

    Attributes:
      unfinished: what is being written under a name of its own, or ends in a cut line.
      torn: what is damaged or cut under the name of a result.
      reached: place → how far the work there is, in steps, chunks or reports.
    """

    unfinished: list[str]
    torn: list[str]
    reached: dict[str, int]


def look(folder: Path) -> Seen:
    """Returns what is in the folder of a command that was killed."""
    unfinished, torn, reached = [], [], {}
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if any(_UNFINISHED.search(part) for part in path.relative_to(folder).parts):
            unfinished.append(name)
            if path.suffix == ".partial":
                reached[name] = path.read_bytes().count(b'\n{"chunk"')
        elif "checkpoints" in path.relative_to(folder).parts:
            continue
        elif _LINES.search(path.name):
            if not path.read_bytes().endswith(b"\n") and path.stat().st_size:
                unfinished.append(name)
        elif damage := _damage(path):
            torn.append(f"{name}: {damage}")
        elif path.name == "report.json":
            reached[name] = 1
    for place in folder.rglob("checkpoints"):
        steps = [path for path in place.iterdir() if path.name.isdecimal()]
        whole = [int(p.name) for p in steps if (p / SUMS_FILE).exists() and not find_damage(p)]
        if steps and not whole:
            torn.append(f"{place.relative_to(folder)}: no whole checkpoint of {sorted(steps)}")
        unfinished += [str(path) for path in steps if int(path.name) not in whole]
        reached[str(place.relative_to(folder))] = max(whole, default=0)
    return Seen(unfinished, torn, reached)


def differences(ours: Path, theirs: Path) -> Iterator[str]:
    """Yields what the result of a command has otherwise than that of an undisturbed one."""
    found, expected = _contents(ours), _contents(theirs)
    yield from (f"{name} is missing" for name in sorted(expected.keys() - found.keys()))
    yield from (f"{name} is left over" for name in sorted(found.keys() - expected.keys()))
    for name in sorted(found.keys() & expected.keys()):
        if found[name] != expected[name]:
            yield f"{name}: {_first_difference(found[name], expected[name])}"


def _first_difference(ours: Any, theirs: Any, at: str = "") -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            if ours.get(key) != theirs.get(key):
                return _first_difference(ours.get(key), theirs.get(key), f"{at}/{key}")
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for k, pair in enumerate(zip(ours, theirs, strict=True)):
            if pair[0] != pair[1]:
                return _first_difference(*pair, f"{at}/{k}")
    return f"{at}: {str(ours)[:80]} instead of {str(theirs)[:80]}"


def _files(folder: Path) -> Iterator[Path]:
    """Yields the files below a folder, without caches, locks and logs."""
    for path in sorted(folder.iterdir()):
        if _IGNORED.search(path.name):
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _contents(folder: Path) -> dict[str, Any]:
    """Returns name → what must be equal of each file below a folder, and of each checkpoint."""
    found: dict[str, Any] = {}
    # A mount of a child is seen below /proc.
    place = re.sub(r"^/proc/\d+/root", "", str(folder))
    for path in _files(folder):
        parts = path.relative_to(folder).parts
        if "checkpoints" in parts and not any(map(_UNFINISHED.search, parts)):
            step = Path(*parts[: parts.index("checkpoints") + 2])
            if step.as_posix() not in found and (folder / step).is_dir():
                found[step.as_posix()] = _checkpoint(folder / step, place)
        else:
            found[path.relative_to(folder).as_posix()] = _content(path, place)
    return found


def _content(path: Path, place: str) -> Any:
    if path.suffix in _TEXTS:
        text = _neutral(path.read_text("utf-8"), place)
        if path.suffix == ".json":
            return _comparable(json.loads(text))
        if path.suffix == ".jsonl":
            return [_comparable(json.loads(line)) for line in text.splitlines()]
        return text if path.suffix == ".py" else _page(text, path.suffix == ".html")
    data = path.read_bytes()
    if path.suffix == ".npz":
        with np.load(io.BytesIO(data)) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        meta = found.pop("meta", None)
        text = "{}" if meta is None else _neutral(meta.tobytes().decode(), place)
        facts = _comparable(json.loads(text))
        return {**facts, **{k: (v.dtype.str, v.shape, v.tobytes()) for k, v in found.items()}}
    if path.suffix == ".safetensors":
        return {name: (a.shape, a.tobytes()) for name, a in load(data).items()}
    if path.suffix == ".stablehlo":
        return _program(data, place)
    # Sums of files that hold times, or that are compared themselves; journals hold times.
    if path.name == SUMS_FILE or _LINES.search(path.name):
        return "not compared"
    return data


def _page(text: str, html: bool) -> list[Any]:
    """Returns the lines of a page, and the JSON in it, that must be equal."""
    found = _RESULTS.search(text) if html else None
    if not found:
        return page_text(text, html)
    lines = page_text(_RESULTS.sub(r"\1", text), html)
    block = json.loads(found[2])
    block["results"]["runs"] = json.loads(unpacked(block["results"]["runs"], 1 << 30))
    return [*lines, _comparable(block)]


def _neutral(text: str, place: str) -> str:
    """Returns a text without the commit and the names of the command's folder and of the cache."""
    return COMMIT.sub("COMMIT", _FEATURE_CACHE.sub("/cache/features", text.replace(place, "")))


def _program(data: bytes, place: str) -> tuple[bytes, dict[str, Any]]:
    """Returns the bytes of a program, and the JSON files of a zip archive that follows it."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return data, {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        end = min(entry.header_offset for entry in archive.infolist())
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    cards = {name: _comparable(json.loads(_neutral(text, place))) for name, text in texts.items()}
    return data[:end], cards


def _comparable(found: Any) -> Any:
    """Returns JSON values without what is a matter of time and of the machine."""
    if isinstance(found, dict):
        return {k: _comparable(v) for k, v in found.items() if not _OF_THE_MACHINE.search(k)}
    return [_comparable(each) for each in found] if isinstance(found, list) else found


def _checkpoint(path: Path, place: str) -> dict[str, Any]:
    """Returns type, shape and bytes of a checkpoint's every array, and its meta."""
    handler = ocp.PyTreeCheckpointHandler()
    restored = handler.restore(path.absolute() / "state", args=_as_numpy(handler, path))
    leaves = {"/".join(map(str, where)): np.asarray(leaf) for where, leaf in _leaves(restored)}
    arrays = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in leaves.items()}
    meta = _neutral((path / "meta" / "metadata").read_text("utf-8"), place)
    return {**arrays, "meta": _comparable(json.loads(meta))}


def _as_numpy(handler: Any, path: Path) -> Any:
    import jax

    tree = handler.metadata(path.absolute() / "state").tree
    wanted = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
    return ocp.args.PyTreeRestore(restore_args=wanted)


def _leaves(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(tree, dict):
        for key in sorted(tree):
            yield from _leaves(tree[key], (*at, key))
    elif isinstance(tree, (list, tuple)):
        for k, each in enumerate(tree):
            yield from _leaves(each, (*at, k))
    elif tree is not None:
        yield at, tree


def _damage(path: Path) -> str:
    """Returns why a file is no whole one of its kind, or an empty text."""
    data = path.read_bytes()
    try:
        if path.suffix == ".json":
            json.loads(data)
        elif path.suffix == ".png":
            Image.open(io.BytesIO(data)).load()
        elif path.suffix == ".npz":
            with np.load(io.BytesIO(data)) as arrays:
                [arrays[name] for name in arrays.files]
        elif path.suffix == ".safetensors":
            load(data)
        elif path.suffix == ".gz":
            gzip.decompress(data)
        elif path.suffix == ".html" and not data.rstrip().endswith(b"</html>"):
            return "its end is missing"
        elif path.suffix in (".csv", ".md", ".py") and not data.endswith(b"\n"):
            return "its last line has no end"
    except Exception as error:  # each reader has its own
        return f"{type(error).__name__}: {error}"
    return ""
