import os
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import StackingClassifier
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fracture_features import (
    CNNClassifier,
    FisherVectorExtractor,
    HOGExtractor,
    ImageReader,
    LBPExtractor,
    make_pipeline,
)
from fracture_features.cnn import PretrainedExtractor
from fracture_features.cnn._keras import load_keras
from fracture_features.pipeline import CLASSIFIERS, FEATURES

CLASSICAL = ["svm", "logistic", "random_forest", "xgboost"]


@pytest.mark.parametrize("classifier", CLASSICAL)
def test_every_classifier_predicts_labels_from_paths(classifier, data):
    model = make_pipeline(["hog", "lbp", "edges"], classifier, image_size=96, random_state=0)
    names = np.array(data.target_names)[data.y]
    model.fit(data.paths, names)
    assert set(model.predict(data.paths)) <= set(data.target_names)
    assert model.score(data.paths, names) > 0.8
    assert list(model.classes_) == sorted(data.target_names)


@pytest.mark.parametrize("classifier", CLASSICAL)
def test_every_classifier_weighs_classes(classifier):
    assert "balanced" in str(make_pipeline("hog", classifier)[-1].get_params()["class_weight"])


def test_majority_needs_no_files(tmp_path):
    model = make_pipeline(classifier="majority").fit(["a", "b", "c"], [1, 0, 1])
    assert model.predict(["nowhere.png"]).tolist() == [1]


@pytest.mark.parametrize(
    ("features", "classifier", "steps"),
    [
        ("hog", "svm", ["images", "features", "scaler", "reducer", "classifier"]),
        (["lbp"], "svm", ["images", "features", "scaler", "classifier"]),
        ("fisher", "svm", ["images", "features", "classifier"]),
        (["fisher", "lbp"], "svm", ["images", "features", "scaler", "classifier"]),
        (["lbp", "edges"], "xgboost", ["images", "features", "classifier"]),
        (["hog", "edges"], "xgboost", ["images", "features", "scaler", "reducer", "classifier"]),
        ("hog", "random_forest", ["images", "features", "classifier"]),
        (None, "logistic", ["images", "features", "scaler", "reducer", "classifier"]),
        (None, "cnn", ["images", "classifier"]),
        (None, CNNClassifier(), ["images", "classifier"]),
        (None, "majority", ["classifier"]),
        ("edges", GaussianNB(), ["images", "features", "scaler", "classifier"]),
    ],
)
def test_steps(features, classifier, steps):
    assert list(make_pipeline(features, classifier).named_steps) == steps


@pytest.mark.parametrize(
    ("name", "features", "classifier"),
    [
        ("hog+lbp+xgboost", ["hog", "lbp"], "xgboost"),
        ("hog+lbp", ["hog", "lbp"], "svm"),
        ("hog", ["hog"], "svm"),
        ("logistic", None, "logistic"),
        ("cnn", None, "cnn"),
        ("majority", None, "majority"),
    ],
)
def test_a_name_stands_for_a_whole_model(name, features, classifier):
    assert repr(make_pipeline(name, random_state=0)) == repr(make_pipeline(features, classifier, random_state=0))
    if name == "hog+lbp":
        assert repr(make_pipeline(name, "xgboost")) == repr(make_pipeline(features, "xgboost"))


def test_names_of_parameters_do_not_depend_on_how_many_extractors_there_are():
    for features in ("hog", ["hog", "lbp"], [HOGExtractor(), "edges"]):
        assert make_pipeline(features).get_params()["features__hog__orientations"] == 9


def test_two_of_a_kind_are_told_apart():
    model = make_pipeline([LBPExtractor(), "hog", LBPExtractor(n_points=16, radius=2)])
    assert [name for name, _ in model["features"].transformer_list] == ["lbp-1", "hog", "lbp-2"]


def test_common_parameters_reach_the_steps():
    model = make_pipeline(
        [HOGExtractor(n_jobs=1), "lbp"],
        "xgboost",
        image_size=(64, 32),
        resize="stretch",
        cache="c",
        random_state=3,
        n_jobs=2,
    )
    params = model.get_params()
    assert isinstance(model["images"], ImageReader)
    for name, value in {
        "images__image_size": (64, 32),
        "images__resize": "stretch",
        "images__cache": "c",
        "features__hog__cache": "c",
        "features__lbp__cache": "c",
        "images__n_jobs": 2,
        "features__hog__n_jobs": 1,
        "features__lbp__n_jobs": 2,
        "reducer__random_state": 3,
        "classifier__random_state": 3,
        "classifier__n_jobs": 2,
    }.items():
        assert params[name] == value, name
    assert make_pipeline(classifier="cnn", random_state=3).get_params()["classifier__random_state"] == 3


def test_instances_given_are_not_touched():
    extractor, classifier = HOGExtractor(), GaussianNB()
    make_pipeline(extractor, classifier, cache="c", n_jobs=2)
    assert extractor.cache is None
    assert extractor.n_jobs is None


@pytest.mark.parametrize(
    ("features", "classifier", "message"),
    [
        (
            "sift",
            "svm",
            r"features='sift': 'sift' is unknown; expected some of \['densenet121', 'edges', .*'hog', 'lbp'",
        ),
        (["hog", "sift"], "svm", r"features='sift' is unknown; expected one of \['densenet121', 'edges', .*'hog'"),
        ([], "svm", "at least one"),
        (HOGExtractor, "svm", "or instances, got"),
        (3, "svm", "features must be among"),
        ("hog", "knn", "classifier='knn' is unknown"),
        ("hog", GaussianNB, "or an instance, got"),
        ("hog", "cnn", "takes the images themselves; got features=\\['hog'\\]"),
        ("hog", "majority", "takes the paths themselves"),
        (
            "hog+knn",
            None,
            r"features='hog\+knn': 'knn' is unknown; .* then one of \['best', 'cnn', .*'accurate', 'fast'",
        ),
        ("hog++svm", None, r"features='hog\+\+svm': a part is empty; expected some of"),
        ("", None, "features='': a part is empty"),
        ("fast+svm", None, "'fast' is unknown; .* or, alone, one of"),
        ("svm+hog", None, "expected the classifier, 'svm', at the end"),
        ("hog+svm+xgboost", None, r"expected one classifier, got \['svm', 'xgboost'\]"),
        ("hog+svm", "xgboost", r"expected one classifier, got \['svm', 'xgboost'\]"),
        ("svm", GaussianNB(), r"expected one classifier, got \['svm', GaussianNB\(\)\]"),
        ("hog+cnn", None, r"takes the images themselves; got features=\['hog'\]"),
    ],
)
def test_bad_arguments(features, classifier, message):
    with pytest.raises(ValueError, match=message):
        make_pipeline(features, classifier)


def test_tables_make_fresh_estimators():
    for table in (FEATURES, CLASSIFIERS):
        for name, row in table.items():
            assert isinstance(row.make(), BaseEstimator), name
            assert row.make() is not row.make()


def test_bit_equal_with_the_same_random_state(data):
    scores = [
        make_pipeline("hog", "svm", image_size=96, random_state=0).fit(data.paths, data.y).decision_function(data.paths)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*scores)


def test_grid_search_over_every_step_with_groups_and_two_processes(data):
    search = GridSearchCV(
        make_pipeline(["hog", "lbp"], "svm", image_size=64, random_state=0),
        [
            {
                "images__resize": ["pad", "stretch"],
                "features__hog__orientations": [6, 9],
                "reducer__n_components": [10],
            },
            {"features__lbp__n_points": [8], "scaler": ["passthrough", StandardScaler()], "classifier__C": [1, 10]},
        ],
        cv=StratifiedGroupKFold(3),
        scoring="roc_auc",
        n_jobs=2,
    ).fit(data.paths, data.y, groups=data.groups)
    assert len(search.cv_results_["params"]) == 8
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    assert search.predict(data.paths[:3]).shape == (3,)


def threads_of_tensorflow():
    load_keras(needed_for="a test")
    return os.getenv("TF_NUM_INTRAOP_THREADS")


def test_grid_search_over_the_cnn_with_groups_and_two_processes(data):
    search = GridSearchCV(
        make_pipeline(classifier=CNNClassifier(epochs=1, batch_size=16), image_size=32, random_state=0),
        {"images__resize": ["stretch"], "classifier__learning_rate": [1e-3]},
        cv=StratifiedGroupKFold(2),
        scoring="roc_auc",
        n_jobs=2,
    )
    with config_context(enable_metadata_routing=True), joblib.parallel_config(backend="loky", n_jobs=2):
        search.fit(data.paths, data.y, groups=data.groups)
        # Of the workers that have fitted, or of new ones: joblib replaces those whose memory has grown.
        threads = joblib.Parallel()(joblib.delayed(threads_of_tensorflow)() for _ in range(2))
    assert threads == ["1", "1"]
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    assert search.best_estimator_.predict_proba(data.paths[:3]).shape == (3, 2)


def test_models_that_see_several_sizes_are_stacked_over_paths(data):
    stack = StackingClassifier(
        [(str(size), make_pipeline("edges", "logistic", image_size=size)) for size in (48, 96)], cv=2
    )
    assert cross_val_score(stack, data.paths, data.y, cv=2).shape == (2,)


def test_a_cached_grid_reads_and_extracts_each_image_once(data, tmp_path, monkeypatch):
    """However many folds and settings there are."""
    extracted, opened = [], []
    extract, read = HOGExtractor._extract, Path.read_bytes
    monkeypatch.setattr(HOGExtractor, "_extract", lambda self, x: extracted.append(len(x)) or extract(self, x))
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(str(path)) or read(path))
    for _ in range(2):
        GridSearchCV(
            make_pipeline("hog", "svm", image_size=64, cache=tmp_path / "cache", random_state=0),
            {"classifier__C": [1, 10]},
            cv=3,
        ).fit(data.paths, data.y)
        assert sum(extracted) == len(data)
        assert sorted(opened) == sorted(data.paths)


def test_a_classifier_tagged_for_stacks_gets_the_images(data):
    class Brightness(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_, self.shape_ = np.unique(y), X.shape
            return self

        def predict(self, X):
            return self.classes_[(X.mean(axis=(1, 2)) > 50).astype(int)]

        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.input_tags.three_d_array = True
            return tags

    model = make_pipeline(classifier=Brightness(), image_size=40).fit(data.paths, data.y)
    assert model[-1].shape_ == (len(data), 40, 40)


CODE = """
import sys, fracture_features as ff
heavy = {"keras", "tensorflow", "xgboost", "matplotlib", "pydicom", "skimage", "torch"} & set(sys.modules)
assert not heavy, heavy
ff.pipeline.check_installed("mobilenetv2+svm")
assert "keras" not in sys.modules
"""


def test_importing_imports_nothing_heavy():
    subprocess.run([sys.executable, "-W", "error", "-c", CODE], check=True)


def test_kernels_compile_where_no_cache_can_be_written():
    """Numba has no place for its files: they are compiled each time, and nothing fails."""
    code = """
from fracture_features import LBPExtractor
from fracture_features.images._lzw import unpack_lzw
assert unpack_lzw(bytes.fromhex("800b6050"), 2).hex() == "2d2d"
"""
    environment = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    environment.pop("NUMBA_CACHE_DIR", None)
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment)


@pytest.mark.parametrize("recipe", ["fast", "accurate"])
def test_recipes_run(recipe, data):
    model = make_pipeline(recipe, image_size=96, random_state=0).fit(data.paths[::2], data.y[::2])
    assert set(model.predict(data.paths[1::2])) <= {0, 1}
    assert pickle.loads(pickle.dumps(model)).predict(data.paths[:3]).tolist() == model.predict(data.paths[:3]).tolist()
    again = clone(model).fit(data.paths[::2], data.y[::2])
    np.testing.assert_array_equal(again.decision_function(data.paths), model.decision_function(data.paths))


def test_the_kernel_of_the_accurate_recipe_is_svcs_own(stack):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 40))
    rows = (rows - rows.mean()) / np.linalg.norm(rows - rows.mean(), axis=1, keepdims=True)
    y = np.arange(60) % 2
    ours = make_pipeline("accurate")[-1].fit(rows, y)
    own = SVC(C=2, gamma=1.0, class_weight="balanced").fit(rows, y)
    np.testing.assert_allclose(ours.decision_function(rows), own.decision_function(rows), atol=1e-6)


def test_a_recipe_stands_alone():
    with pytest.raises(ValueError, match="features='fast' is a recipe with a classifier; got classifier='xgboost' too"):
        make_pipeline("fast", "xgboost")
    with pytest.raises(ValueError, match=r"features='fast' is unknown; .* or, alone, one of"):
        make_pipeline(["fast", "hog"])


def test_a_pipeline_reads_at_the_size_its_features_want():
    sizes = {name: make_pipeline(name)["images"].image_size for name in FEATURES}
    assert sizes.pop("mobilenetv2") == 448
    smaller = {name for name, size in sizes.items() if size == 224}
    assert smaller == {"densenet121", "efficientnetb0", "resnet50", "vgg16"}
    assert make_pipeline(["hog", "mobilenetv2"])["images"].image_size == 448
    assert make_pipeline("mobilenetv2", image_size=128)["images"].image_size == 128
    assert make_pipeline(classifier="cnn")["images"].image_size == 256


def test_pretrained_networks_are_named_by_their_architecture():
    assert make_pipeline("vgg16").get_params()["features__vgg16__architecture"] == "VGG16"
    model = make_pipeline(PretrainedExtractor(architecture="MobileNetV2", weights="x.h5"))
    assert list(model.named_steps) == ["images", "features", "scaler", "classifier"]
    assert model.get_params()["features__mobilenetv2__weights"] == "x.h5"
    assert "features__xception" in make_pipeline(PretrainedExtractor(architecture="Xception")).get_params()


@pytest.mark.parametrize("recipe", ["fast", "accurate"])
def test_recipes_take_three_classes_and_images_without_anything(recipe, data, tmp_path):
    black = tmp_path / "black.png"
    Image.new("L", (40, 30)).save(black)
    paths = [*data.paths[:59], str(black)]
    y = np.arange(60) % 3
    model = make_pipeline(recipe, image_size=96, random_state=0).fit(paths, y)
    scores = model.decision_function(paths)
    assert scores.shape == (60, 3)
    assert np.isfinite(scores).all()


def test_fisher_vectors_have_a_seed_unless_given_another():
    for name in ("accurate", "hog+fisher+svm"):
        assert make_pipeline(name).get_params()["features__fisher__random_state"] == 0
        assert make_pipeline(name, random_state=7).get_params()["features__fisher__random_state"] == 7
    assert make_pipeline(FisherVectorExtractor()).get_params()["features__fisher__random_state"] == 0
    assert make_pipeline(FisherVectorExtractor(random_state=3)).get_params()["features__fisher__random_state"] == 3
    assert make_pipeline("hog+random_forest").get_params()["classifier__random_state"] is None
