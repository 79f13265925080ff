"""A digest of what an object is made of: equal in every process, another where a parameter or its code differs."""

from __future__ import annotations

import hashlib
import os
import pickle
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import pandas as pd

# Whose code is known by its version.
VERSIONED = (
    *("builtins", "cv2", "fracture_features", "joblib", "keras", "numpy", "pandas", "scipy", "sklearn"),
    "xgboost",
)


def fingerprint(*values: Any) -> bytes:
    """32 bytes that stand for plain values, arrays, tables, functions and estimators, fitted or not.

    Of classes and functions of the user's own the compiled code counts, whatever module holds it.
    """
    state = hashlib.sha256()
    _feed(state, values, ())
    return state.digest()


def _feed(state: Any, value: Any, around: tuple[int, ...]) -> None:
    """Add a value to the digest; `around` are the objects it stands in, by id."""
    if id(value) in around:
        state.update(b"itself")
        return
    kind = type(value)
    state.update(f"<{kind.__module__}.{kind.__qualname__}>".encode())
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind != "O":  # np.float64 is a float, too
        array = np.ascontiguousarray(value)
        state.update(f"{array.dtype.str}{np.shape(value)}".encode() + array.tobytes())
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
        state.update(repr(value).encode(errors="surrogatepass"))
    else:
        for part in _parts(value):
            _feed(state, part, (*around, id(value)))
    state.update(b"</>")


def _parts(value: Any) -> list[Any]:
    """What an object is made of."""
    match value:
        case os.PathLike():
            return [os.fspath(value)]
        case list() | tuple():
            return list(value)
        case set() | frozenset():
            return sorted(fingerprint(part) for part in value)
        case dict():
            return [part for item in value.items() for part in item]
        case np.ndarray():
            return [value.shape, *value.ravel().tolist()]
        case pd.DataFrame():
            return [list(value.columns), value.index.to_numpy(), *(value[name].to_numpy() for name in value)]
        case pd.Series() | pd.Index():
            return [value.name, value.to_numpy()]
        case partial():
            return [value.func, value.args, value.keywords]
        case MethodType():
            return [value.__func__, value.__self__]
        case FunctionType():
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            names = [value.__module__, value.__qualname__]
            return [*names, *_code(value), value.__defaults__, value.__kwdefaults__, cells]
        case CodeType():
            return [value.co_code, value.co_names, [const for const in value.co_consts if not isinstance(const, str)]]
        case type():
            own = [c for c in value.__mro__ if c.__module__.partition(".")[0] not in VERSIONED]
            return [f"{value.__module__}.{value.__qualname__}", *(_members(c) for c in own)]
        case BuiltinFunctionType() | np.ufunc():
            return [getattr(value, "__module__", None), value.__name__]
    if hasattr(value, "__dict__"):
        return [type(value), vars(value)]
    return [pickle.dumps(value)]


def _code(function: FunctionType) -> list[CodeType]:
    return [] if (function.__module__ or "").partition(".")[0] in VERSIONED else [function.__code__]


def _members(cls: type) -> dict[str, Any]:
    """Functions and plain attributes that a class defines; not what Python notes on it, such as __slotnames__."""
    code, plain = (FunctionType, property, staticmethod, classmethod), (bool, int, float, str, tuple, list, dict)
    return {
        name: _unwrapped(value)
        for name, value in vars(cls).items()
        if isinstance(value, code) or (isinstance(value, plain) and not name.startswith("__"))
    }


def _unwrapped(member: Any) -> Any:
    if isinstance(member, property):
        return [member.fget, member.fset]
    return member.__func__ if isinstance(member, staticmethod | classmethod) else member
