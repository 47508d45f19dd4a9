"""What a user's word for weights stands for, and how the file it names gets here."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ferjax.convert.catalogue.find_weights import find_weights, is_catalogued
from ferjax.convert.catalogue.weight_spec import WeightSpec
from ferjax.convert.converted.weights_cache import cache_root
from ferjax.convert.converted.weights_folder import is_saved
from ferjax.convert.fetching.download import download
from ferjax.convert.fetching.file_hashes import file_digest
from ferjax.convert.fetching.hub_client import hub_cached, hub_download
from ferjax.errors import UserError

# A word that ends so means a file, also where there is none.
_SUFFIXES = frozenset(
    {".bin", ".ckpt", ".h5", ".hdf5", ".keras", ".npz", ".pt", ".pth", ".safetensors"}
)
_OFFLINE = ("FERJAX_OFFLINE", "HF_HUB_OFFLINE")
_NO = ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class Origin:
    """Where weights come from; exactly one of `spec`, `url` and `path` is given.

    Attributes:
      name: as the user wrote it, or the catalogue's full name.
      key: name of the cache's entry; empty for converted weights, which need none.
      kind: of the rule table, or None where the file is to tell.
      spec: the catalogue's entry.
      url: address of a file that the catalogue does not know.
      path: local file or folder.
      sha256: of the foreign file at `path`, all 64 digits; None for everything else.
    """

    name: str
    key: str
    kind: str | None
    spec: WeightSpec | None = None
    url: str | None = None
    path: Path | None = None
    sha256: str | None = None


def resolve(source: str | Path, model: str, kind: str | None) -> Origin:
    """Returns what `source` stands for: a catalogue name, an address, or a file.

    A catalogue name goes before a file of the same name; `./name` means the file.

    Raises:
      UserError: a name the catalogue does not have, a file that is not there, or a `kind` other
        than the catalogue's.
    """
    text = str(source)
    ending = f"{model}-{kind}" if kind else model
    if text.lower().startswith(("http://", "https://")):
        key = f"{hashlib.sha256(text.encode()).hexdigest()[:16]}-{ending}"
        return Origin(text, key, kind, url=text)
    named = is_catalogued(text, model)
    path = Path(source).expanduser()
    if isinstance(source, Path) or (not named and (_looks_like_file(text) or path.exists())):
        if not path.exists():
            raise UserError(f"{path}: no such file or folder of weights. Check the path.")
        # Content and not path: a file that changed is another entry, a copy is the same.
        if path.is_dir() or is_saved(path):
            return Origin(text, "", kind, path=path)
        try:
            sha256 = file_digest(path)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
        return Origin(text, f"{sha256[:16]}-{ending}", kind, path=path, sha256=sha256)
    spec = find_weights(text, model)
    if kind not in (None, spec.kind):
        raise UserError(f"{spec.name} is of kind {spec.kind}, not {kind}. Leave the kind out.")
    return Origin(spec.name, spec.name, spec.kind, spec=spec)


def fetch(origin: Origin, folder: Path, *, offline: bool, progress: bool) -> Path:
    """Returns the origin's file: its own path, or fetched into `folder`.

    What the Hugging Face client already has on this machine is used from there. Offline is also
    what FERJAX_OFFLINE or HF_HUB_OFFLINE in the environment ask for.

    Raises:
      UserError: offline, or the file cannot be fetched.
    """
    if origin.path:
        return origin.path
    spec = origin.spec
    if spec and spec.hub and (cached := hub_cached(spec.hub, spec.hub_file or "")):
        return cached
    if offline or any(os.environ.get(name, "0").lower() not in _NO for name in _OFFLINE):
        raise UserError(
            f"{origin.name}: not in the cache {cache_root()}, and offline. Run once with a"
            f" connection, copy {cache_root() / 'weights' / origin.key} from a machine that has it,"
            " or give a file of weights."
        )
    if spec and spec.hub:
        return hub_download(spec.hub, spec.hub_file or "", folder)
    url, hash = (spec.url, spec.hash) if spec else _stated(origin.url or "")
    file = folder / _file_name(url or "")
    # Without a hash an older answer, perhaps an error page, is as good as nothing.
    if not (hash and file.exists()):
        download(url or "", file, hash=hash, progress=progress)
    return file


def _stated(url: str) -> tuple[str, str | None]:
    """Returns an address, and the hash that its fragment states: `...#sha256=<digits>`."""
    url, _, fragment = url.partition("#")
    if not fragment:
        return url, None
    if not re.fullmatch(r"sha256=[0-9a-f]{8,64}|md5=[0-9a-f]{32}", fragment):
        raise UserError(
            f"{url}#{fragment}: after # a hash is expected, sha256= or md5= and its hexadecimal"
            " digits. Correct it or leave it out."
        )
    return url, fragment.replace("=", ":")


def address(origin: Origin) -> dict[str, str]:
    """Returns the origin as the sidecar says it: {"url": ...} or {"path": ...}."""
    if origin.path:
        return {"path": str(origin.path.resolve())}
    if (spec := origin.spec) and spec.hub:
        return {"url": f"https://huggingface.co/{spec.hub}/resolve/main/{spec.hub_file}"}
    return {"url": (spec.url if spec else origin.url) or ""}


def _looks_like_file(text: str) -> bool:
    return "/" in text or os.sep in text or Path(text).suffix.lower() in _SUFFIXES


def _file_name(url: str) -> str:
    """Returns the last part of an address's path, as a name that any file system takes."""
    name = re.sub(r"[^\w.-]", "_", urlsplit(url).path.rpartition("/")[2])[-100:]
    return name if name.strip(".") else "weights"
