"""A digest of what an object is made of: equal in every process, another where a parameter or its code differs."""

from __future__ import annotations

import hashlib
import inspect
import os
import pickle
import sys
from collections.abc import Iterator
from functools import cached_property, partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pandas as pd

# Whose code is known by its version.
VERSIONED = (
    *("builtins", "cv2", "fracture_features", "joblib", "keras", "numpy", "pandas", "scipy", "sklearn"),
    "xgboost",
)
INSTALLED = ("site-packages", "dist-packages")
PLAIN = (bool, int, float, complex, str, bytes)


def fingerprint(*values: Any) -> bytes:
    """32 bytes that stand for plain values, arrays, tables, functions and estimators, fitted or not.

    Of classes and functions of the user's own the compiled code counts, whatever module holds it, with that of the
    functions and classes of the user's that it names, and the numbers, texts and arrays.
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
            named = _reach(value) if _code(value) else []
            return [*names, *_code(value), value.__defaults__, value.__kwdefaults__, cells, *named]
        case CodeType():
            return [value.co_code, value.co_names, value.co_consts]
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


def _reach(function: FunctionType) -> list[Any]:
    """What of the user's own a function's code names, and what that names: code and plain values."""
    waiting, seen, parts = [*_named(function)], {id(function)}, []
    while waiting:
        value = inspect.unwrap(waiting.pop()) if callable(waiting[-1]) else waiting.pop()
        if isinstance(value, FunctionType | type) and (id(value) in seen or not _is_own(value.__module__)):
            continue
        seen.add(id(value))
        if isinstance(value, FunctionType):
            parts.append([value.__qualname__, value.__code__, _plain([value.__defaults__, value.__kwdefaults__])])
            waiting += _named(value)
        elif isinstance(value, type):
            waiting += [value.__qualname__, *value.__bases__, *_members(value).values()]
        else:
            parts += _plain([value])
    return parts


def _named(function: FunctionType) -> Iterator[Any]:
    """Values of the global names in a function's code, and of the user's modules' names."""
    codes = [function.__code__]
    for code in codes:
        codes += [const for const in code.co_consts if isinstance(const, CodeType)]
    names = sorted({name for code in codes for name in code.co_names})
    for value in [function.__globals__[name] for name in names if name in function.__globals__]:
        if not isinstance(value, ModuleType):
            yield value
        elif _is_own(value.__name__):
            yield from (getattr(value, name) for name in names if hasattr(value, name))


def _plain(values: list[Any]) -> list[Any]:
    """Those that are plain, arrays and tuples of such too."""
    flat = [part for value in values for part in (value if isinstance(value, tuple) else [value])]
    return [part for part in flat if isinstance(part, (*PLAIN, np.generic, np.ndarray))]


def _is_own(module: str | None) -> bool:
    """Whether a module is the user's: neither Python's nor installed."""
    if module == "__main__":
        return True
    top = (module or "").partition(".")[0]
    file = getattr(sys.modules.get(module or ""), "__file__", None) or ""
    return top not in VERSIONED and top not in sys.stdlib_module_names and not any(part in file for part in INSTALLED)


def _members(cls: type) -> dict[str, Any]:
    """Functions and plain attributes that a class defines; not what Python notes on it, such as __slotnames__."""
    code = FunctionType, property, cached_property, staticmethod, classmethod
    plain = bool, int, float, str, tuple, list, dict
    return {
        name: _unwrapped(value)
        for name, value in vars(cls).items()
        if isinstance(value, code)
        or hasattr(value, "__wrapped__")
        or (isinstance(value, plain) and not name.startswith("__"))
    }


def _unwrapped(member: Any) -> Any:
    if isinstance(member, property):
        return [member.fget, member.fset]
    if isinstance(member, cached_property):
        return member.func
    member = member.__func__ if isinstance(member, staticmethod | classmethod) else member
    return inspect.unwrap(member) if callable(member) else member
