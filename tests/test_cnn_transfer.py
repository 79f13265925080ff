"""Architectures, weights that are given, and what of them is trained."""

import pickle
import random
import shutil
import warnings

import numpy as np
import pytest
from lines import bright_lines
from sklearn.metrics import roc_auc_score

from fracture_features.cnn import CNNClassifier, _frozen, _training
from fracture_features.cnn._architectures import build_network, thaw
from fracture_features.cnn._frozen import make_runner, split_frozen
from fracture_features.cnn._onnx import has_onnxruntime

keras = pytest.importorskip("keras")

X, y = bright_lines(24, (32, 32))


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory):
    """A weights file as one would be given, of random weights."""
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    enliven(network.layers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # keras saves by NumPy's old ways
        network.save_weights(path)
    return path


def enliven(layers):
    """Scale random kernels, so that maps neither blow up nor fade out from layer to layer."""
    for layer in layers:
        if hasattr(layer, "kernel"):
            kernel, *bias = layer.get_weights()
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            kernel *= 1.4 / kernel.std() / (kernel[..., 0, 0] if depthwise else kernel[..., 0]).size ** 0.5
            layer.set_weights([kernel, *bias])


def trained_names(network):
    return [layer.name for layer in network.layers if layer.trainable_weights]


# --- architectures


@pytest.mark.parametrize(("architecture", "largest"), [("small", 100_000), ("residual", 260_000)])
@pytest.mark.parametrize("shape", [(32, 32), (33, 100), (256, 256), (600, 513)])
def test_any_shape(architecture, largest, shape):
    network = build_network(architecture, shape, 4)
    p = keras.ops.convert_to_numpy(network(np.full((2, *shape), 200, dtype=np.uint8), training=False))
    assert p.shape == (2, 4)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert network.count_params() < largest


@pytest.mark.parametrize("architecture", ["small", "residual", pytest.param("EfficientNetB0", marks=pytest.mark.slow)])
def test_flat_and_seeded(architecture):
    before = random.getstate()
    networks = [build_network(architecture, (48, 40), 2, dropout=0.3, seed=seed) for seed in (0, 0, 1)]
    assert random.getstate() == before
    assert not any(isinstance(layer, keras.Model) for layer in networks[0].layers)
    first, same, other = (network.get_weights() for network in networks)
    for a, b in zip(first, same, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert len(trained_names(networks[0])) > 5


def test_residual_learns():
    images, labels = bright_lines(72)
    cnn = CNNClassifier(architecture="residual", epochs=5, batch_size=12, random_state=0).fit(images, labels)
    test_images, test_labels = bright_lines(48, seed=1)
    assert roc_auc_score(test_labels, cnn.predict_proba(test_images)[:, 1]) > 0.9


# --- transfer


def test_head_alone_then_the_last_layers(random_weights):
    network = build_network("MobileNetV2", (32, 32), 2, weights=random_weights)
    head = network.layers[-1].name
    assert trained_names(network) == [head]
    thaw(network, 0)
    assert trained_names(network) == [head]
    thaw(network, 3)
    assert trained_names(network) == ["block_16_depthwise", "block_16_project", "Conv_1", head]
    thaw(network, 10_000)
    kinds = {type(layer) for layer in network.layers if layer.trainable_weights}
    assert kinds == {keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense}
    assert len(trained_names(network)) == 53


def moved(cnn, weights):
    """Layers below the head whose weights are no longer those of the file."""
    given = build_network("MobileNetV2", (32, 32), 2, weights=weights)
    pairs = zip(cnn.model_.layers[:-1], given.layers[:-1], strict=True)
    return [a.name for a, b in pairs if a.weights and not all(map(np.array_equal, a.get_weights(), b.get_weights()))]


def test_head_alone_is_trained_and_a_pickle_needs_no_file(random_weights, tmp_path):
    copy = tmp_path / "copy.weights.h5"
    shutil.copy(random_weights, copy)
    cnn = CNNClassifier(architecture="MobileNetV2", weights=copy, epochs=1, batch_size=8, random_state=0).fit(X, y)
    assert moved(cnn, copy) == []
    copy.unlink()
    again = pickle.loads(pickle.dumps(cnn))
    np.testing.assert_array_equal(again.predict_proba(X), cnn.predict_proba(X))


def test_fine_tuning_moves_the_last_layer_alone(random_weights):
    common = {"architecture": "MobileNetV2", "weights": random_weights, "validation_fraction": None}
    cnn = CNNClassifier(trainable_layers=1, epochs=2, random_state=0, **common).fit(X, y)
    assert moved(cnn, random_weights) == ["Conv_1"]
    assert cnn.n_iter_ == 2


# --- the frozen part runs apart


@pytest.mark.parametrize(
    ("name", "thawed", "last"),
    [
        ("MobileNetV2", 0, "concatenate"),
        ("MobileNetV2", 4, "block_15_add"),
        ("MobileNetV2", 5, "block_14_add"),  # block_15_project trains, and block_15_add goes round it
        pytest.param("DenseNet121", 4, "conv5_block14_concat", marks=pytest.mark.slow),
        ("ConvNeXtTiny", 0, "concatenate"),  # on keras in any case
    ],
)
@pytest.mark.parametrize("runtime", [True, False], ids=["onnxruntime", "keras"])
def test_body_and_head_are_the_network(name, thawed, last, runtime, monkeypatch):
    if runtime and not has_onnxruntime():
        pytest.skip("onnx or onnxruntime is not installed")
    monkeypatch.setattr(_frozen, "has_onnxruntime", lambda: runtime)
    network = frozen_network(name, thawed)
    body, head = split_frozen(network)
    assert body.layers[-1].name.startswith(last)
    assert [w.path for w in head.trainable_weights] == [w.path for w in network.trainable_weights]
    assert not body.trainable_weights
    images = np.random.default_rng(0).integers(0, 256, (3, 40, 48), dtype=np.uint8)
    expected = keras.ops.convert_to_numpy(network(images, training=False))
    given = keras.ops.convert_to_numpy(head(make_runner(body)(images), training=False))
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(given, expected, atol=1e-4)


def frozen_network(name, thawed):
    """As if its random weights had been given."""
    network = build_network(name, (40, 48), 2)
    enliven(network.layers[:-1])
    for layer in network.layers[:-1]:
        layer.trainable = False
    thaw(network, thawed)
    return network


@pytest.mark.parametrize("name", ["small", "EfficientNetB0"])
def test_what_trains_from_its_first_layer_has_no_body(name):
    network = build_network(name, (40, 48), 2)
    assert split_frozen(network) == (None, network)


@pytest.mark.parametrize(
    "runtime", [pytest.param(True, id="onnxruntime"), pytest.param(False, id="keras", marks=pytest.mark.slow)]
)
def test_training_apart_is_training_whole(random_weights, runtime, monkeypatch):
    if runtime and not has_onnxruntime():
        pytest.skip("onnx or onnxruntime is not installed")
    monkeypatch.setattr(_frozen, "has_onnxruntime", lambda: runtime)
    cnn = CNNClassifier(
        architecture="MobileNetV2", weights=random_weights, epochs=2, trainable_layers=3, random_state=0
    )
    apart, history = cnn.fit(X, y).predict_proba(X), cnn.history_
    monkeypatch.setattr(_training, "split_frozen", lambda network: (None, network))
    whole = cnn.fit(X, y).predict_proba(X)
    assert np.ptp(whole) > 0.1
    np.testing.assert_allclose(apart, whole, atol=1e-4)
    np.testing.assert_allclose(history["val_loss"], cnn.history_["val_loss"], atol=1e-4)


def test_real_weights_transfer(shared_weights):
    """On drawings that differ by their texture alone, which random features hardly tell apart in two epochs."""
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.integers(0, 2, (96, 12, 12)), np.ones((1, 8, 8))) * 120
    stripes = np.broadcast_to((np.arange(96) // 4 % 2) * 120, (96, 96, 96))
    labels = np.arange(96) % 2
    images = np.where(labels[:, None, None] == 1, coarse, stripes) + rng.integers(0, 100, (96, 96, 96))
    images = images.astype(np.uint8)
    cnn = CNNClassifier(architecture="MobileNetV2", weights=shared_weights, epochs=3, random_state=0)
    cnn.fit(images[:64], labels[:64])
    assert cnn.score(images[64:], labels[64:]) > 0.95
    assert "imagenet" not in repr(cnn)


# --- errors


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"weights": "imagenet"},
            r"weights='imagenet' are for a network of keras.applications; architecture='small' is trained from scratch",
        ),
        ({"weights": 3}, "The 'weights' parameter of CNNClassifier must be"),
        (
            {"architecture": "MobileNetV2", "trainable_layers": 2},
            "trainable_layers=2 fine-tunes a network that has weights",
        ),
        (
            {"architecture": "MobileNetV2", "weights": "x.h5", "trainable_layers": 2, "epochs": 1},
            "trainable_layers=2 needs epochs for the head .* at least 2, got epochs=1",
        ),
        ({"trainable_layers": -1}, "The 'trainable_layers' parameter of CNNClassifier must be"),
        ({"architecture": "InceptionV3"}, r"architecture='InceptionV3' needs images of at least 75 x 75 pixels"),
    ],
)
def test_refuses_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        CNNClassifier(**params).fit(X, y)


def test_refuses_a_file_that_is_not_there():
    with pytest.raises(FileNotFoundError, match=r"weights='nowhere\.h5' is no file"):
        CNNClassifier(architecture="MobileNetV2", weights="nowhere.h5").fit(X, y)


def test_refuses_the_weights_of_another_network(random_weights):
    with pytest.raises(ValueError, match=r"mobilenet\.weights\.h5' does not hold the weights of MobileNet "):
        CNNClassifier(architecture="MobileNet", weights=random_weights).fit(X, y)
