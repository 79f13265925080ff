"""File names that tell of copies."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# What programs and augmentation scripts put behind a name, most of it several times.
MARKS = re.compile(
    r"""(
      [\s_-]*\(\d+\)                                               # name (1), of browsers and Windows
    | [\s_-]+(?:copy|copie|kopie|copia)(?:[\s_-]*\d+)?             # name - Copy, name copy 2
    | \.rf\.[0-9a-z]{16,}                                          # Roboflow's
    | [\s_-]+(?:aug(?:mented|mentation)?|(?:h|v|hor|ver)?flip(?:ped)?|mirror(?:ed)?|rot(?:ated?|ation)?|turned
        |zoom(?:ed)?|crop(?:ped)?|bright(?:er|ness)?|dark(?:er)?|noisy?|noise|blur(?:red)?|shear(?:ed)?
        |shift(?:ed)?|scaled?|resized?)[\s_-]*-?\d*(?:deg)?
    )+$""",
    re.VERBOSE | re.IGNORECASE,
)
MARKED = re.compile(r"[\s_(-]|\.rf\.", re.IGNORECASE)  # every mark has one: most names need not be looked through
ENDING = re.compile(r"[._](?:jpe?g|png|bmp|tiff?|gif|dcm)$", re.IGNORECASE)


def original_name(path: str) -> str:
    """The name of a file without its ending and what tells of copies: "8 - Copy (1).jpg" gives "8"."""
    stem = os.path.basename(path)
    while True:
        # Roboflow writes the old ending into the name: 1_png.rf.0a1b.jpg
        shorter = ENDING.sub("", MARKS.sub("", stem) if MARKED.search(stem) else stem)
        if shorter in ("", stem):
            return stem
        stem = shorter


def name_families(paths: Sequence[str], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number files of one class whose names differ in marks of copies alone.

    Numbers such as 12 and 13 are different names; so are equal names without any mark, which folders of patients often
    have.

    Parameters
    ----------
    paths : sequence of str of length n
    y : ndarray of shape (n,)

    Returns
    -------
    families : ndarray of shape (n,), dtype int64
        A number for each family of at least two files, -1 for all others.
    """
    original = [original_name(path) for path in paths]
    is_marked = np.array(
        [os.path.splitext(os.path.basename(path))[0] != name for path, name in zip(paths, original, strict=True)]
    )
    keys = pd.Series(list(zip(y.tolist(), original, strict=True)))
    sizes = keys.map(keys.value_counts())
    has_mark = keys.map(pd.Series(is_marked).groupby(keys).any())
    codes, _ = pd.factorize(keys.where((sizes > 1) & has_mark))
    return codes.astype(np.int64)
