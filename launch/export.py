"""Export a network as files for others: python -m launch.export --workdir=RUN --out=DIR."""

from ferjax.config.predict_and_export import ExportConfig
from launch.command.app import refuse_arguments, run
from launch.command.flags import define_flags, given_flags
from launch.command.user_modules import import_user_modules

define_flags(ExportConfig)


def main(arguments: list[str]) -> None:
    """Exports, and prints how to use what was written."""
    refuse_arguments(arguments)
    import_user_modules()
    from ferjax.export.run_export import run_export
    from ferjax.runtime.progress_lines import say

    config = ExportConfig(**given_flags(ExportConfig))
    card = run_export(config)
    if "safetensors" in config.format:
        say(f"{card}: use it with ferjax.load_predictor or launch.predict --weights={card}")
    if set(config.format) != {"safetensors"}:
        say(f"{card.with_suffix('.md')}: what was checked; use_*.py beside it show how to use them")


if __name__ == "__main__":
    run(main)
