"""A digest of what an object is made of: equal in every process, another where its state or its code differs."""

from __future__ import annotations

import copyreg
import hashlib
import inspect
import os
import sys
from collections.abc import Iterator
from functools import cached_property, partial
from types import CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np
import pandas as pd

# Whose code is known by its version.
VERSIONED = (
    *("builtins", "cv2", "fracture_features", "joblib", "keras", "numpy", "pandas", "scipy", "sklearn"),
    "xgboost",
)
INSTALLED = ("site-packages", "dist-packages")
PLAIN = (bool, int, float, complex, str, bytes, bytearray, type(None), type(Ellipsis))


def fingerprint(*values: Any) -> bytes:
    """32 bytes that stand for plain values, arrays, tables, functions and estimators, fitted or not.

    Of the user's own classes and functions the compiled code counts, with the globals it names: functions and classes
    of the user's own by their code, those of installed packages by their name, other values by what they are made of
    or, where that cannot be looked into, by their type. Code of the packages in VERSIONED counts by its name.

    Raises
    ------
    TypeError
        If something in it can neither be looked into nor pickled, such as an open file.
    """
    state = hashlib.sha256()
    _feed(state, values, (), set())
    return state.digest()


def _feed(state: Any, value: Any, around: tuple[int, ...], seen: set[int]) -> None:
    """Add a value to the digest; `around` are the objects it stands in, `seen` functions and classes fed before."""
    if id(value) in around or id(value) in seen:
        state.update(f"again {getattr(value, '__qualname__', '')}".encode())
        return
    if isinstance(value, FunctionType | type):
        seen.add(id(value))
    kind = type(value)
    state.update(f"<{kind.__module__}.{kind.__qualname__}>".encode())
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind != "O":  # np.float64 is a float, too
        array = np.ascontiguousarray(value)
        state.update(f"{array.dtype.str}{np.shape(value)}".encode() + array.tobytes())
    elif isinstance(value, PLAIN):
        state.update(repr(value).encode(errors="surrogatepass"))
    else:
        for part in _parts(value):
            _feed(state, part, (*around, id(value)), seen)
    state.update(b"</>")


def _parts(value: Any) -> list[Any]:
    """List what an object is made of."""
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
            return list(_function(value))
        case CodeType():
            return [value.co_code, value.co_names, value.co_consts]
        case ModuleType():
            return [value.__name__]
        case type():
            own = [c for c in value.__mro__ if not _is_versioned(c.__module__)]
            return [f"{value.__module__}.{value.__qualname__}", *(_members(c) for c in own)]
    return _reduced(value)


def _is_versioned(module: str | None) -> bool:
    return (module or "").partition(".")[0] in VERSIONED


def _function(function: FunctionType) -> Iterator[Any]:
    """Name and, of a function of the user's own, all that it computes with."""
    yield f"{function.__module__}.{function.__qualname__}"
    yield from (function.__defaults__, function.__kwdefaults__)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            yield "empty"
    if not _is_versioned(function.__module__):
        code = function.__code__
        yield code
        names = sorted(_names(code))
        for value in [function.__globals__[name] for name in names if name in function.__globals__]:
            yield from _reached(value, names)


def _reached(value: Any, names: list[str]) -> Iterator[Any]:
    """Return what counts of a global that code names, and of a module of the user's own what it names of that."""
    value = inspect.unwrap(value) if callable(value) else value
    if isinstance(value, ModuleType):
        yield value.__name__
        if _is_own(value.__name__):
            for name in names:
                yield from _reached(getattr(value, name, None), [])
    elif isinstance(value, FunctionType | type):
        yield value if _is_own(value.__module__) else f"{value.__module__}.{value.__qualname__}"
    else:
        try:
            yield fingerprint(value)
        except TypeError:
            yield type(value).__qualname__


def _is_own(module: str | None) -> bool:
    """Tell whether a module is the user's: neither Python's nor installed."""
    if module == "__main__":  # a script or a notebook, whatever runs it
        return True
    top = (module or "").partition(".")[0]
    file = getattr(sys.modules.get(module or ""), "__file__", None) or ""
    return not (_is_versioned(module) or top in sys.stdlib_module_names or any(part in file for part in INSTALLED))


def _names(code: CodeType) -> set[str]:
    """Names that a function asks for, functions within it included."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*(_names(part) for part in inner))


def _members(cls: type) -> dict[str, Any]:
    """Return what a class defines."""
    return {name: _unwrapped(value) for name, value in vars(cls).items() if _is_defined(name, value)}


def _is_defined(name: str, value: Any) -> bool:
    """Tell whether the user wrote it, and not Python or scikit-learn, such as __slotnames__ or set_fit_request."""
    code = FunctionType | property | staticmethod | classmethod | cached_property
    if isinstance(value, code) or hasattr(value, "__wrapped__"):
        return True
    noted = isinstance(value, GetSetDescriptorType | MemberDescriptorType)
    return not (noted or name.startswith(("__", "_abc_")) or type(value).__module__.startswith("sklearn."))


def _unwrapped(member: Any) -> Any:
    if isinstance(member, property):
        return [member.fget, member.fset]
    if isinstance(member, cached_property):
        return member.func
    member = member.__func__ if isinstance(member, staticmethod | classmethod) else member
    return inspect.unwrap(member) if callable(member) else member


def _reduced(value: Any) -> list[Any]:
    """Return what pickle would take an object apart into, its state in C or slots too."""
    reducer = copyreg.dispatch_table.get(type(value))
    reduced: Any = value.__reduce_ex__(4) if reducer is None else reducer(value)
    if isinstance(reduced, str):
        return [getattr(value, "__module__", None), reduced]
    return [list(part) if isinstance(part, Iterator) else part for part in reduced]
