"""Whether what `evaluate` is given can be evaluated."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline

from .._validation import is_whole
from ..audit import AuditReport
from ..datasets import FractureDataset
from ..exceptions import DatasetError, DatasetWarning, UngroupedDataWarning
from ._baselines import BASELINE_SETS, BASELINES
from ._nested import find_fitted, inner_cvs, owner_of


def check_options(
    *, baselines: Any, audit: Any, random_state: Any, n_jobs: Any, keep_models: Any, on_error: Any, verbose: Any
) -> None:
    """Raise ValueError for a parameter of `evaluate` that is none of those it takes."""
    if baselines not in tuple(BASELINE_SETS):
        raise ValueError(f"baselines must be one of {tuple(BASELINE_SETS)}, got {baselines!r}")
    if random_state is not None and not (is_whole(random_state) and 0 <= random_state < 2**32):
        raise ValueError(f"random_state must be None or an integer from 0 to 2**32 - 1, got {random_state!r}")
    if n_jobs is not None and (not is_whole(n_jobs) or n_jobs == 0):
        raise ValueError(f"n_jobs must be None or an integer other than 0, got {n_jobs!r}")
    if not isinstance(keep_models, bool | np.bool_) and keep_models != "first":
        raise ValueError(f"keep_models must be True, False or 'first', got {keep_models!r}")
    if not isinstance(audit, bool | np.bool_ | AuditReport):
        raise ValueError(f"audit must be True, False or an AuditReport, got {audit!r}")
    if on_error not in ("raise", "record"):
        raise ValueError(f"on_error must be 'raise' or 'record', got {on_error!r}")
    if verbose not in (0, 1):
        raise ValueError(f"verbose must be 0 or 1, got {verbose!r}")


def check_data(data: Any, external: Any) -> None:
    """Raise where they are no data sets of the same classes that name each file once (ValueError, DatasetError)."""
    _check_dataset(data, "data")
    if external is not None:
        _check_dataset(external, "external")
        if external.target_names != data.target_names:
            raise DatasetError(f"external has the classes {external.target_names}, the data have {data.target_names}")


def check_other_files(data: FractureDataset, external: FractureDataset) -> None:
    """Raise DatasetError where files of the data stand in `external`, under whatever name; warn of shared patients."""
    if shared := len(np.intersect1d(data.paths, external.paths)):
        raise DatasetError(f"external shares {shared} files with the data; expected images of another source")
    same = external.files["sha256"].isin(data.files["sha256"]).to_numpy()
    if same.any():
        raise DatasetError(
            f"external: {same.sum()} of {len(external)} images are files of the data under another name (equal "
            f"SHA-256), {str(external.paths[same][0])!r} among them; expected images of another source"
        )
    if "PatientID" in data.frame and "PatientID" in external.frame:
        known = external.frame["PatientID"].isin(data.frame["PatientID"].dropna())
        if known.any():
            n = external.frame["PatientID"][known].nunique()
            warnings.warn(
                f"external: {known.sum()} of {len(external)} images are of {n} patients of the data (equal PatientID); "
                "results on them are no external validation.",
                DatasetWarning,
                stacklevel=3,
            )


def _check_dataset(data: Any, parameter: str) -> None:
    if not isinstance(data, FractureDataset):
        raise ValueError(f"{parameter} must be a FractureDataset, got {type(data).__name__}")
    paths, counts = np.unique(data.paths, return_counts=True)
    if (counts > 1).any():
        raise DatasetError(
            f"{parameter} must name each file once, got {str(paths[counts.argmax()])!r} {counts.max()} times"
        )


def warn_without_groups(data: FractureDataset | None, external: FractureDataset | None) -> None:
    if data is not None and data.groups is None:
        warnings.warn(
            "No groups are given: images of one patient may stand on both sides of a split and flatter the result.",
            UngroupedDataWarning,
            stacklevel=3,
        )
    if external is not None and external.groups is None:
        warnings.warn(
            "No groups are given for external: its intervals take the images of one patient for independent.",
            UngroupedDataWarning,
            stacklevel=3,
        )


def check_models(models: Any, n_classes: int) -> None:
    if not isinstance(models, Mapping) or not models:
        raise ValueError(f"models must map names to classifiers, got {models!r}")
    for name, model in models.items():
        if name in BASELINES:
            raise ValueError(f"models: {name!r} is the name of a baseline; give it another than {tuple(BASELINES)}")
        if not hasattr(model, "fit") or isinstance(model, type) or not is_classifier(model):
            raise ValueError(f"models[{name!r}] must be a classifier, got {model!r}")
        if not _has_scores(model):
            raise ValueError(f"models[{name!r}] must have predict_proba or decision_function, got {model!r}")
        for parameter, cv in inner_cvs(model).items():
            if isinstance(cv, Generator):
                raise ValueError(
                    f"models[{name!r}]: {parameter} of {type(owner_of(model, parameter)).__name__} is a generator of "
                    "folds, which the first fit uses up: give a number or a splitter"
                )
        if (found := find_fitted(model)) is not None:
            raise ValueError(
                f"models[{name!r}]: {found} is fitted already, on images that may be among those tested, and would not "
                "be fitted anew in each fold: give what is not fitted"
            )
        for entrance in _entrances(model):
            if isinstance(entrance, ColumnTransformer):
                raise ValueError(
                    f"models[{name!r}]: {type(entrance).__name__} takes a table, evaluate hands paths to its models: "
                    "put MetadataLookup before it, and that beside the images in a FeatureUnion"
                )
        for parameter, value in model.get_params().items():
            if n_classes > 2 and parameter.endswith("decision_function_shape") and value == "ovo":
                raise ValueError(
                    f"models[{name!r}]: {parameter} must be 'ovr', a score for each of {n_classes} classes, got 'ovo'"
                )


def _has_scores(model: Any) -> bool:
    """Whether it will have scores once it is fitted: a stack without a final estimator takes a logistic regression."""
    stacks = [name for name, cv in inner_cvs(model).items() if isinstance(owner_of(model, name), StackingClassifier)]
    final = [name.removesuffix("cv") + "final_estimator" for name in stacks]
    if default := [name for name in final if model.get_params()[name] is None]:
        model = clone(model).set_params(**dict.fromkeys(default, LogisticRegression()))
    return hasattr(model, "predict_proba") or hasattr(model, "decision_function")


def _entrances(model: Any) -> Iterator[Any]:
    """Return what gets the paths that a model is given: the first steps of its pipelines, however deep."""
    if isinstance(model, Pipeline):
        inner = [step for _, step in model.steps if step not in (None, "passthrough")][:1]
    elif isinstance(model, FeatureUnion):
        inner = [part for _, part in model.transformer_list]
    else:
        inner = [part for _, part in getattr(model, "estimators", None) or [] if hasattr(part, "fit")]
        inner += [model.estimator] if hasattr(model, "estimator") else []
    if not inner:
        yield model
    for part in inner:
        yield from _entrances(part)
