"""Which models `evaluate` takes."""

import re
from functools import partial

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from fracture_features import FisherVectorExtractor, evaluate, make_pipeline
from fracture_features.evaluation._checks import check_models

FITTED = {
    "itself": (lambda m, fit: FrozenEstimator(fit(m)), "itself (FrozenEstimator)"),
    "step": (lambda m, fit: Pipeline([("a", FrozenEstimator(fit(m)))]), "a (FrozenEstimator)"),
    "codebook": (
        lambda m, fit: make_pipeline(FrozenEstimator(codebook()), LogisticRegression()),
        "features__frozenestimator (FrozenEstimator)",
    ),
    "codebook in a list": (
        lambda m, fit: GridSearchCV(m, {"features": [FeatureUnion([("f", FrozenEstimator(codebook()))])]}),
        "param_grid__features__0__f (FrozenEstimator)",
    ),
    "method of a codebook": (
        lambda m, fit: Pipeline(
            [("i", m[0]), ("f", FunctionTransformer(codebook().transform)), ("c", LogisticRegression())]
        ),
        "f__func__transform (FisherVectorExtractor)",
    ),
    "variable of a function": (
        lambda m, fit: Pipeline([("i", m[0]), ("f", FunctionTransformer(describer())), ("c", LogisticRegression())]),
        "f__func__book (FisherVectorExtractor)",
    ),
    "part of a function": (
        lambda m, fit: Pipeline([("f", FunctionTransformer(partial(print, fit(m)))), ("c", LogisticRegression())]),
        "f__func__args__0__features__edges (EdgeExtractor)",
    ),
    "calibrated": (
        lambda m, fit: CalibratedClassifierCV(FrozenEstimator(fit(m))),
        "estimator (FrozenEstimator)",
    ),
    "voting": (
        lambda m, fit: VotingClassifier([("a", m), ("b", FrozenEstimator(fit(m)))], voting="soft"),
        "b (FrozenEstimator)",
    ),
    "stack": (
        lambda m, fit: StackingClassifier([("a", fit(m))], cv="prefit"),
        "what the StackingClassifier of cv='prefit' stands on",
    ),
    "selection": (
        lambda m, fit: Pipeline(
            [("s", SelectFromModel(LogisticRegression(), prefit=True)), ("c", LogisticRegression())]
        ),
        "what the SelectFromModel of s__prefit=True stands on",
    ),
}


def codebook():
    images = np.random.default_rng(0).integers(0, 256, (4, 48, 48), dtype=np.uint8)
    return FisherVectorExtractor(n_gaussians=2, n_components=4).fit(images)


def describer():
    book = codebook()
    return lambda images: book.transform(images)


@pytest.mark.parametrize("name", FITTED)
def test_what_is_fitted_before_is_refused(data, name):
    """It may have seen the images that test, and no fold would fit it anew."""
    make, found = FITTED[name]
    model = make_pipeline("edges", "logistic", image_size=48)
    wrapped = make(model, lambda m: clone(m).fit(data.paths, data.y))
    with pytest.raises(ValueError, match=rf"models\['m'\]: {re.escape(found)} is fitted already"):
        evaluate({"m": wrapped}, data)


def test_what_clone_unfits_may_have_been_fitted(data):
    model = make_pipeline("edges", "xgboost", image_size=48).fit(data.paths, data.y)
    check_models({"m": model, "search": GridSearchCV(model, {"classifier__n_estimators": [1]})}, 2)


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: VotingClassifier([("m", m)], voting="soft")])
def test_a_stack_may_leave_its_final_estimator_to_scikit_learn(data, wrap):
    parts = [(name, make_pipeline(name, "logistic", image_size=48)) for name in ("edges", "lbp")]
    check_models({"m": wrap(StackingClassifier(parts))}, 2)


def test_a_stack_whose_final_estimator_has_no_scores_is_refused():
    parts = [(name, make_pipeline(name, "logistic")) for name in ("edges", "lbp")]
    with pytest.raises(ValueError, match="must have predict_proba or decision_function"):
        check_models({"m": StackingClassifier(parts, VotingClassifier(parts))}, 2)


def test_a_stack_of_paths_in_evaluate(data):
    """Its inner folds are those that keep patients together, and what it gives is what it gives elsewhere."""
    stack = StackingClassifier([(name, make_pipeline(name, "logistic", image_size=48)) for name in ("edges", "lbp")])
    (fold, _) = [f for f in evaluate({"m": stack}, data, cv=2, random_state=0).fold_results if f.model == "m"]
    part = data.subset(fold.train)
    inner = list(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(part.paths, part.y, part.groups))
    expected = clone(stack).set_params(cv=inner).fit(part.paths, part.y).predict_proba(data.paths[fold.test])
    np.testing.assert_array_equal(fold.probabilities, expected)
