"""Describes the judged networks in words: names, title, protocol, and the report's folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ferjax.config.tool_configs import EvalConfig
from ferjax.evaluation.evaluated_data import EvaluatedData
from ferjax.evaluation.judged_runs import JudgedRun


def names_of(judged: Sequence[JudgedRun]) -> str:
    """Returns the names of the runs, or of the weights, for a folder and a title."""
    return "+".join(Path(each.source).resolve().name for each in judged)


def evaluations_folder(config: EvalConfig, judged: Sequence[JudgedRun]) -> Path:
    """Returns the parent folder of all evaluations of these networks."""
    if config.weights:
        return Path("evaluations") / Path(config.weights).stem
    if len(judged) > 1:
        return Path("evaluations") / names_of(judged)[:120]
    return Path(judged[0].source) / "evaluations"


def describe_networks(config: EvalConfig, judged: Sequence[JudgedRun]) -> dict[str, Any]:
    """Returns the rows of the protocol that name the judged parameters."""
    first = judged[0]
    if config.weights:
        return {"weights": f"{config.weights}, sha256 {first.run.meta['sha256'][:12]}"}
    if len(judged) == 1:
        epoch = f"{config.checkpoint} epoch, {first.run.epoch}"
        return {"run": str(Path(first.source)), "parameters": epoch}
    return {
        "runs": [
            f"{each.source}: {each.train_config.model}, {config.checkpoint} epoch, {each.run.epoch}"
            for each in judged
        ],
        "parameters": f"the mean of the probabilities of {len(judged)} runs",
    }


def title_of(judged: Sequence[JudgedRun], data: EvaluatedData, split: str) -> str:
    """Returns a title: the networks, their training data, and the images they are judged on."""
    models = " + ".join(dict.fromkeys(each.train_config.model for each in judged))
    trained_on = " and ".join(dict.fromkeys(each.train_config.dataset for each in judged))
    prefix = f"mean of {len(judged)} runs ({names_of(judged)}): " if len(judged) > 1 else ""
    place = f" ({data.place})" if data.place else ""
    return f"{prefix}{models}, trained on {trained_on}, on {data.dataset}{place} {split}"
