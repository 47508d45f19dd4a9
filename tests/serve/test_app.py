"""The API as its users meet it, held against `load_predictor` and `launch.predict`."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.config.predict_and_export import PredictConfig
from ferjax.explain import explain
from ferjax.live.open_video import pyav
from ferjax.live.run_video import predict_video
from ferjax.predict import load_predictor
from ferjax.predict.run_predict import run_predict
from ferjax.serve.recogniser import Recogniser, compile_steps

PNG = {"Content-Type": "image/png"}


def form(*files: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", file) for file in files]


def test_a_face_has_the_probabilities_of_the_predictor(
    client: Any, drawn_faces: np.ndarray, png: Callable[..., bytes]
) -> None:
    predict = load_predictor()
    grey = drawn_faces[..., :1]
    large = np.asarray(Image.fromarray(drawn_faces[2]).resize((100, 120)))
    faces = [*drawn_faces, *grey, large]
    rows = client.post(
        "/api/crops", files=form(*((f"{k}.png", png(face)) for k, face in enumerate(faces)))
    ).json()["rows"]
    probabilities, sets = predict(faces, sets=0.9)
    assert [row["file"] for row in rows] == [f"{k}.png" for k in range(len(faces))]
    for row, expected, inside in zip(rows, probabilities, sets, strict=True):
        found = [row["probabilities"][name] for name in predict.classes]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert row["emotion"] == predict.classes[int(expected.argmax())]
        assert set(row["set"]) == {n for n, k in zip(predict.classes, inside, strict=True) if k}
    # One face as it is, without a form.
    alone = client.post("/api/crops?name=me.png", content=png(grey[3]), headers=PNG).json()
    assert alone["rows"][0]["file"] == "me.png"
    found = [alone["rows"][0]["probabilities"][name] for name in predict.classes]
    np.testing.assert_allclose(found, probabilities[11], atol=1e-5)


def test_faces_of_a_photograph_are_those_that_the_predictor_finds(
    client: Any, photograph: np.ndarray, png: Callable[..., bytes]
) -> None:
    answer = client.post("/api/faces", files=form(("a b.png", png(photograph)))).json()
    expected = load_predictor()(photograph, find_faces=True)
    assert isinstance(expected, list)
    (faces,) = expected
    assert (answer["width"], answer["height"], answer["left_out"]) == (520, 240, 0)
    assert len(answer["rows"]) == len(faces.boxes) == 2
    for row, box, values in zip(answer["rows"], faces.boxes, faces.probabilities, strict=True):
        assert [row[side] for side in ("left", "top", "width", "height")] == box.tolist()
        np.testing.assert_allclose([*row["probabilities"].values()], values, atol=1e-5)
        assert row["landmarks"]["nose"][0] == pytest.approx(box[0] + box[2] / 2, abs=60)
    whole = client.post("/api/faces?faces=whole", files=form(("a.png", png(photograph)))).json()
    assert "left" not in whole["rows"][0]
    camera = client.post("/api/faces?view=camera&faces=crop", content=png(photograph), headers=PNG)
    assert len(camera.json()["rows"]) == 2


def test_the_table_is_that_of_launch_predict(
    client: Any,
    photograph: np.ndarray,
    drawn_faces: np.ndarray,
    png: Callable[..., bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = {"a.png": png(photograph), "b.png": png(drawn_faces[1]), "c.png": b"no picture"}
    files["d.png"] = png(np.zeros((300, 300, 1), np.uint8))
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    run_predict(PredictConfig(out="p.csv", sets=0.9, progress=False), [*files])
    answer = client.post("/api/table", files=form(*files.items()))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="emotions.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    with open("p.csv", newline="", encoding="utf-8") as file:
        expected = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["read", "read", "read", "unreadable", "no face"]
    assert list(rows[0]) == list(expected[0])
    for row, other in zip(rows, expected, strict=True):
        for name, value in other.items():
            if name in load_predictor().classes and value:
                assert float(row[name]) == pytest.approx(float(value), abs=1e-5)
            elif name not in ("confidence", *load_predictor().classes):
                assert row[name] == value


def test_names_are_text_and_not_formulas(
    client: Any, drawn_faces: np.ndarray, png: Callable[..., bytes]
) -> None:
    face = png(drawn_faces[0])
    names = ["=SUM(A1)", "@SUM(1)", "-1+1", "C:\\faces\\a.png", "../b.png"]
    text = client.post("/api/table", files=form(*((name, face) for name in names))).text
    found = [row["file"] for row in csv.DictReader(io.StringIO(text))]
    assert found == ["'=SUM(A1)", "'@SUM(1)", "'-1+1", "a.png", "b.png"]
    named = client.post("/api/crops?name=%3Cb%3E%00%0A", content=face, headers=PNG)
    assert named.json()["rows"][0]["file"] == "<b>\\x00\\n"
    assert named.headers["content-type"] == "application/json"


def test_no_more_faces_than_allowed(
    client: Any, photograph: np.ndarray, png: Callable[..., bytes]
) -> None:
    crowd = np.concatenate([photograph, photograph[:, ::-1]])
    answer = client.post("/api/faces", files=form(("crowd.png", png(crowd)))).json()
    assert (len(answer["rows"]), answer["left_out"]) == (3, 1)
    sizes = [row["width"] * row["height"] for row in answer["rows"]]
    assert sizes == sorted(sizes, reverse=True)


def test_the_explanation_is_that_of_the_crop(
    client: Any, drawn_faces: np.ndarray, png: Callable[..., bytes]
) -> None:
    answer = client.post("/api/explain?emotion=fear", content=png(drawn_faces[2]), headers=PNG)
    assert answer.headers["content-type"] == "image/png"
    overlay = np.asarray(Image.open(io.BytesIO(answer.content))).astype(float)
    heat = explain(drawn_faces[2], emotion="fear").maps[0]
    side = overlay.shape[0]
    large = np.asarray(Image.fromarray(drawn_faces[2]).convert("L").resize((side, side)), float)
    changed = np.abs(overlay - large[..., None]).mean(-1)
    coarse = np.asarray(Image.fromarray(changed).resize((48, 48)))
    assert np.corrcoef(coarse.ravel(), heat.ravel())[0, 1] > 0.7
    for query, reason in (
        ("emotion=boredom", "unknown emotion"),
        ("method=guess", "unknown method 'guess'"),
        ("face=1", "face=1: 1 faces were found"),
        ("face=-1", "face=-1: 1 faces were found"),
        ("face=x", "face: Input should be a valid integer"),
    ):
        refused = client.post(f"/api/explain?{query}", content=png(drawn_faces[2]), headers=PNG)
        assert refused.status_code == 422
        assert reason in refused.json()["error"]


@pytest.fixture(scope="session")
def clip(photograph: np.ndarray) -> bytes:
    """Returns a video of seven frames in which the faces of the photograph move."""
    # So high that faces of 20 pixels are no longer searched: a video has a rule of its own.
    photograph = np.pad(photograph, ((12, 12), (0, 0), (0, 0)), mode="edge")
    file = io.BytesIO()
    with pyav().open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "18"})
        stream.height, stream.width, stream.pix_fmt = *photograph.shape[:2], "yuv420p"
        for k in range(7):
            moved = np.roll(photograph, 2 * k, axis=1)
            frame = pyav().VideoFrame.from_ndarray(moved, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def test_a_clip_has_the_rows_of_launch_predict(client: Any, clip: bytes, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(clip)
    out = tmp_path / "p.csv"
    config = PredictConfig(out=str(out), progress=False, batch_size=8)
    predict_video(config, [str(tmp_path / "clip.mp4")])
    expected = list(csv.DictReader(io.StringIO(out.read_text("utf-8"))))
    answer = client.post("/api/clip?format=both", files=form(("clip.mp4", clip))).json()
    assert (answer["width"], answer["height"], answer["frames"]) == (520, 264, 7)
    assert answer["rows"][0]["status"] == "read"
    table = client.post("/api/clip?format=csv", content=clip, headers={"Content-Type": "video/mp4"})
    assert table.text.replace("\r\n", "\n") == answer["table"].replace("\r\n", "\n")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert len(rows) == len(expected) == len(answer["rows"]) > 12
    for row, other in zip(rows, expected, strict=True):
        assert list(row) == list(other)
        for name, value in other.items():
            if name in ("confidence", *load_predictor().classes):
                assert float(row[name]) == pytest.approx(float(value), abs=1e-5)
            else:
                assert row[name] == value


def test_card_health_and_openapi(client: Any, recogniser: Recogniser) -> None:
    assert client.get("/health").json() == {"status": "running"}
    assert client.get("/ready").json() == {"status": "ready"}
    card = client.get("/api/card").json()
    assert card["classes"] == list(recogniser.classes)
    assert card["sets"] == 0.9
    assert card["methods"][0] == "layercam"
    assert card["limits"]["frames"] == 20
    assert any("EU AI Act" in line for line in card["card"]["limits"])
    document = client.get("/openapi.json").json()
    assert {"/api/faces", "/api/crops", "/api/table", "/api/clip", "/api/explain"} <= set(
        document["paths"]
    )
    references = set[str]()

    def collect(value: Any) -> None:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if key == "$ref":
                references.add(inner.rpartition("/")[2])
            elif isinstance(inner, (dict, list)):
                collect(inner)

    collect(document)
    schemas = document["components"]["schemas"]
    assert references <= set(schemas)
    fields = schemas["Row"]["properties"]
    assert list(fields["probabilities"]["properties"]) == list(recogniser.classes)


def test_fields_of_answers_are_documented(
    client: Any, photograph: np.ndarray, png: Callable[..., bytes], clip: bytes
) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]

    def check(value: dict[str, Any], name: str) -> None:
        schema = schemas[name]
        assert set(schema["required"]) <= set(value) <= set(schema["properties"])

    picture = client.post("/api/faces", content=png(photograph), headers=PNG).json()
    check(picture, "Picture")
    for row in picture["rows"]:
        check(row, "Row")
    video = client.post("/api/clip", files=form(("a.mp4", clip))).json()
    check(video, "Clip")
    for row in video["rows"]:
        check(row, "FrameRow")
    check(client.post("/api/faces").json(), "Error")


def test_every_batch_size_is_compiled_before_the_server_is_ready(
    recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = list(compile_steps(recogniser))
    sizes = [len(step.args[0]) for step in steps[:4]]  # type: ignore[attr-defined]
    assert sizes == [1, 2, 4, 8]
    assert steps[4].func.__name__ == "compile_every_size"  # type: ignore[attr-defined]


def test_metrics_count_requests_and_faces_by_route(
    make_client: Callable[..., Any], drawn_faces: np.ndarray, png: Callable[..., bytes]
) -> None:
    client, face = make_client(), png(drawn_faces[0])
    client.post("/api/crops", files=form(*((str(k), face) for k in range(5))))
    client.get("/secret/path/of/somebody")
    text = client.get("/metrics").text
    assert 'ferjax_requests_total{route="/api/crops",status="200"} 1.0' in text
    assert "ferjax_faces_total 5.0" in text
    assert "ferjax_waiting_faces 0.0" in text
    assert 'route="other",status="404"' in text
    assert "secret" not in text
