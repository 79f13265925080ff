"""Probabilities that are adapted to images of another source."""

import pickle

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.svm import SVC
from sklearn.utils import get_tags

from fracture_features import CNNClassifier, RecalibratedClassifier, evaluate, make_pipeline
from fracture_features.metrics import calibration_intercept, calibration_slope

METHODS = ["intercept", "logistic"]


class Given(ClassifierMixin, BaseEstimator):
    """Takes the probabilities themselves."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        p = np.asarray(X)
        return np.column_stack([1 - p, p])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


GIVEN = Given().fit(None, [0, 1])


def bins(counts):
    """Probabilities and labels: `counts` maps a probability to its numbers of normal and fractured images."""
    p = np.repeat(list(counts), [sum(n) for n in counts.values()])
    y = np.concatenate([np.repeat([0, 1], n) for n in counts.values()])
    return p, y


@pytest.fixture(scope="module")
def drawn():
    """Probabilities that are too sure and too high."""
    rng = np.random.default_rng(0)
    p = expit(rng.normal(scale=2, size=500))
    return p, (rng.random(500) < expit(0.6 * logit(p) - 1)).astype(int)


@pytest.mark.parametrize("ratio", [4, 1, 10])
@pytest.mark.parametrize("method", METHODS)
def test_another_share_of_fractures_is_a_shift_by_the_ratio_of_the_odds(ratio, method):
    """Calibrated at home, with `ratio` times the normal images abroad: Bayes."""
    p, y = bins({0.2: (80 * ratio, 20), 0.5: (50 * ratio, 50), 0.8: (20 * ratio, 80)})
    found = RecalibratedClassifier(GIVEN, method=method).fit(p, y)
    assert found.intercept_ == pytest.approx(-np.log(ratio), abs=1e-9)
    assert found.slope_ == pytest.approx(1, abs=1e-6)
    exact = [20 / (20 + 80 * ratio), 50 / (50 + 50 * ratio), 80 / (80 + 20 * ratio)]
    np.testing.assert_allclose(found.predict_proba([0.2, 0.5, 0.8])[:, 1], exact, atol=1e-6)


def test_two_probabilities_become_the_shares_that_are_observed():
    p, y = bins({0.1: (14, 6), 0.7: (5, 15)})
    found = RecalibratedClassifier(GIVEN, method="logistic").fit(p, y)
    np.testing.assert_allclose(found.predict_proba([0.1, 0.7])[:, 1], [0.3, 0.75], atol=1e-7)
    slope = (logit(0.75) - logit(0.3)) / (logit(0.7) - logit(0.1))
    assert found.slope_ == pytest.approx(slope, abs=1e-7)
    assert found.intercept_ == pytest.approx(logit(0.3) - slope * logit(0.1), abs=1e-7)


def test_the_slope_is_scikit_learns_without_penalty(drawn):
    p, y = drawn
    found = RecalibratedClassifier(GIVEN, method="logistic").fit(p, y)
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit(p)[:, None], y)
    assert found.slope_ == pytest.approx(reference.coef_[0, 0], abs=1e-5)
    assert found.intercept_ == pytest.approx(reference.intercept_[0], abs=1e-5)


def test_the_intercept_is_the_most_likely_one(drawn):
    p, y = drawn
    found = RecalibratedClassifier(GIVEN).fit(p, y)
    reference = minimize_scalar(lambda a: log_loss(y, expit(a + logit(p))), bracket=(-2, 0), tol=1e-12)
    assert found.intercept_ == pytest.approx(reference.x, abs=1e-6)
    assert found.intercept_ == pytest.approx(calibration_intercept(y, p), abs=1e-6)
    assert found.slope_ == 1


@pytest.mark.parametrize("method", METHODS)
def test_what_it_is_fitted_on_is_calibrated_and_in_the_same_order(drawn, method):
    p, y = drawn
    recalibrated = RecalibratedClassifier(GIVEN, method=method).fit(p, y).predict_proba(p)
    assert calibration_intercept(y, recalibrated[:, 1]) == pytest.approx(0, abs=1e-6)
    assert (calibration_slope(y, recalibrated[:, 1]) == pytest.approx(1, abs=1e-5)) == (method == "logistic")
    assert roc_auc_score(y, recalibrated[:, 1]) == roc_auc_score(y, p)
    np.testing.assert_allclose(recalibrated.sum(axis=1), 1)


def test_probabilities_of_0_and_1_stay_finite():
    p, y = np.float32([0, 0, 0.5, 1, 1, 1]), [0, 1, 1, 1, 1, 0]
    for method in METHODS:
        found = RecalibratedClassifier(GIVEN, method=method).fit(p, y)
        assert np.isfinite([found.intercept_, found.slope_]).all()
        assert found.predict_proba(p)[:, 1].mean() == pytest.approx(4 / 6)


def test_labels_keep_their_names():
    names = np.array(["healthy", "broken"])
    model = Given().fit(None, names)  # which sorts them: healthy comes second
    p, y = bins({0.4: (9, 1), 0.8: (1, 9)})
    found = RecalibratedClassifier(model).fit(p, np.array(["broken", "healthy"])[y])
    assert found.predict([0.1, 0.99]).tolist() == ["broken", "healthy"]
    assert found.classes_.tolist() == ["broken", "healthy"]


@pytest.mark.parametrize("method", METHODS)
def test_a_pipeline_over_paths(data, method):
    first = data.groups % 2 == 0
    here, there = data.subset(first), data.subset(~first)
    model = make_pipeline("edges", "random_forest", image_size=48, random_state=0).fit(here.paths, here.y)
    before = model.predict_proba(there.paths)
    found = RecalibratedClassifier(model, method=method).fit(list(there.paths), list(there.y))
    np.testing.assert_array_equal(model.predict_proba(there.paths), before)
    after = found.predict_proba(there.paths)
    assert after[:, 1].mean() == pytest.approx(there.y.mean(), abs=1e-9)
    np.testing.assert_allclose(logit(after[:, 1]), found.intercept_ + found.slope_ * logit(before[:, 1]))
    np.testing.assert_array_equal(found.predict(there.paths), after[:, 1] > 0.5)
    assert is_classifier(found)
    assert not get_tags(found).classifier_tags.multi_class
    assert found.score(there.paths, there.y) == (found.predict(there.paths) == there.y).mean()
    copied = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(copied.predict_proba(there.paths), after)
    with pytest.raises(ValueError, match=r"models\['m'\]: estimator__features__edges \(EdgeExtractor\) is fitted"):
        evaluate({"m": found}, data)


def test_it_takes_what_the_classifier_takes():
    assert get_tags(RecalibratedClassifier(CNNClassifier())).input_tags.three_d_array
    assert get_tags(RecalibratedClassifier(GIVEN)).input_tags == get_tags(GIVEN).input_tags


def test_a_clone_forgets_the_recalibration_alone(drawn):
    found = RecalibratedClassifier(GIVEN, method="logistic").fit(*drawn)
    again = clone(found)
    assert again.get_params() == found.get_params()
    with pytest.raises(NotFittedError):
        again.predict_proba([0.5])
    assert again.fit(*drawn).intercept_ == found.intercept_
    frozen = RecalibratedClassifier(FrozenEstimator(GIVEN), method="logistic")
    assert clone(frozen).fit(*drawn).slope_ == found.slope_


def test_scores_without_probabilities_are_for_scikit_learn(data):
    """The call that the docstring and the error name, on paths."""
    model = make_pipeline("edges", "svm", image_size=48).fit(data.paths, data.y)
    with pytest.raises(ValueError, match=r"Pipeline gives no probabilities.* CalibratedClassifierCV\(FrozenEstimator"):
        RecalibratedClassifier(model).fit(data.paths, data.y)
    rows = np.r_[np.flatnonzero(data.y == 1), np.flatnonzero(data.y == 0)[:15]]
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(data.paths[rows], data.y[rows])
    (only,) = calibrated.calibrated_classifiers_
    p, scores = calibrated.predict_proba(data.paths)[:, 1], model.decision_function(data.paths)
    np.testing.assert_allclose(logit(p), -(only.calibrators[0].a_ * scores + only.calibrators[0].b_), atol=1e-6)
    assert p[rows].mean() == pytest.approx(data.y[rows].mean(), abs=0.02)


def test_where_scikit_learn_does_something_else(drawn):
    """Of probabilities alone, scikit-learn's call fits a sigmoid to these; the logits would be right."""
    p = np.linspace(0.001, 0.999, 400)
    truth = expit(logit(p) - np.log(9))
    y = (np.random.default_rng(0).random(400) < truth).astype(int)
    errors = [
        np.abs(model.fit(p, y).predict_proba(p)[:, 1] - truth).max()
        for model in (RecalibratedClassifier(GIVEN), CalibratedClassifierCV(FrozenEstimator(GIVEN)))
    ]
    assert errors[0] < 0.08
    assert errors[1] > 0.3


@pytest.mark.parametrize(
    ("estimator", "options", "y", "message"),
    [
        (GIVEN, {"method": "platt"}, [0, 1, 1], "The 'method' parameter .* must be a str among"),
        (object(), {}, [0, 1, 1], "The 'estimator' parameter"),
        (Given().fit(None, [0, 1, 2]), {}, [0, 1, 2], "is for two classes, the Given knows 3"),
        (GIVEN, {}, [1, 1, 1], r"y must hold both classes of the classifier, \[0, 1\], got \[1\]"),
        (GIVEN, {}, [0, 1, 2], r"y must hold both classes of the classifier, \[0, 1\], got \[0, 1, 2\]"),
        (GIVEN, {}, ["a", "b", "b"], r"got \['a', 'b'\]"),
        (GIVEN, {}, [0, 1], "inconsistent numbers of samples"),
        (GIVEN, {"method": "logistic"}, [0, 0, 1], "finds no finite slope: the probabilities separate the classes"),
        (SVC().fit([[0], [1]], [0, 1]), {}, [0, 1, 1], "SVC gives no probabilities to recalibrate"),
    ],
)
def test_bad_arguments(estimator, options, y, message):
    with pytest.raises(ValueError, match=message):
        RecalibratedClassifier(estimator, **options).fit([0.1, 0.2, 0.9], y)


def test_what_is_not_fitted():
    with pytest.raises(NotFittedError, match="Given"):
        RecalibratedClassifier(Given()).fit([0.1, 0.9], [0, 1])
    with pytest.raises(NotFittedError, match="RecalibratedClassifier"):
        RecalibratedClassifier(GIVEN).predict([0.1])
