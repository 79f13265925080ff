"""Networks among the threads, processes and settings of others, and validation images of one's own."""

import os
import pickle
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest
from lines import bright_lines
from sklearn import config_context
from sklearn.metrics import log_loss

from fracture_features import make_pipeline
from fracture_features.cnn import CNNClassifier, PretrainedExtractor, _classifier, _fitted, _pretrained
from fracture_features.cnn._gradcam import grad_cam

keras = pytest.importorskip("keras")

X, y = bright_lines(40, (32, 32))
CNN = CNNClassifier(epochs=1, batch_size=8, random_state=0)


@pytest.fixture(scope="module")
def fitted():
    return CNNClassifier(epochs=1, batch_size=8, random_state=0).fit(X, y)


# --- threads and processes


@pytest.mark.parametrize("runtime", ["keras", "onnxruntime"])
def test_every_thread_asks_the_whole_network(fitted, monkeypatch, runtime):
    """Of a network just loaded, whose weights take their time."""
    expected = fitted.predict_proba(X)
    loaded = pickle.loads(pickle.dumps(fitted))
    if runtime == "keras":
        loaded._graph = None
    real = _fitted.restore_weights

    def restore(network, weights):
        time.sleep(0.3)
        real(network, weights)

    monkeypatch.setattr(_fitted, "restore_weights", restore)
    found = [None] * 4

    def ask(k):
        time.sleep(0.05 * k)
        found[k] = loaded.predict_proba(X)

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for probabilities in found:
        np.testing.assert_allclose(probabilities, expected, rtol=0, atol=2e-6)


FORK = """
import multiprocessing
import numpy as np
from joblib import Parallel, delayed
from fracture_features.cnn import CNNClassifier
X, y = np.random.default_rng(0).integers(0, 255, (20, 32, 32), dtype=np.uint8), np.arange(20) % 2
cnn = CNNClassifier(epochs=1, random_state=0)

def ask(name):
    try:
        if name == "fit":
            return str(cnn.fit(X, y))
        return str(cnn.model_ if name == "network" else cnn.predict_proba(X).shape)
    except RuntimeError as error:
        return str(error)

with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.apply(ask, ("fit",)))
cnn.fit(X, y)
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.apply(ask, ("predict",)))
    print(pool.apply(ask, ("network",)))
    print(pool.apply(ask, ("fit",)))
print(*Parallel(2, backend="loky")([delayed(cnn.predict_proba)(X[:1])])[0].shape)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_forked_child_does_not_wait_for_ever():
    """One that was forked before a network ran may train its own; onnxruntime predicts in any."""
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-2000:]
    first, predicted, one, other, loky = done.stdout.splitlines()
    assert predicted == "(20, 2)"  # onnxruntime does
    for message in (one, other):
        assert "CNNClassifier cannot run in a process that was forked" in message
        assert "loky" in message
        assert "spawn" in message
    assert first == "CNNClassifier(epochs=1, random_state=0)"
    assert loky == "1 2"


def test_a_first_training_in_a_thread_leaves_later_ones_their_threads():
    code = (
        "import os, numpy as np\n"
        "from joblib import Parallel, delayed\n"
        "from fracture_features.cnn import CNNClassifier\n"
        "X, cnn = np.zeros((8, 32, 32), dtype=np.uint8), CNNClassifier(epochs=1)\n"
        "Parallel(2, backend='threading')([delayed(cnn.fit)(X, np.arange(8) % 2)] )\n"
        "print([name for name in os.environ if name.startswith('TF_NUM')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- keras' settings


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64"])
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    assert keras.config.dtype_policy().name == request.param
    keras.config.set_dtype_policy(before)


def test_policies_change_nothing(fitted, policy):
    loaded = pickle.loads(pickle.dumps(fitted))
    again = CNNClassifier(epochs=1, batch_size=8, random_state=0).fit(X, y)
    for cnn in (loaded, again):
        assert {layer.compute_dtype for layer in cnn.model_.layers} == {"float32"}
        np.testing.assert_array_equal(cnn.predict_proba(X), fitted.predict_proba(X))
        np.testing.assert_array_equal(grad_cam(cnn, X[:2], 1), grad_cam(fitted, X[:2], 1))


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"], indirect=True)
@pytest.mark.parametrize("architecture", ["MobileNet", "MobileNetV3Small"])
def test_policies_change_no_extractor(policy, architecture):
    """One that onnxruntime runs, and one that keras does."""
    extractor = PretrainedExtractor(architecture=architecture, weights=None)
    rows = []
    for each in (policy, "float32"):
        keras.config.set_dtype_policy(each)
        _pretrained._load_network.cache_clear()
        rows.append(extractor.fit_transform(X[:2]))
    keras.config.set_dtype_policy(policy)
    _pretrained._load_network.cache_clear()
    np.testing.assert_array_equal(*rows)


def test_another_floatx_is_refused():
    keras.config.set_floatx("float16")
    try:
        with pytest.raises(ValueError, match=r"needs keras.config.floatx\(\) = 'float32', got 'float16'"):
            CNNClassifier(epochs=1).fit(X, y)
    finally:
        keras.config.set_floatx("float32")


# --- validation images of one's own


def test_validation_images_of_ones_own():
    """The measures are theirs, and every image of X trains."""
    other, truth = bright_lines(30, (32, 32), seed=5)
    weights = np.random.default_rng(0).uniform(0.5, 2, 30)
    names = np.array(["broken", "whole"])
    cnn = CNNClassifier(epochs=2, batch_size=8, class_weight={"whole": 3}, random_state=0)
    cnn.fit(X, names[y], X_val=other, y_val=names[truth], sample_weight_val=weights)
    p = cnn.predict_proba(other)
    best = int(np.argmin(cnn.history_["val_loss"]))
    expected = log_loss(truth, p, sample_weight=weights * np.array([1, 3])[truth])
    assert cnn.history_["val_loss"][best] == pytest.approx(expected, rel=1e-4)
    assert cnn.history_["val_accuracy"][best] == np.mean(p.argmax(axis=1) == truth)


def test_all_images_train_where_others_validate(monkeypatch):
    seen = []
    monkeypatch.setattr(_classifier, "train_network", lambda n, b, h, **_: seen.append((b, h)) or {"loss": [1.0]})
    CNNClassifier(random_state=0).fit(X, y, np.arange(40) > 3, X_val=X[:20], y_val=y[:20])
    batches, held_out = seen[0]
    assert sorted(batches.rows) == list(range(4, 40))
    assert held_out.rows.tolist() == list(range(20))
    assert held_out.stack is not batches.stack
    assert not held_out.augment


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_val": X}, "X_val and y_val go together"),
        ({"y_val": y}, "X_val and y_val go together"),
        ({"X_val": X, "y_val": y[:-1]}, "got 39 labels in y_val for 40 images"),
        ({"X_val": X, "y_val": y + 1}, r"every class of y and no other, \[0, 1\], got \[1, 2\]"),
        ({"X_val": X, "y_val": y * 0}, r"every class of y and no other, \[0, 1\], got \[0\]"),
        ({"X_val": X, "y_val": y, "sample_weight_val": y}, r"every class of y and no other, \[0, 1\], got \[1\]"),
        ({"X_val": X, "y_val": y, "sample_weight_val": y * 0}, "sample_weight_val leaves no image|zero"),
        ({"X_val": X[:, :30], "y_val": y}, r"fitted on images of shape \(32, 32\).*got images of shape \(30, 32\)"),
        ({"X_val": X / 255, "y_val": y}, "uint8"),
    ],
)
def test_validation_images_that_do_not_fit_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        CNNClassifier(epochs=1).fit(X, y, **given)


def test_validation_paths_through_a_pipeline(tmp_path):
    """Transformed where the pipeline is told to, or given as the steps before give them."""
    paths = np.array([str(tmp_path / f"{i}.png") for i in range(40)])
    for path, image in zip(paths, X, strict=True):
        cv2.imwrite(path, image)
    model = make_pipeline(classifier=CNN, image_size=32)
    train, other = np.arange(40) < 24, np.arange(40) >= 24
    expected = CNNClassifier(epochs=1, batch_size=8, random_state=0)
    expected.fit(X[train], y[train], X_val=X[other], y_val=y[other])
    model.fit(
        paths[train], y[train], classifier__X_val=model["images"].transform(paths[other]), classifier__y_val=y[other]
    )
    assert model[-1].history_ == expected.history_
    with config_context(enable_metadata_routing=True):
        routed = make_pipeline(classifier=CNN, image_size=32).set_params(transform_input=["X_val"])
        routed.fit(paths[train], y[train], X_val=paths[other], y_val=y[other])
    assert routed[-1].history_ == expected.history_
