"""Read a csv as text, or say why not."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..exceptions import DatasetError

SUFFIXES = (".csv", ".tsv", ".xlsx", ".xls", ".ods")
DELIMITERS = (",", ";", "\t", "|")
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# First bytes of what is no csv whatever its name.
OTHERS = (
    (b"PK\x03\x04", "an Excel workbook (.xlsx) or another zip archive; save it as csv"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (.xls); save it as csv"),
    (b"PAR1", "a Parquet file; save it as csv"),
    (b"\x1f\x8b", "compressed by gzip; unpack it"),
    (b"SQLite format 3", "an SQLite database; export the table as csv"),
    (b"<", "an HTML or XML page"),
    (b"{", "a JSON file"),
    (b"[{", "a JSON file"),
    (b"version https://git-lfs", "a pointer of Git LFS; fetch the file itself with `git lfs pull`"),
)
INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,14})")  # a float64 holds every one of them
NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d+)?(?:[eE][+-]\d{1,2})?")  # 1E5 may be a patient
INDEX = re.compile(r"(?:Unnamed: \d+)?")  # what pandas calls its own index, read and written again


def read_table(path: Path) -> pd.DataFrame:
    """Read the csv `path`, every cell as the text it is.

    Separated by commas, semicolons, tabs or vertical bars, whichever its header has most of. In UTF-8, in UTF-16 or
    UTF-32 with a byte order mark, or in Windows-1252. Columns without a name, such as the index that pandas writes (or
    "Unnamed: 0", where it has read it again), are left away.

    Returns
    -------
    table : DataFrame of str
        Empty cells are None, `None` and `N/A` are text. The index is the line each row ends in.

    Raises
    ------
    DatasetError
        If it is missing, empty or no csv, two columns have one name, or a row has another length than the header.
    """
    if not os.path.isfile(path):
        found = "it is no regular file; expected a csv" if os.path.exists(path) else "there is no such csv file"
        raise DatasetError(f"{path}: {found}")
    try:
        text = _decode(Path(path).read_bytes())
        lines = _lines(text)
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read as csv ({error})") from error
    if not lines:
        raise DatasetError(f"{path}: cannot be read as csv (it is empty)")
    (_, header), *rows = lines
    names = [name.strip() for name in header]
    if doubled := [name for name, n in Counter(names).items() if name and n > 1]:
        raise DatasetError(f"{path}: several columns are called {doubled[0]!r}; expected one")
    if not rows:
        raise DatasetError(f"{path}: the csv has no rows")
    for line, cells in rows:
        if len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
            raise DatasetError(f"{path}: line {line} has {len(cells)} cells; expected {len(names)}, as the header has")
    columns = {
        name: pd.Series([cells[k] if cells[k].strip() else None for _, cells in rows], dtype=object)
        for k, name in enumerate(names)
        if not INDEX.fullmatch(name)
    }
    return pd.DataFrame(columns).set_axis(pd.Index([line for line, _ in rows]))


def _decode(data: bytes) -> str:
    """Text of a file; ValueError where it is none."""
    for start, what in OTHERS:
        if data.startswith(start):
            raise ValueError(f"it is {what}")
    encoding = next((name for bom, name in BOMS if data.startswith(bom)), None)
    if encoding is not None:
        return data.decode(encoding)
    if b"\0" in data:
        raise ValueError("it holds zero bytes, as binary files and UTF-16 without a byte order mark do")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """Cells of each line that has any text, and the number of the line."""
    first, _, rest = text.partition("\n")
    skipped = 0
    if told := re.fullmatch(r'"?sep=(.)"?\s*', first):  # Excel's way to say it
        text, skipped, delimiter = rest, 1, told[1]
    else:
        delimiter = max(DELIMITERS, key=lambda each: _width(text, each))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return [(reader.line_num + skipped, cells) for cells in reader if any(cell.strip() for cell in cells)]


def _width(text: str, delimiter: str) -> int:
    """Cells of the first line that has any text."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return next((len(cells) for cells in reader if any(cell.strip() for cell in cells)), 0)


def column_of(table: pd.DataFrame, name: str, path: Path, *, empty: str | None = None) -> pd.Series:
    """Column `name`, every row of it filled or else `empty`; DatasetError otherwise."""
    if name not in table:
        raise DatasetError(f"{path}: no column {name!r}; there are {list(table.columns)}")
    column = table[name]
    if empty is not None:
        return column.where(column.notna(), empty)
    if column.isna().any():
        row = table.index[int(column.isna().to_numpy().argmax())]
        raise DatasetError(f"{path}: column {name!r} is empty in row {row}")
    return column


def check_unique(names: Sequence[str], table: pd.DataFrame, path: Path) -> None:
    """DatasetError where two rows of the table `path` have one name."""
    first: dict[str, int] = {}
    for name, line in zip(names, table.index.tolist(), strict=True):
        if (other := first.setdefault(name, line)) != line:
            raise DatasetError(f"{path}: rows {other} and {line} both name {name!r}; expected one row for each image")


def as_values(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of which every cell is a number or empty as numbers, the others as text without blanks at the ends.

    A number is what is written as one, with no zero before it: `0005`, `1E5` and numbers of more than 15 digits are
    text, `1E+05` is a number.
    """
    return pd.DataFrame({name: _as_values(table[name]) for name in table}, index=table.index)


def _as_values(column: pd.Series) -> pd.Series:
    cells = [None if cell is None else cell.strip() for cell in column]
    known = [cell for cell in cells if cell is not None]
    if known and all(INTEGER.fullmatch(cell) for cell in known) and len(known) == len(cells):
        return pd.Series([int(cell) for cell in known], index=column.index, dtype="int64")
    if known and all(NUMBER.fullmatch(cell) for cell in known):
        return pd.Series([float("nan" if cell is None else cell) for cell in cells], index=column.index)
    return pd.Series(cells, index=column.index, dtype=object)
