"""Files of values: each is written whole, never changed, and carries checksums of all that is in it.

A file begins with HEAD: what it is, a checksum of the table, the table's size. The table has an ENTRY and the key of
each value; the values follow.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import xxhash

from .._write import whole_file

MAGIC = b"fracture_feature"
HEAD = struct.Struct("<16s16sQ")
ENTRY = struct.Struct("<IQ16s")  # sizes of key and value, checksum of both
# Waits for nothing, should a pipe have taken the file's place.
READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Damaged(Exception):
    """A file that is not what was written."""


class Place(NamedTuple):
    """Where a value is."""

    path: str
    offset: int
    size: int
    check: bytes


def write_values(path: str, values: Mapping[bytes, bytes]) -> dict[bytes, Place]:
    """Write a file, which its owner alone can read, and tell where each value is in it."""
    entries = (ENTRY.pack(len(key), len(value), _check(key, value)) + key for key, value in values.items())
    table = b"".join(entries)
    with whole_file(path) as part, open(part, "wb", opener=_open_private) as file:
        file.write(HEAD.pack(MAGIC, _check(table), len(table)) + table)
        file.writelines(values.values())
    return dict(_places(path, table))


def read_places(path: str) -> dict[bytes, Place]:
    """Tell where each value is in a file; Damaged if it is not as long as it says, or says nothing."""
    with open(path, "rb", buffering=0, opener=lambda path, _: os.open(path, READING)) as file:
        length = os.fstat(file.fileno()).st_size
        if length < HEAD.size:
            raise Damaged("it is cut short")
        magic, check, size = HEAD.unpack(file.read(HEAD.size))
        if magic != MAGIC or size > length or _check(table := file.read(size)) != check:
            raise Damaged("its checksum does not fit")
        places = dict(_places(path, table))
    if length != HEAD.size + size + sum(place.size for place in places.values()):
        raise Damaged("it is cut short")
    return places


def read_values(path: str, items: Sequence[tuple[bytes, Place]]) -> list[bytes]:
    """The values of keys that have their places in one file; Damaged if one is not what was written."""
    values = []
    file = os.open(path, READING)
    try:
        for key, place in items:
            os.lseek(file, place.offset, os.SEEK_SET)
            values.append(os.read(file, place.size))
            if _check(key, values[-1]) != place.check:
                raise Damaged("its checksum does not fit")
    finally:
        os.close(file)
    return values


def read_file(path: str) -> dict[bytes, bytes]:
    """All values of a file by key; Damaged if it or one of them is not what was written."""
    places = read_places(path)
    return dict(zip(places, read_values(path, list(places.items())), strict=True))


def _places(path: str, table: bytes) -> Iterator[tuple[bytes, Place]]:
    at, offset = 0, HEAD.size + len(table)
    while at < len(table):
        key_size, size, check = ENTRY.unpack_from(table, at)
        at += ENTRY.size + key_size
        yield table[at - key_size : at], Place(path, offset, size, check)
        offset += size


def _check(*parts: bytes) -> bytes:
    state = xxhash.xxh3_128()
    for part in parts:
        state.update(part)
    return state.digest()


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
