"""Downloads from the Hugging Face hub with the package huggingface_hub."""

from pathlib import Path

from ferjax.errors import UserError


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
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise UserError(
            f"{repository} is on the Hugging Face hub, and the package huggingface_hub is not"
            " installed. Run: pip install 'ferjax[hub]'"
        ) from None
    try:
        return Path(hf_hub_download(repository, file, local_dir=folder))
    except OSError as error:  # huggingface_hub raises it for network, hub and disk errors
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"https://huggingface.co/{repository}: {file} could not be downloaded ({reason}). Check"
            " the connection and the disk space, or download the file in another way and give its"
            " path."
        ) from None
