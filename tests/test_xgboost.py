"""XGBoost as a scikit-learn classifier: labels, weights, early stopping, files, refits."""

import warnings
from typing import ClassVar

import numpy as np
import pytest
import xgboost
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import check_estimator

from fracture_features._xgboost import XGBClassifier

LABELS = {
    "1 and 2": np.array([1, 2]),
    "text": np.array(["broken", "whole"]),
    "objects": np.array(["broken", "whole"], dtype=object),
    "booleans": np.array([False, True]),
    "floats": np.array([-1.0, 2.0]),
    "three": np.array(["ankle", "hip", "wrist"]),
}


def draw(n=300, n_classes=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    return X, np.minimum((X[:, 0] + rng.normal(size=n) > 0.6).astype(int) + (X[:, 1] > 1), n_classes - 1)


def data(labels, seed=0):
    X, codes = draw(n_classes=len(labels), seed=seed)
    return X, labels[codes]


@pytest.mark.parametrize("class_weight", ["balanced", None])
@pytest.mark.filterwarnings("ignore")
def test_every_check_of_scikit_learn_passes(class_weight):
    """But for the weights' where XGBoost's own classifier fails them too, as 3.0 does with scikit-learn 1.7."""

    def checks(model):
        results = check_estimator(model, on_fail=None, on_skip=None)
        return [{r["check_name"] for r in results if r["status"] == status} for status in ("passed", "failed")]

    passed, failed = checks(XGBClassifier(n_estimators=5, class_weight=class_weight))
    assert all(name.startswith("check_sample_weight_equivalence") for name in failed)
    assert not failed or failed <= checks(xgboost.XGBClassifier(n_estimators=5, n_jobs=1))[1]
    assert len(passed) >= 47


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_early_stopping_watches_the_right_classes(labels):
    """The same trees and the same best iteration as XGBoost's own classifier with labels from 0 on."""
    (X, y), (X_val, y_val) = data(labels), data(labels, seed=1)
    settings = {"n_estimators": 200, "learning_rate": 0.05, "max_depth": 2, "early_stopping_rounds": 5}
    codes, codes_val = np.unique(y, return_inverse=True)[1], np.unique(y_val, return_inverse=True)[1]
    weights = np.random.default_rng(2).uniform(0.5, 2, len(y_val))
    plain = xgboost.XGBClassifier(**settings, n_jobs=1).fit(
        X,
        codes,
        sample_weight=compute_sample_weight("balanced", y),
        eval_set=[(X_val, codes_val)],
        sample_weight_eval_set=[weights],
        verbose=False,
    )
    ours = XGBClassifier(**settings).fit(
        X, y, eval_set=[(X_val, y_val)], sample_weight_eval_set=[weights], verbose=False
    )
    assert ours.best_iteration == plain.best_iteration > 5
    assert ours.evals_result() == plain.evals_result()
    np.testing.assert_array_equal(ours.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(ours.predict(X), labels[plain.predict(X)])
    np.testing.assert_array_equal(ours.predict(X, output_margin=True), plain.predict(X, output_margin=True))


def test_a_label_that_was_not_trained_on_is_refused_in_eval_set():
    X, y = data(LABELS["text"])
    with pytest.raises(ValueError, match=r"eval_set has the labels \['cracked'\], y has the classes \['broken'"):
        XGBClassifier().fit(X, y, eval_set=[(X[:2], ["whole", "cracked"])])


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_a_saved_model_knows_its_labels(labels, tmp_path):
    X, y = data(labels)
    fitted = XGBClassifier(n_estimators=5).fit(X, y)
    fitted.save_model(tmp_path / "model.json")
    other = XGBClassifier(n_estimators=3).fit(X, y == labels[0])
    for loaded in (XGBClassifier(), other):
        loaded.load_model(tmp_path / "model.json")
        assert loaded.classes_.tolist() == labels.tolist()
        assert loaded.classes_.dtype == labels.dtype
        np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
        np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
        refitted = loaded.fit(X, y == labels[0])
        assert refitted.classes_.tolist() == [False, True]


def test_files_of_xgboost_itself(tmp_path):
    X, y = draw()
    plain = xgboost.XGBClassifier(n_estimators=5).fit(X, y)
    plain.save_model(tmp_path / "plain.json")
    loaded = XGBClassifier()
    loaded.load_model(tmp_path / "plain.json")
    np.testing.assert_array_equal(loaded.predict(X), plain.predict(X))
    XGBClassifier(n_estimators=5).fit(X, y).save_model(tmp_path / "ours.ubj")
    plain.load_model(tmp_path / "ours.ubj")
    assert set(plain.predict(X)) == {0, 1}


def break_fit(model, X, tmp_path):
    model.fit(X, np.arange(len(X)) % 3, base_margin=np.zeros(7))


def break_fit_by_labels(model, X, tmp_path):
    model.fit(X, np.arange(len(X)) % 3, eval_set=[(X[:1], [9])])


def break_load(model, X, tmp_path):
    path = tmp_path / "model.json"
    path.write_text('{"learner": ')
    model.load_model(path)


@pytest.mark.parametrize("attempt", [break_fit, break_fit_by_labels, break_load])
def test_what_fails_leaves_the_fit_before(attempt, tmp_path):
    X, y = data(LABELS["text"])
    model = XGBClassifier(n_estimators=5).fit(X, y)
    before, params = model.predict(X), model.get_params()
    with pytest.raises((ValueError, xgboost.core.XGBoostError)):
        attempt(model, X, tmp_path)
    np.testing.assert_array_equal(model.predict(X), before)
    assert model.classes_.tolist() == ["broken", "whole"]
    assert repr(model.get_params()) == repr(params)


def test_a_refit_forgets_the_fit_before():
    X, y = data(LABELS["three"])
    model = XGBClassifier(n_estimators=5, early_stopping_rounds=2).fit(X, y, eval_set=[(X, y)], verbose=False)
    model.set_params(early_stopping_rounds=None).fit(X, y == "hip")
    assert model.predict_proba(X).shape == (len(X), 2)
    with pytest.raises(xgboost.core.XGBoostError, match="No evaluation result"):
        model.evals_result()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.linspace(0, 1, 300), "[Cc]ontinuous"),
        (np.where(np.arange(300) == 7, np.nan, np.arange(300) % 2), "NaN"),
        (np.eye(2, dtype=int)[np.arange(300) % 2], "1d array"),
        (np.zeros(300, dtype=int), r"two classes or more in y, got one class: \[0\]"),
        (np.arange(299) % 2, "inconsistent numbers"),
    ],
    ids=["continuous", "missing", "columns", "one class", "too few"],
)
def test_labels_that_are_none_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        XGBClassifier().fit(draw()[0], y)


def test_classes_are_weighted_once():
    X, y = draw()
    for scale in (1, 3):
        with warnings.catch_warnings():
            alone = XGBClassifier(n_estimators=5, class_weight=None, scale_pos_weight=scale).fit(X, y)
        plain = xgboost.XGBClassifier(n_estimators=5, scale_pos_weight=scale).fit(X, y)
        np.testing.assert_array_equal(alone.predict_proba(X), plain.predict_proba(X))
    with pytest.raises(ValueError, match="scale_pos_weight=3 and class_weight='balanced' would both"):
        XGBClassifier(scale_pos_weight=3).fit(X, y)
    search = GridSearchCV(XGBClassifier(n_estimators=2, class_weight=None), {"scale_pos_weight": [1, 3]}, cv=2)
    assert set(search.fit(X, y).best_params_) == {"scale_pos_weight"}


def test_an_objective_of_ones_own_needs_no_weights_where_there_are_none():
    X, y = data(LABELS["text"])
    settings = {"n_estimators": 5, "objective": lambda y, p: (p - y, np.ones_like(p))}
    ours = XGBClassifier(class_weight=None, **settings).fit(X, y)
    plain = xgboost.XGBClassifier(**settings, n_jobs=1).fit(X, (y == "whole").astype(int))
    np.testing.assert_array_equal(ours.predict(X, output_margin=True), plain.predict(X, output_margin=True))


def test_weight_zero_is_absence():
    X, y = data(LABELS["three"])
    kept = (np.arange(len(y)) % 3 > 0) & (y != "hip")
    model = XGBClassifier(n_estimators=5, base_score=0.5)
    weighted, fewer = (
        clone(model).fit(X, y, sample_weight=kept.astype(float)),
        clone(model).fit(X[kept], y[kept]),
    )
    assert weighted.classes_.tolist() == ["ankle", "hip", "wrist"]
    assert (weighted.predict(X) == fewer.predict(X)).mean() > 0.95


def test_set_params_leaves_what_is_fitted():
    X, y = data(LABELS["three"])
    model = XGBClassifier(n_estimators=5).fit(X, y)
    before = model.predict_proba(X)
    model.set_params(objective="multi:softmax", max_depth=1, n_jobs=2, base_score=0.1)
    np.testing.assert_allclose(model.predict_proba(X), before, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(X), model.classes_[before.argmax(axis=1)])
    np.testing.assert_array_equal(clone(model).fit(X, y).predict_proba(X), model.fit(X, y).predict_proba(X))


def test_training_goes_on_from_a_model_of_the_same_classes_alone():
    X, y = data(LABELS["text"])
    first = XGBClassifier(n_estimators=3).fit(X, y)
    more = XGBClassifier(n_estimators=3).fit(X, y, xgb_model=first)
    assert more.get_booster().num_boosted_rounds() == 6
    with pytest.raises(ValueError, match="xgb_model has the classes"):
        XGBClassifier(n_estimators=3).fit(X, y == "whole", xgb_model=first)


def test_a_random_state_moves_in_fit_alone():
    X, y = draw()
    rng = np.random.RandomState(0)
    model = XGBClassifier(n_estimators=3, subsample=0.5, random_state=rng)
    before = rng.get_state()[2]
    assert model.get_params()["random_state"] is rng
    assert clone(model).get_params()["random_state"] is not None
    assert rng.get_state()[2] == before
    assert (model.fit(X, y).predict_proba(X) != model.fit(X, y).predict_proba(X)).any()


class TestBatches:
    SETTINGS: ClassVar = {"n_estimators": 20, "max_depth": 3, "learning_rate": 0.3, "subsample": 0.8, "random_state": 0}

    @pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
    def test_one_batch_gives_the_trees_of_fit(self, labels):
        X, y = data(labels)
        weights = np.random.default_rng(2).uniform(0.5, 2, len(y))
        whole = XGBClassifier(**self.SETTINGS).fit(X, y, sample_weight=weights)
        ours = XGBClassifier(**self.SETTINGS).fit_batches(lambda rows: X[rows], y, sample_weight=weights)
        np.testing.assert_array_equal(ours.predict_proba(X), whole.predict_proba(X))
        np.testing.assert_array_equal(ours.predict(X), whole.predict(X))
        np.testing.assert_array_equal(ours.classes_, labels)

    @pytest.mark.parametrize("external", [False, True])
    def test_of_values_that_all_have_bins_any_batches_give_them(self, external, tmp_path):
        X, y = data(LABELS["text"])
        X = np.round(X).clip(-1, 1).astype(np.float32)
        whole = XGBClassifier(**self.SETTINGS | {"subsample": 1}).fit(X, y)
        asked = []
        ours = XGBClassifier(**self.SETTINGS | {"subsample": 1}).fit_batches(
            lambda rows: asked.append(rows) or X[rows], y, batch_size=70, folder=tmp_path if external else None
        )
        np.testing.assert_allclose(ours.predict_proba(X), whole.predict_proba(X), atol=1e-5)
        assert asked.pop(0) == slice(0, 300, 5)  # for the bins
        assert {(rows.start, rows.stop) for rows in asked} == {(0, 70), (70, 140), (140, 210), (210, 280), (280, 300)}

    def test_bins_are_of_rows_from_everywhere(self):
        """Rows in the order of their value: bins of the first batch alone would not tell the others apart."""
        X = np.linspace(0, 1, 400, dtype=np.float32)[:, None]
        y = (X[:, 0] > 0.75).astype(int)
        model = XGBClassifier(n_estimators=3).fit_batches(lambda rows: X[rows], y, batch_size=50)
        assert (model.predict(X) == y).mean() > 0.97

    def test_it_can_be_cloned_saved_and_fitted_again(self, tmp_path):
        X, y = data(LABELS["three"])
        model = XGBClassifier(**self.SETTINGS).fit_batches(lambda rows: X[rows], y)
        model.save_model(tmp_path / "model.json")
        other = XGBClassifier()
        other.load_model(tmp_path / "model.json")
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
        assert not hasattr(clone(model), "_Booster")

    def test_what_fit_refuses(self):
        X, y = data(LABELS["text"])
        model = XGBClassifier(**self.SETTINGS).fit(X, y)
        for wrong, message in [(np.zeros(300), "needs two classes"), (X[:, 0], "continuous")]:
            with pytest.raises(ValueError, match=message):
                model.fit_batches(lambda rows: X[rows], wrong)
        model.predict(X)
