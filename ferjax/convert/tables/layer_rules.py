"""Conversion rules of single layers (convolution, dense, batch norm) in PyTorch and Keras.

Each function takes the layer's name in the source and in ferjax's network, without collections.
"""

from ferjax.convert.rules.axis_layouts import KEEP, OI_TO_IO, OIHW_TO_HWIO, Layout
from ferjax.convert.rules.match_and_convert import Rule

_TORCH_NORM = {
    "weight": "params/{}/scale",
    "bias": "params/{}/bias",
    "running_mean": "batch_stats/{}/mean",
    "running_var": "batch_stats/{}/var",
}
# Keras loads the weights of a layer by their order: gamma, beta, moving mean, moving variance.
_KERAS_NORM = dict(enumerate(_TORCH_NORM.values()))


def torch_conv(
    source: str, target: str, *, bias: bool = False, layout: Layout = OIHW_TO_HWIO
) -> tuple[Rule, ...]:
    """Returns the rules of a torch convolution."""
    rules = (
        Rule(f"{source}.weight", f"params/{target}/kernel", layout),
        Rule(f"{source}.bias", f"params/{target}/bias", KEEP),
    )
    return rules if bias else rules[:1]


def torch_dense(source: str, target: str, layout: Layout = OI_TO_IO) -> tuple[Rule, ...]:
    """Returns the rules of a torch linear layer with bias."""
    return torch_conv(source, target, bias=True, layout=layout)


def torch_norm(source: str, target: str) -> tuple[Rule, ...]:
    """Returns the rules of a torch batch norm."""
    return tuple(
        Rule(f"{source}.{name}", path.replace("{}", target), KEEP)
        for name, path in _TORCH_NORM.items()
    )


def keras_conv(
    source: str, target: str, *, bias: bool = False, layout: Layout = KEEP
) -> tuple[Rule, ...]:
    """Returns the rules of a Keras convolution."""
    rules = (
        Rule(f"{source}/0", f"params/{target}/kernel", layout),
        Rule(f"{source}/1", f"params/{target}/bias", KEEP),
    )
    return rules if bias else rules[:1]


def keras_dense(source: str, target: str, layout: Layout = KEEP) -> tuple[Rule, ...]:
    """Returns the rules of a Keras dense layer with bias."""
    return keras_conv(source, target, bias=True, layout=layout)


def keras_norm(source: str, target: str) -> tuple[Rule, ...]:
    """Returns the rules of a Keras batch norm."""
    return tuple(
        Rule(f"{source}/{i}", path.replace("{}", target), KEEP) for i, path in _KERAS_NORM.items()
    )
