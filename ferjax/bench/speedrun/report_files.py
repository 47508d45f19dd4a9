"""Report of the suite `speedrun`: bench.md, bench.html, bench.json, and the terminal's table."""

from pathlib import Path

from ferjax.bench.reporting.report_files import aligned
from ferjax.bench.reporting.suite_report import (
    environment,
    escaped_table,
    notes_section,
    write_suite_report,
)
from ferjax.bench.speedrun.results import OURS, PARTS, Estimate, SpeedrunResult
from ferjax.report.pages.markdown_tables import escape, percentage, table

_EXPLANATION = """\
Each run trains a network from random parameters on FER2013's Training by a recipe that is fixed
before, and scores it once, at the end, on PublicTest; nothing is stopped or chosen by a score. The
recipe of a side is the same in all runs, which differ in the seed. A side *reaches the target* if
its mean accuracy is at least the target. Times are wall times from the decoded faces in memory
(uint8) to the accuracy. They contain all compilation, because each run is a process of its own
without compile caches. They do not contain the start of the process, imports and the decoding of
the faces. The sides take turns. Intervals are Student's 95 % intervals of the mean over the seeds.
*Compile* is the time for which the run waits for compilation. For PyTorch it is the time until a
compiled network has run once for each size of the faces. *Steps* is all that is in no other
part."""
_QUICK = """\
**This is a quick run: one seed and few faces. It shows that the sides work, and says nothing about
the target or about speed.**"""


def write_speedrun(folder: Path, result: SpeedrunResult, seconds: float) -> None:
    """Writes bench.json, bench.md and bench.html.

    Args:
      folder: the folder to write to.
      result: the results of the suite so far.
      seconds: wall time so far.

    Raises:
      UserError: a file cannot be written.
    """
    parts = [_QUICK] if result.quick else []
    parts += [_EXPLANATION, escaped_table(_summary_cells(result), 2)]
    parts += ["## Runs", escaped_table(_run_cells(result), 2)]
    parts += ["## Recipes", _recipe_table(result)]
    notes = [*result.notes, *dict.fromkeys(f"{r.side}: {r.note}" for r in result.runs if r.note)]
    parts += notes_section(notes)
    title = f"Time to {percentage(result.target, 1)} on FER2013's PublicTest"
    write_suite_report(folder, environment(seconds), result.to_json(), title, parts)


def speedrun_table(result: SpeedrunResult) -> str:
    """Returns the summaries as aligned columns of text, and the notes."""
    notes = [f"note: {note}" for note in result.notes]
    if result.quick:
        notes.append("note: a quick run says nothing about the target or about speed")
    return "\n".join([aligned(_summary_cells(result)), *notes])


def _summary_cells(result: SpeedrunResult) -> list[list[str]]:
    header = ["side", "recipe", "runs", "accuracy", "reaches", "seconds", f"times {OURS}", *PARTS]
    rows = []
    summaries = result.summaries()
    ours = next((summary for summary in summaries if summary.side == OURS), None)
    for summary in summaries:
        reaches = "yes" if summary.reaches(result.target) else "no"
        ratio = f"{summary.seconds.mean / ours.seconds.mean:.2f}x" if ours else ""
        rows.append(
            [
                summary.side,
                summary.recipe,
                f"{summary.runs}",
                f"{_text(summary.accuracy, 100, 2)} %",
                "–" if result.quick else reaches,
                _text(summary.seconds, 1, 1),
                "–" if result.quick or not ratio else ratio,
                *(f"{summary.parts[part]:.1f}" for part in PARTS),
            ]
        )
    return [header, *rows]


def _run_cells(result: SpeedrunResult) -> list[list[str]]:
    header = ["side", "recipe", "seed", "accuracy", "seconds", *PARTS, "last loss", "parameters"]
    rows = []
    for run in result.runs:
        parts = [f"{run.seconds[part]:.1f}" for part in PARTS]
        loss = "not finite" if run.last_loss is None else f"{run.last_loss:.3f}"
        rows.append(
            [
                run.side,
                run.recipe,
                f"{run.seed}",
                percentage(run.accuracy),
                f"{run.total:.1f}",
                *parts,
                loss,
                f"{run.parameters:,}",
            ]
        )
    return [header, *rows]


def _recipe_table(result: SpeedrunResult) -> str:
    """Returns a table of the settings, with a column for each side."""
    settings = dict.fromkeys(name for recipe in result.recipes.values() for name in recipe)
    rows = [
        [
            escape(name),
            *(
                escape(recipe[name]) if name in recipe else "–"
                for recipe in result.recipes.values()
            ),
        ]
        for name in settings
    ]
    return table(["setting", *map(escape, result.recipes)], rows)


def _text(value: Estimate, scale: float, digits: int) -> str:
    """Returns a mean and, in brackets, its interval."""
    mean = f"{scale * value.mean:.{digits}f}"
    if value.low is None or value.high is None:
        return mean
    return f"{mean} ({scale * value.low:.{digits}f} to {scale * value.high:.{digits}f})"
