"""Downloads of the page, as data URIs."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pandas as pd

from .._text import any_text, without_formulas

if TYPE_CHECKING:
    from ._tables import Cell, Table


def as_uri(content: bytes, kind: str) -> str:
    """A data URI of some bytes."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def file_name(caption: str, suffix: str) -> str:
    """A file's name from what it shows."""
    return (re.sub(r"\W+", "-", caption.casefold()).strip("-")[:60] or "download") + suffix


@any_text
def table_uri(table: Table) -> str:
    """The table as csv, with what stands below a value behind it."""
    rows = [[_text(cell) for cell in row] for body in table.bodies for row in body]
    text = without_formulas(pd.DataFrame(rows, columns=pd.Index(table.columns, dtype=object))).to_csv(index=False)
    return as_uri(str(text).encode("utf-8", "backslashreplace"), "text/csv;charset=utf-8")


def _text(cell: Cell) -> str:
    beside = "; ".join(filter(None, [cell.note, cell.mark]))
    return f"{cell.text} ({beside})" if beside else cell.text
