"""Model files: one zip with a manifest, an estimator as skops writes it, XGBoost's trees and arrays; no code.

=====================  ==================================================================================
``manifest.json``      format, versions, the model's state, size and SHA-256 of every other member
``skops/schema.json``  the estimator: types, parameters, attributes
``skops/0.npy`` …      its arrays, the weights of networks too
``boosters/0.ubj`` …   XGBoost's trees, in UBJSON
``arrays/name.npy``    further arrays of the model
=====================  ==================================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from .._write import whole_file
from ..exceptions import ModelFileError, ModelFileWarning
from ._npy import from_npy, to_npy
from ._pack import pack
from ._restore import restore
from ._schema import from_parts, parse_json, to_parts
from ._zip import MANIFEST, SCHEMA, Members, write_members

FORMAT = "fracture_features model"
NUMBER = 1  # of the format
LONGEST = 2000  # characters of an error: names in a file can be of any length
KEYS = {"format", "format_version", "versions", "state", "members"}
# By the name in the manifest what pip may call it.
ALWAYS = {
    "numba": ("numba",),
    "numpy": ("numpy",),
    "opencv": ("opencv-python-headless", "opencv-python"),
    "pillow": ("pillow",),
    "scikit-learn": ("scikit-learn",),
    "scipy": ("scipy",),
    "simplejpeg": ("simplejpeg",),
    "skops": ("skops",),
}
# And where the model needs it.
XGBOOST = {"xgboost": ("xgboost", "xgboost-cpu")}
NETWORKS = {
    "keras": ("keras",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
}


def write_model_file(
    path: str | os.PathLike[str], estimator: Any, state: dict[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write a fitted estimator, and what belongs to it, to one file.

    Parameters
    ----------
    path : path-like
        Written beside its place and moved there: it is whole, or as it was.
    estimator : fitted estimator
        Of this library, of XGBoost's XGBClassifier, or of scikit-learn as far as TRUSTED_TYPES goes. It stays as it is.
        Of a search its `best_estimator_` is written. Folders of caches, paths of weights, cross-validation splits and
        generators of random numbers are left out.
    state : dict
        What JSON can hold, NaN too.
    arrays : mapping of str to ndarray
        Numbers or text, by names of letters, digits and underscores.

    Raises
    ------
    ModelFileError
        If the estimator holds a type, a function or an object that `read_model_file` would refuse.
    NotFittedError
        If it is not fitted.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fracture_features.model import read_model_file, write_model_file
    >>> path = tempfile.mktemp(suffix=".ff")
    >>> write_model_file(path, LogisticRegression().fit([[0], [1]], [0, 1]), {"threshold": 0.4}, {})
    >>> estimator, state, arrays = read_model_file(path)
    >>> estimator.predict([[2]]), state
    (array([1]), {'threshold': 0.4})
    """
    check_is_fitted(estimator)
    with _explained(f"{type(estimator).__name__} cannot be saved"):
        packed, boosters = pack(estimator)
        members = to_parts(packed) | boosters
        _estimator(members)  # what is written can be read
    for name, array in arrays.items():
        if not re.fullmatch(r"[A-Za-z0-9_]{1,80}", name):
            raise ValueError(f"arrays must have names of letters, digits and underscores, got {name!r}")
        members[f"arrays/{name}.npy"] = to_npy(np.asarray(array))
    manifest = {
        "format": FORMAT,
        "format_version": NUMBER,
        "versions": _versions(members),
        "state": state,
        "members": {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
        },
    }
    with whole_file(path) as part:
        write_members(part, {MANIFEST: json.dumps(manifest, indent=1).encode()} | members)


def read_model_file(
    path: str | os.PathLike[str],
) -> tuple[Any, dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `write_model_file` has written; nothing in the file is run.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    estimator : fitted estimator
        Its predictions equal those of the one written, to the bit under the same versions and on the same processor.
    state : dict
    arrays : dict of str to ndarray

    Raises
    ------
    ModelFileError
        If it is no model file, a newer one, cut or altered, or holds what no model file may.
    MissingDependencyError
        If the model needs XGBoost, and it is not installed.
    OSError
        If there is no such file.

    Warns
    -----
    ModelFileWarning
        If other versions of packages are installed than those that it was written under.
    """
    with _explained(f"{os.fspath(path)!r} is no model file that can be read"), Members(path) as archive:
        manifest = _read_manifest(archive)
        members = {name: _checked(archive, name, about) for name, about in manifest["members"].items()}
        _warn_of_versions(path, manifest["versions"], _versions(members))
        arrays = {name: from_npy(data, name) for name, data in _within("arrays/", members).items()}
        named = {name[len("arrays/") : -len(".npy")]: array for name, array in arrays.items()}
        return _estimator(members), manifest["state"], named


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    r"""Read the manifest of a model file; no other member is read.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    manifest : dict
        `format_version`; `versions`, of packages by name; `state`; `members`, each with `size` and `sha256`.

    Raises
    ------
    ModelFileError
        If it is no model file, a newer one, or cut.
    OSError
        If there is no such file.

    See Also
    --------
    fracture_features.load_model : Load the model.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_pipeline, make_radiographs, train_model
    >>> from fracture_features.model import read_manifest
    >>> folder = make_radiographs(60, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_folder(folder, groups=r"patient(\d+)")
    >>> model = train_model(make_pipeline("edges", "svm", image_size=48), data, random_state=0)
    >>> file = tempfile.mkdtemp() + "/model.ff"
    >>> model.save(file)
    >>> sorted(read_manifest(file))
    ['format', 'format_version', 'members', 'state', 'versions']
    """
    with _explained(f"{os.fspath(path)!r} is no model file that can be read"), Members(path) as archive:
        return _read_manifest(archive)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Begin the errors within by saying what they prevent."""
    try:
        yield
    except ModelFileError as error:
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(error)[: LONGEST + 1])
        raise ModelFileError(f"{what}: {text[:LONGEST] + ' …' if len(text) > LONGEST else text}") from error


def _estimator(members: Mapping[str, bytes]) -> Any:
    return restore(from_parts(_within("skops/", members)), _within("boosters/", members))


def _within(folder: str, members: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in members.items() if name.startswith(folder)}


def _read_manifest(archive: Members) -> dict[str, Any]:
    if MANIFEST not in archive.sizes:
        raise ModelFileError(f"it has no {MANIFEST}")
    manifest = parse_json(archive.read(MANIFEST), MANIFEST)
    found = manifest.get("format") if isinstance(manifest, dict) else manifest
    if found != FORMAT:
        raise ModelFileError(f"its {MANIFEST} has the format {found!r:.80}; expected {FORMAT!r}")
    number = manifest.get("format_version")
    if type(number) is not int or number < 1:
        raise ModelFileError(f"its {MANIFEST} has the format version {number!r:.80}")
    if number > NUMBER:
        raise ModelFileError(
            f"it has version {number!r:.80} of the format; fracture_features {_own_version()} reads up to {NUMBER}: "
            "install a newer one"
        )
    if set(manifest) != KEYS or not isinstance(manifest["state"], dict) or not _are_versions(manifest["versions"]):
        raise ModelFileError(f"its {MANIFEST} is not as this library writes it")
    _check_members(manifest["members"], archive.sizes)
    return dict(manifest)


def _check_members(said: Any, sizes: dict[str, int]) -> None:
    """Compare the manifest's list of members with those that there are."""
    if not isinstance(said, dict) or not all(isinstance(about, dict) for about in said.values()):
        raise ModelFileError(f"its {MANIFEST} lists no members")
    there = set(sizes) - {MANIFEST}
    if missing := sorted(set(said) - there):
        raise ModelFileError(f"its members {missing[:5]} are missing")
    if more := sorted(there - set(said)):
        raise ModelFileError(f"it has members that its {MANIFEST} does not list: {more[:5]}")
    if SCHEMA not in said:
        raise ModelFileError(f"it has no {SCHEMA}")
    for name, about in said.items():
        size, digest = about.get("size"), about.get("sha256")
        if set(about) != {"size", "sha256"} or type(size) is not int or not isinstance(digest, str):
            raise ModelFileError(f"its {MANIFEST} gives {name} the size {size!r:.80}")
        if size != sizes[name]:
            raise ModelFileError(f"its {name} has {sizes[name]:,} bytes, and its {MANIFEST} says {size!r:.80}")


def _checked(archive: Members, name: str, about: dict[str, Any]) -> bytes:
    data = archive.read(name)
    if hashlib.sha256(data).hexdigest() != about["sha256"]:
        raise ModelFileError(f"its {name} was altered: it has another SHA-256 than its {MANIFEST} says")
    return data


def _versions(members: Mapping[str, bytes]) -> dict[str, str]:
    """Versions, here, of the packages that a model of these members predicts with."""
    wanted = dict(ALWAYS)
    if any(name.startswith("boosters/") for name in members):
        wanted |= XGBOOST
    if any(b'"fracture_features.cnn.' in data for name, data in members.items() if name == SCHEMA):
        wanted |= NETWORKS
    found = {"fracture_features": _own_version(), "python": ".".join(map(str, sys.version_info[:3]))}
    for name, distributions in wanted.items():
        for distribution in distributions:
            try:
                found[name] = version(distribution)
                break
            except PackageNotFoundError:
                continue
    return found


def _own_version() -> str:
    return str(sys.modules["fracture_features"].__version__)


def _are_versions(versions: Any) -> bool:
    plain = re.compile(r"[\w.+!-]{1,60}", re.ASCII)
    return isinstance(versions, dict) and all(
        isinstance(text, str) and plain.fullmatch(text) for item in versions.items() for text in item
    )


def _warn_of_versions(path: str | os.PathLike[str], then: dict[str, str], now: dict[str, str]) -> None:
    differ = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    if differ:
        listed = ", ".join(f"{name} {then.get(name, 'none')!s} then, {now.get(name, 'none')} now" for name in differ)
        warnings.warn(
            f"{os.fspath(path)!r} was saved under other versions of packages than those installed here: {listed}. "
            "Predictions may differ.",
            ModelFileWarning,
            stacklevel=3,
        )
