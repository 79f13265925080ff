"""Listen, answer, end."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from ..exceptions import FractureFeaturesError
from ..model import FractureModel
from ._app import make_app

MAX_CONNECTIONS = 64


def serve_model(
    model: FractureModel, *, host: str = "127.0.0.1", port: int = 8000, on_ready: Callable[[str], None] | None = None
) -> None:
    r"""Serve the page and POST /predict until Ctrl-C or SIGTERM, which is raised once the last answer is sent.

    Parameters
    ----------
    model : FractureModel
        From `load_model`.
    host : str, default="127.0.0.1"
        Address to listen at. At any but the loopback's everyone who reaches this machine can ask the model, and what
        they send and get can be read on the way: there is no password and no encryption.
    port : int, default=8000
        0 takes a free one.
    on_ready : callable, default=None
        Called with the page's address when requests are taken.

    Raises
    ------
    FractureFeaturesError
        If the address cannot be listened at.

    See Also
    --------
    make_app : The application alone, for another server.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_pipeline, make_radiographs, train_model
    >>> from fracture_features.serve import serve_model
    >>> folder = make_radiographs(60, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_folder(folder, groups=r"patient(\d+)")
    >>> model = train_model(make_pipeline("edges", "svm", image_size=48), data, random_state=0)
    >>> serve_model(model, port=0)  # doctest: +SKIP
    """
    with _listen(host, port) as listener:
        config = uvicorn.Config(
            make_app(model, host=host),
            access_log=False,  # no name of a client or file is written down
            h11_max_incomplete_event_size=1 << 16,
            http="h11",
            lifespan="off",
            limit_concurrency=MAX_CONNECTIONS,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=5,
            ws="none",
        )
        if on_ready is not None:
            name = f"[{host}]" if ":" in host else host
            on_ready(f"http://{name}:{listener.getsockname()[1]}/")
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=MAX_CONNECTIONS)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FractureFeaturesError(f"cannot listen at {host!r}, port {port}: {reason}") from error
