"""The measures: each is scikit-learn's, or that of a reference named at the test, with weights as sample_weight."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn import metrics as reference
from sklearn.linear_model import LogisticRegression

from fracture_features.metrics import MEASURES, _calibration, at_prevalence, bootstrap_interval, macro, one_vs_rest


def likelihood_ratio(which):
    def ratio(y, predicted, sample_weight):
        ratios = reference.class_likelihood_ratios(
            y, predicted, sample_weight=sample_weight, replace_undefined_by=np.nan
        )
        return ratios[which]

    return ratio


def bayes(y, predicted, sample_weight, prevalence=0.03, label=1):
    """Positives found among all found, of a million images of which a share of `prevalence` is fractured."""
    table = reference.confusion_matrix(y, predicted, sample_weight=sample_weight, normalize="true")
    table = table * 1e6 * np.array([[1 - prevalence], [prevalence]])
    return table[label, label] / table[:, label].sum()


def slope(y, probability, sample_weight):
    x = logit(probability)[:, None]
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    return model.fit(x, y, sample_weight).coef_[0, 0]


def intercept(y, probability, sample_weight):
    """Where the score equation of the intercept, the slope being 1, is 0."""
    x = logit(probability)
    return brentq(lambda a: sample_weight @ (y - expit(a + x)), -30, 30, xtol=1e-12)


def corrected_average_precision(y, score, sample_weight=None):
    """scikit-learn's, with guessing moved to the prevalence; what guessing gives threshold by threshold."""
    weights = np.ones(len(y)) if sample_weight is None else sample_weight
    n, p = weights.sum(), weights[y == 1].sum()
    if p == n:
        return 1.0
    chance = 0.0
    for threshold in np.unique(score):
        called, tied = weights[score >= threshold].sum(), weights[score == threshold].sum()
        chance += tied / n * (1 + (called - 1) * (p - 1) / (n - 1)) / called if tied else 0
    value = reference.average_precision_score(y, score, sample_weight=weights)
    return p / n + (value - chance) * (1 - p / n) / (1 - chance)


REFERENCES = {
    "roc_auc": reference.roc_auc_score,
    "average_precision": corrected_average_precision,
    "sensitivity": reference.recall_score,
    "specificity": lambda y, p, sample_weight: reference.recall_score(y, p, pos_label=0, sample_weight=sample_weight),
    "ppv": reference.precision_score,
    "npv": lambda y, p, sample_weight: reference.precision_score(y, p, pos_label=0, sample_weight=sample_weight),
    "positive_likelihood_ratio": likelihood_ratio(0),
    "negative_likelihood_ratio": likelihood_ratio(1),
    "accuracy": reference.accuracy_score,
    "balanced_accuracy": reference.balanced_accuracy_score,
    "mcc": reference.matthews_corrcoef,
    "kappa": reference.cohen_kappa_score,
    "brier_score": reference.brier_score_loss,
    "calibration_intercept": intercept,
    "calibration_slope": slope,
}


def weighted_sample(seed, n, distinct):
    """Labels, tied probabilities, predictions and weights; each of the four cells has an image of weight 1."""
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, 0, 1, rng.integers(0, 2, n)]
    probability = np.r_[0.1, 0.9, 0.7, 0.3, (1 + rng.integers(0, distinct, n)) / (1 + distinct)]
    weights = rng.integers(0, 3, (4, n + 4)).astype(float)
    weights[:, :4] = 1
    inputs = {"scores": probability, "probabilities": probability, "labels": (probability > 0.5).astype(int)}
    return y, inputs, weights


@pytest.mark.parametrize("score", [[1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 1], [1, 1, 2, 2, 2, 3], [4, 1, 1, 1, 1, 1]])
def test_guessing_has_the_prevalence_as_its_average_precision(score):
    """Over all ways to place 2 positives among 6: scikit-learn's mean is 0.55 without ties."""
    values, theirs = [], []
    for pair in combinations(range(6), 2):
        y = np.isin(np.arange(6), pair).astype(np.int64)
        values.append(MEASURES["average_precision"](y, np.array(score, float), np.ones((1, 6)))[0])
        theirs.append(reference.average_precision_score(y, score))
    assert np.mean(values) == pytest.approx(1 / 3)
    if len(set(score)) == 6:
        assert np.mean(theirs) > 0.52


def test_every_measure_has_a_reference():
    assert list(REFERENCES) == list(MEASURES)


@pytest.mark.parametrize("name", MEASURES)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 60), distinct=st.integers(1, 40))
def test_weighted_measures_are_their_references(name, seed, n, distinct):
    y, inputs, weights = weighted_sample(seed, n, distinct)
    measure = MEASURES[name]
    values = inputs[measure.takes]
    expected = [REFERENCES[name](y, values, sample_weight=w) for w in weights]
    # iterations end a hundred-thousandth of a standard error from the summit
    atol = 2e-5 if name.startswith("calibration") else 1e-12
    np.testing.assert_allclose(measure(y, values, weights), expected, rtol=1e-6, atol=atol)


@pytest.mark.parametrize("label", [0, 1])
def test_predictive_values_at_a_prevalence_follow_bayes(label):
    y, inputs, weights = weighted_sample(0, 50, 9)
    measure = at_prevalence(["npv", "ppv"][label], 0.03)
    expected = [bayes(y, inputs["labels"], w, label=label) for w in weights]
    np.testing.assert_allclose(measure(y, inputs["labels"], weights), expected)


def test_the_resamples_own_prevalence_changes_nothing():
    y, inputs, weights = weighted_sample(1, 50, 9)
    for name in ("ppv", "npv"):
        own = np.average(y, weights=weights[0])
        np.testing.assert_allclose(
            at_prevalence(name, own)(y, inputs["labels"], weights[:1]),
            MEASURES[name](y, inputs["labels"], weights[:1]),
        )


@pytest.mark.parametrize("name", MEASURES)
def test_a_weight_of_two_is_two_images(name):
    y, inputs, weights = weighted_sample(2, 60, 30)
    values = inputs[MEASURES[name].takes]
    repeated = np.repeat(np.arange(len(y)), weights[0].astype(int))
    one_by_one = MEASURES[name](y[repeated], values[repeated], np.ones((1, len(repeated))))
    np.testing.assert_allclose(MEASURES[name](y, values, weights[:1]), one_by_one, rtol=1e-6)


def test_calibration_of_two_groups_in_closed_form():
    """Logistic regression on two distinct values fits both shares: 3 of 10 at p = 0.2, 8 of 10 at p = 0.6."""
    y = np.r_[np.ones(3), np.zeros(7), np.ones(8), np.zeros(2)].astype(int)
    probability = np.repeat([0.2, 0.6], 10)
    expected = (logit(0.8) - logit(0.3)) / (logit(0.6) - logit(0.2))
    np.testing.assert_allclose(_calibration.calibration_slope(y, probability, np.ones((1, 20))), expected, rtol=1e-8)
    at_large = _calibration.calibration_intercept(y, np.full(20, 0.2), np.ones((1, 20)))
    np.testing.assert_allclose(at_large, logit(11 / 20) - logit(0.2), rtol=1e-8)


def test_calibration_against_statsmodels():
    """statsmodels 0.15.0, GLM(y, X, Binomial(), freq_weights), its offset the logit for the intercept."""
    y = np.array([0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1])
    probability = np.array([0.05, 0.1, 0.15, 0.3, 0.35, 0.4, 0.55, 0.6, 0.7, 0.8, 0.85, 0.95])
    weights = np.array([[1.0, 2, 1, 3, 1, 1, 2, 1, 1, 2, 1, 1]])
    np.testing.assert_allclose(_calibration.calibration_intercept(y, probability, weights), 0.05179815, atol=1e-6)
    np.testing.assert_allclose(_calibration.calibration_slope(y, probability, weights), 0.71604005, atol=1e-6)


def test_calibration_of_wild_probabilities_is_the_reference():
    """Overconfident, nearly separated, few images: Newton's plain steps leave the summit behind here."""
    for seed in range(15):
        rng = np.random.default_rng(seed)
        x = rng.normal(0, 8, 14).clip(-18, 18)  # within what probabilities are clipped to
        y = (x + rng.normal(0, 6, 14) > 0).astype(int)
        weights = rng.integers(0, 4, (10, 14)).astype(float)
        values = _calibration.calibration_slope(y, expit(x), weights)
        at_large = _calibration.calibration_intercept(y, expit(x), weights)
        for w, b, a in zip(weights, values, at_large, strict=True):
            if np.isfinite(b):
                np.testing.assert_allclose(b, slope(y, expit(x), w), rtol=1e-4, atol=1e-6)
            else:
                ones, zeros = x[(w > 0) & (y == 1)], x[(w > 0) & (y == 0)]
                assert min(len(ones), len(zeros)) == 0 or ones.min() >= zeros.max() or ones.max() <= zeros.min()
            if np.isfinite(a):
                np.testing.assert_allclose(a, intercept(y, expit(x), w), rtol=1e-4, atol=1e-6)


def test_probabilities_of_0_and_1_are_clipped():
    y, probability = np.array([0, 1, 0, 1]), np.array([0.0, 1.0, 1.0, 0.0])
    clipped = np.clip(probability, 1e-8, 1 - 1e-8)
    for name in ("calibration_intercept", "calibration_slope"):
        ours = [MEASURES[name](y, p, np.ones((1, 4))) for p in (probability, clipped)]
        assert np.isfinite(ours).all()
        np.testing.assert_array_equal(*ours)


NAN = np.nan
ROWS = np.array([[1.0, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 1]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # y = 0 1 0 1 of the images drawn: 0 0, 1 1, none, all, the first two, the first and the last
        ("roc_auc", [NAN, NAN, NAN, 0.75, 1, 1]),
        ("average_precision", [NAN, 1, NAN, 17 / 23, 1, 1]),
        # predictions: 0 0 1 1
        ("sensitivity", [NAN, 0.5, NAN, 0.5, 0, 1]),
        ("specificity", [0.5, NAN, NAN, 0.5, 1, 1]),
        ("ppv", [0, 1, NAN, 0.5, NAN, 1]),
        ("npv", [1, 0, NAN, 0.5, 0.5, 1]),
        ("positive_likelihood_ratio", [NAN, NAN, NAN, 1, NAN, np.inf]),
        ("negative_likelihood_ratio", [NAN, NAN, NAN, 1, 1, 0]),
        ("accuracy", [0.5, 0.5, NAN, 0.5, 0.5, 1]),
        ("balanced_accuracy", [NAN, NAN, NAN, 0.5, 0.5, 1]),
        ("mcc", [NAN, NAN, NAN, 0, 0, 1]),
        ("kappa", [0, 0, NAN, 0, 0, 1]),
        ("calibration_slope", [NAN] * 3 + [1.948551, NAN, NAN]),
    ],
)
def test_undefined_is_nan(name, expected):
    y, probability = np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.7, 0.8])
    probability = np.array([0.1, 0.45, 0.5, 0.8]) if name == "calibration_slope" else probability
    values = (probability > 0.6).astype(int) if MEASURES[name].takes == "labels" else probability
    np.testing.assert_allclose(MEASURES[name](y, values, ROWS), expected, rtol=1e-4)


def test_the_same_probability_throughout_has_an_intercept_but_no_slope():
    y, probability = np.array([0, 1, 1]), np.full(3, 0.3)
    assert np.isnan(_calibration.calibration_slope(y, probability, np.ones((1, 3))))
    np.testing.assert_allclose(
        _calibration.calibration_intercept(y, probability, np.ones((1, 3))), logit(2 / 3) - logit(0.3)
    )


@pytest.mark.parametrize("y", [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 0, 0]])
def test_separated_classes_have_no_slope(y):
    """Whichever way round, and if they tie at the border."""
    probability = np.array([0.1, 0.3, 0.3, 0.9]) if sum(y) != 2 else np.array([0.1, 0.2, 0.8, 0.9])
    assert np.isnan(_calibration.calibration_slope(np.array(y), probability, np.ones((1, 4))))
    tied = np.array([0.1, 0.5, 0.5, 0.9])
    assert np.isnan(_calibration.calibration_slope(np.array(y), tied, np.ones((1, 4))))


@pytest.fixture
def three_classes():
    rng = np.random.default_rng(3)
    y = np.r_[0, 1, 2, rng.integers(0, 3, 80)]
    scores = rng.dirichlet(np.ones(3), 83) + 0.3 * np.eye(3)[y]
    scores /= scores.sum(axis=1, keepdims=True)
    return y, {"scores": scores, "probabilities": scores, "labels": scores.argmax(axis=1)}


@pytest.mark.parametrize("name", [name for name, measure in MEASURES.items() if measure.n_classes == 2])
def test_one_against_the_rest_and_macro(name, three_classes):
    y, inputs = three_classes
    values = inputs[MEASURES[name].takes]
    weights = np.vstack([np.ones(83), np.random.default_rng(0).integers(0, 3, 83)])
    by_class = []
    for label in range(3):
        mine = (values == label).astype(int) if values.ndim == 1 else values[:, label]
        by_class.append([REFERENCES[name]((y == label).astype(int), mine, sample_weight=w) for w in weights])
        np.testing.assert_allclose(one_vs_rest(name, label)(y, values, weights), by_class[-1], rtol=1e-6)
    np.testing.assert_allclose(macro(name, 3)(y, values, weights), np.mean(by_class, axis=0), rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, measure in MEASURES.items() if measure.n_classes is None])
def test_measures_of_any_number_of_classes(name, three_classes):
    y, inputs = three_classes
    weights = np.vstack([np.ones(83), np.random.default_rng(0).integers(0, 3, 83)])
    expected = [REFERENCES[name](y, inputs["labels"], sample_weight=w) for w in weights]
    np.testing.assert_allclose(MEASURES[name](y, inputs["labels"], weights), expected)


def test_a_class_without_an_image_makes_the_macro_average_undefined():
    y, predicted = np.array([0, 1, 2]), np.array([0, 1, 2])
    weights = np.array([[1.0, 1, 1], [1, 2, 0]])
    np.testing.assert_array_equal(macro("sensitivity", 3)(y, predicted, weights), [1, np.nan])


Y, P = [0, 1, 0, 1], [0.1, 0.9, 0.4, 0.3]


@pytest.mark.parametrize(
    ("metric", "y_true", "y_score", "message"),
    [
        ("auc", Y, P, "metric must be one of .*'roc_auc'.* got 'auc'"),
        ("roc_auc", Y, P[:3], r"y_score must have one row for each of 4 labels, got shape \(3,\)"),
        ("roc_auc", Y, [0.1, np.nan, 0.2, np.inf], "y_score must be finite, got 2 NaN or infinite of 4"),
        ("roc_auc", Y, ["a", "b", "c", "d"], "y_score must hold numbers, got dtype"),
        ("roc_auc", Y, np.ones((4, 2)), r"y_score must have the shape \(n_samples,\), got \(4, 2\)"),
        ("roc_auc", [1, 1, 1, 1], P, r"y_true must hold at least two classes, got \[1\] only"),
        ("roc_auc", [0, 1, 2, 1], P, r"y_true must hold the labels 0 and 1, got \[2\] too.*macro"),
        ("roc_auc", ["no", "yes", "no", "yes"], P, "y_true must hold whole numbers, got dtype <U3"),
        ("roc_auc", [0, 1, 0.5, 1], P, "y_true must hold whole numbers"),
        ("roc_auc", [[0], [1]], P, r"y_true must hold one label per image, got an array of shape \(2, 1\)"),
        ("sensitivity", Y, [0, 1, 3, 1], r"y_score must hold the labels 0 and 1, got \[3\] too"),
        ("sensitivity", Y, P, "y_score must hold whole numbers"),
        ("sensitivity", Y, [0, 1], "y_score must have one row for each of 4 labels"),
        ("brier_score", Y, [-0.5, 0, 0, 1.5], "y_score must hold probabilities from 0 to 1, got -0.5 to 1.5"),
        (macro("roc_auc", 3), [0, 1, 2, 1], np.ones((4, 2)), r"y_score must have the shape \(n_samples, 3 or more\)"),
    ],
)
def test_bad_input_is_named(metric, y_true, y_score, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(metric, y_true, y_score)


@pytest.mark.parametrize("prevalence", [0, 1, 1.5, np.nan, "rare"])
def test_prevalence_lies_between_0_and_1(prevalence):
    with pytest.raises(ValueError, match=r"prevalence must lie in \(0, 1\), got"):
        at_prevalence("ppv", prevalence)


def test_bad_derived_measures_are_named():
    with pytest.raises(ValueError, match="name must be 'ppv' or 'npv', got 'mcc'"):
        at_prevalence("mcc", 0.1)
    with pytest.raises(ValueError, match="label must be an integer of at least 0, got -1"):
        one_vs_rest("roc_auc", -1)
    with pytest.raises(ValueError, match="n_classes must be an integer of at least 2, got 1"):
        macro("roc_auc", 1)


def test_calibration_of_hard_probabilities_is_where_the_score_is_0():
    """A first step of a million log-odds leads nowhere; the intercept is where predictions sum to the labels."""
    y, p = np.array([0, 1, 1, 0, 0, 0]), np.array([1, 0.1, 0.8, 0.2, 1, 0.5])
    weights = np.array([[0.0, 1, 1, 1, 1, 1]])
    (found,) = _calibration.calibration_intercept(y, p, weights)
    clipped = np.clip(p, 1e-8, 1 - 1e-8)
    expected = brentq(lambda a: weights[0] @ (y - expit(a + logit(clipped))), -50, 50)
    assert found == pytest.approx(expected, abs=1e-3)


def test_groups_of_any_kind():
    rng = np.random.default_rng(0)
    patients, y, score = np.repeat(np.arange(20), 3), np.arange(60) % 2, rng.random(60)
    names = np.array([f"p{n:02d}" for n in range(20)])[patients]
    mixed = np.array([n if n % 2 else f"p{n}" for n in patients], dtype=object)
    ways = [patients, patients * 10.0, names, names.astype(object), pd.Series(names, dtype="string")]
    limits = {bootstrap_interval("brier_score", y, score, groups=groups, random_state=0) for groups in ways}
    assert len(limits) == 1
    low, high = bootstrap_interval("brier_score", y, score, groups=mixed, random_state=0)
    assert low < _calibration.brier_score(y, score, np.ones((1, 60)))[0] < high
    missing = pd.Series(names, dtype="string").replace("p07", pd.NA)
    with pytest.raises(ValueError, match="groups must be known for every image, got 3 missing"):
        bootstrap_interval("roc_auc", y, score, groups=missing)
