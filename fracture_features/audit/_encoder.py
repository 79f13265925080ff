"""What a file tells of the program that wrote it: how it is encoded, and what else is embedded in it."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ..images import _dicom_elements, _formats, _jpeg, _png
from ..images._errors import DecodeError

# Of the luminance table at quality 50 (ITU-T T.81, table K.1).
STANDARD_SUM = 3688
TABLES, HUFFMAN, JFIF, ADOBE, COMMENT = 0xDB, 0xC4, 0xE0, 0xEE, 0xFE
EXIF, XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
TEXTS_OF_PNG = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"tIME")
PLAIN_TAGS = {271, 272, 305}  # maker, model, software: all other texts may name a person
SUBDIRECTORIES = {34665: "", 34853: "GPS "}
# Size and layout of a TIFF, and of the thumbnail in an EXIF block.
LAYOUT_TAGS = {
    254,
    255,
    256,
    257,
    258,
    259,
    262,
    266,
    273,
    277,
    278,
    279,
    284,
    317,
    320,
    *range(322, 326),
    338,
    339,
    347,
}
TIFF_ENCODER = (258, 259, 262, 277, 284, 317, 322)
NUMBERS = {1: "B", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 10: "ii"}
MAX_TAGS = 200
PLAIN = re.compile(r"[\w .,:;()/+-]{1,40}", re.ASCII)
DATE = re.compile(rb"(\d{4})[:-](\d\d)[:-]\d\d")


class Encoding(NamedTuple):
    """How a file is encoded.

    Attributes
    ----------
    encoder : str
        What identifies the program and its settings, but for `tables` and what is embedded: "JPEG c0 1x11 ...".
    components : int
        Samples a pixel; those of a palette count as three where it has colours.
    quality : int or None
        Of JPEG: 1 to 100, as libjpeg's scale has it; of other tables the nearest to theirs.
    tables : str or None
        Of JPEG: digest of its quantisation tables.
    embedded : dict of str to str
        EXIF tags by number, comments, profiles and the like. Numbers, makers and programs as they are, dates as year
        and month, other text as 4 hexadecimal digits: enough to tell a few sites apart, too little to name anybody.
    """

    encoder: str
    components: int
    quality: int | None
    tables: str | None
    embedded: dict[str, str]


def read_encoding(data: bytes) -> Encoding:
    """Read how a whole file is encoded, from its header.

    Raises
    ------
    DecodeError
        If it is of no format that is read, or its header is damaged.
    """
    match _formats.file_format(data):
        case "JPEG":
            return _of_jpeg(data)
        case "PNG":
            return _of_png(data)
        case "TIFF":
            return _of_tiff(data)
        case "GIF":
            return Encoding(data[:6].decode("latin-1"), 3, None, None, {})
        case "BMP":
            bits = int.from_bytes(data[28:30], "little")
            return Encoding(f"BMP {data[14]} {bits}", 3 if bits > 8 else 1, None, None, {})
    elements = _dicom_elements.read_elements(io.BytesIO(data), pixels=False)
    names = ("TransferSyntaxUID", "PhotometricInterpretation", "BitsStored")
    known = [str(_dicom_elements.text(elements, name)) for name in names[:2] if name in elements]
    return Encoding(" ".join(["DICOM", *known]), 1, None, None, {})


def _of_jpeg(data: bytes) -> Encoding:
    """Read the header up to the first scan, which many files of a data set have in common."""
    scan = data.find(b"\xff\xda")
    try:
        return _of_known_header(data[: scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")])
    except DecodeError:  # that was in a thumbnail
        return _of_jpeg_header(data)


def _of_jpeg_header(data: bytes) -> Encoding:
    tables: list[bytes] = []
    order: list[int] = []
    embedded: dict[str, str] = {}
    sampling, huffman, version, components, frame = "", b"", "", 1, 0
    for marker, part in _jpeg._header_segments(io.BytesIO(data)):
        body = part[4:]
        if marker == TABLES:
            tables.append(body)
        elif marker == HUFFMAN:
            huffman += body
        elif marker in _jpeg.FRAMES and len(body) > 5:
            frame, components = marker, body[5]
            sampling = "".join(f"{body[7 + 3 * k]:x}" for k in range(body[5]) if 7 + 3 * k < len(body))
        elif marker == JFIF:
            version = body[5:12].hex()  # and density
        if marker in _jpeg.LEFT_OUT - {JFIF, ADOBE}:
            embedded |= _of_segment(marker, body)
        elif not order or order[-1] != marker:
            order.append(marker)
    kind = zlib.crc32(huffman) if frame != _jpeg.PROGRESSIVE else 0  # of a progressive file each scan has its own
    words = ["JPEG", sampling, version, "-".join(f"{marker:x}" for marker in order), f"{kind:x}"]
    digest = f"{zlib.crc32(b''.join(tables)):08x}"
    return Encoding(" ".join(words), components, _quality(b"".join(tables)), digest, embedded)


_of_known_header = lru_cache(maxsize=16)(_of_jpeg_header)


def _of_segment(marker: int, body: bytes) -> dict[str, str]:
    if marker == COMMENT:
        return {"comment": _text(body)}
    if body.startswith(EXIF):
        return _tags(body[len(EXIF) :])
    if body.startswith(XMP):
        return _of_xmp(body)
    return {f"APP{marker - 0xE0} {_text(body[: max(body.find(bytes(1)), 0)])}": ""}


def _of_xmp(body: bytes) -> dict[str, str]:
    tool = re.search(rb"CreatorTool(?:=[\"']|>)([^\"'<]{1,80})", body)
    return {"XMP": _text(tool[1], plain=True) if tool else ""}


def _quality(tables: bytes) -> int | None:
    """Quality on libjpeg's scale, by the sum of the first table, which is the one for luminance."""
    if not tables:
        return None
    wide = tables[0] >> 4
    first = tables[1 : 1 + (64 << wide)]
    if len(first) < 64 << wide:
        return None
    total = sum(first) if not wide else sum(struct.unpack(">64H", first))
    scale = 100 * total / STANDARD_SUM
    return min(max(round((200 - scale) / 2 if scale <= 100 else 5000 / scale), 1), 100)


def _of_png(data: bytes) -> Encoding:
    position, first = _png.SIGNATURE, b""
    names: list[str] = []
    embedded: dict[str, str] = {}
    header = _png._header(b"IHDR", data[16:29])
    while position + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        body = data[position + 8 : position + 8 + length]
        if name in TEXTS_OF_PNG:
            embedded |= _of_chunk(name, body)
        elif name == b"IDAT" and first:
            names[-1] = f"IDAT {len(first):x}"  # all but the last have one size
        else:
            names.append(name.decode("latin-1"))
        if name == b"IDAT":
            first = first or body
        if name == b"IEND":
            break
        position += 12 + length
    words = ["PNG", str(header.bits), str(header.colour), str(header.interlaced), first[:2].hex(), "-".join(names)]
    colours = 3 if header.colour in (_png.RGB, _png.RGB_ALPHA, _png.PALETTE) else 1
    return Encoding(" ".join(words), colours, None, None, embedded)


def _of_chunk(name: bytes, body: bytes) -> dict[str, str]:
    if name == b"eXIf":
        return _tags(body.removeprefix(EXIF))
    keyword, _, value = body.partition(bytes(1))
    if keyword == b"XML:com.adobe.xmp":
        return _of_xmp(value)
    key = _text(keyword, plain=True) if name != b"tIME" else ""
    plain = keyword in (b"Software", b"Source")
    return {f"{name.decode()} {key}": _text(value, plain=plain) if name in (b"tEXt", b"iTXt") else ""}


def _of_tiff(data: bytes) -> Encoding:
    values = {tag: numbers for tag, numbers in _entries(data) if tag in TIFF_ENCODER}
    encoder = " ".join(["TIFF", data[:4].hex(), *(f"{tag}={values[tag]}" for tag in TIFF_ENCODER if tag in values)])
    return Encoding(encoder, 3 if values.get(277, "1") in ("3", "4") else 1, None, None, _tags(data))


def _tags(block: bytes) -> dict[str, str]:
    """Tags of an EXIF block or a TIFF by their number; what cannot be read is left out."""
    return {f"tag {tag}": value for tag, value in _entries(block) if tag not in LAYOUT_TAGS}


def _entries(block: bytes) -> Iterator[tuple[int | str, str]]:
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return
    offsets = [("", int(struct.unpack(f"{order}I", block[4:8])[0]))]
    for prefix, offset in offsets:  # which grows, by two at most
        n = int.from_bytes(block[offset : offset + 2], "little" if order == "<" else "big")
        body = block[offset + 2 : offset + 2 + 12 * min(n, MAX_TAGS)]
        for tag, kind, count, value in struct.iter_unpack(f"{order}HHI4s", body[: len(body) // 12 * 12]):
            (pointer,) = struct.unpack(f"{order}I", value)
            if tag in SUBDIRECTORIES and not prefix and len(offsets) < 3:
                offsets.append((SUBDIRECTORIES[tag] or "EXIF ", int(pointer)))
                continue
            yield (
                (prefix + str(tag)) if prefix == "GPS " else tag,
                _value(block, order, tag, kind, count, value, pointer),
            )


def _value(block: bytes, order: str, tag: int, kind: int, count: int, value: bytes, pointer: int) -> str:
    """At most four numbers, or a text; nothing where it is longer, or damaged."""
    if kind in NUMBERS and 0 < count <= 4:
        code = order + NUMBERS[kind] * count
        size = struct.calcsize(code)
        held = value[:size] if size <= 4 else block[pointer : pointer + size]
        return " ".join(map(str, struct.unpack(code, held))) if len(held) == size else ""
    if kind in (2, 7) and count:
        return _text(
            value[:count] if count <= 4 else block[pointer : pointer + min(count, 1000)], plain=tag in PLAIN_TAGS
        )
    return ""


def _text(text: bytes, *, plain: bool = False) -> str:
    """A text as it is, a date as year and month, or 4 digits that stand for it: see `Encoding`."""
    if date := DATE.match(text):
        return f"{date[1].decode()}-{date[2].decode()}"
    stripped = text.strip(b"\0 \r\n\t")
    if plain and PLAIN.fullmatch(shown := stripped.decode("latin-1")):
        return shown
    return f"#{zlib.crc32(stripped) & 0xFFFF:04x}" if stripped else ""
