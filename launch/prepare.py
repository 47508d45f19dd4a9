"""Audit data, crop faces, fill the cache: python -m launch.prepare --dataset=sfew --audit."""

from ferjax.config.tool_configs import PrepareConfig
from launch.command.app import refuse_arguments, run
from launch.command.flags import define_flags, given_flags
from launch.command.user_modules import import_user_modules

define_flags(PrepareConfig)


def main(arguments: list[str]) -> None:
    """Runs the requested task; prints its findings and the path of the result."""
    refuse_arguments(arguments)
    import_user_modules()
    from ferjax.tools.prepare_data import run_prepare

    for line in run_prepare(PrepareConfig(**given_flags(PrepareConfig))):
        print(line)


if __name__ == "__main__":
    run(main)
