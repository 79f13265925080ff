"""XGBoost as a scikit-learn classifier in every respect: class weights, any labels, our thread policy."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import xgboost
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, column_or_1d

from ._threads import count_threads

# Attribute of a saved booster that holds the labels: XGBoost itself knows classes by number.
LABELS = "fracture_features_labels"
LEARNED = ("_Booster", "n_classes_", "evals_result_", "_labels")


class XGBClassifier(xgboost.XGBClassifier):
    """`xgboost.XGBClassifier` that takes `class_weight` and labels of any kind, one an image.

    Parameters
    ----------
    class_weight : "balanced", dict or None, default="balanced"
        As in scikit-learn; multiplies `sample_weight`. The sets of `eval_set` are measured without it, by
        `sample_weight_eval_set` alone.
    n_jobs : int, default=None
        Number of threads; None means 1, -1 all cores, and 1 inside a worker of joblib.
    **kwargs
        Parameters of `xgboost.XGBClassifier`. `scale_pos_weight` weights classes too, and wants `class_weight=None`.

    Notes
    -----
    A `fit` or `load_model` that raises leaves the estimator as it was; `set_params` leaves what is fitted.
    """

    def __init__(
        self, *, class_weight: str | dict[Any, float] | None = "balanced", n_jobs: int | None = None, **kwargs: Any
    ):
        super().__init__(n_jobs=n_jobs, **kwargs)
        self.class_weight = class_weight

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        eval_set: Sequence[tuple[ArrayLike, ArrayLike]] | None = None,
        xgb_model: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Fit on `X` (n_samples, n_features) and labels `y` (n_samples,); the rest as in XGBoost.

        Raises
        ------
        ValueError
            If `y` is continuous, has one class alone or several columns; a set of `eval_set` has a class that `y` has
            not; `xgb_model` was fitted on other classes; or two parameters weight the classes.
        """
        X = _as_data(X)
        check_consistent_length(X, y)
        labels, codes, weights = self._targets(y, sample_weight)
        if isinstance(xgb_model, XGBClassifier) and not np.array_equal(xgb_model.classes_, labels):
            raise ValueError(f"xgb_model has the classes {xgb_model.classes_}, y has {labels}.")
        if eval_set is not None:
            eval_set = [(_as_data(X_val), _encode(y_val, labels)) for X_val, y_val in eval_set]
        # An objective of one's own may know no weights.
        given = None if sample_weight is None and self.class_weight is None else weights
        new = self._to_fit()
        super(XGBClassifier, new).fit(X, codes, sample_weight=given, eval_set=eval_set, xgb_model=xgb_model, **kwargs)
        new._labels = labels
        self._take(new)
        return self

    def fit_batches(
        self,
        read: Callable[[slice], NDArray[np.floating]],
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        batch_size: int = 4096,
        folder: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Fit on rows that are read in batches, several times: what stays in memory is two bytes for each feature.

        Of one batch the trees are those of `fit`. Of more the bins are those of `batch_size` rows, evenly spaced.

        Parameters
        ----------
        read : callable
            Takes a slice of the rows and returns their features (n, n_features), as
            `lambda rows: store.rows(paths[rows])` does of a `FeatureStore`.
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        batch_size : int, default=4096
            Rows asked for at a time.
        folder : str or path-like, default=None
            Folder on a fast local disk where the bytes are kept instead of in memory.

        Raises
        ------
        ValueError
            As `fit` does.
        """
        labels, codes, weights = self._targets(y, sample_weight)
        new = self._to_fit()
        params = new.get_xgb_params()
        new.n_classes_ = len(labels)
        if len(labels) > 2:
            new.objective = "multi:softprob"
            params |= {"objective": "multi:softprob", "num_class": len(labels)}
        rounds = params.pop("n_estimators", None) or new.get_num_boosting_rounds()
        batches = _Batches(read, codes, weights, batch_size, folder)
        settings = {"max_bin": self.max_bin, "nthread": new.n_jobs}
        bins = None
        if len(codes) > batch_size:  # those of all rows take gigabytes to find where there are thousands of features
            some = slice(0, len(codes), -(-len(codes) // batch_size))
            bins = xgboost.QuantileDMatrix(read(some), label=codes[some], weight=weights[some], **settings)
        kind = xgboost.QuantileDMatrix if folder is None else xgboost.ExtMemQuantileDMatrix
        data = kind(batches, ref=bins, **settings)
        new._Booster = xgboost.train(params, data, num_boost_round=rounds)
        new._labels = labels
        self._take(new)
        return self

    def _targets(
        self, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[np.float64]]:
        """Labels, the number of each row's label, and the weight of each row; ValueError where they are none."""
        self._check_one_weighting()
        classes: NDArray[Any] = column_or_1d(y, warn=True)
        assert_all_finite(classes, input_name="y")
        check_classification_targets(classes)
        weights = _check_sample_weight(sample_weight, classes, dtype=np.float64, ensure_non_negative=True)
        labels, codes = np.unique(classes, return_inverse=True)
        if len(weighted := np.unique(classes[weights > 0])) < 2:
            raise ValueError(f"XGBClassifier needs two classes or more in y, got one class: {weighted.tolist()}.")
        return labels, codes, weights * self._class_weights(labels, classes, weights)[codes]

    def _to_fit(self) -> Self:
        """A copy without trees, and the parameters as XGBoost takes them."""
        new = self._blank()
        new.n_jobs = count_threads(self.n_jobs)
        if isinstance(self.random_state, np.random.RandomState):
            new.random_state = int(self.random_state.randint(2**31 - 1))
        if self.objective == "multi:softmax":  # the same trees, and probabilities of them
            new.objective = "multi:softprob"
        return new

    def predict(self, X: ArrayLike, *, output_margin: bool = False, **kwargs: Any) -> NDArray[Any]:
        """Predict the labels (n_samples,) of `X` (n_samples, n_features), or with `output_margin` XGBoost's scores."""
        found = super().predict(_as_data(X), output_margin=output_margin, **kwargs)
        return found if output_margin or self._labels is None else self._labels[found]

    def predict_proba(self, X: ArrayLike, **kwargs: Any) -> NDArray[np.float32]:
        """Predict the probability of each class, (n_samples, n_classes), of `X` (n_samples, n_features)."""
        probabilities: NDArray[np.float32] = super().predict_proba(_as_data(X), **kwargs)
        return probabilities

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels seen in `fit`, sorted."""
        return super().classes_ if self._labels is None else self._labels

    def save_model(self, fname: str | os.PathLike[str]) -> None:
        """Write the trees, as XGBoost does, and the labels beside them in the same file."""
        booster = self.get_booster()
        labels = self.classes_
        booster.set_attr(**{LABELS: json.dumps([labels.dtype.str, labels.tolist()])})
        try:
            super().save_model(fname)
        finally:
            booster.set_attr(**{LABELS: None})

    def load_model(self, fname: Any) -> None:
        """Read what `save_model` has written; a file of XGBoost's own has the labels 0 to n_classes - 1."""
        new = self._blank()
        super(XGBClassifier, new).load_model(fname)
        kept = new.get_booster().attr(LABELS)
        new.get_booster().set_attr(**{LABELS: None})
        if kept is not None:
            dtype, labels = json.loads(kept)
            new._labels = np.array(labels, dtype=dtype)
        self._take(new)
        # What a prediction asks for. "multi:softprob" is what `fit` makes of the default, where there are more classes.
        names = ["booster", "feature_types", "enable_categorical", "objective"]
        for name in names[: 3 if new.objective == "multi:softprob" else 4]:
            setattr(self, name, getattr(new, name))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters; XGBoost's own method would draw from a RandomState each time."""
        asked = copy.copy(self)
        asked.random_state = None
        return super(XGBClassifier, asked).get_params(deep) | {"random_state": self.random_state}

    def set_params(self, **params: Any) -> Self:
        """Set parameters; XGBoost's own method would set them in fitted trees too."""
        blank = self._blank()
        super(XGBClassifier, blank).set_params(**params)
        blank._take(self)
        self.__dict__ = blank.__dict__
        return self

    def get_xgb_params(self) -> dict[str, Any]:
        """Parameters for XGBoost's core, which knows no class weights."""
        params: dict[str, Any] = super().get_xgb_params()
        params.pop("class_weight", None)
        return params

    def _check_one_weighting(self) -> None:
        scale = self.get_params().get("scale_pos_weight")
        if scale not in (None, 1) and self.class_weight is not None:
            raise ValueError(
                f"scale_pos_weight={scale!r} and class_weight={self.class_weight!r} would both weight the classes: "
                "give one of them, and the other as None."
            )

    def _class_weights(
        self, labels: NDArray[Any], y: NDArray[Any], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        with np.errstate(divide="ignore"):  # by the weight of a class that has none
            found = compute_class_weight(self.class_weight, classes=labels, y=y, sample_weight=weights)
        return np.where(np.isfinite(found), found, 0.0)

    def _blank(self) -> Self:
        """A copy with the parameters alone."""
        blank = copy.copy(self)
        for name in LEARNED:
            blank.__dict__.pop(name, None)
        blank._labels = None  # XGBoost compares the codes to `classes_` while it fits
        return blank

    def _take(self, other: XGBClassifier) -> None:
        """Become fitted, as the other is."""
        learned = {name: other.__dict__[name] for name in LEARNED if name in other.__dict__}
        for name in LEARNED:
            self.__dict__.pop(name, None)
        self.__dict__.update(learned)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that an image has one label, and one class is too few."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags


def _as_data(X: Any) -> Any:
    """Return what XGBoost takes as it is, anything else as an array."""
    return X if hasattr(X, "shape") else np.asarray(X)


def _encode(y: ArrayLike, labels: NDArray[Any]) -> NDArray[np.intp]:
    """Place of each label among `labels`, which are sorted."""
    y = column_or_1d(y, warn=True)
    if len(unknown := np.setdiff1d(y, labels)):
        raise ValueError(f"eval_set has the labels {unknown.tolist()}, y has the classes {labels.tolist()}.")
    return np.searchsorted(labels, y)


class _Batches(xgboost.DataIter):
    """Rows with their labels and weights, batch by batch, as XGBoost asks for them."""

    def __init__(
        self,
        read: Callable[[slice], NDArray[np.floating]],
        codes: NDArray[np.intp],
        weights: NDArray[np.float64],
        size: int,
        folder: str | os.PathLike[str] | None,
    ):
        self._read, self._codes, self._weights, self._size, self._next = read, codes, weights, size, 0
        super().__init__(cache_prefix=None if folder is None else os.path.join(folder, "xgboost"))

    def next(self, input_data: Callable[..., None]) -> bool:
        """Hand over a batch; False where there is none left."""
        rows = slice(self._next, min(self._next + self._size, len(self._codes)))
        if rows.start >= rows.stop:
            return False
        self._next = rows.stop
        input_data(data=self._read(rows), label=self._codes[rows], weight=self._weights[rows])
        return True

    def reset(self) -> None:
        """Begin anew."""
        self._next = 0
