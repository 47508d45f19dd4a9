"""Predict emotions of face images: python -m launch.predict [--workdir=RUN] [--out=p.csv] FILES."""

import os
import sys
from pathlib import Path

from absl import flags

from ferjax.errors import UserError
from launch.app import run
from launch.user_modules import import_user_modules

flags.DEFINE_string("workdir", None, "Run directory of a network that you trained.")
flags.DEFINE_string(
    "weights",
    None,
    "Instead of a run: a recogniser that comes with ferjax (fernet-ferplus, fernet-fer2013), or a"
    " weights file of launch.export. Default: fernet-ferplus.",
)
flags.DEFINE_float(
    "sets",
    None,
    "Add a column with the emotions of each image's prediction set, which holds the true one with"
    " this probability, such as 0.9.",
)
flags.DEFINE_string("out", None, "CSV file to write. Default: standard output.")
flags.DEFINE_string(
    "checkpoint", "selected", "Which checkpoint's parameters to use: selected or last."
)
flags.DEFINE_string("tta", "none", "Test-time augmentation: none, flip or ten_crop.")
flags.DEFINE_integer("batch_size", 64, "Images per forward pass.")


def main(arguments: list[str]) -> None:
    """Writes one row for each image: file, most probable emotion, probability of each emotion.

    The row of an image that cannot be read is empty after its name, and standard error says why.
    """
    values = flags.FLAGS
    if values.workdir and values.weights:
        raise UserError(
            f"--workdir={values.workdir} and --weights={values.weights}: two networks. Leave one of"
            " the two out."
        )
    if not arguments:
        raise UserError(
            "no images given. Name files, folders or csv files of pixels after the flags."
        )
    import_user_modules()
    from ferjax.predict.prediction_table import (
        left_out,
        open_table,
        predict_readable_files,
        table,
    )
    from ferjax.predict.predictor import load_predictor

    paths = [Path(os.path.expanduser(argument)) for argument in arguments]
    out = Path(values.out).expanduser() if values.out else None
    with open_table(out) as write:
        source = values.workdir or values.weights
        predictor = load_predictor(source, values.checkpoint, values.batch_size, values.tta)
        limit = None if values.sets is None else predictor.set_threshold(values.sets)
        rows = predict_readable_files(predictor, paths)
        write(table(rows, predictor.classes, limit))
    if not values.workdir:
        print(
            f"note: {predictor.source} was trained on pictures of one face, cropped close. Where"
            " your images are photographs, cut the faces out first: launch.prepare --crops.",
            file=sys.stderr,
        )
    for line in left_out(rows, paths):
        print(f"warning: {line}", file=sys.stderr)
    if out:
        unreadable = sum(isinstance(found, UserError) for _, found in rows)
        print(f"{out}: {len(rows):,} images, {unreadable:,} of them unreadable")


if __name__ == "__main__":
    run(main)
