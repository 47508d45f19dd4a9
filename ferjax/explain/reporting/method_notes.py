"""Sentences for pages on what a method shows."""

from ferjax.explain.explainer import Explainer
from ferjax.explain.overlay import LEGEND

# Method → description of its map.
NOTES: dict[str, str] = {
    "gradcam": "Grad-CAM: channels of the layer's map, weighted by their mean gradient.",
    "gradcam++": "Grad-CAM++: channels weighted by positive gradients, each place apart.",
    "layercam": "LayerCAM: activation times positive gradient at each place of the layer's map.",
    "smoothgrad": (
        "SmoothGrad: absolute mean of 32 gradients of noisy faces: where a small change of a pixel"
        " changes the answer, in whichever direction."
    ),
    "integrated_gradients": (
        "Integrated gradients: what each pixel adds to the logit on the way from the face's mean"
        " colour to the face; what it takes away is not shown."
    ),
    "occlusion": (
        "Occlusion: how much the logit falls when a square of a sixth of the side is covered by the"
        " face's mean colour."
    ),
}
LIMITS = (
    "A map shows which pixels the network used for its answer. It says neither that the answer is"
    " right nor why a person feels something."
)


def describe_method(explainer: Explainer, method: str, layer: str | None) -> list[str]:
    """Returns sentences on the method, its layer, the colours, and the limits of maps.

    Args:
      explainer: the explainer of the network.
      method: a name of `METHODS`.
      layer: as in `explain`.
    """
    layer_map, spec = explainer.find_layer(method, layer), explainer.predictor.spec
    sentences = [NOTES[method]]
    if layer_map:
        height, width = layer_map.shape[:2]
        by_default = "" if layer else ", chosen by default"
        sentences.append(
            f"Layer {layer_map.name}{by_default}: a map of {height}x{width} over a face of"
            f" {spec.size}x{spec.size}; no detail is finer than a cell of it."
        )
    return [*sentences, LEGEND, LIMITS]
