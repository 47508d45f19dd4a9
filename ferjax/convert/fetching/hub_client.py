"""Files of the Hugging Face hub, through the hub's own client."""

from pathlib import Path

from ferjax.errors import UserError


def hub_cached(repository: str, file: str) -> Path | None:
    """Returns the file where the hub's client has it on this machine already, else None."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    found = try_to_load_from_cache(repository, file)
    return Path(found) if isinstance(found, str) else None


def hub_download(repository: str, file: str, folder: Path) -> Path:
    """Fetches one file of a repository into `folder` and returns its path.

    Raises:
      UserError: the client is not installed, or cannot fetch the file.
    """
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise UserError(
            f"{repository} lies on the Hugging Face hub, and the package huggingface_hub is not"
            " installed. Run: pip install 'ferjax[hub]'"
        ) from None
    try:
        return Path(hf_hub_download(repository, file, local_dir=folder))
    except OSError as error:  # what the client raises for network, hub and disk alike
        said = str(error).strip().partition("\n")[0]
        raise UserError(
            f"https://huggingface.co/{repository}: {file} could not be fetched ({said}). Check the"
            " connection and the space left, or fetch the file by other means and give its path."
        ) from None
