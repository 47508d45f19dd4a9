"""Checks the sender and the rate of every request, and adds headers to every answer.

A page of another site can make a browser send requests to a server on the same machine. The browser
states where a request comes from (Origin, Sec-Fetch-Site), and the name by which it has called the
server (Host). A foreign DNS server can map a name of its own to 127.0.0.1; such a name is refused.
"""

import ipaddress
import json
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ferjax.serve.limits import Limits, Refused, RequestRate
from ferjax.serve.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_CONTENT_POLICY = "; ".join(
    [
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"),
        *("img-src 'self' blob:", "media-src 'self' blob:", "form-action 'none'"),
        *("base-uri 'none'", "frame-ancestors 'none'"),
    ]
)
_HEADERS = [
    (b"content-security-policy", _CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_NOT_STORED = (b"cache-control", b"no-store")
# A Host header: an IPv6 address in brackets, or a name or another address; a port is optional.
_HOST = re.compile(r"(\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[\w.-]+))(:\d+)?", re.ASCII)
_STATIC = "/static/"
_READ_METHODS = ("GET", "HEAD")
_BUSY_RETRY_SECONDS = 1


class Guard:
    """The application behind its checks; `under_way` counts the requests in progress."""

    def __init__(
        self,
        app: App,
        *,
        hosts: frozenset[str],
        rate: RequestRate,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        """Puts checks before an application.

        Args:
          app: the application.
          hosts: allowed names of the server, lower case; numeric addresses are always allowed.
          rate: counts the requests of each address, except GET and HEAD.
          limits: states how many requests, except GET and HEAD, may be in progress together.
          metrics: counters.
        """
        self._app, self._hosts, self._rate = app, hosts, rate
        self._most_requests, self._metrics = limits.requests, metrics
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers an HTTP request; passes lifespan events on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        is_static = scope["path"].startswith(_STATIC)
        headers = _HEADERS if is_static else [*_HEADERS, _NOT_STORED]

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        needs_work = scope["method"] not in _READ_METHODS
        try:
            self._check(scope, needs_work)
        except Refused as refused:
            await answer_refused(refused, send_with_headers)
            self._metrics.request("refused", refused.status, time.perf_counter() - start)
            return
        self.under_way += needs_work
        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            self.under_way -= needs_work
            # Paths without a route are counted together: a client can invent any number of them.
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.request(route, status, time.perf_counter() - start)

    def _check(self, scope: Scope, needs_work: bool) -> None:
        """Raises `Refused` for a request that is not allowed."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not is_known_host(host, self._hosts):
            self._metrics.refused("host")
            raise Refused(
                421,
                "this server does not answer to that name; start it with"
                " --allowed_hosts=NAME to allow one",
            )
        if not needs_work:
            return
        if not is_same_origin(headers, host):
            self._metrics.refused("origin")
            raise Refused(403, "a page of another site must not send requests to this server")
        address = scope["client"][0] if scope.get("client") else ""
        if wait := self._rate.seconds_to_wait(address):
            self._metrics.refused("rate")
            raise Refused(429, f"too many requests a minute; try again in {wait} s", wait)
        if self.under_way >= self._most_requests:
            self._metrics.refused("busy")
            raise Refused(503, "too many requests at once; try again", _BUSY_RETRY_SECONDS)


def is_known_host(host: str, names: frozenset[str]) -> bool:
    """Returns whether a Host header, lower case, names this server.

    Numeric addresses are always allowed: no DNS server can redirect them.
    """
    parts = _HOST.fullmatch(host)
    if parts is None:
        return False
    name = parts["address"] or parts["name"]
    if name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_same_origin(headers: dict[bytes, bytes], host: str) -> bool:
    """Returns whether a request comes from this server's page, or not from a browser.

    Args:
      headers: headers of the request.
      host: Host header of the request, lower case.
    """
    site = headers.get(b"sec-fetch-site", b"none")
    if site not in (b"same-origin", b"none"):
        return False
    origin = headers.get(b"origin")
    if origin is None:
        return True
    scheme, _, rest = origin.decode("latin-1").lower().partition("://")
    return scheme in ("http", "https") and rest == host


async def answer_refused(refused: Refused, send: Send) -> None:
    """Answers a refused request with its reason as JSON, and closes the connection."""
    body = json.dumps({"error": refused.message}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        # The rest of the body is not read.
        (b"connection", b"close"),
        *((k.lower().encode(), v.encode()) for k, v in refused.headers().items()),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
