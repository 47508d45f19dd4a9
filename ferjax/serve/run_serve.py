"""Runs `launch.serve`: a socket, the application, and a stop that finishes running requests."""

import ipaddress
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from ferjax.config.serve_config import ServeConfig
from ferjax.errors import UserError
from ferjax.live.open_video import pyav
from ferjax.serve.app import make_app
from ferjax.serve.metrics import make_metrics, serve_package
from ferjax.serve.recogniser import load_recogniser
from ferjax.serve.service import make_service

# Connections that wait to be accepted.
_BACKLOG = 256
# Seconds that an idle connection is kept.
_KEEP_ALIVE = 30


def run_serve(config: ServeConfig) -> str:
    """Serves the page and the API until Ctrl-C or SIGTERM; returns a summary in one line.

    Requests that run at the signal are finished, within `config.max_seconds`; new requests are
    refused.

    Raises:
      UserError: a missing package, no such network, or an address or port that cannot be used.
      Exception: an error that ended the compilation of the network.
    """
    uvicorn = serve_package("uvicorn")
    metrics = make_metrics()
    pyav()
    with _listening(config) as listener:
        recogniser = load_recogniser(config)
        # A second check after `open_picture`, for decoders that learn the size of an image later.
        Image.MAX_IMAGE_PIXELS = config.max_pixels
        servers: list[Any] = []

        def end() -> None:
            servers[0].should_exit = True

        service = make_service(config, recogniser, metrics, end)
        settings = uvicorn.Config(
            make_app(service),
            # Only errors are logged: a log of requests would store who sent what.
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=config.trusted_proxy is not None,
            forwarded_allow_ips=config.trusted_proxy or "",
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=config.max_seconds,
            backlog=_BACKLOG,
        )
        servers.append(uvicorn.Server(settings))
        _say_where(config, listener)
        with _stopping_quietly():
            servers[0].run(sockets=[listener])
    for error in service.failures:
        raise error
    return "stopped"


@contextmanager
def _listening(config: ServeConfig) -> Iterator[socket.socket]:
    """Yields a socket that listens at the address and port."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # Allows a port whose last connections have just ended.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((config.host, config.port))
            # A client that connects while the network is loaded waits.
            listener.listen(_BACKLOG)
        # A name that cannot be looked up, such as `a..b`, raises a UnicodeError.
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"--host={config.host} --port={config.port}: cannot be listened at"
                f" ({reason}). Give another --port, or 0 for a free one."
            ) from None
        yield listener


def _say_where(config: ServeConfig, listener: socket.socket) -> None:
    """Prints the address, and a warning if other machines can reach it."""
    port = listener.getsockname()[1]
    host = f"[{config.host}]" if ":" in config.host else config.host
    print(f"http://{host}:{port}  (API: /api, stop: Ctrl-C)", flush=True)
    if not _is_local(config.host):
        print(
            f"warning: --host={config.host} lets other machines in. There is no password and no"
            " encryption, and browsers give a camera only to https: put a proxy before it"
            " (docs/serve.md).",
            file=sys.stderr,
            flush=True,
        )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _stopping_quietly() -> Iterator[None]:
    """Ignores the Ctrl-C or SIGTERM that uvicorn raises again after it has stopped."""

    def ignore(number: int, frame: Any) -> None:
        pass

    handlers = {each: signal.signal(each, ignore) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
