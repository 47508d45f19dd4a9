"""Downloads from the Hugging Face hub with the package huggingface_hub."""

from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.optional_packages import require_package


def hub_cached(repository: str, file: str) -> Path | None:
    """Returns the file from the cache of huggingface_hub, or None if it is not there."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    path = try_to_load_from_cache(repository, file)
    return Path(path) if isinstance(path, str) else None


def hub_download(repository: str, file: str, folder: Path) -> Path:
    """Downloads one file of a repository to `folder` and returns its path.

    Raises:
      UserError: huggingface_hub is not installed, or the download failed.
    """
    purpose = f"{repository} is on the Hugging Face hub; the download"
    hub = require_package("huggingface_hub", "hub", purpose)
    try:
        return Path(hub.hf_hub_download(repository, file, local_dir=folder))
    except OSError as error:  # huggingface_hub raises it for network, hub and disk errors
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"https://huggingface.co/{repository}: {file} could not be downloaded ({reason}). Check"
            " the connection and the disk space, or download the file in another way and give its"
            " path."
        ) from None
