"""Faces of many requests in shared calls of a network."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ferjax.predict.predictor import padded_size
from ferjax.serve.batching import Batcher, faces_of_next_call
from ferjax.serve.limits import Refused


def face(value: int) -> np.ndarray:
    return np.full((1, 1, 3), value, np.uint8)


class Network:
    """Names a face by its first pixel; the first call waits until it may go on."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.go_on = threading.Event()
        self.error: Exception | None = None

    def __call__(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        self.batches.append(len(faces))
        self.go_on.wait(10)
        if self.error:
            raise self.error
        return np.array([[each[0, 0, 0]] for each in faces], np.float32)


def run(
    network: Network, work: Callable[[Batcher], Coroutine[Any, Any, None]], **given: Any
) -> None:
    async def main() -> None:
        settings = {"batch_size": 8, "most_waiting": 100, "wait_seconds": 0.0, **given}
        batcher = Batcher(network, **settings)
        try:
            await work(batcher)
        finally:
            network.go_on.set()
            batcher.close()

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_faces_that_come_during_a_call_share_the_next_one() -> None:
    network = Network()

    async def work(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.probabilities([face(1)]))
        await until(lambda: network.batches == [1])
        others = [asyncio.create_task(batcher.probabilities([face(k)])) for k in range(2, 9)]
        await until(lambda: batcher.waiting == 7)
        network.go_on.set()
        assert [row.tolist() for row in await asyncio.gather(first, *others)] == [
            [[k]] for k in range(1, 9)
        ]
        assert network.batches == [1, 7]

    run(network, work)


def test_a_large_request_takes_several_calls_and_lets_others_in() -> None:
    network = Network()
    network.go_on.set()

    async def work(batcher: Batcher) -> None:
        large = batcher.probabilities([face(k) for k in range(20)])
        small = batcher.probabilities([face(99), face(98)])
        rows, few = await asyncio.gather(large, small)
        assert rows[:, 0].tolist() == list(range(20))
        assert few[:, 0].tolist() == [99, 98]
        # 22 faces: two full calls, and six in the third.
        assert network.batches == [8, 8, 6]

    run(network, work)


@given(st.integers(0, 300), st.integers(1, 70))
@example(33, 45)
def test_a_call_is_full_to_three_quarters(waiting: int, batch_size: int) -> None:
    count = faces_of_next_call(waiting, batch_size)
    assert count <= min(waiting, batch_size)
    assert (count > 0) == (waiting > 0)
    assert count >= 0.75 * padded_size(count, batch_size) or count == waiting == 0


def test_an_error_reaches_the_requests_of_its_call_alone() -> None:
    network = Network()
    network.go_on.set()

    async def work(batcher: Batcher) -> None:
        network.error = ValueError("not finite")
        with pytest.raises(ValueError, match="not finite"):
            await batcher.probabilities([face(1)] * 12)
        network.error = None
        assert (await batcher.probabilities([face(2)])).tolist() == [[2]]

    run(network, work)


def test_faces_of_a_client_that_left_are_not_named() -> None:
    network = Network()

    async def work(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.probabilities([face(1)]))
        await until(lambda: network.batches == [1])
        left = asyncio.create_task(batcher.probabilities([face(2)] * 5))
        stayed = asyncio.create_task(batcher.probabilities([face(3)]))
        await until(lambda: batcher.waiting == 6)
        left.cancel()
        network.go_on.set()
        await asyncio.gather(first, stayed)
        assert network.batches == [1, 1]
        assert batcher.waiting == 0

    run(network, work)


def test_too_many_waiting_faces_are_refused() -> None:
    network = Network()

    async def work(batcher: Batcher) -> None:
        # A single request is named whatever its size.
        tasks = [asyncio.create_task(batcher.probabilities([face(1)] * 30))]
        await until(lambda: network.batches == [8])
        with pytest.raises(Refused, match="too many faces wait") as refused:
            await batcher.probabilities([face(2)])
        assert refused.value.status == 503
        assert refused.value.headers() == {"Retry-After": "1"}
        network.go_on.set()
        assert len(await tasks[0]) == 30

    run(network, work, most_waiting=16)


def test_a_face_waits_a_moment_for_others() -> None:
    network = Network()
    network.go_on.set()

    async def work(batcher: Batcher) -> None:
        tasks = []
        for k in range(4):
            tasks.append(asyncio.create_task(batcher.probabilities([face(k)])))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert network.batches == [4]

    run(network, work, wait_seconds=0.05)
