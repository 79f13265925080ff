"""One battery for whatever takes images or paths; scikit-learn's own checks for what takes feature matrices."""

import pickle
from importlib import import_module
from itertools import pairwise
from pkgutil import walk_packages
from unittest.mock import patch

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

import fracture_features
from fracture_features import CNNClassifier, FisherVectorExtractor, ImageReader, PretrainedExtractor, make_pipeline
from fracture_features._pca import CappedPCA
from fracture_features.cli._arguments import model_names
from fracture_features.features._base import BaseExtractor
from fracture_features.pipeline import FEATURES, Features, check_installed

# Where the defaults are too much for images of 48 x 40 pixels.
SMALL = {
    FisherVectorExtractor: {"cell_sizes": (3, 4), "min_contrast": 0.5, "n_components": 10, "n_gaussians": 5}
    | {"n_samples": 2000, "random_state": 0},
    PretrainedExtractor: {"architecture": "MobileNet", "weights": None, "layer": "conv_pw_3"},
}


def extractors():
    """One extractor of each class in the registry."""
    made = {type(extractor): extractor for extractor in (named.make() for named in FEATURES.values())}
    return [extractor.set_params(**SMALL.get(cls, {})) for cls, extractor in made.items()]


PIPELINES = [
    make_pipeline("hog", "svm", image_size=64, random_state=0),
    make_pipeline(["lbp", "edges"], "logistic", image_size=64, random_state=0),
    make_pipeline(["hog", "lbp", "edges"], RandomForestClassifier(20, random_state=0), image_size=64),
    make_pipeline("edges", "xgboost", image_size=64, random_state=0),
]
CNN = CNNClassifier(epochs=2, random_state=0)
READER = ImageReader(image_size=(48, 40))
FITTED = {}


class Case:
    """An estimator with input it takes, and how to ask for its output."""

    def __init__(self, estimator, X, y):
        self.estimator, self.X, self.y = estimator, X, y

    @property
    def fitted(self):
        """Fitted once for all checks that only look at it."""
        key = repr(self.estimator)
        if key not in FITTED:
            FITTED[key] = self.fit()
        return FITTED[key]

    def fit(self, X=None, y=None):
        X, y = (self.X, self.y) if X is None else (X, y)
        return clone(self.estimator).fit(X, y)

    def output(self, fitted, X=None):
        X = self.X if X is None else X
        if hasattr(fitted, "transform"):
            return fitted.transform(X)
        return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.decision_function(X)


@pytest.fixture(scope="module")
def files(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    paths = [str(folder / f"{i}.png") for i in range(len(stack))]
    for path, image in zip(paths, stack, strict=True):
        cv2.imwrite(path, image)
    return np.array(paths)


@pytest.fixture
def case(request, stack, files):
    estimator = request.param
    y = np.arange(len(stack)) % 2
    takes_paths = estimator is READER or hasattr(estimator, "steps")
    return Case(estimator, files if takes_paths else stack, y)


def check_clone_and_set_params(case):
    params = case.estimator.get_params()
    copy = clone(case.estimator)
    assert repr(copy) == repr(case.estimator)
    copy.set_params(**{k: v for k, v in params.items() if "__" not in k and k != "steps"})
    with pytest.raises(ValueError, match="Invalid parameter"):
        copy.set_params(no_such_parameter=1)


def check_pickle(case):
    fitted = case.fitted
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(case.output(again), case.output(fitted))


def check_fit_returns_self(case):
    estimator = clone(case.estimator)
    assert estimator.fit(case.X, case.y) is estimator


def check_no_mutation(case):
    X, y = case.X.copy(), case.y.copy()
    estimator = clone(case.estimator)
    before = repr(sorted(estimator.get_params().items(), key=lambda item: item[0]))
    case.output(estimator.fit(X, y), X)
    np.testing.assert_array_equal(X, case.X)
    np.testing.assert_array_equal(y, case.y)
    after = estimator.get_params()
    if not hasattr(estimator, "steps"):
        assert repr(sorted(after.items(), key=lambda item: item[0])) == before


def check_subset_of_rows(case):
    fitted = case.fitted
    whole = case.output(fitted)
    rows = [7, 0, 3]
    np.testing.assert_allclose(case.output(fitted, case.X[rows]), whole[rows], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(case.output(fitted, case.X[:1]), whole[:1], rtol=1e-5, atol=1e-6)


def check_refit_forgets(case):
    X = case.X if case.X.ndim == 1 else np.ascontiguousarray(case.X[:, :36, :36])
    refitted = case.fit(X, 1 - case.y).fit(case.X, case.y)
    np.testing.assert_array_equal(case.output(refitted), case.output(case.fitted))


def check_n_jobs(case):
    results = []
    for n_jobs in (1, 2):
        params = {k: n_jobs for k in case.estimator.get_params() if k.split("__")[-1] == "n_jobs"}
        for has_none_of_ours in (
            "features__n_jobs",
            "classifier__n_jobs" if "LogisticR" in _name(case.estimator) else "",
        ):
            params.pop(has_none_of_ours, None)
        case_n = Case(
            clone(case.estimator).set_params(**params), np.tile(case.X, (6,) + (1,) * (case.X.ndim - 1)), None
        )
        results.append(case_n.output(case_n.fit(case_n.X, np.tile(case.y, 6))))
    np.testing.assert_array_equal(*results)


def check_dtype_and_width(case):
    output = case.output(case.fitted)
    assert output.dtype == np.float32
    assert output.shape == (len(case.X), len(case.fitted.get_feature_names_out()))
    assert np.isfinite(output).all()


def check_names_and_regions(case):
    fitted = case.fitted
    names, regions = fitted.get_feature_names_out(), fitted.feature_regions()
    assert names.dtype == object
    assert len(set(names)) == len(names) == len(regions)
    assert regions.shape == (len(names), 4)
    assert (regions[:, :2] >= 0).all()
    assert (regions[:, 2:] <= case.X.shape[1:]).all()
    assert (regions[:, :2] < regions[:, 2:]).all()


def check_set_output(case):
    fitted = case.fit().set_output(transform="pandas")
    frame = fitted.transform(case.X)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(fitted.get_feature_names_out())


def check_cache(case, tmp_path):
    cached = clone(case.estimator).set_params(cache=str(tmp_path / "cache")).fit(case.X)
    expected = case.output(case.fitted)
    for _ in range(2):
        np.testing.assert_array_equal(case.output(cached), expected)


def check_set_parameters_want_a_fit(case):
    fitted = case.fit()
    expected = case.output(fitted)
    for name, value in fitted.get_params().items():
        fitted.set_params(**{name: "another"})
        if name not in ("cache", "n_jobs", "random_state"):
            with pytest.raises(NotFittedError, match=f"{type(fitted).__name__} .* than {name}='another'"):
                case.output(fitted)
        fitted.set_params(**{name: value})
    np.testing.assert_array_equal(case.output(fitted), expected)


def check_failed_refit_changes_nothing(case):
    fitted = case.fit()
    expected = case.output(fitted)
    with patch.object(type(fitted), "_layout", side_effect=MemoryError), pytest.raises(MemoryError):
        fitted.fit(np.ascontiguousarray(case.X[::-1, :36, :36]), case.y)
    np.testing.assert_array_equal(case.output(fitted), expected)


def check_other_shape_refused(case):
    with pytest.raises(ValueError, match=r"fitted on images of shape \(48, 40\).*got images of shape \(40, 48\)"):
        case.output(case.fitted, np.ascontiguousarray(case.X.transpose(0, 2, 1)))


def check_float_refused(case):
    for X in (case.X / 255, np.where(case.X > 9, np.nan, 0.0)):
        with pytest.raises(ValueError, match=r"uint8.*float64"):
            case.fit(X, case.y)
        with pytest.raises(ValueError, match=r"uint8.*float64"):
            case.output(case.fitted, X)


def check_wrong_dimension_refused(case):
    for X in (case.X[0], case.X[..., None], case.X.reshape(len(case.X), -1)):
        with pytest.raises(ValueError, match=r"expects a stack.*shape \("):
            case.fit(X, case.y)
        with pytest.raises(ValueError, match=r"expects a stack.*shape \("):
            case.output(case.fitted, X)


def check_empty_refused(case):
    with pytest.raises(ValueError, match="at least one"):
        case.fit(case.X[:0], case.y[:0])


def check_unfitted_refused(case):
    with pytest.raises(ValueError, match="not fitted"):
        case.output(clone(case.estimator))


def check_paths_refused(case):
    for X, message in [
        ("one.png", "single path"),
        ([["a.png", "b.png"]], "shape"),
        ([1, 2], "str or path-like, got 1"),
        ([], "at least one"),
    ]:
        with pytest.raises(ValueError, match=message):
            clone(case.estimator).fit(X)


def check_read_set_output(case):
    fitted = case.fit().set_output(transform="pandas")
    assert isinstance(fitted.transform(case.X), np.ndarray)
    assert fitted.transform(case.X).dtype == np.uint8


ANY = [check_clone_and_set_params, check_pickle, check_fit_returns_self, check_no_mutation, check_subset_of_rows]
ANY += [check_refit_forgets, check_n_jobs, check_empty_refused]
STACKS = [check_other_shape_refused, check_float_refused, check_wrong_dimension_refused, check_unfitted_refused]
EXTRACTOR = [check_dtype_and_width, check_names_and_regions, check_set_output, check_cache]
EXTRACTOR += [check_set_parameters_want_a_fit, check_failed_refit_changes_nothing]


def extractor_checks(extractor):
    """The common checks of an extractor; those of places where its features have some."""
    has_places = hasattr(extractor, "feature_regions")
    return [check for check in ANY + STACKS + EXTRACTOR if has_places or check is not check_names_and_regions]


RUNS = (
    [(extractor, check) for extractor in extractors() for check in extractor_checks(extractor)]
    + [(CNN, check) for check in ANY + STACKS]
    + [(READER, check) for check in [*ANY, check_paths_refused, check_read_set_output, check_cache]]
    + [(pipeline, check) for pipeline in PIPELINES for check in ANY]
)


def _name(value):
    if hasattr(value, "steps"):
        extractors = value.named_steps["features"].transformer_list
        return "+".join(name for name, _ in extractors) + "+" + type(value[-1]).__name__
    return getattr(value, "__name__", type(value).__name__)


@pytest.mark.parametrize(("case", "check"), RUNS, indirect=["case"], ids=_name)
def test_battery(case, check, tmp_path):
    run(check, case, tmp_path)


def run(check, case, tmp_path):
    if check is check_cache:
        check(case, tmp_path)
    else:
        check(case)


def test_the_battery_is_whole():
    """What a compliance suite must not do is run nothing."""
    assert len(RUNS) >= 4 * 18 + 2 * 17 + 12 + 11 + 4 * 8
    assert {type(named.make()) for named in FEATURES.values()} < {type(estimator) for estimator, _ in RUNS}
    assert len({check for _, check in RUNS}) == 20


class RowMeans(BaseExtractor):
    """Mean of each row: the extractor of a newcomer, as CONTRIBUTING.md tells."""

    def __init__(self, scale=1.0, *, cache=None, n_jobs=None):
        self.scale, self.cache, self.n_jobs = scale, cache, n_jobs

    def _extract(self, images):
        return (images.mean(axis=2) * self.scale).astype(np.float32)

    def _layout(self):
        height, width = self.image_shape_
        return [f"row{i}" for i in range(height)], np.array([(i, 0, i + 1, width) for i in range(height)])


def test_an_extractor_takes_a_module_and_a_line_of_the_registry(monkeypatch, stack, files, tmp_path):
    monkeypatch.setitem(FEATURES, "rows", Features(RowMeans, image_size=32))
    y = np.arange(len(files)) % 2
    model = make_pipeline("hog+rows+logistic").fit(files, y)
    assert "features__rows__scale" in model.get_params()
    assert model["images"].image_size == 256
    alone = make_pipeline("rows")
    assert list(alone.named_steps) == ["images", "features", "scaler", "classifier"]
    assert alone["images"].image_size == 32
    assert alone.fit(files, y).predict(files).shape == y.shape
    assert list(make_pipeline(RowMeans(2.0)).named_steps) == list(alone.named_steps)
    assert model_names("rows+svm,hog+rows+xgboost") == ["rows+svm", "hog+rows+xgboost"]
    check_installed("rows+svm")
    extractor = next(found for found in extractors() if isinstance(found, RowMeans))
    for check in extractor_checks(extractor):
        run(check, Case(extractor, stack, y), tmp_path)


@pytest.mark.parametrize("pipeline", PIPELINES, ids=_name)
def test_set_output_of_a_whole_pipeline(pipeline, files, stack):
    y = np.arange(len(files)) % 2
    fitted = clone(pipeline).set_output(transform="pandas").fit(files, y)
    features = fitted[:-1].transform(files)
    assert list(features.columns) == list(fitted[:-1].get_feature_names_out())


@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_checks():
    """Every check of scikit-learn's that applies, counted."""
    results = check_estimator(CappedPCA(3), on_fail=None, on_skip=None)
    assert [r["check_name"] for r in results if r["status"] == "failed"] == []
    assert sum(r["status"] == "passed" for r in results) >= 46


def test_no_two_cases_share_a_name():
    names = sorted(f"{_name(e)}-{_name(c)}" for e, c in RUNS)
    assert all(a != b for a, b in pairwise(names))


def test_no_public_name_is_a_module_and_something_else():
    """One that is both means the one or the other by what was imported before."""
    modules = [fracture_features, *map(import_module, public_modules())]
    names = {name for module in modules for name in getattr(module, "__all__", ())}
    assert len(names) > 50
    assert names & {module.__name__.rpartition(".")[2] for module in modules} == set()


def public_modules():
    found = walk_packages(fracture_features.__path__, "fracture_features.")
    return [module.name for module in found if "._" not in module.name]
