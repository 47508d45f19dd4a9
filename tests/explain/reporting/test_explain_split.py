"""`launch.explain --split` on drawn faces: the page, its tables and pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.config.explain_config import ExplainConfig
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.explain.reporting import explain_split as command
from ferjax.explain.reporting.explain_split import explain_split


def test_a_split_has_a_page_with_means_curves_and_the_sanity_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two of the methods are a fifth of the time.
    methods = ["gradcam", "occlusion"]
    monkeypatch.setattr(command, "_methods", lambda explainer: methods)
    monkeypatch.setattr(command, "_CHECKED", 4)
    for label in (3, 5, 6):
        folder = tmp_path / "faces" / EMOTIONS[label]
        folder.mkdir(parents=True)
        for number, face in enumerate(render_faces(np.full(4, label), np.arange(4), size=48)):
            Image.fromarray(face).save(folder / f"{number}.png")
    out = tmp_path / "out"
    config = ExplainConfig(
        out=str(out),
        split="all",
        dataset="folder",
        data_dir=str(tmp_path / "faces"),
        images=4,
        batch_size=4,
        progress=False,
    )
    done = explain_split(config)
    assert done.startswith(f"{out / 'explain.md'}: ")
    assert sorted(path.name for path in out.iterdir()) == [
        "class_means.png",
        "curves.png",
        "emotions.png",
        "explain.html",
        "explain.json",
        "explain.md",
    ]
    values = json.loads((out / "explain.json").read_text("utf-8"))
    assert values["faces_of_curves"] == 4
    assert set(values["better_than"]) == set(methods)
    for method, fills in values["better_than"].items():
        for fill, controls in fills.items():
            assert len(controls) == 4
            own = values["areas"][method][fill]
            control = values["areas"]["centred Gaussian"][fill]
            deletion, insertion = (controls["centred Gaussian"][kind] for kind in own)
            np.testing.assert_allclose(
                deletion[0], control["deletion"] - own["deletion"], atol=1e-6
            )
            np.testing.assert_allclose(
                insertion[0], own["insertion"] - control["insertion"], atol=1e-6
            )
            assert deletion[1] <= deletion[0] <= deletion[2]
    assert set(values["rank_correlation_with_randomised"]) == set(methods)
    page = (out / "explain.md").read_text("utf-8")
    assert page.count("| gradcam |") == 2 * 5 + 1
    for name in ("class_means", "curves", "emotions"):
        assert f"({name}.png)" in page
        with Image.open(out / f"{name}.png") as picture:
            assert min(picture.size) > 200


def test_mistakes_are_told_before_data_are_read(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"is not empty, it holds mine\.txt"):
        explain_split(ExplainConfig(out=str(tmp_path / "full"), split="val"))
    out = str(tmp_path / "out")
    with pytest.raises(UserError, match="--emotion=fear with --split"):
        explain_split(ExplainConfig(out=out, split="val", emotion="fear"))
    with pytest.raises(UserError, match="--layer=stage9"):
        explain_split(ExplainConfig(out=out, split="val", layer="stage9"))
    assert not Path(out).exists()
