"""The InputSpec of a run: the pretrained weights' own, unless the config overrides it."""

from dataclasses import replace

import numpy as np

from ferjax.config.train_config import TrainConfig
from ferjax.data.splits.split import Split
from ferjax.errors import UserError
from ferjax.images.preprocess import to_channels
from ferjax.runs.pretrained_values import InitialWeights
from ferjax.specs import InputSpec


def input_spec(
    config: TrainConfig, train: Split, channels: int, start: InitialWeights | None
) -> InputSpec:
    """Returns the InputSpec of a run's network, and of its guide where it has one.

    Channel order, interpolation and normalisation come from the initial weights, the size from the
    config; `config.normalization` overrides mean and standard deviation. Weights of a guide set the
    guide's spec only; initial weights from a guided run bring the spec of its guide.

    Args:
      config: of the run, with an `image_size`.
      train: the training split, for its size and statistics.
      channels: 1 or 3.
      start: the weights, or None.

    Raises:
      UserError: the normalisation of weights is asked for, but there are none.
    """
    assert config.image_size is not None
    unit = (0.0,) * channels, (1.0,) * channels
    spec = InputSpec(train.shape[:2], config.image_size, channels, *unit)
    of_weights, guide = spec, None
    if start:
        sizes = dict(storage=spec.storage, size=spec.size, channels=channels)
        of_weights = replace(start.input, **sizes, guide=None)
        of_guide = start.input.guide and replace(start.input.guide, **sizes)
        guide = of_weights if start.guides else of_guide
    own = spec if start and start.guides else of_weights
    normalization = config.normalization or ("unit" if own is spec else "weights")
    if normalization == "weights" and own is spec:
        raise UserError(
            "--normalization=weights: the network starts from no weights. Give --pretrained, or"
            " --normalization=unit or dataset."
        )
    mean, std = (own.mean, own.std) if normalization == "weights" else unit
    if normalization == "dataset":
        direction = -1 if own.order == "bgr" else 1
        mean, std = (values[::direction] for values in channel_statistics(train, channels))
    own = replace(own, mean=mean, std=std)
    if guide:
        own = replace(own, guide=own if config.guide_input == "shared" else guide)
    return own


def channel_statistics(
    split: Split, channels: int, chunk: int = 512
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation of each channel over all pixels, where 255 is 1."""
    total, squares = np.zeros(channels), np.zeros(channels)
    for start in range(0, len(split), chunk):
        images = split.read(np.arange(start, min(start + chunk, len(split))))
        images = np.asarray(to_channels(images, channels), np.float64) / 255
        total += images.sum((0, 1, 2))
        squares += (images**2).sum((0, 1, 2))
    mean = total / (len(split) * split.shape[0] * split.shape[1])
    variance = squares / (len(split) * split.shape[0] * split.shape[1]) - mean**2
    # A constant channel would be divided by zero: it keeps its scale.
    std = np.sqrt(np.where(variance > 1e-12, variance, 1.0))
    return tuple(mean.tolist()), tuple(std.tolist())
