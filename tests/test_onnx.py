"""Models as ONNX: the same answers from onnxruntime, and no file where they are not."""

import json
import re
import sys
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fracture_features import PretrainedExtractor, load_folder, load_model, make_pipeline, make_radiographs, train_model
from fracture_features._xgboost import XGBClassifier
from fracture_features.cli import ExitCode, main
from fracture_features.evaluation import class_scores
from fracture_features.exceptions import ExportError, ImageReadError, MissingDependencyError
from fracture_features.features import HOGExtractor, LBPExtractor
from fracture_features.model import Calibration, Decision, FractureModel, Novelty, export_onnx
from fracture_features.model import _onnx as writing
from fracture_features.model._novelty import see
from fracture_features.model._onnx_images import write_extractors
from fracture_features.model._onnx_steps import Operators
from fracture_features.pipeline import CLASSIFIERS, RECIPES

onnx = pytest.importorskip("onnx", reason="the onnx extra is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the onnx extra is not installed")
HAS_KERAS = find_spec("keras") is not None
NETWORKS = ["cnn", "mobilenetv2"] if HAS_KERAS else []
CLASSIFYING = [name for name, named in CLASSIFIERS.items() if named.takes == "features"]
TRAINED = 40  # the others are compared on


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = make_radiographs(70, folder=tmp_path_factory.mktemp("onnx") / "drawn", random_state=2)
    data = load_folder(folder, groups=r"patient(\d+)")
    return data.subset(np.random.default_rng(0).permutation(len(data)))


def named(name):
    if name in RECIPES:
        return make_pipeline(name, image_size=96, random_state=0)
    if name == "mobilenetv2":
        return make_pipeline(PretrainedExtractor(weights=None), "svm", image_size=64)
    if name == "cnn":
        return make_pipeline(name, image_size=64, random_state=0).set_params(classifier__epochs=2)
    return make_pipeline("edges", name, image_size=64, random_state=0)


def fitted(pipeline, data, y=None, *, calibrate=False, decide=False):
    """A model as `train_model` gives it, without the folds."""
    y = data.y if y is None else y
    pipeline.fit(data.paths[:TRAINED], y[:TRAINED])
    scores = class_scores(pipeline, data.paths[:TRAINED])
    low, high = np.quantile(scores[:, 1], [0.31, 0.62])
    names = [f"class {k}" for k in range(y.max() + 1)]
    return FractureModel(
        pipeline,
        names,
        Decision(float(low), float(high)) if decide else None,
        Calibration.fit(scores, y[:TRAINED]) if calibrate else None,
        None,
        {},
    )


def ask(file, model, paths):
    """What onnxruntime says of files: each output by its name."""
    session = onnxruntime.InferenceSession(file)
    (given,) = session.get_inputs()
    reads = 2 if given.name == "features" else 1
    found = session.run(None, {given.name: model.pipeline[:reads].transform(paths)})
    return dict(zip([output.name for output in session.get_outputs()], found, strict=True))


def assert_same(file, model, paths):
    found = ask(file, model, paths)
    np.testing.assert_allclose(found["score"], model.decision_function(paths), rtol=1e-5, atol=1e-5)
    assert ("probability" in found) == hasattr(model, "predict_proba")
    if "probability" in found:
        np.testing.assert_allclose(found["probability"], model.predict_proba(paths), rtol=0, atol=1e-5)
    if model.decision is None:
        np.testing.assert_array_equal(found["label"], model.predict(paths))
    else:
        np.testing.assert_array_equal(found["label"], model.decision.answers(model.decision_function(paths)))
    return found


@pytest.mark.parametrize("name", [*CLASSIFYING, *RECIPES, *NETWORKS])
def test_onnxruntime_gives_what_the_model_does(name, data, tmp_path):
    file, others = tmp_path / "model.onnx", data.paths[TRAINED:]
    plain = fitted(named(name), data)
    export_onnx(plain, file, data.paths)
    assert set(assert_same(file, plain, others)["label"]) == {0, 1} or name in NETWORKS  # hardly trained
    full = fitted(named(name), data, calibrate=True, decide=True)
    export_onnx(full, file, others)
    assert set(assert_same(file, full, data.paths)["label"]) == {-1, 0, 1}
    onnx.checker.check_model(str(file), full_check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("calibrate", [False, True])
@pytest.mark.parametrize("name", CLASSIFYING)
def test_three_classes(name, calibrate, data, tmp_path):
    y = np.where(data.y == 0, 0, 1 + np.arange(len(data)) % 2)
    model = fitted(named(name), data, y, calibrate=calibrate)
    export_onnx(model, tmp_path / "model.onnx", data.paths)
    found = assert_same(tmp_path / "model.onnx", model, data.paths)
    assert found["score"].shape == (70, 3)


def stack_of_kinds():
    """Noise, a constant, a repetition with its flat edge, a ramp: flat areas, where comparisons are of equal values."""
    images = np.random.default_rng(0).integers(0, 256, (4, 70, 53), dtype=np.uint8)
    images[1], images[2, :, 20:], images[3] = 7, images[2, :, :33] // 2, np.arange(53) * 3
    return images


def run_extractor(extractor, images):
    to = Operators()
    features = write_extractors(to, [extractor])
    given = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.UINT8, ["n", *images.shape[1:]])
    out = onnx.helper.make_tensor_value_info(features, onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph(to.nodes, "extractor", [given], [out], to.constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"images": images})[0]


@pytest.mark.parametrize("norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
@pytest.mark.parametrize(("cell", "block", "orientations"), [(8, 2, 9), ((7, 9), (3, 1), 4), (16, 1, 180)])
def test_hog_of_images(norm, cell, block, orientations):
    hog = HOGExtractor(orientations=orientations, pixels_per_cell=cell, cells_per_block=block, block_norm=norm)
    images = stack_of_kinds()
    expected = hog.fit_transform(images)
    np.testing.assert_allclose(run_extractor(hog, images), expected, rtol=0, atol=2e-7)


@pytest.mark.parametrize("method", ["default", "ror", "uniform", "nri_uniform"])
@pytest.mark.parametrize(("n_points", "radius", "grid"), [(8, 1, 4), (7, 2.5, (3, 5)), ((4, 8), (1, 3), 2)])
def test_lbp_of_images_to_the_bit(method, n_points, radius, grid):
    lbp = LBPExtractor(n_points=n_points, radius=radius, method=method, grid=grid)
    images = stack_of_kinds()
    expected = lbp.fit_transform(images)
    np.testing.assert_array_equal(run_extractor(lbp, images), expected, strict=True)


def test_images_go_through_hog_and_lbp_and_not_through_edges(data, tmp_path):
    """LBP of more than 16 points has too many patterns for a table."""
    many = LBPExtractor(n_points=24, radius=3)
    for features, takes in ((["hog", "lbp"], "images"), (["hog", "edges"], "features"), ([many], "features")):
        model = fitted(make_pipeline(features, "svm", image_size=64, random_state=0), data, calibrate=True)
        assert export_onnx(model, tmp_path / "model.onnx", data.paths) == takes
        assert_same(tmp_path / "model.onnx", model, data.paths)


def test_hog_goes_through_scaler_and_reducer(data, tmp_path):
    for name in ("svm", "logistic"):
        model = fitted(make_pipeline("hog", name, image_size=64, random_state=0), data, calibrate=True)
        export_onnx(model, tmp_path / "model.onnx", data.paths)
        assert_same(tmp_path / "model.onnx", model, data.paths)
    model.pipeline.set_params(reducer__whiten=True)
    model = fitted(model.pipeline, data)
    export_onnx(model, tmp_path / "model.onnx", data.paths)
    assert_same(tmp_path / "model.onnx", model, data.paths)


def test_a_linear_svm_and_trees_that_stopped_early(data, tmp_path):
    linear = fitted(make_pipeline("edges", SVC(kernel="linear"), image_size=64), data)
    export_onnx(linear, tmp_path / "linear.onnx", data.paths)
    pipeline = named("xgboost").set_params(classifier__early_stopping_rounds=2, classifier__learning_rate=0.9)
    rows = pipeline[:-1].fit(data.paths[:TRAINED]).transform(data.paths[TRAINED:])
    pipeline.fit(data.paths[:TRAINED], data.y[:TRAINED], classifier__eval_set=[(rows, 1 - data.y[TRAINED:])])
    assert pipeline[-1].best_iteration + 1 < pipeline[-1].get_booster().num_boosted_rounds()
    early = FractureModel(pipeline, ["a", "b"], None, None, None, {})
    export_onnx(early, tmp_path / "early.onnx", data.paths)
    assert_same(tmp_path / "early.onnx", early, data.paths)


def test_it_says_what_it_is(data, tmp_path):
    model = fitted(named("svm"), data)
    model.decision = Decision(-np.inf, 0.5)  # no image is set aside
    export_onnx(model, tmp_path / "model.onnx", data.paths)
    assert set(assert_same(tmp_path / "model.onnx", model, data.paths)["label"]) == {-1, 1}
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    about = session.get_modelmeta().custom_metadata_map
    assert {name: json.loads(value) for name, value in about.items()} == {
        "target_names": ["class 0", "class 1"],
        "thresholds": [None, 0.5],
        "image_shape": [64, 64],
        "resize": "pad",
        "contrast": "none",
        "read_before": ["images", "features"],
        "steps": ["scaler", "classifier"],
    }
    shapes = {one.name: (one.type, one.shape) for one in (*session.get_inputs(), *session.get_outputs())}
    n_features = model.pipeline["scaler"].n_features_in_
    assert shapes["features"] == ("tensor(float)", ["n", n_features])
    assert shapes["score"] == ("tensor(float)", ["n"])
    assert shapes["label"] == ("tensor(int64)", ["n"])


def test_a_saved_model_gives_the_same_file(data, tmp_path):
    model = fitted(named("accurate"), data, calibrate=True, decide=True)
    model.novelty = Novelty.fit(see(model.pipeline, data.paths).blocks, 0)
    model.save(tmp_path / "model.ff")
    for name, one in (("a", model), ("b", load_model(tmp_path / "model.ff"))):
        export_onnx(one, tmp_path / name, data.paths)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def _without_mean(to, step, x):
    return to.add("Div", x, to.cast(to.constant(step.scale_), 1))


def test_other_answers_are_refused_by_the_name_of_the_step(data, tmp_path, monkeypatch):
    file = tmp_path / "model.onnx"
    file.write_bytes(b"as it was")
    model = fitted(make_pipeline("hog", "svm", image_size=64, random_state=0), data, calibrate=True, decide=True)
    with monkeypatch.context() as patch:
        patch.setitem(writing.TRANSFORMERS, "StandardScaler", _without_mean)
        with pytest.raises(ExportError, match=r"'scaler'.*on 70 files the score .* differ by up to \d"):
            export_onnx(model, file, data.paths)
    with monkeypatch.context() as patch:
        patch.setattr(model.pipeline["classifier"], "_gamma", model.pipeline["classifier"]._gamma * (1 + 1e-4))
        draft = writing._Draft.of(model)
        rows = draft.reading.transform(data.paths)
        graph = draft.write(onnx, rows.shape[1:])
    with pytest.raises(ExportError, match=r"'classifier'.*the score of"):
        draft.compare(graph, rows)
    right = writing._Draft.of(model)
    graph = right.write(onnx, rows.shape[1:])
    right.compare(graph, rows)
    model.decision = Decision(model.decision.low + 0.1, model.decision.high)
    with pytest.raises(ExportError, match="the label of"):
        right.compare(graph, rows)
    model.calibration = Calibration((-1.0,), (0.001,))
    with pytest.raises(ExportError, match="the probability of"):
        right.compare(graph, rows)
    assert file.read_bytes() == b"as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


class OwnScaler(StandardScaler):
    """Of its author's own, whatever it does."""


def wrapped(name):
    """Models that must not come out silently wrong, as skl2onnx 1.20 writes the first."""
    svm = make_pipeline("edges", "svm", image_size=64)
    return {
        "CalibratedClassifierCV": CalibratedClassifierCV(svm, cv=3, ensemble=False),
        "'classifier'.*CalibratedClassifierCV": Pipeline(
            [
                *svm.steps[:2],
                ("classifier", CalibratedClassifierCV(Pipeline([("scaler", StandardScaler()), ("svm", SVC())]), cv=3)),
            ]
        ),
        "'classifier'.*KNeighborsClassifier": make_pipeline("edges", KNeighborsClassifier(), image_size=64),
        "'classifier'.*'poly'": make_pipeline("edges", SVC(kernel="poly"), image_size=64),
        "'classifier'.*polynomial_kernel": make_pipeline(
            "edges", SVC(kernel=partial(polynomial_kernel, degree=2)), image_size=64
        ),
        "'classifier'.*'gblinear'": make_pipeline("edges", XGBClassifier(booster="gblinear"), image_size=64),
        "'scaler'.*OwnScaler": make_pipeline("edges", "svm", image_size=64).set_params(scaler=OwnScaler()),
        "DummyClassifier": make_pipeline("majority"),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "CalibratedClassifierCV",
        "'classifier'.*CalibratedClassifierCV",
        "'classifier'.*KNeighborsClassifier",
        "'classifier'.*'poly'",
        "'classifier'.*polynomial_kernel",
        "'classifier'.*'gblinear'",
        "'scaler'.*OwnScaler",
        "DummyClassifier",
    ],
)
def test_what_cannot_be_written_is_refused_by_name(name, data, tmp_path):
    model = fitted(wrapped(name), data)
    with pytest.raises(ExportError, match=name):
        export_onnx(model, tmp_path / "model.onnx", data.paths)
    assert not list(tmp_path.iterdir())


def test_files_to_compare_on(data, tmp_path):
    model = fitted(make_pipeline("edges", RandomForestClassifier(5, random_state=0), image_size=64), data)
    with pytest.raises(ValueError, match="at least one radiograph"):
        export_onnx(model, tmp_path / "model.onnx", [])
    with pytest.raises(ImageReadError, match="no such file"):
        export_onnx(model, tmp_path / "model.onnx", [data.paths[0], tmp_path / "none.png"])
    assert not list(tmp_path.iterdir())


def test_the_command(data, tmp_path, capsys):
    folder, out, file = data.paths[0].rpartition("/")[0], tmp_path / "model.ff", tmp_path / "sub" / "model.onnx"
    model = train_model(named("svm"), data, calibrate=True, random_state=0)
    model.save(out)
    assert main(["export", str(out), folder, f"{folder}/*", "--onnx", str(file)]) == ExitCode.DONE
    assert re.search(r"answers on \d\d files", " ".join(capsys.readouterr().err.split()))
    assert_same(file, model, data.paths)
    before = file.read_bytes()
    assert main(["export", str(out), str(tmp_path / "none.png"), "--onnx", str(file)]) == ExitCode.USAGE
    assert "no such file" in capsys.readouterr().err
    assert main(["export", str(out), folder, "--onnx", str(tmp_path)]) == ExitCode.USAGE
    assert "--onnx" in capsys.readouterr().err
    model.pipeline = make_pipeline("edges", SVC(kernel="poly"), image_size=64).fit(data.paths, data.y)
    model.save(tmp_path / "poly.ff")
    assert main(["export", str(tmp_path / "poly.ff"), folder, "--onnx", str(file)]) == ExitCode.USAGE
    assert "'poly'" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_without_the_extra(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match=r"fracture_features\[onnx\]"):
        export_onnx(fitted(named("svm"), data), tmp_path / "model.onnx", data.paths)
