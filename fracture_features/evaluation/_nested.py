"""Models with a `cv` of their own: where it stands, and whether groups reach it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Real
from typing import Any

from sklearn.ensemble import StackingClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRouter, get_routing_for_object

from .._validation import is_whole
from ..exceptions import UngroupedDataWarning


def inner_cvs(model: Any) -> dict[str, Any]:
    """Every `cv` in the model, by the parameter's name."""
    return {name: value for name, value in _parameters(model).items() if name.rpartition("__")[2] == "cv"}


def is_fitted_on_all_rows(model: Any, name: str) -> bool:
    """Whether nothing but pipelines stands around the model that the parameter belongs to."""
    parameters = _parameters(model)
    return all(isinstance(parameters[ancestor], Pipeline) for ancestor in _ancestors(name)[1:])


def ignores_groups(cv: Any) -> bool:
    """Whether it divides images as if there were no groups: a share of them, or a splitter that does not ask."""
    if hasattr(cv, "split") and not isinstance(cv, str):
        return not get_routing_for_object(cv).consumes("split", ["groups"])
    return isinstance(cv, Real) and not is_whole(cv)


def warn_of_ignored_groups(models: Mapping[str, Any]) -> None:
    """Warn of every splitter within a model that divides images as if there were no groups."""
    for name, model in models.items():
        for parameter, cv in inner_cvs(model).items():
            if ignores_groups(cv):
                message = f"models[{name!r}]: {parameter}={cv!r} ignores the groups and may split a patient's images."
                warnings.warn(message, UngroupedDataWarning, stacklevel=3)


def check_routing(model: Any, name: str, where: str) -> None:
    """Raise ValueError where groups cannot reach the parameter `name`, a `cv`, by metadata routing.

    Folds in a model that is fitted on other rows than these learn of groups by routing alone.
    """
    parameters = _parameters(model)
    owner, *around = [parameters[ancestor] for ancestor in _ancestors(name)]
    routing = get_routing_for_object(owner)
    # A router names the parts that it hands metadata on to.
    parts = dict(routing) if isinstance(routing, MetadataRouter) else {}
    is_told = (
        "splitter" in parts
        and getattr(owner, "ensemble", True) is not False  # CalibratedClassifierCV
        and not (around and isinstance(around[0], Pipeline) and around[0][-1] is not owner)
        # It hands groups to its final estimator too, which fails.
        and not any(isinstance(ancestor, StackingClassifier) for ancestor in around)
    )
    if not is_told:
        raise ValueError(
            f"{where}: the {type(owner).__name__} of {name} cannot keep groups together: scikit-learn tells it "
            "none where it is fitted on parts of the training part, as by a search, a stack or calibrate=True"
        )


def _parameters(model: Any) -> dict[str, Any]:
    """Itself, under no name, and all that stands within."""
    return {"": model} | model.get_params(deep=True)


def _ancestors(name: str) -> list[str]:
    """What stands around a parameter, from its owner to the model itself, which has no name."""
    ancestors = []
    while name:
        name = name.rpartition("__")[0]
        ancestors.append(name)
    return ancestors
