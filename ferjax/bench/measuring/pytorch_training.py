"""The PyTorch side of a training step, under each setting."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ferjax.bench.measuring.case import Peer, Run
from ferjax.bench.measuring.pytorch_side import (
    IMAGE_AXES,
    Setting,
    as_tensor,
    compile_torch,
    memory_format,
    synchronize,
    torch_device,
)

# Learning rate of the steps of all sides.
LEARNING_RATE = 1e-3
# torch.compile compiles the network alone, so the second optimizer takes its code from the cache.
_ALL_SETTINGS = tuple(
    Setting(channels_last, compiled, fused)
    for compiled in (False, True)
    for fused in (True, False)
    for channels_last in (True, False)
)


def train_peers(
    module: Callable[[], Any], optimizer: str, batch: Callable[[], dict[str, np.ndarray]]
) -> tuple[Peer, ...]:
    """Returns the peers of a training step in float32.

    Args:
      module: returns the network.
      optimizer: `sgd` (momentum 0.9), `adam` or `adamw` (weight decay 0.01).
      batch: returns `image` uint8 [B, H, W, C] and `label` int32 [B].
    """
    return _peers(module, optimizer, batch, _ALL_SETTINGS)


def gpu_train_peers(
    module: Callable[[], Any],
    optimizer: str,
    batch: Callable[[], dict[str, np.ndarray]],
    *,
    autocast: bool,
) -> tuple[Peer, ...]:
    """Returns the peers of a training step on a GPU, where channels_last is the fast format.

    torch.compile belongs to a quick run too: without it the comparison would flatter ferjax.

    Args:
      module: as in `train_peers`.
      optimizer: as in `train_peers`.
      batch: as in `train_peers`.
      autocast: whether layers compute in bfloat16.
    """
    settings = (
        Setting(channels_last=True, fused=True, autocast=autocast),
        Setting(channels_last=True, fused=True, compiled=True, autocast=autocast),
    )
    return _peers(module, optimizer, batch, settings, in_quick_runs=True)


def _peers(
    module: Callable[[], Any],
    optimizer: str,
    batch: Callable[[], dict[str, np.ndarray]],
    settings: Sequence[Setting],
    *,
    in_quick_runs: bool = False,
) -> tuple[Peer, ...]:
    def peer(setting: Setting) -> Peer:
        return Peer(
            str(setting),
            lambda: _train_run(module, _OPTIMIZERS[optimizer], batch, setting),
            only_in_full_runs=setting.compiled and not in_quick_runs,
        )

    return tuple(map(peer, settings))


def _train_run(
    module: Callable[[], Any],
    optimizer: Callable[..., Any],
    batch: Callable[[], dict[str, np.ndarray]],
    setting: Setting,
) -> Run:
    import torch

    arrays, device = batch(), torch_device()
    torch.manual_seed(0)
    network = module().train().to(device, memory_format=memory_format(setting))
    image = as_tensor(arrays["image"].transpose(IMAGE_AXES), setting)
    label = as_tensor(arrays["label"], setting).long()
    update = optimizer(network.parameters(), fused=setting.fused, foreach=not setting.fused)
    _create_slots(network, update)
    forward = compile_torch(network) if setting.compiled else network

    def run() -> Any:
        update.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=setting.autocast):
            loss = torch.nn.functional.cross_entropy(forward(image.float() / 255), label)
        loss.backward()
        update.step()
        synchronize()
        return loss

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


def _sgd(parameters: Any, **options: Any) -> Any:
    import torch

    return torch.optim.SGD(parameters, lr=LEARNING_RATE, momentum=0.9, **options)


def _adam(parameters: Any, **options: Any) -> Any:
    import torch

    return torch.optim.Adam(parameters, lr=LEARNING_RATE, **options)


def _adamw(parameters: Any, **options: Any) -> Any:
    import torch

    return torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.01, **options)


_OPTIMIZERS: dict[str, Callable[..., Any]] = {"sgd": _sgd, "adam": _adam, "adamw": _adamw}
