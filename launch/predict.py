"""Predict emotions: python -m launch.predict [--workdir=RUN] [--out=p.csv] FILES_OR_FOLDERS."""

import io
import sys

from ferjax.config.predict_and_export import PredictConfig
from ferjax.errors import UserError
from launch.command.app import run
from launch.command.flags import define_flags, given_flags
from launch.command.user_modules import import_user_modules

define_flags(PredictConfig)


def main(arguments: list[str]) -> None:
    """Writes a row for each picture or face: status, most probable emotion, all probabilities.

    Every input has a row: that of one that cannot be read has no emotion, and says why.
    """
    config = PredictConfig(**given_flags(PredictConfig))
    if not arguments:
        raise UserError(
            "no images given. Name files, folders, archives or csv files of pixels after the flags,"
            " or - for a list on standard input."
        )
    import_user_modules()
    from ferjax.live.run_video import predict_video
    from ferjax.live.video_frames import is_video
    from ferjax.predict.run_predict import run_predict

    if any(map(is_video, arguments)):
        print(predict_video(config, arguments))
        return
    # Names that are not Unicode keep their bytes.
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    if done := run_predict(config, arguments, sys.stdin):
        print(done)


if __name__ == "__main__":
    run(main)
