"""Model registry: builds a network by name, checks its fields and the image sizes it accepts."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Integral

import jax
import jax.numpy as jnp
from flax import linen as nn

from ferjax.config.registered_names import find, registered
from ferjax.errors import UserError
from ferjax.models import efficientnet, resnet, vgg
from ferjax.models.awei import GUIDES, JUMPERS, Awei
from ferjax.models.cnn import BaseCNN, DepthCNN, pooled_sides
from ferjax.models.fernet import FerNet
from ferjax.models.module_fields import check_takes, check_value
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import lists_to_tuples


@dataclass(frozen=True)
class ModelEntry:
    """A registered network.

    Attributes:
      build: module class or partial of one; called with `num_classes` and the model's fields.
      paper: the publication that describes the network.
      fields: the module fields that a user may set.
      takes_side: returns whether the network accepts images of this side (pixels).
      sides: the accepted sides in words, for error messages.
      layers: regular expressions that match whole parameter paths, in order from the input to the
        head, which is last. Groups are numbers that order the layers of one expression. Each path
        matches exactly one expression.
      channels: the required number of image channels, or None for any.
      choices: field → allowed values, for fields with a fixed set of them.
      family: `resnet`, `vgg` or `efficientnet`: the family of conversion tables for pretrained
        weights of other libraries; None if there are none.
      ends_in_classify: whether the network ends in `heads.classify`; then its features before the
        head can be computed separately and stored.
      source_fields: module fields that are set by pretrained weights and not by a flag.
      frozen: regular expression on paths of parameters that are never trained, or None.
      recipe: settings of the recipe `default`, for a registered network; those of ferjax's own
        networks are in `recipes.DEFAULTS`.
    """

    build: Callable[..., nn.Module]
    paper: str
    fields: tuple[str, ...]
    takes_side: Callable[[int], bool]
    sides: str
    layers: tuple[str, ...]
    channels: int | None = None
    choices: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    family: str | None = None
    ends_in_classify: bool = False
    source_fields: tuple[str, ...] = ()
    frozen: str | None = None
    recipe: Mapping[str, object] = dataclasses.field(default_factory=dict)


_HEAD = r"head(?:_dense\d+)?/.*"
_BLOCKS = (r"stem_(?:conv|bn)/.*", r"stage(\d+)_block(\d+)/.*")
_PLAIN = (r"(?:conv|bn)(\d+)/.*", r"dense/.*", _HEAD)
# A jumper has the same rank as the block to which its output is added: `jumper` and `jumper2` block
# 5, `jumper1` block 3. The `jumper1` of `double` only feeds `jumper2`; it ranks with block 3
# because it has the same width. The guide is never trained.
_AWEI = (
    r"guide/.*",
    r"conv1/.*",
    r"conv2/.*",
    r"(?:conv3|jumper1)/.*",
    r"conv4/.*",
    r"(?:conv5|jumper2?)/.*",
    r"dense/.*",
    _HEAD,
)


def _depth_cnn(depth: int) -> ModelEntry:
    return ModelEntry(
        build=partial(DepthCNN, depth=depth),
        paper=f"P4 Yang: {depth} convolutional layers",
        fields=("dropout",),
        takes_side=lambda side: side >= 6 and all(pooled_sides(side, depth)),
        sides="from 6 on, even as long as its half is at least 3, once a block",
        layers=_PLAIN,
    )


# Each of these networks halves the image five times.
_imagenet = partial(
    ModelEntry,
    ends_in_classify=True,
    takes_side=lambda side: side >= 32,
    sides="at least 32",
)
_resnet = partial(
    _imagenet,
    layers=(*_BLOCKS, _HEAD),
    fields=("dropout", "head_widths", "stem"),
    choices={"stem": resnet.STEMS},
    family="resnet",
    source_fields=("conv_bias", "stride_on_3x3", "bn_eps", "bn_momentum"),
)
_vgg = partial(
    _imagenet,
    layers=(r"stage(\d+)/conv(\d+)/.*", _HEAD),
    fields=("dropout", "head_widths", "pooling"),
    choices={"pooling": vgg.POOLINGS},
    family="vgg",
)
_efficientnet = partial(
    _imagenet,
    layers=(*_BLOCKS, r"top_(?:conv|bn)/.*", _HEAD),
    fields=("dropout", "head_widths", "stochastic_depth"),
    choices={"padding": efficientnet.PADDINGS},
    family="efficientnet",
    source_fields=("padding", "bn_eps", "bn_momentum"),
)

MODELS: dict[str, ModelEntry] = {
    "awei": ModelEntry(
        build=Awei,
        paper="P5 Liu: residual-jumper network",
        fields=("dropout", "guide", "jumper"),
        takes_side=lambda side: side >= 32 and side % 32 == 0,
        sides="a multiple of 32",
        layers=_AWEI,
        channels=3,
        choices={"guide": GUIDES, "jumper": JUMPERS},
        frozen="guide/.*",
    ),
    "base_cnn": ModelEntry(
        build=BaseCNN,
        paper="P3 Farahani: base CNN",
        fields=("dropout",),
        takes_side=lambda side: side >= 16 and side % 4 == 0,
        sides="a multiple of 4, from 16 on",
        layers=_PLAIN,
    ),
    "cnn3": _depth_cnn(3),
    "cnn4": _depth_cnn(4),
    "cnn5": _depth_cnn(5),
    "cnn6": _depth_cnn(6),
    "efficientnet_b0": _efficientnet(efficientnet.EfficientNetB0, "Tan and Le 2019"),
    "efficientnet_b1": _efficientnet(efficientnet.EfficientNetB1, "P2 IUT: EfficientNet-B1"),
    "efficientnet_b2": _efficientnet(efficientnet.EfficientNetB2, "Tan and Le 2019"),
    "fernet_s": ModelEntry(
        build=FerNet,
        paper="ferjax: small residual network for CPUs",
        fields=("dropout", "head_widths"),
        takes_side=lambda side: side >= 16 and side % 8 == 0,
        sides="a multiple of 8, from 16 on",
        layers=(*_BLOCKS, _HEAD),
        ends_in_classify=True,
    ),
    "resnet18": _resnet(resnet.ResNet18, "P3 Farahani: ResNet18"),
    "resnet34": _resnet(resnet.ResNet34, "He et al. 2016"),
    "resnet50": _resnet(resnet.ResNet50, "P1 Kumari: ResNet50"),
    "resnet101": _resnet(resnet.ResNet101, "He et al. 2016"),
    "resnet152": _resnet(resnet.ResNet152, "He et al. 2016"),
    "vgg16": _vgg(vgg.VGG16, "P5 Liu: the guiding network"),
    "vgg19": _vgg(vgg.VGG19, "Simonyan and Zisserman 2015"),
}


def all_models() -> dict[str, ModelEntry]:
    """Returns every network by name, ferjax's own and registered ones."""
    return {**MODELS, **registered("model")}


def model_entry(name: str) -> ModelEntry:
    """Returns the entry of a network; an unknown name raises `UserError` with the nearest name."""
    return find("model", name, MODELS)


def create_model(name: str, num_classes: int, **fields: object) -> nn.Module:
    """Returns the Linen module `name` with `num_classes` logits.

    Args:
      name: a key of `MODELS`.
      num_classes: number of logits, at least 2; or 0 to return the features before the last layer.
      **fields: fields of the module; all of ferjax's own networks have `dtype`. Lists are converted
        to tuples, so that fields may come from JSON.

    Raises:
      UserError: unknown name, a field that the network does not have, or a value that is not
        allowed.
    """
    entry = model_entry(name)
    fields = lists_to_tuples(fields)
    for field, value in fields.items():
        if field not in (*entry.fields, *entry.source_fields, "dtype"):
            field_names = ", ".join(entry.fields)
            raise UserError(f"--{field}={value}: {name} has no {field}. It takes: {field_names}.")
        check_takes(name, entry.build, field)
        check_value(field, value, entry.choices.get(field))
    if not isinstance(num_classes, Integral) or num_classes < 0 or num_classes == 1:
        found = f"{num_classes!r} classes given"
        raise UserError(f"{name}: {found}, at least 2 expected (0: features).")
    return entry.build(num_classes=num_classes, **fields)


def abstract_variables(name: str, num_classes: int, **fields: object) -> dict[str, tuple[int, ...]]:
    """Returns {path: shape} of every variable of a network for RGB images; nothing is computed.

    The image has the smallest side that the network accepts: only the layer `dense` of `awei` and
    of the small CNNs depends on the side.

    Args:
      name: a key of `MODELS`.
      num_classes: as in `create_model`.
      **fields: as in `create_model`.

    Raises:
      UserError: as `create_model`.
    """
    model = create_model(name, num_classes, **fields)
    side = _next_side(model_entry(name), 1)
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    init = partial(model.init, train=False)
    tree = jax.eval_shape(init, jax.random.key(0), image)
    return {path: leaf.shape for path, leaf in flatten(tree).items()}


def check_image(name: str, side: int, channels: int) -> None:
    """Raises `UserError` if network `name` does not accept images [side, side, channels]."""
    entry = model_entry(name)
    if not entry.takes_side(side):
        below = next((s for s in range(side - 1, 0, -1) if entry.takes_side(s)), None)
        near = " or ".join(str(s) for s in (below, _next_side(entry, max(side, 1))) if s)
        raise UserError(
            f"--image_size={side}: the strides of {name} do not fit it (its side must be"
            f" {entry.sides}). Nearest that work: {near}."
        )
    if entry.channels not in (None, channels):
        raise UserError(
            f"--channels={channels}: {name} takes {entry.channels} channels."
            f" Leave the flag out, or give {entry.channels}."
        )


def _next_side(entry: ModelEntry, side: int) -> int:
    """Returns the smallest side that the network accepts and that is at least `side`."""
    return next(s for s in range(side, side + 1025) if entry.takes_side(s))
