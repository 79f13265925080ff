"""Operating points, calibration, external data and splits, on models that are fitted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, StratifiedGroupKFold

from fracture_features import evaluate, make_pipeline
from fracture_features.evaluation._fit import Runner, operating_rule
from fracture_features.evaluation._splits import inner_splits, make_splits
from fracture_features.exceptions import DatasetError
from fracture_features.metrics import sensitivity_threshold, youden_threshold

QUICK = {"m": make_pipeline("edges", LogisticRegression(), image_size=48)}


class Scores(ClassifierMixin, BaseEstimator):
    """Knows a score of each path, and how many fits there were; learns nothing."""

    fits = []  # noqa: RUF012

    def __init__(self, table=None):
        self.table = table

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.fits.append(set(X))
        return self

    def decision_function(self, X):
        return self.table.loc[np.asarray(X)].to_numpy()

    def predict(self, X):
        return (self.decision_function(X) > 0).astype(int)


@pytest.mark.parametrize(
    ("operating_point", "rule"),
    [
        ("sensitivity", lambda y, s: sensitivity_threshold(y, s, 0.95)),
        (("sensitivity", 0.7), lambda y, s: sensitivity_threshold(y, s, 0.7)),
        ("youden", youden_threshold),
        (("threshold", 0.25), lambda y, s: 0.25),
    ],
)
def test_the_threshold_is_chosen_inside_the_training_part(data, operating_point, rule):
    scores = pd.Series(np.random.default_rng(0).normal(size=len(data)) + data.y, index=data.paths)
    Scores.fits.clear()
    (train, test), *_ = make_splits(data, 2, 1, 0)
    fold, _ = Runner(data, operating_rule(operating_point, 2), False, 0).run("m", Scores(scores), 1, train, test)
    expected = rule(data.y[train], scores[data.paths[train]].to_numpy())
    assert fold.threshold == expected
    np.testing.assert_array_equal(fold.y_pred, scores[data.paths[test]] >= expected)
    whole, *inner = Scores.fits
    assert whole == set.union(*inner) == set(data.paths[train])
    assert len(inner) == 5
    assert all(len(part) < len(train) for part in inner)


def test_without_an_operating_point_the_classifier_decides(data):
    result = evaluate(QUICK, data, cv=2, random_state=0)
    assert result.folds()["threshold"].isna().all()
    predictions = result.predictions().query("model == 'm'")
    assert ((predictions["predicted"] == "fractured") == (predictions["score"] > 0)).all()


@pytest.mark.parametrize("bad", ["specificity", ("sensitivity", 1.5), ("sensitivity", 0), 0.5, ("threshold", "x")])
def test_bad_operating_points(data, bad):
    with pytest.raises(ValueError, match="operating_point must be None, 'sensitivity', 'youden'"):
        evaluate(QUICK, data, operating_point=bad)


def test_an_operating_point_is_for_two_classes(data):
    three = replace(data, y=np.arange(len(data)) % 3, target_names=["a", "b", "c"])
    with pytest.raises(ValueError, match="is for two classes, the data have 3"):
        evaluate(QUICK, three, operating_point="youden")


def test_calibrated_probabilities(data):
    model = make_pipeline("edges", "svm", image_size=48)
    (train, test), *_ = make_splits(data, 2, 1, 0)
    fold, _ = Runner(data, None, True, 0).run("m", model, 1, train, test)
    inner = inner_splits(data.subset(train), 5, 0)
    expected = CalibratedClassifierCV(model, cv=inner, ensemble=False).fit(data.paths[train], data.y[train])
    np.testing.assert_array_equal(fold.probabilities, expected.predict_proba(data.paths[test]))
    for rows in inner:
        assert not set.intersection(*(set(data.groups[train][part]) for part in rows))


def test_external_images_are_scored_by_every_fold_and_once(data):
    first = data.groups % 2 == 0
    inside, outside = data.subset(first), data.subset(~first)
    result = evaluate(QUICK, inside, cv=2, operating_point="youden", external=outside, random_state=0)
    assert len(result.predictions().query("model == 'm'")) == len(inside)
    predictions = result.external.predictions().query("model == 'm'")
    assert len(predictions) == 2 * len(outside)
    assert set(predictions["path"]) == set(outside.paths)
    for own, other in zip(result.fold_results, result.external.fold_results, strict=True):
        assert own.threshold == other.threshold
        np.testing.assert_array_equal(other.y_pred, other.scores[:, 1] >= own.threshold)
    assert result.external.frame().query("measure == 'roc_auc'")["low"].notna().all()
    assert result.external.comparison()["p_holm"].notna().all()


def test_bad_external_data(data):
    with pytest.raises(DatasetError, match="external shares 60 files"):
        evaluate(QUICK, data, external=data)
    renamed = replace(data, target_names=["healthy", "broken"])
    with pytest.raises(DatasetError, match=r"external has the classes \['healthy', 'broken'\]"):
        evaluate(QUICK, data, external=renamed)


def test_the_published_split(data):
    test = data.groups % 3 == 0
    frame = pd.DataFrame({"split": np.where(test, "Test", np.where(data.groups % 3 == 1, "train", "val"))})
    split = replace(data, frame=frame)
    (fold,) = [f for f in evaluate(QUICK, split, cv="split", random_state=0).fold_results if f.model == "m"]
    np.testing.assert_array_equal(fold.test, np.flatnonzero(test))
    np.testing.assert_array_equal(fold.train, np.flatnonzero(~test))
    with pytest.raises(DatasetError, match="no column 'split'"):
        evaluate(QUICK, data, cv="split")
    with pytest.raises(ValueError, match="cv must be a number, a splitter, folds or 'split', got 'patients'"):
        evaluate(QUICK, data, cv="patients")


def test_repeats_divide_anew(data):
    result = evaluate(QUICK, data, cv=2, n_repeats=3, random_state=0)
    folds = [fold for fold in result.fold_results if fold.model == "m"]
    assert [fold.fold for fold in folds] == [1, 2, 3, 4, 5, 6]
    assert len({tuple(fold.test) for fold in folds}) == 6
    assert (result.folds()["groups_shared"] == 0).all()


def test_a_split_that_divides_patients_is_refused(data):
    with pytest.raises(DatasetError, match=r"fold 1 of 3: \d+ groups stand in both training and test part"):
        evaluate(QUICK, data, cv=list(KFold(3, shuffle=True, random_state=0).split(data.paths)))


def test_fewer_groups_than_folds(data):
    few = replace(data, groups=np.arange(len(data)) % 3)
    with pytest.raises(DatasetError, match="into 5 folds: there are 3 groups"):
        evaluate(QUICK, few)
    with pytest.raises(ValueError, match="n_repeats must be an integer of at least 1, got 0"):
        evaluate(QUICK, data, n_repeats=0)


def test_a_search_keeps_groups_in_its_inner_folds_and_tells_what_it_chose(data):
    seen = []

    class Spy(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            seen.append(len(X))
            return super().fit(X, y, sample_weight)

    search = GridSearchCV(make_pipeline("edges", Spy(), image_size=48), {"classifier__C": [0.1, 1]}, cv=3)
    result = evaluate({"search": search}, data, cv=2, random_state=0)
    for fold in [fold for fold in result.fold_results if fold.model == "search"]:
        assert fold.params["classifier__C"] in (0.1, 1)
        part = data.subset(fold.train)
        inner = StratifiedGroupKFold(3, shuffle=True, random_state=0).split(part.paths, part.y, part.groups)
        for train, _ in inner:
            assert len(train) in seen
    assert search.cv == 3
