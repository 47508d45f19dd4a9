"""Which network a file of weights is of, and who wrote it: read off its keys and shapes."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ferjax.convert.catalogue.publisher_input import refined
from ferjax.convert.readers.source_file import Source
from ferjax.convert.rules.axis_layouts import shape_after
from ferjax.convert.rules.match_and_convert import Table, fits, targets_of
from ferjax.convert.tables.all_tables import TABLES
from ferjax.errors import UserError, unknown_name

Shapes = Mapping[str, tuple[int, ...]]

# What tells our networks apart: blocks, or convolutions, in each stage, and one kernel's shape.
FINGERPRINTS: dict[str, tuple[tuple[int, ...], str, tuple[int, ...]]] = {
    "resnet18": ((2, 2, 2, 2), "stage1_block0/conv1", (3, 3, 64, 64)),
    "resnet34": ((3, 4, 6, 3), "stage1_block0/conv1", (3, 3, 64, 64)),
    "resnet50": ((3, 4, 6, 3), "stage1_block0/conv1", (1, 1, 64, 64)),
    "resnet101": ((3, 4, 23, 3), "stage1_block0/conv1", (1, 1, 64, 64)),
    "resnet152": ((3, 8, 36, 3), "stage1_block0/conv1", (1, 1, 64, 64)),
    "vgg16": ((2, 2, 3, 3, 3), "stage1/conv1", (3, 3, 3, 64)),
    "vgg19": ((2, 2, 4, 4, 4), "stage1/conv1", (3, 3, 3, 64)),
    "efficientnet_b0": ((1, 2, 2, 3, 3, 4, 1), "top_conv", (1, 1, 320, 1280)),
    "efficientnet_b1": ((2, 3, 3, 4, 4, 5, 2), "top_conv", (1, 1, 320, 1280)),
    "efficientnet_b2": ((2, 3, 3, 4, 4, 5, 2), "top_conv", (1, 1, 352, 1408)),
}
# Share of a file's keys that a table must know before it is taken for one of its kind.
_KNOWN_SHARE = 0.8


@dataclass(frozen=True)
class Recognised:
    """What a file is.

    Attributes:
      table: the rules of its kind; `input` is refined by what the file says.
      model: our name of the network.
      num_classes: logits of its head, None without a head.
      hidden: whether it has dense layers between features and head.
      notes: what was guessed, for the user.
    """

    table: Table
    model: str
    num_classes: int | None
    hidden: bool
    notes: tuple[str, ...]


def recognise(source: Source, model: str | None = None, kind: str | None = None) -> Recognised:
    """Returns what a file is; `model` and `kind` are what it should be, where that is known.

    Raises:
      UserError: the file is of no network known here, or of another than expected.
    """
    table, notes = _table(source, kind)
    shapes = _target_shapes(source, table)
    found = _model(shapes)
    if found is None:
        raise UserError(
            f"{source.path}: its keys are those of {table.family} as {table.kind} writes it, but "
            f"it is none of {', '.join(table.models)}: its stages hold {_depths(shapes)}."
        )
    if model and found != model:
        raise UserError(
            f"{source.path} looks like {found} ({table.kind}), expected {model}. "
            f"Give --model={found}, or weights of {model}."
        )
    head = shapes.get("params/head/kernel")
    return Recognised(
        table=dataclasses.replace(
            table, input=refined(table.input, source.metadata, str(source.path))
        ),
        model=found,
        num_classes=head[-1] if head else None,
        hidden="params/head_dense1/kernel" in shapes,
        notes=notes,
    )


def _table(source: Source, kind: str | None) -> tuple[Table, tuple[str, ...]]:
    """Returns the table that knows most keys of a file, and notes on the choice."""
    kinds = {table.kind for table in TABLES}
    if kind and kind not in kinds:
        raise unknown_name("kind of weights", kind, kinds)
    shares = {i: _share(source, t) for i, t in enumerate(TABLES) if kind in (None, t.kind)}
    best = max(shares.values())
    if best < _KNOWN_SHARE:
        keys = ", ".join([*source.leaves][:4])
        models = ", ".join(FINGERPRINTS)
        raise UserError(
            f"{source.path} ({source.container}) is of no network known here{_as(kind)}: its "
            f"{len(source.leaves)} keys begin with {keys}. Known: {models}."
        )
    equals = {TABLES[i].kind: TABLES[i] for i in shares if shares[i] == best}
    # Two kinds may share all their keys: only what lies around the file tells them apart.
    hint = _hint(source)
    if hint in equals:
        return equals[hint], ()
    first = next(iter(equals.values()))
    others = [other for other in equals if equals[other].fields != first.fields]
    guess = f"taken as {first.kind}; {', '.join(others)} has the same keys: give the kind if it is"
    return first, (guess,) if others else ()


def _as(kind: str | None) -> str:
    return f" as {kind} writes it" if kind else ""


def _share(source: Source, table: Table) -> float:
    """Returns the share of a file's keys that a table knows."""
    known = [key for key in source.leaves if fits(table.ignore, key) or targets_of(key, table)]
    return len(known) / max(1, len(source.leaves))


def _hint(source: Source) -> str | None:
    """Returns the kind that timm's config.json or the file's own name speaks of."""
    architecture = str(source.metadata.get("config", {}).get("architecture", ""))
    if re.search(r"(?<![a-z])tf_(efficientnet|b\d)", architecture or str(source.path)):
        return "timm_tf"
    return "timm" if architecture else None


def _target_shapes(source: Source, table: Table) -> Shapes:
    """Returns the shapes of our variables that a file's arrays become, as far as they fit."""
    shapes = {}
    for key, leaf in source.leaves.items():
        for path, layout in targets_of(key, table)[:1]:
            try:
                shapes[path] = shape_after(layout, leaf.shape)
            except ValueError:
                continue  # `match` reports it
    return shapes


def _depths(shapes: Shapes) -> tuple[int, ...]:
    """Returns the number of blocks, or of convolutions, in each stage."""
    found = {re.match(r"params/(stage\d+)(?:_block|/conv)\d+", path) for path in shapes}
    units = {(unit[0], unit[1]) for unit in found if unit}
    stages = [stage for _, stage in sorted(units)]
    return tuple(stages.count(stage) for stage in sorted(set(stages)))


def _model(shapes: Shapes) -> str | None:
    """Returns our name of the network whose variables have these shapes."""
    for model, (depths, probe, shape) in FINGERPRINTS.items():
        if shapes.get(f"params/{probe}/kernel") == shape and _depths(shapes) == depths:
            return model
    return None
