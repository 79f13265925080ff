"""The routes."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ..model import FractureModel
from ._guard import JSON, Guard
from ._limits import BUSY, Busy, Limits
from ._service import NOTICE, Service
from ._uploads import Upload, received

PAGE = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
Answer = Callable[[Upload], dict[str, Any]]


def make_app(model: FractureModel, *, host: str = "127.0.0.1") -> Starlette:
    r"""Make the ASGI application: the page, and POST /predict.

    Parameters
    ----------
    model : FractureModel
        As `load_model` gives it.
    host : str, default="127.0.0.1"
        Address it will be served at; requests that name another host are refused.

    Returns
    -------
    app : starlette.applications.Starlette

    See Also
    --------
    serve_model : Serve it until Ctrl-C.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_pipeline, make_radiographs, train_model
    >>> from fracture_features.serve import make_app
    >>> data = load_folder(make_radiographs(60, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> model = train_model(make_pipeline("edges", "svm", image_size=48), data, random_state=0)
    >>> [route.path for route in make_app(model).routes]
    ['/', '/page.css', '/page.js', '/model', '/predict', '/picture', '/map']
    """
    service, limits = Service(model), Limits()
    about = service.about()

    async def predict(request: Request) -> Response:
        rows = await _answers(request, limits, service.predict)
        return JSON({"predictions": rows, "model": about["name"], "notice": NOTICE})

    async def show_model(request: Request) -> Response:
        return JSON(about)

    routes = [Route(path, _file(*named), methods=["GET"]) for path, named in PAGE.items()]
    routes += [
        Route("/model", show_model, methods=["GET"]),
        Route("/predict", predict, methods=["POST"]),
        Route("/picture", _one(limits, service.picture), methods=["POST"]),
        Route("/map", _one(limits, service.heat_map), methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, host=host)],
        exception_handlers={HTTPException: _refused, Busy: _busy, ClientDisconnect: _gone, Exception: _failed},
    )


def _file(name: str, media_type: str) -> Callable[[Request], Any]:
    data = (files(__package__) / name).read_bytes()

    async def show(request: Request) -> Response:
        return Response(data, media_type=media_type)

    return show


def _one(limits: Limits, answer: Answer) -> Callable[[Request], Any]:
    async def handle(request: Request) -> Response:
        return JSON((await _answers(request, limits, answer))[0])

    return handle


async def _answers(request: Request, limits: Limits, answer: Answer) -> list[dict[str, Any]]:
    """The answer to each file of a request, in their order."""
    with limits.place():
        async with received(request, limits) as uploads:
            return await anyio.to_thread.run_sync(lambda: [answer(upload) for upload in uploads])


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSON({"error": error.detail}, error.status_code, headers=error.headers)


async def _busy(request: Request, error: Exception) -> Response:
    return JSON({"error": "the model is busy; try again"}, 503, headers=BUSY)


async def _gone(request: Request, error: Exception) -> Response:
    return JSON({"error": "the request did not arrive whole"}, 400)


async def _failed(request: Request, error: Exception) -> Response:
    return JSON({"error": "the server failed; its window shows why"}, 500)
