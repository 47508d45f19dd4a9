"""Clients of a server on this machine: so many send faces at once, each the next when answered.

    python tests/serve/load_client.py PORT CLIENTS REQUESTS FACES FOLDER [BAD_EVERY]

FOLDER holds PNG files of faces, and probabilities.json: for each file, in order, the probability of
each emotion. A request has FACES of them. With BAD_EVERY each such request is slow, stops in its
middle, is no picture, or is larger than the server's limit, in turn. Prints a JSON object.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

KINDS = ("slow", "never ends", "cut", "no picture", "too large", "states too much")
# Kind of a bad request → the status of its answer; a client that has left sees none.
EXPECTED = {
    "slow": 200,
    "never ends": 408,
    "cut": None,
    "no picture": 422,
    "too large": 413,
    "states too much": 413,
}
# Largest difference of a probability from that of the predictor.
BOUND = 1e-5
# A body of more than the 2 MB that the server of the test takes.
_CHUNKS, _CHUNK = 21, bytes(100_000)
_PAUSE = 0.05


def head_of(kind: str, *lines: str) -> bytes:
    """Returns the head of a request to /api/crops."""
    first = ("POST /api/crops HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}")
    return "".join(f"{line}\r\n" for line in (*first, *lines, "")).encode()


def request_bytes(faces: Sequence[bytes]) -> bytes:
    """Returns a request for /api/crops: one face as it is, several as a form."""
    if len(faces) == 1:
        kind, body = "image/png", faces[0]
    else:
        kind = "multipart/form-data; boundary=-----face"
        parts = [
            b'-------face\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\n'
            + face
            + b"\r\n"
            for face in faces
        ]
        body = b"".join(parts) + b"-------face--\r\n"
    return head_of(kind, f"Content-Length: {len(body)}") + body


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    return int(head.split()[1]), await reader.readexactly(length)


def is_right(body: bytes, expected: Sequence[dict[str, float]]) -> bool:
    """Returns whether an answer has the probabilities of these faces, in their order."""
    rows = [row.get("probabilities", {}) for row in json.loads(body)["rows"]]
    return [row.keys() for row in rows] == [each.keys() for each in expected] and all(
        abs(row[name] - value) <= BOUND
        for row, each in zip(rows, expected, strict=True)
        for name, value in each.items()
    )


async def send_badly(port: int, kind: str, good: bytes) -> tuple[int | None, bytes]:
    """Sends a bad request over a connection of its own; returns status and body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if kind == "no picture":
            writer.write(request_bytes([b"no picture"]))
        elif kind == "states too much":
            writer.write(head_of("image/png", "Content-Length: 1000000000"))
        elif kind == "too large":
            writer.write(head_of("image/png", "Transfer-Encoding: chunked"))
            for _ in range(_CHUNKS):
                writer.write(b"%x\r\n%s\r\n" % (len(_CHUNK), _CHUNK))
                await writer.drain()
        else:
            size = len(good) // 4 + 1
            parts = [good[k : k + size] for k in range(0, len(good), size)]
            for part in parts if kind == "slow" else parts[:-1]:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(_PAUSE)
            if kind == "cut":
                return None, b""
        return await _answer(reader)
    finally:
        writer.close()


async def run_clients(
    port: int,
    clients: int,
    requests: int,
    faces: int,
    pictures: Sequence[tuple[bytes, dict[str, float]]],
    bad_every: int = 0,
) -> dict[str, object]:
    """Returns counts, seconds and latencies of so many requests of all clients together."""
    given = [
        [pictures[(k * faces + j) % len(pictures)] for j in range(faces)]
        for k in range(max(1, len(pictures) // faces))
    ]
    bodies = [(request_bytes([p for p, _ in each]), [q for _, q in each]) for each in given]
    numbers, taken = iter(range(requests)), list[float]()
    counts: Counter[str] = Counter()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            good, expected = bodies[number % len(bodies)]
            if bad_every and number % bad_every == 0:
                kind = KINDS[number // bad_every % len(KINDS)]
                status, body = await send_badly(port, kind, good)
                counts[f"{kind}: {status}"] += 1
                counts["errors"] += status != EXPECTED[kind]
                counts["wrong"] += status == 200 and not is_right(body, expected)
                continue
            begun = time.perf_counter()
            writer.write(good)
            status, body = await _answer(reader)
            taken.append(time.perf_counter() - begun)
            counts["errors"] += status != 200
            counts["wrong"] += status == 200 and not is_right(body, expected)
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - begun
    taken.sort()
    return {
        "requests": len(taken),
        "errors": counts.pop("errors"),
        "wrong": counts.pop("wrong"),
        "bad": dict(counts),
        "seconds": seconds,
        "faces_a_second": faces * len(taken) / seconds,
        "p50_ms": 1000 * taken[len(taken) // 2],
        "p99_ms": 1000 * taken[int(len(taken) * 0.99)],
    }


def read_pictures(folder: Path) -> list[tuple[bytes, dict[str, float]]]:
    """Returns the bytes of each face, and its probabilities."""
    files = [path.read_bytes() for path in sorted(folder.glob("*.png"))]
    return [*zip(files, json.loads((folder / "probabilities.json").read_text()), strict=True)]


if __name__ == "__main__":
    port, clients, requests, faces = map(int, sys.argv[1:5])
    pictures, bad_every = read_pictures(Path(sys.argv[5])), int((*sys.argv, 0)[6])
    done = asyncio.run(run_clients(port, clients, requests, faces, pictures, bad_every))
    print(json.dumps(done))
