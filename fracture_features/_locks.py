"""Files that one process at a time holds, and temporary folders that no killed process leaves for ever."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX = "fracture_features_"
LOCK = ".lock"


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold the file `path`, made for it and removed at the end; gives False where another process holds it.

    The system lets go of it when the process ends, however it ends. Where there are no such locks (Windows) it always
    gives True.
    """
    if fcntl is None:
        yield True
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    is_mine = _lock(descriptor, path)
    try:
        yield is_mine
    finally:
        if is_mine:
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    # Its last holder may have removed it meanwhile.
    return path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A folder for this process alone, removed at the end; those of processes that were killed are removed first.

    Its lock stands beside it, is there before it and goes after it: what a kill leaves can be told from what is in use.
    """
    _remove_abandoned()
    lock = Path(tempfile.gettempdir()) / f"{PREFIX}{uuid4().hex}{LOCK}"
    with held(lock) as is_mine:
        if not is_mine:  # taken for an abandoned one before it was locked
            with temporary_folder() as folder:
                yield folder
            return
        own = lock.with_suffix("")
        own.mkdir(mode=0o700)
        try:
            yield str(own)
        finally:
            shutil.rmtree(own, ignore_errors=True)


def _remove_abandoned() -> None:
    """Remove this user's folders whose lock nobody holds."""
    if fcntl is None:
        return
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*{LOCK}"):
        try:
            if lock.lstat().st_uid != os.getuid():
                continue
            with held(lock) as is_abandoned:
                if is_abandoned:
                    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        except FileNotFoundError:  # its owner has removed it meanwhile
            continue
