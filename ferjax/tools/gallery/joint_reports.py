"""Reports over several runs in other folders: comparisons, matrices, papers, studies."""

from dataclasses import dataclass
from pathlib import Path

from ferjax.errors import UserError
from ferjax.tools.gallery.read_run import day_written, read_object, report_page
from ferjax.tools.gallery.run_folders import REPORT, RunFolder
from ferjax.training.run_directory.config_and_lock import CONFIG_FILE
from ferjax.training.run_directory.find_runs import CHECKPOINTS


@dataclass(frozen=True)
class JointReport:
    """A report over several runs: it has a page, but no row in a table of runs.

    Attributes:
      folder: folder of the report.
      page: page of the report.
      title: title of the report.
      date: day on which its file was written, in UTC.
    """

    folder: Path
    page: Path
    title: str
    date: str


def joint_report(folder: RunFolder) -> JointReport | None:
    """Returns the report over several runs in a folder, or None for any other folder.

    The report of a run has `results`, a joint report has none. For a report that cannot be read the
    result is None; `read_entry` then gives the reason.
    """
    path = folder.path
    if (path / CONFIG_FILE).exists() or (path / CHECKPOINTS).exists():
        return None
    page = report_page(path)
    try:
        report = read_object(path / REPORT)
    except (UserError, OSError):
        return None
    if (
        page is None
        or not report
        or "results" in report
        or not isinstance(report.get("title"), str)
    ):
        return None
    return JointReport(path, page, report["title"], day_written(path))
