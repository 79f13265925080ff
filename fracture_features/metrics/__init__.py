"""What scikit-learn lacks: measures of many weighted samples at once, intervals and tests that respect groups.

Arrays in, numbers out. The measures here take weights of shape (n_resamples, n_samples) and give one value for each
resample, so that a bootstrap of thousands of resamples costs a few matrix products. Where scikit-learn or scipy has
it (reliability curves, tuned thresholds), it is not here.
"""

from ._bootstrap import Resampled, ResampledCurve, bootstrap_interval, resample, resample_curve
from ._calibration import brier_score, calibration_intercept, calibration_slope
from ._comparison import Comparison, TTest, compare, corrected_resampled_ttest, holm, paired_comparison
from ._confusion import (
    accuracy,
    balanced_accuracy,
    kappa,
    mcc,
    negative_likelihood_ratio,
    npv,
    positive_likelihood_ratio,
    ppv,
    recall,
    sensitivity,
    specificity,
)
from ._independent import ZTest, delong_interval, delong_test, wilson_interval
from ._limits import Share, percentile_interval, share_interval
from ._measures import MEASURES, Measure, at_prevalence, macro, one_vs_rest
from ._operating import decision_curve, sensitivity_threshold, youden_threshold
from ._ranking import average_precision, roc_auc
from ._resampling import group_weights, rarest_groups
from ._types import Interval

__all__ = [
    "MEASURES",
    "Comparison",
    "Interval",
    "Measure",
    "Resampled",
    "ResampledCurve",
    "Share",
    "TTest",
    "ZTest",
    "accuracy",
    "at_prevalence",
    "average_precision",
    "balanced_accuracy",
    "bootstrap_interval",
    "brier_score",
    "calibration_intercept",
    "calibration_slope",
    "compare",
    "corrected_resampled_ttest",
    "decision_curve",
    "delong_interval",
    "delong_test",
    "group_weights",
    "holm",
    "kappa",
    "macro",
    "mcc",
    "negative_likelihood_ratio",
    "npv",
    "one_vs_rest",
    "paired_comparison",
    "percentile_interval",
    "positive_likelihood_ratio",
    "ppv",
    "rarest_groups",
    "recall",
    "resample",
    "resample_curve",
    "roc_auc",
    "sensitivity",
    "sensitivity_threshold",
    "share_interval",
    "specificity",
    "wilson_interval",
    "youden_threshold",
]
