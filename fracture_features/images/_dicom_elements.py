"""Data elements of a DICOM file: those that are wanted, as their bytes, and how to read these."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._errors import DecodeError

PIXEL_DATA = 0x7FE00010
TAGS = {
    0x00020002: "MediaStorageSOPClassUID",
    0x00020010: "TransferSyntaxUID",
    0x00080005: "SpecificCharacterSet",
    0x00080016: "SOPClassUID",
    0x00100020: "PatientID",
    0x00180015: "BodyPartExamined",
    0x00185101: "ViewPosition",
    0x0020000D: "StudyInstanceUID",
    0x0020000E: "SeriesInstanceUID",
    0x00200060: "Laterality",
    0x00200062: "ImageLaterality",
    0x00280002: "SamplesPerPixel",
    0x00280004: "PhotometricInterpretation",
    0x00280006: "PlanarConfiguration",
    0x00280008: "NumberOfFrames",
    0x00280010: "Rows",
    0x00280011: "Columns",
    0x00280100: "BitsAllocated",
    0x00280101: "BitsStored",
    0x00280102: "HighBit",
    0x00280103: "PixelRepresentation",
    0x00280120: "PixelPaddingValue",
    0x00280121: "PixelPaddingRangeLimit",
    0x00281050: "WindowCenter",
    0x00281051: "WindowWidth",
    0x00281052: "RescaleIntercept",
    0x00281053: "RescaleSlope",
    0x00281056: "VOILUTFunction",
    0x00281101: "RedPaletteColorLookupTableDescriptor",
    0x00281102: "GreenPaletteColorLookupTableDescriptor",
    0x00281103: "BluePaletteColorLookupTableDescriptor",
    0x00281201: "RedPaletteColorLookupTableData",
    0x00281202: "GreenPaletteColorLookupTableData",
    0x00281203: "BluePaletteColorLookupTableData",
    0x00283000: "ModalityLUTSequence",
    0x00283002: "LUTDescriptor",
    0x00283006: "LUTData",
    0x00283010: "VOILUTSequence",
    0x00289132: "FrameVOILUTSequence",
    0x00289145: "PixelValueTransformationSequence",
    0x52009229: "SharedFunctionalGroupsSequence",
    0x52009230: "PerFrameFunctionalGroupsSequence",
    PIXEL_DATA: "PixelData",
}
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
UNDEFINED = 0xFFFFFFFF
MAX_DEPTH = 40  # of sequences in sequences
NUMBERS = {"US": "u2", "SS": "i2", "UL": "u4", "SL": "i4", "FL": "f4", "FD": "f8"}
DEFLATED = "1.2.840.10008.1.2.1.99"
# First tags of files without the preamble: (0002,0000) to (0002,0002), (0008,0005), (0008,0008).
BARE_STARTS = (b"\2\0\0\0", b"\2\0\1\0", b"\2\0\2\0", b"\x08\0\5\0", b"\x08\0\x08\0")
# Python's names of SpecificCharacterSet; those of ISO 2022 have the same numbers.
CHARSETS = {
    "ISO_IR 100": "iso8859_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 13": "shift_jis",
    "ISO_IR 166": "tis_620",
    "ISO_IR 192": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO_IR 87": "iso2022_jp",
    "ISO_IR 149": "euc_kr",
    "ISO_IR 58": "gb2312",
}


class Element(NamedTuple):
    """One data element; the VR is empty where the file does not say it."""

    vr: str
    value: Any  # bytes, or a list of the items of a sequence, or of the fragments of encapsulated pixels
    order: str


Elements = dict[str, Element]


def is_dicom(data: bytes) -> bool:
    """Whether these bytes are to be read as DICOM: by the "DICM" at byte 128, or data elements from the first byte."""
    return data[128:132] == b"DICM" or data[:4] in BARE_STARTS


def read_elements(file: BinaryIO, *, pixels: bool = True) -> Elements:
    """The elements in TAGS of an open file; without `pixels`, that of the pixels is there and empty.

    Raises
    ------
    DecodeError
        If it is no DICOM file, is damaged, or is cut short before the end of an element in TAGS.
    """
    if file.read(132)[128:] != b"DICM":
        raise DecodeError("it has no 'DICM' at byte 128: no DICOM file, or one without its preamble, which is not read")
    meta = _Reader(file, "<", explicit=True, pixels=False).read(group=2)
    syntax = text(meta, "TransferSyntaxUID")
    if syntax == DEFLATED:
        raise DecodeError("its transfer syntax, Deflated Explicit VR Little Endian, is not read")
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    start = file.read(6)
    file.seek(-len(start), 1)
    # Some say "implicit" of what says its VRs.
    explicit = syntax != "1.2.840.10008.1.2" or _is_vr(start[4:6])
    return meta | _Reader(file, order, explicit=explicit, pixels=pixels).read()


def _is_vr(two: bytes) -> bool:
    return len(two) == 2 and all(65 <= byte <= 90 for byte in two)


class _Reader:
    """Reads data elements one after the other."""

    def __init__(self, file: BinaryIO, order: str, *, explicit: bool, pixels: bool):
        self.file, self.order, self.explicit, self.pixels = file, order, explicit, pixels

    def read(self, end: float = np.inf, *, group: int | None = None, depth: int = 0, wanted: bool = True) -> Elements:
        """Up to a byte, the end of an item or of the file, or the first of another group."""
        elements: Elements = {}
        while self.file.tell() < end and len(start := self.file.read(8)) == 8:
            tag, vr, length = self._parse(start)
            if group is not None and tag >> 16 != group:
                self.file.seek(-8, 1)
                break
            if tag in (ITEM_END, SEQUENCE_END):
                break
            name = TAGS.get(tag) if wanted else None
            if tag == PIXEL_DATA and not self.pixels:
                return elements | {"PixelData": Element(vr, b"", self.order)} if wanted else elements
            value = self._value(tag, vr, length, depth, name)
            if name is not None:
                if isinstance(value, list) and tag != PIXEL_DATA and not name.endswith("Sequence"):
                    raise DecodeError(f"damaged: its {name} is a sequence")
                elements.setdefault(name, Element(vr, value, self.order))
        return elements

    def _parse(self, start: bytes) -> tuple[int, str, int]:
        """Tag, VR and length of the element that begins so."""
        group, number = struct.unpack(f"{self.order}HH", start[:4])
        tag = group << 16 | number
        if group == 0xFFFE or not self.explicit or not _is_vr(start[4:6]):
            return tag, "", struct.unpack(f"{self.order}I", start[4:])[0]
        if start[4:6] in LONG:
            return tag, start[4:6].decode(), struct.unpack(f"{self.order}I", self._take(4))[0]
        return tag, start[4:6].decode(), struct.unpack(f"{self.order}H", start[6:])[0]

    def _value(self, tag: int, vr: str, length: int, depth: int, name: str | None) -> Any:
        if depth > MAX_DEPTH:
            raise DecodeError(f"its sequences lie more than {MAX_DEPTH} deep")
        if tag == PIXEL_DATA and length == UNDEFINED:
            return self._fragments()
        if length == UNDEFINED or (name or "").endswith("Sequence"):
            end = self.file.tell() + length if length != UNDEFINED else np.inf
            if vr == "UN" and length == UNDEFINED:  # a sequence whose elements do not say their VRs
                return _Reader(self.file, "<", explicit=False, pixels=True)._items(end, depth, name is not None)
            return self._items(end, depth, name is not None)
        if name is not None:
            return self._take(length)
        self.file.seek(length, 1)
        return b""

    def _items(self, end: float, depth: int, wanted: bool) -> list[Elements]:
        items = []
        while self.file.tell() < end:
            tag, _, length = self._parse(self._take(8))
            if tag == SEQUENCE_END:
                break
            if tag != ITEM:
                raise DecodeError("damaged: no item where one of a sequence is due")
            stop = self.file.tell() + length if length != UNDEFINED else np.inf
            items.append(self.read(min(stop, end), depth=depth + 1, wanted=wanted))
        return items

    def _fragments(self) -> list[bytes]:
        """Encapsulated pixels, without the table of their offsets."""
        fragments = []
        while len(start := self.file.read(8)) == 8:
            tag, _, length = self._parse(start)
            if tag == SEQUENCE_END:
                break
            if tag != ITEM:
                raise DecodeError("damaged: no fragment of its pixels where one is due")
            fragments.append(self._take(length))
        return fragments[1:]

    def _take(self, length: int) -> bytes:
        data = self.file.read(length)
        if len(data) < length:
            raise DecodeError("it is cut short within an element that is needed")
        return data


def text(elements: Elements, name: str) -> str:
    """An element's characters, without padding; empty where it is absent."""
    element = elements.get(name)
    if element is None:
        return ""
    charset = "" if name == "SpecificCharacterSet" else text(elements, "SpecificCharacterSet")
    parts = [part.strip().replace("ISO 2022 ", "ISO_") for part in charset.split("\\")]
    known = [CHARSETS[part] for part in parts if part in CHARSETS]
    return element.value.decode(known[-1] if known else "latin-1", "replace").strip(" \0\t\r\n")


def number(elements: Elements, name: str, default: float | None = None) -> float:
    """The first value of an element as a finite number, written in digits or as its VR says; 16 bits without one."""
    element = elements.get(name)
    value: Any = b"" if element is None else element.value
    try:
        if element is not None and (code := NUMBERS.get(element.vr or _usual_vr(name))):
            value = np.frombuffer(value, f"{element.order}{code}", count=1)[0] if value else default
        else:
            value = value.split(b"\\")[0].strip(b" \0").decode("ascii") or default
        result = float(value)
    except (TypeError, ValueError) as error:
        raise DecodeError(f"its {name} is {value!r}; expected a number") from error
    if not np.isfinite(result):
        raise DecodeError(f"its {name} is {result}; expected a finite number")
    return result


def _usual_vr(name: str) -> str:
    """Return the usual VR of an element, for files that do not say it."""
    decimal = name.startswith(("Window", "Rescale")) or name == "NumberOfFrames"
    return "" if decimal else "US"


def words(elements: Elements, name: str) -> NDArray[np.uint16]:
    """An element as unsigned numbers of 16 bits, whatever its VR says of a sign; empty where it is absent."""
    element = elements.get(name)
    if element is None:
        return np.array([], dtype=np.uint16)
    whole = element.value[: len(element.value) // 2 * 2]
    return np.frombuffer(whole, f"{element.order}u2").astype(np.uint16)
