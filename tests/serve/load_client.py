"""Clients of a server on this machine: so many send faces at once, each the next when answered.

    python tests/serve/load_client.py PORT CLIENTS REQUESTS FACES FOLDER

FOLDER holds PNG files of faces; a request has FACES of them. Prints a JSON object.
"""

import asyncio
import json
import sys
import time
from pathlib import Path


def request_bytes(faces: list[bytes]) -> bytes:
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
    head = f"POST /api/crops HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    return int(head.split()[1]), await reader.readexactly(length)


async def run_clients(
    port: int, clients: int, requests: int, faces: int, pictures: list[bytes]
) -> dict[str, float]:
    """Returns errors, seconds and latencies of so many requests of all clients together."""
    bodies = [
        request_bytes([pictures[(k * faces + j) % len(pictures)] for j in range(faces)])
        for k in range(max(1, len(pictures) // faces))
    ]
    numbers, taken, errors = iter(range(requests)), list[float](), 0

    async def client() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            begun = time.perf_counter()
            writer.write(bodies[number % len(bodies)])
            status, body = await _answer(reader)
            taken.append(time.perf_counter() - begun)
            errors += status != 200 or body.count(b'"confidence"') != faces
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - begun
    taken.sort()
    return {
        "requests": len(taken),
        "errors": errors,
        "seconds": seconds,
        "faces_a_second": faces * len(taken) / seconds,
        "p50_ms": 1000 * taken[len(taken) // 2],
        "p99_ms": 1000 * taken[int(len(taken) * 0.99)],
    }


if __name__ == "__main__":
    port, clients, requests, faces = map(int, sys.argv[1:5])
    pictures = [path.read_bytes() for path in sorted(Path(sys.argv[5]).glob("*.png"))]
    print(json.dumps(asyncio.run(run_clients(port, clients, requests, faces, pictures))))
