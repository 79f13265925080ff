"""A copy of a fitted model without what belongs to the machine and the run that fitted it, as a file can hold it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection._search import BaseSearchCV

from ..cache import Cached
from ..cnn import CNNClassifier, PretrainedExtractor
from ..datasets import MetadataLookup
from ..exceptions import ModelFileError
from ..features._base import BaseExtractor
from ..regions import RegionClassifier
from ._npy import in_order
from ._restore import MOST_FEATURES

LEFT_OUT = frozenset(
    (
        # what extractors and networks compute again
        *("_names", "_regions", "_fitted_with", "_model", "_run", "_runner", "digest"),
        # what scikit-learn's estimators fit with, and predict without
        *("_loss_function_", "loss_function_", "_optimizer", "_metadata_request"),
    )
)


def pack(estimator: Any) -> tuple[Any, dict[str, bytes]]:
    """A copy of an estimator to be written, and XGBoost's trees by the name that stands for them in it.

    Parameters
    ----------
    estimator : fitted estimator
        It stays as it is. Of searches the best estimator is kept, of cross-validation splitters nothing.

    Returns
    -------
    packed : estimator
    boosters : dict of str to bytes

    Raises
    ------
    ModelFileError
        If a part of it cannot be in a file, or was not fitted with the parameters that it has.
    """
    packer = _Packer()
    return packer.pack(estimator), packer.boosters


class _Packer:
    def __init__(self) -> None:
        self.boosters: dict[str, bytes] = {}
        self._around: set[int] = set()

    def pack(self, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind != "O":
            return in_order(value)
        if isinstance(value, np.random.RandomState | np.random.Generator):
            return None  # of the run; what a file says of one would be taken without a check
        if not isinstance(value, list | tuple | dict) and not _is_model(value):
            return value
        if id(value) in self._around:
            raise ModelFileError(f"a {type(value).__name__} in the model holds itself")
        self._around.add(id(value))
        try:
            return self._parts(value)
        finally:
            self._around.remove(id(value))

    def _parts(self, value: Any) -> Any:
        if isinstance(value, BaseSearchCV):
            return self.pack(getattr(value, "best_estimator_", value.estimator))
        if isinstance(value, dict):
            packed = type(value)()  # a Bunch takes no pairs
            packed.update((key, self.pack(part)) for key, part in value.items())
            return packed
        if isinstance(value, list | tuple):
            parts = [self.pack(part) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
        kind: Any = type(value)
        copy = kind.__new__(kind)
        copy.__dict__.update({name: self.pack(part) for name, part in self._attributes(value).items()})
        return copy

    def _attributes(self, value: Any) -> dict[str, Any]:
        """Attributes of an object that are kept."""
        kept = dict(vars(value))
        if isinstance(value, MetadataLookup):
            raise ModelFileError(
                "the model holds a MetadataLookup, a table of the images that it was fitted on: a file would hold "
                "their paths, and could predict no others"
            )
        if isinstance(value, Cached):
            kept["cache"] = None
        if isinstance(value, CNNClassifier | PretrainedExtractor | RegionClassifier) and kept["weights"] is not None:
            kept["weights"] = os.path.basename(os.fspath(kept["weights"]))
        if isinstance(value, BaseExtractor):
            self._check_extractor(value)
        if "_Booster" in kept:
            name = f"boosters/{len(self.boosters)}.ubj"
            self.boosters[name] = bytes(kept["_Booster"].save_raw("ubj"))
            kept["_Booster"] = name
        if "memory" in kept:
            kept["memory"] = None  # a folder here
        if not isinstance(kept.get("cv"), int | str | None):
            kept["cv"] = None  # splits of the training images
        if isinstance(kept.get("_graph"), bytes):
            kept["_graph"] = np.frombuffer(kept["_graph"], dtype=np.uint8)
        return {name: part for name, part in kept.items() if name not in LEFT_OUT}

    @staticmethod
    def _check_extractor(extractor: BaseExtractor) -> None:
        if not hasattr(extractor, "_fitted_with"):
            return
        if extractor._fitted_with != extractor._describe_parameters():
            raise ModelFileError(f"the model was not fitted with the parameters that its {extractor!r} has")
        if len(extractor._names) > MOST_FEATURES:
            raise ModelFileError(
                f"{type(extractor).__name__} gives {len(extractor._names):,} features; a model file takes "
                f"{MOST_FEATURES:,}"
            )


def _is_model(value: Any) -> bool:
    """Whether it is an estimator, or one of the objects that those of scikit-learn and this library are made of."""
    module = type(value).__module__
    is_own = isinstance(value, BaseEstimator) or module.startswith(("sklearn.", "fracture_features."))
    return is_own and hasattr(value, "__dict__") and not isinstance(value, type)
