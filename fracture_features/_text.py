"""Tables that hold any name a file can have, and are safe to open."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    import pandas as pd

P = ParamSpec("P")
T = TypeVar("T")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula


def any_text(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function make tables of names that are not UTF-8, which pandas cannot keep as strings of pyarrow."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        import pandas as pd  # a quarter of a second

        with pd.option_context("mode.string_storage", "python"):
            return function(*args, **kwargs)

    return wrapped


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each text that a spreadsheet would take for a formula."""

    def escape(value: Any) -> Any:
        return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value

    return frame.map(escape).rename(columns=escape)
