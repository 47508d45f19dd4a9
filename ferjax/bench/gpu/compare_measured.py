"""Predicted beside measured times of the training steps of suite `gpu`."""

from collections.abc import Sequence
from typing import Any

import jax

from ferjax.bench.gpu.predict_steps import Prediction, predictions_by_name
from ferjax.bench.gpu.report_files import explanation
from ferjax.bench.measuring.case import OURS
from ferjax.bench.measuring.case_result import CaseResult, median
from ferjax.bench.reporting.report_files import aligned
from ferjax.bench.reporting.suite_report import escaped_table
from ferjax.bench.scaling.cluster_hardware import GPUS


def comparison(results: Sequence[CaseResult]) -> tuple[str, dict[str, Any]]:
    """Returns the section of the report, "" if no result is predicted, and values for bench.json.

    Args:
      results: measured cases; cases that are not predicted are left out.
    """
    pairs = _pairs(results)
    if not pairs:
        return "", {}
    text = "\n\n".join(
        [
            "## Predicted and measured",
            escaped_table(_cells(pairs), 2),
            "*Of the peak* is the counted FLOP over the measured time, as a share of the peak.",
            explanation(),
        ]
    )
    values = [
        {**prediction.to_json(), "measured seconds": measured, "ratio": measured / seconds}
        for prediction, measured in pairs
        if (seconds := prediction.seconds)
    ]
    return text, {"predicted and measured": values}


def comparison_table(results: Sequence[CaseResult]) -> str:
    """Returns predicted and measured times as columns of text; "" if no result is predicted."""
    pairs = _pairs(results)
    return aligned(_cells(pairs)) if pairs else ""


def _pairs(results: Sequence[CaseResult]) -> list[tuple[Prediction, float]]:
    """Returns (prediction, measured seconds) for this GPU; for all GPUs if it is another one."""
    kind = jax.devices()[0].device_kind
    gpus = [gpu for gpu in GPUS if gpu in kind] or [*GPUS]
    return [
        (prediction, measured)
        for result in results
        if (measured := median(result, OURS))
        for prediction in predictions_by_name(result.name)
        if prediction.gpu in gpus
    ]


def _cells(pairs: Sequence[tuple[Prediction, float]]) -> list[list[str]]:
    header = ["step", "predicted for", "bound", "predicted, ms", "measured, ms"]
    header += ["measured / predicted", "images/s measured", "of the peak"]
    chips = {chip.name: chip for chips in GPUS.values() for chip in chips.values()}
    rows = [
        [
            prediction.step,
            prediction.chip,
            prediction.binding,
            f"{1000 * prediction.seconds:.2f}",
            f"{1000 * measured:.2f}",
            f"{measured / prediction.seconds:.2f}",
            f"{prediction.images / measured:,.0f}",
            f"{100 * prediction.counts.flops / measured / chips[prediction.chip].flops:.1f} %",
        ]
        for prediction, measured in pairs
    ]
    return [header, *rows]
