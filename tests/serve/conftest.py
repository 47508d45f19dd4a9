"""A server's application in this process, with the recogniser that comes with ferjax."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from ferjax.config.serve_config import ServeConfig
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.serve import service
from ferjax.serve.app import make_app
from ferjax.serve.metrics import make_metrics
from ferjax.serve.recogniser import Recogniser, load_recogniser
from ferjax.serve.service import Service, make_service

LIMITS = dict(max_upload_mb=3, max_pixels=1_000_000, max_pictures=70, max_faces=3, max_frames=20)


@pytest.fixture(scope="session")
def png() -> Callable[[np.ndarray], bytes]:
    """Returns a function: uint8 [H, W, C] → bytes of a PNG file."""

    def encode(pixels: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def drawn_faces() -> np.ndarray:
    """Returns drawn faces uint8 [8, 48, 48, 3], one of each emotion."""
    return render_faces(np.arange(8), np.arange(8), size=48)


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
    """Returns a picture uint8 [240, 520, 3] with two drawn faces that the detector finds."""
    picture = np.full((240, 520, 3), 190, np.uint8)
    picture[10:230, 20:240] = render_faces(np.array([0]), np.array([3]), size=220)[0]
    picture[10:230, 270:490] = render_faces(np.array([6]), np.array([9]), size=220)[0]
    return picture


@pytest.fixture(scope="session")
def recogniser() -> Recogniser:
    """Returns the network, detector and card of a server without flags."""
    return load_recogniser(ServeConfig(batch_size=8))


@pytest.fixture(scope="session")
def make_client(recogniser: Recogniser) -> Iterator[Callable[..., Any]]:
    """Returns a function (flags) → client of a started server; programs compile when needed."""
    started: list[TestClient] = []

    def make(**given: Any) -> TestClient:
        config = ServeConfig(**{**LIMITS, "batch_size": 8, "rate": 0, **given})
        made: Service = make_service(config, recogniser, make_metrics())
        client = TestClient(make_app(made), base_url="http://127.0.0.1:8000")
        client.__enter__()
        started.append(client)
        while client.get("/ready").status_code != 200:
            pass
        return client

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "compile_steps", lambda recogniser: iter(()))
        yield make
        for client in started:
            client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def client(make_client: Callable[..., TestClient]) -> TestClient:
    """Returns a client of a server with small limits."""
    return make_client()
