"""Resolves --pretrained (weights name, URL or local file) and downloads the file if needed."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ferjax.convert.catalogue.find_weights import find_weights, is_catalogued
from ferjax.convert.catalogue.weight_spec import WeightSpec
from ferjax.convert.converted.weights_folder import is_saved
from ferjax.convert.fetching.download import download
from ferjax.convert.fetching.hub_client import hub_cached, hub_download
from ferjax.errors import UserError
from ferjax.runtime.cache_root import cache_root
from ferjax.runtime.checksums import file_digest
from ferjax.runtime.offline import downloads_are_forbidden

# A text with one of these suffixes is a file name, even if the file does not exist.
_SUFFIXES = frozenset(
    {".bin", ".ckpt", ".h5", ".hdf5", ".keras", ".npz", ".onnx", ".pt", ".pth", ".safetensors"}
)


@dataclass(frozen=True)
class Origin:
    """The origin of weights; exactly one of `spec`, `url` and `path` is given.

    Attributes:
      name: the source as the user wrote it, or the full name in the catalogue.
      key: name of the cache entry; empty for converted weights, which need none.
      kind: kind of the conversion table, or None to recognise it from the file.
      spec: the entry of the catalogue.
      url: URL of a file that is not in the catalogue.
      path: local file or folder.
      sha256: all 64 digits of the hash of a file of another library at `path`; None otherwise.
    """

    name: str
    key: str
    kind: str | None
    spec: WeightSpec | None = None
    url: str | None = None
    path: Path | None = None
    sha256: str | None = None


def resolve(source: str | Path, model: str, kind: str | None) -> Origin:
    """Returns the origin that `source` denotes: a name in the catalogue, a URL, or a file.

    A name in the catalogue has priority over a file of the same name; `./name` denotes the file.

    Raises:
      UserError: a name that is not in the catalogue, a file that does not exist, or a `kind` that
        differs from the catalogue's.
    """
    text = str(source)
    suffix = f"{model}-{kind}" if kind else model
    if text.lower().startswith(("http://", "https://")):
        key = f"{hashlib.sha256(text.encode()).hexdigest()[:16]}-{suffix}"
        return Origin(text, key, kind, url=text)
    in_catalogue = is_catalogued(text, model)
    path = Path(source).expanduser()
    if isinstance(source, Path) or (not in_catalogue and (_looks_like_file(text) or path.exists())):
        if not path.exists():
            raise UserError(f"{path}: no such file or folder of weights. Check the path.")
        # The key depends on the content, not on the path: a changed file is a new entry, a copy of
        # a file is the same entry.
        if path.is_dir() or is_saved(path):
            return Origin(text, "", kind, path=path)
        try:
            sha256 = file_digest(path)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
        return Origin(text, f"{sha256[:16]}-{suffix}", kind, path=path, sha256=sha256)
    spec = find_weights(text, model)
    if kind not in (None, spec.kind):
        raise UserError(f"{spec.name} is of kind {spec.kind}, not {kind}. Leave --kind out.")
    return Origin(spec.name, spec.name, spec.kind, spec=spec)


def fetch(origin: Origin, folder: Path, *, offline: bool, progress: bool) -> Path:
    """Returns the local file of an origin; downloads it to `folder` if it is not local.

    A file that the cache of huggingface_hub already has is used from there. The environment
    variables FERJAX_OFFLINE and HF_HUB_OFFLINE also switch downloads off.

    Raises:
      UserError: a download is needed but forbidden, or fails.
    """
    if origin.path:
        return origin.path
    spec = origin.spec
    if spec and spec.hub and (cached := hub_cached(spec.hub, spec.hub_file or "")):
        return cached
    if offline or downloads_are_forbidden():
        raise UserError(
            f"{origin.name}: not in the cache {cache_root()}, and offline. Run once with a"
            f" connection, copy {cache_root() / 'weights' / origin.key} from a machine that has it,"
            " or give a file of weights."
        )
    if spec and spec.hub:
        return hub_download(spec.hub, spec.hub_file or "", folder)
    url, hash = (spec.url, spec.hash) if spec else _split_hash(origin.url or "")
    file = folder / _file_name(url or "")
    # Without a hash an earlier download cannot be checked (it may be an error page).
    if not (hash and file.exists()):
        download(url or "", file, hash=hash, progress=progress)
    return file


def _split_hash(url: str) -> tuple[str, str | None]:
    """Returns a URL without its fragment, and the hash in the fragment: `...#sha256=<digits>`."""
    url, _, fragment = url.partition("#")
    if not fragment:
        return url, None
    if not re.fullmatch(r"sha256=[0-9a-f]{8,64}|md5=[0-9a-f]{32}", fragment):
        raise UserError(
            f"{url}#{fragment}: after # a hash is expected, sha256= or md5= and its hexadecimal"
            " digits. Correct it or remove it."
        )
    return url, fragment.replace("=", ":")


def address(origin: Origin) -> dict[str, str]:
    """Returns the origin as stored in model.json: {"url": ...} or {"path": ...}."""
    if origin.path:
        return {"path": str(origin.path.resolve())}
    if (spec := origin.spec) and spec.hub:
        return {"url": f"https://huggingface.co/{spec.hub}/resolve/main/{spec.hub_file}"}
    return {"url": (spec.url if spec else origin.url) or ""}


def _looks_like_file(text: str) -> bool:
    return "/" in text or os.sep in text or Path(text).suffix.lower() in _SUFFIXES


def _file_name(url: str) -> str:
    """Returns the last part of a URL's path, as a file name that is valid on any file system."""
    name = re.sub(r"[^\w.-]", "_", urlsplit(url).path.rpartition("/")[2])[-100:]
    return name if name.strip(".") else "weights"
