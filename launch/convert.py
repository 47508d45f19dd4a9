"""Convert pretrained weights, or export: python -m launch.convert --model=M --source=F --out=D."""

from absl import flags

from ferjax.config.tool_configs import ConvertConfig
from launch.command.app import refuse_arguments, run
from launch.command.flags import define_flags, given_flags

define_flags(ConvertConfig)
flags.DEFINE_boolean(
    "list",
    False,
    "Show the published weights and which are in the cache, and stop. Files are taken too: PyTorch,"
    " safetensors, Keras, ONNX.",
)


def main(arguments: list[str]) -> None:
    """Converts and prints the mapping and the result; with --to the lines that load the file."""
    refuse_arguments(arguments)
    from ferjax.convert.export_torchvision import loading_lines
    from ferjax.convert.reference_library import reference_name
    from ferjax.tools.convert_weights import run_convert, run_export
    from launch.command.catalogue import mapping_table, weights_catalogue

    if flags.FLAGS.list:
        print(weights_catalogue(flags.FLAGS.model))
        return
    config = ConvertConfig(**given_flags(ConvertConfig))
    if config.to:
        path, build = run_export(config)
        about = path.with_suffix(".json")
        print(f"{path}, and {about}: its classes and how its images are prepared. Load it so:\n")
        print(loading_lines(path, build))
        return
    result = run_convert(config)
    print(mapping_table(result.plan))
    if result.error is not None:
        other = reference_name(result.plan.source, result.plan.table.kind)
        print(f"logits differ from those of {other} by {result.error:.1e} of the largest")
    if result.folder:
        print(f"{result.folder}: use it with --model={config.model} --pretrained={result.folder}")
    else:
        print("nothing was written")


if __name__ == "__main__":
    run(main)
