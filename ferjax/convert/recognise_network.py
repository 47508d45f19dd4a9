"""Recognises the network and the library of a weights file by its keys and array shapes."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ferjax.convert.catalogue.input_specs import refine_input_spec
from ferjax.convert.readers.source_file import Source, source_below
from ferjax.convert.rules.axis_layouts import shape_after
from ferjax.convert.rules.match_and_convert import Table, find_targets, matches_any
from ferjax.convert.tables.all_tables import TABLES
from ferjax.errors import UserError, printable, unknown_name

Shapes = Mapping[str, tuple[int, ...]]

# Network → the properties that distinguish it from the others: the number of blocks (VGG: of
# convolutions) in each stage, the path of one kernel, and the shape of that kernel.
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
# Share of a file's keys that the rules of a table must match for the table to be chosen.
_MIN_MATCHED_SHARE = 0.8
# Largest number of prefixes before a network's keys: `model.encoder.backbone.conv1.weight`.
_MAX_DEPTH = 4


@dataclass(frozen=True)
class Recognised:
    """The network and the library of a weights file.

    Attributes:
      table: the conversion table; `input` is refined by the file's metadata.
      model: ferjax's name of the network.
      num_classes: number of logits of the head, None without a head.
      hidden: whether the file has dense layers between features and head.
      notes: guesses that the user should check.
    """

    table: Table
    model: str
    num_classes: int | None
    hidden: bool
    notes: tuple[str, ...]


def network_within(source: Source, kind: str | None = None) -> Source:
    """Returns the part of a file that holds a supported network, such as its keys below `backbone`.

    The source is returned unchanged if its own keys are those of a network, and also if the file
    has no supported network.

    Args:
      source: the opened file.
      kind: the expected kind of weights, or None.

    Raises:
      UserError: the file holds two networks below different prefixes.
    """
    if _matches(source, kind):
        return source
    prefix = ""
    for _ in range(_MAX_DEPTH):
        keys = (key.removeprefix(prefix) for key in source.leaves if key.startswith(prefix))
        sizes = Counter(key.partition(".")[0] for key in keys if "." in key).most_common()
        if not sizes:
            break
        (name, size), *other_sizes = sizes
        view = source_below(source, f"{prefix}{name}.")
        if not _matches(view, kind):
            prefix = f"{prefix}{name}."
            continue
        equally_large = [f"{prefix}{other}." for other, count in other_sizes if count == size]
        if equally_large:
            raise UserError(
                f"{source.path} holds networks of {size} arrays below {prefix}{name}. and"
                f" {' and '.join(equally_large)} Save the one to use in a file of its own."
            )
        return view
    return source


def recognise(source: Source, model: str | None = None, kind: str | None = None) -> Recognised:
    """Returns the network and the conversion table of a file.

    Args:
      source: the opened file.
      model: the expected network, or None.
      kind: the expected kind of weights, or None.

    Raises:
      UserError: the network is not supported, or is not the expected one.
    """
    table, notes = _table(source, kind)
    shapes = _target_shapes(source, table)
    recognised = _model(shapes)
    if recognised is None:
        raise UserError(
            f"{source.path}: its keys are those of {table.family} from {table.kind}, but it is "
            f"none of {', '.join(table.models)}: its stages hold {_depths(shapes)}."
        )
    if model and recognised != model:
        raise UserError(
            f"{source.path} looks like {recognised} ({table.kind}), expected {model}. "
            f"Give --model={recognised}, or weights of {model}."
        )
    head = shapes.get("params/head/kernel")
    return Recognised(
        table=dataclasses.replace(
            table, input=refine_input_spec(table.input, source.metadata, str(source.path))
        ),
        model=recognised,
        num_classes=head[-1] if head else None,
        hidden="params/head_dense1/kernel" in shapes,
        notes=notes,
    )


def _table(source: Source, kind: str | None) -> tuple[Table, tuple[str, ...]]:
    """Returns the table with rules for most keys of a file, and notes on the choice."""
    kinds = {table.kind for table in TABLES}
    if kind and kind not in kinds:
        raise unknown_name("kind of weights", kind, kinds)
    shares = _shares(source, kind)
    best = max(shares.values())
    if best < _MIN_MATCHED_SHARE:
        keys = ", ".join(map(printable, [*source.leaves][:4]))
        models = ", ".join(FINGERPRINTS)
        raise UserError(
            f"{source.path} ({source.container}) matches no supported network{_from_kind(kind)}:"
            f" its {len(source.leaves)} keys begin with {keys}. Supported: {models}."
            f"{source.metadata.get('advice', '')}"
        )
    candidates = {TABLES[i].kind: TABLES[i] for i in shares if shares[i] == best}
    # Two kinds may have the same keys: then only config.json or the file's name distinguish them.
    hint = _hint(source)
    if hint in candidates:
        return candidates[hint], ()
    first = next(iter(candidates.values()))
    others = [kind for kind, table in candidates.items() if table.fields != first.fields]
    guess = f"taken as {first.kind}; {', '.join(others)} has the same keys: give the kind if it is"
    return first, (guess,) if others else ()


def _from_kind(kind: str | None) -> str:
    return f" from {kind}" if kind else ""


def _shares(source: Source, kind: str | None) -> dict[int, float]:
    """Returns {index in `TABLES`: share of the file's keys for which the table has a rule}."""
    return {i: _share(source, t) for i, t in enumerate(TABLES) if kind in (None, t.kind)}


def _matches(source: Source, kind: str | None) -> bool:
    return max(_shares(source, kind).values(), default=0.0) >= _MIN_MATCHED_SHARE


def _share(source: Source, table: Table) -> float:
    """Returns the share of a file's keys for which a table has a rule, or which it ignores."""
    matched = [k for k in source.leaves if matches_any(table.ignore, k) or find_targets(k, table)]
    return len(matched) / max(1, len(source.leaves))


def _hint(source: Source) -> str | None:
    """Returns the kind that timm's config.json or the file's path indicates, or None."""
    architecture = str(source.metadata.get("config", {}).get("architecture", ""))
    if re.search(r"(?<![a-z])tf_(efficientnet|b\d)", architecture or str(source.path)):
        return "timm_tf"
    return "timm" if architecture else None


def _target_shapes(source: Source, table: Table) -> Shapes:
    """Returns {path: shape} of the variables that a file's arrays become.

    Arrays that do not fit their layout are left out.
    """
    shapes = {}
    for key, leaf in source.leaves.items():
        for path, layout in find_targets(key, table)[:1]:
            try:
                shapes[path] = shape_after(layout, leaf.shape)
            except ValueError:
                continue  # `match` reports the array
    return shapes


def _depths(shapes: Shapes) -> tuple[int, ...]:
    """Returns the number of blocks, or of convolutions, in each stage."""
    matches = {re.match(r"params/(stage\d+)(?:_block|/conv)\d+", path) for path in shapes}
    units = {(unit[0], unit[1]) for unit in matches if unit}
    stages = [stage for _, stage in sorted(units)]
    return tuple(stages.count(stage) for stage in sorted(set(stages)))


def _model(shapes: Shapes) -> str | None:
    """Returns the name of the network that has variables of these shapes, or None."""
    for model, (depths, probe, shape) in FINGERPRINTS.items():
        if shapes.get(f"params/{probe}/kernel") == shape and _depths(shapes) == depths:
            return model
    return None
