"""FerNet: against a plain PyTorch version, and its rearrangement of pixels."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.models.fernet import FerNet, squares_to_channels


def test_squares_become_channels_row_by_row() -> None:
    image = np.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3)
    found = np.asarray(squares_to_channels(jax.numpy.asarray(image)))
    assert found.shape == (2, 2, 3, 12)
    for row, column in np.ndindex(2, 3):
        square = image[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        np.testing.assert_array_equal(found[:, row, column], square.reshape(2, -1))


@pytest.mark.parity
@pytest.mark.parametrize("channels", [1, 3])
def test_logits_equal_those_of_pytorch(
    channels: int, random_variables: Callable[..., dict[str, Any]]
) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    model = FerNet(5, stem_width=4, stage_sizes=(1, 2), widths=(6, 8))
    variables = random_variables(model, 32, channels)
    params, statistics = variables["params"], variables["batch_stats"]

    def conv(x: Any, module: Any, stride: int) -> Any:
        kernel = torch.tensor(module["kernel"]).permute(3, 2, 0, 1)
        return functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)

    def norm(x: Any, module: Any, running: Any) -> Any:
        arrays = (running["mean"], running["var"], module["scale"], module["bias"])
        return functional.batch_norm(x, *map(torch.tensor, arrays), eps=1e-5)

    def block(x: Any, name: str, stride: int) -> Any:
        own, running = params[name], statistics[name]
        y = norm(conv(x, own["conv1"], stride), own["bn1"], running["bn1"]).relu()
        y = norm(conv(y, own["conv2"], 1), own["bn2"], running["bn2"])
        if "downsample_conv" in own:
            shortcut = conv(x, own["downsample_conv"], stride)
            x = norm(shortcut, own["downsample_bn"], running["downsample_bn"])
        return (x + y).relu()

    images = np.random.default_rng(0).standard_normal((3, 32, 32, channels)).astype(np.float32)
    # PyTorch puts the pixels of one channel together, ferjax the channels of one pixel.
    x = functional.pixel_unshuffle(torch.tensor(images).permute(0, 3, 1, 2), 2)
    x = x.reshape(3, channels, 4, 16, 16).transpose(1, 2).reshape(3, 4 * channels, 16, 16)
    x = norm(conv(x, params["stem_conv"], 1), params["stem_bn"], statistics["stem_bn"]).relu()
    for name, stride in (("stage1_block0", 2), ("stage2_block0", 2), ("stage2_block1", 1)):
        x = block(x, name, stride)
    x = x.mean((2, 3)).numpy()
    expected = x @ params["head"]["kernel"] + params["head"]["bias"]
    found = model.apply(variables, images, train=False)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
