"""The result of an evaluation: predictions, and the tables made from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..audit import Finding
from ._comparisons import comparison_table, measure_table, power_table
from ._estimates import PRIMARY
from ._findings import result_findings
from ._manifest import make_manifest
from ._paper import MAIN, ModelTable, model_table
from ._places import place_table
from ._predictions import Predictions
from ._strata import strata_table
from ._tables import confusion_table, fold_table, prediction_table, reliability_table, subgroup_table


class EvaluationResult(Predictions):
    r"""Predictions of each model on each fold, and the tables made from them.

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
        What each model gave on each fold.
    excluded : DataFrame
        Files left out, with the columns path, label and reason.
    random_state : int, default=None
        Seed of the resamples of curves, and of the blocks in which many groups are left out.
    external : EvaluationResult, default=None
        The same models on images of another source.
    failures : DataFrame, default=None
        Models that failed on a fold, with the columns model, fold and reason; they have no fold result. None means
        none.
    audit : AuditReport, default=None
        What was found in the data before they were divided.

    Attributes
    ----------
    data, fold_results, excluded, random_state, external, failures, audit
        As given.
    estimates : Estimates
        What the tables and curves are read from.

    See Also
    --------
    fracture_features.evaluate : Make one.
    fracture_features.report.write_report : Write it as a page.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
    >>> frame = result.frame().set_index(["model", "measure"])
    >>> bool(frame.loc[("edges", "roc_auc"), "low"] <= frame.loc[("edges", "roc_auc"), "value"])
    True
    >>> "edges" in result.comparison()["model"].tolist()
    True
    """

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

    def table(self, *, measures: Sequence[str] = MAIN) -> ModelTable:
        """Return one row for each model, as a paper prints it: `0.90 (0.87–0.92)`.

        Parameters
        ----------
        measures : sequence of str
            As in `frame`. By default ROC AUC, average precision, accuracy, balanced accuracy, sensitivity and
            specificity.

        Returns
        -------
        table : ModelTable
            From the highest ROC AUC down, baselines last; a notebook shows it, and `to_latex`, `to_markdown` and
            `to_csv` write it. A model that lacks a measure has a dash.

        Raises
        ------
        ValueError
            If no model has one of the measures.
        """
        return model_table(self, measures)

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
        """Return the share of studies like this one in which a difference would be found.

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

    def strata(self, by: str | Sequence[str]) -> pd.DataFrame:
        """Return the ROC AUC within strata, such as body parts, or body parts and image sizes.

        A model that knows how frequent fractures are in hands and in hips, and no more, has a ROC AUC well above 0.5.
        Here an image is compared with those of its own stratum and test part alone; all strata and folds together give
        one value, the share of all such pairs in which the fractured image has the higher score. It is the area below
        the covariate-adjusted ROC curve [1]_, but for the weights: pairs count alike here, and fractured images there.

        Parameters
        ----------
        by : str or sequence of str
            Columns of `data.frame` or of `data.files`, such as height and width, whose values together are the strata.
            Numbers of more than 10 values are cut into five classes of about equal size [2]_. Images without a value
            are left out.

        Returns
        -------
        frame : DataFrame
            Columns model, n_strata, n_evaluated (images that have one of another class beside them in stratum and test
            part), roc_auc (of all pairs, as in `frame`), within, low, high. Where fewer than 10 images of a class are
            evaluated there is no value, and n_evaluated is 0.

        Raises
        ------
        ValueError
            If there is no such column.

        References
        ----------
        .. [1] H. Janes and M. S. Pepe, "Adjusting for covariate effects on classification accuracy using the
           covariate-adjusted receiver operating characteristic curve", Biometrika 96(2), 2009.
        .. [2] W. G. Cochran, "The effectiveness of adjustment by subclassification in removing bias in observational
           studies", Biometrics 24(2), 1968.
        """
        return strata_table(self, by)

    def places(self) -> pd.DataFrame:
        """Return how well models find the marked boxes.

        Returns
        -------
        frame : DataFrame
            Columns model, measure, value, low, high: of all test parts together, percentile intervals (95 %) over 1000
            resamples of groups. Empty where the data have no boxes or no model finds any. Images of which it is not
            known where the fracture lies are left out.

            - `pointing`: share of the marked images whose highest place lies in a marked box;
            - `best_box_iou`: of these images the mean overlap, intersection over union, of the highest box;
            - `sensitivity_at_0.25`, `sensitivity_at_1`: share of the marked boxes that hold the centre of a found one,
              at that many false boxes an image;
            - `ap50`: average precision of boxes that overlap by half or more;
            - `pointing_unbroken`: share of images without a fracture whose highest place lies where another image of
              the same body part has a box, as it is or mirrored. What `pointing` has above that comes from fractures.

            The model "usual places of the body part" sees no pixel: it knows where the training images of that body
            part (a column body_part or BodyPartExamined of `data.frame`; all images without) have their boxes.
        """
        return place_table(self)

    def reliability(self, *, n_bins: int = 10) -> pd.DataFrame:
        """Return the observed share of a class by predicted probability.

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
        """Return the confusion matrix of a model.

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

    def findings(self) -> list[Finding]:
        """Return the findings about this result, worst first.

        Returns
        -------
        findings : list of Finding
            Of the codes FF601 to FF608 in `audit.CODES`, counted in models, or folds: models whose folds disagree by
            more than chance allows (Welch's test, which allows for variances of few groups), that are not shown to be
            better than the metadata, whose calibration slope is below 0.8 with an interval below 1, whose search took
            the end of its grid in most folds, whose chosen threshold moves sensitivity or specificity by 0.1 or more
            between folds and beyond chance, whose ROC AUC is 0.2 or more higher on training images, whose weighted
            classes move the mean probability by 0.05 or more; and folds with a third of the rarer class in one group.
            Tests of several models are at one error rate of 0.05 (Holm). `examples` names models, folds and numbers.
        """
        return result_findings(self)

    def manifest(self) -> dict[str, Any]:
        """Return versions, seed, parameters and digests of the data, ready for json.

        Returns
        -------
        manifest : dict
            Versions, seed, the SHA-256 of every file, counts of images, groups and classes in each part of each fold,
            the files left out with the reason, and the findings.
        """
        audit = () if self.audit is None else self.audit.findings
        return make_manifest(self.data, self.fold_results, self.excluded, self.random_state, self.findings(), audit)
