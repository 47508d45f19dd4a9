"""Predict emotions of face images: python -m launch.predict [--workdir=RUN] [--out=p.csv] FILES."""

import os
import sys
from pathlib import Path

from ferjax.config.predict_and_export import PredictConfig
from ferjax.errors import UserError
from launch.app import run
from launch.flags import define_flags, given_flags
from launch.user_modules import import_user_modules

define_flags(PredictConfig)


def main(arguments: list[str]) -> None:
    """Writes one row for each image: file, most probable emotion, probability of each emotion.

    The row of an image that cannot be read is empty after its name, and standard error says why.
    """
    config = PredictConfig(**given_flags(PredictConfig))
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
    from ferjax.predict.predictor import open_predictor

    paths = [Path(os.path.expanduser(argument)) for argument in arguments]
    out = Path(config.out) if config.out else None
    with open_table(out) as write:
        predictor = open_predictor(config)
        limit = None if config.sets is None else predictor.set_threshold(config.sets)
        rows = predict_readable_files(predictor, paths)
        write(table(rows, predictor.classes, limit))
    if not config.workdir:
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
