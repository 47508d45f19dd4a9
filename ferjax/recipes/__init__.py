"""Recipes: hyper-parameters of each paper, a default for every model, and their resolution."""

from ferjax.recipes.papers import DEFAULTS, RECIPES, Recipe
from ferjax.recipes.resolution import naming_recipe, paper_recipe, resolve, resolve_with_idle

__all__ = [
    "DEFAULTS",
    "RECIPES",
    "Recipe",
    "naming_recipe",
    "paper_recipe",
    "resolve",
    "resolve_with_idle",
]
