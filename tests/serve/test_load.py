"""A thousand requests of twenty clients: right answers, flat memory, beside the predictor alone.

Then a tenth of the requests is slow, broken or too large, which changes nothing for the others.

    python -m pytest -m slow -s tests/serve/test_load.py

It prints what it measures; times mean something on a machine that does nothing else.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.data.synthetic.load_synthetic import render_faces

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
CLIENTS, REQUESTS, BATCH = 20, 1000, 64
# Rounds of that many requests, over the second half of which memory must stay flat.
ROUNDS = 12
# Rounds in which every tenth request is bad; a body that never ends is given up after so long.
BAD_ROUNDS, BAD_EVERY, MOST_SECONDS = 6, 10, 5
# Share of the batched predictor's faces a second, of which clients take a part on one machine.
LEAST_SHARE, LEAST_SHARE_ONE_BY_ONE = 0.7, 0.3
FLAGS = ("--port=0", "--rate=0", "--max_upload_mb=2", f"--max_seconds={MOST_SECONDS}")
PREDICTOR_ALONE = """
import json, sys, time
from pathlib import Path
from ferjax.data.decoding.image_file import decode_image
from ferjax.predict import load_predictor

files = [path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.png"))]
predict = load_predictor()
pictures = [decode_image(data, "face") for data in files]
rows = [predict.probabilities([picture])[0].tolist() for picture in pictures]
expected = [dict(zip(predict.classes, row, strict=True)) for row in rows]
(Path(sys.argv[1]) / "probabilities.json").write_text(json.dumps(expected))
for count in (10, 31):
    begun = time.perf_counter()
    for _ in range(count):
        predict.probabilities([decode_image(data, "face") for data in files])
print(len(files) * count / (time.perf_counter() - begun))
"""


def environment() -> dict[str, str]:
    """Returns the variables of a process that is compiled as it is outside of tests."""
    tests_own = ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES", "JAX_NUMPY_RANK_PROMOTION")
    kept = {name: value for name, value in os.environ.items() if name not in tests_own}
    return {**kept, "PYTHONPATH": str(ROOT)}


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with 64 drawn grey faces of 48x48 and their probabilities."""
    folder = tmp_path_factory.mktemp("faces")
    faces = render_faces(np.arange(BATCH) % 8, np.arange(BATCH), size=48)
    for k, face in enumerate(faces):
        Image.fromarray(face).convert("L").save(folder / f"{k:03}.png")
    run("-c", PREDICTOR_ALONE, str(folder))
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, int]]:
    """Returns process number and port of a server that is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "launch.serve", *FLAGS],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        port = int(process.stdout.readline().split()[0].rpartition(":")[2])
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready"):
                    break
            except urllib.error.HTTPError:
                time.sleep(0.5)
        yield process.pid, port
    finally:
        process.terminate()
        assert process.wait(60) == 0
        process.stdout.close()


def megabytes(process: int) -> float:
    """Returns the memory that a process occupies."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_a_thousand_requests_of_twenty_clients(server: tuple[int, int], pictures: Path) -> None:
    process, port = server

    def clients(count: int, requests: int, faces: int, *bad_every: int) -> dict[str, Any]:
        given = map(str, (port, count, requests, faces, pictures, *bad_every))
        return json.loads(run("tests/serve/load_client.py", *given))

    # Buffers of the largest batch are kept once they have been needed.
    clients(CLIENTS, 200, 1)
    clients(4, 8, BATCH)
    before = megabytes(process)
    alone = float(run("-c", PREDICTOR_ALONE, str(pictures)))
    one_by_one = clients(CLIENTS, REQUESTS, 1)
    together = clients(4, 31, BATCH)
    again = float(run("-c", PREDICTOR_ALONE, str(pictures)))
    rounds, memory = [one_by_one, together], [megabytes(process)]
    for _ in range(ROUNDS):
        rounds.append(clients(CLIENTS, REQUESTS, 1))
        memory.append(megabytes(process))
    bad_rounds, bad_memory = list[dict[str, Any]](), list[float]()
    for _ in range(BAD_ROUNDS):
        bad_rounds.append(clients(CLIENTS, REQUESTS, 1, BAD_EVERY))
        bad_memory.append(megabytes(process))
    print(f"\npredictor alone: {alone:.0f} and {again:.0f} faces a second")
    print(f"one face a request: {one_by_one}\n64 faces a request: {together}")
    print(f"memory: {before:.0f} MB, then {', '.join(f'{size:.1f}' for size in memory)} MB")
    print(f"every tenth request bad: {bad_rounds[-1]}")
    print(f"memory: {', '.join(f'{size:.1f}' for size in bad_memory)} MB")
    assert [(each["errors"], each["wrong"]) for each in rounds + bad_rounds] == [(0, 0)] * (
        len(rounds) + len(bad_rounds)
    )
    assert one_by_one["requests"] == REQUESTS
    for each in bad_rounds:
        assert each["requests"] + sum(each["bad"].values()) == REQUESTS
        # Six kinds, each with its one status.
        assert len(each["bad"]) == 6
    # A leak of one picture a request would be 14 MB over the second half.
    assert memory[-1] < 1.005 * memory[ROUNDS // 2]
    assert memory[-1] < 1.1 * before
    # A leak of one refused body of 2 MB in ten would be 10 MB over the last three rounds.
    assert bad_memory[-1] < 1.005 * bad_memory[BAD_ROUNDS // 2 - 1]
    assert bad_memory[-1] < 1.1 * before
    assert together["faces_a_second"] > LEAST_SHARE * min(alone, again)
    assert one_by_one["faces_a_second"] > LEAST_SHARE_ONE_BY_ONE * min(alone, again)
