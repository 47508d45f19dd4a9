"""Names of the recognisers that come with ferjax, and the model cards of weights files."""

from pathlib import Path

from ferjax.errors import UserError

# Name → description in one line. The first is the default of `load_predictor` and `launch.predict`.
SHIPPED: dict[str, str] = {
    "fernet-ferplus": "eight emotions, trained on the votes of FER+",
    "fernet-fer2013": "seven emotions, trained on the labels of FER2013",
}
DEFAULT = next(iter(SHIPPED))
# The value of `format` in a card. Other libraries write a JSON file beside their weights too.
FORMAT = "ferjax-recogniser"
CARD_SUFFIX, TENSORS_SUFFIX = ".json", ".safetensors"
# Characters in which the format is searched; a card begins with its format.
_MOST_SEARCHED = 1 << 20
_FOLDER = Path(__file__).parent


def find_card(source: str | Path) -> Path | None:
    """Returns the model card of a shipped name or of a weights file, or None if it is neither.

    Args:
      source: a name of `SHIPPED`, as text; or a path: the card, the safetensors file beside it, or
        a folder with one card, as `launch.export` writes it. A run directory is no such folder.

    Raises:
      UserError: a shipped name whose files are missing from this installation, a card or weights
        file without the other, or a folder with several cards.
    """
    if isinstance(source, str) and source in SHIPPED:
        card = _FOLDER / f"{source}{CARD_SUFFIX}"
        if not card.is_file():
            raise UserError(
                f"{source}: {card} is not there, so this installation of ferjax is incomplete."
                " Install ferjax again."
            )
        return card
    path = Path(source).expanduser()
    if path.is_dir():
        return _card_in(path)
    if path.suffix == CARD_SUFFIX and _is_card(path):
        if not path.with_suffix(TENSORS_SUFFIX).is_file():
            raise UserError(f"{path}: {no_tensors(path.stem + TENSORS_SUFFIX)}")
        return path
    card = path.with_suffix(CARD_SUFFIX)
    return card if path.suffix == TENSORS_SUFFIX and path.is_file() and _is_card(card) else None


def no_tensors(name: str) -> str:
    """Returns the message for a card without its weights file: what is missing and what to do."""
    return (
        f"{name} is not beside the model card. Export with --format=safetensors too: the other"
        " formats are not for ferjax; or copy both files."
    )


def _card_in(folder: Path) -> Path | None:
    """Returns the only card in a folder, or None if there is no card."""
    if (folder / "checkpoints").is_dir():
        return None
    cards = sorted(filter(_is_card, folder.glob(f"*{CARD_SUFFIX}")))
    if len(cards) > 1:
        names = ", ".join(card.name for card in cards)
        raise UserError(f"{folder} holds the cards of several networks: {names}. Name one of them.")
    return cards[0] if cards else None


def _is_card(path: Path) -> bool:
    """Returns whether a file contains the format name of a card; the text is not parsed."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return FORMAT in file.read(_MOST_SEARCHED)
