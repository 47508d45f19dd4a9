"""Register a network of the user's own, for `create_model` and `launch.train --model=NAME`."""

from collections.abc import Callable, Mapping

from flax import linen as nn

from ferjax.config.json_file import check_settings
from ferjax.config.registered_names import register
from ferjax.models.module_fields import check_takes
from ferjax.models.registry import MODELS, ModelEntry


def register_model(
    name: str,
    build: Callable[..., nn.Module],
    *,
    image_size: int = 48,
    fields: tuple[str, ...] = (),
    recipe: Mapping[str, object] | None = None,
    layers: tuple[str, ...] = (".*",),
    channels: int | None = None,
    takes_side: Callable[[int], bool] = lambda side: side >= 1,
    sides: str = "at least 1",
) -> None:
    """Adds a network of the user's own, for `create_model` and `launch.train --model=NAME`.

    The module's `__call__(x, *, train)` takes float [B, S, S, C] and returns logits float [B, K].
    `--freeze=all_but_head` trains only the parameters of a last layer named `head`.
    `--precision=bf16` sets its field `dtype`, the dtype of the layers: `dtype: Any = None`.

    Args:
      name: letters, digits and underscores.
      build: module class or function; called with `num_classes=` and the given `fields`.
      image_size: side of its input in pixels, unless a recipe or a flag sets another.
      fields: fields of `TrainConfig` that `build` takes, for instance `("dropout",)`.
      recipe: settings of `TrainConfig` that form its recipe `default`.
      layers: as in `ModelEntry`: regular expressions from input to head, for `--layer_decay` and
        `--backbone_factor`, which are refused with the default.
      channels: 1 or 3 if the network needs this number of channels, or None for any.
      takes_side: returns whether the network accepts images of this side (pixels).
      sides: the accepted sides in words, for error messages.

    Raises:
      UserError: the name is one of ferjax's own, or is not an identifier; or `build` does not take
        `num_classes` or one of the `fields`; or `recipe` has a setting that is none.
    """
    for field in ("num_classes", *fields):
        check_takes(name, build, field)
    check_settings(recipe or {})
    entry = ModelEntry(
        build,
        paper="your own",
        fields=fields,
        takes_side=takes_side,
        sides=sides,
        layers=layers,
        channels=channels,
        recipe={"image_size": image_size, **(recipe or {})},
    )
    register("model", name, entry, MODELS)
