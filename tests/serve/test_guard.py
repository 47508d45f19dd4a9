"""Who may ask: names of the server, pages of other sites, requests a minute, and all headers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ferjax.serve.guard import is_known_host, is_same_origin

NAMES = frozenset({"localhost", "faces.example.org"})


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("192.168.1.7", True),
        ("faces.example.org:443", True),
        # A name of somebody else that was made to lead here.
        ("attacker.example:8000", False),
        ("127.0.0.1.attacker.example", False),
        ("faces.example.org.attacker.example", False),
        ("localhost@attacker.example", False),
        ("", False),
        ("[::1", False),
        ("a[b]c", False),
    ],
)
def test_names_of_the_server(host: str, known: bool) -> None:
    assert is_known_host(host, NAMES) is known


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({}, True),
        ({b"origin": b"http://127.0.0.1:8000"}, True),
        ({b"origin": b"https://127.0.0.1:8000", b"sec-fetch-site": b"same-origin"}, True),
        ({b"sec-fetch-site": b"none"}, True),
        ({b"origin": b"http://127.0.0.1:9000"}, False),
        ({b"origin": b"http://attacker.example"}, False),
        ({b"origin": b"null"}, False),
        ({b"origin": b"chrome-extension://127.0.0.1:8000"}, False),
        ({b"sec-fetch-site": b"cross-site"}, False),
        ({b"sec-fetch-site": b"same-site", b"origin": b"http://127.0.0.1:8000"}, False),
    ],
)
def test_pages_of_other_sites(headers: dict[bytes, bytes], same: bool) -> None:
    assert is_same_origin(headers, "127.0.0.1:8000") is same


def test_a_foreign_page_or_name_gets_nothing(
    client: Any, drawn_faces: np.ndarray, png: Callable[..., bytes]
) -> None:
    face = {"content": png(drawn_faces[0]), "headers": {"Content-Type": "image/png"}}
    assert client.post("/api/crops", **face).status_code == 200
    face["headers"] = {**face["headers"], "Origin": "https://attacker.example"}
    refused = client.post("/api/crops", **face)
    assert refused.status_code == 403
    assert "another site" in refused.json()["error"]
    for path in ("/", "/api/card", "/metrics"):
        assert client.get(path, headers={"Host": "attacker.example"}).status_code == 421


def test_every_answer_locks_the_browser_down(client: Any) -> None:
    for path in ("/", "/api", "/api/card", "/static/page.js", "/nothing", "/api/crops"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert ("cache-control" in headers) != path.startswith("/static")
        assert "access-control-allow-origin" not in headers


def test_too_many_requests_a_minute(
    make_client: Callable[..., Any], drawn_faces: np.ndarray, png: Callable[..., bytes]
) -> None:
    client, face = make_client(rate=3), png(drawn_faces[0])
    kind = {"Content-Type": "image/png"}
    answers = [client.post("/api/crops", content=face, headers=kind) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 15 <= int(answers[-1].headers["retry-after"]) <= 21
    # Looking at the page is free, and the counters say what was refused.
    assert client.get("/").status_code == 200
    assert 'ferjax_refused_requests_total{reason="rate"} 1.0' in client.get("/metrics").text
