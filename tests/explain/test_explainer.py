"""The public function: what it returns, that it is the predictor's network, and its errors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ferjax
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.errors import UserError
from ferjax.explain import METHODS, Explainer, load_explainer
from ferjax.explain.pixel_gradients import integrated_gradients
from ferjax.explain.replaced_pixels import mean_colour

FACES = render_faces(np.arange(6) % 8, np.arange(6), size=64)


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return load_explainer("fernet-ferplus", batch_size=4)


@pytest.mark.parametrize("method", METHODS)
def test_maps_have_the_faces_size_and_do_not_depend_on_the_batch(
    method: str, explainer: Explainer
) -> None:
    found = explainer(FACES[:3], method)
    assert found.maps.shape == (3, 64, 64)
    assert found.maps.dtype == np.float32
    assert found.maps.min() >= 0
    np.testing.assert_array_equal(found.maps.max((1, 2)), 1)
    assert (found.layer is None) == (method not in ("gradcam", "gradcam++", "layercam"))
    np.testing.assert_allclose(explainer(FACES[1], method).maps[0], found.maps[1], atol=2e-3)


def test_probabilities_and_emotions_are_the_predictors(explainer: Explainer) -> None:
    predictor = ferjax.load_predictor("fernet-ferplus", batch_size=4)
    found = ferjax.explain(FACES, explainer)
    np.testing.assert_array_equal(found.probabilities, predictor(FACES))
    best = found.probabilities.argmax(-1)
    assert found.emotions == tuple(predictor.classes[k] for k in best)
    assert found.classes == predictor.classes
    assert (found.layer, found.layer_side) == ("stage1_block0", (12, 12))


def test_another_emotion_has_another_map_and_synonyms_are_known(explainer: Explainer) -> None:
    happy = explainer(FACES[0], emotion="happy")
    assert happy.emotions == ("happiness",)
    anger = explainer(FACES[0], emotion="anger")
    assert np.abs(happy.maps - anger.maps).max() > 0.1
    assert explainer(FACES[0], emotion="anger", layer="stage2_block0").layer_side == (6, 6)


def test_attributions_of_the_network_sum_to_the_difference_of_logits(explainer: Explainer) -> None:
    pixels = np.asarray(
        [Image.fromarray(face).convert("L").resize((48, 48)) for face in FACES[:4]], np.float32
    )[..., None]
    explained = explainer.explained_of(explainer.run.variables, np.arange(4), None)
    nothing = mean_colour(pixels)
    found = integrated_gradients(explained.gradient_of, pixels, nothing, steps=64).sum((1, 2, 3))
    wanted = explained.scores_of(pixels) - explained.scores_of(nothing)
    np.testing.assert_allclose(found, wanted, atol=0.05 * np.abs(wanted).max())


def test_faces_of_different_sizes_have_maps_of_the_stored_size(explainer: Explainer) -> None:
    grey = np.asarray(Image.fromarray(FACES[1]).convert("L").resize((40, 50)))
    found = explainer([FACES[0], grey])
    assert found.maps.shape == (2, 48, 48)
    assert explainer([]).maps.shape == (0, 48, 48)


def test_a_run_directory_and_files_are_taken(tiny_run: Path, tmp_path: Path) -> None:
    Image.fromarray(FACES[0]).save(tmp_path / "face.png")
    found = ferjax.explain(tmp_path / "face.png", tiny_run, method="gradcam")
    assert (found.layer, found.layer_side) == ("bn3", (12, 12))
    again = ferjax.explain(FACES[0], tiny_run, method="gradcam")
    np.testing.assert_array_equal(found.maps, again.maps)


def test_what_is_unknown_names_the_nearest(explainer: Explainer) -> None:
    with pytest.raises(UserError, match=r"unknown --method .* Did you mean 'gradcam'"):
        explainer(FACES[0], "grad-cam")
    with pytest.raises(UserError, match=r"'suprisse'\. Did you mean 'surprise'"):
        explainer(FACES[0], emotion="suprisse")
    with pytest.raises(UserError, match=r"--layer=stage3.*Outermost.*stage1_block0"):
        explainer(FACES[0], layer="stage3")
    with pytest.raises(UserError, match="occlusion explains the pixels, not a layer"):
        explainer(FACES[0], "occlusion", layer="stage1_block0")
    with pytest.raises(UserError, match="fernet-ferplus"):
        ferjax.explain(FACES[0], "fernet-ferpls")
    with pytest.raises(UserError, match="uint8"):
        explainer(FACES[0].astype(float))


def test_package_and_function_share_their_name_however_they_are_imported() -> None:
    lines = [
        "import ferjax.explain.cam, ferjax",
        "assert callable(ferjax.explain) and ferjax.explain.cam.grad_cam",
        "import ferjax.errors",
        "try: ferjax.explain([], 'fernet-ferpls')",
        "except ferjax.errors.UserError: print('called')",
    ]
    program = "\n".join(lines)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "called\n", done.stderr
