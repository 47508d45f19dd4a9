"""Emotions before a camera: python -m launch.live [--source=0|FILE] [--out=p.csv]."""

from ferjax.config.predict_and_export import LiveConfig
from launch.command.app import refuse_arguments, run
from launch.command.flags import define_flags, given_flags
from launch.command.user_modules import import_user_modules

define_flags(LiveConfig)


def main(arguments: list[str]) -> None:
    """Shows the frames with their faces and emotions, or writes a row for each of them."""
    refuse_arguments(arguments)
    config = LiveConfig(**given_flags(LiveConfig))
    import_user_modules()
    from ferjax.live.camera import run_live

    print(run_live(config))


if __name__ == "__main__":
    run(main)
