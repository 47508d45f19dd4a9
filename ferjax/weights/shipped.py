"""Names of the recognisers that come with ferjax, and where their model cards lie."""

from pathlib import Path

from ferjax.errors import UserError

# Name → what it is, one line. The first is the default of `load_predictor` and `launch.predict`.
SHIPPED: dict[str, str] = {
    "fernet-ferplus": "eight emotions, trained on the votes of FER+",
    "fernet-fer2013": "seven emotions, trained on the labels of FER2013",
}
DEFAULT = next(iter(SHIPPED))
_FOLDER = Path(__file__).parent
CARD_SUFFIX = ".json"


def find_card(source: str | Path) -> Path | None:
    """Returns the model card of a shipped name or of a weights file, or None: it is neither.

    Args:
      source: a name of `SHIPPED`; or a path: the card, the safetensors file beside it, or a folder
        that holds exactly one card, as `launch.export --format=safetensors` writes it.

    Raises:
      UserError: a shipped name whose files are missing from this installation.
    """
    if str(source) in SHIPPED:
        card = _FOLDER / f"{source}{CARD_SUFFIX}"
        if not card.is_file():
            raise UserError(
                f"{source}: {card} is not there, so this installation of ferjax is incomplete."
                " Install ferjax again."
            )
        return card
    path = Path(source).expanduser()
    if path.is_dir():
        cards = [file for file in path.glob(f"*{CARD_SUFFIX}") if _has_tensors(file)]
        return cards[0] if len(cards) == 1 else None
    card = path.with_suffix(CARD_SUFFIX)
    return card if path.suffix in (CARD_SUFFIX, ".safetensors") and _has_tensors(card) else None


def _has_tensors(card: Path) -> bool:
    """Returns whether a card and its safetensors file lie side by side."""
    # `model.json` beside `model.safetensors` is a folder of converted weights.
    named = card.stem != "model" and card.is_file()
    return named and card.with_suffix(".safetensors").is_file()
