"""Flags that have no effect beside the other flags of a run, with the reasons."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ferjax.config.fields import values_of

# The other optimizers of ferjax, and all registered ones, take the momentum.
_WITHOUT_MOMENTUM = ("adam", "adamw", "lamb", "muon", "radam")


class IdleRule(NamedTuple):
    """When a field of `TrainConfig` has no effect.

    Attributes:
      decided_by: the fields that decide it.
      reason: values of all fields → why the field has no effect, or None if it has one.
    """

    decided_by: tuple[str, ...]
    reason: Callable[[Mapping[str, Any]], str | None]


def _momentum(values: Mapping[str, Any]) -> str | None:
    optimizer = values["optimizer"]
    if optimizer not in _WITHOUT_MOMENTUM:
        return None
    return f"--optimizer={optimizer} does not use it (sgd, nesterov, sam do)"


def _guide_input(values: Mapping[str, Any]) -> str | None:
    # Without --guide, a run with a guide may be the one that --pretrained names.
    absent = (None, "", "none")
    if values["guide"] == "none" or (values["guide"] in absent and values["pretrained"] in absent):
        return "there is no guide (--guide) whose input it could set"
    return None


def _rate_of_backbone(values: Mapping[str, Any]) -> str | None:
    if set(values_of(values["freeze"])) != {"all_but_head"}:
        return None
    return "--freeze=all_but_head trains no layer below the head"


IDLE_RULES = {
    "momentum": IdleRule(("optimizer",), _momentum),
    "guide_input": IdleRule(("guide", "pretrained"), _guide_input),
    "backbone_factor": IdleRule(("freeze",), _rate_of_backbone),
    "layer_decay": IdleRule(("freeze",), _rate_of_backbone),
}


def idle_flags(values: Mapping[str, Any]) -> dict[str, str]:
    """Returns field → why it has no effect, for the values of all fields of a `TrainConfig`."""
    reasons = {name: rule.reason(values) for name, rule in IDLE_RULES.items()}
    return {name: reason for name, reason in reasons.items() if reason}
