"""Stored values of a DICOM file → what a display shows of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._dicom_elements import Elements, number, text, words
from ._dicom_pixels import Cells, PixelHeader
from ._errors import DecodeError
from ._levels import full_scale, luminance

FUNCTIONAL_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
TRANSFORMATIONS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")
PALETTE = [f"{colour}PaletteColorLookupTable" for colour in ("Red", "Green", "Blue")]


def show_grey(cells: Cells, elements: Elements, header: PixelHeader) -> NDArray[np.uint8]:
    """Grey levels of 8 bits: computed once for each cell value that occurs; padded pixels are black."""
    occurs = np.zeros(1 << 8 * cells.values.dtype.itemsize, dtype=bool)
    occurs[cells.values] = True
    codes = np.flatnonzero(occurs)
    levels = cells.stored(codes, header)
    padded = _padded(codes, levels, elements, header)
    shown = np.zeros(levels.shape)
    if not padded.all():
        with np.errstate(all="ignore"):
            shown[~padded] = _display(levels[~padded].astype(np.float64), _with_groups(elements), header)
    table = np.zeros(occurs.shape, dtype=np.uint8)
    # Without the inner rounding, what lies halfway between two levels would fall to either side by chance.
    table[codes] = np.floor(np.round(255 * shown, 6) + 0.5)
    return table[cells.values]


def _padded(codes: NDArray[Any], levels: NDArray[Any], elements: Elements, header: PixelHeader) -> NDArray[np.bool_]:
    """Return which cells, or the values stored in them, lie in the range of padding.

    Its sign is that of the pixels, whatever its VR: padding of -2000 is written as 63536 too.
    """
    limits = [words(elements, name)[:1] for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if not len(limits[0]):
        return np.zeros(codes.shape, dtype=bool)
    sign = "i" if header.signed else "u"
    low, high = (int(limit) for limit in np.sort(np.concatenate(limits).view(f"{sign}2"))[[0, -1]])
    size = header.allocated // 8
    whole = codes.astype(f"u{size}").view(f"{sign}{size}")
    return ((whole >= low) & (whole <= high)) | ((levels >= low) & (levels <= high))


def _with_groups(elements: Elements) -> Elements:
    """The elements, and those of an enhanced object that stand in its functional groups, of the frame first."""
    for name in FUNCTIONAL_GROUPS:
        for group in _items(elements, name)[:1]:
            for macro in TRANSFORMATIONS:
                for item in _items(group, macro)[:1]:
                    elements = item | elements
    return elements


def _items(elements: Elements, name: str) -> list[Elements]:
    return elements[name].value if name in elements else []


def _display(levels: NDArray[np.float64], elements: Elements, header: PixelHeader) -> NDArray[np.float64]:
    """Stored levels → 0 (black) to 1 (white)."""
    span = np.array([0.0, (1 << header.stored) - 1]) - header.signed * (1 << header.stored - 1)
    modality, voi = (_items(elements, f"{name}LUTSequence")[:1] for name in ("Modality", "VOI"))
    if modality:
        levels, span = _look_up(levels, modality[0], "LUT", span), np.array([0.0, 65535.0])
    elif text(elements, "RescaleSlope") and text(elements, "RescaleIntercept"):
        slope, intercept = number(elements, "RescaleSlope"), number(elements, "RescaleIntercept")
        if slope == 0:
            raise DecodeError("its RescaleSlope is 0, which makes all levels one; expected another number")
        levels, span = levels * slope + intercept, span * slope + intercept
    if not np.isfinite(levels).all():
        raise DecodeError("its rescale slope and intercept give no finite levels")
    width, function = number(elements, "WindowWidth", 0), (text(elements, "VOILUTFunction") or "LINEAR").upper()
    if voi:
        shown = _look_up(levels, voi[0], "LUT", span) / full_scale(_entries(voi[0], "LUT"))
    elif (width >= 1 or (width > 0 and function != "LINEAR")) and text(elements, "WindowCenter"):
        shown = _window(levels, number(elements, "WindowCenter"), width, function)
    elif levels.min() == levels.max():
        return np.zeros(levels.shape)
    else:
        shown = (levels - levels.min()) / (levels.max() - levels.min())
    return 1 - shown if header.photometric == "MONOCHROME1" else shown


def _window(levels: NDArray[np.float64], center: float, width: float, function: str) -> NDArray[np.float64]:
    """The VOI functions of PS3.3 C.11.2.1.2 and C.11.2.1.3, with an output of 0 to 1."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (levels - center) / width))
    if function == "LINEAR_EXACT":
        return np.clip((levels - center) / width + 0.5, 0, 1)
    if function != "LINEAR":
        raise DecodeError(f"its VOILUTFunction is {function}; expected LINEAR, LINEAR_EXACT or SIGMOID")
    if width == 1:
        return (levels > center - 0.5).astype(np.float64)
    return np.clip((levels - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _look_up(levels: NDArray[Any], source: Elements, name: str, span: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entries of a table for these levels; `span` is what the smallest and the largest that may occur are."""
    entries, first = _entries(source, name), int(words(source, f"{name}Descriptor")[1])
    low, high = sorted(span)
    # Its sign is that of the levels, whatever its VR.
    if first >= 32768 and low < 0 and (first > high or source[f"{name}Descriptor"].vr == "SS"):
        first -= 65536
    return entries[np.clip(np.floor(levels) - first, 0, len(entries) - 1).astype(np.intp)].astype(np.float64)


def _entries(source: Elements, name: str) -> NDArray[Any]:
    """A table's entries, unsigned."""
    descriptor, data = words(source, f"{name}Descriptor"), source.get(f"{name}Data")
    if len(descriptor) < 3 or data is None:
        raise DecodeError(f"its {name} lacks a descriptor of three numbers, or its data")
    size, _, bits = (int(number) for number in descriptor[:3])
    size = size or 65536
    entries: NDArray[Any] = words(source, f"{name}Data")
    if len(entries) < size:  # 8 bit entries may be packed
        swapped = data.order == ">" and data.vr == "OW"
        entries = np.frombuffer(entries.astype("<u2").tobytes() if swapped else data.value, np.uint8)
    if len(entries) < size or not 8 <= bits <= 16:
        raise DecodeError(f"its {name} has {len(entries)} entries of {bits} bits; expected {size} of 8 to 16 bits")
    return entries[:size]


def luminance_of_palette(indices: NDArray[Any], elements: Elements, header: PixelHeader) -> NDArray[np.uint8]:
    """Return what the three tables show; entries of 8 bits may stand in 16 that are declared."""
    span = np.array([0.0, (1 << header.stored) - 1])
    tables = [_look_up(np.arange(1 << header.allocated), elements, name, span) for name in PALETTE]
    full = 255 if max(table.max() for table in tables) <= 255 else 65535
    rgb = np.rint(np.stack(tables, axis=1) * (255 / full)).astype(np.uint8)
    return luminance(rgb[None])[0][indices]
