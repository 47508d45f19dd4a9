"""Every network on every data set: python -m launch.matrix --workdir=RUN,RUN --data=NAME:PATH."""

from ferjax.config.matrix_config import MatrixConfig
from launch.command.app import refuse_arguments, run
from launch.command.flags import define_flags, given_flags
from launch.command.user_modules import import_user_modules

define_flags(MatrixConfig)


def main(arguments: list[str]) -> None:
    """Evaluates every network on every data set; prints the path of the report."""
    refuse_arguments(arguments)
    config = MatrixConfig(**given_flags(MatrixConfig))
    import_user_modules()
    from ferjax.tools.cross_data_sets.run_matrix import run_matrix

    for line in run_matrix(config):
        print(line)


if __name__ == "__main__":
    run(main)
