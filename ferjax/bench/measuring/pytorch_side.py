"""The PyTorch side of a case: operations and forward passes, under each setting."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ferjax.bench.measuring.case import Peer, Run
from ferjax.bench.measuring.jax_sides import Shapes, abstract, random_arrays

# NHWC → NCHW for images, HWIO → OIHW for kernels.
IMAGE_AXES, _KERNEL = (0, 3, 1, 2), (3, 2, 0, 1)


@dataclass(frozen=True)
class Setting:
    """Options of PyTorch.

    Attributes:
      channels_last: whether images and kernels have the memory format channels_last.
      compiled: whether torch.compile is used.
      fused: the optimizer's fused form, else its foreach form; None without an optimizer.
      autocast: automatic mixed precision in bfloat16; parameters stay float32.
    """

    channels_last: bool
    compiled: bool = False
    fused: bool | None = None
    autocast: bool = False

    def __str__(self) -> str:
        layout = "channels_last" if self.channels_last else "contiguous"
        optimizer = {None: "", True: ", fused", False: ", foreach"}[self.fused]
        precision = ", bf16 autocast" if self.autocast else ""
        return f"{layout}{optimizer}{precision}{', torch.compile' if self.compiled else ''}"


# Settings of operations and of forward passes.
_OP_SETTINGS = tuple(
    Setting(last, compiled) for compiled in (False, True) for last in (True, False)
)


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


def forward_peers(module: Callable[[], Any], faces: Callable[[], np.ndarray]) -> tuple[Peer, ...]:
    """Returns the peers of a forward pass from uint8 faces to probabilities, both on the host.

    Args:
      module: returns a module from uint8 images [B, C, H, W] to probabilities.
      faces: returns uint8 [B, H, W, C].
    """

    def peer(setting: Setting) -> Peer:
        return Peer(str(setting), lambda: _forward_run(module, faces, setting), setting.compiled)

    return tuple(map(peer, _OP_SETTINGS))


def torch_device() -> Any:
    """Returns the torch device that corresponds to JAX's backend."""
    import torch

    if jax.default_backend() == "cpu":
        return torch.device("cpu")
    # XLA computes float32 products in TF32 by default; PyTorch does so only in convolutions.
    torch.set_float32_matmul_precision("high")
    return torch.device("cuda")


def compile_torch(function: Any) -> Any:
    """Returns the function through torch.compile, for fixed shapes and without graph breaks.

    Cases share code, which PyTorch compiles at most 8 times by default.
    """
    import torch
    from torch import _dynamo

    _dynamo.config.recompile_limit = 64
    return torch.compile(function, dynamic=False, fullgraph=True)


def synchronize() -> None:
    """Waits until the device has finished."""
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
    axes = [IMAGE_AXES, IMAGE_AXES, _KERNEL, (0,)]
    dy, *inputs = (
        as_tensor(array.transpose(order), setting)
        for array, order in zip(
            random_arrays(abstract_arrays), axes[: len(abstract_arrays)], strict=True
        )
    )
    differentiated = [inputs[i].requires_grad_() for i in wrt]
    function = compile_torch(op) if setting.compiled else op

    def run() -> Any:
        y = function(*inputs)
        gradients = torch.autograd.grad(y, differentiated, dy)
        synchronize()
        return y, gradients

    if setting.compiled:
        run()  # compiles, so that compilation adds no time or memory to a measured run
    return run


def _forward_run(
    module: Callable[[], Any], faces: Callable[[], np.ndarray], setting: Setting
) -> Run:
    import torch

    images, layout = faces(), memory_format(setting)
    network = module().to(torch_device(), memory_format=layout)
    forward = compile_torch(network) if setting.compiled else network

    def run() -> np.ndarray:
        with torch.inference_mode():
            # The permuted view is channels_last already; a contiguous network gets a copy.
            batch = torch.from_numpy(images).to(torch_device()).permute(IMAGE_AXES)
            return forward(batch.contiguous(memory_format=layout)).cpu().numpy()

    if setting.compiled:
        run()
    return run


def as_tensor(array: np.ndarray, setting: Setting) -> Any:
    """Returns an array as a tensor on the device; 4 axes get the setting's memory format."""
    import torch

    tensor = torch.tensor(np.ascontiguousarray(array), device=torch_device())
    return tensor.contiguous(memory_format=memory_format(setting)) if tensor.ndim == 4 else tensor


def memory_format(setting: Setting) -> Any:
    """Returns PyTorch's memory format of a setting."""
    import torch

    return torch.channels_last if setting.channels_last else torch.contiguous_format
