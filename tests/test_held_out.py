"""Images that a model holds out from those it is fitted on, and whether a patient's are parted there."""

import warnings
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import RFECV, SelectFromModel
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    PredefinedSplit,
    RandomizedSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC, NuSVC
from sklearn.utils import all_estimators

from fracture_features import CNNClassifier, evaluate, make_pipeline
from fracture_features._xgboost import XGBClassifier
from fracture_features.datasets import FractureDataset
from fracture_features.evaluation._held_out import check_ready_folds, warn_of_ignored_groups
from fracture_features.evaluation._splits import make_splits
from fracture_features.exceptions import UngroupedDataWarning

MANY = 10_001
LOGISTIC = LogisticRegression()
NETWORK = MLPClassifier(early_stopping=True)
SVM = SVC(probability=True)


def pipe(classifier, *steps):
    return Pipeline([*steps, ("classifier", classifier)])


def found(model, n_images=100):
    """What `evaluate` says of it, under metadata routing as there."""
    with warnings.catch_warnings(record=True) as caught, config_context(enable_metadata_routing=True):
        warnings.simplefilter("always")
        warn_of_ignored_groups({"m": model}, n_images)
    assert all(entry.category is UngroupedDataWarning for entry in caught)
    return [str(entry.message) for entry in caught]


HIDDEN = {
    "splitter": (pipe(GridSearchCV(LOGISTIC, {}, cv=StratifiedKFold(3))), "classifier__cv=StratifiedKFold(", 100),
    "fixed folds": (LogisticRegressionCV(cv=PredefinedSplit([0, 1])), "cv=PredefinedSplit(", 100),
    "selection": (pipe(LOGISTIC, ("s", RFECV(LOGISTIC, cv=KFold(3)))), "s__cv=KFold(", 100),
    "calibration": (pipe(CalibratedClassifierCV(SVC(), cv=KFold(3))), "classifier__cv=KFold(", 100),
    "stack": (StackingClassifier([("a", LOGISTIC)], cv=KFold(3)), "cv=KFold(", 100),
    "share": (TunedThresholdClassifierCV(pipe(LOGISTIC), cv=0.5), "cv=0.5 ignores", 100),
    "network": (pipe(NETWORK), "classifier__early_stopping=True ignores the groups: the MLPClassifier", 100),
    "linear": (pipe(SGDClassifier(early_stopping=True)), "classifier__early_stopping=True", 100),
    "boosting": (pipe(HistGradientBoostingClassifier(early_stopping=True)), "classifier__early_stopping=True", 100),
    "boosting of many": (pipe(HistGradientBoostingClassifier()), "classifier__early_stopping='auto'", MANY),
    "slow boosting": (pipe(GradientBoostingClassifier(n_iter_no_change=3)), "classifier__n_iter_no_change=3", 100),
    "svm": (pipe(SVM), "classifier__probability=True ignores the groups: the SVC", 100),
    "nu": (pipe(NuSVC(probability=np.True_)), "classifier__probability=", 100),
    "part of a stack": (StackingClassifier([("a", pipe(NETWORK))]), "a__classifier__early_stopping=True", 100),
    "end of a stack": (StackingClassifier([("a", LOGISTIC)], SVM), "final_estimator__probability=True", 100),
    "bag": (pipe(BaggingClassifier(SVM)), "classifier__estimator__probability=True", 100),
    "vote": (VotingClassifier([("a", pipe(SVM))]), "a__classifier__probability=True", 100),
    "selector": (pipe(LOGISTIC, ("s", SelectFromModel(NETWORK))), "s__estimator__early_stopping=True", 100),
    "no router": (pipe(AdaBoostClassifier(SVM)), "classifier__estimator__probability=True", 100),
    "listed model": (
        GridSearchCV(pipe(LOGISTIC), {"classifier": [LOGISTIC, SVM]}),
        "param_grid__classifier__1__probability=True",
        100,
    ),
    "listed in one of several": (
        RandomizedSearchCV(pipe(LOGISTIC), [{}, {"classifier": [NETWORK]}]),
        "param_distributions__1__classifier__0__early_stopping=True",
        100,
    ),
    "listed value": (
        GridSearchCV(pipe(MLPClassifier()), {"classifier__early_stopping": [False, True]}),
        "param_grid__classifier__early_stopping=True ignores the groups: the MLPClassifier",
        100,
    ),
    "value for a listed model": (
        pipe(GridSearchCV(pipe(LOGISTIC), {"classifier": [SVC()], "classifier__probability": [True]})),
        "classifier__param_grid__classifier__probability=True ignores the groups: the SVC",
        100,
    ),
    "own value": (GridSearchCV(SVC(), {"probability": (True, False)}), "param_grid__probability=True", 100),
    "listed number": (
        GridSearchCV(pipe(LOGISTIC), {"classifier": [CalibratedClassifierCV(SVC(), cv=3)]}),
        "param_grid__classifier__0__cv=3 ignores the groups: the CalibratedClassifierCV",
        100,
    ),
    "function": (
        pipe(LOGISTIC, ("f", FunctionTransformer(print, kw_args={"model": SVM}))),
        "f__kw_args__model__probability=True",
        100,
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_parts_patients_within_a_model_is_named(name):
    model, expected, n_images = HIDDEN[name]
    (message,) = found(model, n_images)
    assert message.startswith(f"models['m']: {expected}")
    assert " a patient's may stand on both sides; " in message
    assert "; give" in message


class StopsByItsLoss(ClassifierMixin, BaseEstimator):
    """Another library's, which holds nothing out."""

    def __init__(self, n_iter_no_change=3):
        self.n_iter_no_change = n_iter_no_change


@pytest.mark.parametrize(
    "model",
    [
        GridSearchCV(pipe(LOGISTIC), {"classifier__C": [1]}, cv=StratifiedGroupKFold(3)),
        GridSearchCV(pipe(LOGISTIC), {"classifier": [SVC(), MLPClassifier()]}),
        GridSearchCV(pipe(MLPClassifier()), {"classifier__early_stopping": [False]}),
        LogisticRegressionCV(),
        StackingClassifier([("a", SVC())], cv=4),
        HistGradientBoostingClassifier(),
        HistGradientBoostingClassifier(early_stopping=True, validation_fraction=None),  # by the training loss
        SGDClassifier(n_iter_no_change=3),  # by the training loss
        GradientBoostingClassifier(),
        SVC(),
        StopsByItsLoss(),
        XGBClassifier(early_stopping_rounds=3),  # by images that `fit` is given, or not at all
        BaggingClassifier(oob_score=True),  # which chooses nothing
        make_pipeline(classifier="cnn"),
        make_pipeline("fast"),
    ],
)
def test_what_parts_none_is_not(model):
    assert found(model, 10_000) == []


@pytest.mark.filterwarnings("ignore:Class PassiveAggressive")
def test_every_estimator_of_scikit_learn_that_stops_early_or_calibrates_inside_is_found():
    """None of them holds images out by a parameter of another name."""
    seen = set()
    for name, kind in all_estimators():
        parameters = kind._get_param_names() if hasattr(kind, "_get_param_names") else []
        switch = [p for p in ("early_stopping", "n_iter_no_change", "probability") if p in parameters][:1]
        if "validation_fraction" in parameters or "probability" in parameters:
            value = 3 if switch == ["n_iter_no_change"] else True
            (message,) = found(kind(**{switch[0]: value}))
            assert f"{switch[0]}={value} ignores the groups: the {name} holds" in message
            assert not is_classifier(kind()) or not found(kind())
            seen.add(name)
    assert {"MLPClassifier", "SGDClassifier", "Perceptron", "GradientBoostingClassifier", "SVC", "NuSVC"} < seen


class Tell(ClassifierMixin, BaseEstimator):
    """Holds a share out, by groups where it is told them, as `CNNClassifier` does; tells what it was told."""

    __metadata_request__fit = {"groups": True}  # noqa: RUF012
    told = []  # noqa: RUF012

    def __init__(self, validation_fraction=0.1):
        self.validation_fraction = validation_fraction

    def fit(self, X, y, groups=None):
        self.told.append(groups is not None)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.tile([0.5, 0.5], (len(X), 1))

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


class Wrapped(ClassifierMixin, BaseEstimator):
    """Knows nothing of metadata routing."""

    def __init__(self, estimator=None):
        self.estimator = estimator

    def fit(self, X, y):
        self.estimator_ = self.estimator.fit(X, y)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return self.estimator_.predict_proba(X)

    def predict(self, X):
        return self.estimator_.predict(X)


class Number(TransformerMixin, BaseEstimator):
    """The number in the name of each file."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.array([[float(path.rpartition("/")[2].partition("_")[0][7:] or 0)] for path in X])

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.parametrize(
    ("make", "is_told"),
    [
        (lambda: pipe(Tell(), ("n", Number())), True),
        (lambda: pipe(GridSearchCV(Tell(), {"validation_fraction": [0.1, 0.2]}, cv=2), ("n", Number())), True),
        (lambda: GridSearchCV(pipe(Tell(), ("n", Number())), {"classifier": [Tell(0.2)]}, cv=2), True),
        (lambda: VotingClassifier([("a", pipe(Tell(), ("n", Number())))], voting="soft"), True),
        (lambda: GridSearchCV(pipe(LOGISTIC, ("n", Number())), {"classifier": [Tell()]}, cv=2), False),
        (lambda: pipe(Wrapped(Tell()), ("n", Number())), False),
    ],
)
def test_whether_groups_reach_a_network_that_asks_for_them(data, make, is_told):
    """What is said is what happens."""
    Tell.told.clear()
    says = pytest.warns(UngroupedDataWarning, match="validation_fraction=0.1 ignores the groups: the Tell holds out")
    with nullcontext() if is_told else says:
        evaluate({"m": make()}, data, cv=2, random_state=0)
    assert set(Tell.told) == {is_told}


def test_a_network_of_ours_that_groups_do_not_reach():
    search = GridSearchCV(make_pipeline(classifier="cnn"), {"classifier": [CNNClassifier(epochs=3)]})
    assert found(search) == []
    (message,) = found(GridSearchCV(pipe(LOGISTIC), {"classifier": [CNNClassifier(epochs=3)]}))
    assert "param_grid__classifier__0__validation_fraction=0.1 ignores the groups: the CNNClassifier" in message


@pytest.fixture(scope="module")
def patients():
    """Three images of each of 40 patients; no files."""
    return FractureDataset(
        paths=np.array([f"{i}.png" for i in range(120)]),
        y=np.random.default_rng(0).integers(0, 2, 120),
        target_names=["normal", "fractured"],
        groups=np.arange(120) // 3,
        frame=pd.DataFrame(index=range(120)),
    )


def ready(splitter, data):
    return list(splitter.split(data.paths, data.y, data.groups if isinstance(splitter, StratifiedGroupKFold) else None))


def check(model, data, splits, **kwargs):
    with config_context(enable_metadata_routing=True):
        check_ready_folds({"m": model}, data.groups, splits, **({"is_refitted": False} | kwargs))


READY = {
    "search": lambda cv: GridSearchCV(pipe(LOGISTIC), {}, cv=cv),
    "step": lambda cv: pipe(CalibratedClassifierCV(SVC(), cv=cv)),
    "selection": lambda cv: pipe(LOGISTIC, ("s", RFECV(LOGISTIC, cv=cv))),
    "stack": lambda cv: StackingClassifier([("a", LOGISTIC)], cv=cv),
}


@pytest.mark.parametrize("name", READY)
def test_ready_folds_are_looked_at_in_each_training_part(patients, name):
    splits = make_splits(patients, 2, 1, 0)
    train = splits[0][0]
    part = patients.subset(train)
    kept, parted = (ready(kind, part) for kind in (StratifiedGroupKFold(3), StratifiedKFold(3)))
    masks = [(np.isin(np.arange(len(train)), rows), test) for rows, test in kept]
    for folds in (kept, masks, once := iter(kept)):
        check(READY[name](folds), patients, splits[:1])
    assert len(list(once)) == 3  # are left for the fit
    with pytest.warns(
        UngroupedDataWarning, match=r"models\['m'\]: .*cv of .* is a list of folds with up to \d+ groups"
    ):
        check(READY[name](parted), patients, splits[:1])
    whole = ready(StratifiedGroupKFold(3), patients)
    with pytest.raises(
        ValueError, match=rf"models\['m'\]: .*cv of .* does not fit the {len(train)} images that train in"
    ):
        check(READY[name](whole), patients, splits)


@pytest.mark.parametrize(
    ("model", "parameter"),
    [
        (lambda cv: GridSearchCV(pipe(CalibratedClassifierCV(SVC(), cv=cv)), {}), "estimator__classifier__cv"),
        (lambda cv: StackingClassifier([("a", GridSearchCV(LOGISTIC, {}, cv=cv))]), "a__cv"),
        (
            lambda cv: GridSearchCV(LOGISTIC, {"estimator": [GridSearchCV(LOGISTIC, {}, cv=cv)]}),
            "param_grid__estimator__0__cv",
        ),
    ],
)
def test_ready_folds_that_would_meet_other_rows_are_refused(patients, model, parameter):
    splits = make_splits(patients, 2, 1, 0)[:1]
    folds = ready(StratifiedGroupKFold(3), patients.subset(splits[0][0]))
    with pytest.raises(ValueError, match=rf"models\['m'\]: {parameter} of \w+ is a list of folds, .* would meet parts"):
        check(model(folds), patients, splits)


def test_a_generator_of_folds_is_refused(data):
    """It cannot be copied, as each fit needs it."""
    search = GridSearchCV(LOGISTIC, {}, cv=StratifiedKFold(3).split(data.paths, data.y))
    with pytest.raises(ValueError, match=r"models\['m'\]: classifier__cv of GridSearchCV is a generator of folds"):
        evaluate({"m": pipe(search)}, data)


@pytest.mark.parametrize("options", [{"calibrate": True}, {"operating_point": "youden"}])
def test_ready_folds_and_fits_within_the_training_part(data, options):
    half = data.groups % 2 == 0
    folds = ready(StratifiedGroupKFold(2), data.subset(half))
    model = pipe(GridSearchCV(LOGISTIC, {"C": [1]}, cv=folds), ("n", Number()))
    split = [(np.flatnonzero(half), np.flatnonzero(~half))]
    with pytest.raises(ValueError, match="would meet parts of it too"):
        evaluate({"m": model}, data, cv=split, **options)
    result = evaluate({"m": model}, data, cv=split, random_state=0)
    assert "m" in result.models


def test_without_groups_nothing_is_said(data):
    """There is nothing to part."""
    ungrouped = replace(data, groups=None)
    models = {"m": pipe(MLPClassifier(early_stopping=True, max_iter=1), ("n", Number()))}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evaluate(models, ungrouped, cv=2, random_state=0)
        evaluate(models, data, cv=2, random_state=0)
    said = [str(w.message) for w in caught if w.category is UngroupedDataWarning]
    assert len(said) == 2
    assert said[0].startswith("No groups are given")
    assert said[1].startswith("models['m']: classifier__early_stopping=True ignores the groups")


def test_a_union_is_looked_into():
    model = pipe(LOGISTIC, ("u", FeatureUnion([("s", SelectFromModel(SVM))])))
    assert "u__s__estimator__probability=True" in found(model)[0]
