"""Every network on every data set: checks all, evaluates cell by cell, writes the report."""

from pathlib import Path

from ferjax.config.given_files import read_json_object
from ferjax.config.matrix_config import MatrixConfig
from ferjax.errors import UserError
from ferjax.runtime.progress_lines import say
from ferjax.tools.cross_data_sets.cells import (
    CELLS,
    Cell,
    cell_folder,
    evaluate_cell,
    read_cell,
)
from ferjax.tools.cross_data_sets.columns import Column, load_columns
from ferjax.tools.cross_data_sets.matrix_pages import KIND, PICTURE, write_matrix
from ferjax.tools.cross_data_sets.networks import Network, load_networks

_MATRIX_FILES = {CELLS, "report.md", "report.html", "report.json", PICTURE}


def run_matrix(config: MatrixConfig) -> list[str]:
    """Evaluates every cell that is not finished, and writes the report; returns lines to print.

    Raises:
      UserError: networks or data that cannot be judged, or pairs without a common class (all in one
        error, before anything is computed); or `out` holds something other than a matrix.
    """
    out = Path(config.out)
    _check_out(out)
    networks, problems = load_networks(config)
    columns, column_problems = load_columns(config)
    problems += [*column_problems, *_without_common_class(networks, columns)]
    if problems:
        raise UserError("\n".join(problems))
    cells = [_cell(network, column, config, out) for column in columns for network in networks]
    path = write_matrix(networks, columns, cells, config, out)
    return [str(path)]


def _cell(network: Network, column: Column, config: MatrixConfig, out: Path) -> Cell:
    """Returns one cell; a finished evaluation is read, otherwise the network is evaluated."""
    folder = cell_folder(network, column, config, out)
    try:
        cell, origin = read_cell(network, column, folder), " (found finished)"
    except UserError:  # the evaluation was not started or was stopped, or a file of it is damaged
        say(f"{network.name} on {column.name}:", config.progress)
        evaluate_cell(network, column, config, folder)
        cell, origin = read_cell(network, column, folder), ""
    say(
        f"{network.name} on {column.name}: accuracy {100 * cell.accuracy:.2f} %, balanced accuracy"
        f" {100 * cell.balanced_accuracy:.2f} % of {cell.count:,} images{origin}"
    )
    return cell


def _check_out(out: Path) -> None:
    """Raises `UserError` unless the folder is new, or holds a matrix and nothing else."""
    if not out.exists():
        return
    if not out.is_dir():
        raise UserError(f"--out={out} is a file. Name a folder.")
    foreign_files = sorted(
        entry.name
        for entry in out.iterdir()
        if entry.name not in _MATRIX_FILES and entry.name[0] != "."
    )
    report = out / "report.json"
    if not foreign_files and report.is_file():
        try:
            kind = read_json_object(report, "").get("kind")
        except UserError:
            kind = None
        foreign_files = [] if kind == KIND else ["report.json of another command"]
    if foreign_files:
        raise UserError(
            f"--out={out} holds {foreign_files[0]} and is no folder of launch.matrix. Nothing was"
            " written; name a new folder."
        )


def _without_common_class(networks: list[Network], columns: list[Column]) -> list[str]:
    """Returns a problem for each pair where no image is of a class of the network."""
    return [
        f"{network.name} on {column.name}: none of its images"
        f" ({', '.join(name for name, n in column.counts.items() if n)}) shows a class of the"
        f" network ({', '.join(network.classes)}). Leave one of the two out."
        for network in networks
        for column in columns
        if not {name for name, n in column.counts.items() if n} & set(network.classes)
    ]
