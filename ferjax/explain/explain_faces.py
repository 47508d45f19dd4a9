"""The public function `explain`: returns maps for faces and the name of a network."""

import functools
from pathlib import Path

from ferjax.explain.explainer import DEFAULT_METHOD, Explainer, Explanation, load_explainer
from ferjax.predict.input_images import Images
from ferjax.runs.finished_runs.load_network import named_card
from ferjax.weights.shipped import DEFAULT


def explain(
    images: Images,
    run_or_name: str | Path | Explainer | None = None,
    *,
    method: str = DEFAULT_METHOD,
    emotion: str | None = None,
    layer: str | None = None,
    channel_order: str = "rgb",
) -> Explanation:
    """Returns maps of the pixels that a network's answers depend on, for one or several faces.

    A map says which pixels the network used, not why a person feels something. The networks of the
    last calls stay loaded, so that later calls are fast.

    Args:
      images: faces, as a `Predictor` takes them: one or several, arrays, Pillow images or files.
      run_or_name: as `load_predictor` takes it, or an explainer of `load_explainer`.
      method: `gradcam`, `gradcam++`, `layercam`, `smoothgrad`, `integrated_gradients` or
        `occlusion`.
      emotion: the emotion whose logit is explained; None: the most probable emotion of each face.
      layer: for the first three methods, a submodule whose output is a map. None: the last of the
        outermost submodules with a map of 6x6 or more, for LayerCAM of 12x12 or more.
      channel_order: channel order of arrays: `rgb`, or `bgr` as OpenCV reads.

    Raises:
      UserError: no such network, method, emotion or layer; images that a predictor refuses; maps
        that are not finite.
    """
    if isinstance(run_or_name, Explainer):
        explainer = run_or_name
    else:
        source = DEFAULT if run_or_name is None else run_or_name
        explainer = _kept_explainer(source, _changed_at(source))
    return explainer(images, method, emotion, layer, channel_order=channel_order)


@functools.lru_cache(maxsize=4)
def _kept_explainer(source: str | Path, changed_at: int) -> Explainer:
    """Returns the explainer of a network, loaded again only after its files have changed."""
    del changed_at
    return load_explainer(source)


def _changed_at(source: str | Path) -> int:
    """Returns the time when a network's parameters were last written (ns); 0 if there are none."""
    path = named_card(source) or Path(source).expanduser() / "checkpoints"
    return path.stat().st_mtime_ns if path.exists() else 0
