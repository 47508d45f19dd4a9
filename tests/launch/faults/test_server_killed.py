"""`launch.serve` is killed while it answers; started again it answers the same."""

import http.client
import json
import os
import random
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import SERVER_KILLS
from processes import Child, Zygote
from tally import count_fault

pytestmark = pytest.mark.faults
pytest.importorskip("uvicorn")

_KILLS = max(1, round(SERVER_KILLS * int(os.environ.get("FERJAX_FAULT_KILLS", 300)) / 300))
_STARTS_WITHIN = 900


def address_of(child: Child) -> tuple[str, int]:
    """Waits until a server says where it listens."""
    end = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < end:
        if found := re.search(r"http://([\d.]+):(\d+)", child.said()):
            return found[1], int(found[2])
        time.sleep(0.05)
    raise AssertionError(child.said())


def wait_until_ready(place: tuple[str, int]) -> None:
    """Waits until a server has compiled its network."""
    end = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < end:
        connection = http.client.HTTPConnection(*place, timeout=_STARTS_WITHIN)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        finally:
            connection.close()
        time.sleep(0.1)
    raise AssertionError("the server is never ready")


def answer(place: tuple[str, int], picture: bytes) -> object:
    """Returns the answer to a picture, without the time that it took."""
    connection = http.client.HTTPConnection(*place, timeout=_STARTS_WITHIN)
    try:
        connection.request("POST", "/api/faces", picture, {"Content-Type": "image/png"})
        response = connection.getresponse()
        found = json.loads(response.read())
        assert response.status == 200, found
        return {k: v for k, v in found.items() if not re.search("second|time", k)}
    finally:
        connection.close()


def test_a_killed_server_answers_the_same_when_it_is_started_again(
    base: Path,
    inputs: Path,
    zygote: Zygote,
    make_folder: Callable[..., Path],
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    folder = make_folder(base / "nothing", base / "server")
    words = [f"--workdir={inputs}/runs/seed_0", "--port=0"]
    picture = next((inputs / "faces" / "anger").iterdir()).read_bytes()
    moments, answers = random.Random("serve"), []
    tally = begin_tally("SIGKILL", "serve")
    for kill in range(_KILLS + 1):
        child = zygote.start("launch.serve", words, folder)
        place = address_of(child)
        wait_until_ready(place)
        answers.append(answer(place, picture))

        def ask(place: tuple[str, int] = place) -> None:
            # The kill cuts the connection.
            try:
                while True:
                    answer(place, picture)
            except (OSError, http.client.HTTPException, ValueError):
                return

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(moments.uniform(0, 1))
        child.kill()
        assert zygote.wait(child) == -9, (kill, child.said())
        # The last one only ends the test.
        if kill < _KILLS:
            count_fault(tally, True)
        asking.join()
    tally["changed"] = sum(each != answers[0] for each in answers)
    left = [path.name for path in folder.iterdir() if path.name != "cache"]
    assert tally["changed"] == 0, answers
    assert left == []
