"""Verifies a conversion: logits of the original library (torchvision, timm, Keras, ...)."""

import contextlib
import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ferjax.convert.onnx_reference import onnx_outputs
from ferjax.convert.readers.open_file import Source
from ferjax.runtime.optional_packages import missing_package
from ferjax.specs import InputSpec

# Keras's names of the networks: the module of keras.applications and the function in it.
_KERAS = {
    "resnet50": ("resnet", "ResNet50"),
    "resnet101": ("resnet", "ResNet101"),
    "resnet152": ("resnet", "ResNet152"),
    "vgg16": ("vgg16", "VGG16"),
    "vgg19": ("vgg19", "VGG19"),
    "efficientnet_b0": ("efficientnet", "EfficientNetB0"),
    "efficientnet_b1": ("efficientnet", "EfficientNetB1"),
    "efficientnet_b2": ("efficientnet", "EfficientNetB2"),
}
# ResNet configurations of transformers: depths, kind of block, widths; the stem has width 64.
_TRANSFORMERS = {
    "resnet18": ([2, 2, 2, 2], "basic", [64, 128, 256, 512]),
    "resnet34": ([3, 4, 6, 3], "basic", [64, 128, 256, 512]),
    "resnet50": ([3, 4, 6, 3], "bottleneck", [256, 512, 1024, 2048]),
    "resnet101": ([3, 4, 23, 3], "bottleneck", [256, 512, 1024, 2048]),
    "resnet152": ([3, 8, 36, 3], "bottleneck", [256, 512, 1024, 2048]),
}
_COUNTER = "num_batches_tracked"


def reference_logits(
    source: Source, kind: str, model: str, num_classes: int | None, spec: InputSpec, images: Any
) -> np.ndarray:
    """Returns the logits that the original library computes with the weights of a file.

    An ONNX file also holds the network: onnxruntime computes its logits.

    Args:
      source: the opened file.
      kind: the kind of the file's conversion table.
      model: name of the network.
      num_classes: classes of the head; None: no head, and the pooled features are returned.
      spec: mean and standard deviation, for libraries whose networks take normalised images.
      images: uint8 [N, S, S, 3].

    Returns:
      float32 [N, num_classes], or the pooled features [N, F].

    Raises:
      UserError: the library is not installed.
    """
    if source.container == "onnx":
        return onnx_outputs(source, spec, np.asarray(images))
    try:
        return _REFERENCES[kind](source, model, num_classes, spec, np.asarray(images))
    except ImportError as error:
        library = error.name or "its library"
        purpose = f"--verify of {kind} weights, which are checked against the original library,"
        raise missing_package(error, library, "parity", purpose) from None


def reference_name(source: Source, kind: str) -> str:
    """Returns the name of the library with which `reference_logits` computes."""
    return "onnxruntime" if source.container == "onnx" else kind


def _torch_module(source: Source, module: Any, images: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Returns the outputs of a torch module after strict loading of the file's weights."""
    import torch

    state = {k: torch.from_numpy(source.read(k)) for k in source.leaves if _COUNTER not in k}
    counters = {k: v for k, v in module.state_dict().items() if _COUNTER in k}
    module.load_state_dict({**state, **counters})
    x = (images.astype(np.float64) / 255 - spec.mean) / spec.std
    x = torch.from_numpy(x.astype(np.float32).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        outputs = module.eval()(x)
    for name in ("logits", "pooler_output"):  # transformers' networks return an object
        outputs = getattr(outputs, name, outputs)
    return outputs.flatten(1).numpy()


def _torchvision(
    source: Source, model: str, num_classes: int | None, spec: InputSpec, images: np.ndarray
) -> np.ndarray:
    import torch

    models = import_torchvision("torchvision.models")
    module: Any = models.get_model(model, num_classes=num_classes or 1000)
    if num_classes is None:
        setattr(module, "fc" if hasattr(module, "fc") else "classifier", torch.nn.Identity())
        module.avgpool = torch.nn.AdaptiveAvgPool2d(1)
    return _torch_module(source, module, images, spec)


def _timm(prefix: str) -> Callable[..., np.ndarray]:
    def logits(
        source: Source, model: str, num_classes: int | None, spec: InputSpec, images: np.ndarray
    ) -> np.ndarray:
        timm = import_torchvision("timm")
        module = timm.create_model(prefix + model, num_classes=num_classes or 0)
        return _torch_module(source, module, images, spec)

    return logits


def _transformers(
    source: Source, model: str, num_classes: int | None, spec: InputSpec, images: np.ndarray
) -> np.ndarray:
    with contextlib.suppress(ImportError):
        # transformers itself imports torchvision; without this call that import would fail.
        import_torchvision("torchvision")
    import transformers

    depths, layer, widths = _TRANSFORMERS[model]
    shape: dict[str, Any] = dict(depths=depths, layer_type=layer, hidden_sizes=widths)
    shape["num_labels"] = num_classes or 2
    config = transformers.ResNetConfig(**shape)
    classifies = any(key.startswith("resnet.") for key in source.leaves)
    network = transformers.ResNetForImageClassification if classifies else transformers.ResNetModel
    module: Any = network(config)
    if classifies and num_classes is None:
        module.classifier = module.classifier[:1]  # only the flattening
    return _torch_module(source, module, images, spec)


def _keras(
    source: Source, model: str, num_classes: int | None, spec: InputSpec, images: np.ndarray
) -> np.ndarray:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    package, name = _KERAS[model]
    applications = importlib.import_module(f"keras.applications.{package}")
    network = getattr(applications, name)(
        weights=None,
        include_top=num_classes is not None,
        pooling=None if num_classes else "avg",
        classes=num_classes or 1000,
        classifier_activation=None,
        **({} if num_classes else {"input_shape": images.shape[1:]}),
    )
    network.load_weights(str(source.path))
    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization):
            # Keras builds one more division into its network with ImageNet weights; that division
            # is not in any weights file.
            layer.set_weights([np.asarray(spec.mean), np.square(spec.std), np.zeros(())])
            layer.finalize_state()
    inputs = applications.preprocess_input(images.astype(np.float32))
    return np.asarray(network(inputs, training=False))


def import_torchvision(name: str) -> Any:
    """Imports a module that needs torchvision, also if torchvision is for CUDA and torch for CPU.

    In that combination torchvision has no compiled operators and its import fails; this function
    declares the missing operators first.

    Raises:
      ImportError: the module is not installed.
    """
    import torch

    try:
        return importlib.import_module(name)
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        module = importlib.import_module(name)
        module.__dict__["_ferjax_operators"] = library  # keeps the operators alive
        return module


_REFERENCES: Mapping[str, Callable[..., np.ndarray]] = {
    "torchvision": _torchvision,
    "timm": _timm(""),
    "timm_tf": _timm("tf_"),
    "transformers": _transformers,
    "keras": _keras,
}
