"""Finds a paper's tables by its name."""

import importlib

from ferjax.reproduce.paper_table import Paper


def find_paper(name: str) -> Paper:
    """Returns the tables of `ferjax.reproduce.papers.NAME` as one.

    Args:
      name: one of `ferjax.config.reproduce_config.PAPERS`.
    """
    module = importlib.import_module(f"ferjax.reproduce.papers.{name}")
    return Paper(
        name,
        module.TITLE,
        tuple(module.DATASETS),
        tuple(module.EXPERIMENTS),
        tuple(module.CLAIMS),
        tuple(module.FIGURES),
        tuple(module.OPEN_POINTS),
    )
