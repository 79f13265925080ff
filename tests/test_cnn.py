import copy
import gc
import logging
import pickle
import random
import subprocess
import sys
import weakref

import joblib
import numpy as np
import pytest
from lines import bright_lines
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from fracture_features.cnn import CNNClassifier, _classifier, _fitted, _parts
from fracture_features.cnn._architectures import build_network
from fracture_features.cnn._data import Batches
from fracture_features.cnn._keras import _without_native_stderr, without_retracing_warnings
from fracture_features.cnn._split import validation_split

keras = pytest.importorskip("keras")


X, y = bright_lines(72)
X_TEST, Y_TEST = bright_lines(48, seed=1)


@pytest.fixture(scope="module")
def fitted():
    return CNNClassifier(epochs=5, batch_size=12, random_state=0).fit(X, y)


@pytest.fixture
def untrained(monkeypatch):
    """Fits that leave the network as it was drawn: for what is not about training."""
    seen = []

    def note(network, batches, held_out, **_):
        seen.append((batches, held_out))
        return {"loss": [1.0]}

    monkeypatch.setattr(_classifier, "train_network", note)
    return seen


# --- learning


def test_learns(fitted):
    assert roc_auc_score(Y_TEST, fitted.predict_proba(X_TEST)[:, 1]) > 0.9
    assert fitted.score(X_TEST, Y_TEST) > 0.8


def test_attributes(fitted):
    assert fitted.classes_.tolist() == [0, 1]
    assert fitted.image_shape_ == (40, 32)
    assert fitted.n_iter_ == 5
    assert set(fitted.history_) == {"loss", "accuracy", "val_loss", "val_accuracy", "val_roc_auc"}
    assert all(len(v) == 5 and all(type(x) is float for x in v) for v in fitted.history_.values())
    assert fitted.history_["loss"][-1] < fitted.history_["loss"][0]
    assert isinstance(fitted.model_, keras.Model)
    assert fitted.model_.count_params() < 100_000


def test_keeps_the_weights_of_the_best_epoch(fitted):
    codes, groups = np.unique(y, return_inverse=True)[1], None
    rows = validation_split(codes, groups, fitted.validation_fraction, np.random.default_rng(fitted._draw_seed()))[1]
    p = fitted.predict_proba(X[rows])[np.arange(len(rows)), y[rows]]
    assert -np.log(p).mean() == pytest.approx(min(fitted.history_["val_loss"]), abs=1e-3)


def test_stops_early_if_asked_and_works_with_three_string_labels():
    images, codes = bright_lines(60, n_classes=3)
    labels = np.array(["ankle", "hip", "wrist"])[codes]
    cnn = CNNClassifier(epochs=9, learning_rate=1e-9, random_state=0)  # nothing is learned
    assert cnn.fit(images, labels).n_iter_ == 9
    assert cnn.set_params(patience=1).fit(images, labels).n_iter_ < 9
    p = cnn.predict_proba(images[:7])
    assert p.shape == (7, 3)
    assert p.dtype == np.float64
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=0, atol=1e-15)
    assert set(cnn.predict(images)) <= set(labels)
    assert cnn.predict(images[:1]).dtype == labels.dtype


def test_class_weight_matters():
    noise = np.random.default_rng(0).integers(0, 255, (40, 32, 32), dtype=np.uint8)
    labels = (np.arange(40) < 8).astype(int)

    def mean_probability(class_weight):
        cnn = CNNClassifier(
            class_weight=class_weight, epochs=2, random_state=0, validation_fraction=None, augment=False
        )
        return cnn.fit(noise, labels).predict_proba(noise)[:, 1].mean()

    assert mean_probability(None) < mean_probability({0: 1, 1: 50}) - 0.1


def test_weights_in_the_loss(untrained):
    labels, ones = np.repeat([0, 1], [54, 18]), np.ones(72)
    for class_weight in ("balanced", {1: 3}, None):
        CNNClassifier(class_weight=class_weight, random_state=0).fit(X, labels, sample_weight=ones + labels)
    for (batches, _), ratio in zip(untrained, (3, 6, 2), strict=True):
        weights, codes = batches.weights[batches.rows], labels[batches.rows]
        assert weights[codes == 1][0] / weights[codes == 0][0] == pytest.approx(ratio, rel=0.06)
    for batches in untrained[0]:
        assert batches.weights.dtype == np.float32
        assert batches.weights[batches.rows].mean() == pytest.approx(1)


# --- randomness


def test_same_seed_same_bits_and_global_states_untouched(fitted):
    keras.utils.set_random_seed(5)
    keras.random.uniform((1,))
    expected = keras.ops.convert_to_numpy(keras.random.uniform((3,)))
    keras.utils.set_random_seed(5)
    keras.random.uniform((1,))
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    again = CNNClassifier(epochs=5, batch_size=12, random_state=0).fit(X, y)
    p = again.predict_proba(X_TEST)
    assert random.getstate() == before[0]
    np.testing.assert_equal(np.random.get_state(), before[1])  # noqa: NPY002
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(keras.random.uniform((3,))), expected)
    np.testing.assert_array_equal(p, fitted.predict_proba(X_TEST))
    assert again.history_ == fitted.history_


def test_other_seeds_differ(untrained):
    def first_probability(random_state):
        return CNNClassifier(random_state=random_state).fit(X, y).predict_proba(X[:1])[0, 0]

    rng = np.random.RandomState(5)
    drawn = [first_probability(s) for s in (None, None, 0, 1, rng, rng)]
    assert len(set(drawn)) == 6
    assert first_probability(1) == drawn[3]


def test_batches_depend_on_seed_and_epoch_alone():
    codes, weights, rows = y, np.ones(len(y), dtype=np.float32), np.arange(10, 40)
    a, b = (Batches(X, codes, weights, rows, 8, seed=3, augment=True) for _ in range(2))
    assert len(a) == 4
    b[2], b[0]
    first = [a[i] for i in range(4)]
    for i in range(4):
        np.testing.assert_equal(first[i], b[i])
    assert first[0][0].dtype == np.uint8
    assert sorted(np.concatenate([batch[1] for batch in first])) == sorted(y[rows])
    a.next_epoch()
    assert not np.array_equal(a[0][0], first[0][0])


def test_validation_images_stay_as_they_are(untrained):
    CNNClassifier(random_state=0).fit(X, y)
    CNNClassifier(random_state=0, augment=False, validation_fraction=None).fit(X, y)
    (train, held_out), (plain, nothing) = untrained
    rows = held_out.rows
    np.testing.assert_array_equal(held_out[0][0], X[rows])
    assert not set(rows) & set(train.rows)
    assert len(rows) + len(train.rows) == len(X)
    first = len(train[0][0])
    assert not np.array_equal(train[0][0], X[train.order[:first]])
    np.testing.assert_array_equal(plain[0][0], X[plain.order[:first]])
    assert nothing is None
    assert len(plain.rows) == len(X)


# --- the validation part


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.6])
def test_split_is_stratified_without_groups(fraction):
    codes = np.repeat([0, 1, 2], [200, 40, 3])
    train, validation = validation_split(codes, None, fraction, np.random.default_rng(0))
    assert sorted([*train, *validation]) == list(range(243))
    assert np.bincount(codes[validation]).tolist() == [
        200 * fraction,
        40 * fraction,
        max(round(3 * fraction), 1),
    ]


@pytest.mark.parametrize("fraction", [0.15, 0.4])
def test_split_keeps_groups_together(fraction):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), rng.integers(1, 40, 60))
    codes = (rng.random(len(groups)) < rng.random(60)[groups] * 0.4).astype(int)
    train, validation = validation_split(codes, groups, fraction, rng)
    assert not set(groups[train]) & set(groups[validation])
    assert len(train) + len(validation) == len(codes)
    held_out = np.bincount(codes[validation]) / np.bincount(codes)
    np.testing.assert_allclose(held_out, fraction, atol=0.03)


def test_split_of_many_classes_with_two_groups_each():
    codes = np.repeat(np.arange(10), 6)
    groups = np.repeat(np.arange(20), 3)
    for seed in range(10):
        train, validation = validation_split(codes, groups, 0.5, np.random.default_rng(seed))
        assert len(np.unique(codes[train])) == len(np.unique(codes[validation])) == 10
        assert not {*groups[train]} & {*groups[validation]}


def test_images_of_weight_0_might_as_well_not_be_there():
    weight = np.arange(72) % 3 > 0
    cnn = CNNClassifier(epochs=2, random_state=0)
    kept = cnn.fit(X[weight], y[weight]).predict_proba(X_TEST)
    np.testing.assert_array_equal(cnn.fit(X, y, sample_weight=weight).predict_proba(X_TEST), kept)


def test_fit_keeps_groups_together(untrained):
    names = np.array([f"patient {i // 4}" for i in range(len(X))])
    CNNClassifier(random_state=0).fit(X, y, groups=names)
    train, held_out = untrained[0]
    assert not set(names[train.rows]) & set(names[held_out.rows])


def test_too_little_for_a_validation_part(untrained):
    few = np.array([0] * 71 + [1])
    with pytest.raises(ValueError, match=r"validation_fraction=0\.1 asks .* the rarest class has 1 images"):
        CNNClassifier().fit(X, few)
    with pytest.raises(ValueError, match=r"validation_fraction=0\.1 asks .* the rarest class has 1 groups"):
        CNNClassifier().fit(X, y, groups=y)
    CNNClassifier(validation_fraction=None).fit(X, few)


def test_groups_reach_fit_by_routing(untrained, monkeypatch):
    seen = []
    real = _parts.validation_split
    monkeypatch.setattr(_parts, "validation_split", lambda c, g, *a: seen.append(g) or real(c, g, *a))
    groups = np.arange(len(X)) // 3
    model = Pipeline([("images", FunctionTransformer()), ("classifier", CNNClassifier(random_state=0))])
    grid = GridSearchCV(model, {"classifier__dropout": [0.1, 0.2]}, cv=GroupKFold(2))
    with config_context(enable_metadata_routing=True):
        grid.fit(X, y, groups=groups)
    assert [g is None for g in seen] == [False] * 5
    seen.clear()
    grid.fit(X, y, groups=groups)
    assert [g is None for g in seen] == [True] * 5


# --- a scikit-learn classifier in every respect


def test_tags():
    tags = get_tags(CNNClassifier())
    assert is_classifier(CNNClassifier())
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array
    assert tags.non_deterministic
    assert not get_tags(CNNClassifier(random_state=0)).non_deterministic


def test_clone_keeps_parameters(fitted):
    params = {
        "epochs": 3,
        "dropout": 0.1,
        "class_weight": {0: 1.0, 1: 2.0},
        "augment": False,
        "on_interrupt": "keep_best",
    }
    cnn = CNNClassifier(**params)
    assert clone(cnn).get_params() == cnn.get_params()
    assert params.items() <= clone(cnn).get_params().items()
    assert not hasattr(clone(fitted), "classes_")


def test_refit_forgets(untrained):
    cnn = CNNClassifier(random_state=0).fit(X, y)
    cnn.set_params(random_state=1).fit(bright_lines(30, (32, 48), n_classes=3)[0], np.arange(30) % 3)
    assert cnn.image_shape_ == (32, 48)
    assert cnn.predict_proba(np.zeros((1, 32, 48), dtype=np.uint8)).shape == (1, 3)
    fresh = CNNClassifier(random_state=0).fit(X, y)
    np.testing.assert_array_equal(cnn.set_params(random_state=0).fit(X, y).predict_proba(X), fresh.predict_proba(X))


def test_parameters_set_after_fit_leave_predictions_alone(fitted):
    other = copy.deepcopy(fitted).set_params(dropout=0.9, random_state=7)
    np.testing.assert_array_equal(other.predict_proba(X_TEST), fitted.predict_proba(X_TEST))


@pytest.mark.parametrize("copied", [pickle, copy, joblib], ids=lambda m: m.__name__)
def test_copies_predict_the_same_bits(fitted, copied, tmp_path):
    if copied is pickle:
        blob = pickle.dumps(fitted)
        assert len(blob) < 1.1 * sum(w.nbytes for w in fitted._weights) + 5_000
        other = pickle.loads(blob)
    elif copied is copy:
        other = copy.deepcopy(fitted)
        assert other.model_ is not fitted.model_
    else:
        joblib.dump(fitted, tmp_path / "cnn.joblib")
        other = joblib.load(tmp_path / "cnn.joblib")
    np.testing.assert_array_equal(other.predict_proba(X_TEST), fitted.predict_proba(X_TEST))
    assert other.history_ == fitted.history_
    assert other.get_params() == fitted.get_params()


def test_nothing_remains_of_training(monkeypatch):
    """Neither the trained network nor the images, which TensorFlow would both keep for the life of the process."""
    networks = []
    images = X.copy()
    remains = weakref.ref(images)

    def build(*args, **kwargs):
        network = build_network(*args, **kwargs)
        networks.append(weakref.ref(network))
        return network

    for module in (_classifier, _fitted):
        monkeypatch.setattr(module, "build_network", build)
    cnn = CNNClassifier(epochs=1, random_state=0)
    cnn.fit(images, y).predict(X_TEST)
    assert cnn.model_ is networks[-1]()  # Grad-CAM asks for it
    del images
    gc.collect()
    assert [network() is None for network in networks] == [True, False]
    assert remains() is None


def test_takes_a_memory_map_in_blocks(fitted, tmp_path, untrained):
    np.save(tmp_path / "stack.npy", X)
    stack = np.load(tmp_path / "stack.npy", mmap_mode="r")
    np.testing.assert_array_equal(fitted.predict_proba(stack), fitted.predict_proba(X))
    CNNClassifier().fit(stack, y)
    assert untrained[0][0].stack is stack


def test_quiet_and_late():
    """Keras is imported when fitting; nothing is printed, Python's warnings apart."""
    code = (
        "import sys, warnings, numpy as np\n"
        "from fracture_features.cnn import CNNClassifier\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)\n"
        "X = np.random.default_rng(0).integers(0, 255, (24, 32, 32), dtype=np.uint8)\n"
        "CNNClassifier(epochs=1).fit(X, np.arange(24) % 2).predict(X)\n"
        "print('end', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "end\n")


def test_retracing_is_no_news(caplog):
    logger = logging.getLogger("tensorflow")
    message = "5 out of the last 9 calls to <f> triggered tf.function retracing."
    with without_retracing_warnings():
        logger.warning(message)
        logger.warning("another")
    logger.warning(message)
    assert [record.getMessage() for record in caplog.records] == ["another", message]


def test_import_shows_python_warnings(capfd):
    code = "import os, warnings; os.write(2, b'greeting'); warnings.warn('real', UserWarning)"
    with pytest.warns(UserWarning, match="real"), _without_native_stderr():
        exec(code)
    assert "greeting" not in capfd.readouterr().err


# --- errors


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        (X.astype(np.float32), "expects images of dtype uint8 .* got dtype float32"),
        (X[0], r"shape \(n_samples, height, width\), got an array of shape \(40, 32\)"),
        (X[:, :20], r"needs images of at least 32 x 32 pixels, got \(20, 32\)"),
    ],
)
def test_refuses_images(stack, message, untrained):
    with pytest.raises(ValueError, match=message):
        CNNClassifier().fit(stack, y[: len(stack)] if len(stack) == len(y) else y[:1])


@pytest.mark.parametrize(
    ("labels", "kw", "message"),
    [
        (y[:-1], {}, "got 71 labels in y for 72 images"),
        (np.full(72, "hip"), {}, r"needs two classes or more in y, got one class: \['hip'\]"),
        (y + 0.5, {}, "Unknown label type: continuous"),
        (y, {"groups": np.arange(5)}, r"groups must have one entry for each of 72 images, got shape \(5,\)"),
        (y, {"groups": [None] + ["p"] * 71}, "groups must be known for every image, got 1 missing"),
        (y, {"sample_weight": np.zeros(72)}, "weight"),
        (y, {"sample_weight": -np.ones(72)}, "[Nn]egative"),
    ],
)
def test_refuses_labels(labels, kw, message, untrained):
    with pytest.raises(ValueError, match=message):
        CNNClassifier().fit(X, labels, **kw)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"architecture": "huge"},
            r"'architecture' parameter .* must be a str among (?=.*'MobileNetV2')(?=.*'small').*\. Got 'huge'",
        ),
        (
            {"class_weight": {0: 1, "x": 2}},
            r"class_weight has the labels \['x'\], y has the classes \[0, 1\]",
        ),
        ({"class_weight": {0: -1}}, "class_weight must hold finite numbers of at least 0, got -1 for 0"),
        ({"class_weight": {1: np.nan}}, "class_weight must hold finite numbers of at least 0, got nan for 1"),
        ({"class_weight": {1: "much"}}, "class_weight must hold finite numbers of at least 0, got 'much' for 1"),
        ({"class_weight": "even"}, "'class_weight' parameter"),
        ({"epochs": 0}, "'epochs' parameter"),
        ({"on_interrupt": "stop"}, "'on_interrupt' parameter"),
        ({"dropout": 1.0}, "'dropout' parameter"),
        ({"validation_fraction": 1.5}, "'validation_fraction' parameter"),
        ({"augment": "yes"}, "'augment' parameter"),
    ],
)
def test_refuses_parameters(params, message, untrained):
    with pytest.raises(ValueError, match=message):
        CNNClassifier(**params).fit(X, y)


def test_refuses_channels_that_come_first(untrained):
    import keras

    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match=r"image_data_format\(\) = 'channels_first'"):
            CNNClassifier().fit(X, y)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_refuses_to_predict(fitted):
    with pytest.raises(NotFittedError):
        CNNClassifier().predict(X)
    with pytest.raises(ValueError, match=r"fitted on images of shape \(40, 32\) .* got images of shape \(32, 40\)"):
        fitted.predict(X.transpose(0, 2, 1))
    with pytest.raises(ValueError, match="dtype uint8"):
        fitted.predict(X / 255)
