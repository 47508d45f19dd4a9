"""WeightSpec: URL, hash, input spec, license and citation of one set of pretrained weights."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferjax.convert.catalogue.input_specs import IMAGENET_MEAN, IMAGENET_STD
from ferjax.specs import InputSpec

# Prefix of a model's name → citation of the architecture's paper.
_PAPERS = {
    "resnet": "He et al., Deep residual learning for image recognition, CVPR 2016",
    "vgg": (
        "Simonyan and Zisserman, Very deep convolutional networks for large-scale image"
        " recognition, ICLR 2015"
    ),
    "efficientnet": (
        "Tan and Le, EfficientNet: rethinking model scaling for convolutional neural networks,"
        " ICML 2019"
    ),
}


@dataclass(frozen=True)
class WeightSpec:
    """Published weights of one network.

    Attributes:
      name: `model.tag`, the name that users give.
      model: ferjax's name of the network.
      kind: the `kind` of the file's conversion table.
      url: URL of the file, or None if it is on the Hugging Face hub.
      hub: repository id on the hub, or None.
      hub_file: name of the file in that repository.
      hash: `sha256:` or `md5:` and the leading hexadecimal digits that its publisher states; None
        if the publisher states none.
      with_top: whether the file has the classifier.
      input: size, normalisation and interpolation of the network's input.
      crop_pct: share of the shorter side in the crop of the publisher's evaluation; not used here,
        because faces are not cropped again.
      license: SPDX identifier.
      citation: the network's paper and the library that published the weights.
      source: page that describes the weights.
      num_classes: outputs of the classifier.
      fields: module fields beyond those of the rule table.
    """

    name: str
    model: str
    kind: str
    url: str | None
    hub: str | None
    hub_file: str | None
    hash: str | None
    with_top: bool
    input: InputSpec
    crop_pct: float
    license: str
    citation: str
    source: str
    num_classes: int = 1000
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def image_input(
    size: int,
    interpolation: str,
    mean: tuple[float, ...] = IMAGENET_MEAN,
    std: tuple[float, ...] = IMAGENET_STD,
    order: str = "rgb",
) -> InputSpec:
    """Returns the input spec of square colour images; default: mean and std of ImageNet."""
    return InputSpec((size, size), size, 3, mean, std, order, interpolation)


def citation(model: str, library: str) -> str:
    """Returns the paper of a model's architecture, followed by the library's citation."""
    paper = next(text for prefix, text in _PAPERS.items() if model.startswith(prefix))
    return f"{paper}; {library}"
