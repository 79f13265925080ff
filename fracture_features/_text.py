"""Tables that hold any name a file can have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def any_text(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function make tables of names that are not UTF-8, which pandas cannot keep as strings of pyarrow."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        import pandas as pd  # a quarter of a second

        with pd.option_context("mode.string_storage", "python"):
            return function(*args, **kwargs)

    return wrapped
