"""The network of a server with its face detector and card, and the steps that compile them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ferjax.config.serve_config import ServeConfig
from ferjax.errors import UserError
from ferjax.explain.explainer import Explainer, load_explainer
from ferjax.export.card_limits import limits_of
from ferjax.faces.crop_face import CropPlan
from ferjax.faces.detectors import crop_plan
from ferjax.faces.mtcnn.find_faces import compile_every_size
from ferjax.faces.mtcnn.weights import load_weights
from ferjax.predict.predictor import Predictor, load_predictor, padded_size
from ferjax.runs.finished_runs.load_network import named_card, network_config, network_source
from ferjax.serve.explanations import available_methods
from ferjax.weights.shipped import DEFAULT, find_card
from ferjax.weights.weights_file import read_card

# View → least side of a face in pixels: that of `launch.predict`, and that of `launch.live`, which
# must process a frame in a few hundredths of a second.
VIEWS: Mapping[str, int | None] = {"picture": None, "camera": 60}


@dataclass(frozen=True)
class Recogniser:
    """The network and the face detector of a server.

    Attributes:
      name: name of the network, without folders of this machine.
      predictor: the network.
      detector: name of the face detector, for `crop_plan`.
      plans: view → how faces are found and cropped.
      explainer: explains the network's answers.
      coverage: probability with which prediction sets hold the true emotion.
      set_threshold: threshold of these sets; None if the network has no calibration.
      card: values of the model card; for a run, which has no card, intended use and limits only.
    """

    name: str
    predictor: Predictor
    detector: str
    plans: Mapping[str, CropPlan]
    explainer: Explainer
    coverage: float
    set_threshold: float | None
    card: Mapping[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the emotions."""
        return self.predictor.classes


def load_recogniser(config: ServeConfig) -> Recogniser:
    """Returns the network and the detector that the flags name.

    Raises:
      UserError: no such network or detector, or a coverage that its calibration does not allow.
    """
    source = network_source(config.workdir, config.weights)
    predictor = load_predictor(source, config.checkpoint, config.batch_size)
    threshold = predictor.set_threshold(config.sets) if predictor.set_quantiles else None
    plans = {view: crop_plan(config.detector, smallest=side) for view, side in VIEWS.items()}
    card_path = named_card(source)
    if card_path is None:
        # A run has no card. Its intended use is that of the shipped network, as for every network
        # that names expressions.
        intended = read_card(_shipped_card())["intended_use"]
        card = {"intended_use": intended, "limits": limits_of(network_config(source))}
    else:
        card = dict(read_card(card_path))
    name = str(card.get("name") or Path(source).name)
    # One face is explained at a time.
    explainer = load_explainer(source, config.checkpoint, batch_size=1)
    return Recogniser(
        name, predictor, config.detector, plans, explainer, config.sets, threshold, card
    )


def _shipped_card() -> Path:
    card = find_card(DEFAULT)
    if card is None:
        raise UserError(f"{DEFAULT}: its card is not there. Install ferjax again.")
    return card


def compile_steps(recogniser: Recogniser) -> Iterator[Callable[[], object]]:
    """Yields functions that compile every program that a request may need.

    These are batches of every size, the detector, and the first method of explanations. Faces of
    requests are RGB, so that programs for grey ones are not needed.
    """
    predictor = recogniser.predictor
    black = np.zeros((*predictor.spec.storage, 3), np.uint8)
    sizes = {
        padded_size(count, predictor.batch_size) for count in range(1, predictor.batch_size + 1)
    }
    for size in sorted(sizes):
        yield partial(predictor.probabilities, [black] * size)
    if recogniser.detector == "mtcnn":
        yield partial(compile_every_size, jax.device_put(load_weights()))
    explainer = recogniser.explainer
    yield partial(explainer, black, available_methods(explainer)[0])
    for plan in recogniser.plans.values():
        yield partial(plan.detector, np.zeros((64, 64, 3), np.uint8))
