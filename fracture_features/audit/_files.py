"""Files that cannot be read, are damaged, or show something else than one radiograph."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..datasets import SPLIT_COLUMN, FractureDataset
from ..datasets._layout import split_of
from ._findings import N_EXAMPLES, Finding

CUT_SHORT = r"cut short|end of its image"
SEVERAL = r"\bit holds \d+ (?:pages or )?frames"
ENDINGS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "PNG": {".png", ".apng"},
    "TIFF": {".tif", ".tiff"},
    "BMP": {".bmp", ".dib"},
    "GIF": {".gif"},
}
ALL_ENDINGS = {*(ending for endings in ENDINGS.values() for ending in endings), ".webp", ".heic", ".avif", ".jp2"}
CONSTANT = 0.5  # share of the picture
CONSTANT_ROWS = 0.1  # share of the height, at the bottom
COLOURED = 0.02  # share of the pixels


def file_findings(data: FractureDataset, files: pd.DataFrame) -> list[Finding]:
    """Find what is wrong with single files: FF101 to FF107, each once where there are any.

    A file that was cut short is not counted among the unreadable, nor is one that holds several images; a blank one
    not among the constant ones.

    Parameters
    ----------
    data : FractureDataset
        Unreadable files may be in it.
    files : DataFrame of n_samples rows
        `take_inventory(data.paths, descriptions=[CONTENT])`.

    Returns
    -------
    findings : list of Finding
        Counts are by class and, where the data have a split, by class and split, as "fractured" and
        "fractured, test". Of FF104 and FF106 the worst come first among the examples.

    Examples
    --------
    >>> import tempfile, cv2, numpy as np
    >>> from fracture_features import load_folder, make_radiographs
    >>> from fracture_features.audit import CONTENT, file_findings
    >>> from fracture_features.datasets import take_inventory
    >>> folder = make_radiographs(6, folder=tempfile.mkdtemp(), random_state=0)
    >>> first = next((folder / "fractured").iterdir())
    >>> _ = first.write_bytes(first.read_bytes()[:-100])
    >>> data = load_folder(folder)
    >>> [str(found) for found in file_findings(data, take_inventory(data.paths.tolist(), descriptions=[CONTENT]))]
    ['FF101 files are cut short: 1']
    """
    files = files.reset_index(drop=True)
    reason = files["reason"].astype("string").fillna("")
    readable = (reason == "").to_numpy()
    cut = reason.str.contains(CUT_SHORT).to_numpy(dtype=bool)
    several = reason.str.contains(SEVERAL).to_numpy(dtype=bool) & ~cut
    blank = readable & (_column(files, "blank") > 0)
    constant, rows = _column(files, "constant"), _column(files, "constant_rows")
    colour = _column(files, "colour")
    found = [
        ("FF101", cut, None),
        ("FF102", ~readable & ~cut & ~several, None),
        ("FF103", wrong_endings(data.paths.tolist(), files["format"].tolist()), None),
        ("FF104", readable & ~blank & ((constant >= CONSTANT) | (rows >= CONSTANT_ROWS)), np.fmax(constant, rows)),
        ("FF105", blank, None),
        ("FF106", readable & (colour >= COLOURED), colour),
        ("FF107", several, None),
    ]
    return [_finding(code, data, mask, files, worst) for code, mask, worst in found if mask.any()]


def count_by_class(data: FractureDataset, rows: NDArray[np.intp]) -> dict[str, int]:
    """Images among the rows by class and, where the data have a split, by class and split; the classes first."""
    names = [data.target_names[label] for label in data.y[rows]]
    counts = Counter(names)
    splits = split_names(data)
    if splits is not None:
        counts.update(f"{name}, {splits[row]}" for name, row in zip(names, rows, strict=True) if splits[row])
    order = [*data.target_names, *sorted(set(counts) - {*data.target_names})]
    return {name: counts[name] for name in order if counts[name]}


def split_names(data: FractureDataset) -> list[str | None] | None:
    """Part of the data's own split that each image stands in; None where there is no split."""
    if SPLIT_COLUMN not in data.frame:
        return None
    parts = [None if pd.isna(name) else split_of(str(name)) or str(name) for name in data.frame[SPLIT_COLUMN]]
    return parts if len(set(parts)) > 1 else None


def wrong_endings(paths: Sequence[str], formats: Sequence[str | None]) -> NDArray[np.bool_]:
    """Return whether a file ends as those of another format do; no ending, or one that no format has, is not wrong."""
    out = np.zeros(len(paths), dtype=bool)
    for row, (path, name) in enumerate(zip(paths, formats, strict=True)):
        ending = os.path.splitext(path)[1].lower()
        out[row] = isinstance(name, str) and ending in ALL_ENDINGS and ending not in ENDINGS.get(name, set())
    return out


def _column(files: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """NaN where it is not known."""
    return pd.to_numeric(files[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _finding(
    code: str,
    data: FractureDataset,
    mask: NDArray[np.bool_],
    files: pd.DataFrame,
    worst: NDArray[np.float64] | None,
) -> Finding:
    rows = np.flatnonzero(mask)
    order = rows if worst is None else rows[np.argsort(-worst[rows], kind="stable")]
    return Finding(
        code,
        len(rows),
        counts=count_by_class(data, rows),
        examples=tuple(str(data.paths[row]) for row in order[:N_EXAMPLES]),
        rows=tuple(rows.tolist()),
        detail=_detail(code, rows, files),
    )


def _detail(code: str, rows: NDArray[np.intp], files: pd.DataFrame) -> str:
    """The most frequent reasons, or formats."""
    if code in ("FF101", "FF102", "FF107"):
        kinds = files["reason"].iloc[rows]
    elif code == "FF103":
        kinds = files["format"].iloc[rows]
    else:
        return ""
    return "; ".join(f"{count} {kind}" for kind, count in kinds.value_counts(sort=True).head(N_EXAMPLES).items())
