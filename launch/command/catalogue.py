"""Text of `--list`: models, data sets, recipes, weights; mapping table of `launch.convert`."""

from collections.abc import Sequence

from ferjax.convert.catalogue.find_weights import CATALOGUE, DEFAULT_TAGS
from ferjax.convert.weights import ConversionPlan, cached_names
from ferjax.data.registry import dataset_entries
from ferjax.data.splits.protocols.registry import PROTOCOLS
from ferjax.models.registry import all_models, model_entry
from ferjax.recipes import DEFAULTS, RECIPES
from ferjax.weights.shipped import SHIPPED


def catalogue() -> str:
    """Returns the lists of models, data sets, recipes, protocols and recognisers as text."""
    width = max(map(len, (*all_models(), *dataset_entries())))
    lines = ["Models (--model)"]
    for name, entry in all_models().items():
        lines.append(f"  {name:<{width}} {entry.paper}; image side {entry.sides}")
    lines.append("\nData sets (--dataset)")
    for name, entry in dataset_entries().items():
        first, *others = (f"layout: {layout}" for layout in entry.layouts)
        lines.append(f"  {name:<{width}} {first}")
        lines += [f"{'':<{width + 3}}{line}" for line in (*others, f"get it: {entry.source}")]
    lines.append("\nRecipes (--recipe; default: the paper's recipe for this model and data set)")
    for name, recipe in RECIPES.items():
        settings = " ".join(f"{key}={value}" for key, value in recipe.settings.items())
        lines.append(f"  {name:<18} {recipe.source}: {settings}")
    for model, settings in DEFAULTS.items():
        text = " ".join(f"{key}={value}" for key, value in settings.items())
        lines.append(f"  default, {model:<{width}} {text}")
    lines.append("\nProtocols (--protocol; default: ferjax's own splits)")
    for name, protocol in PROTOCOLS.items():
        where = ", ".join(protocol.datasets) or "any data set"
        lines.append(f"  {name:<20} {where}: {protocol.breach}")
    lines.append("\nRecognisers that come with ferjax (--weights, --pretrained, --teacher)")
    lines += [f"  {name:<{width}} {words}" for name, words in SHIPPED.items()]
    return "\n".join(lines)


def weights_catalogue(model: str | None) -> str:
    """Returns the published weights, one line each; with `model` only those of this network.

    Raises:
      UserError: an unknown network.
    """
    if model:
        model_entry(model)
    cached = cached_names()
    rows = [
        (
            name + (" (imagenet)" if DEFAULT_TAGS[spec.model] == name else ""),
            spec.kind if spec.with_top else f"{spec.kind}, no head",
            f"{spec.input.size} px {spec.input.interpolation}",
            spec.license,
            "cached" if name in cached else "",
            spec.url or f"huggingface.co/{spec.hub}",
        )
        for name, spec in CATALOGUE.items()
        if model in (None, "", spec.model)
    ]
    return _format_columns(rows) if rows else f"no weights are published for {model}"


def mapping_table(plan: ConversionPlan) -> str:
    """Returns a line for each array (source, target, shapes), then how to build the network."""
    rows = [
        (
            a.source,
            _format_shape(plan.source.leaves[a.source].shape),
            a.layout.name,
            a.target,
            _format_shape(a.shape),
        )
        for a in plan.assignments
    ]
    fields = " ".join(f"{name}={value}" for name, value in plan.fields.items())
    left_out = len(plan.source.leaves) - len(plan.assignments)
    classes = f"{plan.num_classes} classes" if plan.num_classes else "no head"
    return "\n".join(
        [
            _format_columns(rows),
            f"{plan.model} of kind {plan.table.kind}, {classes}: {len(rows)} arrays, {left_out}"
            f" left out by name ({', '.join(plan.table.ignore)})",
            *([f"module fields: {fields}"] if fields else []),
            *plan.notes,
        ]
    )


def _format_shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "1"


def _format_columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
