"""Metrics of the server for Prometheus; none of them describes a picture or a person."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ferjax.runtime.optional_packages import require_package

# Histogram buckets: seconds of a request, from one face to a long video; faces of a batch.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_FACES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def serve_package(name: str) -> Any:
    """Returns a module of the extra `serve`; raises `UserError` if it is not installed."""
    return require_package(name, "serve", "launch.serve")


@dataclass(frozen=True)
class Metrics:
    """Counters of one server.

    Attributes:
      request: called for every answered request with its route, status and seconds.
      batch: called for every call of the network with its number of faces and its seconds.
      refused: called for every request that a limit refused, with the reason as one word.
      watch: called once with functions that return the numbers of waiting faces and of requests
        under way.
      page: returns the text of /metrics and its content type.
    """

    request: Callable[[str, int, float], None]
    batch: Callable[[int, float], None]
    refused: Callable[[str], None]
    watch: Callable[[Callable[[], int], Callable[[], int]], None]
    page: Callable[[], tuple[bytes, str]]


def make_metrics() -> Metrics:
    """Returns a server's counters, which begin at 0; raises `UserError` as `serve_package` does."""
    client = serve_package("prometheus_client")
    registry = client.CollectorRegistry()
    client.ProcessCollector(registry=registry)
    requests = client.Counter(
        "ferjax_requests", "Answered requests.", ["route", "status"], registry=registry
    )
    seconds = client.Histogram(
        "ferjax_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS, registry=registry
    )
    faces = client.Counter("ferjax_faces", "Faces named by the network.", registry=registry)
    batches = client.Histogram(
        "ferjax_batch_faces", "Faces of a call of the network.", buckets=_FACES, registry=registry
    )
    network = client.Counter("ferjax_network_seconds", "Time in the network.", registry=registry)
    refusals = client.Counter(
        "ferjax_refused_requests", "Requests that a limit refused.", ["reason"], registry=registry
    )
    waiting = client.Gauge("ferjax_waiting_faces", "Faces in the queue.", registry=registry)
    under_way = client.Gauge("ferjax_requests_under_way", "Requests.", registry=registry)

    def request(route: str, status: int, duration: float) -> None:
        requests.labels(route, str(status)).inc()
        seconds.labels(route).observe(duration)

    def batch(count: int, duration: float) -> None:
        faces.inc(count)
        batches.observe(count)
        network.inc(duration)

    def watch(count_waiting: Callable[[], int], count_under_way: Callable[[], int]) -> None:
        waiting.set_function(count_waiting)
        under_way.set_function(count_under_way)

    def page() -> tuple[bytes, str]:
        return client.generate_latest(registry), client.CONTENT_TYPE_LATEST

    return Metrics(request, batch, lambda reason: refusals.labels(reason).inc(), watch, page)
