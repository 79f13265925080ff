"""The SVC of matrix products against scikit-learn's."""

import pickle
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn import svm
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.utils.estimator_checks import check_estimator

from fracture_features import _svm, make_pipeline
from fracture_features._svm import SVC, NystroemClassifier
from fracture_features.exceptions import ScaleWarning
from fracture_features.model import read_model_file, write_model_file


def rows(n, n_features, n_classes=2, dtype=np.float32, seed=0):
    """Scaled rows, of which the first features tell a little of the class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    X = rng.normal(size=(n, n_features))
    X[:, : min(4, n_features)] += 0.8 * y[:, None]
    return ((X - X.mean(axis=0)) / X.std(axis=0)).astype(dtype), y


def both(X, y, sample_weight=None, **parameters):
    return [kind(**parameters).fit(X, y, sample_weight) for kind in (SVC, svm.SVC)]


def assert_same(ours, theirs, X, atol=1e-3):
    scores = theirs.decision_function(X)
    np.testing.assert_allclose(ours.decision_function(X), scores, rtol=0, atol=atol)
    is_clear = (np.abs(scores) if scores.ndim == 1 else np.diff(np.sort(scores, axis=1)[:, -2:])[:, 0]) > atol
    np.testing.assert_array_equal(ours.predict(X)[is_clear], theirs.predict(X)[is_clear])


@pytest.fixture(autouse=True)
def nothing_kept():
    _svm._kept.clear()
    yield
    _svm._kept.clear()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "n_features", "n_classes"), [(4, 1, 2), (9, 3, 3), (30, 2000, 2), (700, 40, 2), (600, 900, 2), (520, 60, 4)]
)
def test_it_is_scikit_learns_machine(n, n_features, n_classes, dtype):
    X, y = rows(n, n_features, n_classes, dtype)
    new = rows(50, n_features, n_classes, dtype, seed=1)[0]
    ours, theirs = both(X, y)
    assert ours.support_vectors_.dtype == np.float32  # it went the new way
    assert_same(ours, theirs, X)
    assert_same(ours, theirs, new)
    assert ours._gamma == pytest.approx(theirs._gamma, rel=1e-6)
    assert len(np.setxor1d(ours.support_, theirs.support_)) <= 0.02 * n
    np.testing.assert_allclose(ours.support_vectors_, X[ours.support_], rtol=1e-6)


@pytest.mark.parametrize(
    "parameters",
    [
        {"C": 30.0},
        {"C": 0.01},
        {"gamma": "auto"},
        {"gamma": 0.2},
        {"class_weight": "balanced"},
        {"class_weight": {0: 1.0, 1: 5.0, 2: 0.2}},
        {"decision_function_shape": "ovo"},
        {"break_ties": True},
        {"shrinking": False, "tol": 1e-5},
    ],
    ids=str,
)
def test_parameters_mean_what_they_do_there(parameters):
    X, y = rows(300, 30, 3)
    assert_same(*both(X[y != 0][:120], y[y != 0][:120], **parameters | {"class_weight": None}), X)
    assert_same(*both(X, y, **parameters), X)


def test_weights_of_samples():
    X, y = rows(200, 50)
    weights = np.random.default_rng(0).choice([0.1, 0.3, 1.0, 4.0], len(y))
    assert_same(*both(X, y, weights), X)
    assert_same(*both(X, y, weights * (weights > 0.1)), X)
    assert not np.allclose(SVC().fit(X, y, weights).decision_function(X), SVC().fit(X, y).decision_function(X))


def test_probabilities_are_those_of_the_same_folds():
    X, y = rows(150, 400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # scikit-learn is about to drop them
        ours, theirs = both(X, y, probability=True, random_state=0)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3)
        np.testing.assert_allclose(ours.predict_log_proba(X), np.log(ours.predict_proba(X)))
    assert not hasattr(SVC().fit(X, y), "predict_proba")
    calibrated = [CalibratedClassifierCV(kind(), cv=3, ensemble=False).fit(X, y) for kind in (SVC, svm.SVC)]
    np.testing.assert_allclose(*(model.predict_proba(X) for model in calibrated), atol=1e-3)


def test_equal_rows_and_rows_that_are_all_alike():
    X, y = rows(40, 8)
    assert_same(*both(np.repeat(X, 3, axis=0), np.repeat(y, 3)), X)
    assert_same(*both(np.ones((6, 3)), np.array([0, 1] * 3)), np.zeros((2, 3)))


@pytest.mark.parametrize("shift", [3e3, 1e30])
def test_rows_that_single_precision_does_not_tell_apart_go_the_old_way(shift):
    X, y = rows(60, 5, dtype=np.float64)
    given = X + shift if shift < 1e9 else X * shift
    ours, theirs = both(given, y)
    assert ours.support_vectors_.dtype == np.float64
    assert_same(ours, theirs, given, atol=1e-12)


def test_a_matrix_above_the_limit_is_not_made(monkeypatch):
    X, y = rows(60, 5)
    monkeypatch.setattr(_svm, "LARGEST", 8 * 59**2)
    monkeypatch.setattr(_svm, "kernel_matrix", None)
    assert_same(*both(X, y), X, atol=1e-12)


@pytest.mark.parametrize("kernel", ["linear", "poly", "sigmoid", lambda a, b: a @ b.T])
def test_other_kernels_and_sparse_rows_are_scikit_learns(kernel):
    X, y = rows(60, 5, dtype=np.float64)
    assert_same(*both(X, y, kernel=kernel), X, atol=1e-12)
    if not callable(kernel):
        assert_same(*both(csr_array(X), y, kernel=kernel), csr_array(X), atol=1e-12)
    ours, theirs = both(csr_array(X), y)
    assert_same(ours, theirs, X, atol=1e-12)
    with pytest.raises(ValueError, match="cannot use sparse input in 'SVC' trained on dense data"):
        SVC().fit(X, y).predict(csr_array(X))


def test_a_grid_computes_each_matrix_once(monkeypatch):
    X, y = rows(90, 30)
    computed = []
    real = _svm._compute
    monkeypatch.setattr(_svm, "_compute", lambda X, *args: computed.append(len(X)) or real(X, *args))
    search = GridSearchCV(SVC(), {"C": [0.1, 1, 10, 100]}, cv=3).fit(X, y)
    assert computed == [60, 60, 60, 90]
    reference = GridSearchCV(svm.SVC(), {"C": [0.1, 1, 10, 100]}, cv=3).fit(X, y)
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], reference.cv_results_["mean_test_score"])
    SVC(gamma=0.5).fit(X, y)
    assert len(computed) == 5


def test_many_rows_are_warned_of(monkeypatch):
    X, y = rows(60, 5)
    monkeypatch.setattr(_svm, "MANY", 59)
    with pytest.warns(ScaleWarning, match=r"RBF SVM on 60 images.*make_pipeline\('hog\+nystroem'\)"):
        SVC().fit(X, y)
    SVC().fit(X[1:], y[1:])
    SVC(kernel="linear").fit(X, y)


def test_what_is_kept_has_a_limit_and_changes_nothing(monkeypatch):
    X, y = rows(90, 30)
    alone = SVC(C=3).fit(X, y).decision_function(X)
    first = SVC(C=1).fit(X, y)
    kept = SVC(C=3).fit(X, y)
    np.testing.assert_array_equal(kept.decision_function(X), alone)
    assert first.support_vectors_.base is None  # nothing of a model holds the matrix
    monkeypatch.setattr(_svm, "KEPT", 2 * 8 * 60**2)
    for seed in range(4):
        SVC().fit(*rows(60, 5, seed=seed))
    assert [matrix.shape for matrix in _svm._kept.values()] == [(60, 60)] * 2
    SVC().fit(*rows(90, 5))
    assert [matrix.shape for matrix in _svm._kept.values()] == [(60, 60)] * 2


def test_threads_at_once():
    X, y = rows(120, 30)
    expected = SVC().fit(X, y).decision_function(X)
    _svm._kept.clear()
    found = []
    threads = [threading.Thread(target=lambda: found.append(SVC().fit(X, y).decision_function(X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        np.testing.assert_array_equal(one, expected)


def test_more_rows_than_a_block_to_predict():
    X, y = rows(100, 20)
    many = rows(_svm.BLOCK * 2 + 3, 20, seed=3)[0]
    assert_same(*both(X, y), many)


def test_names_frames_and_labels_of_any_kind():
    X, y = rows(60, 3)
    frame, labels = pd.DataFrame(X, columns=list("abc")), np.array(["healthy", "broken"])[y]
    model = SVC().fit(frame, labels)
    assert list(model.feature_names_in_) == list("abc")
    assert set(model.predict(frame)) == {"healthy", "broken"}
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X)
    with pytest.raises(ValueError, match="X has 2 features, but SVC is expecting 3 features"):
        SVC().fit(X, y).predict(X[:, :2])


def test_a_fit_of_another_kind_forgets_the_first():
    X, y = rows(60, 5, dtype=np.float64)
    model = SVC().fit(*rows(50, 7))
    assert_same(model.fit(X + 3e3, y), svm.SVC().fit(X + 3e3, y), X + 3e3, atol=1e-12)
    assert_same(model.set_params(kernel="linear").fit(X, y), svm.SVC(kernel="linear").fit(X, y), X, atol=1e-12)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(model.set_params(kernel="rbf").fit(X, y))).predict(X),
        clone(model).fit(X, y).predict(X),
    )


@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_checks():
    """As scikit-learn's own, which fails where weights are to be worth as much as copies."""
    ours, theirs = (
        [(result["check_name"], result["status"]) for result in check_estimator(kind(), on_fail=None, on_skip=None)]
        for kind in (SVC, svm.SVC)
    )
    assert ours == theirs
    assert [status for _, status in ours].count("passed") >= 50


def test_named_pipelines_have_it():
    assert [type(make_pipeline(name)[-1]) for name in ("hog+svm", "fast", "accurate")] == [SVC] * 3


def test_files_hold_it_and_those_of_scikit_learns_still_load(tmp_path):
    X, y = rows(60, 5)
    for number, model in enumerate(both(X, y)):
        path = tmp_path / f"{number}.ff"
        write_model_file(path, model, {}, {})
        found = read_model_file(path)[0]
        assert type(found) is type(model)
        np.testing.assert_array_equal(found.decision_function(X), model.decision_function(X))


def test_cross_validated_answers_are_the_same():
    X, y = rows(200, 100)
    ours, theirs = (
        cross_val_predict(kind(class_weight="balanced"), X, y, cv=4, method="decision_function")
        for kind in (SVC, svm.SVC)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


class TestNystroem:
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_it_is_logistic_regression_on_scikit_learns_features(self, n_classes):
        X, y = rows(300, 20, n_classes, np.float64)
        ours = NystroemClassifier(n_components=40, gamma=0.05, class_weight="balanced", random_state=0).fit(X, y)
        reference = Nystroem(n_components=40, gamma=0.05, random_state=0).fit(X)
        np.testing.assert_allclose(ours.components_, reference.components_, rtol=1e-6)
        made = reference.transform(X)
        linear = LogisticRegression(C=10, class_weight="balanced", max_iter=1000).fit(made, y)
        np.testing.assert_allclose(ours.predict_proba(X), linear.predict_proba(made), atol=5e-3)
        np.testing.assert_allclose(ours.decision_function(X), linear.decision_function(made), atol=0.05)

    def test_with_all_rows_it_is_the_kernel_itself(self):
        X, y = rows(80, 30)
        model = NystroemClassifier(random_state=0).fit(X, y)
        assert model.components_.shape == (80, 30)
        kernels = rbf_kernel(X, gamma=model._gamma)
        vectors, values, _ = np.linalg.svd(kernels)
        linear = LogisticRegression(C=10, max_iter=1000).fit(vectors * np.sqrt(values), y)
        np.testing.assert_allclose(model.predict_proba(X), linear.predict_proba(vectors * np.sqrt(values)), atol=1e-3)

    def test_weights_of_samples_are_copies(self):
        X, y = rows(60, 5)
        weights = np.arange(60) % 2 + 1
        model = NystroemClassifier(random_state=0)
        weighted = clone(model).fit(X, y, weights)
        assert not np.allclose(weighted.decision_function(X), clone(model).fit(X, y).decision_function(X))

    @pytest.mark.filterwarnings("ignore")
    def test_scikit_learn_checks(self):
        results = check_estimator(NystroemClassifier(), on_fail=None, on_skip=None)
        failed = {r["check_name"] for r in results if r["status"] == "failed"}
        assert failed <= {
            "check_sample_weight_equivalence_on_dense_data",  # it draws among the rows, whatever their weights
            # Products of single precision are rounded by how many there are: the checks want nine digits.
            "check_methods_subset_invariance",
            "check_methods_sample_order_invariance",
        }
        assert sum(r["status"] == "passed" for r in results) >= 48
