"""What stands within a model: parts with a `cv` of their own and whether groups reach it, parts fitted before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from inspect import getclosurevars
from types import FunctionType, MethodType
from typing import Any

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from sklearn.utils.metadata_routing import MetadataRouter, get_routing_for_object

# By scikit-learn's convention what is learned ends in an underscore; XGBoost has its trees under a name of its own.
FITTED = re.compile("[^_].*[^_]_|_Booster")
MANY = 1000  # entries of a list that holds no estimators
STEPS = ("steps", "transformer_list", "transformers", "estimators")  # parts go by their own names


def inner_cvs(model: Any) -> dict[str, Any]:
    """Every `cv` in the model, by the parameter's name."""
    return {name: value for name, value in _parameters(model).items() if name.rpartition("__")[2] == "cv"}


def owner_of(model: Any, name: str) -> Any:
    """The part that a parameter belongs to."""
    return _parameters(model)[_ancestors(name)[0]]


def find_fitted(model: Any) -> str | None:
    """Find what `clone` leaves fitted or takes for fitted, in words, if there is any."""
    for name, value in _parameters(model).items():
        parameter = name.rpartition("__")[2]
        if (parameter == "cv" and isinstance(value, str) and value == "prefit") or (
            parameter == "prefit" and value is True
        ):
            return f"what the {type(owner_of(model, name)).__name__} of {name}={value!r} stands on"
    return _find_fitted(clone(model), "")


def _find_fitted(part: Any, name: str) -> str | None:
    """As `find_fitted`, in what `clone` has given; `name` is the part's, as `get_params` would name it."""
    for place, inner in parts_of(part, name):
        learned = any(FITTED.fullmatch(attribute) for attribute in vars(inner))
        if learned or isinstance(inner, FrozenEstimator):
            return f"{place or 'itself'} ({type(inner).__name__})"
    return None


def parts_of(part: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every estimator in it, the settings that a search tries included, with its name as `get_params` would give it."""
    if _is_estimator(part):
        yield name, part
    for key, inner in _inside(part):
        yield from parts_of(inner, f"{name}__{key}" if name and key else name or key)


def _inside(part: Any) -> Iterator[tuple[str, Any]]:
    """What may hold an estimator, with its name: parameters, entries, what a function is a method of or refers to."""
    if isinstance(part, dict):
        yield from part.items()
    elif isinstance(part, list | tuple | set) and len(part) < MANY:
        for i, entry in enumerate(part):
            is_step = isinstance(entry, tuple) and len(entry) > 1 and isinstance(entry[0], str)
            yield entry[:2] if is_step else (str(i), entry)
    elif isinstance(part, partial):
        yield from {"func": part.func, "args": part.args, "keywords": part.keywords}.items()
    elif isinstance(part, MethodType):
        yield part.__name__, part.__self__
    elif isinstance(part, FunctionType):
        variables = getclosurevars(part)
        yield from ((k, v) for k, v in {**variables.globals, **variables.nonlocals}.items() if _is_estimator(v))
    elif _is_estimator(part):
        for key, value in part.get_params(deep=False).items():
            yield "" if key in STEPS else key, value


def _is_estimator(part: Any) -> bool:
    return hasattr(part, "get_params") and not isinstance(part, type)


def is_fitted_on_all_rows(model: Any, name: str) -> bool:
    """Tell whether nothing but pipelines stands around the model that the parameter belongs to."""
    parameters = _parameters(model)
    return all(isinstance(parameters[ancestor], Pipeline) for ancestor in _ancestors(name)[1:])


def weights_classes(model: Any) -> bool:
    """Whether its probabilities are of weighted classes: what gives them weights classes and is not calibrated."""
    if isinstance(model, Pipeline):
        return weights_classes(model[-1])
    if isinstance(model, StackingClassifier):
        return weights_classes(model.final_estimator)
    if isinstance(model, CalibratedClassifierCV | SVC):  # a sigmoid fitted without weights
        return False
    if not _is_estimator(model):
        return False
    own = model.get_params(deep=False)
    chosen = getattr(model, "best_estimator_", own.get("estimator"))
    parts = [chosen, *(part for _, part in own.get("estimators") or [])]
    weights = [own.get(name) for name in ("class_weight", "scale_pos_weight")]  # the second is XGBoost's
    return any(weight not in (None, 1) for weight in weights) or any(map(weights_classes, parts))


def is_told(model: Any, name: str) -> bool:
    """Tell whether groups reach the owner of a parameter if its `fit` asks for them, by metadata routing.

    A search hands on what the model that it is given asks for, whatever it puts in a step's place.
    """
    parameters = _parameters(model)
    around = [parameters[place] for place in _ancestors(name) if _is_estimator(parameters.get(place))]
    if name in parameters:
        return all(isinstance(get_routing_for_object(part), MetadataRouter) for part in around[1:])
    if hasattr(around[0], "estimator"):
        around.append(around[0].estimator)
    return all(bool(get_routing_for_object(part).consumes("fit", ["groups"])) for part in around)


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
    """Return what stands around a parameter, from its owner to the model itself, which has no name."""
    ancestors = []
    while name:
        name = name.rpartition("__")[0]
        ancestors.append(name)
    return ancestors
