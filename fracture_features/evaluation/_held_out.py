"""Where a model holds out some of the images that it is fitted on, and whether it parts a patient's images there."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.metadata_routing import get_routing_for_object

from .._validation import is_whole
from ..exceptions import UngroupedDataWarning
from ._nested import is_fitted_on_all_rows, is_told, parts_of
from ._splits import Split, read_fold

SHARE = "validation_fraction"
AUTO = 10_000  # images above which scikit-learn takes early_stopping="auto" for True
STOPPING = "to stop training by"
INSTEAD = (
    "give a number or a splitter that asks for groups, such as StratifiedGroupKFold(5), in the model itself: groups "
    "may not reach what a search tries"
)


@dataclass(frozen=True)
class Setting:
    """A parameter that may hold images out.

    Attributes
    ----------
    model : estimator
    name : str
        As `get_params` of the model would give it.
    owner : estimator
        The part it belongs to.
    value : object
    n_images : int
        How many the model is fitted on.
    is_in_model : bool
        Whether it stands in the model itself; what a search tries is not changed by `evaluate`.
    """

    model: Any
    name: str
    owner: Any
    value: Any
    n_images: int
    is_in_model: bool

    @property
    def parameter(self) -> str:
        """The name that its owner knows."""
        return self.name.rpartition("__")[2]

    @property
    def others(self) -> dict[str, Any]:
        """All parameters of the owner."""
        return dict(self.owner.get_params(deep=False))


class HoldOut(NamedTuple):
    """What a parameter holds images out for, when it does so without their groups, and what to give instead."""

    ignores_groups: Callable[[Setting], bool]
    purpose: str
    instead: str


def ignores_groups(cv: Any) -> bool:
    """Tell whether images are divided as if there were no groups: by a share, or by a splitter that does not ask."""
    if hasattr(cv, "split") and not isinstance(cv, str):
        return not get_routing_for_object(cv).consumes("split", ["groups"])
    return isinstance(cv, Real) and not is_whole(cv)


def _divides_images(setting: Setting) -> bool:
    cv = setting.value
    # A number in the model itself becomes folds of whole groups.
    return ignores_groups(cv) or (not setting.is_in_model and (cv is None or is_whole(cv)))


def _stops_early(setting: Setting) -> bool:
    is_auto = isinstance(setting.value, str) and setting.value == "auto"
    # Without a share it stops by the loss on all images.
    return (setting.n_images > AUTO if is_auto else _is_true(setting)) and bool(setting.others.get(SHARE))


def _stops_without_change(setting: Setting) -> bool:
    others = setting.others
    return setting.value is not None and "early_stopping" not in others and bool(others.get(SHARE))


def _asks_in_vain(setting: Setting) -> bool:
    asks = get_routing_for_object(setting.owner).consumes("fit", ["groups"])
    return setting.value is not None and bool(asks) and not is_told(setting.model, setting.name)


def _is_true(setting: Setting) -> bool:
    return isinstance(setting.value, bool | np.bool_) and bool(setting.value)


# By the names that scikit-learn gives to these parameters, which other libraries take over.
HOLD_OUTS = {
    "cv": HoldOut(_divides_images, "as folds", INSTEAD),
    "early_stopping": HoldOut(
        _stops_early, STOPPING, "give early_stopping=False and a number of iterations (a search can choose it)"
    ),
    "n_iter_no_change": HoldOut(
        _stops_without_change,
        STOPPING,
        "give n_iter_no_change=None and a number of iterations (a search can choose it)",
    ),
    "probability": HoldOut(
        _is_true, "as five folds to calibrate on", "give probability=False, and calibrate=True to evaluate"
    ),
    SHARE: HoldOut(
        _asks_in_vain, "to choose an epoch by", "let it stand in pipelines and searches, whose settings groups reach"
    ),
}


def warn_of_ignored_groups(models: Mapping[str, Any], n_images: int) -> None:
    """Warn of all that holds out images within a model, fitted on `n_images`, as if there were no groups."""
    for name, model in models.items():
        for setting in _settings(model, n_images):
            hold_out = HOLD_OUTS[setting.parameter]
            if hold_out.ignores_groups(setting):
                warnings.warn(
                    f"models[{name!r}]: {setting.name}={setting.value!r} ignores the groups: the "
                    f"{type(setting.owner).__name__} holds out images {hold_out.purpose}, and a patient's may stand on "
                    f"both sides; {hold_out.instead}.",
                    UngroupedDataWarning,
                    stacklevel=3,
                )


def check_ready_folds(
    models: Mapping[str, Any], groups: NDArray[Any], splits: Sequence[Split], *, is_refitted: bool
) -> None:
    """Raise where a list of (train, test) as a `cv` within a model cannot fit the training part of every split.

    Parameters
    ----------
    models : mapping of str to estimator
    groups : ndarray of shape (n_samples,)
    splits : sequence of (train, test)
    is_refitted : bool
        Whether models are fitted on parts of each training part too.

    Raises
    ------
    ValueError
        If it has rows that are not there, or its owner is fitted on parts of the training part.

    Warns
    -----
    UngroupedDataWarning
        If it fits, and parts the images of a group.
    """
    for name, model in models.items():
        model = clone(model)  # what is used up by reading it is copied
        for setting in _settings(model, 0):
            if setting.parameter == "cv" and _is_ready(setting.value):
                where = f"models[{name!r}]: {setting.name} of {type(setting.owner).__name__}"
                alone = setting.is_in_model and is_fitted_on_all_rows(model, setting.name)
                if is_refitted or not alone:
                    raise ValueError(
                        f"{where} is a list of folds, which is made for one training part, and would meet parts of it "
                        "too, as within a search or a stack, with calibrate=True or an operating_point; " + INSTEAD
                    )
                _check_folds(list(setting.value), where, groups, splits)


def _is_ready(cv: Any) -> bool:
    return isinstance(cv, Iterable) and not isinstance(cv, str) and not hasattr(cv, "split")


def _check_folds(folds: list[Any], where: str, groups: NDArray[Any], splits: Sequence[Split]) -> None:
    parted = 0
    for k, (rows, _) in enumerate(splits, start=1):
        for j, fold in enumerate(folds, start=1):
            try:
                train, test = read_fold(fold, f"fold {j} of {len(folds)}", len(rows))
            except ValueError as error:
                raise ValueError(
                    f"{where} does not fit the {len(rows)} images that train in fold {k} ({error}); {INSTEAD}"
                ) from error
            parted = max(parted, len(np.intersect1d(groups[rows[train]], groups[rows[test]])))
    if parted:
        warnings.warn(
            f"{where} is a list of folds with up to {parted} groups on both sides of one; {INSTEAD}.",
            UngroupedDataWarning,
            stacklevel=4,
        )


def _settings(model: Any, n_images: int) -> Iterator[Setting]:
    """Every parameter in the model that may hold images out, and every value that a search tries for one."""
    visible = model.get_params(deep=True)
    for place, part in parts_of(model):
        for parameter, value in part.get_params(deep=False).items():
            if parameter in HOLD_OUTS:
                name = f"{place}__{parameter}" if place else parameter
                yield Setting(model, name, part, value, n_images, name in visible)
        for name, owner, value in _tried(part, place):
            yield Setting(model, name, owner, value, n_images, False)


def _tried(search: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Name, owner and value of each setting that a search tries for a parameter that may hold images out."""
    parameters = search.get_params(deep=False)
    for kind in {"param_grid", "param_distributions"} & set(parameters):
        prefix = f"{place}__{kind}" if place else kind
        grids = parameters[kind]
        for grid in [grids] if isinstance(grids, Mapping) else grids:
            for name, values in grid.items():
                owner_name, _, parameter = name.rpartition("__")
                if parameter in HOLD_OUTS and isinstance(values, list | tuple | np.ndarray):
                    owners = [_part(parameters.get("estimator"), owner_name), *_listed(grid.get(owner_name))]
                    for owner, value in product(owners, values):
                        if parameter in getattr(owner, "get_params", dict)():
                            yield f"{prefix}__{name}", owner, value


def _part(model: Any, name: str) -> Any:
    return model.get_params().get(name) if name else model


def _listed(values: Any) -> Iterable[Any]:
    return values if isinstance(values, list | tuple) else ()
