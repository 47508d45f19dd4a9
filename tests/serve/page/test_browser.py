"""The page in a real browser, with drawn faces as pictures, camera and video.

Needs Chromium, Playwright (`pip install playwright`; no browser of its own) and npm for axe-core:

    python -m pytest -m slow tests/serve/page/test_browser.py

With FERJAX_SCREENSHOTS=FOLDER it writes the pictures of docs/serve.md there.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
# Drawn persons that the detector finds, in a row.
GROUP = (("happiness", 30), ("surprise", 27), ("sadness", 30), ("neutral", 24))
WIDE, NARROW = (1400, 900), (360, 740)
# Seconds from the choice of a picture, or the start of the camera, to its first result.
FIRST_RESULT = 1.0


def scene(*persons: tuple[str, int], side: int = 240) -> np.ndarray:
    """Returns a picture uint8 [300, W, 3] of drawn persons side by side."""
    labels = np.array([EMOTIONS.index(emotion) for emotion, _ in persons])
    faces = render_faces(labels, np.array([number for _, number in persons]), size=side)
    picture = np.full((side + 60, len(persons) * (side + 40) + 40, 3), 185, np.uint8)
    for k, face in enumerate(faces):
        left = 40 + k * (side + 40)
        picture[30 : 30 + side, left : left + side] = face
    return picture


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, quality=92)
    return file.getvalue()


def camera_frames() -> list[np.ndarray]:
    """Returns frames [480, 640, 3] of one person who moves and changes expression."""
    frames = []
    for emotion in ("happiness", "surprise"):
        number = dict(GROUP)[emotion]
        label = np.array([EMOTIONS.index(emotion)])
        face = render_faces(label, np.array([number]), size=280)[0]
        for k in range(12):
            frame = np.full((480, 640, 3), 185, np.uint8)
            frame[100:380, 150 + 4 * k : 430 + 4 * k] = face
            frames.append(frame)
    return frames


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Returns the address of a server that is ready, compiled as it is outside of tests."""
    tests_own = ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES", "JAX_NUMPY_RANK_PROMOTION")
    environment = {k: v for k, v in os.environ.items() if k not in tests_own}
    server = subprocess.Popen(
        [sys.executable, "-m", "launch.serve", "--port=0", "--rate=0"],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        found = server.stdout.readline().split()[0]
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{found}/ready"):
                    break
            except urllib.error.HTTPError:
                time.sleep(0.5)
        yield found
    finally:
        server.terminate()
        server.wait(60)
        assert server.stdout
        server.stdout.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Returns Chromium with a camera that shows drawn frames."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    playwright = pytest.importorskip("playwright.sync_api")
    if chromium is None:
        pytest.skip("needs Chromium")
    camera = tmp_path_factory.mktemp("camera") / "frames.mjpeg"
    camera.write_bytes(b"".join(encoded(frame, "JPEG") for frame in camera_frames()))
    flags = [
        *("--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-video-capture={camera}",
    ]
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=chromium, args=flags)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Any, address: str) -> Callable[..., Any]:
    """Returns a function (size, scheme) → context of a page that is ready; it checks its requests.

    When the context ends, the page must have asked this server alone, and said nothing to the
    console.
    """

    @contextmanager
    def opened(size: tuple[int, int] = WIDE, scheme: str = "light", **given: Any) -> Iterator[Any]:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
            **given,
        )
        page, requests, messages = context.new_page(), list[str](), list[str]()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(address)
        page.wait_for_selector("#state:has-text('Ready.')")
        yield page
        # The browser itself writes down answers that are errors.
        assert not [text for text in messages if "the server responded with a status" not in text]
        assert requests
        assert not [url for url in requests if not url.startswith((address, f"blob:{address}"))]
        context.close()

    return opened


def picture_file(pixels: np.ndarray, name: str = "group.png") -> dict[str, Any]:
    return {"name": name, "mimeType": "image/png", "buffer": encoded(pixels)}


def screenshot(page: Any, name: str) -> None:
    """Writes a picture of the page for the docs, where a folder is given."""
    if folder := os.environ.get("FERJAX_SCREENSHOTS"):
        path = Path(folder) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        image.quantize(256).save(path, optimize=True)


def fits(page: Any) -> bool:
    """Returns whether nothing is wider than the window."""
    wide = page.evaluate("document.documentElement.scrollWidth")
    return bool(wide <= page.viewport_size["width"])


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
def test_a_picture_is_named_within_a_second(
    open_page: Callable[..., Any], size: tuple[int, int], scheme: str
) -> None:
    with open_page(size, scheme) as page:
        assert fits(page)
        assert page.is_visible("#notice ul")
        screenshot(page, f"notice-{scheme}-{size[0]}")
        begun = time.perf_counter()
        page.set_input_files("#pictures", picture_file(scene(*GROUP)))
        page.wait_for_selector("#picture-results .face")
        seconds = time.perf_counter() - begun
        titles = page.locator("#picture-results summary").all_inner_texts()
        named = sorted(re.findall("[a-z]+", title)[0] for title in titles)
        assert named == sorted(emotion for emotion, _ in GROUP)
        assert page.locator(".boxes g").count() == len(GROUP)
        assert fits(page)
        shown = "#picture-results" if size == NARROW else ".tabs"
        page.evaluate(f"() => document.querySelector('{shown}').scrollIntoView()")
        screenshot(page, f"pictures-{scheme}-{size[0]}")
        print(f"\nfirst result of a picture after {seconds:.2f} s")
        assert seconds < FIRST_RESULT


def test_the_camera_sends_one_frame_at_a_time(open_page: Callable[..., Any]) -> None:
    with open_page(permissions=["camera"]) as page:
        under_way, most, frames = 0, 0, 0

        def began(request: Any) -> None:
            nonlocal under_way, most, frames
            if "/api/faces" in request.url:
                under_way += 1
                frames += 1
                most = max(most, under_way)

        def ended(request: Any) -> None:
            nonlocal under_way
            under_way -= "/api/faces" in request.url

        page.on("request", began)
        page.on("requestfinished", ended)
        page.click("#tab-camera")
        begun = time.perf_counter()
        page.click("#camera-start")
        page.wait_for_selector("#camera-faces .face")
        seconds = time.perf_counter() - begun
        page.wait_for_selector("#camera-faces summary:has-text('surprise')", timeout=20_000)
        page.wait_for_selector("#camera-faces summary:has-text('happiness')", timeout=20_000)
        page.evaluate("() => document.querySelector('.tabs').scrollIntoView()")
        screenshot(page, "camera-light-1400")
        page.click("#camera-stop")
        page.wait_for_selector("#state:has-text('The camera is off')")
        page.wait_for_timeout(300)
        before = frames
        page.wait_for_timeout(500)
        assert frames == before > 5
        assert most == 1
        print(f"\nfirst result of the camera after {seconds:.2f} s")
        assert seconds < FIRST_RESULT


def test_a_camera_that_is_allowed_too_late_is_stopped(open_page: Callable[..., Any]) -> None:
    with open_page(permissions=["camera"]) as page:
        frames = []
        page.on("request", lambda request: frames.extend(["/api/faces"] * ("view=" in request.url)))
        # As if the person thinks before a click on "Allow".
        page.evaluate("""() => {
            const media = navigator.mediaDevices, ask = media.getUserMedia.bind(media);
            window.given = [];
            media.getUserMedia = async (wanted) => {
                const stream = await ask(wanted);
                window.given.push(stream);
                await new Promise((done) => { window.allow = done; });
                return stream;
            };
        }""")
        live = "() => given.map((stream) => stream.getTracks()[0].readyState)"
        page.click("#tab-camera")
        page.evaluate("() => { const start = byId('camera-start'); start.click(); start.click(); }")
        page.wait_for_function("() => window.allow")
        page.click("#tab-pictures")
        page.evaluate("() => allow()")
        page.wait_for_timeout(500)
        assert page.evaluate(live) == ["ended"]
        assert not frames
        page.click("#tab-camera")
        page.evaluate("() => { window.allow = null; }")
        page.click("#camera-start")
        page.wait_for_function("() => window.allow")
        page.evaluate("() => allow()")
        page.wait_for_selector("#camera-faces .face")
        page.click("#camera-stop")
        assert page.evaluate(live) == ["ended", "ended"]


def test_the_camera_stays_below_the_rate(open_page: Callable[..., Any], address: str) -> None:
    def slower(route: Any) -> None:
        answer = route.fetch()
        text = answer.text().replace("requests_a_minute&#34;: null", "requests_a_minute&#34;: 100")
        assert "&#34;: 100" in text
        route.fulfill(response=answer, body=text)

    with open_page(permissions=["camera"]) as page:
        page.route(f"{address}/", slower)
        page.goto(address)
        page.wait_for_selector("#state:has-text('Ready.')")
        frames = []
        page.on("request", lambda request: frames.extend(["/api/faces"] * ("view=" in request.url)))
        page.click("#tab-camera")
        page.click("#camera-start")
        page.wait_for_timeout(4000)
        # One and a half a second.
        assert 3 <= len(frames) <= 8


def test_an_older_explanation_is_not_shown(open_page: Callable[..., Any]) -> None:
    with open_page() as page:
        page.set_input_files("#pictures", picture_file(scene(GROUP[0])))
        page.wait_for_selector("#picture-results .face")
        held = []

        def hold(route: Any) -> None:
            if "emotion=fear" in route.request.url:
                route.continue_()
            else:
                held.append(route)

        page.route("**/api/explain*", hold)
        page.click("#picture-results .face .button")
        page.select_option("#explain-emotion", "fear")
        page.wait_for_selector("#explain-state:has-text('What speaks for fear')", timeout=30_000)
        shown = page.get_attribute("#explain-image", "src")
        assert len(held) == 1
        with page.expect_response("**/api/explain*", timeout=30_000):
            held[0].continue_()
        page.wait_for_timeout(300)
        assert page.get_attribute("#explain-image", "src") == shown
        assert "fear" in page.inner_text("#explain-state")


def test_the_table_has_answered_pictures_within_the_limits(open_page: Callable[..., Any]) -> None:
    text = {"name": "b.png", "mimeType": "image/png", "buffer": b"no picture"}
    with open_page() as page:
        page.set_input_files("#pictures", text)
        page.wait_for_selector("#picture-results .problem")
        assert not page.is_visible("#table")
        files = [picture_file(scene(GROUP[k]), f"{k}.png") for k in range(3)]
        page.set_input_files("#pictures", [files[0], text, *files[1:]])
        page.wait_for_selector("#state:has-text('1 of the pictures has no answer')")
        names = page.locator("#picture-results h3").all_inner_texts()
        assert names == ["0.png", "b.png", "1.png", "2.png", "b.png"]
        page.evaluate("() => { settings.pictures = 2; }")
        with page.expect_download() as download:
            page.click("#table")
        lines = Path(download.value.path()).read_text("utf-8").splitlines()
        assert {line.partition(",")[0] for line in lines} == {"file", "0.png", "1.png"}
        state = "The table of 2 pictures is saved. 1 more is beyond the limit"
        page.wait_for_selector(f"#state:has-text('{state}')")
        # Clear ends what is under way.
        page.evaluate("() => { settings.pictures = 9; }")
        page.route("**/api/faces*", lambda route: (page.wait_for_timeout(200), route.continue_()))
        page.set_input_files("#pictures", files)
        page.wait_for_selector("#state:has-text('Picture 1 of 3')")
        page.click("#clear")
        page.wait_for_timeout(1000)
        assert page.locator("#picture-results article").count() == 0
        assert page.inner_text("#state") == "Cleared."


def test_a_video_has_a_timeline_and_a_table(open_page: Callable[..., Any]) -> None:
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=12, options={"crf": "20"})
        stream.height, stream.width, stream.pix_fmt = 480, 640, "yuv420p"
        for frame in camera_frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    video = {"name": "clip.mp4", "mimeType": "video/mp4", "buffer": file.getvalue()}
    with open_page() as page:
        page.click("#tab-video")
        page.set_input_files("#video", video)
        page.wait_for_selector("#video-results .timeline path", state="attached", timeout=60_000)
        assert page.locator(".timeline path").count() == len(EMOTIONS)
        page.wait_for_selector("#video-results .boxes rect", state="attached")
        with page.expect_download() as download:
            page.click("#video-table")
        table = Path(download.value.path()).read_text("utf-8")
        assert table.splitlines()[0].startswith("frame,seconds,status,person,emotion")
        assert len(table.splitlines()) >= 24
        page.evaluate("() => document.querySelector('.tabs').scrollIntoView()")
        screenshot(page, "video-light-1400")


def test_by_keyboard_alone(open_page: Callable[..., Any]) -> None:
    with open_page() as page:
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.className") == "skip"
        page.focus("#tab-pictures")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("() => document.activeElement.id") == "tab-camera"
        assert page.is_visible("#panel-camera")
        assert not page.is_visible("#panel-pictures")
        page.keyboard.press("Home")
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.id") == "pictures"
        page.set_input_files("#pictures", picture_file(scene(*GROUP[:2])))
        page.wait_for_selector("#picture-results .face")
        page.focus("#picture-results .face .button")
        page.keyboard.press("Enter")
        page.wait_for_selector("#explain-state:has-text('What speaks for')", timeout=30_000)
        assert page.evaluate("() => document.getElementById('explain-image').naturalWidth") > 100
        screenshot(page, "explanation-light-1400")
        page.select_option("#explain-emotion", "fear")
        page.wait_for_selector("#explain-state:has-text('What speaks for fear')", timeout=30_000)
        page.keyboard.press("Escape")
        assert not page.is_visible("#explain")
        assert page.evaluate("() => document.activeElement.textContent") == "Explain"


def test_a_small_face_is_shown_four_times_as_large_at_most(open_page: Callable[..., Any]) -> None:
    face = scene(GROUP[0], side=240)[30:270:5, 40:280:5]
    for size in (WIDE, NARROW):
        with open_page(size) as page:
            page.set_input_files("#pictures", picture_file(face))
            page.wait_for_selector("#picture-results .face")
            box = page.locator("#picture-results img").bounding_box()
            assert (face.shape[1], round(box["width"])) == (48, 192)
            assert "Prediction set: " in page.inner_text("#picture-results .set")
            assert fits(page)


def test_names_with_markup_and_files_that_are_no_pictures(open_page: Callable[..., Any]) -> None:
    with open_page() as page:
        name = "<img src=x onerror=alert(1)>.png"
        page.set_input_files("#pictures", picture_file(scene(GROUP[0]), name))
        page.wait_for_selector("#picture-results .face")
        assert page.inner_text("#picture-results h3") == name
        assert page.locator("#picture-results img").count() == 1
        with page.expect_download() as download:
            page.click("#table")
        assert "<img src=x onerror=alert(1)>.png,read," in Path(download.value.path()).read_text(
            "utf-8"
        )
    with open_page() as page:
        text = {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"}
        page.set_input_files("#pictures", text)
        page.wait_for_selector("#picture-results .problem:has-text('not an image')")


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Returns the script of axe-core, from npm."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    folder = tmp_path_factory.mktemp("axe")
    packed = subprocess.run(
        ["npm", "pack", "axe-core@4"], cwd=folder, capture_output=True, text=True, check=True
    )
    with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
        file = archive.extractfile("package/axe.min.js")
        assert file
        return file.read().decode()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_barriers(
    open_page: Callable[..., Any], axe: str, address: str, scheme: str
) -> None:
    def serious(page: Any) -> list[str]:
        page.evaluate(axe)
        found = page.evaluate("() => axe.run()")["violations"]
        assert found is not None
        return [
            f"{each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]

    # Its own scripts alone may run in the page, so that the policy is left out for axe.
    with open_page(scheme=scheme, bypass_csp=True, permissions=["camera"]) as page:
        assert not serious(page)
        page.set_input_files("#pictures", picture_file(scene(*GROUP)))
        page.wait_for_selector("#picture-results .face")
        assert not serious(page)
        page.click("#picture-results .face .button")
        page.wait_for_selector("#explain-state:has-text('What speaks for')", timeout=30_000)
        assert not serious(page)
        page.keyboard.press("Escape")
        for name in ("camera", "video"):
            page.click(f"#tab-{name}")
            assert not serious(page)
        page.goto(f"{address}/api")
        assert not serious(page)
        assert fits(page)
