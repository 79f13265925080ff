"""Members of a zip file, written and read within limits; nothing is ever unpacked to disk.

Of what the format can do, this takes what `write_members` writes: no comments, no encryption, no 64-bit sizes, no data
before, between or after the members. Arrays are stored as they are, so that no small file can inflate to a large one.
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ..exceptions import ModelFileError

MANIFEST = "manifest.json"
SCHEMA = "skops/schema.json"
# Bytes to which the text members may inflate. Python needs up to 25 times as many for what they say.
LIMITS = {MANIFEST: 4 << 20, SCHEMA: 16 << 20}
LARGEST = 0xFFFFFFFF - (1 << 24)  # bytes of a file: offsets have 32 bits
MOST = 65534  # members
NAMES = re.compile(
    r"manifest\.json|skops/(schema\.json|\d{1,8}\.npy)|boosters/\d{1,8}\.ubj|arrays/[A-Za-z0-9_]{1,80}\.npy"
)
END = struct.Struct("<4s4H2LH")
HEADER = struct.Struct("<4s5H3L2H")
BLOCK = 1 << 20
WHEN = (1980, 1, 1, 0, 0, 0)  # the same model gives the same file
# What zipfile raises where a file is not as it should be: of a name that is no UTF-8 a ValueError.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OverflowError, RuntimeError),
    *(ValueError, IndexError, KeyError),
)
# What else people keep models in, by its first bytes.
FOREIGN = (
    (re.compile(rb"\x80[\x02-\x05]"), "a pickle, which can run any code when it is read"),
    (
        re.compile(rb"\x1f\x8b|x[\x01\x5e\x9c\xda]|BZh|\xfd7zXZ|\x04\x22\x4d\x18"),
        "compressed, as pickles of joblib are",
    ),
    (re.compile(rb"\x89HDF"), "an HDF5 file"),
    (re.compile(rb"\x93NUMPY"), "an array"),
    (re.compile(rb"\s*[{\[]"), "text"),
)


def write_members(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a zip file, the manifest first.

    Parameters
    ----------
    path : Path
    members : mapping of str to bytes

    Raises
    ------
    ModelFileError
        If they are too many or too large to be read again.
    """
    if len(members) > MOST or sum(map(len, members.values())) > LARGEST:
        raise ModelFileError(f"the model is larger than a model file can be: {MOST} members, {LARGEST:,} bytes")
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(members, key=lambda name: (name != MANIFEST, name)):
            if len(members[name]) > LIMITS.get(name, LARGEST):
                raise ModelFileError(
                    f"the model is larger than a model file can be: its {name} has {len(members[name]):,} bytes, "
                    f"at most {LIMITS[name]:,} are allowed"
                )
            info = zipfile.ZipInfo(name, WHEN)
            info.compress_type = zipfile.ZIP_DEFLATED if name in LIMITS else zipfile.ZIP_STORED
            info.external_attr = 0o100600 << 16
            archive.writestr(info, members[name])


class Members:
    """The members of an open file, their names and sizes checked; a context manager.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    ModelFileError
        If it is no such zip file.
    OSError
        If there is no file, or it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]):
        if os.path.exists(path) and not os.path.isfile(path):  # a pipe would be waited for
            raise ModelFileError("it is no regular file")
        self._file: BinaryIO = open(path, "rb")  # noqa: SIM115
        try:
            self.sizes = self._open()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Members:
        return self

    def __exit__(self, *error: object) -> None:
        self._archive.close()
        self._file.close()

    def read(self, name: str) -> bytes:
        """Content of a member, no more of it than the file's directory says."""
        info = self._archive.getinfo(name)
        blocks, left = [], info.file_size
        try:
            with self._archive.open(info) as stream:
                while left > 0 and (block := stream.read(min(left, BLOCK))):
                    blocks.append(block)
                    left -= len(block)
                if left or stream.read(1):
                    raise EOFError("it has another size than it says")
        except DAMAGED as error:
            raise ModelFileError(f"its {name} is damaged: {error}") from error
        return b"".join(blocks)

    def _open(self) -> dict[str, int]:
        """Name and size of each member."""
        count = _check_end(self._file)
        try:
            self._archive = zipfile.ZipFile(self._file)
        except DAMAGED as error:
            raise ModelFileError(f"it is a damaged zip file: {error}") from error
        infos = self._archive.infolist()
        if len(infos) != count:
            raise ModelFileError(f"its directory has {len(infos)} members, and says {count}")
        sizes: dict[str, int] = {}
        position = 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            _check_info(info)
            if info.filename in sizes:
                raise ModelFileError(f"it has two members of the name {info.filename!r}")
            if info.header_offset != position:
                raise ModelFileError(f"its member {info.filename!r} does not begin where the one before it ends")
            position += HEADER.size + len(info.filename) + info.compress_size
            sizes[info.filename] = info.file_size
        if position != self._archive.start_dir:
            raise ModelFileError("there is something between its last member and its directory")
        return sizes


def _check_end(file: BinaryIO) -> int:
    """Check the record at a file's end, by which a zip file is read, and give its number of members."""
    start = file.read(16)
    size = file.seek(0, os.SEEK_END)
    if not start:
        raise ModelFileError("it is empty")
    if not start.startswith(b"PK\x03\x04"):
        found = next((what for pattern, what in FOREIGN if pattern.match(start)), f"unknown, and begins with {start!r}")
        raise ModelFileError(f"expected a zip file with {MANIFEST}; found what is {found}")
    file.seek(max(size - END.size, 0))
    tail = file.read(END.size)
    if len(tail) < END.size or not tail.startswith(b"PK\x05\x06"):
        raise ModelFileError("it is cut off: the record at the end of a zip file is missing")
    _, disk, start_disk, here, count, length, offset, comment = END.unpack(tail)
    if disk or start_disk or here != count or comment or count > MOST or offset + length + END.size != size:
        raise ModelFileError("the record at its end is not that of a model file: it is cut, altered or appended to")
    return int(count)


def _check_info(info: Any) -> None:
    """Refuse what `write_members` does not write."""
    name = info.filename
    if info.flag_bits & 1:
        raise ModelFileError(f"its member {name!r} is encrypted")
    if info.external_attr >> 16 & 0o170000 not in (0, 0o100000):
        raise ModelFileError(f"its member {name!r} is a link or a folder, not a file")
    if not NAMES.fullmatch(name) or info.orig_filename != name:
        raise ModelFileError(f"its member {name!r} is none that a model file has")
    deflated = name in LIMITS
    if info.compress_type != (zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) or info.flag_bits or info.extra:
        raise ModelFileError(f"its member {name!r} is packed in another way than in a model file")
    if info.file_size > LIMITS.get(name, LARGEST) or (not deflated and info.file_size != info.compress_size):
        raise ModelFileError(f"its member {name!r} says that it has {info.file_size:,} bytes, more than it may have")
