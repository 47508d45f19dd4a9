"""The command `launch.export`: writes formats, checks them, and puts all files in place at once."""

import json
import os
import shutil
from pathlib import Path

import jax

from ferjax.config.predict_and_export import ExportConfig
from ferjax.errors import UserError
from ferjax.export.calibrated_run import exported_from_run
from ferjax.export.card_page import card_page
from ferjax.export.check_export import check_files
from ferjax.export.check_faces import faces_for_weights
from ferjax.export.exported_file import ExportedFile, Format, FormatOptions, module_name
from ferjax.export.exported_network import (
    ExportedNetwork,
    exported_from_weights,
    weights_bytes,
    weights_card,
)
from ferjax.export.formats import FORMATS
from ferjax.export.put_in_place import (
    committed,
    finish_cut_move,
    locked,
    made_folder,
    put_in_place,
)
from ferjax.predict.predictor import load_predictor
from ferjax.report.environment import describe_environment
from ferjax.report.html.markdown_page import write_markdown_page
from ferjax.runs.finished_runs.load_network import named_card, network_config
from ferjax.runtime.atomic_files import (
    remove_left_by_killed_processes,
    temporary_beside,
    write_atomically,
)
from ferjax.runtime.progress_lines import say
from ferjax.weights.weights_file import card_text, paths_of

_USAGE = Path(__file__).parent / "usage"


def run_export(config: ExportConfig) -> Path:
    """Writes a network in the formats of a config; returns the path of its model card.

    NAME.json (the card) and its pages NAME.md and NAME.html are written beside the files of every
    format. Each file is run in a fresh process without ferjax and compared with the predictor; the
    card has the table of results. Nothing is written if a check fails.

    Raises:
      UserError: no such network or data; a missing package; files that exist already, cannot be
        written, or fail their check.
    """
    name, folder = config.name or _default_name(config), Path(config.out)
    formats = [form for key, form in FORMATS.items() if key in config.format]
    _finish_killed(folder, name)
    _refuse_existing(folder, name, formats)
    source = Path(config.workdir) if config.workdir else weights_card(str(config.weights))
    model = network_config(source).model
    for form in formats:
        form.fits(model)
    for form in formats:
        form.require()
    if config.workdir:
        network, faces, calibration = exported_from_run(config, name)
    else:
        network = exported_from_weights(str(config.weights), name)
        faces, calibration = faces_for_weights(network, config)
    options = FormatOptions(config, faces, calibration, config.progress)
    try:
        # The staging folder is inside the folder, which may be a mount point or a link to another
        # disk.
        with made_folder(folder) as out, temporary_beside(out / name) as staging:
            written = staging / "files"
            written.mkdir(parents=True)
            _write(network, formats, written, options)
            with locked(out):
                finish_cut_move(out, name)  # of a command that was killed meanwhile
                _refuse_existing(folder, name, formats)
                complete = committed(written, out, name)
                try:
                    scripts = [script for form in formats for script in form.usage]
                    put_in_place(complete, out, scripts)
                finally:
                    shutil.rmtree(complete, ignore_errors=True)
    except OSError as error:
        raise UserError(f"--out={folder} cannot be written: {error.strerror or error}.") from None
    return folder / f"{name}.json"


def _finish_killed(folder: Path, name: str) -> None:
    """Completes an earlier command that was killed while it moved its files; removes its others."""
    if not folder.is_dir():
        return
    try:
        with locked(folder):
            if finish_cut_move(folder.resolve(), name):
                say(f"{folder}: what a killed command had finished of {name} was moved there")
            # Also if the files are complete, so that this command refuses to write them again.
            remove_left_by_killed_processes(folder.resolve() / name)
    except OSError as error:
        raise UserError(f"--out={folder} cannot be written: {error.strerror or error}.") from None


def _default_name(config: ExportConfig) -> str:
    """Returns the name of the run's folder, or of the weights."""
    if config.workdir:
        return Path(config.workdir).resolve().name
    card = named_card(str(config.weights))
    return card.stem if card else str(config.weights)


def _placeholders(name: str) -> dict[str, str]:
    """Returns the values of the placeholders in `Format.files` for the name of an export."""
    return {"name": name, "module": module_name(name)}


def _refuse_existing(folder: Path, name: str, formats: list[Format]) -> None:
    """Raises `UserError` if a file would be overwritten, or if the folder is a file."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out={folder} is a file. Name a folder for the exported files.")
    files = [file for form in formats for file in form.files]
    for file in (*files, "{name}.json", "{name}.md", "{name}.html"):
        path = folder / file.format(**_placeholders(name))
        if os.path.lexists(path):
            raise UserError(f"{path} exists already; give another --out or --name.")
    for script in {script for form in formats for script in form.usage}:
        path = folder / script
        if path.exists() and path.read_bytes() != (_USAGE / script).read_bytes():
            raise UserError(f"{path} exists already and is another file; give another --out.")


def _write(
    network: ExportedNetwork, formats: list[Format], folder: Path, options: FormatOptions
) -> None:
    """Writes all files into an empty folder, and checks them."""
    weights, card = weights_bytes(network), dict(network.card)
    files: list[ExportedFile] = []
    for form in formats:
        for script in form.usage:
            shutil.copyfile(_USAGE / script, folder / script)
        left_out = () if options.calibration.real else form.calibrated
        names = [file for file in form.files if file not in left_out]
        placeholders = _placeholders(network.name)
        say(f"writing {', '.join(names).format(**placeholders)}", options.progress)
        if left_out:
            say(
                f"{', '.join(left_out).format(**placeholders)} is not written: it is calibrated"
                " on val, which was not read. Give it as --data_dir."
            )
        files += form.write(network, folder, options)
    if files:
        reference, text = paths_of(folder.parent / "reference", network.name)
        write_atomically(reference, weights)
        write_atomically(text, card_text(card, weights))
        rows = check_files(files, load_predictor(text), reference, options.faces, options.progress)
        environment = describe_environment(jax.local_devices()[:1], 0)
        kept = {key: environment[key] for key in ("git commit", "versions", "python", "devices")}
        card["exports"] = {"faces": options.faces.source, "environment": kept, "rows": rows}
    text = card_text(card, weights)
    write_atomically(folder / f"{network.name}.json", text)
    write_markdown_page(folder / f"{network.name}.md", card_page(network.name, json.loads(text)))
