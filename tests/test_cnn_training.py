"""What is shown of a training, what ends it early, and what it leaves behind."""

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from lines import bright_lines
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from fracture_features.cnn import CNNClassifier, _progress, _training
from fracture_features.cnn._split import validation_split
from fracture_features.cnn._targets import loss_weights

pytest.importorskip("keras")

X, y = bright_lines(40, (32, 32))


@pytest.fixture(autouse=True)
def hears_ctrl_c():
    """Where the shell that started the tests ignores it, too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def ctrl_c(monkeypatch):
    """Have Ctrl-C pressed in each of the steps that are given, counted from 1; gives the number of the next step."""

    def press(*steps, number=signal.SIGINT):
        count = itertools.count(1)
        real = _training._Watch.batch_end

        def batch_end(self, batch, logs):
            for _ in range(steps.count(next(count))):
                os.kill(os.getpid(), number)
                time.sleep(0.01)
            real(self, batch, logs)

        monkeypatch.setattr(_training._Watch, "batch_end", batch_end)
        return count

    return press


# --- what is shown


def test_history_and_a_line_an_epoch(capsys):
    cnn = CNNClassifier(epochs=2, batch_size=8, random_state=0, verbose=2).fit(X, y)
    out, err = capsys.readouterr()
    assert err == ""
    for k, line in enumerate(out.splitlines()):
        expected = (
            rf"Epoch {k + 1}/2: loss {cnn.history_['loss'][k]:.3f}, validation loss {cnn.history_['val_loss'][k]:.3f}, "
            rf"validation ROC AUC {cnn.history_['val_roc_auc'][k]:.3f}, \d+ s"
        )
        assert re.fullmatch(expected, line)
    assert len(out.splitlines()) == 2


def test_validation_measures_are_those_of_the_validation_part():
    images, codes = bright_lines(60, (32, 32), n_classes=3)
    cnn = CNNClassifier(epochs=1, batch_size=8, class_weight={2: 3}, validation_fraction=0.4, random_state=0)
    cnn.fit(images, codes)
    rows = validation_split(codes, None, 0.4, np.random.default_rng(cnn._draw_seed()))[1]
    p = cnn.predict_proba(images[rows])
    weights = np.array([1, 1, 3])[codes[rows]]
    loss = np.average(-np.log(p[np.arange(len(rows)), codes[rows]]), weights=weights)
    assert cnn.history_["val_loss"] == pytest.approx([loss], abs=1e-5)
    assert cnn.history_["val_accuracy"] == pytest.approx([(p.argmax(axis=1) == codes[rows]).mean()])
    assert cnn.history_["val_roc_auc"] == pytest.approx([roc_auc_score(codes[rows], p, multi_class="ovr")], abs=1e-6)


def test_bar(capsys):
    cnn = CNNClassifier(epochs=2, batch_size=8, random_state=0, verbose=1).fit(X, y)
    out, err = capsys.readouterr()
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith(
        f"Epoch 2/2: loss {cnn.history_['loss'][1]:.3f}, validation ROC AUC {cnn.history_['val_roc_auc'][1]:.3f}"
    )
    assert last.rstrip().endswith("left")


def test_bar_is_full_where_training_stops_early():
    with _progress.TrainingProgress(1, 4, 5) as progress:
        for _ in range(5):
            progress.batch_end()
        progress.epoch_end({"loss": [0.5]})
        assert progress.bar.tasks[0].percentage == 25
    assert progress.bar.tasks[0].percentage == 100
    assert progress.bar.tasks[0].description == "Epoch 1/4: loss 0.500"


# --- which epoch is kept, and when training ends


@pytest.fixture
def losses(monkeypatch):
    """Validation losses as they are given; gives the weights after each epoch."""

    def give(values):
        weights, left = [], iter(values)

        def validate(head, held_out):
            weights.append(head.get_weights())
            return {"val_loss": next(left), "val_accuracy": 0.5, "val_roc_auc": 0.5}

        monkeypatch.setattr(_training, "_validate", validate)
        return weights

    return give


def test_the_weights_of_the_epoch_with_the_smallest_loss_are_kept(losses):
    weights = losses([0.5, 0.3, 0.4, 0.6])
    kept = CNNClassifier(epochs=4, batch_size=20, random_state=0).fit(X, y).model_.get_weights()
    for k, epoch in enumerate(weights):
        same = all(np.array_equal(a, b) for a, b in zip(kept, epoch, strict=True))
        assert same == (k == 1), k


def test_of_equal_losses_the_first_is_kept(losses):
    weights = losses([0.5, 0.3, 0.3])
    kept = CNNClassifier(epochs=3, batch_size=20, random_state=0).fit(X, y).model_.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(kept, weights[1], strict=True))


@pytest.mark.parametrize(("patience", "n_iter"), [(1, 3), (2, 4), (3, 7), (None, 7)])
def test_training_ends_after_as_many_epochs_without_a_smaller_loss_as_patience_says(losses, patience, n_iter):
    """As keras' EarlyStopping counts."""
    losses([0.5, 0.4, 0.6, 0.6, 0.3, 0.6, 0.6])
    assert CNNClassifier(epochs=7, batch_size=20, patience=patience, random_state=0).fit(X, y).n_iter_ == n_iter


# --- Ctrl-C


def test_ctrl_c_keeps_the_best_weights_so_far(ctrl_c):
    """Of 5 steps an epoch the 13th is in the third epoch."""
    cnn = CNNClassifier(epochs=9, batch_size=8, on_interrupt="keep_best", random_state=0)
    model = Pipeline([("images", FunctionTransformer()), ("cnn", cnn)])
    ctrl_c(13)
    with pytest.warns(ConvergenceWarning, match="Ctrl-C ended the training after 2 of 9 epochs") as caught:
        cnn = model.fit(X, y)[-1]
    message = next(str(each.message) for each in caught if each.category is ConvergenceWarning)
    assert cnn.n_iter_ == 2
    best = int(np.argmin(cnn.history_["val_loss"]))
    assert f"the weights of epoch {best + 1} are kept" in message
    assert f"validation loss {cnn.history_['val_loss'][best]:.3f}" in message
    rows = validation_split(y, None, cnn.validation_fraction, np.random.default_rng(cnn._draw_seed()))[1]
    p = cnn.predict_proba(X[rows])[np.arange(len(rows)), y[rows]]
    assert -np.log(p).mean() == pytest.approx(min(cnn.history_["val_loss"]), abs=1e-3)


def test_ctrl_c_without_a_validation_part_keeps_the_last_epoch(ctrl_c):
    cnn = CNNClassifier(epochs=3, batch_size=8, validation_fraction=None, on_interrupt="keep_best", random_state=0)
    ctrl_c(7)
    with pytest.warns(ConvergenceWarning, match="after 1 of 3 epochs; the weights of epoch 1 are kept"):
        cnn.fit(X, y)
    assert len(cnn.history_["loss"]) == 1
    assert np.isfinite(cnn.predict_proba(X)).all()


CALLERS = {
    "fit": lambda cnn: cnn.fit(X, y),
    "pipeline": lambda cnn: Pipeline([("images", FunctionTransformer()), ("cnn", cnn)]).fit(X, y),
    "cross validation": lambda cnn: cross_val_score(cnn, X, y, cv=2),
    "search": lambda cnn: GridSearchCV(cnn, {"dropout": [0.1, 0.2]}, cv=2).fit(X, y),
    "ensemble": lambda cnn: VotingClassifier([("cnn", cnn)]).fit(X, y),
}


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_ctrl_c_raises_whoever_called_fit(caller, ctrl_c):
    """In the third epoch, where there are weights that could be kept; neither fits nor scores go on."""
    steps = ctrl_c(13)
    with pytest.raises(KeyboardInterrupt):
        caller(CNNClassifier(epochs=9, batch_size=8, random_state=0))
    assert next(steps) == 14


def test_an_optimiser_that_goes_on_after_ctrl_c_gets_no_half_trained_network(ctrl_c):
    """One that counts what its objective returns, and takes whatever is raised for a trial that failed."""
    complete, failed = [], []
    ctrl_c(8, 13, 18)
    for _ in range(4):
        cnn = CNNClassifier(epochs=3, batch_size=10, random_state=0)
        try:
            complete.append(cnn.fit(X, y))
        except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001
            failed.append((cnn, error))
    assert [cnn.n_iter_ for cnn in complete] == [3]
    for cnn, error in failed:
        assert isinstance(error, KeyboardInterrupt)
        with pytest.raises(NotFittedError):
            cnn.predict(X)
    assert len(failed) == 3


def test_a_fit_that_raises_leaves_the_one_before(ctrl_c):
    cnn = CNNClassifier(epochs=2, batch_size=8, random_state=0).fit(X, y)
    before, history = cnn.predict_proba(X), cnn.history_
    ctrl_c(8)
    with pytest.raises(KeyboardInterrupt):
        cnn.fit(np.pad(X, ((0, 0), (0, 0), (0, 4))), np.where(y, "broken", "whole"))
    np.testing.assert_array_equal(cnn.predict_proba(X), before)
    assert (cnn.history_, cnn.image_shape_, cnn.classes_.tolist()) == (history, (32, 32), [0, 1])


@pytest.mark.parametrize("on_interrupt", ["raise", "keep_best"])
def test_ctrl_c_in_the_first_epoch_raises(on_interrupt, ctrl_c):
    ctrl_c(2)
    cnn = CNNClassifier(epochs=3, batch_size=8, on_interrupt=on_interrupt)
    with pytest.raises(KeyboardInterrupt):
        cnn.fit(X, y)
    assert not hasattr(cnn, "classes_")


@pytest.mark.parametrize("on_interrupt", ["raise", "keep_best"])
def test_sigterm_reaches_the_handler_of_the_process_after_the_step(on_interrupt, ctrl_c):
    class Terminated(BaseException):
        pass

    def terminate(number, frame):
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    steps = ctrl_c(7, number=signal.SIGTERM)
    try:
        with pytest.raises(Terminated) as caught:
            CNNClassifier(epochs=5, batch_size=8, on_interrupt=on_interrupt).fit(X, y)
        assert signal.getsignal(signal.SIGTERM) is terminate
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not any(entry.name in ("batch_end", "note") for entry in caught.traceback)  # not in the middle of a step
    assert next(steps) == 8


@pytest.mark.parametrize("on_interrupt", ["raise", "keep_best"])
def test_second_ctrl_c_raises_at_once(on_interrupt, ctrl_c):
    """The second one in the same step as the first, before that is over."""
    steps = ctrl_c(7, 7)
    with pytest.raises(KeyboardInterrupt) as caught:
        CNNClassifier(epochs=5, batch_size=8, on_interrupt=on_interrupt).fit(X, y)
    assert caught.traceback[-1].name == "note"
    assert next(steps) == 8


@pytest.mark.parametrize("on_interrupt", ["raise", "keep_best"])
def test_an_error_after_ctrl_c_is_ctrl_c(on_interrupt, ctrl_c, monkeypatch):
    """A search scores a fit that failed as NaN and goes on."""

    def fail(self, epoch, logs):
        raise RuntimeError("CancelledError")

    monkeypatch.setattr(_training._Watch, "epoch_end", fail)
    ctrl_c(5)
    cnn = CNNClassifier(epochs=5, batch_size=4, on_interrupt=on_interrupt)
    with pytest.raises(KeyboardInterrupt):
        cross_val_score(cnn, X, y, cv=2, error_score=np.nan)


def test_ctrl_c_for_real():
    """Pressed from outside while a script trains, somewhere in TensorFlow's steps."""
    code = (
        "import numpy as np\n"
        "from fracture_features.cnn import CNNClassifier\n"
        "X = np.random.default_rng(0).integers(0, 255, (64, 64, 64), dtype=np.uint8)\n"
        "cnn = CNNClassifier(epochs=100_000, batch_size=8, verbose=2, patience=100_000)\n"
        "try:\n"
        "    cnn.fit(X, np.arange(64) % 2)\n"
        "except KeyboardInterrupt:\n"
        "    print('raised', hasattr(cnn, 'classes_'), flush=True)\n"
        "cnn.set_params(on_interrupt='keep_best').fit(X, np.arange(64) % 2)\n"
        "print('kept', cnn.n_iter_ == len(cnn.history_['loss']), cnn.predict(X).shape, flush=True)\n"
    )
    script = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for last in ("raised False\n", "kept True (64,)\n"):
            assert script.stdout.readline().startswith("Epoch 1/100000: loss")
            time.sleep(0.3)
            script.send_signal(signal.SIGINT)
            assert next(line for line in script.stdout if not line.startswith("Epoch")) == last
        err = script.communicate(timeout=60)[1]
    finally:
        script.kill()
    assert err.count("ConvergenceWarning: Ctrl-C ended the training after") == 1
    assert script.returncode == 0


def test_a_fit_in_another_thread_runs_on_to_its_end(ctrl_c):
    """Ctrl-C is the main thread's, which waits."""
    ctrl_c(3)
    cnn, ended = CNNClassifier(epochs=2, batch_size=20), threading.Event()
    threading.Thread(target=lambda: cnn.fit(X, y) and ended.set()).start()
    with pytest.raises(KeyboardInterrupt):
        ended.wait(60)
    assert ended.wait(60)
    assert cnn.n_iter_ == 2


# --- the loss


def test_divergence_is_named():
    with pytest.raises(ValueError, match=r"CNNClassifier diverged to .* give a smaller learning_rate"):
        CNNClassifier(learning_rate=1e30, epochs=4, batch_size=4, random_state=0).fit(X, y)


def test_balanced_counts_what_samples_weigh():
    """Both classes weigh the same in the training part; within a class samples keep their ratio."""
    rng = np.random.default_rng(0)
    codes, own = np.repeat([0, 1], [90, 10]), rng.uniform(0.1, 3, 100)
    train, validation = np.arange(100)[::2], np.arange(100)[1::2]
    weights = loss_weights(
        codes, np.array([0, 1]), sample_weight=own, class_weight="balanced", parts=(train, validation)
    )
    by_class = [weights[train][codes[train] == k].sum() for k in (0, 1)]
    assert by_class == pytest.approx([25, 25])
    assert weights[validation].mean() == pytest.approx(1)
    np.testing.assert_allclose(weights[train[:5]] / weights[0], own[train[:5]] / own[0], rtol=1e-6)
    # of images that all weigh the same it is scikit-learn's
    equal = loss_weights(codes, np.array([0, 1]), sample_weight=np.ones(100), class_weight="balanced", parts=(train,))
    assert equal[train][[0, -1]] == pytest.approx([50 / 90, 50 / 10])


def test_a_class_that_weighs_nothing_is_left_out():
    weights = loss_weights(
        y, np.array([0, 1]), sample_weight=1.0 - y, class_weight="balanced", parts=(np.arange(len(y)),)
    )
    np.testing.assert_allclose(weights, 2.0 * (1 - y))


# --- what is left behind


def test_a_keras_without_the_method_that_is_replaced_is_named(monkeypatch):
    """It would train, and leave 10 MB of every network behind."""
    keras = sys.modules["keras"]
    if keras.backend.backend() != "tensorflow":
        pytest.skip("replaced on TensorFlow alone")
    for each in keras.optimizers.Adam.__mro__:
        if "_backend_update_step" in vars(each):
            monkeypatch.delattr(each, "_backend_update_step")
    with pytest.raises(RuntimeError, match=rf"_backend_update_step .* keras {re.escape(keras.__version__)} has not"):
        CNNClassifier(epochs=1).fit(X, y)


@pytest.mark.parametrize(("fits", "most"), [(4, 5), pytest.param(9, 1.5, marks=pytest.mark.slow)])
def test_memory_grows_little(fits, most):
    """By less than so many MB a fit; keras' own Adam leaves 10 behind for good, what TensorFlow compiles 2.2."""
    code = (
        "import gc, numpy as np, psutil\n"
        "from fracture_features.cnn import CNNClassifier\n"
        "X = np.random.default_rng(0).integers(0, 255, (32, 32, 32), dtype=np.uint8)\n"
        "cnn = CNNClassifier(epochs=1, random_state=0)\n"
        f"for k in range({fits}):\n"
        "    cnn.fit(X, np.arange(32) % 2).predict(X)\n"
        "    gc.collect()\n"
        "    print(psutil.Process().memory_info().rss, flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rss = np.array(done.stdout.split(), dtype=float) / 2**20
    settled = fits // 2 - 1
    assert rss[-1] - rss[settled] < (fits - 1 - settled) * most, rss.round()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read as Linux tells it")
def test_few_images_are_predicted_in_little_memory():
    """MobileNetV2's maps of 32 images at a time take 3 GB at 224 pixels, if all of them are kept."""
    code = (
        "import numpy as np\n"
        "from fracture_features.cnn._architectures import build_network\n"
        "from fracture_features.cnn._training import predict_blocks\n"
        "network = build_network('MobileNetV2', (224, 224), 2)\n"
        "images = np.zeros((32, 224, 224), dtype=np.uint8)\n"
        "for n in (1, 32):\n"
        "    predict_blocks(network, [images[:n]], compiled=False)\n"
        "    print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = np.array(done.stdout.split(), dtype=float) / 2**10
    assert after - before < 800, (before, after)
