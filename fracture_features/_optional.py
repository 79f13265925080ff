"""Import what only some users have installed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from .exceptions import MissingDependencyError

# The package that proves that an extra of setup.cfg is installed.
EXTRAS = {
    "cnn": "keras",
    "dask": "distributed",
    "dicom": "imagecodecs",
    "onnx": "onnxruntime",
    "parquet": "pyarrow",
    "plot": "matplotlib",
    "report": "jinja2",
    "serve": "starlette",
}


def check_extra(extra: str, *, needed_for: str) -> None:
    """Do nothing where an extra is installed, which is found out without importing it.

    Raises
    ------
    MissingDependencyError
        If its package in EXTRAS cannot be found.
    """
    if find_spec(EXTRAS[extra]) is None:
        raise _missing(EXTRAS[extra], extra, needed_for)


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
        if error.name is None or error.name != module.partition(".")[0]:
            raise
        raise _missing(error.name, extra, needed_for) from error


def _missing(package: str, extra: str, needed_for: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"{needed_for} needs the package {package!r}: pip install 'fracture_features[{extra}]'"
    )
