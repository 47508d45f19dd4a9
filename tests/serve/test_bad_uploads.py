"""Uploads that are no pictures, too large, too many, broken, or whose sender leaves."""

import asyncio
import io
import os
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.config.serve_config import ServeConfig
from ferjax.live.open_video import pyav
from ferjax.serve import answers
from ferjax.serve import service as services
from ferjax.serve.app import make_app
from ferjax.serve.clip import NamedClip
from ferjax.serve.metrics import make_metrics
from ferjax.serve.recogniser import Recogniser
from ferjax.serve.service import make_service

PNG = {"Content-Type": "image/png"}


def form(*files: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", file) for file in files]


def png_header(width: int, height: int) -> bytes:
    """Returns a PNG that claims a size and holds a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    size = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + size + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def noise(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)


@pytest.mark.parametrize(
    ("data", "kind", "status", "reason"),
    [
        (b"hello", "image/png", 422, "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image/png", 422, "not an image"),
        (png_header(40, 40), "image/png", 422, "cannot be read as an image"),
        (png_header(2000, 2000), "image/png", 413, "more than 1,000,000 pixels"),
        (png_header(60000, 60000), "image/png", 413, "more than 1,000,000 pixels"),
        (b"", "image/png", 400, "picture: empty (0 bytes)"),
        (b"hello", "text/plain", 415, "content type text/plain; expected multipart/form-data or"),
        (b"hello", "", 415, "content type none"),
        (b"{}", "application/x-www-form-urlencoded", 415, "expected multipart/form-data"),
        (b"hello", "multipart/form-data", 400, "Missing boundary"),
        (b"hello", "multipart/form-data; boundary=x", 400, ""),
        (b"x" * 3_000_001, "image/png", 413, "larger than 3 MB"),
    ],
)
def test_no_picture(client: Any, data: bytes, kind: str, status: int, reason: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    for path in ("/api/faces", "/api/crops", "/api/explain"):
        answer = client.post(path, content=data, headers=headers)
        assert answer.status_code == status, (path, answer.text)
        assert reason in answer.json()["error"]
    assert client.post("/api/crops").status_code == 415


def test_empty_files_are_named(client: Any) -> None:
    for names, said in ((["a.png"], "a.png"), ([*"abcde"], "a, b, c and 2 more")):
        answer = client.post("/api/table", files=form(*((name, b"") for name in names)))
        assert answer.status_code == 400
        assert answer.json()["error"].startswith(f"{said}: empty (0 bytes)")
    without = client.post("/api/table", files={"no": (None, "file")})
    assert "no file in the form" in without.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/api/faces", 405, "/api/faces does not take GET; expected POST"),
        ("POST", "/", 405, "/ does not take POST; expected GET"),
        ("POST", "/static/page.css", 405, "expected GET, HEAD"),
        ("GET", "/api/nothing", 404, "/api/nothing: there is no such address"),
        ("GET", "/static/no.css", 404, "/static/no.css: there is no such address"),
    ],
)
def test_wrong_addresses_and_methods_say_so(
    client: Any, method: str, path: str, status: int, reason: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert reason in answer.json()["error"]


@pytest.mark.parametrize("kind", [b"image/png", b"multipart/form-data; boundary=x"])
def test_a_body_without_a_stated_length_is_counted_as_it_comes(
    recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch, kind: bytes
) -> None:
    """The server takes the part that passes the limit, and nothing after it."""
    monkeypatch.setattr(services, "compile_steps", lambda recogniser: iter(()))
    service = make_service(ServeConfig(rate=0, max_upload_mb=3), recogniser, make_metrics())
    app = make_app(service)
    head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\n'
    parts, taken, sent = [head, *[bytes(100_000)] * 60], 0, list[Any]()

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": parts[taken - 1], "more_body": taken < len(parts)}

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        await services.start(service)
        before = service.memory._left
        await app(upload_scope("/api/faces", None, kind), receive, send)
        assert service.memory._left == before
        await asyncio.to_thread(services.stop, service)

    asyncio.run(main())
    assert sent[0]["status"] == 413
    assert b"larger than 3 MB" in sent[1]["body"]
    # Thirty parts of 100,000 bytes with the head are more than 3 MB.
    assert taken == 31


def test_one_bad_picture_costs_one_row(
    client: Any, drawn_faces: np.ndarray, png: Callable[..., bytes]
) -> None:
    files = [("a.png", png(drawn_faces[0])), ("b.txt", b"text"), ("c.png", png_header(9999, 9999))]
    rows = client.post("/api/crops", files=form(*files)).json()["rows"]
    assert [row["status"] for row in rows] == ["read", "unreadable", "unreadable"]
    assert "not an image" in rows[1]["reason"]
    assert "1,000,000 pixels" in rows[2]["reason"]


def test_too_many_files_and_several_where_one_is_expected(
    client: Any, drawn_faces: np.ndarray, png: Callable[..., bytes]
) -> None:
    face = png(drawn_faces[0])
    answer = client.post("/api/table", files=form(*[("a.png", face)] * 71))
    assert answer.status_code == 413
    assert "The limit is 70 files" in answer.json()["error"]
    several = client.post("/api/faces", files=form(("a.png", face), ("b.png", face)))
    assert several.status_code == 400
    assert "/api/table takes several" in several.json()["error"]
    assert client.post("/api/crops", files={"no": (None, "file")}).status_code == 400
    assert client.post("/api/faces?faces=maybe", content=face, headers=PNG).status_code == 422


def test_uploads_never_touch_the_disk(
    client: Any,
    make_clip: Callable[..., bytes],
    audit_events: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # More than the megabyte from which Starlette's own parser writes files.
    file = io.BytesIO()
    Image.fromarray(noise(800)).save(file, "BMP")
    picture = file.getvalue()
    # A box that readers of mp4 skip.
    clip = make_clip(4, 64) + struct.pack(">I", 2_000_000) + b"free" + bytes(1_999_992)
    assert min(len(picture), len(clip)) > 1_800_000
    requests = {
        "/api/faces?faces=whole": picture,
        "/api/crops": picture,
        "/api/table?faces=whole": picture,
        "/api/explain?faces=whole": picture,
        "/api/clip": clip,
    }

    def send_all() -> None:
        for path, data in requests.items():
            for given in ({"files": form(("a", data))}, {"content": data}):
                kind = {} if "files" in given else {"Content-Type": "application/octet-stream"}
                answer = client.post(path, headers=kind, **given)
                assert answer.status_code == 200, (path, answer.text)

    # The first requests import modules and compile programs, which JAX stores.
    send_all()
    for variable in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(tmp_path)
    with audit_events("open", "os.mkdir") as events:
        send_all()
        assert _written(events) == []
        (tmp_path / "a").write_text("what the check would see")
    assert _written(events) == [str(tmp_path / "a")]
    (tmp_path / "a").unlink()
    # Files that a library in C opened.
    assert [*tmp_path.iterdir()] == []


def _written(events: list[tuple[str, Any]]) -> list[str]:
    """Returns the paths that were opened to write, and the folders that were made."""
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    return [
        str(arguments[0])
        for name, arguments in events
        if name == "os.mkdir" or (not isinstance(arguments[0], int) and arguments[2] & writing)
    ]


def test_formats_of_videos_that_are_not_listed_are_refused(client: Any) -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), (grey, grey, grey)) for grey in (0, 90, 180)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    # FFmpeg itself reads it as a video.
    with pyav().open(io.BytesIO(file.getvalue())) as container:
        assert container.format.name == "gif"
        assert len([*container.decode(video=0)]) == 3
    for data in (file.getvalue(), b"hello"):
        answer = client.post("/api/clip", files=form(("a.mp4", data)))
        assert answer.status_code == 422
        assert "cannot be read as a video" in answer.json()["error"]


def test_videos_that_are_too_long_or_too_large(
    client: Any, make_clip: Callable[..., bytes]
) -> None:
    long = client.post("/api/clip", files=form(("a.mp4", make_clip(21, 32))))
    assert long.status_code == 413
    assert "more than 20 frames" in long.json()["error"]
    # A format that does not say how many frames there are.
    stream = client.post("/api/clip", files=form(("a.ts", make_clip(40, 32, "mpegts"))))
    assert stream.status_code == 413
    large = client.post("/api/clip", files=form(("a.mp4", make_clip(1, 1024))))
    assert "more than 1,000,000 pixels" in large.json()["error"]
    # Only its first frames are as small as its header says.
    grows = make_clip(4, 64, "mpegts") + make_clip(4, 1024, "mpegts")
    answer = client.post("/api/clip", files=form(("a.ts", grows)))
    assert answer.status_code == 413
    assert "more than 1,000,000 pixels" in answer.json()["error"]
    undecodable = make_clip(1, 64, "matroska").replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ")
    answer = client.post("/api/clip", files=form(("a.mkv", undecodable)))
    assert answer.status_code == 422
    assert "its codec cannot be decoded here" in answer.json()["error"]
    empty = client.post("/api/clip", files=form(("a.mp4", make_clip(3, 64))))
    assert [row["status"] for row in empty.json()["rows"]] == ["no face", "not searched", "no face"]


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., bytes]:
    """Returns a function (frames, side, format) → a grey video."""

    def make(count: int, side: int, format: str = "mp4") -> bytes:
        file = io.BytesIO()
        with pyav().open(file, "w", format=format) as container:
            stream = container.add_stream("libx264", rate=10)
            stream.height, stream.width, stream.pix_fmt = side, side, "yuv420p"
            for _ in range(count):
                grey = np.full((side, side, 3), 90, np.uint8)
                container.mux(stream.encode(pyav().VideoFrame.from_ndarray(grey, format="rgb24")))
            container.mux(stream.encode(None))
        return file.getvalue()

    return make


def test_ten_uploads_at_once(
    client: Any, drawn_faces: np.ndarray, png: Callable[..., bytes]
) -> None:
    pictures = [png(face) for face in drawn_faces]

    def send(k: int) -> str:
        answer = client.post("/api/crops", content=pictures[k % 8], headers=PNG)
        return answer.json()["rows"][0]["probabilities"]

    alone = [send(k) for k in range(8)]
    with ThreadPoolExecutor(10) as senders:
        together = list(senders.map(send, range(40)))
    for k, found in enumerate(together):
        assert found == pytest.approx(alone[k % 8], abs=1e-5)


def upload_scope(path: str, size: int | None, kind: bytes = b"image/png") -> dict[str, Any]:
    """Returns the ASGI scope of a POST with a body of so many bytes, or of unstated length."""
    headers = [(b"host", b"127.0.0.1"), (b"content-type", kind)]
    headers += [] if size is None else [(b"content-length", str(size).encode())]
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 5000),
        "headers": headers,
    }


def test_a_client_that_leaves_costs_nothing_more(
    recogniser: Recogniser,
    photograph: np.ndarray,
    png: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(services, "compile_steps", lambda recogniser: iter(()))
    service = make_service(ServeConfig(rate=0), recogniser, make_metrics())
    app, picture = make_app(service), png(photograph)
    before = service.memory._left

    async def call(*messages: dict[str, Any]) -> list[Any]:
        sent, waiting = [], iter(messages)

        async def receive() -> dict[str, Any]:
            return next(waiting)

        async def send(message: Any) -> None:
            sent.append(message)

        await app(upload_scope("/api/faces", len(picture)), receive, send)
        return sent

    async def main() -> None:
        await services.start(service)
        left = {"type": "http.disconnect"}
        half = {"type": "http.request", "body": picture[:500], "more_body": True}
        whole = {"type": "http.request", "body": picture, "more_body": False}
        # In the middle of the body, and while the picture is worked on.
        for messages in ((half, left), (whole, left)):
            assert (await call(*messages))[0]["status"] == 499
        assert service.memory._left == before
        assert app.under_way == service.batcher.waiting == 0
        await asyncio.to_thread(services.stop, service)

    asyncio.run(main())


def test_bodies_take_memory_as_they_come(
    recogniser: Recogniser,
    drawn_faces: np.ndarray,
    png: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(services, "compile_steps", lambda recogniser: iter(()))
    service = make_service(ServeConfig(rate=0, max_upload_mb=1), recogniser, make_metrics())
    app, picture = make_app(service), png(drawn_faces[0])

    async def call(size: int, body: bytes, end: asyncio.Event) -> tuple[int, dict[bytes, bytes]]:
        sent, bodies = [], [body]

        async def receive() -> dict[str, Any]:
            if bodies:
                return {"type": "http.request", "body": bodies.pop(), "more_body": size > len(body)}
            await end.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(upload_scope("/api/crops", size), receive, send)
        return sent[0]["status"], dict(sent[0]["headers"])

    async def main() -> None:
        await services.start(service)
        # Nine who state the largest size, and send a few bytes, keep nobody out.
        end = asyncio.Event()
        stated = [asyncio.ensure_future(call(1_000_000, b"few", end)) for _ in range(9)]
        await asyncio.sleep(0.05)
        assert (await call(len(picture), picture, asyncio.Event()))[0] == 200
        # Nine who send nearly as much as they may do.
        sent = [asyncio.ensure_future(call(1_000_000, bytes(950_000), end)) for _ in range(9)]
        done, _ = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
        assert [(each.result()[0], each.result()[1][b"retry-after"]) for each in done] == [
            (503, b"2")
        ]
        end.set()
        await asyncio.gather(*stated, *sent)
        assert service.memory._left == service.limits.all_bytes
        await asyncio.to_thread(services.stop, service)

    asyncio.run(main())


def test_a_slow_body_and_slow_work_are_given_up(
    recogniser: Recogniser,
    drawn_faces: np.ndarray,
    png: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(services, "compile_steps", lambda recogniser: iter(()))
    made = make_service(ServeConfig(rate=0), recogniser, make_metrics())
    service = replace(made, limits=replace(made.limits, seconds=0.1))
    monkeypatch.setattr(service.batcher, "_predict", lambda faces: time.sleep(0.4))
    app, picture, sent = make_app(service), png(drawn_faces[0]), list[Any]()
    # More pixels than are decoded at once, in few bytes and in many.
    few, many = png(np.zeros((300, 300, 3), np.uint8)), png(noise(300))

    async def call(body: bytes, more: bool, path: str = "/api/faces") -> tuple[int, bytes]:
        sent.clear()
        waiting = [{"type": "http.request", "body": body, "more_body": more}]

        async def receive() -> dict[str, Any]:
            if not waiting:
                await asyncio.sleep(60)
            return waiting.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        await app(upload_scope(path, len(picture)), receive, send)
        return sent[0]["status"], sent[1]["body"]

    async def main() -> None:
        await services.start(service)
        status, reason = await call(picture[:9], True)
        assert (status, b"the body took more than" in reason) == (408, True)
        for body, path in ((picture, "/api/faces"), (few, "/api/crops"), (many, "/api/crops")):
            status, reason = await call(body, False, path)
            assert (status, b"the work took more than" in reason) == (503, True)
        await asyncio.to_thread(services.stop, service)

    asyncio.run(main())


def test_waiting_for_other_videos_is_no_work(
    make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*given: Any) -> NamedClip:
        time.sleep(0.6)
        return NamedClip([], (0, 0), 0)

    monkeypatch.setattr(answers, "name_clip", slow)
    client = make_client(max_seconds=1)
    with ThreadPoolExecutor(3) as senders:
        found = [*senders.map(lambda _: client.post("/api/clip", files=form(("a", b"a"))), "abc")]
    # The second waits 0.6 s and takes as long; the third would have to wait for 1.2 s.
    assert sorted(answer.status_code for answer in found) == [200, 200, 503]
    late = next(answer for answer in found if answer.status_code == 503)
    assert late.headers["retry-after"] == "20"
    assert "other videos" in late.json()["error"]
    assert client.app._app.state.service.clips.value == 0


def test_busy_and_unready_servers_say_when_to_try_again(
    make_client: Callable[..., Any],
    recogniser: Recogniser,
    drawn_faces: np.ndarray,
    png: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    face, go_on, begun = png(drawn_faces[0]), threading.Event(), threading.Event()
    client = make_client(max_requests=1)
    service = client.app._app.state.service
    name = service.batcher._predict

    def slow(faces: Any) -> np.ndarray:
        begun.set()
        go_on.wait(20)
        return name(faces)

    monkeypatch.setattr(service.batcher, "_predict", slow)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(client.post, "/api/crops", content=face, headers=PNG)
        begun.wait(20)
        busy = client.post("/api/crops", content=face, headers=PNG)
        go_on.set()
        assert first.result().status_code == 200
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")
    service.ready.clear()
    unready = client.post("/api/crops", content=face, headers=PNG)
    assert (unready.status_code, unready.headers["retry-after"]) == (503, "2")
    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200
    service.ready.set()
