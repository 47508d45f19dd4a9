"""The page of a browser bundle in headless Chromium, by file and by a fake camera."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferjax
from ferjax.config.predict_and_export import ExportConfig
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.export.run_export import run_export

pytest.importorskip("playwright")
pytestmark = pytest.mark.parity
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FACES = render_faces(np.arange(4) % 7, np.arange(4) + 50, size=48)[..., :1]
HOSTILE = "<img src=x onerror=document.title='broken'>"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle")
    run_export(
        ExportConfig(weights="fernet-ferplus", format=("browser",), out=str(out), progress=False)
    )
    folder = out / "fernet-ferplus-browser"
    facts = json.loads((folder / "network.json").read_text())
    facts["intended_use"].append(HOSTILE)
    (folder / "network.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture(scope="module")
def address(bundle: Path) -> Iterator[str]:
    """Serves the bundle as `python -m http.server` does."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(bundle))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a y4m video of one face, grey, 4:2:0."""
    path = tmp_path_factory.mktemp("camera") / "face.y4m"
    face = Image.fromarray(FACES[0][..., 0]).resize((240, 240))
    grey = np.full((240, 320), 128, np.uint8)
    grey[:, 40:280] = np.asarray(face)
    frame = grey.tobytes() + bytes([128]) * (120 * 160 * 2)
    path.write_bytes(b"YUV4MPEG2 W320 H240 F25:1 Ip A1:1 C420\n" + (b"FRAME\n" + frame) * 25)
    return path


@pytest.fixture(scope="module")
def page(address: str, video: Path) -> Iterator[Any]:
    """Yields the ready page; `page.requests` are the addresses of its requests."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    flags += [f"--use-file-for-fake-video-capture={video}", "--no-sandbox"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page: Any = browser.new_page(viewport={"width": 1100, "height": 1000})
        page.requests, page.messages = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda message: page.messages.append(message.text))
        page.on("pageerror", lambda error: page.messages.append(str(error)))
        page.goto(address)
        page.wait_for_selector("body[data-state=ready]", timeout=60_000)
        yield page
        browser.close()


def probabilities(page: Any) -> dict[str, float]:
    """Returns what the bars show, by emotion, once there is something."""
    page.wait_for_selector("#bars li[data-probability]")
    rows = "rows => rows.map(row => [row.dataset.emotion, Number(row.dataset.probability)])"
    return dict(page.eval_on_selector_all("#bars li", rows))


def shown_for(page: Any, path: Path) -> dict[str, float]:
    """Returns the probabilities of a picture, chosen as a user chooses it."""
    page.eval_on_selector_all("#bars li", "rows => rows.forEach(r => delete r.dataset.probability)")
    page.set_input_files("#file", str(path))
    return probabilities(page)


def test_no_emotion_is_named_before_there_is_a_picture(page: Any) -> None:
    assert page.is_disabled("#size")
    # Even if an event reaches the slider.
    page.eval_on_selector("#size", "slider => slider.dispatchEvent(new Event('input'))")
    page.wait_for_timeout(500)
    assert page.inner_text("#status") == "Ready: start the camera, or choose a picture."
    assert not page.query_selector("#bars li[data-probability]")


def test_faces_get_the_probabilities_of_the_predictor(page: Any, tmp_path: Path) -> None:
    predictor = ferjax.load_predictor("fernet-ferplus")
    for number, face in enumerate(FACES):
        path = tmp_path / f"{number}.png"
        Image.fromarray(face[..., 0]).save(path)
        expected = dict(zip(predictor.classes, predictor(face)[0], strict=True))
        assert shown_for(page, path) == pytest.approx(expected, abs=1e-5)
    assert page.is_enabled("#size")


def test_a_large_picture_is_cut_and_resized_as_the_predictor_does(
    page: Any, tmp_path: Path
) -> None:
    predictor = ferjax.load_predictor("fernet-ferplus")
    colour = render_faces(np.array([3]), np.array([8]), size=180)[0]
    picture = np.full((180, 300, 3), 90, np.uint8)
    picture[:, 60:240] = colour
    Image.fromarray(picture).save(tmp_path / "large.png")
    expected = dict(zip(predictor.classes, predictor(colour)[0], strict=True))
    # Bytes are rounded after the grey conversion here, and floats there.
    assert shown_for(page, tmp_path / "large.png") == pytest.approx(expected, abs=5e-3)


def test_a_file_that_is_no_picture_is_said(page: Any, tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(b"no picture")
    page.set_input_files("#file", str(tmp_path / "face.png"))
    page.wait_for_selector("#status:has-text('face.png')")


def test_the_camera_is_read_and_stopped(page: Any) -> None:
    page.eval_on_selector_all("#bars li", "rows => rows.forEach(r => delete r.dataset.probability)")
    page.click("#camera")
    found = probabilities(page)
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    page.wait_for_selector("#status:has-text('Most likely')")
    page.click("#camera")
    assert page.inner_text("#status") == "The camera is off."


def test_nothing_is_asked_of_another_host_and_text_stays_text(page: Any, address: str) -> None:
    hosts = [url for url in page.requests if not url.startswith((address, "data:", "blob:"))]
    assert page.requests
    assert not hosts
    assert page.title() == "fernet-ferplus: emotions in faces"
    assert HOSTILE in page.inner_text("#intended")
    assert not page.messages
