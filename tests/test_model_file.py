"""Model files: what is saved predicts the same bits in a fresh process, and what cannot be saved is named."""

import importlib
import json
import os
import subprocess
import sys
import warnings
import zipfile
from functools import partial
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.pipeline import make_pipeline as chain
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from fracture_features import (
    MetadataLookup,
    PretrainedExtractor,
    RecalibratedClassifier,
    make_pipeline,
)
from fracture_features.cache import cached_parts, set_caches
from fracture_features.cnn import CNNClassifier
from fracture_features.exceptions import ModelFileError, ModelFileWarning
from fracture_features.model import TRUSTED_TYPES, read_manifest, read_model_file, write_model_file
from fracture_features.model._npy import from_npy, in_order, to_npy
from fracture_features.model._types import SKLEARN
from fracture_features.pipeline import CLASSIFIERS, FEATURES, RECIPES

HAS_KERAS = find_spec("keras") is not None
SLOW_NETWORKS = ["DenseNet121", "EfficientNetB0", "ResNet50", "VGG16", "MobileNetV3Small"]
PLAIN = [name for name in FEATURES if FEATURES[name].requires is None]
small = partial(make_pipeline, image_size=64, random_state=0)
FEW = slice(0, None, 2)  # of 60 radiographs, half of each class


CLASSIFYING = [name for name, named in CLASSIFIERS.items() if named.takes == "features"]
PAIRS = [(features, classifier) for features in PLAIN for classifier in CLASSIFYING]
QUICK = [(features, classifier) for features, classifier in PAIRS if classifier == "svm" or features == "edges"]


def paired_models(pairs):
    """Named extractors with named classifiers of features."""
    for features, classifier in pairs:
        model = small(features, classifier)
        if classifier in ("random_forest", "xgboost"):
            model.set_params(classifier__n_estimators=20)
        yield f"{features}+{classifier}", model


def other_models():
    """The recipes, and what takes paths or images."""
    for recipe in RECIPES:
        yield recipe, small(recipe)
    yield "majority", make_pipeline("majority")
    if HAS_KERAS:
        yield "cnn", small("cnn").set_params(classifier__epochs=1)
        yield "mobilenetv2+svm", small(PretrainedExtractor(weights=None), "svm")


def composed_models(paths, y, groups):
    edges, lbp = small("edges", "logistic"), make_pipeline("lbp", "svm", image_size=48)
    splits = list(StratifiedGroupKFold(3).split(paths, y, groups))
    fitted = clone(edges).fit(paths, y)
    yield "stacking", StackingClassifier([("edges", edges), ("lbp", lbp)], LogisticRegression(), cv=3)
    yield "voting", VotingClassifier([("edges", edges), ("lbp", clone(edges))], voting="soft")
    yield "calibrated", CalibratedClassifierCV(lbp, cv=splits, ensemble=False)
    yield "isotonic", CalibratedClassifierCV(lbp, method="isotonic", cv=3)
    yield "recalibrated", RecalibratedClassifier(fitted)
    yield "frozen", CalibratedClassifierCV(FrozenEstimator(fitted))
    yield "search", GridSearchCV(small("accurate"), {"classifier__C": [1, 2]}, cv=2)
    yield "searched", VotingClassifier([("a", GridSearchCV(edges, {"classifier__C": [1, 2]}, cv=2)), ("b", lbp)])
    yield "labels", Pipeline([("edges", small("edges", "svm"))])


def answers(model, X):
    """All that a model says of `X`."""
    asked = ("predict", "predict_proba", "decision_function", "transform")
    return {name: getattr(model, name)(X) for name in asked if hasattr(model, name)}


CHILD = """
import sys
from pathlib import Path
import numpy as np
from fracture_features.model import read_model_file

folder, *paths = sys.argv[1:]
files = sorted(Path(folder).glob("*.ff"), key=lambda file: (file.stem != "hog+svm", file.stem))
for file in files:
    model = read_model_file(file)[0]
    asked = ("predict", "predict_proba", "decision_function", "transform")
    np.savez(file.with_suffix(".npz"), **{name: getattr(model, name)(paths) for name in asked if hasattr(model, name)})
    if file.stem == "hog+svm":
        print([name for name in ("keras", "tensorflow", "matplotlib", "xgboost", "onnx") if name in sys.modules])
"""


def ask_elsewhere(folder, paths):
    """What the models in a folder say in a fresh process, and what that prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", CHILD, str(folder), *paths],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return {file.stem: dict(np.load(file)) for file in folder.glob("*.npz")}, done.stdout


def save_all(models, paths, folder):
    """Save fitted models, and give what they say."""
    expected = {}
    for name, model in models:
        expected[name] = answers(model, paths)
        write_model_file(folder / f"{name}.ff", model, {"name": name}, {})
    return expected


@pytest.fixture(scope="module")
def paths(data):
    return list(data.paths[:12])


@pytest.fixture(scope="module")
def elsewhere(data, paths, tmp_path_factory):
    """What models say here and in a fresh process, and what that prints."""
    few, y, groups = data.paths[FEW], data.y[FEW], data.groups[FEW]
    models = [*paired_models(QUICK), *other_models(), *composed_models(few, y, groups)]
    return ask_twice(models, data, paths, tmp_path_factory)


@pytest.fixture(scope="module")
def all_pairs(data, paths, tmp_path_factory):
    return ask_twice(paired_models(set(PAIRS) - set(QUICK)), data, paths, tmp_path_factory)


def ask_twice(models, data, paths, tmp_path_factory):
    folder, cache = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("cache")
    few, y = data.paths[FEW], data.y[FEW]
    labels = np.array(["whole", "broken"])[y]
    fitted_models = []
    for name, model in models:
        set_caches(model, cache)  # the radiographs are read once for all
        fitted_models.append((name, model.fit(few, labels if name == "labels" else y)))
    expected = save_all(fitted_models, paths, folder)
    found, printed = ask_elsewhere(folder, paths)
    return expected, found, printed


NAMES = [
    *map("+".join, QUICK),
    *RECIPES,
    "majority",
    *(["cnn", "mobilenetv2+svm"] if HAS_KERAS else []),
    *("stacking", "voting", "calibrated", "isotonic", "recalibrated", "frozen", "search", "searched", "labels"),
]


def test_every_model_was_asked(elsewhere):
    assert sorted(elsewhere[0]) == sorted(elsewhere[1]) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_the_same_bits_in_a_fresh_process(elsewhere, name):
    check_equal(elsewhere[0][name], elsewhere[1][name])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["+".join(pair) for pair in PAIRS if pair not in QUICK])
def test_every_pair_predicts_the_same_bits_in_a_fresh_process(all_pairs, name):
    check_equal(all_pairs[0][name], all_pairs[1][name])


def check_equal(expected, found):
    assert expected.keys() == found.keys()
    for method, values in expected.items():
        assert values.dtype == found[method].dtype
        np.testing.assert_array_equal(values, found[method], strict=True)


def test_reading_a_classical_model_imports_nothing_that_it_does_not_need(elsewhere):
    assert elsewhere[2] == "[]\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_NETWORKS)
def test_every_network_predicts_the_same_bits_in_a_fresh_process(data, paths, tmp_path, name):
    pytest.importorskip("keras")
    model = make_pipeline(PretrainedExtractor(architecture=name, weights=None), "svm", image_size=64)
    model.fit(data.paths[::3], data.y[::3])
    expected = save_all([("network", model)], paths[:4], tmp_path)
    found, _ = ask_elsewhere(tmp_path, paths[:4])
    for method, values in expected["network"].items():
        np.testing.assert_array_equal(values, found["network"][method], strict=True)


def test_pretrained_weights_go_with_the_model_and_their_folder_stays(data, paths, shared_weights, tmp_path):
    pytest.importorskip("keras")
    extractor = PretrainedExtractor(weights=shared_weights)
    model = make_pipeline(extractor, "svm", image_size=96).fit(data.paths[::3], data.y[::3])
    write_model_file(tmp_path / "model.ff", model, {}, {})
    loaded = read_model_file(tmp_path / "model.ff")[0]
    np.testing.assert_array_equal(model.decision_function(paths), loaded.decision_function(paths))
    assert loaded.get_params()["features__mobilenetv2__weights"] == shared_weights.name
    assert str(shared_weights.parent).encode() not in (tmp_path / "model.ff").read_bytes()


def test_a_network_predicts_without_keras_where_onnxruntime_is(data, paths, tmp_path):
    pytest.importorskip("keras")
    pytest.importorskip("onnxruntime")
    network = CNNClassifier(epochs=1, random_state=0)
    model = make_pipeline(classifier=network, image_size=32).fit(data.paths[::3], data.y[::3])
    write_model_file(tmp_path / "network.ff", model, {}, {})
    np.savez(tmp_path / "expected.npz", model.predict_proba(paths))
    code = (
        "import sys, numpy as np; from fracture_features.model import read_model_file;"
        "found = read_model_file('network.ff')[0].predict_proba(sys.argv[1:]);"
        "np.testing.assert_array_equal(found, np.load('expected.npz')['arr_0'], strict=True);"
        "print([name for name in ('keras', 'tensorflow', 'jax', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
    stack, cnn = model[:-1].transform(paths), model[-1]
    np.testing.assert_allclose(cnn.predict_proba(stack), np.asarray(cnn.model_(stack, training=False)), atol=2e-6)


# --- what the estimators of scikit-learn keep

X = np.random.default_rng(0).normal(size=(80, 7))
Y = np.array(["whole", "broken"])[(X[:, 0] > 0).astype(int)]
NEEDS_ESTIMATOR = {
    *("AdaBoostClassifier", "BaggingClassifier", "CalibratedClassifierCV", "FixedThresholdClassifier"),
    *("FrozenEstimator", "OneVsOneClassifier", "OneVsRestClassifier", "SelectFromModel"),
}
NEEDS_STEPS = {"FeatureUnion", "Pipeline", "StackingClassifier", "VotingClassifier"}


def fitted(kind):
    """A fitted estimator of a class of scikit-learn, and what it takes."""
    if kind.__name__ == "IsotonicRegression":
        return kind(out_of_bounds="clip").fit(X[:, 0], X[:, 1]), X[:, 0]
    if kind.__name__ == "Ridge":
        return kind().fit(X, X[:, 0]), X
    if kind.__name__.startswith("Label"):
        return kind().fit(Y), Y
    if kind.__name__ == "KernelCenterer":
        return kind().fit(X @ X.T), X @ X.T
    logistic = LogisticRegression().fit(X, Y)
    if kind.__name__ in NEEDS_STEPS:
        unit = StandardScaler() if kind in (FeatureUnion, Pipeline) else logistic
        return kind([("one", unit)]).fit(X, Y), X
    if kind.__name__ in NEEDS_ESTIMATOR:
        return kind(logistic).fit(X, Y), X
    return kind().fit(X, Y), X


@pytest.mark.parametrize("name", [name for name in SKLEARN if not name.rpartition(".")[2].startswith("_")])
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:n_quantiles", "ignore:n_components >", "ignore:k=10 is greater")
def test_what_scikit_learn_has_on_the_list_can_be_saved(tmp_path, name):
    module, _, kind = name.rpartition(".")
    estimator, taken = fitted(getattr(importlib.import_module(module), kind))
    write_model_file(tmp_path / "model.ff", estimator, {}, {})
    loaded = read_model_file(tmp_path / "model.ff")[0]
    expected, found = answers(estimator, taken), answers(loaded, taken)
    assert expected.keys() == found.keys() != set()
    for method, values in expected.items():
        np.testing.assert_array_equal(values, found[method], strict=True)


def test_a_vote_keeps_the_forest_and_the_svm_that_it_was_made_from(tmp_path):
    """They stand beside what was fitted, and are not fitted themselves."""
    X = np.random.default_rng(0).normal(size=(40, 3))
    parts = [("trees", RandomForestClassifier(5, random_state=0)), ("svm", SVC()), ("line", LogisticRegression())]
    vote = VotingClassifier(parts).fit(X, (X[:, 0] > 0).astype(int))
    write_model_file(tmp_path / "m.ff", vote, {}, {})
    np.testing.assert_array_equal(read_model_file(tmp_path / "m.ff")[0].predict(X), vote.predict(X))


@pytest.mark.parametrize("name", TRUSTED_TYPES)
def test_each_trusted_type_is_there_by_that_name(name):
    if name.startswith("xgboost"):
        pytest.importorskip("xgboost")
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute)


def test_the_list_lets_skops_load_a_pipeline_of_its_own(data, paths):
    skops_io = pytest.importorskip("skops.io")
    model = small("accurate").fit(data.paths, data.y)
    loaded = skops_io.loads(skops_io.dumps(model), trusted=TRUSTED_TYPES)
    np.testing.assert_array_equal(model.decision_function(paths), loaded.decision_function(paths))


def test_other_trees_of_xgboost_and_their_classes(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    classes = np.digitize(X[:, 0], [-0.5, 0.5])
    for model in (
        xgboost.XGBClassifier(n_estimators=5, gamma=0.3).fit(X, classes),
        xgboost.XGBClassifier(n_estimators=5, booster="dart", rate_drop=0.5).fit(X, classes),
        make_pipeline(classifier="xgboost")["classifier"].set_params(n_estimators=9).fit(X, Y),
    ):
        write_model_file(tmp_path / "model.ff", model, {}, {})
        loaded = read_model_file(tmp_path / "model.ff")[0]
        np.testing.assert_array_equal(model.predict_proba(X), loaded.predict_proba(X), strict=True)
        np.testing.assert_array_equal(model.predict(X), loaded.predict(X))
        np.testing.assert_array_equal(model.feature_importances_, loaded.feature_importances_)


# --- what a file holds beside the estimator


def test_state_arrays_and_manifest_come_back(tmp_path):
    state = {
        "threshold": 0.1 + 0.2,
        "names": ["no fracture", "Fraktur ≥ 1"],
        "interval": [float("nan"), 1e-300],
        "n": None,
    }
    rng = np.random.default_rng(0)
    arrays = {
        "centre": rng.normal(size=5),
        "axes": np.asfortranarray(rng.normal(size=(3, 4)).astype(np.float32)),
        "classes": np.array(["a", "ü"]),
        "limit": np.array(2.5),
        "none": np.empty((0, 3)),
    }
    model = LogisticRegression().fit(X, Y)
    write_model_file(tmp_path / "model.ff", model, state, arrays)
    _, found_state, found = read_model_file(tmp_path / "model.ff")
    assert repr(found_state) == repr(state)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, found[name], strict=True)
        assert array.flags.f_contiguous == found[name].flags.f_contiguous
    manifest = read_manifest(tmp_path / "model.ff")
    assert repr(manifest["state"]) == repr(state)
    assert manifest["format_version"] == 1
    assert manifest["versions"]["scikit-learn"] == importlib.import_module("sklearn").__version__
    assert "xgboost" not in manifest["versions"]
    with zipfile.ZipFile(tmp_path / "model.ff") as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist() if info.filename != "manifest.json"}
    assert {name: about["size"] for name, about in manifest["members"].items()} == sizes


def test_the_manifest_is_read_without_skops(tmp_path):
    write_model_file(tmp_path / "model.ff", LogisticRegression().fit(X, Y), {"a": 1}, {})
    code = (
        "import sys; from fracture_features.model import read_manifest;"
        f"print(read_manifest({str(tmp_path / 'model.ff')!r})['state'], 'skops' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "{'a': 1} False\n"


@pytest.mark.parametrize("name", ["", "a/b", "../up", "a.b", "x" * 81])
def test_arrays_have_plain_names(tmp_path, name):
    with pytest.raises(ValueError, match="letters, digits and underscores"):
        write_model_file(tmp_path / "model.ff", LogisticRegression().fit(X, Y), {}, {name: X})
    assert list(tmp_path.iterdir()) == []


def test_the_same_model_gives_the_same_file(tmp_path):
    for name in ("a.ff", "b.ff"):
        model = chain(StandardScaler(), SVC()).fit(X, Y)
        write_model_file(tmp_path / name, model, {"a": 1}, {"x": X})
    assert (tmp_path / "a.ff").read_bytes() == (tmp_path / "b.ff").read_bytes()


@pytest.mark.parametrize(
    "array", [X, X.T, X[::2], X[:, ::2], X[::-1], X[:, 0], X[:1], np.moveaxis(X.reshape(4, 20, 7), 0, 2)], ids=range(8)
)
def test_axes_keep_their_order_in_memory(array):
    back = from_npy(to_npy(array), "x")
    np.testing.assert_array_equal(back, array, strict=True)
    plain = in_order(array)
    assert (back.flags.c_contiguous, back.flags.f_contiguous) == (plain.flags.c_contiguous, plain.flags.f_contiguous)
    long = [abs(step) for step, side in zip(array.strides, array.shape, strict=True) if side > 1]
    if len(long) > 1 and long == sorted(long):
        assert back.flags.f_contiguous
    assert back.flags.writeable


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "model.ff"
    model = LogisticRegression().fit(X, Y)
    write_model_file(path, model, {"a": 1}, {})
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(ModelFileError, match="No space"):
        write_model_file(path, model, {"a": 2}, {})
    monkeypatch.undo()
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_model_file(path, model, {"a": 2}, {})
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model.ff"]


# --- what belongs to the machine and the run stays behind


def test_folders_of_the_machine_stay_behind(data, paths, tmp_path):
    cache, memory = tmp_path / "cache_here", tmp_path / "memory_here"
    inner = small(["hog", "lbp"], "svm", cache=cache).set_params(memory=str(memory)).fit(data.paths, data.y)
    model = CalibratedClassifierCV(FrozenEstimator(inner)).fit(data.paths, data.y)
    write_model_file(tmp_path / "model.ff", model, {}, {})
    assert {part.cache for part in cached_parts(inner)} == {cache}
    assert inner.memory == str(memory)
    data_of_file = b"".join(members(tmp_path / "model.ff").values())
    for name in (str(tmp_path), os.path.dirname(data.paths[0]), "patient"):
        assert name.encode() not in data_of_file
    expected = model.predict_proba(paths)
    for each in (cache, memory):
        subprocess.run(["rm", "-r", str(each)], check=True)
    loaded = read_model_file(tmp_path / "model.ff")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(loaded.predict_proba(paths), expected)
    inside = loaded.estimator.estimator
    assert {part.cache for part in cached_parts(inside)} == {None}
    assert inside.memory is None
    assert [each.name for each in tmp_path.iterdir()] == ["model.ff"]


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_generators_of_random_numbers_stay_behind(tmp_path):
    model = SVC(random_state=np.random.RandomState(0)).fit(X, Y)
    write_model_file(tmp_path / "model.ff", model, {}, {})
    loaded = read_model_file(tmp_path / "model.ff")[0]
    assert loaded.random_state is None
    np.testing.assert_array_equal(loaded.decision_function(X), model.decision_function(X))


def test_a_loaded_extractor_knows_its_names_and_parameters(data, tmp_path):
    model = small(["hog", "edges"], "svm").fit(data.paths, data.y)
    write_model_file(tmp_path / "model.ff", model, {}, {})
    loaded = read_model_file(tmp_path / "model.ff")[0]
    before, after = model["features"], loaded["features"]
    np.testing.assert_array_equal(before.get_feature_names_out(), after.get_feature_names_out())
    for (_, one), (_, other) in zip(before.transformer_list, after.transformer_list, strict=True):
        np.testing.assert_array_equal(one.feature_regions(), other.feature_regions(), strict=True)
    assert repr(loaded) == repr(model)
    loaded.set_params(features__hog__orientations=5)
    with pytest.raises(NotFittedError, match="orientations=5"):
        loaded.predict(data.paths[:2])


def test_a_loaded_model_can_be_fitted_again(data, paths, tmp_path):
    model = small("accurate").fit(data.paths, data.y)
    write_model_file(tmp_path / "model.ff", model, {}, {})
    again = clone(read_model_file(tmp_path / "model.ff")[0]).fit(data.paths, data.y)
    np.testing.assert_array_equal(again.decision_function(paths), model.decision_function(paths))


# --- what cannot be saved


class OwnScaler(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X


class OwnClassifier(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self


def own_function(rows):
    return rows


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (chain(OwnScaler(), LogisticRegression()), "test_model_file.OwnScaler"),
        (chain(StandardScaler(), OwnClassifier()), "test_model_file.OwnClassifier"),
        (chain(FunctionTransformer(own_function), LogisticRegression()), "test_model_file.own_function"),
        (chain(FunctionTransformer(lambda rows: rows), LogisticRegression()), "<lambda>"),
        (chain(FunctionTransformer(np.linalg.inv, check_inverse=False, validate=False)), "numpy.linalg.inv"),
        (chain(FunctionTransformer(partial(np.add, 1)), LogisticRegression()), "a partial of 'numpy.add'"),
        (SVC(kernel=partial(rbf_kernel, 1)), "positional arguments"),
        (KNeighborsClassifier(algorithm="kd_tree"), "KNeighborsClassifier"),
        (RandomForestClassifier(2, criterion="gini", class_weight={b"x": 1}), "bytes"),
    ],
    ids=range(9),
)
def test_what_would_not_load_is_refused_by_name(tmp_path, model, named):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(model, SVC):  # one that cannot predict; it is the file that counts
            fitted_model = SVC(kernel=rbf_kernel).fit(X, Y).set_params(kernel=model.kernel)
        elif isinstance(model, RandomForestClassifier):
            fitted_model = RandomForestClassifier(2).fit(X, Y).set_params(class_weight=model.class_weight)
        elif "inv" in named:
            fitted_model = model.fit(np.eye(7))
        else:
            fitted_model = model.fit(X, Y)
    with pytest.raises(ModelFileError, match="cannot be saved") as caught:
        write_model_file(tmp_path / "model.ff", fitted_model, {}, {})
    assert named in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_the_training_images_is_refused_by_name(data, tmp_path):
    table = pd.DataFrame({"view": ["frontal", "lateral"] * (len(data.paths) // 2)}, index=data.paths)
    model = chain(MetadataLookup(table), OneHotEncoder(), LogisticRegression()).fit(data.paths, data.y)
    with pytest.raises(ModelFileError, match="holds a MetadataLookup, a table of the images"):
        write_model_file(tmp_path / "model.ff", model, {}, {})


def test_a_model_that_is_not_fitted_is_refused(tmp_path):
    with pytest.raises(NotFittedError):
        write_model_file(tmp_path / "model.ff", SVC(), {}, {})


def test_parameters_that_were_set_after_the_fit_are_refused(data, tmp_path):
    model = small("hog", "svm").fit(data.paths, data.y).set_params(features__hog__orientations=5)
    with pytest.raises(ModelFileError, match=r"not fitted with the parameters .*orientations=5"):
        write_model_file(tmp_path / "model.ff", model, {}, {})


def test_a_model_that_holds_itself_is_refused(tmp_path):
    model = chain(StandardScaler(), LogisticRegression()).fit(X, Y)
    model.again = [model]
    with pytest.raises(ModelFileError, match="holds itself"):
        write_model_file(tmp_path / "model.ff", model, {}, {})


# --- versions


def test_other_versions_of_packages_warn_with_both(tmp_path, monkeypatch):
    path = tmp_path / "model.ff"
    with monkeypatch.context() as patch:
        patch.setattr(
            "fracture_features.model._file.version", lambda name: "0.1" if name in ("numpy", "skops") else "7.7"
        )
        write_model_file(path, LogisticRegression().fit(X, Y), {}, {})
    with pytest.warns(ModelFileWarning, match=r"numpy 0\.1 then, ") as caught:
        loaded = read_model_file(path)[0]
    assert len(caught) == 1
    assert f"scikit-learn 7.7 then, {importlib.import_module('sklearn').__version__} now" in str(caught[0].message)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(loaded.predict(X), LogisticRegression().fit(X, Y).predict(X))


def test_estimators_of_another_scikit_learn_warn_once(tmp_path, monkeypatch):
    """Each estimator has its version; the file says it for all."""
    monkeypatch.setattr("sklearn.base.__version__", "1.7.0")
    write_model_file(tmp_path / "model.ff", chain(StandardScaler(), SVC()).fit(X, Y), {}, {})
    monkeypatch.undo()
    schema = members(tmp_path / "model.ff")["skops/schema.json"]
    assert b"1.7.0" in schema
    read_model_file(tmp_path / "model.ff")  # warnings are errors here


def test_state_that_json_cannot_hold_is_refused(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_model_file(tmp_path / "model.ff", LogisticRegression().fit(X, Y), {"a": X}, {})
    assert json.dumps({}) == "{}"
    assert list(tmp_path.iterdir()) == []
