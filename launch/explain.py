"""Show what a network looks at: python -m launch.explain --out=FOLDER FILES, or --split=val."""

import sys

from ferjax.config.explain_config import ExplainConfig
from ferjax.errors import UserError
from launch.command.app import run
from launch.command.flags import define_flags, given_flags
from launch.command.user_modules import import_user_modules

define_flags(ExplainConfig)


def main(arguments: list[str]) -> None:
    """Writes a picture of each face under its map, or a page about a split of a data set."""
    config = ExplainConfig(**given_flags(ExplainConfig))
    if config.split and arguments:
        raise UserError(
            f"--split={config.split} and {arguments[0]}: the faces of a data set, or those of"
            " files. Leave one of the two out."
        )
    if not config.split and not arguments:
        raise UserError(
            "no images given. Name files, folders or archives after the flags, or a split of the"
            " run's data set, --split=val."
        )
    import_user_modules()
    from ferjax.explain.reporting.explain_files import explain_files
    from ferjax.explain.reporting.explain_split import explain_split

    print(explain_split(config) if config.split else explain_files(config, arguments, sys.stdin))


if __name__ == "__main__":
    run(main)
