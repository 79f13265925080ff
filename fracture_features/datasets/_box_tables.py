"""Boxes from csv files and from Pascal VOC."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import pandas as pd

from ..exceptions import DatasetError, DatasetWarning
from ._boxes import Box, Mark, Marks, as_numbers
from ._table import column_of, read_table

SIDES = (
    ("top", "left", "bottom", "right"),
    ("ymin", "xmin", "ymax", "xmax"),
    ("y1", "x1", "y2", "x2"),
)
LABELS = ("label", "class", "classname", "name")
FRACTURE = "fracture"  # a label where a table has none


def read_box_table(path: str | os.PathLike[str], relative: Sequence[str]) -> list[Marks | None]:
    """Read what a csv of boxes says of each image, a row for each box.

    Its columns are an image (`image`, or else the first) and `top, left, bottom, right` in pixels of the file, or
    `x_min, y_min, x_max, y_max` in any order, case and separators; `x1, y1, x2, y2` too. `label` may name what is
    marked. An image is named by its path below the root, the end of a longer path, or by its name alone, with or
    without ending, where one image has it. A row whose four sides are empty says that nothing is marked in the image.

    Parameters
    ----------
    path : str or path-like
    relative : sequence of str
        Posix path of each image below the root.

    Raises
    ------
    DatasetError
        If it cannot be read, lacks a column, has a side that is no number, a name may be that of several images, or
        none is that of an image.

    Warns
    -----
    DatasetWarning
        If it names others that are not there.
    """
    path = Path(path)
    table = read_table(path)
    sides, label = _columns(table, path)
    image = "image" if "image" in table else table.columns[0]
    rows = _RowsByName(relative)
    found: list[Marks | None] = [None] * len(relative)
    texts = [None] * len(table) if label is None else table[label].tolist()
    columns = [column_of(table, image, path), texts, *(table[side] for side in sides)]
    unknown = []
    for line, name, text, *cells in zip(table.index, *columns, strict=True):
        where = f"{path}, line {line}"
        row = rows.find(name, where)
        if row is None:
            unknown.append(f"line {line}, {name!r}")
            continue
        marks = found[row] = found[row] or Marks([])
        if any(cell is not None for cell in cells):
            marks.marks.append(Mark(_as_box(cells, where), (text or FRACTURE).strip(), where))
    if unknown:
        said = f"{path}: {len(unknown)} of {len(table)} rows name no image of the data set; the first: {unknown[0]}"
        if len(unknown) == len(table):
            raise DatasetError(said)
        warnings.warn(said, DatasetWarning, stacklevel=3)
    return found


def _columns(table: pd.DataFrame, path: Path) -> tuple[list[str], str | None]:
    """Columns of the four sides, and that of the label."""
    squeezed = {re.sub(r"[\W_]", "", str(name)).casefold(): str(name) for name in table}
    for names in SIDES:
        if all(name in squeezed for name in names):
            return [squeezed[name] for name in names], next((squeezed[k] for k in LABELS if k in squeezed), None)
    raise DatasetError(
        f"{path}: expected the columns top, left, bottom and right, or x_min, y_min, x_max and y_max; "
        f"there are {list(table.columns)}"
    )


class _RowsByName:
    """Which image a name in a table is that of."""

    def __init__(self, relative: Sequence[str]):
        self._paths: dict[str, list[int]] = {}
        self._names: dict[str, list[int]] = {}
        for row, path in enumerate(relative):
            pure = PurePosixPath(path)
            for key in {path, pure.with_suffix("").as_posix()}:
                self._paths.setdefault(key, []).append(row)
            for key in {pure.name, pure.stem}:
                self._names.setdefault(key, []).append(row)

    def find(self, name: str, where: str) -> int | None:
        """Its number, None where there is no such image; DatasetError where it may be several's."""
        parts = name.strip().replace("\\", "/").removeprefix("./").split("/")
        ends = ("/".join(parts[k:]) for k in range(len(parts)))
        rows = next((self._paths[end] for end in ends if end in self._paths), None)
        if rows is None and len(parts) == 1:
            rows = self._names.get(parts[0])
        if rows is not None and len(rows) > 1:
            raise DatasetError(f"{where}: {name!r} may be any of {len(rows)} images")
        return None if rows is None else rows[0]


def read_voc(path: Path) -> Marks:
    """Read what the Pascal VOC file of one image says.

    Raises
    ------
    DatasetError
        If it is no such file, has a document type, which could name other files, or a box or size that is no number.
    """
    root = _parse_xml(path)
    marks = []
    for k, each in enumerate(root.findall("object"), start=1):
        where = f"{path}, object {k}"
        cells = [each.findtext(f"bndbox/{side}") for side in SIDES[1]]
        marks.append(Mark(_as_box(cells, where), (each.findtext("name") or FRACTURE).strip(), where))
    if not marks:
        return Marks([])
    height, width = as_numbers([root.findtext(f"size/{side}") for side in ("height", "width")], f"{path}, size")
    if min(height, width) <= 0:
        raise DatasetError(f"{path}: expected a size above 0, got {width:g} x {height:g}")
    return Marks(marks, (height, width))


def _as_box(cells: Sequence[Any], where: str) -> Box:
    top, left, bottom, right = as_numbers(cells, where)
    return top, left, bottom, right


def _parse_xml(path: Path) -> Element:
    """The root of an XML file, with no entity but those of XML itself."""
    builder, parser = TreeBuilder(), expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise DatasetError(f"{path}: has a document type, which annotations need not; it is not read")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(path.read_bytes(), True)
    except (expat.ExpatError, OSError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path}: cannot be read as XML ({error})") from error
    return builder.close()
