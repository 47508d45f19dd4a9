"""The InputSpec of a run: that of the pretrained weights, unless the config overrides it."""

from dataclasses import replace

import numpy as np

from ferjax.config.train_config import TrainConfig
from ferjax.data.splits.split import Split
from ferjax.errors import UserError
from ferjax.images.preprocess import to_channels
from ferjax.runs.pretrained_values import InitialWeights
from ferjax.specs import InputSpec


def input_spec(
    config: TrainConfig, train: Split, channels: int, initial_weights: InitialWeights | None
) -> InputSpec:
    """Returns the InputSpec of a run's network, and of its guide if it has one.

    Channel order, interpolation and normalisation come from the initial weights, the size from the
    config; `config.normalization` overrides mean and standard deviation. Weights of a guide set
    only the guide's spec. Initial weights from a guided run contain the spec of its guide.

    Args:
      config: the config of the run, with an `image_size`.
      train: the training split, for its size and statistics.
      channels: 1 or 3.
      initial_weights: the initial weights, or None.

    Raises:
      UserError: `config.normalization` is `weights`, but there are no initial weights.
    """
    assert config.image_size is not None
    unit = (0.0,) * channels, (1.0,) * channels
    spec = InputSpec(train.shape[:2], config.image_size, channels, *unit)
    weights_spec, guide = spec, None
    if initial_weights:
        sizes = dict(storage=spec.storage, size=spec.size, channels=channels)
        weights_spec = replace(initial_weights.input, **sizes, guide=None)
        guide_spec = initial_weights.input.guide and replace(initial_weights.input.guide, **sizes)
        guide = weights_spec if initial_weights.guides else guide_spec
    network_spec = spec if initial_weights and initial_weights.guides else weights_spec
    normalization = config.normalization or ("unit" if network_spec is spec else "weights")
    if normalization == "weights" and network_spec is spec:
        raise UserError(
            "--normalization=weights: the network starts from no weights. Give --pretrained, or"
            " --normalization=unit or dataset."
        )
    mean, std = (network_spec.mean, network_spec.std) if normalization == "weights" else unit
    if normalization == "dataset":
        direction = -1 if network_spec.order == "bgr" else 1
        mean, std = (values[::direction] for values in channel_statistics(train, channels))
    network_spec = replace(network_spec, mean=mean, std=std)
    if guide:
        network_spec = replace(
            network_spec, guide=network_spec if config.guide_input == "shared" else guide
        )
    return network_spec


def channel_statistics(
    split: Split, channels: int, chunk: int = 512
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation of each channel over all pixels, where 255 is 1."""
    total, squares = np.zeros(channels), np.zeros(channels)
    for first in range(0, len(split), chunk):
        images = split.read(np.arange(first, min(first + chunk, len(split))))
        images = np.asarray(to_channels(images, channels), np.float64) / 255
        total += images.sum((0, 1, 2))
        squares += (images**2).sum((0, 1, 2))
    mean = total / (len(split) * split.shape[0] * split.shape[1])
    variance = squares / (len(split) * split.shape[0] * split.shape[1]) - mean**2
    # A constant channel keeps its scale, because its standard deviation is zero.
    std = np.sqrt(np.where(variance > 1e-12, variance, 1.0))
    return tuple(mean.tolist()), tuple(std.tolist())
