"""Named recipes: the hyper-parameters of each paper, and a default for every model."""

from ferjax.recipes.papers import DEFAULTS, RECIPES, Recipe, paper_recipe, resolve

__all__ = ["DEFAULTS", "RECIPES", "Recipe", "paper_recipe", "resolve"]
