"""The PyTorch side of a case: operations, training steps, forward passes, under each setting."""

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
    """Options of PyTorch.

    Attributes:
      channels_last: whether images and kernels have the memory format channels_last.
      compiled: whether torch.compile is used.
      fused: the optimizer's fused form, else its foreach form; None without an optimizer.
    """

    channels_last: bool
    compiled: bool = False
    fused: bool | None = None

    def __str__(self) -> str:
        layout = "channels_last" if self.channels_last else "contiguous"
        optimizer = {None: "", True: ", fused", False: ", foreach"}[self.fused]
        return f"{layout}{optimizer}{', torch.compile' if self.compiled else ''}"


# Settings of operations and of forward passes.
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
    """Returns why there is no PyTorch side and how to get one, or None where there is one."""
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
      op: the operation on tensors: NCHW image, OIHW kernel, bias, as many as there are shapes.
      ours: ferjax's operation on NHWC and HWIO arrays; gives the shape of the gradient.
      shapes: shapes of its arguments.
      wrt: positions of the arguments that get a gradient.
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


def forward_peers(module: Callable[[], Any], faces: Callable[[], np.ndarray]) -> tuple[Peer, ...]:
    """Returns the peers of a forward pass from uint8 faces to probabilities, both on the host.

    Args:
      module: returns a module from uint8 images [B, C, H, W] to probabilities.
      faces: returns uint8 [B, H, W, C].
    """

    def peer(setting: Setting) -> Peer:
        return Peer(str(setting), lambda: _forward_run(module, faces, setting), setting.compiled)

    return tuple(map(peer, _OP_SETTINGS))


def _device() -> Any:
    """Returns the torch device that corresponds to JAX's backend."""
    import torch

    if jax.default_backend() == "cpu":
        return torch.device("cpu")
    # XLA computes float32 products in TF32 by default; PyTorch does so only in convolutions.
    torch.set_float32_matmul_precision("high")
    return torch.device("cuda")


def _compile(function: Any) -> Any:
    """Returns the function through torch.compile, for fixed shapes and without graph breaks.

    Cases share code, which PyTorch compiles at most 8 times by default.
    """
    import torch
    from torch import _dynamo

    _dynamo.config.recompile_limit = 64
    return torch.compile(function, dynamic=False, fullgraph=True)


def _synchronize() -> None:
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

    abstract_arrays = abstract(ours, shapes)
    axes = [_IMAGE, _IMAGE, _KERNEL, (0,)]
    dy, *inputs = (
        _tensor(array.transpose(order), setting)
        for array, order in zip(
            random_arrays(abstract_arrays), axes[: len(abstract_arrays)], strict=True
        )
    )
    differentiated = [inputs[i].requires_grad_() for i in wrt]
    function = _compile(op) if setting.compiled else op

    def run() -> Any:
        y = function(*inputs)
        gradients = torch.autograd.grad(y, differentiated, dy)
        _synchronize()
        return y, gradients

    if setting.compiled:
        run()  # compiles, so that compilation adds no time or memory to a measured run
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
    network = module().train().to(_device(), memory_format=_memory_format(setting))
    image = _tensor(arrays["image"].transpose(_IMAGE), setting)
    label = _tensor(arrays["label"], setting).long()
    update = optimizer(network.parameters(), fused=setting.fused, foreach=not setting.fused)
    _create_slots(network, update)
    forward = _compile(network) if setting.compiled else network

    def run() -> None:
        update.zero_grad(set_to_none=True)
        logits = forward(image.float() / 255)
        torch.nn.functional.cross_entropy(logits, label).backward()
        update.step()
        _synchronize()

    if setting.compiled:
        run()
    return run


def _forward_run(
    module: Callable[[], Any], faces: Callable[[], np.ndarray], setting: Setting
) -> Run:
    import torch

    images, layout = faces(), _memory_format(setting)
    network = module().to(_device(), memory_format=layout)
    forward = _compile(network) if setting.compiled else network

    def run() -> np.ndarray:
        with torch.inference_mode():
            # The permuted view is channels_last already; a contiguous network gets a copy.
            batch = torch.from_numpy(images).to(_device()).permute(_IMAGE)
            return forward(batch.contiguous(memory_format=layout)).cpu().numpy()

    if setting.compiled:
        run()
    return run


def _create_slots(network: Any, update: Any) -> None:
    """Creates the optimizer's slots before the first step, as JAX does."""
    import torch

    for parameter in network.parameters():
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
