"""Time stores that a cache of values per image could be, next to the one that it is.

    python benchmarks/bench_cache.py [--count 2459]

Values are 256 x 256 pixels and rows of 8 KB, written in blocks and read one at a time from a warm page cache, by one
thread, two threads and two processes. LMDB is timed where it is installed. "map": whether reading maps the store's
files, so that one cut short ends the process; "check": whether a flipped bit is noticed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from _about import write_results

from fracture_features.cache import open_cache

BLOCK = 16
Items = list[tuple[bytes, bytes]]


class Library:
    """What the library has: a file for each block that is kept, moved to its place when it is whole."""

    traits = "map no, check yes"

    def __init__(self, folder: str):
        cache = open_cache(folder)
        self.put = cache.put
        self.get: Callable[[bytes], Any] = lambda key: cache.get([key])[0]


class FilePerValue:
    """A file for each value, in 256 folders."""

    traits = "map no, check yes"

    def __init__(self, folder: str):
        self.folder = folder
        for i in range(256):
            os.makedirs(f"{folder}/{i:02x}", exist_ok=True)

    def put(self, items: Items) -> None:  # noqa: D102
        for key, value in items:
            path = f"{self.folder}/{key[:1].hex()}/{key.hex()}"
            with open(f"{path}.part", "wb") as file:
                file.write(xxhash.xxh3_128_digest(value) + value)
            os.replace(f"{path}.part", path)

    def get(self, key: bytes) -> bytes | None:  # noqa: D102
        with open(f"{self.folder}/{key[:1].hex()}/{key.hex()}", "rb", buffering=0) as file:
            data = file.read()
        return data[16:] if xxhash.xxh3_128_digest(data[16:]) == data[:16] else None


class Segments:
    """A file for each process that writes, to which it appends; a kill leaves half a value at its end."""

    traits = "map no, check yes"

    def __init__(self, folder: str):
        Path(folder).mkdir(exist_ok=True)
        self.file = os.open(f"{folder}/{os.getpid()}", os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        self.lock, self.index = threading.Lock(), {}
        for path in Path(folder).iterdir():
            self._scan(os.open(path, os.O_RDONLY))

    def _scan(self, file: int) -> None:
        place = 0
        while len(head := os.pread(file, 40, place)) == 40:
            size = int.from_bytes(head[16:24], "little")
            self.index[head[:16]] = file, place + 40, size, head[24:]
            place += 40 + size

    def put(self, items: Items) -> None:  # noqa: D102
        with self.lock:
            place, parts = os.fstat(self.file).st_size, []
            for key, value in items:
                check = xxhash.xxh3_128_digest(value, 1)
                parts += [key, len(value).to_bytes(8, "little"), check, value]
                self.index[key] = self.file, place + 40, len(value), check
                place += 40 + len(value)
            os.write(self.file, b"".join(parts))

    def get(self, key: bytes) -> bytes | None:  # noqa: D102
        file, place, size, check = self.index[key]
        value = os.pread(file, size, place)
        return value if xxhash.xxh3_128_digest(value, 1) == check else None


class Sqlite:
    """One database; a connection for each thread."""

    traits = "map no, check by us"
    mode = "DELETE"

    def __init__(self, folder: str):
        Path(folder).mkdir(exist_ok=True)
        self.path, self.local = f"{folder}/values.db", threading.local()
        with self._connection() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS v (k BLOB PRIMARY KEY, c BLOB, v BLOB) WITHOUT ROWID")

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self.local, "connection"):
            connection = self.local.connection = sqlite3.connect(self.path, timeout=60)
            connection.execute(f"PRAGMA journal_mode={self.mode}")
            connection.execute("PRAGMA synchronous=OFF")
        return self.local.connection

    def put(self, items: Items) -> None:  # noqa: D102
        rows = [(key, xxhash.xxh3_128_digest(value), value) for key, value in items]
        with self._connection() as connection:
            connection.executemany("INSERT OR REPLACE INTO v VALUES (?, ?, ?)", rows)

    def get(self, key: bytes) -> bytes | None:  # noqa: D102
        check, value = self._connection().execute("SELECT c, v FROM v WHERE k = ?", (key,)).fetchone()
        return value if xxhash.xxh3_128_digest(value) == check else None


class SqliteWal(Sqlite):
    """The same with a write-ahead log, whose index is a memory map."""

    traits = "map yes (the log's index), check by us"
    mode = "WAL"


class Lmdb:
    """A memory map."""

    traits = "map yes, check no"

    def __init__(self, folder: str):
        import lmdb

        self.store = lmdb.open(folder, map_size=1 << 36, max_readers=1024)

    def put(self, items: Items) -> None:  # noqa: D102
        with self.store.begin(write=True) as transaction:
            for key, value in items:
                transaction.put(key, value)

    def get(self, key: bytes) -> bytes | None:  # noqa: D102
        with self.store.begin() as transaction:
            return transaction.get(key)


STORES = (Library, FilePerValue, Segments, Sqlite, SqliteWal, Lmdb)


def items_of(name: int, count: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    rng = np.random.default_rng(name)
    base = rng.bytes(size)
    for i in range(count):
        key = xxhash.xxh3_128_digest(f"{name} {size} {i}".encode())
        yield key, key + base[16:]


def write(make: Any, folder: str, name: int, count: int, size: int) -> None:
    store, items = make(folder), list(items_of(name, count, size))
    for i in range(0, count, BLOCK):
        store.put(items[i : i + BLOCK])


def read(make: Any, folder: str, name: int, count: int, size: int, store: Any = None) -> None:
    store = store or make(folder)
    for i in range(count):
        key = xxhash.xxh3_128_digest(f"{name} {size} {i}".encode())
        assert store.get(key)[:16] == key


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return round(time.perf_counter() - start, 3)


def together(kind: Any, target: Any, arguments: list[tuple[Any, ...]]) -> None:
    workers = [kind(target=target, args=each) for each in arguments]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def measure(make: Any, count: int, size: int) -> dict[str, float]:
    """Seconds of each task."""
    process = multiprocessing.get_context("fork").Process
    with tempfile.TemporaryDirectory() as folder:
        both, one = f"{folder}/both", f"{folder}/one"
        found = {"write, 1 process": seconds(lambda: write(make, one, 0, count, size))}
        halves = [(make, both, name, count // 2, size) for name in range(2)]
        make(both)
        found["write, 2 processes, half each"] = seconds(lambda: together(process, write, halves))
        store = make(one)
        found["files"] = sum(path.is_file() for path in Path(one).rglob("*"))
        found["read, 1 thread"] = min(seconds(lambda: read(make, one, 0, count, size, store)) for _ in range(3))
        shared = [(make, one, 0, count // 2, size, store)] * 2
        found["read, 2 threads, half each"] = seconds(lambda: together(threading.Thread, read, shared))
        found["read, 2 processes, half each"] = seconds(lambda: together(process, read, halves))
    return found


def main() -> None:
    """Print and write the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2459)
    count = parser.parse_args().count
    results: dict[str, Any] = {}
    for make in STORES:
        for what, size in (("pixels, 64 KB", 1 << 16), ("features, 8 KB", 1 << 13)):
            try:
                found = measure(make, count, size)
            except ImportError:
                print(f"{make.__name__}: not installed")
                break
            results.setdefault(f"{make.__name__} ({make.traits})", {})[what] = found
            print(f"{make.__name__:10} {what:15} {found}", flush=True)
    write_results("cache", results, values=count)


if __name__ == "__main__":
    main()
