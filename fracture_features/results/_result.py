"""What an evaluation gives: predictions, and the tables made from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..datasets import FractureDataset
from ._comparisons import comparison_table, measure_table, power_table
from ._estimates import PRIMARY, Estimates
from ._fold import FoldResult
from ._manifest import make_manifest
from ._studies import pool_studies
from ._tables import confusion_table, fold_table, prediction_table, reliability_table, subgroup_table

FAILURE_COLUMNS = ("model", "fold", "reason")


class EvaluationResult:
    """Predictions of each model on each fold, and the tables made from them.

    A value in a table is the mean over the folds' test parts; PPV, NPV, likelihood ratios, calibration intercept and
    slope, which a fold of few patients leaves undefined or biased, are those of all test parts together (of each
    repetition of the folds, averaged). Its interval comes from leaving out one group after the other
    (`metrics.metric_interval`). Where folds share training data it is of the method, trained anew on other patients
    like these; `inference="models"` asks for that of these fitted models on other patients, which is all there is for
    one held-out part and for `external`. With more than two classes,
    measures of two are the mean over the classes, each against the rest, and stand for each class beside it. Average
    precision is corrected for the chance that few images leave: guessing has the prevalence, and a value can lie below
    scikit-learn's, or below 0.

    Parameters
    ----------
    data : FractureDataset
        The readable images.
    fold_results : iterable of FoldResult
    excluded : DataFrame
        Files left out, with the columns path, label and reason.
    random_state : int, default=None
        Seed of the resamples of curves, and of the blocks in which many groups are left out.
    external : EvaluationResult, default=None
        The same models on images of another source.
    failures : DataFrame, default=None
        Models that failed on a fold, with the columns model, fold and reason; they have no fold result. None means
        none.

    Attributes
    ----------
    data, fold_results, excluded, random_state, external, failures
        As given.
    estimates : Estimates
        What the tables and curves are read from.
    """

    def __init__(
        self,
        data: FractureDataset,
        fold_results: Iterable[FoldResult],
        excluded: pd.DataFrame,
        random_state: int | None = None,
        external: EvaluationResult | None = None,
        failures: pd.DataFrame | None = None,
    ):
        self.data = data
        self.fold_results = list(fold_results)
        self.excluded = excluded
        self.random_state = random_state
        self.external = external
        self.failures = pd.DataFrame(columns=list(FAILURE_COLUMNS)) if failures is None else failures
        # All models are compared on the same blocks of groups.
        seed = int(np.random.default_rng(random_state).integers(2**32))
        self.estimates = Estimates(data, self.fold_results, seed)

    def __repr__(self) -> str:
        return f"<EvaluationResult: {len(self.models)} models on {self.data!r}>"

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order they were run."""
        return self.estimates.models

    @property
    def baselines(self) -> list[str]:
        """Names of those that cannot see a fracture."""
        return self.estimates.baselines

    def folds_of(self, model: str) -> list[FoldResult]:
        """Return the fold results of one model."""
        return [fold for fold in self.fold_results if fold.model == model]

    @property
    def tested(self) -> FractureDataset:
        """The images of the test parts; of a subset they are fewer than `data`."""
        return self.data.subset(np.unique(np.concatenate([fold.test for fold in self.fold_results])))

    def frame(
        self,
        *,
        prevalences: Sequence[float] = (),
        confidence_level: float = 0.95,
        inference: str | None = None,
    ) -> pd.DataFrame:
        """Return one row for each model and measure.

        Parameters
        ----------
        prevalences : sequence of float, default=()
            Shares of fractures at which PPV and NPV are given too, from sensitivity and specificity.
        confidence_level : float, default=0.95
        inference : {"method", "models"}, default=None
            What the intervals are of: the method, trained anew, or these fitted models; both on other patients. None
            takes the first where folds share training data.

        Returns
        -------
        frame : DataFrame
            Columns model, measure, value, low, high, inference, above_baselines: whether the model's ROC AUC is shown
            to lie above that of the best of the baselines, at one error rate, 1 - `confidence_level` on both sides, for
            all models that were tried (Holm); a baseline has none; and withheld: why a measure has no interval, missing
            where it has one. Measures of probabilities are there for models that give any. fit_minutes is the sum and
            predict_ms the mean over the folds of the times in FoldResult; they have no interval. What so many patients
            can show, `power` says.

        Raises
        ------
        ValueError
            If a prevalence or the confidence level is not between 0 and 1, a prevalence is given for more than two
            classes, or there is no such inference: "method" among them where models were trained once, and for
            `external`.
        """
        return measure_table(self, prevalences, confidence_level, inference)

    def comparison(
        self,
        reference: str | None = None,
        *,
        measure: str = PRIMARY,
        confidence_level: float = 0.95,
        inference: str | None = None,
    ) -> pd.DataFrame:
        """Return the difference of every other model that has the measure from `reference`.

        Parameters
        ----------
        reference : str, default=None
            Name of a model; None takes the best of the baselines.
        measure : str, default="roc_auc"
            As in `frame`.
        confidence_level : float, default=0.95
        inference : {"method", "models"}, default=None
            As in `frame`.

        Returns
        -------
        frame : DataFrame
            Columns model, reference, measure, difference, low, high, p_value, p_holm. Interval and `p_value` are those
            of the paired difference (`metrics.compare`); `p_holm` is corrected for the number of models that were
            tried and is the one to quote; baselines are none of these, and have none.

        Raises
        ------
        ValueError
            If there is no such model, or it has no such measure.
        """
        return comparison_table(self, reference, measure, confidence_level, inference)

    def power(self, difference: float = 0.05, *, reference: str | None = None, measure: str = PRIMARY) -> pd.DataFrame:
        """Return in how many of 100 studies like this one a difference would be found.

        A model that is not shown to be better than another need not be as good: with few patients, hardly any
        difference is found. `metrics.plan_sample_size` says how many it takes.

        Parameters
        ----------
        difference : float, default=0.05
            True difference from `reference`.
        reference : str, default=None
            Name of a model; None takes the best of the baselines.
        measure : str, default="roc_auc"

        Returns
        -------
        frame : DataFrame
            Columns model, reference, measure, difference, power: the share of studies in which the p-value of
            `comparison` would be at most 0.05, by the standard error of the difference in this one
            (`metrics.power_of_difference`); NaN where there is none.

        Raises
        ------
        ValueError
            If there is no such model or measure.
        """
        return power_table(self, reference, measure, difference)

    def folds(self) -> pd.DataFrame:
        """Return one row for each model and fold.

        Returns
        -------
        frame : DataFrame
            Columns model, fold, n_train, n_test, groups_shared (how many groups stand on both sides: 0, missing
            where groups are not known), largest_group (share of the rarer class's images of the test part that one
            group holds), threshold, params, fit_seconds, predict_ms, and each measure on the test part.
        """
        return fold_table(self)

    def predictions(self) -> pd.DataFrame:
        """Return one row for each model and image of a test part.

        Returns
        -------
        frame : DataFrame
            Columns model, fold, path, group (where known), label, predicted, and `score`, which is higher the more
            speaks for the fracture; with more than two classes, `score_<class>` for each. `probability`, likewise,
            where the model gives any.
        """
        return prediction_table(self)

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
            Columns model, `column`, n, n_fractured (of two classes), n_evaluated, measure, value, low, high. n counts
            the subgroup's tested images, each once. A value is of the folds in whose test part the subgroup has an
            image of every class, and n_evaluated counts the images of those. Where they are fewer than 10 of a class
            there is no value, and n_evaluated is 0.

        Raises
        ------
        ValueError
            If there is no such column or measure.
        """
        return subgroup_table(self, column, measures)

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
        return reliability_table(self, n_bins)

    def confusion(self, model: str) -> pd.DataFrame:
        """Return how often a model called each class what.

        Parameters
        ----------
        model : str

        Returns
        -------
        counts : DataFrame of shape (n_classes, n_classes)
            Rows are the true classes, columns the predicted ones. Over the test parts of all folds: an image that
            repeated folds test twice counts twice.

        Raises
        ------
        ValueError
            If there is no such model.
        """
        return confusion_table(self, model)

    def by_study(self, column: str = "study", *, how: str = "mean", label: str = "same") -> EvaluationResult:
        """Return one prediction for each study.

        Parameters
        ----------
        column : str, default="study"
            Of `data.frame`, which names the study of every image; one that names patients gives one for each patient.
        how : {"mean", "max"}, default="mean"
            What becomes of the scores of a study's images. With "max" one view that shows a fracture is enough.
        label : {"same", "any"}, default="same"
            What becomes of their classes: "same" expects one for all images of a study; with "any", of two classes, a
            study is fractured if any of its images is, among those too that no model was tested on.

        Returns
        -------
        result : EvaluationResult
            Its data have one row for each study, that of its first image of the study's class. Without an operating
            point, the class of the highest score is predicted. `external` is by study too where its frame has the
            column, and stays by image otherwise.

        Raises
        ------
        ValueError
            If there is no such column, or `how` or `label` is another.
        DatasetError
            If a study is unknown, has images of several groups or, unless `label` is "any" and there are two classes,
            of different classes, or stands on both sides of a split; with "any", if a test part lacks a class then.
        """
        studies, pooled = pool_studies(self.data, self.fold_results, column, how, label)
        external = self.external
        if external is not None and column in external.data.frame:
            external = external.by_study(column, how=how, label=label)
        return self._with(studies, pooled, external)

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
            Images of `data` to keep. A fold whose test part loses a class is left out; `external` stays as it is.
        """
        kept = [fold.subset(rows[fold.test]) for fold in self.fold_results]
        n_classes = len(self.data.target_names)
        whole = [fold for fold in kept if len(np.unique(self.data.y[fold.test])) == n_classes]
        return self._with(self.data, whole, self.external)

    def _with(
        self, data: FractureDataset, folds: list[FoldResult], external: EvaluationResult | None
    ) -> EvaluationResult:
        return EvaluationResult(data, folds, self.excluded, self.random_state, external, self.failures)
