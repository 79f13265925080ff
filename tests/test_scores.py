"""Metrics with scikit-learn's signature: its values, its labels and weights, its scorers."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import class_likelihood_ratios, make_scorer, precision_score, recall_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from fracture_features import metrics
from fracture_features.metrics import (
    calibration_intercept,
    calibration_slope,
    negative_likelihood_ratio,
    npv_score,
    positive_likelihood_ratio,
    ppv_score,
    sensitivity_score,
    specificity_score,
)

OF_LABELS = [
    sensitivity_score,
    specificity_score,
    ppv_score,
    npv_score,
    positive_likelihood_ratio,
    negative_likelihood_ratio,
]
OF_PROBABILITIES = [calibration_intercept, calibration_slope]
ALL = OF_LABELS + OF_PROBABILITIES


def references(y, predicted, negative, positive, weights):
    """What scikit-learn gives, in the order of OF_LABELS."""
    options = [{"pos_label": label, "sample_weight": weights} for label in (positive, negative)]
    ratios = class_likelihood_ratios(
        y, predicted, labels=[negative, positive], sample_weight=weights, replace_undefined_by=np.nan
    )
    return [score(y, predicted, **o) for score in (recall_score, precision_score) for o in options] + list(ratios)


@pytest.mark.parametrize(
    ("negative", "positive"), [(0, 1), (1, 0), ("no", "fracture"), ("a", "b"), (False, True), (7, -3)]
)
@pytest.mark.parametrize("weighted", [False, True])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_scores_are_scikit_learns(negative, positive, weighted, seed):
    rng = np.random.default_rng(seed)
    y, predicted = (
        np.array([negative, positive])[np.r_[cell, rng.integers(0, 2, 40)]] for cell in ([0, 0, 1, 1], [0, 1] * 2)
    )
    weights = rng.random(44) if weighted else None
    found = [score(y, predicted, pos_label=positive, sample_weight=weights) for score in OF_LABELS]
    np.testing.assert_allclose(found, references(y, predicted, negative, positive, weights), rtol=1e-12)
    assert {type(score) for score in found} == {float}


def test_predictive_values_at_a_prevalence_in_closed_form():
    """Sensitivity 0.8, specificity 0.9, one of 100 fractured: of 10000 images 80 and 990 are called, and 20 missed."""
    y, predicted = np.repeat([1, 1, 0, 0], [8, 2, 1, 9]), np.repeat([1, 0, 1, 0], [8, 2, 1, 9])
    assert ppv_score(y, predicted, prevalence=0.01) == pytest.approx(80 / (80 + 990), rel=1e-12)
    assert npv_score(y, predicted, prevalence=0.01) == pytest.approx(8910 / (8910 + 20), rel=1e-12)
    for score in (ppv_score, npv_score):
        swapped = score(1 - y, 1 - predicted, pos_label=0, prevalence=0.01)
        assert swapped == score(y, predicted, prevalence=0.01)
        assert score(y, predicted, prevalence=0.5) == pytest.approx(score(y, predicted), rel=1e-12)
        with pytest.raises(ValueError, match=r"prevalence must lie in \(0, 1\), got 1.5"):
            score(y, predicted, prevalence=1.5)


@pytest.mark.parametrize("labels", [(0, 1), (1, 0), ("none", "fracture")])
def test_calibration_is_logistic_regression(labels):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1.5, 200)
    y = (rng.random(200) < expit(0.4 + 0.6 * x)).astype(int)
    weights = rng.random(200)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(x[:, None], y, weights)
    options = {"pos_label": labels[1], "sample_weight": weights}
    assert calibration_slope(np.array(labels)[y], expit(x), **options) == pytest.approx(model.coef_[0, 0], abs=2e-5)
    at_large = brentq(lambda a: weights @ (y - expit(a + x)), -9, 9)
    assert calibration_intercept(np.array(labels)[y], expit(x), **options) == pytest.approx(at_large, abs=2e-5)


def test_calibration_in_closed_form():
    y = np.repeat([1, 0], [11, 9])
    assert calibration_intercept(y, np.full(20, 0.2)) == pytest.approx(logit(11 / 20) - logit(0.2), rel=1e-8)
    assert np.isnan(calibration_slope(y, np.full(20, 0.2)))
    assert np.isnan(calibration_slope([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]))
    # Albert and Anderson (1984): the maximum is infinite where the classes meet in one value, too.
    assert np.isnan(calibration_slope([0, 0, 1, 1], [0.1, 0.3, 0.3, 0.4]))


@pytest.mark.parametrize(
    ("y", "predicted", "expected"),
    [
        ([0, 0, 0], [0, 0, 1], [np.nan, 2 / 3, 0, 1, np.nan, np.nan]),
        ([1, 1, 1, 1], [0, 1, 1, 1], [0.75, np.nan, 1, 0, np.nan, np.nan]),
        ([0, 1], [0, 0], [0, 1, np.nan, 0.5, np.nan, 1]),
        ([0, 1], [1, 1], [1, 0, 0.5, np.nan, 1, np.nan]),
        ([0, 1], [0, 1], [1, 1, 1, 1, np.inf, 0]),
        ([0, 1], [1, 0], [0, 0, 0, 0, 0, np.inf]),
    ],
)
def test_undefined_is_nan_and_no_warning(y, predicted, expected):
    np.testing.assert_array_equal([score(y, predicted) for score in OF_LABELS], expected)
    if len(set(y)) == 1:
        assert np.isnan([score(y, np.linspace(0.1, 0.9, len(y))) for score in OF_PROBABILITIES]).all()
    without = [score(y, predicted, sample_weight=[0] * len(y)) for score in OF_LABELS]
    assert np.isnan(without).all()


def test_the_name_of_a_class_without_a_sample_is_taken_on_trust():
    assert np.isnan(sensitivity_score(["no", "no"], ["no", "no"], pos_label="yes"))
    assert specificity_score(["no", "no"], ["no", "no"], pos_label="yes") == 1


@pytest.mark.parametrize("score", ALL)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": [0, 1, 2, 1]}, r"must hold the labels of two classes, got 3: \[0, 1, 2\]"),
        ({"y": []}, "0 sample|inconsistent"),
        ({"y": [0, 1, 1]}, r"inconsistent numbers of samples: \[3, 4"),
        ({"y": [0.5, 1, 0, 1]}, "y_true must hold the labels of two classes, got values of type 'continuous'"),
        ({"y": [0, None, 0, 1]}, "y_true must hold the labels of two classes, got values of type 'unknown'"),
        ({"y": [0, np.nan, 0, 1]}, "y_true contains NaN"),
        ({"y": np.eye(4)}, "1d array"),
        ({"pos_label": 2}, r"pos_label must be one of the labels \[0, 1\], got 2"),
        ({"pos_label": "1"}, r"pos_label must be one of the labels \[0, 1\], got '1'"),
        ({"sample_weight": [1, 1]}, r"inconsistent numbers of samples: \[4, 4, 2\]"),
        ({"sample_weight": [1, 1, -1, 1]}, "Negative values in data passed to sample_weight"),
        ({"sample_weight": [1, 1, np.nan, 1]}, "sample_weight contains NaN"),
    ],
)
def test_bad_input_is_named(score, arguments, message):
    options = {"y": [0, 1, 0, 1]} | arguments
    with pytest.raises(ValueError, match=message):
        score(options.pop("y"), [0, 1, 1, 0], **options)


@pytest.mark.parametrize("score", OF_LABELS)
def test_predictions_are_labels_of_the_same_kind(score):
    for predicted, message in [
        ([0.2, 0.7, 0.1, 0.4], "y_pred must hold the labels of two classes, got values of type 'continuous'"),
        (["no", "yes", "no", "no"], "Mix of label input types"),
        ([0, 1, 0, 2], r"y_true and y_pred must hold the labels of two classes, got 3: \[0, 1, 2\]"),
        (np.eye(4), "1d array"),
    ]:
        with pytest.raises(ValueError, match=message):
            score([0, 1, 0, 1], predicted)
    with pytest.raises(ValueError, match=r"pos_label must be one of the labels \['yes'\], got 1"):
        score(["yes"], ["yes"])


@pytest.mark.parametrize("score", OF_PROBABILITIES)
def test_probabilities_are_checked(score):
    for probability, message in [
        ([0.2, 1.2, 0.1, 0.4], "y_prob must hold probabilities from 0 to 1, got 0.1 to 1.2"),
        ([0.2, np.nan, 0.1, 0.4], "y_prob must be finite, got 1 NaN"),
        (["a", "b", "c", "d"], "y_prob must hold numbers"),
        (np.full((4, 2), 0.5), "1d array"),
    ]:
        with pytest.raises(ValueError, match=message):
            score([0, 1, 0, 1], probability)


@pytest.fixture(scope="module")
def overlapping():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 120)
    return y[:, None] + rng.normal(0, 1, (120, 2)), np.array(["healthy", "fractured"])[y]


@pytest.mark.parametrize("score", ALL)
def test_scorers_of_string_labels(score, overlapping):
    """The scorer takes the column of the positive class, which is not the last here."""
    X, y = overlapping
    response = "predict" if score in OF_LABELS else "predict_proba"
    scorer = make_scorer(score, pos_label="fractured", response_method=response)
    model = LogisticRegression().fit(X, y)
    given = model.predict(X) if score in OF_LABELS else model.predict_proba(X)[:, 0]
    assert scorer(model, X, y) == score(y, given, pos_label="fractured")
    weights = np.arange(120.0)
    weighted = scorer(model, X, y, sample_weight=weights)
    assert weighted == score(y, given, pos_label="fractured", sample_weight=weights)
    by_fold = cross_val_score(model, X, y, scoring=scorer, cv=3, error_score="raise")
    search = GridSearchCV(model, {"C": [1.0, 0.1]}, scoring=scorer, cv=3, error_score="raise").fit(X, y)
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(by_fold.mean())
    assert np.isfinite(by_fold).all()


@pytest.mark.parametrize("score", ALL)
def test_the_signature_is_scikit_learns(score):
    first, second, *others = inspect.signature(score).parameters.values()
    assert (first.name, second.name) == ("y_true", "y_pred" if score in OF_LABELS else "y_prob")
    assert [(p.name, p.default) for p in others][:2] == [("pos_label", 1), ("sample_weight", None)]
    assert {p.kind for p in others} == {inspect.Parameter.KEYWORD_ONLY}


def test_public_functions_of_one_sample_are_metrics():
    """What computes many resamples at once is reached through MEASURES alone."""
    takes_weights = [
        name
        for name in metrics.__all__
        if inspect.isfunction(f := getattr(metrics, name)) and "weights" in inspect.signature(f).parameters
    ]
    assert takes_weights == []
    assert {score.__name__ for score in ALL} <= set(metrics.__all__)
