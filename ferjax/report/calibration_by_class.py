"""Calibration of the probabilities of each emotion: two calibration errors by class.

A network may be calibrated over all images and not for a rare emotion. The classwise error uses the
probability of one class in every image. It is small for a rare class, because its probability is
rightly near 0 in most images. The top-label error uses only the images that are predicted as the
class: it shows whether an answer "fear, 80 %" is right in 80 % of the cases.

References:
  Kull et al., "Beyond temperature scaling: Obtaining well-calibrated multiclass probabilities with
  Dirichlet calibration", NeurIPS 2019 (classwise-ECE). https://arxiv.org/abs/1910.12656
  Gupta and Ramdas, "Top-label calibration and multiclass-to-binary reductions", ICLR 2022.
  https://arxiv.org/abs/2107.08353
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferjax.report.calibration import checked
from ferjax.report.confidence_bins import BINS, binned, error_of_bins


def calibration_by_class(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], bins: int = BINS
) -> list[dict[str, Any]]:
    """Returns the calibration errors of each class, ready for JSON.

    Args:
      probabilities: float [N, K], rows sum to 1; N is 1 or more.
      labels: int [N], the true classes.
      classes: K names.
      bins: number of bins of equal width, as in `reliability_bins`.

    Returns:
      For each class: `class`, its name; `classwise_error`, the mean distance, over all images,
      between a bin's mean probability of the class and its share of images of the class;
      `predicted`, the number of images with this most probable class (of equally probable classes
      the first); `top_label_error`, the expected calibration error of these images alone, None
      where there are none. Errors are in [0, 1].

    Raises:
      ValueError: shapes that do not fit, labels out of range, no images, or no bins.
    """
    probabilities, labels = checked(probabilities, labels)
    if probabilities.shape[1] != len(classes):
        raise ValueError(f"{probabilities.shape[1]} probabilities for {len(classes)} classes")
    predicted = probabilities.argmax(1)
    rows = []
    for k, name in enumerate(classes):
        class_probabilities, is_predicted = probabilities[:, k], predicted == k
        top_label_bins = binned(class_probabilities[is_predicted], labels[is_predicted] == k, bins)
        rows.append(
            {
                "class": name,
                "classwise_error": error_of_bins(binned(class_probabilities, labels == k, bins)),
                "predicted": int(is_predicted.sum()),
                "top_label_error": error_of_bins(top_label_bins) if is_predicted.any() else None,
            }
        )
    return rows
