"""Reads the title, the settings and the warnings of a compared run from its report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferjax.config.given_files import fitting_values, read_json_object


@dataclass(frozen=True)
class ReportFacts:
    """What a comparison states from a report.

    Attributes:
      title: its title; where there is no report, the name of the folder.
      settings: its config, field by field; for an evaluation with the config of its run.
      warnings: its warnings.
    """

    title: str
    settings: dict[str, Any]
    warnings: tuple[str, ...]


def read_report(folder: Path) -> ReportFacts:
    """Returns the facts of the report in the folder of a run, an evaluation or a series.

    Raises:
      UserError: the report cannot be read, or a value in it does not fit.
    """
    facts = _read(folder)
    run = trained_run(folder)
    if run == folder:
        return facts
    settings = _settings_of_evaluation(facts.settings, _read(run).settings)
    return ReportFacts(facts.title, settings, facts.warnings)


def trained_run(folder: Path) -> Path:
    """Returns RUN for an evaluation in RUN/evaluations/, else the folder itself."""
    parent = folder.resolve().parent
    return parent.parent if parent.name == "evaluations" else folder


def _read(folder: Path) -> ReportFacts:
    """Returns the facts of the report in a folder, without those of another folder."""
    path = folder / "report.json"
    if not path.is_file():
        return ReportFacts(folder.name, {}, ())
    advice = "Copy the folder again, or write the report again with launch.evaluate."
    report = read_json_object(path, advice)
    with fitting_values(path, advice):
        return ReportFacts(
            str(report.get("title", folder.name)),
            dict(report.get("config", {})),
            tuple(map(str, report.get("warnings", ()))),
        )


def _settings_of_evaluation(flags: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of an evaluation: those of its run, except where its flags differ.

    Args:
      flags: the config of the evaluation; None means the value of the run.
      run: the config of the run.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    # The report of a run itself is of the selected checkpoint, too.
    if given.get("checkpoint") == "selected":
        del given["checkpoint"]
    settings = {**run, **given}
    if settings.get("dataset") != run.get("dataset"):
        # Other data are not where the data of the run are.
        settings["data_dir"] = given.get("data_dir")
    return settings
