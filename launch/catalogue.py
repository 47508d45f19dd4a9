"""What `--list` shows, and the table that `launch.convert` prints."""

from collections.abc import Sequence

from ferjax.convert.catalogue.find_weights import CATALOGUE, DEFAULT_TAGS
from ferjax.convert.weights import ConversionPlan, cached_names
from ferjax.data.registry import dataset_entries
from ferjax.models.registry import all_models, model_entry
from ferjax.recipes import DEFAULTS, RECIPES


def catalogue() -> str:
    """Returns models, data sets and recipes, one paragraph each."""
    width = max(map(len, (*all_models(), *dataset_entries())))
    lines = ["Models (--model)"]
    for name, entry in all_models().items():
        lines.append(f"  {name:<{width}} {entry.paper}; image side {entry.sides}")
    lines.append("\nData sets (--dataset)")
    for name, entry in dataset_entries().items():
        first, *others = (f"layout: {layout}" for layout in entry.layouts)
        lines.append(f"  {name:<{width}} {first}")
        lines += [f"{'':<{width + 3}}{line}" for line in (*others, f"get it: {entry.source}")]
    lines.append("\nRecipes (--recipe; the paper's is taken where model and data set name one)")
    for name, recipe in RECIPES.items():
        settings = " ".join(f"{key}={value}" for key, value in recipe.settings.items())
        lines.append(f"  {name:<18} {recipe.source}: {settings}")
    for model, settings in DEFAULTS.items():
        text = " ".join(f"{key}={value}" for key, value in settings.items())
        lines.append(f"  default, {model:<{width}} {text}")
    return "\n".join(lines)


def weights_catalogue(model: str | None) -> str:
    """Returns published weights, a line each; those of one network where it is named.

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
    return _columns(rows) if rows else f"no weights are published for {model}"


def mapping(plan: ConversionPlan) -> str:
    """Returns what becomes what, a line an array, then how the network must be built."""
    rows = [
        (
            a.source,
            _shape(plan.source.leaves[a.source].shape),
            a.layout.name,
            a.target,
            _shape(a.shape),
        )
        for a in plan.assignments
    ]
    fields = " ".join(f"{name}={value}" for name, value in plan.fields.items())
    left_out = len(plan.source.leaves) - len(plan.assignments)
    classes = f"{plan.num_classes} classes" if plan.num_classes else "no head"
    return "\n".join(
        [
            _columns(rows),
            f"{plan.model} of kind {plan.table.kind}, {classes}: {len(rows)} arrays, {left_out}"
            f" left out by name ({', '.join(plan.table.ignore)})",
            *([f"module fields: {fields}"] if fields else []),
            *plan.notes,
        ]
    )


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "1"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
