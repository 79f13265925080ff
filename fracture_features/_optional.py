"""Import what only some users have installed."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from .exceptions import MissingDependencyError


def require(module: str, *, extra: str, needed_for: str) -> ModuleType:
    """Import `module`, or say which extra installs it.

    Raises
    ------
    MissingDependencyError
        If it cannot be found; a module that is there and breaks raises its own error.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise MissingDependencyError(
            f"{needed_for} needs the package {error.name!r}: pip install 'fracture_features[{extra}]'"
        ) from error
