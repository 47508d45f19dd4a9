"""Report of predicted training steps: bench.md and .html, bench.json, the terminal's table."""

import dataclasses
import textwrap
from collections.abc import Sequence
from pathlib import Path

from ferjax.bench.gpu import count_step
from ferjax.bench.gpu.predict_steps import Prediction
from ferjax.bench.reporting.report_files import aligned
from ferjax.bench.reporting.suite_report import environment, escaped_table, write_suite_report
from ferjax.bench.scaling.cluster_hardware import GPUS
from ferjax.bench.scaling.predict_step_time import DEFAULT

NOT_MEASURED = "Predicted, not measured"
_EXPLANATION = """\
Each predicted step was traced with the implementations that ferjax chooses on a GPU, and lowered
for the platform `cuda`. The predicted time is the longest of three bounds:

```
step       = max(arithmetic, memory, launches)
arithmetic = FLOP of convolutions and matrix products / ({utilisation:g} x peak)
memory     = moved / bandwidth
launches   = convolutions and matrix products x {microseconds:g} microseconds
{formula}
```

Assumed: convolutions reach {percent:.0f} % of the peak in both precisions, and each convolution
with the operations around it takes at least {microseconds:g} microseconds (the assumptions of the
suite `scaling`); the memory reaches its full bandwidth. The peaks are those of NVIDIA's data
sheets: {peaks}. Products of float32 arrays are computed in TF32, XLA's default on these GPUs.
`moved` is a lower bound, so the bound *memory* is one too. Not modelled: reading images, compiling,
batch norms and other operations that are no matrix products, and that depthwise convolutions, which
count as all others here, hardly use the tensor cores."""


def write_predictions(folder: Path, predictions: Sequence[Prediction], seconds: float) -> None:
    """Writes bench.json, bench.md and bench.html.

    Args:
      folder: the folder to write to.
      predictions: in the order of the table.
      seconds: wall time.

    Raises:
      UserError: a file cannot be written.
    """
    record = {
        "note": NOT_MEASURED,
        "assumed": dataclasses.asdict(DEFAULT),
        "predicted": [prediction.to_json() for prediction in predictions],
    }
    parts = [
        f"**{NOT_MEASURED}.** No GPU was used.",
        explanation(),
        escaped_table(_cells(predictions), 2),
    ]
    title = "Predicted training steps of ferjax"
    write_suite_report(folder, environment(seconds), record, title, parts)


def prediction_table(predictions: Sequence[Prediction]) -> str:
    """Returns the predictions as columns of text."""
    return f"{NOT_MEASURED}\n\n{aligned(_cells(predictions))}"


def explanation() -> str:
    """Returns what is predicted and how, as Markdown."""
    peaks = "; ".join(
        f"{chip.name} {chip.flops / 1e12:g} TFLOP/s and {chip.memory / 1e12:g} TB/s"
        for chips in GPUS.values()
        for chip in chips.values()
        if chip.memory
    )
    # The formula is the module's own docstring, so that the two cannot differ.
    return _EXPLANATION.format(
        utilisation=DEFAULT.utilisation,
        percent=100 * DEFAULT.utilisation,
        microseconds=1e6 * DEFAULT.launch,
        formula=textwrap.dedent((count_step.__doc__ or "").split("\n\n")[1]).rstrip(),
        peaks=peaks,
    )


def _cells(predictions: Sequence[Prediction]) -> list[list[str]]:
    bounds = ("arithmetic", "memory", "launches")
    header = ["step", "GPU", "TFLOP", "GB moved", *(f"{name}, ms" for name in bounds)]
    header += ["predicted, ms", "images/s", "bound"]
    rows = [
        [
            prediction.step,
            prediction.chip,
            f"{prediction.counts.flops / 1e12:.3f}",
            f"{prediction.counts.moved_bytes / 1e9:.2f}",
            *(f"{1000 * prediction.bounds[name]:.2f}" for name in bounds),
            f"{1000 * prediction.seconds:.2f}",
            f"{prediction.images_per_second:,.0f}",
            prediction.binding,
        ]
        for prediction in predictions
    ]
    return [header, *rows]
