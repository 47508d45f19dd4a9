"""The rules of single layers, so that a table reads like its network.

Each function takes the layer's name in the source and in our network, without collections.
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
    theirs: str, ours: str, *, bias: bool = False, layout: Layout = OIHW_TO_HWIO
) -> tuple[Rule, ...]:
    """Returns the rules of a torch convolution."""
    rules = (
        Rule(f"{theirs}.weight", f"params/{ours}/kernel", layout),
        Rule(f"{theirs}.bias", f"params/{ours}/bias", KEEP),
    )
    return rules if bias else rules[:1]


def torch_dense(theirs: str, ours: str, layout: Layout = OI_TO_IO) -> tuple[Rule, ...]:
    """Returns the rules of a torch linear layer with bias."""
    return torch_conv(theirs, ours, bias=True, layout=layout)


def torch_norm(theirs: str, ours: str) -> tuple[Rule, ...]:
    """Returns the rules of a torch batch norm."""
    return tuple(
        Rule(f"{theirs}.{name}", path.replace("{}", ours), KEEP)
        for name, path in _TORCH_NORM.items()
    )


def keras_conv(
    theirs: str, ours: str, *, bias: bool = False, layout: Layout = KEEP
) -> tuple[Rule, ...]:
    """Returns the rules of a Keras convolution."""
    rules = (
        Rule(f"{theirs}/0", f"params/{ours}/kernel", layout),
        Rule(f"{theirs}/1", f"params/{ours}/bias", KEEP),
    )
    return rules if bias else rules[:1]


def keras_dense(theirs: str, ours: str, layout: Layout = KEEP) -> tuple[Rule, ...]:
    """Returns the rules of a Keras dense layer with bias."""
    return keras_conv(theirs, ours, bias=True, layout=layout)


def keras_norm(theirs: str, ours: str) -> tuple[Rule, ...]:
    """Returns the rules of a Keras batch norm."""
    return tuple(
        Rule(f"{theirs}/{i}", path.replace("{}", ours), KEEP) for i, path in _KERAS_NORM.items()
    )
