"""Foreign weights to ferjax's, and back: python -m launch.convert --model=M --source=F --out=D."""

from absl import flags

from ferjax.config.tool_configs import ConvertConfig
from launch.app import refuse_arguments, run
from launch.flags import define_flags, given_flags

define_flags(ConvertConfig)
flags.DEFINE_boolean("list", False, "Show the catalogue and what of it is cached, and stop.")


def main(arguments: list[str]) -> None:
    """Prints the mapping and what was checked and written; with --to the lines that load it."""
    refuse_arguments(arguments)
    from ferjax.tools.convert_weights import run_convert, run_export
    from launch.catalogue import mapping, weights_catalogue

    if flags.FLAGS.list:
        print(weights_catalogue(flags.FLAGS.model))
        return
    config = ConvertConfig(**given_flags(ConvertConfig))
    if config.to:
        path, build = run_export(config)
        print(f"{path}, for a network built like this:\n{build}")
        return
    done = run_convert(config)
    print(mapping(done.plan))
    if done.error is not None:
        print(f"logits differ from {done.plan.table.kind}'s by {done.error:.1e} of the largest")
    if done.folder:
        print(f"{done.folder}: use it with --model={config.model} --pretrained={done.folder}")
    else:
        print("nothing was written")


if __name__ == "__main__":
    run(main)
