"""Train a network: python -m launch.train --model=awei --dataset=synthetic."""

from absl import flags

from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.recipes import naming_recipe, resolve
from launch.command.app import refuse_arguments, run
from launch.command.flags import define_flags, given_flags
from launch.command.join import join_processes
from launch.command.restart import restart_after_crashes
from launch.command.user_modules import import_user_modules

define_flags(TrainConfig)
flags.DEFINE_boolean("list", False, "Show models, data sets and recipes, and stop.")


def main(arguments: list[str]) -> None:
    """Resolves the config, prints the recipe, trains, prints the path of the report."""
    if flags.FLAGS.list:
        import_user_modules()
        from launch.command.catalogue import catalogue

        print(catalogue())
        return
    refuse_arguments(arguments)
    restart_after_crashes("launch.train")
    join_processes()
    import_user_modules()
    given = given_flags(TrainConfig)
    config = resolve(given)
    from ferjax.config.registered_names import find
    from ferjax.data.registry import DATASETS
    from ferjax.experiment import run_train
    from ferjax.runtime.progress_lines import say

    find("dataset", config.dataset, DATASETS)  # before anything is said of the run
    say(f"recipe {config.recipe}, run directory {config.workdir}")
    try:
        report = run_train(config)
    except UserError as error:
        raise naming_recipe(error, given, config.recipe or "", config.model) from None
    for warning in report["warnings"]:
        say(f"warning: {warning}")
    say(report["summary"])
    say(report["path"])


if __name__ == "__main__":
    run(main)
