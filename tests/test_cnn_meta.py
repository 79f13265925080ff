"""CNNClassifier in what scikit-learn builds out of classifiers, trained for real on images of 32 pixels."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from lines import bright_lines
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import RocCurveDisplay, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from fracture_features.cnn import CNNClassifier

pytest.importorskip("keras")

X, y = bright_lines(32, (32, 32))
NAMES = np.where(y, "broken", "whole")
ONE_SPLIT = [(np.arange(20), np.arange(20, 32))]
CNN = CNNClassifier(epochs=1, batch_size=8, learning_rate=0.01, random_state=0)


@pytest.fixture(scope="module")
def fitted():
    return clone(CNN).fit(X, y)


@pytest.fixture(scope="module")
def serial_scores():
    """By fold, of string labels."""
    return cross_validate(CNN, X, NAMES, cv=2, scoring=["roc_auc", "neg_log_loss"])


def test_cross_validate(serial_scores):
    for scorer in ("roc_auc", "neg_log_loss"):
        assert np.isfinite(serial_scores[f"test_{scorer}"]).all()
    assert (serial_scores["test_neg_log_loss"] < 0).all()


def test_two_processes_give_the_scores_of_one(serial_scores):
    scores = cross_validate(CNN, X, NAMES, cv=2, scoring=["roc_auc", "neg_log_loss"], n_jobs=2)
    for scorer in ("test_roc_auc", "test_neg_log_loss"):
        np.testing.assert_allclose(scores[scorer], serial_scores[scorer], rtol=1e-3)


def test_two_threads_finish():
    """In a process where keras is not imported yet: one thread imports it, the other waits."""
    code = (
        "import numpy as np\n"
        "from joblib import parallel_config\n"
        "from sklearn.model_selection import cross_val_score\n"
        "from fracture_features import CNNClassifier\n"
        "X = np.random.default_rng(0).integers(0, 255, (24, 32, 32), dtype=np.uint8)\n"
        "with parallel_config(backend='threading'):\n"
        "    cnn = CNNClassifier(epochs=1)\n"
        "    print(*cross_val_score(cnn, X, np.arange(24) % 2, cv=2, n_jobs=2, error_score='raise'))\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert np.isfinite([float(score) for score in printed.split()]).sum() == 2


def test_grid_search_takes_the_better():
    model = Pipeline([("images", FunctionTransformer()), ("classifier", CNN)])
    grid = GridSearchCV(model, {"classifier__epochs": [1, 6]}, cv=ONE_SPLIT, scoring="neg_log_loss", refit=False)
    params = grid.fit(X, y).cv_results_
    assert [p["classifier__epochs"] for p in params["params"]] == [1, 6]
    assert params["mean_test_score"][0] != params["mean_test_score"][1]


def test_randomized_search():
    search = RandomizedSearchCV(
        CNN, {"dropout": [0.0, 0.5], "batch_size": [8, 16]}, n_iter=2, cv=ONE_SPLIT, scoring="roc_auc", random_state=0
    )
    search.fit(X, NAMES)
    chosen = search.cv_results_["params"][int(np.argmax(search.cv_results_["mean_test_score"]))]
    by_hand = clone(CNN).set_params(**chosen).fit(X, NAMES)
    np.testing.assert_array_equal(search.predict(X), by_hand.predict(X))
    assert search.predict(X[:3]).dtype == NAMES.dtype


def test_calibration():
    model = CalibratedClassifierCV(CNN, cv=2).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X[:5]).sum(axis=1), 1)


def test_voting(fitted):
    model = VotingClassifier([("cnn", CNN), ("prior", DummyClassifier())], voting="soft", weights=[3, 1]).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), 0.75 * fitted.predict_proba(X) + 0.25 * 0.5, rtol=0, atol=1e-7)


def test_stacking():
    model = StackingClassifier([("cnn", CNN), ("prior", DummyClassifier())], LogisticRegression(), cv=2).fit(X, NAMES)
    assert model.predict_proba(X[:4]).shape == (4, 2)
    assert model.final_estimator_.coef_.shape == (1, 2)


def test_learning_curve():
    sizes, train, test = learning_curve(CNN, X, y, train_sizes=[12, 20], cv=ONE_SPLIT, scoring="roc_auc")
    assert sizes.tolist() == [12, 20]
    by_hand = clone(CNN).fit(X[:20], y[:20])
    expected = [roc_auc_score(y[rows], by_hand.predict_proba(X[rows])[:, 1]) for rows in ONE_SPLIT[0]]
    assert [train[1, 0], test[1, 0]] == pytest.approx(expected, abs=1e-9)


def test_roc_curve_display(fitted):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    display = RocCurveDisplay.from_estimator(fitted, X, y)
    plt.close(display.figure_)
    assert 0 <= display.roc_auc <= 1


def test_sample_weight_by_routing():
    """Images that weigh nothing teach nothing: their labels may say what they will."""
    halves = np.tile([0.0, 1.0], 16)
    lies = np.where(halves > 0, y, 1 - y)
    cnn = clone(CNN).set_params(validation_fraction=None, augment=False, epochs=2)
    with config_context(enable_metadata_routing=True):
        cnn.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        model = Pipeline([("images", FunctionTransformer()), ("classifier", cnn)])
        weighted, lied = (clone(model).fit(X, labels, sample_weight=halves).predict_proba(X) for labels in (y, lies))
        plain = clone(model).fit(X, y, sample_weight=np.ones(32)).predict_proba(X)
        scores = cross_validate(model, X, y, params={"sample_weight": halves, "groups": np.arange(32)}, cv=ONE_SPLIT)
    # BatchNorm sees every image, the loss those that weigh
    np.testing.assert_array_equal(weighted, lied)
    assert not np.array_equal(weighted, plain)
    assert np.isfinite(scores["test_score"]).all()


def test_groups_by_routing_in_a_search():
    model = Pipeline([("images", FunctionTransformer()), ("classifier", CNN)])
    grid = GridSearchCV(model, {"classifier__dropout": [0.1]}, cv=GroupKFold(2), scoring="neg_log_loss", refit=False)
    with config_context(enable_metadata_routing=True):
        grid.fit(X, y, groups=np.arange(32) // 2)
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()


def test_there_is_no_warm_start(fitted):
    assert "warm_start" not in CNN.get_params()
    assert not hasattr(CNN, "partial_fit")
    with pytest.raises(TypeError, match="warm_start"):
        CNNClassifier(warm_start=True)
    again = clone(CNN).fit(X, 1 - y).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_a_fold_without_a_class_is_a_failed_fit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=r"needs two classes or more in y, got one class: \[0\]"):
            cross_val_score(CNN, X, np.arange(32) // 16, cv=[(np.arange(16), np.arange(16, 32))], error_score="raise")
