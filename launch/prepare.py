"""Look at data, cut faces out, decode once: python -m launch.prepare --dataset=sfew --audit."""

from ferjax.config.tool_configs import PrepareConfig
from launch.app import refuse_arguments, run
from launch.flags import define_flags, given_flags
from launch.user_modules import import_user_modules

define_flags(PrepareConfig)


def main(arguments: list[str]) -> None:
    """Does what the flags ask for; prints what was found, and where the result lies."""
    refuse_arguments(arguments)
    import_user_modules()
    from ferjax.tools.prepare_data import run_prepare

    for line in run_prepare(PrepareConfig(**given_flags(PrepareConfig))):
        print(line)


if __name__ == "__main__":
    run(main)
