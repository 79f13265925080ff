"""Files out of a request, in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import anyio
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from . import _limits
from ._limits import Limits

FIELD = "file"
EXPECTED = f"expected multipart/form-data with one or several fields {FIELD!r}, each a file"


class Upload(NamedTuple):
    """A file as its sender names it, which is told to the sender alone, and its bytes."""

    name: str
    data: bytes


class _InMemory(MultiPartParser):
    spool_max_size = 0  # never moved into a temporary file


@asynccontextmanager
async def received(request: Request, limits: Limits) -> AsyncIterator[list[Upload]]:
    """The files of a request, whose bytes count among those held until the block ends.

    Raises
    ------
    starlette.exceptions.HTTPException
        400 if it is no such request or holds no or too many files, 408 if it takes too long to arrive, 413 if it or a
        file in it is too large, 503 if others fill the memory.
    """
    taken = 0

    async def stream() -> AsyncGenerator[bytes, None]:
        nonlocal taken
        async for chunk in request.stream():
            _check_body(taken + len(chunk))
            limits.take(len(chunk))
            taken += len(chunk)
            yield chunk

    try:
        yield await _files(await _parsed(request, stream()))
    finally:
        limits.give(taken)


async def _parsed(request: Request, stream: AsyncGenerator[bytes, None]) -> FormData:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(400, EXPECTED)
    length = request.headers.get("content-length", "")
    if length.isdecimal():
        _check_body(int(length[:20]))
    try:
        with anyio.fail_after(_limits.SECONDS):
            return await _InMemory(request.headers, stream, max_files=_limits.MAX_FILES, max_fields=20).parse()
    except TimeoutError as error:
        raise HTTPException(408, f"the request took longer than {_limits.SECONDS} s to arrive") from error
    except MultiPartException as error:
        raise HTTPException(400, f"{error.message} {EXPECTED}") from error
    except ValueError as error:  # of a codec that the sender names
        raise HTTPException(400, f"the request cannot be decoded; {EXPECTED}") from error


def _check_body(n_bytes: int) -> None:
    if n_bytes > _limits.MAX_BODY:
        raise HTTPException(413, f"the request is larger than {_limits.MAX_BODY:,} bytes; send fewer files at once")


async def _files(form: FormData) -> list[Upload]:
    uploads: list[Upload] = []
    try:
        for value in form.getlist(FIELD):
            if not isinstance(value, UploadFile):
                raise HTTPException(400, f"a field {FIELD!r} is no file; {EXPECTED}")
            if (value.size or 0) > _limits.MAX_FILE:
                raise HTTPException(413, f"file {len(uploads) + 1} is larger than {_limits.MAX_FILE:,} bytes")
            uploads.append(Upload(value.filename or "", await value.read()))
    finally:
        await form.close()
    if not uploads:
        raise HTTPException(400, f"no file; {EXPECTED}")
    return uploads
