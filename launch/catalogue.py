"""The text of `launch.train --list`."""

from ferjax.data.registry import dataset_entries
from ferjax.models.registry import MODELS
from ferjax.recipes import DEFAULTS, RECIPES


def catalogue() -> str:
    """Returns models, data sets and recipes, one paragraph each."""
    width = max(map(len, (*MODELS, *dataset_entries())))
    lines = ["Models (--model)"]
    for name, entry in MODELS.items():
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
