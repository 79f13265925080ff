"""Metrics of diagnostic tests, and intervals and tests of any metric that respect groups.

Arrays in, numbers out. `sensitivity_score` and the like have the signature of scikit-learn's metrics and go where
these go; what scikit-learn or scipy has (ROC AUC, reliability curves, tuned thresholds) is not here.
`metric_interval`, `paired_comparison` and, of the bootstrap, `bootstrap_interval` and `resample` take any such
metric, and faster the names in `MEASURES`: a `Measure` computes a metric of many resamples at once, so that thousands
cost a few matrix products.
"""

from ._bootstrap import Resampled, ResampledCurve, bootstrap_interval, resample, resample_curve
from ._boxes import Matches, best_overlaps, box_overlaps, match_boxes, points_in_boxes
from ._calibration_scores import calibration_intercept, calibration_slope
from ._comparison import Comparison, compare, difference_error, paired_comparison
from ._froc import box_average_precision, froc_curve, froc_sensitivity
from ._grades import quadratic_kappa
from ._independent import ZTest, delong_interval, delong_test, wilson_interval
from ._jackknife import jackknife, metric_interval
from ._jackknifed import Jackknifed
from ._limits import Share, percentile_interval, share_interval
from ._measures import MEASURES, Measure, at_prevalence, macro, one_vs_rest
from ._noninferiority import NonInferiority, non_inferiority
from ._operating import decision_curve, sensitivity_threshold, youden_threshold
from ._overlap import effective_test_fraction
from ._p_values import TTest, corrected_resampled_ttest, holm
from ._places import PlaceMeasure, place_measures, pointing_hits
from ._planning import SampleSize, plan_sample_size, power_of_difference
from ._resampling import group_weights, rarest_groups
from ._roc_parts import partial_auc, sensitivity_at
from ._scores import (
    negative_likelihood_ratio,
    npv_score,
    positive_likelihood_ratio,
    ppv_score,
    sensitivity_score,
    specificity_score,
)
from ._types import Interval

__all__ = [
    "MEASURES",
    "Comparison",
    "Interval",
    "Jackknifed",
    "Matches",
    "Measure",
    "NonInferiority",
    "PlaceMeasure",
    "Resampled",
    "ResampledCurve",
    "SampleSize",
    "Share",
    "TTest",
    "ZTest",
    "at_prevalence",
    "best_overlaps",
    "bootstrap_interval",
    "box_average_precision",
    "box_overlaps",
    "calibration_intercept",
    "calibration_slope",
    "compare",
    "corrected_resampled_ttest",
    "decision_curve",
    "delong_interval",
    "delong_test",
    "difference_error",
    "effective_test_fraction",
    "froc_curve",
    "froc_sensitivity",
    "group_weights",
    "holm",
    "jackknife",
    "macro",
    "match_boxes",
    "metric_interval",
    "negative_likelihood_ratio",
    "non_inferiority",
    "npv_score",
    "one_vs_rest",
    "paired_comparison",
    "partial_auc",
    "percentile_interval",
    "place_measures",
    "plan_sample_size",
    "pointing_hits",
    "points_in_boxes",
    "positive_likelihood_ratio",
    "power_of_difference",
    "ppv_score",
    "quadratic_kappa",
    "rarest_groups",
    "resample",
    "resample_curve",
    "sensitivity_at",
    "sensitivity_score",
    "sensitivity_threshold",
    "share_interval",
    "specificity_score",
    "wilson_interval",
    "youden_threshold",
]
