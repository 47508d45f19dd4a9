"""A web page and HTTP API for emotions of faces: python -m launch.serve [--workdir=RUN]."""

from ferjax.config.serve_config import ServeConfig
from launch.command.app import refuse_arguments, run
from launch.command.flags import define_flags, given_flags
from launch.command.user_modules import import_user_modules

define_flags(ServeConfig)


def main(arguments: list[str]) -> None:
    """Serves until Ctrl-C or SIGTERM, on this machine alone unless --host says otherwise."""
    refuse_arguments(arguments)
    config = ServeConfig(**given_flags(ServeConfig))
    import_user_modules()
    from ferjax.runtime.progress_lines import say
    from ferjax.serve.run_serve import run_serve

    say(run_serve(config))


if __name__ == "__main__":
    run(main)
