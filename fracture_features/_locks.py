"""Files that one process at a time holds, and temporary folders that no killed process leaves for ever."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    try:
        is_mine = _lock(descriptor, path)
        yield is_mine
        if is_mine:
            path.unlink(missing_ok=True)
    finally:
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
    """A folder for this process alone, removed at the end; those of processes that were killed are removed first."""
    _remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, held(Path(folder) / LOCK):
        content = Path(folder) / "content"
        content.mkdir()
        yield str(content)


def _remove_abandoned() -> None:
    """Remove folders of this user's whose lock nobody holds; one without a lock may just be coming into being."""
    if fcntl is None:
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        lock = folder / LOCK
        if folder.is_symlink() or not lock.is_file() or folder.stat().st_uid != os.getuid():
            continue
        with held(lock) as is_abandoned:
            if is_abandoned:
                shutil.rmtree(folder, ignore_errors=True)
