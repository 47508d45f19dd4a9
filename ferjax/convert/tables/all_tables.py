"""List of all conversion tables, and look-up by model and library (torchvision, timm, Keras)."""

from ferjax.convert.rules.match_and_convert import Table
from ferjax.convert.tables import efficientnet, resnet, vgg
from ferjax.errors import UserError, unknown_name

# If several tables fit a file equally well, recognition takes the first.
TABLES: tuple[Table, ...] = (
    resnet.TORCHVISION,
    resnet.TIMM,
    resnet.TRANSFORMERS,
    resnet.KERAS,
    *vgg.TORCHVISION,
    *vgg.TIMM,
    vgg.KERAS,
    efficientnet.TORCHVISION,
    efficientnet.TIMM,
    efficientnet.TIMM_TF,
    efficientnet.KERAS,
)


def find_table(model: str, kind: str) -> Table:
    """Returns the conversion table of a model for weights of this kind (library).

    Raises:
      UserError: no such model or kind, or the library does not have the model.
    """
    by_kind = {table.kind: table for table in TABLES if model in table.models}
    if not by_kind:
        names = sorted({name for table in TABLES for name in table.models})
        raise UserError(
            f"{model} has no counterpart in {kind} or another library. These networks have one:"
            f" {', '.join(names)}."
        )
    if kind in {table.kind for table in TABLES} and kind not in by_kind:
        raise UserError(f"{kind} has no {model}; expected one of {', '.join(by_kind)}.")
    if kind not in by_kind:
        raise unknown_name("kind of weights", kind, by_kind)
    return by_kind[kind]
