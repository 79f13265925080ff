"""Operating points, calibration, external data and splits, on models that are fitted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFECV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedGroupKFold,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import Pipeline

from fracture_features import evaluate, make_pipeline
from fracture_features.cache._store import _bypassed
from fracture_features.datasets import FractureDataset, published_split
from fracture_features.evaluation import is_unused_split
from fracture_features.evaluation._fit import Job, Runner, operating_rule, reseeded
from fracture_features.evaluation._splits import inner_splits, make_splits
from fracture_features.exceptions import DatasetError, UngroupedDataWarning
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
    fold, _ = Runner(data, operating_rule(operating_point, 2), False, 0).run(
        Job("m", "model", Scores(scores), 1, train, test)
    )
    expected = rule(data.y[train], scores[data.paths[train]].to_numpy())
    assert fold.threshold == expected
    np.testing.assert_array_equal(fold.y_pred, scores[data.paths[test]] >= expected)
    whole, *inner = Scores.fits
    assert whole == set.union(*inner) == set(data.paths[train])
    assert len(inner) == 5
    assert all(len(part) < len(train) for part in inner)


def test_an_image_at_the_threshold_is_called_fractured(data):
    scores = pd.Series(np.arange(len(data)) / 10, index=data.paths)
    (train, test), *_ = make_splits(data, 2, 1, 0)
    threshold = float(scores[data.paths[test]].iloc[3])
    fold, _ = Runner(data, operating_rule(("threshold", threshold), 2), False, 0).run(
        Job("m", "model", Scores(scores), 1, train, test)
    )
    assert fold.scores[3, 1] == threshold
    assert fold.y_pred[3] == 1
    assert fold.y_pred[scores[data.paths[test]] < threshold].sum() == 0


def test_a_prediction_is_timed_with_nothing_from_the_cache(data, tmp_path):
    asked = []

    class Asks(Scores):
        def predict(self, X):
            asked.append(_bypassed.get())
            return super().predict(X)

    (train, test), *_ = make_splits(data, 2, 1, 0)
    scores = pd.Series(np.arange(len(data)) / 10, index=data.paths)
    Runner(data, None, False, 0).run(Job("m", "model", Asks(scores), 1, train, test))
    assert asked == [True, False]  # what is timed, and what is kept


def test_without_an_operating_point_the_classifier_decides(data):
    result = evaluate(QUICK, data, cv=2, random_state=0)
    assert result.folds()["threshold"].isna().all()
    predictions = result.predictions().query("model == 'm'")
    assert ((predictions["predicted"] == "fractured") == (predictions["score"] > 0)).all()


@pytest.mark.parametrize(
    "bad",
    [
        "specificity",
        ("sensitivity", 1.5),
        ("sensitivity", 0),
        ("sensitivity", True),
        0.5,
        ("threshold", "x"),
        ("threshold", np.nan),
        ("threshold", np.inf),
        ("threshold", True),
    ],
)
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
    fold, _ = Runner(data, None, True, 0).run(Job("m", "model", model, 1, train, test))
    inner = inner_splits(data.subset(train), 5, 0, "here")
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
    assert result.external.frame().query("measure == 'roc_auc'")["value"].notna().all()
    comparison = result.external.comparison().set_index("model")
    assert comparison.drop(index=result.baselines, errors="ignore")["p_holm"].notna().all()
    assert set(result.external.frame()["inference"].dropna()) == {"models"}
    assert set(result.frame()["inference"].dropna()) == {"method"}


def test_bad_external_data(data):
    with pytest.raises(DatasetError, match="external shares 60 files"):
        evaluate(QUICK, data, external=data)
    renamed = replace(data, target_names=["healthy", "broken"])
    with pytest.raises(DatasetError, match=r"external has the classes \['healthy', 'broken'\]"):
        evaluate(QUICK, data, external=renamed)


def test_external_data_are_checked_before_the_fits(data):
    first = data.groups % 2 == 0
    inside, outside = data.subset(first), data.subset(~first)
    Scores.fits.clear()
    models = {"m": Scores(pd.Series(data.y - 0.5, index=data.paths))}
    with pytest.raises(DatasetError, match=r"external has no image of \['fractured'\]: expected every class"):
        evaluate(models, inside, cv=2, external=outside.subset(outside.y == 0))
    with (
        pytest.warns(UngroupedDataWarning, match="No groups are given for external"),
        pytest.raises(DatasetError, match="external shares 27 files"),
    ):
        evaluate(models, inside, cv=2, external=replace(inside, groups=None))
    assert not Scores.fits


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


@pytest.mark.parametrize(
    ("held_out", "others"), [("Testing", ["train", "val"]), ("test_set", ["x"]), ("valid", ["train"])]
)
def test_the_names_of_a_published_split(data, held_out, others):
    test = data.groups % 3 == 0
    names = np.where(test, held_out, np.resize(others, len(data)))
    train, tested = published_split(replace(data, frame=pd.DataFrame({"split": names})))
    np.testing.assert_array_equal(tested, np.flatnonzero(test))
    np.testing.assert_array_equal(train, np.flatnonzero(~test))


@pytest.mark.parametrize("names", [["train"], ["test"], ["train", None, "test"], ["a", "b"]])
def test_columns_that_are_no_published_split(data, names):
    frame = pd.DataFrame({"split": np.resize(np.array(names, dtype=object), len(data))})
    with pytest.raises(DatasetError, match="cv='split': expected 'test' or 'val', others, and a name for each image"):
        published_split(replace(data, frame=frame))
    assert not is_unused_split(replace(data, frame=frame), [])


def test_whether_a_published_split_is_used(data):
    test = data.groups % 3 == 0
    split = replace(data, frame=pd.DataFrame({"split": np.where(test, "test", "train")}))
    own = (np.flatnonzero(~test), np.flatnonzero(test))
    assert not is_unused_split(split, [own])
    assert not is_unused_split(split, [(own[0][:-3], own[1][:-3])])  # of a part of the images
    assert is_unused_split(split, [own, (own[1], own[0])])
    assert not is_unused_split(data, [(own[1], own[0])])


def test_repeats_divide_anew(data):
    result = evaluate(QUICK, data, cv=2, n_repeats=3, random_state=0)
    folds = [fold for fold in result.fold_results if fold.model == "m"]
    assert [fold.fold for fold in folds] == [1, 2, 3, 4, 5, 6]
    assert len({tuple(fold.test) for fold in folds}) == 6
    assert (result.folds()["groups_shared"] == 0).all()


def test_repetitions_have_seeds_of_their_own(data):
    """Named steps and what stands within them; a seed that is no whole number stays as it is."""
    model = Pipeline([("m", RandomForestClassifier(random_state=3)), ("s", LogisticRegression(random_state=None))])
    first, second, third = reseeded(model, 3)
    assert first is model
    assert [each.get_params()["m__random_state"] for each in (first, second, third)] == [3, 4, 5]
    assert third.get_params()["s__random_state"] is None
    forest = make_pipeline("edges", RandomForestClassifier(5, random_state=0), image_size=48)
    result = evaluate({"m": forest}, data, cv=2, n_repeats=2, random_state=0, keep_models=True)
    seeds = [fold.estimator[-1].random_state for fold in result.folds_of("m")]
    assert seeds == [0, 0, 1, 1]


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


class Lookup(TransformerMixin, BaseEstimator):
    """The number of each image and something of its label, from its path."""

    def __init__(self, table=None):
        self.table = table

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return self.table.loc[np.asarray(X)].to_numpy()


class Spy(LogisticRegression):
    """Remembers the images it was fitted on."""

    seen = []  # noqa: RUF012

    def fit(self, X, y, sample_weight=None):
        self.seen.append(set(X[:, 0].astype(int)))
        return super().fit(X, y)


@pytest.fixture(scope="module")
def patients():
    """Three images of each of 40 patients; no files."""
    rng = np.random.default_rng(0)
    return FractureDataset(
        paths=np.array([f"{i}.png" for i in range(120)]),
        y=rng.integers(0, 2, 120),
        target_names=["normal", "fractured"],
        groups=np.arange(120) // 3,
        frame=pd.DataFrame(index=range(120)),
    )


@pytest.fixture
def pipe(patients):
    Spy.seen.clear()
    signal = np.random.default_rng(1).normal(size=120) + patients.y
    table = pd.DataFrame({"number": np.arange(120.0), "signal": signal}, index=patients.paths)
    return lambda classifier: Pipeline([("lookup", Lookup(table)), ("classifier", classifier)])


def run_once(data, model, *, calibrate=False):
    """Checks and runs the model on the first of two folds."""
    (train, test), _ = make_splits(data, 2, 1, 0)
    runner = Runner(data, None, calibrate, 0)
    with config_context(enable_metadata_routing=True):
        job = Job("m", "model", model, 1, train, test)
        runner.check(job)
        return runner.run(job)[0]


C = {"C": [0.1, 1]}
DEEP_C = {"classifier__C": [0.1, 1]}
DEEPER_C = {"estimator__classifier__C": [0.1, 1]}
INNER_FITS = {
    "search": (lambda pipe: GridSearchCV(pipe(Spy()), DEEP_C, cv=np.int64(3)), 7),
    "random search": (lambda pipe: RandomizedSearchCV(pipe(Spy()), DEEP_C, n_iter=2, cv=3), 7),
    "halving": (
        lambda pipe: HalvingGridSearchCV(pipe(Spy()), DEEP_C, resource="classifier__max_iter", max_resources=200),
        11,
    ),
    "threshold": (lambda pipe: TunedThresholdClassifierCV(pipe(Spy()), thresholds=5), 6),
    "search as a step": (lambda pipe: pipe(GridSearchCV(Spy(), C, cv=3)), 7),
    "calibrated step": (lambda pipe: pipe(CalibratedClassifierCV(Spy())), 5),
    "calibrated step without ensemble": (lambda pipe: pipe(CalibratedClassifierCV(Spy(), ensemble=False)), 6),
    "stack": (lambda pipe: StackingClassifier([("a", pipe(Spy()))]), 6),
    "stack as a step": (lambda pipe: pipe(StackingClassifier([("a", Spy())], cv=3)), 4),
    "search of a threshold": (
        lambda pipe: GridSearchCV(TunedThresholdClassifierCV(pipe(Spy()), thresholds=5, cv=2), DEEPER_C, cv=2),
        15,
    ),
}


@pytest.mark.parametrize("name", INNER_FITS)
def test_no_inner_fold_divides_a_patients_images(patients, pipe, name):
    make, n_fits = INNER_FITS[name]
    run_once(patients, make(pipe))
    assert len(Spy.seen) == n_fits
    for rows in map(list, Spy.seen):
        assert len(rows) == np.isin(patients.groups, patients.groups[rows]).sum()


@pytest.mark.parametrize("name", ["search", "threshold", "search as a step", "calibrated step"])
def test_nor_does_one_within_a_calibration(patients, pipe, name):
    run_once(patients, INNER_FITS[name][0](pipe), calibrate=True)
    for rows in map(list, Spy.seen):
        assert len(rows) == np.isin(patients.groups, patients.groups[rows]).sum()


@pytest.mark.parametrize(
    ("make", "calibrate", "message"),
    [
        (lambda pipe: StackingClassifier([("a", pipe(Spy()))]), True, "the StackingClassifier of cv"),
        (
            lambda pipe: GridSearchCV(StackingClassifier([("a", pipe(Spy()))]), {"passthrough": [False]}),
            False,
            "the StackingClassifier of estimator__cv",
        ),
        (
            lambda pipe: StackingClassifier([("a", GridSearchCV(pipe(Spy()), DEEP_C))]),
            False,
            "the GridSearchCV of a__cv",
        ),
        (lambda pipe: pipe(CalibratedClassifierCV(Spy(), ensemble=False)), True, "of classifier__cv"),
        (lambda pipe: Pipeline([("n", RFECV(Spy())), ("c", Spy())]), True, "the RFECV of n__cv"),
    ],
)
def test_inner_folds_that_groups_cannot_reach_are_refused(patients, pipe, make, calibrate, message):
    with pytest.raises(ValueError, match=rf"models\['m'\], fold 1: .*{message} cannot keep groups together"):
        run_once(patients, make(pipe), calibrate=calibrate)
    assert not Spy.seen
    ungrouped = replace(patients, groups=None)
    with config_context(enable_metadata_routing=True):
        Runner(ungrouped, None, calibrate, 0).check(
            Job("m", "model", make(pipe), 1, *make_splits(ungrouped, 2, 1, 0)[0])
        )


def test_a_splitter_that_asks_for_groups_gets_them(patients, pipe):
    assert run_once(patients, pipe(GridSearchCV(Spy(), C, cv=GroupKFold(3)))).params == {}
    for rows in map(list, Spy.seen):
        assert len(rows) == np.isin(patients.groups, patients.groups[rows]).sum()


def test_a_calibrated_search_tells_what_it_chose(patients, pipe):
    fold = run_once(patients, GridSearchCV(pipe(Spy()), DEEP_C, cv=3), calibrate=True)
    assert fold.params["classifier__C"] in (0.1, 1)


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("options", [{"operating_point": "youden"}, {"calibrate": True}, {}])
def test_inner_parts_without_a_class_are_named_before_the_first_fit(data, options):
    """All fractures of a training part are one patient's."""
    rare = replace(data, y=np.isin(data.groups, [0, 1]).astype(np.int64))
    even = data.groups % 2 == 0
    models = QUICK if options else {"m": make_pipeline("edges", GridSearchCV(LogisticRegression(), C, cv=5))}
    folds = []
    with pytest.raises(
        DatasetError,
        match=r"models\['.*'\], fold 1: the training part of inner fold \d of 5 has no image of \['fractured'\]",
    ):
        evaluate(models, rare, cv=[(even, ~even)], random_state=0, on_fold=folds.append, **options)
    assert not folds


class Constant(ClassifierMixin, BaseEstimator):
    """Gives the same scores for every image."""

    def __init__(self, scores=None):
        self.scores = scores

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.tile(self.scores, (len(X), 1))

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([0.5, np.nan], "expected finite scores, got NaN or infinite ones for 3[0-9] of 3[0-9] images"),
        ([0.5, np.inf], "expected finite scores, got NaN or infinite ones"),
        ([0.2, 0.3, 0.5], r"expected a score for each of 2 classes, got shape \(3[0-9], 3\)"),
        ([1.0], r"expected a score for each of 2 classes, got shape \(3[0-9], 1\)"),
    ],
)
def test_bad_scores_are_named_with_their_model_and_fold(data, scores, message):
    with pytest.raises(ValueError, match=rf"models\['m'\], fold 1: {message}"):
        run_once(data, Constant(scores))
    with pytest.raises(ValueError, match=r"models\['m'\], fold 1, inner fold 1: expected"):
        Runner(data, youden_threshold, False, 0).choose_threshold(
            Constant(scores), np.arange(len(data)), "models['m'], fold 1"
        )
