"""Read a csv, or say why not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..exceptions import DatasetError


def read_table(path: Path) -> pd.DataFrame:
    """Read the csv `path`.

    Raises
    ------
    DatasetError
        If it is missing, empty or no csv.
    """
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: there is no such csv file") from error
    except (OSError, ValueError) as error:
        # pandas' parser errors and UnicodeDecodeError are ValueErrors.
        raise DatasetError(f"{path}: cannot be read as csv ({error})") from error
    if table.empty:
        raise DatasetError(f"{path}: the csv has no rows")
    return table


def column_of(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    """Column `name`, every row of it filled; DatasetError otherwise."""
    if name not in table:
        raise DatasetError(f"{path}: no column {name!r}; there are {list(table.columns)}")
    if table[name].isna().any():
        row = int(table[name].isna().to_numpy().argmax())
        raise DatasetError(f"{path}: column {name!r} is empty in row {row + 2}")
    return table[name]
