"""The paths that `launch.predict` writes to, and checks of these paths."""

import os
from collections.abc import Sequence
from pathlib import Path

from ferjax.config.predict_and_export import PredictConfig
from ferjax.errors import UserError
from ferjax.predict.journal import check_is_new, journal_path
from ferjax.predict.table_files import table_writer


def check_results(config: PredictConfig) -> Path | None:
    """Returns the path of the table, None without `--out`; checks the paths of all results.

    If there is a journal, the command that it belongs to may have left results. They are checked by
    `check_new_results` when the facts of this command are known.

    Raises:
      UserError: a result exists already and there is no journal; two results have the same name; a
        suffix does not fit its result; a name is empty; a folder does not exist.
    """
    for flag in ("out", "summary", "annotate"):
        if getattr(config, flag) == "":
            raise UserError(f"--{flag} is empty. Give a name, or leave the flag out.")
    if config.summary and Path(config.summary).suffix.lower() != ".html":
        raise UserError(f"--summary={config.summary}: the page is an .html file.")
    if config.summary and not config.out:
        raise UserError(f"--summary={config.summary} is made from the table: give --out=p.csv too.")
    result_names = [name for name in (config.out, config.summary, config.annotate) if name]
    if len({os.path.abspath(name) for name in result_names}) < len(result_names):
        raise UserError(f"{', '.join(result_names)}: one name for two results. Give each its own.")
    for flag, name in (("out", config.out), ("summary", config.summary)):
        folder = Path(name or "").parent
        if not folder.is_dir():
            raise UserError(f"--{flag}={name}: there is no folder {folder}. Make it first.")
    if not config.out:
        return None
    out = Path(config.out)
    table_writer(out)
    if not os.path.exists(journal_path(out)):
        check_new_results(config)
    return out


def check_new_results(config: PredictConfig) -> None:
    """Raises `UserError` if the table or the page exists already."""
    for flag, name in (("out", config.out), ("summary", config.summary)):
        if name:
            check_is_new(Path(name), flag)


def check_outside(config: PredictConfig, words: Sequence[str]) -> None:
    """Raises `UserError` if a command with `--part` writes into a folder that it reads.

    The commands of the other parts would count these results as inputs, so that their parts would
    begin and end at other inputs.
    """
    folders = {Path(os.path.abspath(os.path.expanduser(word))) for word in words}
    for flag in ("out", "summary", "annotate"):
        place = getattr(config, flag)
        if place and not folders.isdisjoint(Path(os.path.abspath(place)).parents):
            raise UserError(
                f"--{flag}={place} lies in a folder that is read, and with --part other commands"
                " would find it there. Give a place outside."
            )


def own_places(config: PredictConfig) -> list[Path]:
    """Returns the paths that the command writes, which may lie in a folder that it reads."""
    results = [Path(name) for name in (config.out, config.summary, config.annotate) if name]
    return [*results, *([journal_path(Path(config.out))] if config.out else [])]
