"""Catalogue of pretrained weights by name and tag, and the default ("imagenet") of each network."""

from ferjax.convert.catalogue.keras_weights import KERAS
from ferjax.convert.catalogue.timm_weights import MICROSOFT, TIMM
from ferjax.convert.catalogue.torchvision_weights import TORCHVISION
from ferjax.convert.catalogue.weight_spec import WeightSpec
from ferjax.errors import UserError, nearest, unknown_name

CATALOGUE: dict[str, WeightSpec] = {
    spec.name: spec for spec in (*TORCHVISION, *TIMM, *KERAS, *MICROSOFT)
}
# Model → full name of the weights that `imagenet` denotes.
DEFAULT_TAGS: dict[str, str] = {
    "resnet18": "resnet18.tv_in1k",
    "resnet34": "resnet34.tv_in1k",
    "resnet50": "resnet50.tv_in1k",
    "resnet101": "resnet101.tv_in1k",
    "resnet152": "resnet152.tv_in1k",
    "vgg16": "vgg16.tv_in1k",
    "vgg19": "vgg19.tv_in1k",
    "efficientnet_b0": "efficientnet_b0.tv_in1k",
    "efficientnet_b1": "efficientnet_b1.tv_in1k",
    "efficientnet_b2": "efficientnet_b2.tv_in1k",
}


def is_catalogued(name: str, model: str) -> bool:
    """Returns whether a name is in the catalogue, possibly for another network than `model`."""
    return name == "imagenet" or name in CATALOGUE or f"{model}.{name}" in CATALOGUE


def find_weights(name: str, model: str) -> WeightSpec:
    """Returns the catalogue's entry for a network.

    Args:
      name: `imagenet` (the network's default), `model.tag`, or a tag of this network.
      model: ferjax's name of the network.

    Raises:
      UserError: there are no weights for the network, the name is unknown, or belongs to another
        network.
    """
    if model not in DEFAULT_TAGS:
        raise UserError(
            f"{name!r}: the catalogue holds no weights of {model}, only of"
            f" {', '.join(DEFAULT_TAGS)}. Give a weights file, or train from scratch."
        )
    full = DEFAULT_TAGS[model] if name == "imagenet" else name
    spec = CATALOGUE.get(full) or CATALOGUE.get(f"{model}.{full}")
    if spec is None:
        names = [key for key, entry in CATALOGUE.items() if entry.model == model]
        # The network's name is added only to a name that resembles one of the tags. Added to any
        # other name, it would make that name resemble all weights of this network.
        tags = [key.removeprefix(f"{model}.") for key in names]
        full_name = f"{model}.{name}" if nearest(name, tags) else name
        raise unknown_name(f"weights of {model}:", full_name, ["imagenet", *names])
    if spec.model != model:
        raise UserError(
            f"{name!r} are weights of {spec.model}, not of {model}. Give imagenet for the"
            f" default of {model}, or choose --model={spec.model}."
        )
    return spec
