"""Predict emotions of images: python -m launch.predict --workdir=RUN [--out=p.csv] IMAGES."""

import os
import sys
from pathlib import Path

from absl import flags

from ferjax.errors import UserError
from launch.app import run
from launch.user_modules import import_user_modules

flags.DEFINE_string("workdir", None, "Run directory of the trained network.")
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
    if not values.workdir:
        raise UserError("--workdir is missing: the folder of a ferjax run.")
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
        predictor = load_predictor(values.workdir, values.checkpoint, values.batch_size, values.tta)
        rows = predict_readable_files(predictor, paths)
        write(table(rows, predictor.classes))
    for line in left_out(rows, paths):
        print(f"warning: {line}", file=sys.stderr)
    if out:
        unreadable = sum(isinstance(found, UserError) for _, found in rows)
        print(f"{out}: {len(rows):,} images, {unreadable:,} of them unreadable")


if __name__ == "__main__":
    run(main)
