"""The local app over HTTP: a page, its style and script, and what they ask for. Nothing is kept of what is sent."""

from collections.abc import Callable
from importlib.resources import files
from typing import Annotated, TypeVar

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

import firebit
from firebit.errors import DataError, FirebitError, UsageError
from firebit.web.answers import LayerUnits, Nearest, NetworkFacts, Problem, Seen, Segments, Smallest
from firebit.web.guard import App, Guard
from firebit.web.lens import FILL, Lens
from firebit.web.neighbours import MOST, Pictures, is_value, nearest
from firebit.web.page import asset, render, style
from firebit.web.upload import Desk, Limits, RefusedError, received

_MOST_REMOVED = 4_096
_SCRIPTS = ("ask.js", "parts.js", "units.js", "serve.js")

Result = TypeVar("Result")


def make_app(
    lens: Lens, store: Pictures | None = None, limits: Limits | None = None, names: frozenset[str] = frozenset()
) -> App:
    """The app that :func:`firebit.web.serve` runs, as ASGI.

    Args:
        lens: the network to look through.
        store: where nearest pictures come from; None: nowhere.
        limits: what it takes.
        names: host names it answers to, besides "localhost" and addresses.
    """
    bounds = limits or Limits()
    app = FastAPI(title="Firebit", version=firebit.__version__, docs_url=None, redoc_url=None)
    _add_pages(app, lens)
    desk = Desk(bounds)
    _add_facts(app, lens, store, bounds, desk)
    _add_pictures(app, lens, store, bounds, desk)
    _add_errors(app)
    return Guard(app, names)


def _add_pages(app: FastAPI, lens: Lens) -> None:
    page = render("serve.html", name=lens.name, version=firebit.__version__)
    sheet, code = str(style("base.css", "serve.css")), "".join(map(asset, _SCRIPTS))

    @app.get("/", include_in_schema=False)
    def index() -> HTMLResponse:
        return HTMLResponse(page)

    @app.get("/app.css", include_in_schema=False)
    def looks() -> Response:
        return Response(sheet, media_type="text/css")

    @app.get("/app.js", include_in_schema=False)
    def script() -> Response:
        return Response(code, media_type="text/javascript")

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        return Response(files("firebit.web").joinpath("static", "icon.svg").read_bytes(), media_type="image/svg+xml")


def _add_facts(app: FastAPI, lens: Lens, store: Pictures | None, limits: Limits, desk: Desk) -> None:
    network = lens.network

    @app.get("/api/network")
    def facts() -> NetworkFacts:
        """The network that is served."""
        return NetworkFacts(
            name=lens.name,
            fingerprint=network.fingerprint,
            input=list(network.input_shape),
            layers=list(lens.layers),
            classes=list(lens.classes),
            data=lens.pictures.name if lens.pictures else None,
            store=store.name if store else None,
            stored=len(store) if store else 0,
            most_bytes=limits.most_bytes,
        )

    @app.get("/api/units")
    async def units(layer: str) -> LayerUnits:
        """What labelled pictures say of the units of a layer."""
        return await desk.answer(lambda: lens.units(layer))


def _add_pictures(app: FastAPI, lens: Lens, store: Pictures | None, limits: Limits, desk: Desk) -> None:
    async def answered(request: Request, compute: Callable[[bytes], Result]) -> Result:
        content = await received(request, limits)
        return await desk.answer(lambda: compute(content))

    @app.post("/api/see", openapi_extra=_BODY)
    async def see(
        request: Request,
        layer: str,
        removed: Annotated[list[int] | None, Query(max_length=_MOST_REMOVED)] = None,
        fill: str = FILL,
    ) -> Seen:
        """What the network makes of the picture in the body, some of whose segments may be removed."""
        return await answered(
            request, lambda content: lens.see(lens.decode(content, limits.most_pixels), layer, removed or (), fill)
        )

    @app.post("/api/segments", openapi_extra=_BODY)
    async def segments(request: Request, layer: str) -> Segments:
        """What changes when each segment of the picture in the body is removed."""
        return await answered(request, lambda content: lens.segments(lens.decode(content, limits.most_pixels), layer))

    @app.post("/api/smallest", openapi_extra=_BODY)
    async def smallest(request: Request, layer: str, unit: Annotated[int, Query(ge=0)]) -> Smallest:
        """The smallest part of the picture in the body that leaves a unit's bit as it is."""
        return await answered(
            request, lambda content: lens.smallest(lens.decode(content, limits.most_pixels), layer, unit)
        )

    @app.post("/api/nearest", openapi_extra=_BODY)
    async def near(
        request: Request, k: Annotated[int, Query(ge=1, le=MOST)] = 12, key: str | None = None, value: str | None = None
    ) -> Nearest:
        """The stored pictures nearest to the one in the body; with `key` and `value`, of those that have this value."""
        if store is None:
            raise RefusedError(404, "There is no store.", "Start the app with --store.")
        where = is_value(key, value) if key and value is not None else None

        def compute(content: bytes) -> Nearest:
            code = lens.network.codes(lens.decode(content, limits.most_pixels)[None], store.layer)[0]
            return nearest(store, code, k, where)

        return await answered(request, compute)


_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/png", "image/jpeg")},
    }
}


def _add_errors(app: FastAPI) -> None:
    """Every refusal is one sentence of what is wrong and one of what to do."""

    @app.exception_handler(RefusedError)
    def refused(request: Request, error: RefusedError) -> JSONResponse:
        return _problem(error.status, error.problem, error.remedy)

    @app.exception_handler(FirebitError)
    def failed(request: Request, error: FirebitError) -> JSONResponse:
        status = 422 if isinstance(error, DataError) else 400 if isinstance(error, UsageError) else 503
        return _problem(status, error.problem, error.remedy)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        name = first["loc"][-1] if len(first["loc"]) > 1 else "the request"
        return _problem(400, f"{name}: {first['msg']}.", "Correct it and send it again.")

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> JSONResponse:
        return _problem(error.status_code, f"{error.detail}.", "See /openapi.json for what there is.")


def _problem(status: int, problem: str, remedy: str) -> JSONResponse:
    return JSONResponse(Problem(problem=problem, remedy=remedy).model_dump(), status)
