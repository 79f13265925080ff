import random
import urllib.error
import warnings
from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected
from pathlib import Path

import numpy as np
import pytest

from fracture_features.cnn._applications import (
    _preprocess,
    application_names,
    build_backbone,
    restore_weights,
)

keras = pytest.importorskip("keras")

SHARED = Path(__file__).parents[2] / "shared"
MODULES = {
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "ResNet50": "resnet",
    "ResNet50V2": "resnet_v2",
    "DenseNet121": "densenet",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3Small": "mobilenet_v3",
    "EfficientNetB0": "efficientnet",
    "EfficientNetV2B0": "efficientnet_v2",
    "ConvNeXtTiny": "convnext",
    "NASNetMobile": "nasnet",
    "Xception": "xception",
    "InceptionV3": "inception_v3",
    "InceptionResNetV2": "inception_resnet_v2",
}
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 48, 40), dtype=np.uint8)


def bare(name, shape=(48, 40)):
    """The application as keras has it, every weight of it another than it is drawn."""
    model = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(*shape, 3))
    rng = np.random.default_rng(0)
    restore_weights(
        model, [w * rng.uniform(0.8, 1.2, w.shape) + rng.uniform(0, 0.05, w.shape) for w in model.get_weights()]
    )
    return model


def save(model, path):
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="__array__ implementation", category=DeprecationWarning
        )  # TensorFlow's
        (model.save_weights if "weights" in path.name else model.save)(path)


def maps_of(model, name, images):
    """Maps by keras' own way: three equal channels through the application's function."""
    rgb = np.repeat(images[..., None], 3, axis=-1).astype(np.float32)
    rgb = getattr(keras.applications, MODULES[name]).preprocess_input(rgb)
    return keras.ops.convert_to_numpy(model(rgb, training=False))


def backbone(name, shape=(48, 40), **kwargs):
    pixels = keras.Input(shape)
    return keras.Model(pixels, build_backbone(name, pixels, **kwargs))


def run(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


@pytest.fixture(scope="module")
def mobilenet():
    return bare("MobileNet")


@pytest.fixture(scope="module")
def mobilenet_file(mobilenet, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    save(mobilenet, path)
    return path


def test_names():
    names = application_names()
    assert names == sorted(names)
    assert {"VGG16", "ResNet50", "DenseNet121", "MobileNetV2", "EfficientNetB0"} <= set(names)
    assert set(names) == {name for name in dir(keras.applications) if name[0].isupper()}


@pytest.mark.parametrize("name", MODULES)
def test_preprocessing_is_the_applications_own(name):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    pixels = keras.Input((16, 16))
    application = getattr(keras.applications, name)
    ours = run(keras.Model(pixels, _preprocess(keras, application, pixels)), levels)
    rgb = np.repeat(levels[..., None], 3, axis=-1).astype(np.float32)
    expected = getattr(keras.applications, MODULES[name]).preprocess_input(rgb)
    assert ours.shape == (1, 16, 16, 3)
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


# EfficientNet has moments of its inputs among its weights, which keras' `set_weights` alone forgets.
@pytest.mark.parametrize("name", ["VGG16", "EfficientNetB0"])
def test_same_maps_as_the_bare_application_from_its_file(name, tmp_path):
    reference = bare(name)
    save(reference, tmp_path / "saved.weights.h5")
    expected = maps_of(reference, name, IMAGES)
    maps = run(backbone(name, weights=tmp_path / "saved.weights.h5"), IMAGES)
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_file_of_older_versions(mobilenet, tmp_path):
    save(mobilenet, tmp_path / "old.h5")
    maps = run(backbone("MobileNet", weights=str(tmp_path / "old.h5")), IMAGES)
    np.testing.assert_allclose(maps, maps_of(mobilenet, "MobileNet", IMAGES), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def shipped(shared_weights):
    model = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(None, None, 3))
    model.load_weights(shared_weights)
    return model


@pytest.mark.parametrize("size", [224, 448])
def test_shipped_weights(size, shared_weights, shipped):
    image = np.random.default_rng(1).integers(0, 256, (1, size, size), dtype=np.uint8)
    expected = maps_of(shipped, "MobileNetV2", image)
    maps = run(backbone("MobileNetV2", (size, size), weights=shared_weights), image)
    assert expected.std() > 0.1
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-5)


def test_inner_layer_flat_and_saved_without_lambda(tmp_path, mobilenet, mobilenet_file):
    model = backbone("MobileNet", weights=mobilenet_file, layer="conv_pw_9")
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert model.layers[-1].name == "conv_pw_9"
    inner = keras.Model(mobilenet.input, mobilenet.get_layer("conv_pw_9").output)
    expected = maps_of(inner, "MobileNet", IMAGES)
    np.testing.assert_allclose(run(model, IMAGES), expected, rtol=1e-4, atol=1e-5)
    save(model, tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(run(again, IMAGES), run(model, IMAGES))
    for_gradients = keras.Model(again.input, [again.get_layer("conv_pw_6").output, again.output])
    assert [len(maps.shape) for maps in for_gradients(IMAGES)] == [4, 4]


def test_fresh_weights_are_the_seeds_alone():
    before = random.getstate()
    a, b, c = (backbone("MobileNet", seed=seed, layer="conv_pw_1").get_weights() for seed in (3, 3, 4))
    assert random.getstate() == before
    np.testing.assert_equal(a, b)
    assert not np.array_equal(a[0], c[0])


def test_threads_that_build_together_draw_each_their_own():
    before = random.getstate()
    alone = backbone("MobileNet", seed=3, layer="conv_pw_1").get_weights()
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda seed: backbone("MobileNet", seed=seed, layer="conv_pw_1").get_weights(), [3] * 4)
        )
    for weights in together:
        np.testing.assert_equal(weights, alone)
    assert random.getstate() == before


# --- what is refused


@pytest.mark.parametrize("name", ["resnet50", "ResNet-50", "RestNet50"])
def test_unknown_name(name):
    with pytest.raises(ValueError, match=rf"architecture='{name}' is unknown; .* Close names: \['ResNet50'"):
        backbone(name)


def test_name_like_no_other():
    with pytest.raises(ValueError, match=r"architecture='qq' is unknown; .* There are \['ConvNeXtBase'.*'Xception'\]"):
        backbone("qq")


def test_unknown_layer():
    with pytest.raises(ValueError, match=r"layer='conv_pw_13_rel' is unknown; .* of MobileNet .*'conv_pw_13_relu'"):
        backbone("MobileNet", layer="conv_pw_13_rel")


@pytest.mark.parametrize(("name", "smallest"), [("MobileNetV2", 32), ("InceptionV3", 75)])
def test_too_small(name, smallest):
    with pytest.raises(
        ValueError, match=rf"'{name}' needs images of at least {smallest} x {smallest} .* got \(90, 31\)"
    ):
        backbone(name, (90, 31))


def test_no_such_file():
    with pytest.raises(FileNotFoundError, match=r"weights='no/such\.h5' is no file; expected 'imagenet', None or"):
        backbone("MobileNetV2", weights=Path("no/such.h5"))


def test_file_of_another_network(mobilenet_file):
    with pytest.raises(ValueError, match=r"weights='.*mobilenet\.weights\.h5' does not hold the weights of VGG16 "):
        backbone("VGG16", weights=mobilenet_file)


@pytest.mark.parametrize("file", ["broken.weights.h5", "broken.h5", "broken.keras", "broken.txt"])
def test_broken_file(file, tmp_path):
    (tmp_path / file).write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=rf"weights='.*{file}' does not hold the weights of MobileNet "):
        backbone("MobileNet", weights=tmp_path / file)


@pytest.mark.parametrize(
    "failure", [urllib.error.URLError("no route"), TimeoutError("no route"), RemoteDisconnected("no route")]
)
def test_imagenet_without_a_network(failure, monkeypatch, tmp_path):
    from keras.src.utils import file_utils

    def refuse(*args, **kwargs):
        raise failure

    monkeypatch.setattr(file_utils, "urlretrieve", refuse)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    message = r"weights='imagenet': .*MobileNet .*no route.* weights='path of"
    with pytest.raises(ConnectionError, match=message) as raised:
        backbone("MobileNet", weights="imagenet")
    if isinstance(failure, urllib.error.URLError):
        assert "URL fetch failure on https://" in str(raised.value.__cause__)


def test_imagenet_fetched(monkeypatch, mobilenet, mobilenet_file):
    """At a size that ImageNet's weights were not learned at, of which keras would warn."""
    from keras.src.utils import file_utils

    monkeypatch.setattr(file_utils, "get_file", lambda *args, **kwargs: str(mobilenet_file))
    maps = run(backbone("MobileNet", weights="imagenet"), IMAGES)
    np.testing.assert_allclose(maps, maps_of(mobilenet, "MobileNet", IMAGES), rtol=1e-4, atol=1e-5)
