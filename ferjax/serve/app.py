"""The application: routes, pages and their checks, as ASGI."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ferjax
from ferjax.errors import printable
from ferjax.serve.answers import (
    Answer,
    Faces,
    Form,
    View,
    answer_clip,
    answer_crops,
    answer_explain,
    answer_faces,
    answer_table,
    json_answer,
)
from ferjax.serve.card import card_values
from ferjax.serve.guard import Guard
from ferjax.serve.limits import Refused, RequestRate
from ferjax.serve.metrics import serve_package
from ferjax.serve.pages import STATIC_FOLDER, api_page, first_page
from ferjax.serve.schema import answer_schemas, documented
from ferjax.serve.service import Service, start, stop

_DESCRIPTION = (
    "Names the expressions of faces. Pictures and videos are read into memory, and nothing of them"
    " is kept when a request is answered."
)
_NO_TELEMETRY = dict.fromkeys(("tracing", "metrics", "logs", "auto_configure"), False)
# Names that are always allowed; numeric addresses are always allowed, too.
_LOCAL_NAMES = ("localhost",)
# Status → error text for an address that is not served, or not with this method.
_REASONS = {
    404: "{path}: there is no such address; /api lists all",
    405: "{path} does not take {method}; expected {allowed} (/api says what it answers)",
}


def make_app(service: Service) -> Guard:
    """Returns the application of a service, behind its checks.

    Its threads start and stop with the server (the lifespan of ASGI); `/ready` says when everything
    is compiled.

    Raises:
      UserError: a package of the extra `serve` is missing.
    """
    fastapi = serve_package("fastapi")
    serve_package("python_multipart")

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        starting = asyncio.create_task(start(service))
        try:
            yield
        finally:
            starting.cancel()
            await asyncio.to_thread(stop, service)

    app = fastapi.FastAPI(
        title="ferjax",
        version=ferjax.__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        # FastAPI's own pages load their code from another host.
        docs_url=None,
        redoc_url=None,
        # FastAPI 0.165 sends traces to whatever OTEL_EXPORTER_OTLP_ENDPOINT names; earlier versions
        # take the argument and do nothing with it.
        telemetry=_NO_TELEMETRY,
    )
    app.state.service = service
    _add_api(app, service)
    _add_pages(app, service)
    _add_refusals(app)
    config = service.config
    names = {*_LOCAL_NAMES, config.host.lower(), *(name.lower() for name in config.allowed_hosts)}
    guard = Guard(
        app,
        hosts=frozenset(names),
        rate=RequestRate(config.rate),
        limits=service.limits,
        metrics=service.metrics,
    )
    service.metrics.watch(lambda: service.batcher.waiting, lambda: guard.under_way)
    return guard


def _add_api(app: Any, service: Service) -> None:
    """Adds the routes that name faces."""
    from fastapi import Request, Response

    values = card_values(service.recogniser, service.limits, service.config.rate)

    def response(answer: Answer) -> Response:
        return Response(answer.body, media_type=answer.kind, headers=answer.headers())

    @app.post("/api/faces", **documented("Picture", several=False))
    async def faces(request: Request, faces: Faces = "auto", view: View = "picture") -> Response:
        """Names every face of one picture.

        `faces=auto` searches faces in pictures of more than 256 pixels and takes smaller ones for a
        face; `crop` always searches, `whole` never. `view=camera` looks for faces of 60 pixels and
        more, which is faster; `picture` for those of 20 and more.
        """
        return response(await answer_faces(service, request, faces, view))

    @app.post("/api/crops", **documented("Rows", several=True))
    async def crops(request: Request) -> Response:
        """Names pictures that are one face each, cropped close: one row for each, in order."""
        return response(await answer_crops(service, request))

    @app.post("/api/table", **documented("text/csv", several=True))
    async def table(request: Request, faces: Faces = "auto") -> Response:
        """Names every face of several pictures, as a csv with the columns of launch.predict."""
        return response(await answer_table(service, request, faces))

    @app.post("/api/clip", **documented("Clip", several=False, kind="video/*"))
    async def clip(request: Request, format: Form = "json") -> Response:
        """Follows the persons of a video and names their faces in every frame."""
        return response(await answer_clip(service, request, format))

    @app.post("/api/explain", **documented("image/png", several=False))
    async def explain(
        request: Request,
        face: int = 0,
        faces: Faces = "auto",
        method: str | None = None,
        emotion: str | None = None,
    ) -> Response:
        """Draws over one face of a picture what speaks for an emotion.

        The face is counted as in the answer of /api/faces. Without `emotion` the most probable one
        is explained; /api/card lists the values of `method`, the default first.
        """
        return response(await answer_explain(service, request, face, faces, method, emotion))

    @app.get("/api/card", summary="Card", tags=["about"])
    async def card() -> Response:
        """What the network is, what it was trained on, its scores, intended use and limits."""
        return response(json_answer(values))


def _add_pages(app: Any, service: Service) -> None:
    """Adds the pages with their files, and the routes for health and metrics."""
    from fastapi import Request
    from fastapi.responses import HTMLResponse, JSONResponse, Response
    from starlette.staticfiles import StaticFiles

    page = first_page(service.recogniser, service.limits, service.config.rate)
    hidden: dict[str, Any] = {"include_in_schema": False}
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER), name="static")

    @app.get("/", **hidden)
    async def first() -> Response:
        return HTMLResponse(page)

    @app.get("/api", **hidden)
    async def api(request: Request) -> Response:
        return HTMLResponse(api_page(app.openapi(), str(request.base_url)))

    @app.get("/health", tags=["about"], summary="Health")
    async def health() -> Response:
        """Says that the server runs."""
        return JSONResponse({"status": "running"})

    @app.get("/ready", tags=["about"], summary="Ready")
    async def ready() -> Response:
        """Says whether everything is compiled and requests are answered; 503 until then."""
        is_ready = service.ready.is_set()
        return JSONResponse(
            {"status": "ready" if is_ready else "starting"}, 200 if is_ready else 503
        )

    @app.get("/metrics", tags=["about"], summary="Metrics")
    async def metrics() -> Response:
        """Counters in the text format of Prometheus."""
        body, kind = service.metrics.page()
        return Response(body, media_type=kind)

    schemas = answer_schemas(service.recogniser.classes)
    make_document = app.openapi

    def openapi() -> dict[str, Any]:
        document = make_document()
        document.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
        return document

    app.openapi = openapi


def _add_refusals(app: Any) -> None:
    """Adds handlers that answer every refused request with its reason, as JSON in one form."""
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from starlette.datastructures import Headers
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        headers = {**error.headers(), "Connection": "close"}
        return JSONResponse({"error": error.message}, error.status, headers)

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> JSONResponse:
        return JSONResponse({"error": "the client has left"}, 499)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> JSONResponse:
        reason = _REASONS.get(error.status_code, "{detail}").format(
            detail=error.detail,
            method=request.method,
            path=printable(request.url.path),
            allowed=Headers(error.headers).get("allow", "another method"),
        )
        return JSONResponse({"error": reason}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def wrong_query(request: Request, error: RequestValidationError) -> JSONResponse:
        reason = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
        return JSONResponse({"error": reason}, 422)
