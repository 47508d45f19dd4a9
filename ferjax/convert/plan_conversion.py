"""Plans a conversion: which array of a file of another library becomes which variable."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferjax.convert.fetching.name_url_or_file import Origin
from ferjax.convert.onnx_names import as_in_library
from ferjax.convert.readers.open_file import open_source
from ferjax.convert.readers.source_file import Source
from ferjax.convert.recognise_network import network_within, recognise
from ferjax.convert.rules.match_and_convert import Assignment, Table, find_targets, match
from ferjax.errors import UserError
from ferjax.specs import InputSpec

# (model, num_classes, **fields) → flat path → shape.
Abstract = Callable[..., Mapping[str, tuple[int, ...]]]

# Family → module fields of a network without layers between features and head. They are used for
# files without a head.
_WITHOUT_TOP: dict[str, dict[str, Any]] = {"vgg": {"pooling": "mean", "head_widths": ()}}
_IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class ConversionPlan:
    """A checked conversion that has not been run yet.

    Attributes:
      file: the file of another library.
      source: the opened file.
      origin: the origin of the file.
      table: the conversion rules.
      assignments: the array of the file for each variable.
      model: ferjax's name of the network.
      fields: module fields that the weights need.
      input: size, normalisation and interpolation of the images that the weights were trained on.
      num_classes: classes of the head in the file; None without a head.
      notes: remarks for the user on what was unwrapped, left out, guessed or converted.
    """

    file: Path
    source: Source
    origin: Origin
    table: Table
    assignments: tuple[Assignment, ...]
    model: str
    fields: dict[str, Any]
    input: InputSpec
    num_classes: int | None
    notes: tuple[str, ...]


def plan_conversion(file: Path, origin: Origin, model: str, abstract: Abstract) -> ConversionPlan:
    """Returns a plan to convert a file of another library to the variables of a network.

    Raises:
      UserError: no readable weights, weights of another network, or arrays that do not fit.
    """
    source = network_within(as_in_library(open_source(file), origin.kind), origin.kind)
    recognised = recognise(source, model, origin.kind)
    table, spec = recognised.table, origin.spec
    if table.family != "vgg" and (advice := source.metadata.get("advice")):
        raise UserError(f"{file} has names of {recognised.model}.{advice}")
    notes = (*recognised.notes, *_notes_on_head(recognised.num_classes, origin))
    if recognised.num_classes == 1:
        # In ferjax a network of two classes has two outputs, so a head with one output (yes or no)
        # is left out.
        source = _without_head(source, table)
        recognised = dataclasses.replace(recognised, num_classes=None)
    headless = recognised.num_classes is None and not recognised.hidden
    headless_fields = _WITHOUT_TOP.get(table.family, {}) if headless else {}
    fields = {**table.fields, **headless_fields, **(spec.fields if spec else {})}
    # For a file without a head the target is the network without its head, so that every variable
    # is assigned.
    target = abstract(model, recognised.num_classes or 0, **fields)
    where = spec.name if spec else str(file)
    return ConversionPlan(
        file=file,
        source=source,
        origin=origin,
        table=table,
        assignments=match(source.leaves, table, target, where=where),
        model=model,
        fields=fields,
        input=spec.input if spec else table.input,
        num_classes=recognised.num_classes,
        notes=(*source.notes, *notes),
    )


def _notes_on_head(outputs: int | None, origin: Origin) -> tuple[str, ...]:
    """Returns a note if the head's number of outputs shows that the weights are not ImageNet's.

    Weights of the catalogue get no note.
    """
    if outputs in (None, _IMAGENET_CLASSES) or origin.spec:
        return ()
    count = "one output" if outputs == 1 else f"{outputs:,} outputs"
    text = f"the file's head has {count}, ImageNet's has {_IMAGENET_CLASSES:,}"
    return (f"{text}: fine-tuned, or trained on other classes",)


def _without_head(source: Source, table: Table) -> Source:
    """Returns the source without the arrays of the head; a note lists them."""
    head = [
        key
        for key in source.leaves
        if any(path.startswith("params/head/") for path, _ in find_targets(key, table))
    ]
    return dataclasses.replace(
        source,
        leaves={key: leaf for key, leaf in source.leaves.items() if key not in head},
        notes=(*source.notes, f"left out, the head: {', '.join(head)}"),
    )
