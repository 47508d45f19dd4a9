"""Part of the PyTorch modules that `launch.export --format=pytorch` writes: faces to emotions."""

import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn


class Recogniser(nn.Module):
    """Maps faces to the probabilities of emotions; contains preprocessing and temperature.

    Attributes:
      classes: names of the emotions, in the order of the columns.
      card: the model card: data, scores, intended use, limits, licence.
      network: the network alone, from normalised faces to logits.
    """

    def __init__(self, card: dict[str, Any], settings: dict[str, Any]) -> None:
        super().__init__()
        self.card, self.spec, self.classes = card, card["spec"], tuple(card["classes"])
        self.input_shape = (*self.spec["storage"], self.spec["channels"])
        size, channels = self.spec["size"], self.spec["channels"]
        self.network = Network(settings, len(self.classes), size, channels)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Maps faces uint8 [N, H, W, C] to probabilities float32 [N, K].

        Raises:
          ValueError: another dtype or size; (H, W, C) is `input_shape`, grey or RGB.
        """
        if faces.dtype != torch.uint8 or tuple(faces.shape[1:]) != self.input_shape:
            raise ValueError(
                f"faces {faces.dtype} {list(faces.shape)}, uint8 [N, H, W, C] expected with"
                f" (H, W, C) = {self.input_shape}"
            )
        size, mode = self.spec["size"], self.spec["interpolation"]
        x = faces.permute(0, 3, 1, 2).float()
        if x.shape[2:] != (size, size):
            x = F.interpolate(x, (size, size), mode=mode, align_corners=False, antialias=True)
            x = x.clamp(0, 255) if mode == "bicubic" else x
        guide = self.spec["guide"]
        inputs = [normalize(x, spec) for spec in (self.spec, guide) if spec]
        return self.network(*inputs).softmax(-1)


def normalize(x: torch.Tensor, spec: dict[str, Any]) -> torch.Tensor:
    """Returns (x / 255 - mean) / std of each channel, in the network's order of channels."""
    x = x.flip(1) if spec["order"] == "bgr" else x
    mean, std = (x.new_tensor(spec[name]).reshape(1, -1, 1, 1) for name in ("mean", "std"))
    return (x / 255 - mean) / std


def load(weights: str | Path | None = None) -> Recogniser:
    """Returns the recogniser in evaluation mode; `weights`: the .safetensors beside this file."""
    path = Path(weights) if weights else Path(__file__).with_suffix(".safetensors")
    with safe_open(path, "pt") as file:
        header = file.metadata()
    recogniser = Recogniser(json.loads(header["ferjax_card"]), json.loads(header["settings"]))
    recogniser.network.load_state_dict(load_file(path))
    return recogniser.eval()
