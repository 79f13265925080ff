"""What is in a file, beyond its header: colour, constant parts, how it was encoded, and how it looks from afar."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._kernels import kernel
from ..datasets import Description
from ..images import ImageFile
from ..images._errors import named_errors
from ._appearance import FIELDS, measure_appearance
from ._encoder import Encoding, read_encoding

# A fill that decoders make is 128, or what became of it by saving anew; shutters are black or white, and backgrounds
# of one dark level, such as 45, are as usual.
FILL = (80, 200)
SAME = 1  # levels by which it may vary
SUSPECT = 0.1  # share of pixels of one such level from which a fill is looked for
COLOURED = 24  # levels between the largest and smallest of red, green and blue
BLANK = 8  # levels between the 1st and 99th percentile


class Fill(NamedTuple):
    """A constant part: share of the picture in one region, share of its rows at the bottom, and the level."""

    area: float
    rows: float
    level: int


def describe_content(file: ImageFile) -> dict[str, Any]:
    """Describe what a file's bytes and its decoded image tell.

    Parameters
    ----------
    file : ImageFile
        Its `reduced` image is looked at.

    Returns
    -------
    described : dict
        `colour`: share of pixels that are really coloured; `constant`: share of the picture that is one region of one
        middle level, as decoders put for what is missing; `constant_rows`: share of its height that is one such level
        at the bottom;
        `blank`: whether it shows nothing; `encoder`, `components`, `quality`, `tables`: see `Encoding`; `embedded`: as
        JSON.

    Raises
    ------
    ImageReadError
        If the file cannot be opened or decoded.

    Examples
    --------
    >>> import tempfile, cv2, numpy as np
    >>> from fracture_features.audit import describe_content
    >>> from fracture_features.images import ImageFile
    >>> path = tempfile.mktemp(suffix=".jpg")
    >>> _ = cv2.imwrite(path, np.full((40, 60), 128, dtype=np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 80])
    >>> described = describe_content(ImageFile(path))
    >>> described["quality"], described["blank"], described["constant"]
    (80, True, 1.0)
    """
    image = np.ascontiguousarray(file.reduced.image)
    with named_errors(file.path):
        encoding = read_encoding(file.data)
    counts = count_levels(image)
    fill = find_fill(image, counts)
    return {
        "colour": _coloured(file.data, encoding),
        "constant": fill.area,
        "constant_rows": fill.rows,
        "blank": _spread(counts) < BLANK,
        "encoder": encoding.encoder,
        "components": encoding.components,
        "quality": encoding.quality,
        "tables": encoding.tables,
        "embedded": json.dumps(encoding.embedded) if encoding.embedded else "",
    }


def describe_look(file: ImageFile) -> dict[str, Any]:
    """Describe how a file's image looks: `appearance`, what `measure_appearance` gives, float32 in hexadecimal."""
    return {"appearance": measure_appearance(file.image).tobytes().hex()}


CONTENT = Description("content 3", describe_content)
APPEARANCE = Description("appearance 1", describe_look)  # takes as long as decoding: for the ledger alone


def appearance_frame(files: pd.DataFrame) -> pd.DataFrame:
    """Table of `FIELDS`, a row for each file; missing where it could not be read."""
    table = np.full((len(files), len(FIELDS)), np.nan, dtype=np.float32)
    for row, digits in enumerate(files["appearance"]):
        if isinstance(digits, str):
            table[row] = np.frombuffer(bytes.fromhex(digits), dtype=np.float32)
    return pd.DataFrame(table, columns=list(FIELDS), index=files.index)


def find_fill(image: NDArray[np.uint8], counts: NDArray[np.int64]) -> Fill:
    """The largest region of one level that is neither black nor white, such as decoders put for what is missing."""
    level, share = _commonest(counts)
    if share < SUSPECT:
        return Fill(0.0, 0.0, level)
    step = max(1, max(image.shape) // 160)
    small = image[::step, ::step]  # not averaged: levels stay as they are
    same = np.abs(small.astype(np.int16) - level) <= SAME
    _, _, stats, _ = cv2.connectedComponentsWithStats(same.view(np.uint8), connectivity=4)
    rows = np.flatnonzero(~(same.mean(axis=1) > 0.98))
    bottom = len(small) - 1 - (int(rows[-1]) if len(rows) else -1)
    area = float(stats[1:, cv2.CC_STAT_AREA].max()) / small.size
    return Fill(round(area, 4), round(bottom / len(small), 4), level)


def count_levels(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels of each level, among at most 64 x 64."""
    return _count_levels(image, -(-max(image.shape) // 64))


# Sums over levels are compiled: called one by one NumPy's functions take longer, and no other thread runs meanwhile.
@kernel
def _count_levels(image: NDArray[np.uint8], step: int) -> NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    for y in range(0, image.shape[0], step):
        for x in range(0, image.shape[1], step):
            counts[image[y, x]] += 1
    return counts


@kernel
def _commonest(counts: NDArray[np.int64]) -> tuple[int, float]:
    """The middle level that most pixels have, within SAME, and the share of these."""
    best, most = FILL[0], -1
    for level in range(FILL[0], FILL[1]):
        near = counts[level - SAME : level + SAME + 1].sum()
        if near > most:
            best, most = level, near
    return best, most / counts.sum()


@kernel
def _spread(counts: NDArray[np.int64]) -> int:
    """Levels between the 1st and the 99th percentile."""
    total, below, low = counts.sum(), 0, -1
    for level in range(256):
        below += counts[level]
        if low < 0 and below >= 0.01 * total:
            low = level
        if below >= 0.99 * total:
            return level - low
    return 0


def _coloured(data: bytes, encoding: Encoding) -> float:
    """Share of pixels with a colour; of files with three samples a pixel alone, an eighth of their size."""
    if encoding.components != 3:
        return 0.0
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_8)
    if image is None:
        return 0.0
    spread = image.max(axis=2).astype(np.int16) - image.min(axis=2)
    return round(float((spread > COLOURED).mean()), 4)
