"""The PyTorch side: operations and training steps under every setting worth trying."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ferjax.bench.measuring.case import Peer, Run
from ferjax.bench.measuring.jax_sides import Shapes, abstract, random_arrays

# NHWC → NCHW for images, HWIO → OIHW for kernels.
_IMAGE, _KERNEL = (0, 3, 1, 2), (3, 2, 0, 1)


@dataclass(frozen=True)
class Setting:
    """How PyTorch is told to work.

    Attributes:
      channels_last: memory format of images and kernels.
      compiled: through torch.compile.
      fused: the optimizer's one-kernel form, else its foreach form.
    """

    channels_last: bool
    compiled: bool = False
    fused: bool | None = None

    def __str__(self) -> str:
        layout = "channels_last" if self.channels_last else "contiguous"
        optimizer = {None: "", True: ", fused", False: ", foreach"}[self.fused]
        return f"{layout}{optimizer}{', torch.compile' if self.compiled else ''}"


_OP_SETTINGS = tuple(
    Setting(last, compiled) for compiled in (False, True) for last in (True, False)
)
_TRAIN_SETTINGS = (
    Setting(channels_last=True, fused=True),
    Setting(channels_last=False, fused=True),
    Setting(channels_last=True, fused=False),
    Setting(channels_last=False, fused=False),
    Setting(channels_last=True, fused=True, compiled=True),
    Setting(channels_last=False, fused=True, compiled=True),
)


def missing_torch() -> str | None:
    """Returns why there is no PyTorch side and what to do, or None where there is one."""
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed; for its side: pip install 'ferjax[parity]'"
    if jax.default_backend() != "cpu":
        import torch

        if jax.default_backend() != "gpu" or not torch.cuda.is_available():
            return f"this PyTorch cannot use the {jax.default_backend()}; its side is left out"
    return None


def op_peers(
    op: Callable[..., Any], ours: Callable[..., jax.Array], shapes: Shapes, wrt: tuple[int, ...]
) -> tuple[Peer, ...]:
    """Returns an operation's peers, forward and backward.

    Args:
      op: on tensors: an NCHW image, an OIHW kernel, a bias, as many as there are shapes.
      ours: the same on NHWC and HWIO arrays; gives the gradient's shape.
      shapes: of our arguments.
      wrt: which of them get a gradient.
    """

    def peer(setting: Setting) -> Peer:
        return Peer(str(setting), lambda: _op_run(op, ours, shapes, wrt, setting), setting.compiled)

    return tuple(map(peer, _OP_SETTINGS))


def train_peers(
    module: Callable[[], Any],
    optimizer: Callable[..., Any],
    batch: Callable[[], dict[str, np.ndarray]],
) -> tuple[Peer, ...]:
    """Returns the peers of a training step.

    Args:
      module: returns the network.
      optimizer: called with (parameters, fused=, foreach=).
      batch: returns `image` uint8 [B, H, W, C] and `label` int32 [B].
    """

    def peer(setting: Setting) -> Peer:
        return Peer(
            str(setting), lambda: _train_run(module, optimizer, batch, setting), setting.compiled
        )

    return tuple(map(peer, _TRAIN_SETTINGS))


def _device() -> Any:
    """Returns the torch device that answers to JAX's."""
    import torch

    if jax.default_backend() == "cpu":
        return torch.device("cpu")
    # XLA computes float32 products in TF32 by default; PyTorch would only do so in convolutions.
    torch.set_float32_matmul_precision("high")
    return torch.device("cuda")


def _compile(function: Any) -> Any:
    """Returns the function through torch.compile, for fixed shapes and as a whole, or not at all.

    Cases share code, which PyTorch by default compiles 8 times and no more.
    """
    import torch
    from torch import _dynamo

    _dynamo.config.recompile_limit = 64
    return torch.compile(function, dynamic=False, fullgraph=True)


def _wait() -> None:
    import torch

    if jax.default_backend() != "cpu":
        torch.cuda.synchronize()


def _op_run(
    op: Callable[..., Any],
    ours: Callable[..., jax.Array],
    shapes: Shapes,
    wrt: tuple[int, ...],
    setting: Setting,
) -> Run:
    import torch

    likes = abstract(ours, shapes)
    axes = [_IMAGE, _IMAGE, _KERNEL, (0,)]
    dy, *inputs = (
        _tensor(array.transpose(order), setting)
        for array, order in zip(random_arrays(likes), axes[: len(likes)], strict=True)
    )
    chosen = [inputs[i].requires_grad_() for i in wrt]
    function = _compile(op) if setting.compiled else op

    def run() -> Any:
        y = function(*inputs)
        gradients = torch.autograd.grad(y, chosen, dy)
        _wait()
        return y, gradients

    if setting.compiled:
        run()  # compiles, which is no part of a run's time or memory
    return run


def _train_run(
    module: Callable[[], Any],
    optimizer: Callable[..., Any],
    batch: Callable[[], dict[str, np.ndarray]],
    setting: Setting,
) -> Run:
    import torch

    arrays = batch()
    torch.manual_seed(0)
    net = module().train().to(_device(), memory_format=_memory_format(setting))
    image = _tensor(arrays["image"].transpose(_IMAGE), setting)
    label = _tensor(arrays["label"], setting).long()
    update = optimizer(net.parameters(), fused=setting.fused, foreach=not setting.fused)
    _make_slots(net, update)
    forward = _compile(net) if setting.compiled else net

    def run() -> None:
        update.zero_grad(set_to_none=True)
        logits = forward(image.float() / 255)
        torch.nn.functional.cross_entropy(logits, label).backward()
        update.step()
        _wait()

    if setting.compiled:
        run()
    return run


def _make_slots(net: Any, update: Any) -> None:
    """Makes the optimizer's slots now, not in the first step: JAX has them from the start."""
    import torch

    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    update.step()
    update.zero_grad(set_to_none=True)


def _tensor(array: np.ndarray, setting: Setting) -> Any:
    import torch

    tensor = torch.tensor(np.ascontiguousarray(array), device=_device())
    return tensor.contiguous(memory_format=_memory_format(setting)) if tensor.ndim == 4 else tensor


def _memory_format(setting: Setting) -> Any:
    import torch

    return torch.channels_last if setting.channels_last else torch.contiguous_format
