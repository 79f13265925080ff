"""What an evaluation gives: predictions, and the tables made from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import metrics
from ..datasets import FractureDataset
from ._estimates import PRIMARY, Estimates
from ._fold import FoldResult
from ._manifest import make_manifest
from ._studies import POOLS, pool_fold, study_codes

SMALLEST_SUBGROUP = 10  # images of each class


class EvaluationResult:
    """Predictions of each model on each fold, and the tables made from them.

    A value in a table is the mean over the folds' test parts; PPV, NPV, likelihood ratios, calibration intercept and
    slope, which a fold of few patients leaves undefined or biased, are those of all test parts together (of each
    repetition of the folds, averaged). Its interval is a bootstrap of 2000 resamples that draw whole groups, the fitted
    models held fixed: it tells how far the value would move with other patients, not with other training data. Limits
    are percentiles, of shares such as sensitivity those of `metrics.share_interval`. With more than two classes,
    measures of two are the mean over the classes, each against the rest, and stand for each class beside it.

    Parameters
    ----------
    data : FractureDataset
        The readable images.
    fold_results : iterable of FoldResult
    excluded : DataFrame
        Files left out, with the columns path, label and reason.
    random_state : int, default=None
        Seed of the bootstrap.
    external : EvaluationResult, default=None
        The same models on images of another source.

    Attributes
    ----------
    data, fold_results, excluded, random_state, external
        As given.
    """

    def __init__(
        self,
        data: FractureDataset,
        fold_results: Iterable[FoldResult],
        excluded: pd.DataFrame,
        random_state: int | None = None,
        external: EvaluationResult | None = None,
    ):
        self.data = data
        self.fold_results = list(fold_results)
        self.excluded = excluded
        self.random_state = random_state
        self.external = external
        # All models are compared on the same resamples.
        seed = int(np.random.default_rng(random_state).integers(2**32))
        self._estimates = Estimates(data, self.fold_results, seed)

    def __repr__(self) -> str:
        return f"<EvaluationResult: {len(self.models)} models on {self.data!r}>"

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order they were run."""
        return self._estimates.models

    def frame(self, *, prevalences: Sequence[float] = (), confidence_level: float = 0.95) -> pd.DataFrame:
        """Return one row for each model and measure.

        Parameters
        ----------
        prevalences : sequence of float, default=()
            Shares of fractures at which PPV and NPV are given too, from sensitivity and specificity.
        confidence_level : float, default=0.95

        Returns
        -------
        frame : DataFrame
            Columns model, measure, value, low, high, above_baselines: whether the whole interval of the model's paired
            difference in ROC AUC from the best of the baselines lies above 0; a baseline has none. Measures of
            probabilities are there for models that give any. fit_minutes is the sum and predict_ms the mean over the
            folds of the times in FoldResult; they have no interval.

        Raises
        ------
        ValueError
            If a prevalence or the confidence level is not between 0 and 1, or a prevalence is given for more than two
            classes.
        """
        rows = []
        for model in self.models:
            above = self._estimates.above_baselines(model, confidence_level)
            measures = self._estimates.measures(model, prevalences)
            for name, resampled in zip(measures, self._estimates.of(model, measures), strict=True):
                interval = resampled.interval(0, confidence_level)
                rows.append((model, name, resampled.values[0], *interval, above))
            folds = self._estimates.folds_of(model)
            minutes = sum(fold.fit_seconds for fold in folds) / 60
            predict_ms = np.mean([fold.predict_ms for fold in folds])
            rows += [
                (model, name, value, np.nan, np.nan, above)
                for name, value in (("fit_minutes", minutes), ("predict_ms", predict_ms))
            ]
        return pd.DataFrame(rows, columns=["model", "measure", "value", "low", "high", "above_baselines"])

    def comparison(
        self, reference: str | None = None, *, measure: str = PRIMARY, confidence_level: float = 0.95
    ) -> pd.DataFrame:
        """Return the difference of every other model that has the measure from `reference`.

        Parameters
        ----------
        reference : str, default=None
            Name of a model; None takes the best of the baselines.
        measure : str, default="roc_auc"
            As in `frame`.
        confidence_level : float, default=0.95

        Returns
        -------
        frame : DataFrame
            Columns model, reference, measure, difference, low, high, p_value, p_holm, p_corrected_t. The interval and
            `p_value` are those of the paired difference on resamples of whole groups (`metrics.compare`); `p_holm` is
            corrected for the number of models and is the one to quote. `p_corrected_t` is Nadeau and Bengio's t test
            over the folds, which asks for other training data too (`metrics.corrected_resampled_ttest`); NaN where a
            measure is undefined in a fold.

        Raises
        ------
        ValueError
            If there is no such model, or it has no such measure.
        """
        reference = self._estimates.best_baseline() if reference is None else reference
        if reference not in self.models:
            raise ValueError(f"reference={reference!r} is none of the models {self.models}")
        if measure not in (known := list(self._estimates.measures(reference))):
            raise ValueError(f"measure={measure!r} is none of the measures {known} of {reference!r}")
        rows = []
        for model in self.models:
            if model == reference or measure not in self._estimates.measures(model):
                continue
            pair = self._estimates.pair(model, reference, measure)
            compared = metrics.compare(pair, 0, 1, confidence_level=confidence_level)
            rows.append((model, reference, measure, *compared, self._estimates.corrected_t(model, reference, measure)))
        columns = ["model", "reference", "measure", "difference", "low", "high", "p_value", "p_corrected_t"]
        frame = pd.DataFrame(rows, columns=columns)
        frame.insert(7, "p_holm", metrics.holm(frame["p_value"]))
        return frame

    def folds(self) -> pd.DataFrame:
        """Return one row for each model and fold.

        Returns
        -------
        frame : DataFrame
            Columns model, fold, n_train, n_test, groups_shared (how many groups stand on both sides: 0), threshold,
            params, fit_seconds, predict_ms, and each measure on the test part.
        """
        groups = self.data.groups
        rows = []
        for fold in self.fold_results:
            shared = 0 if groups is None else len(np.intersect1d(groups[fold.train], groups[fold.test]))
            row = {"model": fold.model, "fold": fold.fold, "n_train": len(fold.train), "n_test": len(fold.test)}
            row |= {"groups_shared": shared, "threshold": fold.threshold, "params": fold.params or None}
            row |= {"fit_seconds": fold.fit_seconds, "predict_ms": fold.predict_ms}
            for name, measure in self._estimates.measures(fold.model).items():
                row[name] = self._estimates.of_fold(fold, measure)
            rows.append(row)
        return pd.DataFrame(rows)

    def predictions(self) -> pd.DataFrame:
        """Return one row for each model and image of a test part.

        Returns
        -------
        frame : DataFrame
            Columns model, fold, path, group (where known), label, predicted, and `score`, which is higher the more
            speaks for the fracture; with more than two classes, `score_<class>` for each. `probability`, likewise,
            where the model gives any.
        """
        names = np.array(self.data.target_names)
        parts = []
        for fold in self.fold_results:
            columns: dict[str, Any] = {"model": fold.model, "fold": fold.fold, "path": self.data.paths[fold.test]}
            if self.data.groups is not None:
                columns["group"] = self.data.groups[fold.test]
            columns |= {"label": names[self.data.y[fold.test]], "predicted": names[fold.y_pred]}
            columns |= self._by_class("score", fold.scores)
            if fold.probabilities is not None:
                columns |= self._by_class("probability", fold.probabilities)
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def _by_class(self, name: str, values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        if values.shape[1] == 2:
            return {name: values[:, 1]}
        return {f"{name}_{target}": values[:, k] for k, target in enumerate(self.data.target_names)}

    def subgroups(
        self, column: str, *, measures: Sequence[str] = (PRIMARY, "sensitivity", "specificity")
    ) -> pd.DataFrame:
        """Return the measures within each subgroup of the images.

        Parameters
        ----------
        column : str
            Of `data.frame`.
        measures : sequence of str, default=("roc_auc", "sensitivity", "specificity")

        Returns
        -------
        frame : DataFrame
            Columns model, `column`, n, n_fractured (of two classes), measure, value, low, high. Folds in whose test
            part a subgroup lacks a class are left out of it, and n counts the images of the others. Of fewer than 10
            images of a class there is no value.

        Raises
        ------
        ValueError
            If there is no such column or measure.
        """
        if column not in self.data.frame:
            raise ValueError(f"column={column!r} is none of the columns {list(self.data.frame.columns)}")
        rows = []
        values = self.data.frame[column]
        for value in sorted(values.dropna().unique(), key=str):
            part = self.subset((values == value).to_numpy(dtype=bool))
            for model in self.models:
                rows += [(model, value, *row) for row in part._subgroup_rows(model, measures)]
        columns = ["model", column, "n", *self._count_columns(), "measure", "value", "low", "high"]
        return pd.DataFrame(rows, columns=columns)

    def _count_columns(self) -> list[str]:
        return ["n_fractured"] if len(self.data.target_names) == 2 else []

    def _subgroup_rows(self, model: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
        tests = [fold.test for fold in self._estimates.folds_of(model)]
        y = self.data.y[np.unique(np.concatenate(tests))] if tests else np.empty(0, dtype=np.int64)
        counts = np.bincount(y, minlength=len(self.data.target_names))
        shown = (len(y), *([counts[1]] if len(counts) == 2 else []))
        if counts.min() < SMALLEST_SUBGROUP:
            return [(*shown, name, np.nan, np.nan, np.nan) for name in names]
        known = self._estimates.measures(model)
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"measures={unknown} are none of {list(known)}")
        estimates = self._estimates.of(model, {name: known[name] for name in names})
        return [(*shown, name, x.values[0], *x.interval(0)) for name, x in zip(names, estimates, strict=True)]

    def reliability(self, *, n_bins: int = 10) -> pd.DataFrame:
        """Return how often what is predicted with a probability is so.

        Parameters
        ----------
        n_bins : int, default=10
            Of equal width.

        Returns
        -------
        frame : DataFrame
            Columns model, class, predicted (mean probability of a bin), observed (share of the class in it), n: one row
            for each bin that is not empty, the test parts of all folds together, of models that give probabilities; of
            two classes, for the second alone.
        """
        names = self.data.target_names
        parts = []
        for model in self.models:
            folds = [fold for fold in self._estimates.folds_of(model) if fold.probabilities is not None]
            for k, name in list(enumerate(names))[1 if len(names) == 2 else 0 :] if folds else []:
                probability = np.concatenate([fold.probabilities[:, k] for fold in folds])  # type: ignore[index]
                observed = np.concatenate([self.data.y[fold.test] == k for fold in folds])
                bins = np.minimum((probability * n_bins).astype(np.int64), n_bins - 1)
                means = pd.DataFrame({"predicted": probability, "observed": observed}).groupby(bins)
                part = means.mean().assign(n=means.size())
                parts.append(part.assign(model=model)[["model", "predicted", "observed", "n"]])
                parts[-1].insert(1, "class", name)
        columns = ["model", "class", "predicted", "observed", "n"]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)

    def by_study(self, column: str = "study", *, how: str = "mean") -> EvaluationResult:
        """Return one prediction for each study.

        Parameters
        ----------
        column : str, default="study"
            Of `data.frame`, which names the study of every image.
        how : {"mean", "max"}, default="mean"
            What becomes of the scores of a study's images. With "max" one view that shows a fracture is enough.

        Returns
        -------
        result : EvaluationResult
            Its data have one row for each study, that of its first image. Without an operating point, a study's label
            is the class of the highest score.

        Raises
        ------
        ValueError
            If there is no such column, or `how` is another.
        DatasetError
            If a study is unknown, has images of different classes or of several groups, or stands on both sides of a
            split.
        """
        if how not in POOLS:
            raise ValueError(f"how must be one of {sorted(POOLS)}, got {how!r}")
        first, codes = study_codes(self.data, column)
        pooled = [
            replace(pool_fold(fold, codes, how), train=np.unique(codes[fold.train])) for fold in self.fold_results
        ]
        return EvaluationResult(self.data.subset(first), pooled, self.excluded, self.random_state)

    def manifest(self) -> dict[str, Any]:
        """Return what the result came from, ready for json.

        Returns
        -------
        manifest : dict
            Versions, seed, the SHA-256 of every file, counts of images, groups and classes in each part of each fold,
            and the files left out with the reason.
        """
        return make_manifest(self.data, self.fold_results, self.excluded, self.random_state)

    def subset(self, rows: NDArray[np.bool_]) -> EvaluationResult:
        """Return the same predictions, of some images alone.

        Parameters
        ----------
        rows : ndarray of shape (n_samples,), dtype bool
            Images of `data` to keep. A fold whose test part loses a class is left out.
        """
        kept = [fold.keep(rows[fold.test]) for fold in self.fold_results]
        n_classes = len(self.data.target_names)
        whole = [fold for fold in kept if len(np.unique(self.data.y[fold.test])) == n_classes]
        return EvaluationResult(self.data, whole, self.excluded, self.random_state)
