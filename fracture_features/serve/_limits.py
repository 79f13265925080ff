"""How much is taken from clients, together and each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException

MAX_FILE = 64 << 20  # bytes
MAX_FILES = 20  # in one request
MAX_BODY = 256 << 20  # bytes of one request
MAX_HELD = 512 << 20  # bytes of all requests at once
MAX_REQUESTS = 32  # at once, fewer than there are threads
SECONDS = 60  # for a request to arrive, and then for the model to be free
BUSY = {"Retry-After": "2"}


class Busy(Exception):
    """The model was not free in time."""


class Limits:
    """What all requests to one server have in hand together."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(MAX_REQUESTS)
        self._lock = threading.Lock()
        self.held = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the requests at once; HTTPException 503 where there are too many."""
        if not self._places.acquire(blocking=False):
            raise HTTPException(503, f"{MAX_REQUESTS} requests are being answered; try again", headers=BUSY)
        try:
            yield
        finally:
            self._places.release()

    def take(self, n: int) -> None:
        """Hold that many bytes; HTTPException 503 where there would be too many."""
        with self._lock:
            if self.held + n > MAX_HELD:
                raise HTTPException(503, "other uploads fill the memory; try again", headers=BUSY)
            self.held += n

    def give(self, n: int) -> None:
        """Hold that many bytes less."""
        with self._lock:
            self.held -= n
