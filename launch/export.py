"""Export a run as files for others: python -m launch.export --workdir=RUN --out=DIR."""

from ferjax.config.predict_and_export import ExportConfig
from launch.app import refuse_arguments, run
from launch.flags import define_flags, given_flags
from launch.user_modules import import_user_modules

define_flags(ExportConfig)


def main(arguments: list[str]) -> None:
    """Exports, and prints how to use what was written."""
    refuse_arguments(arguments)
    import_user_modules()
    from ferjax.export.weights_export import run_export
    from ferjax.runtime.progress_lines import say

    card = run_export(ExportConfig(**given_flags(ExportConfig)))
    say(f"{card}: use it with ferjax.load_predictor or launch.predict --weights={card}")


if __name__ == "__main__":
    run(main)
