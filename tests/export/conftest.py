"""Small networks of every family, ready to be exported."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.export.exported_network import ExportedNetwork
from ferjax.models.registry import MODELS
from ferjax.specs import InputSpec, spec_to_json
from ferjax.training.train_step import predict_step

CLASSES = ("neutral", "fear", "anger", "a b/<c>", "joy")
# Fields that make a network of a family small.
_SMALL: dict[str | None, dict[str, Any]] = {
    "resnet": {"widths": (8, 8, 16, 16)},
    "vgg": {"widths": (8,) * 5, "head_widths": (16,)},
    "efficientnet": {"width_factor": 0.25},
    None: {},
}
# Factor of the drawn scales of batch norms, where it is not a half.
_SCALES = {"efficientnet": 0.65}


@pytest.fixture(autouse=True)
def extra_parity(request: pytest.FixtureRequest) -> None:
    """Skips the tests that need PyTorch, or install converters, without the extra `parity`."""
    if request.node.get_closest_marker("parity"):
        pytest.importorskip("torch")


@pytest.fixture(scope="session")
def small_network(
    random_variables: Callable[..., Any], faces_for: Callable[[InputSpec, int], np.ndarray]
) -> Callable[..., ExportedNetwork]:
    """Returns a function (model, **fields) → network with random weights and statistics.

    Its faces are not square and of another size than its input. Its probabilities are no zeros and
    ones, where it is `scaled`, for which it is run.
    """

    def make(name: str, *, scaled: bool = True, **fields: Any) -> ExportedNetwork:
        entry = MODELS[name]
        side = next(side for side in range(30, 99) if entry.takes_side(side))
        channels = fields.pop("channels", entry.channels or 1)
        interpolation = fields.pop("interpolation", "bilinear")
        guide = None
        if fields.get("guide"):
            guide = InputSpec((44, 40), side, 3, (0.4, 0.5, 0.6), (0.2, 0.2, 0.3), "bgr")
        if name == "awei":
            fields = {"widths": (8, 8, 8, 8, 512 if guide else 8), "hidden": 16, **fields}
        model = entry.build(num_classes=len(CLASSES), **{**_SMALL[entry.family], **fields})
        spec = InputSpec(
            (44, 40),
            side,
            channels,
            (0.5, 0.4, 0.3)[:channels],
            (0.3, 0.2, 0.3)[:channels],
            interpolation=interpolation,
            guide=guide,
        )
        # With the scales as they are drawn, logits of efficientnet_b0 reach 1e6, and a millionth of
        # a weight turns the emotion of a face; at half of them its logits are those of any face.
        factor = _SCALES.get(entry.family, 0.5)
        variables = jax.tree_util.tree_map_with_path(
            lambda path, leaf: leaf * factor if path[-1].key == "scale" else leaf,
            random_variables(model, side, channels),
        )
        variables.setdefault("batch_stats", {})
        if scaled:
            logits = jax.jit(lambda v, x: predict_step(v, x, model=model, spec=spec))
            drawn = np.asarray(logits(variables, faces_for(spec, 8)))
            head, spread = variables["params"]["head"], 4 * drawn.std(0).max()
            variables["params"]["head"] = {
                "kernel": head["kernel"] / spread,
                "bias": (head["bias"] - drawn.mean(0)) / spread,
            }
        card = {"model": name, "fields": {}, "classes": list(CLASSES), "spec": spec_to_json(spec)}
        return ExportedNetwork("small-net", card, model, variables, spec, CLASSES)

    return make


@pytest.fixture(scope="session")
def faces_for() -> Callable[[InputSpec, int], np.ndarray]:
    """Returns a function (spec, N) → random faces uint8 [N, H, W, C], of coarse squares."""

    def draw(spec: InputSpec, count: int) -> np.ndarray:
        rng = np.random.default_rng(count)
        coarse = rng.integers(0, 256, (count, 6, 6, spec.channels)).astype(np.uint8)
        rows, columns = (np.arange(side) * 6 // side for side in spec.storage)
        return coarse[:, rows][:, :, columns]

    return draw
