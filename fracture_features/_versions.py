"""Versions of what results depend on."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

# By the names that pip knows: what setup.cfg lists, and keras' other backends.
PACKAGES = (
    "argcomplete",
    "cloudpickle",
    "dask",
    "distributed",
    "imagecodecs",
    "jax",
    "jinja2",
    "joblib",
    "keras",
    "matplotlib",
    "numba",
    "numpy",
    "onnx",
    "onnxruntime",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pyarrow",
    "python-multipart",
    "rich",
    "scikit-learn",
    "scipy",
    "simplejpeg",
    "skops",
    "starlette",
    "tensorflow",
    "tensorflow-cpu",
    "threadpoolctl",
    "torch",
    "uvicorn",
    "xgboost",
    "xgboost-cpu",
    "xxhash",
)


def find_versions() -> dict[str, str]:
    """Versions of this library and of those of PACKAGES that are installed."""
    versions = {"fracture-features": sys.modules["fracture_features"].__version__}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def show_versions() -> None:
    """Print the versions of Python, the platform, this library and what it depends on, for a report of an error.

    See Also
    --------
    fracture_features.EvaluationResult.manifest : The versions that a result came from.

    Examples
    --------
    >>> from fracture_features import show_versions
    >>> show_versions()  # doctest: +ELLIPSIS, +NORMALIZE_WHITESPACE
    python: ...
    """
    about = {"python": sys.version.replace("\n", " "), "executable": sys.executable, "platform": platform.platform()}
    for name, value in (about | find_versions()).items():
        sys.stdout.write(f"{name:>22}: {value}\n")
