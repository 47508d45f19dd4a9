"""Computes the features of the images of a split once, and stores them on disk."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ferjax.baselines.lpq import CODES, lpq_features
from ferjax.baselines.phog import phog_features
from ferjax.config.baseline_config import BaselineConfig
from ferjax.data.splits.split import Split
from ferjax.data.storage.feature_store import content_digest, feature_key, fill_store
from ferjax.errors import UserError
from ferjax.runtime.cache_root import cache_root

# Increase it when the features of an image change: stored features are then computed again.
_VERSION = 1
# The features of this many images are stored together; a kill loses at most these.
_BLOCK = 256
# ITU-R 601, as `ferjax.images.colour` converts images to grey on the device.
_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Feature:
    """A kind of features, with its functions of the config.

    Attributes:
      compute: (float64 [B, H, W], config) → float64 [B, D].
      length: config → D.
      smallest: config → the smallest side that an image may have.
      describe: config → how they are computed, in words.
    """

    compute: Callable[[np.ndarray, BaselineConfig], np.ndarray]
    length: Callable[[BaselineConfig], int]
    smallest: Callable[[BaselineConfig], int]
    describe: Callable[[BaselineConfig], str]


def _describe_lpq(config: BaselineConfig) -> str:
    window, cells = config.lpq_window, config.lpq_cells
    return (
        f"LPQ (Ojansivu and Heikkilä 2008): {window}x{window} windows, a = 1/{window},"
        f" {'decorrelated, rho 0.9' if config.lpq_decorrelate else 'not decorrelated'};"
        f" {CODES} bins in {cells}x{cells} cells, each with the sum 1"
    )


def _describe_phog(config: BaselineConfig) -> str:
    return (
        f"PHOG (Bosch et al. 2007): Canny edges, {config.phog_bins} bins over"
        f" {config.phog_degrees} degrees, levels 0 to {config.phog_levels}, the sum 1"
    )


FEATURES: dict[str, Feature] = {
    "lpq": Feature(
        compute=lambda images, config: lpq_features(
            images, config.lpq_window, config.lpq_cells, config.lpq_decorrelate
        ),
        length=lambda config: CODES * config.lpq_cells**2,
        # Every cell must have at least one code.
        smallest=lambda config: config.lpq_window + config.lpq_cells - 1,
        describe=_describe_lpq,
    ),
    "phog": Feature(
        compute=lambda images, config: phog_features(
            images, config.phog_bins, config.phog_degrees, config.phog_levels
        ),
        length=lambda config: config.phog_bins * (4 ** (config.phog_levels + 1) - 1) // 3,
        smallest=lambda config: max(3, 2**config.phog_levels),
        describe=_describe_phog,
    ),
}


def check_image_size(split: Split, config: BaselineConfig) -> None:
    """Raises `UserError` if the images of a split are too small for the features."""
    smallest = FEATURES[config.features].smallest(config)
    if min(split.shape[:2]) < smallest:
        height, width, _ = split.shape
        flags = {"lpq": "--lpq_window or --lpq_cells", "phog": "--phog_levels"}[config.features]
        raise UserError(
            f"--features={config.features}: the images of {config.dataset} are {height}x{width},"
            f" and it needs at least {smallest}x{smallest}. Give a smaller {flags}, or larger"
            " images."
        )


def grey(images: np.ndarray) -> np.ndarray:
    """Returns uint8 [B, H, W, 1 or 3] as float64 [B, H, W], 0 to 255."""
    if images.shape[3] == 1:
        return images[..., 0].astype(np.float64)
    return images @ _GREY_WEIGHTS


def extract_features(split: Split, config: BaselineConfig) -> np.ndarray:
    """Returns the features of a split, float32 [N, D], from disk if they are stored there.

    They are stored in the folder of caches, not in the workdir, so that a command with another C or
    another kernel, or the same command after a kill, reuses them.

    Raises:
      UserError: an image that cannot be read, or a folder that cannot be written.
    """
    feature = FEATURES[config.features]
    settings = {k: v for k, v in asdict(config).items() if k.startswith(f"{config.features}_")}
    facts: dict[str, Any] = {"features": config.features, "version": _VERSION, **settings}
    key = feature_key({**facts, "images": content_digest(split)})
    name = f"{config.dataset}-{split.name}-{config.features}-{key[:12]}"
    return fill_store(
        cache_root() / "features" / name,
        key,
        (len(split), feature.length(config)),
        lambda positions: feature.compute(grey(split.read(positions)), config),
        block=_BLOCK,
        progress=f"{config.features} of {split.name}" if config.progress else None,
    )
