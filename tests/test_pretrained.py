import copy
import pickle
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import cv2
import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from fracture_features.cnn import _pretrained
from fracture_features.cnn._applications import build_backbone, restore_weights
from fracture_features.cnn._onnx import has_onnxruntime, open_graph, write_graph
from fracture_features.cnn._pretrained import Network, PretrainedExtractor, Recipe

keras = pytest.importorskip("keras")
onnxruntime = pytest.mark.skipif(not has_onnxruntime(), reason="onnx or onnxruntime is not installed")

SHARED = Path(__file__).parents[2] / "shared"
X = np.random.default_rng(0).integers(0, 256, (6, 48, 40), dtype=np.uint8)
X[::2] //= 3
Y = np.arange(6) % 2


def make(weights, **changes):
    return PretrainedExtractor(**{"architecture": "MobileNet", "layer": "conv_pw_3", "weights": weights} | changes)


def vary(model):
    """Give a model weights of which no two are alike, moments of batch normalisation included."""
    rng = np.random.default_rng(0)
    weights = model.get_weights()
    restore_weights(model, [w * rng.uniform(0.8, 1.2, w.shape) + rng.uniform(0, 0.05, w.shape) for w in weights])
    return model


def save(model, path):
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="__array__ implementation", category=DeprecationWarning
        )  # TensorFlow's
        (model.save_weights if "weights" in path.name else model.save)(path)


@pytest.fixture(scope="module")
def mobilenet():
    return vary(keras.applications.MobileNet(include_top=False, weights=None, input_shape=(48, 40, 3)))


@pytest.fixture(scope="module")
def weights(mobilenet, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    save(mobilenet, path)
    return path


@pytest.fixture(scope="module")
def fitted(weights):
    return make(weights).fit(X)


@pytest.fixture
def without_onnxruntime(monkeypatch):
    monkeypatch.setattr(_pretrained, "has_onnxruntime", lambda: False)
    _pretrained._load_network.cache_clear()
    yield
    _pretrained._load_network.cache_clear()


def maps_of(model, layer, images):
    """Maps of a bare MobileNet or MobileNetV2, by keras."""
    rgb = np.repeat(images[..., None], 3, axis=-1).astype(np.float32)
    inner = keras.Model(model.input, model.get_layer(layer).output)
    return keras.ops.convert_to_numpy(inner(keras.applications.mobilenet_v2.preprocess_input(rgb), training=False))


def close(a, b):
    """Equal to 1e-4 of what the features are."""
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


# --- the features


def test_pooled_maps_of_the_bare_application(fitted, mobilenet):
    maps = maps_of(mobilenet, "conv_pw_3", X)
    features = fitted.transform(X)
    assert features.shape == (6, 2 * 128)
    assert features.dtype == np.float32
    close(features[:, :128], maps.mean(axis=(1, 2)))
    close(features[:, 128:], maps.max(axis=(1, 2)))


def test_names(fitted):
    names = fitted.get_feature_names_out()
    expected = ["conv_pw_3_avg_0", "conv_pw_3_avg_17", "conv_pw_3_max_0", "conv_pw_3_max_127"]
    assert names[[0, 17, 128, -1]].tolist() == expected
    assert len(set(names)) == 256
    assert not hasattr(fitted, "feature_regions")


@pytest.mark.parametrize(("pooling", "reduce"), [("avg", np.mean), ("max", np.max)])
def test_one_pooling_of_the_last_layer(pooling, reduce, weights, mobilenet):
    extractor = make(weights, layer=None, pooling=pooling)
    close(extractor.fit_transform(X), reduce(maps_of(mobilenet, "conv_pw_13_relu", X), axis=(1, 2)))
    assert extractor.layer_ == "conv_pw_13_relu"
    assert extractor.get_feature_names_out()[5] == f"conv_pw_13_relu_{pooling}_5"


def test_default_layer_where_one_has_been_measured():
    extractor = PretrainedExtractor(weights=None).fit(X)
    assert extractor.layer_ == "block_16_expand"
    assert extractor.transform(X).shape == (6, 2 * 960)


def test_random_weights_are_always_the_same():
    expected = make(None).fit_transform(X)
    _pretrained._load_network.cache_clear()
    np.testing.assert_array_equal(make(None).fit_transform(X), expected)


def test_odd_sides_and_an_image_alone(weights):
    images = np.random.default_rng(1).integers(0, 256, (9, 37, 51), dtype=np.uint8)
    extractor = make(weights).fit(images)
    np.testing.assert_array_equal(extractor.transform(images[8:]), extractor.transform(images)[8:])


# --- onnxruntime and keras


def of_all_kinds():
    """A network with every kind of layer that can be written, set in every way."""
    layers = keras.layers
    pixels = keras.Input((33, 46))
    x = layers.Reshape((33, 46, 1))(pixels)
    x = layers.Rescaling([1 / 60, 1 / 70, 1 / 80], [-1.0, -2.0, 0.5])(layers.Concatenate()([x, x, x]))
    x = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1, 4, 9])(x)
    x = layers.Normalization()(layers.Rescaling(0.9)(x))
    x = layers.Conv2D(8, (3, 5), strides=2, padding="same", activation="relu")(x)
    x = layers.BatchNormalization(scale=False)(x)
    for padding, pool in [("same", layers.MaxPooling2D), ("valid", layers.AveragePooling2D)]:
        x = layers.DepthwiseConv2D((5, 3), padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(center=False, epsilon=0.01)(layers.ZeroPadding2D(((0, 1), (2, 1)))(x))
        x = pool(3, strides=2, padding=padding)(layers.ReLU(6.0)(x))
    x = layers.AveragePooling2D(3, strides=1, padding="same")(x)
    y = layers.Conv2D(8, 3, dilation_rate=2, groups=2, padding="same", activation="silu")(x)
    x = layers.Add()([x, layers.Activation("hard_silu")(y), layers.Dropout(0.5)(layers.ReLU()(y))])
    y = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
    y = layers.Conv2D(8, 1, activation="sigmoid")(y)
    x = layers.Multiply()([x, y, layers.GlobalMaxPooling2D(keepdims=True)(x)])
    return vary(
        keras.Model(pixels, layers.Concatenate()([layers.GlobalMaxPooling2D()(x), layers.GlobalMaxPooling2D()(y)]))
    )


def of_an_application(architecture, layer):
    pixels = keras.Input((81, 75))
    maps = build_backbone(architecture, pixels, layer=layer)
    return vary(keras.Model(pixels, keras.layers.GlobalMaxPooling2D()(maps)))


@onnxruntime
@pytest.mark.parametrize(
    "build",
    [
        of_all_kinds,
        partial(of_an_application, "ResNet50", "conv3_block1_out"),
    ],
    ids=["all kinds", "ResNet50"],
)
def test_onnxruntime_gives_what_keras_gives(build):
    model = build()
    images = np.random.default_rng(2).integers(0, 256, (2, *model.input.shape[1:]), dtype=np.uint8)
    run = open_graph(write_graph(model), model.get_weights())
    expected = keras.ops.convert_to_numpy(model(images, training=False))
    assert expected.std() > 0
    close(run(images), expected)


@pytest.fixture
def tiny(monkeypatch):
    """A function that makes the network of an extractor of one layer."""

    def make_tiny(layer):
        def build(recipe, weights):
            pixels = keras.Input(recipe.image_shape)
            maps = layer()(keras.layers.Reshape((*recipe.image_shape, 1))(pixels))
            return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(maps)), "maps"

        monkeypatch.setattr(_pretrained, "_build", build)
        return Network(Recipe("tiny", None, "avg", (48, 40)), None)

    return make_tiny


def test_a_layer_that_cannot_be_written_runs_on_keras(tiny):
    network = tiny(lambda: keras.layers.UpSampling2D(2))
    assert not network.uses_onnxruntime
    close(network.run(X), X.mean(axis=(1, 2), keepdims=True)[..., 0])


@onnxruntime
def test_keras_runs_with_the_moments_of_normalization(tiny, monkeypatch):
    network = tiny(keras.layers.Normalization)
    network.weights[:2] = np.array([[80.0], [900.0]], dtype=np.float32)
    expected = (X.mean(axis=(1, 2), keepdims=True)[..., 0] - 80) / 30
    close(network.run(X), expected)
    monkeypatch.setattr(_pretrained, "has_onnxruntime", lambda: False)
    close(pickle.loads(pickle.dumps(network)).run(X), expected)


@onnxruntime
@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.ReLU(negative_slope=0.1),
        lambda: keras.layers.ReLU(threshold=0.5),
        lambda: keras.layers.Normalization(axis=1),
        lambda: keras.layers.Normalization(invert=True),
        lambda: keras.layers.BatchNormalization(axis=1),
        lambda: keras.layers.Conv2D(2, 3, activation="tanh"),
        lambda: keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
        lambda: keras.layers.Reshape((40, 48, 1)),
        lambda: lambda x: x + 3,
        lambda: lambda x: keras.layers.Concatenate(axis=1)([x, x]),
    ],
)
def test_a_layer_set_otherwise_is_not_written(layer, tiny):
    assert not tiny(layer).uses_onnxruntime


def test_without_onnxruntime(without_onnxruntime, fitted, weights):
    plain = make(weights).fit(X)
    assert not plain._network.uses_onnxruntime
    close(plain.transform(X), fitted.transform(X))
    again = pickle.loads(pickle.dumps(plain))
    np.testing.assert_array_equal(again.transform(X), plain.transform(X))


def test_fitted_with_onnxruntime_and_used_without(fitted, without_onnxruntime):
    again = pickle.loads(pickle.dumps(fitted))
    assert not again._network.uses_onnxruntime
    close(again.transform(X), fitted.transform(X))


# --- copies, workers, the cache


@pytest.mark.parametrize("copied", [pickle, copy, joblib], ids=lambda m: m.__name__)
def test_copies_give_the_same_bits_and_hold_no_keras(fitted, copied, tmp_path):
    if copied is copy:
        other = copy.deepcopy(fitted)
    elif copied is joblib:
        joblib.dump(fitted, tmp_path / "extractor.joblib")
        other = joblib.load(tmp_path / "extractor.joblib")
    else:
        blob = pickle.dumps(fitted)
        assert b"keras" not in blob
        assert len(blob) < 1.1 * sum(w.nbytes for w in fitted._network.weights) + 200_000
        other = pickle.loads(blob)
    np.testing.assert_array_equal(other.transform(X), fitted.transform(X))
    np.testing.assert_array_equal(other.get_feature_names_out(), fitted.get_feature_names_out())


def test_clone(fitted):
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    assert not hasattr(copied, "_network")


@onnxruntime
def test_a_pickle_runs_without_keras_and_silently(fitted, tmp_path):
    joblib.dump(fitted, tmp_path / "extractor.joblib")
    code = (
        "import sys, joblib, numpy as np\n"
        f"X = np.zeros((2, 48, 40), dtype=np.uint8)\n"
        f"assert np.isfinite(joblib.load({str(tmp_path / 'extractor.joblib')!r}).transform(X)).all()\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)\n"
        "print('end', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "end\n")


def test_threads_give_the_same(fitted):
    images = np.tile(X, (12, 1, 1))
    threaded = copy.deepcopy(fitted).set_params(n_jobs=3)
    np.testing.assert_array_equal(threaded.transform(images), fitted.transform(images))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers(fitted, backend):
    with parallel_config(backend=backend):
        rows = Parallel(n_jobs=2)(delayed(fitted.transform)(X[i : i + 3]) for i in (0, 3))
    np.testing.assert_allclose(np.concatenate(rows), fitted.transform(X), rtol=1e-5, atol=1e-5)


def test_cross_validation_in_threads(weights):
    model = make_pipeline(make(weights), SVC())
    with parallel_config(backend="threading"):
        scores = cross_val_score(model, X, Y, cv=2, n_jobs=2)
    assert np.isfinite(scores).all()


def test_a_network_is_built_once_for_all_folds(weights, monkeypatch):
    built = []
    real = _pretrained._build
    monkeypatch.setattr(_pretrained, "_build", lambda *args: built.append(args) or real(*args))
    _pretrained._load_network.cache_clear()
    for n in (3, 4, 6):
        make(weights).fit(X[:n])
    assert len(built) == 1


def test_cache_knows_weights_layer_and_pooling(weights, tmp_path, monkeypatch):
    computed = []
    real = Network.run
    monkeypatch.setattr(Network, "run", lambda self, images: computed.append(len(images)) or real(self, images))

    def features(**changes):
        computed.clear()
        extractor = make(**{"weights": weights, "pooling": "avg", "cache": tmp_path / "cache"} | changes)
        return extractor.fit_transform(X), sum(computed)

    first, n = features()
    assert n == 6
    again, n = features()
    assert n == 0
    np.testing.assert_array_equal(again, first)
    for changes in ({"weights": None}, {"pooling": "max"}, {"layer": "conv_pw_2"}):
        other, n = features(**changes)
        assert n == 6
        assert not np.array_equal(other, first)


def test_cache_knows_weights_by_content(weights, tmp_path, monkeypatch):
    """However their file is spelt."""
    first = make(weights, cache=tmp_path / "cache").fit_transform(X)
    monkeypatch.chdir(weights.parent)
    monkeypatch.setattr(Network, "run", None)
    for path in (weights.name, str(weights)):
        np.testing.assert_array_equal(make(path, cache=tmp_path / "cache").fit_transform(X), first)


def test_the_same_path_with_other_weights(weights, mobilenet, tmp_path):
    path = tmp_path / "now.weights.h5"
    path.write_bytes(weights.read_bytes())
    extractor = make(path, cache=tmp_path / "cache")
    first = extractor.fit_transform(X)
    before = mobilenet.get_weights()
    mobilenet.set_weights([w + np.float32(0.1) for w in before])
    save(mobilenet, path)
    mobilenet.set_weights(before)
    assert not np.array_equal(extractor.fit_transform(X), first)


# --- what is refused


def test_names_its_errors(fitted):
    with pytest.raises(ValueError, match=r"architecture='MobilNetV2' is unknown; .* Close names: \['MobileNetV2'"):
        PretrainedExtractor(architecture="MobilNetV2").fit(X)
    with pytest.raises(ValueError, match="'pooling' parameter of PretrainedExtractor must be"):
        PretrainedExtractor(pooling="mean").fit(X)
    with pytest.raises(FileNotFoundError, match=r"weights='missing\.h5' is no file"):
        PretrainedExtractor(weights="missing.h5").fit(X)
    with pytest.raises(ValueError, match=r"at least 32 x 32 pixels, got \(20, 40\)"):
        make(None).fit(X[:, :20])
    with pytest.raises(ValueError, match="layer='nowhere' is unknown"):
        make(None, layer="nowhere").fit(X)
    with pytest.raises(ValueError, match=r"fitted on images of shape \(48, 40\)"):
        fitted.transform(X[:, :40])


def test_quiet_and_late():
    """Keras is imported when fitting; nothing is printed."""
    code = (
        "import sys, numpy as np\n"
        "from fracture_features.cnn._pretrained import PretrainedExtractor\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax', 'onnx', 'onnxruntime'} & set(sys.modules)\n"
        "X = np.random.default_rng(0).integers(0, 255, (3, 32, 32), dtype=np.uint8)\n"
        "PretrainedExtractor(architecture='MobileNet', weights=None, n_jobs=2).fit_transform(X)\n"
        "print('end', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "end\n")


def test_real_weights_at_448_pixels(shared_weights):
    """Features are keras' own to 1e-4."""
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (448, 448), dtype=np.uint8), (0, 0), 2)[None]
    model = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(448, 448, 3))
    model.load_weights(shared_weights)
    maps = maps_of(model, "block_16_expand", image)
    expected = np.concatenate([maps.mean(axis=(1, 2)), maps.max(axis=(1, 2))], axis=1)
    features = PretrainedExtractor(weights=shared_weights).fit_transform(image)
    assert expected.std() > 0.1
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-4)
