"""Why a side of a benchmark cannot be measured here: packages that are missing, or the device."""

import importlib.util
from collections.abc import Sequence

import jax

# Networks are built from torchvision's blocks.
_NETWORKS, _RUNTIME = ("torch", "torchvision"), "onnxruntime"
# PyTorch writes a file with the others.
_ONNX = ("onnx", _RUNTIME, "onnxscript")


def missing_torch() -> str | None:
    """Returns why PyTorch cannot run operations on JAX's device, or None where it can."""
    return _not_installed("PyTorch", ("torch",)) or _without_the_device()


def missing_torch_networks() -> str | None:
    """Returns why PyTorch cannot run networks on JAX's device, or None where it can."""
    return _not_installed("PyTorch", _NETWORKS) or _without_the_device()


def missing_torch_beside_cpu() -> str | None:
    """Returns why PyTorch's networks, which compute on the CPU, have no side, or None."""
    return _not_installed("PyTorch", _NETWORKS) or _on_another_device("PyTorch")


def missing_onnxruntime() -> str | None:
    """Returns why onnxruntime cannot run files that ferjax exports beside it, or None."""
    return _not_installed(_RUNTIME, (_RUNTIME,)) or _on_another_device(_RUNTIME)


def missing_onnxruntime_for_torch() -> str | None:
    """Returns why onnxruntime cannot run networks that PyTorch exports, or None where it can."""
    return _not_installed(_RUNTIME, (*_NETWORKS, *_ONNX)) or _on_another_device(_RUNTIME)


def _not_installed(side: str, packages: Sequence[str]) -> str | None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    needs = "needs" if len(missing) == 1 else "need"
    extras = ",".join(
        extra
        for extra, own in (("bench", _ONNX), ("parity", _NETWORKS))
        if not set(missing).isdisjoint(own)
    )
    return (
        f"no side of {side}: {', '.join(missing)} {needs} to be installed:"
        f" pip install 'ferjax[{extras}]'"
    )


def _without_the_device() -> str | None:
    if jax.default_backend() == "cpu":
        return None
    import torch

    if jax.default_backend() == "gpu" and torch.cuda.is_available():
        return None
    return f"no side of PyTorch: this one cannot use the {jax.default_backend()}"


def _on_another_device(side: str) -> str | None:
    if jax.default_backend() == "cpu":
        return None
    return f"no side of {side}: it would compute on the CPU, and ferjax on the device"
