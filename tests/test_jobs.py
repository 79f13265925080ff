"""Jobs: in any order, on any backend, found again, one failure at a time."""

import json
import shutil
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from fracture_features import PretrainedExtractor, cache, evaluate, load_folder, make_pipeline
from fracture_features.evaluation import BASELINES, MAJORITY, METADATA, PROBE, Checkpoint, _checkpoint
from fracture_features.evaluation._fit import Job, Runner, operating_rule
from fracture_features.evaluation._jobs import Worker
from fracture_features.exceptions import CheckpointError, CheckpointWarning
from fracture_features.results import FoldResult

TIMES = ["fit_seconds", "predict_ms"]


def models():
    return {
        "edges": make_pipeline("edges", LogisticRegression(), image_size=48, random_state=0),
        "lbp": make_pipeline("lbp", "xgboost", image_size=32, random_state=0),
    }


class Failing(ClassifierMixin, BaseEstimator):
    """Fails on the second of two folds: the one whose training part lacks the first image."""

    def __init__(self, first=None):
        self.first = first

    def fit(self, X, y):
        if self.first not in X:
            raise RuntimeError("out of luck\n[red]twice[/red]")
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


class Opaque:
    """Can be copied, not looked into."""

    def __init__(self):
        self.lock = threading.Lock()

    def __deepcopy__(self, memo):
        return self


class Locked(ClassifierMixin, BaseEstimator):
    """Holds what cannot be pickled once it is fitted."""

    def fit(self, X, y):
        self.classes_, self.lock_ = np.unique(y), threading.Lock()
        return self

    def predict_proba(self, X):
        return np.tile([0.4, 0.6], (len(X), 1))

    def predict(self, X):
        return np.ones(len(X), dtype=int)


class Counting(LogisticRegression):
    """Leaves a file for each fit."""

    def __init__(self, folder=None, C=1.0):
        super().__init__(C=C)
        self.folder = folder

    def fit(self, X, y, sample_weight=None):
        (self.folder / f"{time.time_ns()}").touch()
        return super().fit(X, y, sample_weight)


def tables(result):
    """Every table, without times."""
    frame = result.frame()
    return [
        frame[~frame["measure"].isin(["fit_minutes", "predict_ms"])].reset_index(drop=True),
        result.folds().drop(columns=TIMES),
        result.predictions(),
        result.comparison(),
    ]


def assert_equal(a, b, **tolerance):
    for one, other in zip(tables(a), tables(b), strict=True):
        pd.testing.assert_frame_equal(one, other, **(tolerance or {"check_exact": True}))


@pytest.fixture(scope="module")
def serial(data):
    return evaluate(models(), data, cv=2, random_state=0)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_any_number_of_jobs_on_any_backend_gives_equal_tables(data, serial, backend):
    with joblib.parallel_config(backend=backend):
        assert_equal(evaluate(models(), data, cv=2, random_state=0, n_jobs=2), serial)


def test_a_backend_that_forks_is_refused(data):
    with (
        joblib.parallel_config(backend="multiprocessing"),
        pytest.raises(ValueError, match="backend must be loky, threading or dask, got MultiprocessingBackend"),
    ):
        evaluate(models(), data, cv=2, random_state=0, n_jobs=2)


def test_dask_gives_equal_tables(data, serial):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        # Its workers give BLAS one thread, which rounds otherwise.
        assert_equal(evaluate(models(), data, cv=2, random_state=0, n_jobs=-1), serial, rtol=1e-6)


def test_ctrl_c_leaves_what_is_finished_on_the_error(data):
    def stop(fold):
        if fold.model == "lbp":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        evaluate(models() | {"broken": Failing()}, data, cv=2, random_state=0, on_fold=stop, on_error="record")
    assert caught.value.result.models == [*BASELINES, "edges"]
    broken = {"broken": Failing()} | models()
    with pytest.raises(KeyboardInterrupt) as caught:
        evaluate(broken, data, cv=2, random_state=0, on_fold=stop, on_error="record", external=None)
    assert caught.value.result.failures["fold"].tolist() == [1, 2]


def test_the_order_of_the_models_changes_nothing(data):
    """Readers of other sizes among them: none of them reads for the probe."""
    small, large = (make_pipeline("edges", "svm", image_size=size) for size in (32, 64))
    one = evaluate({"a": small, "b": large}, data, cv=2, random_state=0)
    other = evaluate({"b": large, "a": small}, data, cv=2, random_state=0)
    for a, b in zip(tables(one), tables(other), strict=True):
        keys = [name for name in ("model", "fold", "path", "measure") if name in a]
        a, b = (frame.sort_values(keys, ignore_index=True) for frame in (a, b))
        pd.testing.assert_frame_equal(a, b, check_exact=True)
    assert one.comparison()["reference"][0] == other.comparison()["reference"][0]


def test_every_fold_result_knows_its_role(serial):
    assert {fold.model for fold in serial.fold_results if fold.role == "baseline"} == set(BASELINES)
    assert serial.baselines == [MAJORITY, METADATA, PROBE]


def test_a_model_may_have_the_name_of_a_role_but_not_of_a_baseline(data):
    with pytest.raises(ValueError, match="is the name of a baseline"):
        evaluate({PROBE: models()["edges"]}, data)


def test_training_scores_are_those_of_the_images_that_were_fitted(data, serial):
    fold = serial.folds_of("edges")[0]
    fitted = models()["edges"].fit(data.paths[fold.train], data.y[fold.train])
    np.testing.assert_allclose(fold.train_scores[:, 1], fitted.decision_function(data.paths[fold.train]), rtol=1e-6)
    assert serial.folds_of(MAJORITY)[0].train_scores.shape == (len(fold.train), 2)


def test_a_search_leaves_its_grid(data):
    search = GridSearchCV(models()["edges"], {"classifier__C": [0.1, np.float64(1)]}, cv=2)
    fold = evaluate({"m": search}, data, cv=2, random_state=0).folds_of("m")[0]
    assert fold.grid["params"] == [{"classifier__C": 0.1}, {"classifier__C": 1.0}]
    best = fold.grid["params"][int(np.argmax(fold.grid["mean_test_score"]))]
    assert fold.params == best
    assert json.loads(json.dumps(fold.grid)) == fold.grid


def test_timed_predictions_find_nothing_in_a_cache(data, tmp_path, monkeypatch):
    """All of it is there, and yet every timed file is opened and described again."""
    found = {True: 0, False: 0}
    real = cache.Cache.get

    def get(self, keys):
        values = real(self, keys)
        found[cache._bypassed.get()] += sum(value is not None for value in values)
        return values

    monkeypatch.setattr(cache.Cache, "get", get)
    model = {"m": make_pipeline("edges", "svm", image_size=48, cache=tmp_path / "cache", n_jobs=2)}
    for _ in range(2):
        evaluate(model, data, cv=2, random_state=0)
    assert found[False] > 0
    assert found[True] == 0


def test_one_failing_job_does_not_take_the_others_with_it(data, tmp_path):
    broken = models() | {"broken": Failing(data.paths[0])}
    result = evaluate(broken, data, cv=2, random_state=0, on_error="record", checkpoint=tmp_path)
    assert result.models == [*BASELINES, "edges", "lbp"]
    (row,) = result.failures.itertuples(index=False)
    assert row.model == "broken"
    assert row.reason == "RuntimeError: out of luck [red]twice[/red]"
    assert set(result.frame()["model"]) == set(result.models)
    with pytest.raises(RuntimeError, match="out of luck"):
        evaluate(broken, data, cv=2, random_state=0)
    pd.testing.assert_frame_equal(result.subset(np.ones(len(data), dtype=bool)).failures, result.failures)


def test_kept_models_give_the_predictions_again_and_no_cache(data, tmp_path):
    for options in ({}, {"checkpoint": tmp_path / "c"}, {"calibrate": True, "n_jobs": 2}):
        result = evaluate(models(), data, cv=2, random_state=0, keep_models=True, **options)
        for fold in result.fold_results:
            kept = fold.estimator
            np.testing.assert_array_equal(kept.predict(data.paths[fold.test]), fold.y_pred)
            assert all(part.cache is None for part in cache.cached_parts(kept))
    first = evaluate(models(), data, cv=2, random_state=0, keep_models="first")
    assert [fold.estimator is not None for fold in first.folds_of("edges")] == [True, False]
    assert evaluate(models(), data, cv=2, random_state=0).fold_results[0].estimator is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "ignore"}, "on_error must be 'raise' or 'record', got 'ignore'"),
        ({"keep_models": 1}, "keep_models must be True, False or 'first', got 1"),
        ({"verbose": 2}, "verbose must be 0 or 1, got 2"),
        ({"keep_models": "all"}, "keep_models must be True, False or 'first', got 'all'"),
        ({"n_jobs": 0}, "n_jobs must be None or an integer other than 0, got 0"),
        ({"n_jobs": 1.5}, "n_jobs must be"),
    ],
)
def test_bad_options(data, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(models(), data, **options)


class TestCheckpoint:
    @pytest.fixture
    def fits(self, tmp_path):
        folder = tmp_path / "fits"
        folder.mkdir()
        return folder

    def run(self, data, fits, checkpoint, C=1.0, **options):
        """How many fits there were, and the result."""
        before = len(list(fits.iterdir()))
        model = make_pipeline("edges", Counting(fits, C), image_size=48)
        options = {"cv": 2, "random_state": 0, "audit": False} | options
        result = evaluate({"m": model}, data, checkpoint=checkpoint, **options)
        return len(list(fits.iterdir())) - before, result

    def test_what_is_finished_is_found(self, data, fits, tmp_path):
        n, first = self.run(data, fits, tmp_path / "c")
        again, second = self.run(data, fits, tmp_path / "c", n_jobs=2)
        assert (n, again) == (2, 0)
        assert_equal(first, second)
        assert first.folds()["fit_seconds"].tolist() == second.folds()["fit_seconds"].tolist()
        for a, b in zip(first.fold_results, second.fold_results, strict=True):
            np.testing.assert_array_equal(a.train_scores, b.train_scores)

    def test_external_images_are_found_too(self, data, fits, tmp_path):
        is_inside = data.groups % 2 == 0
        inside, outside = data.subset(is_inside), data.subset(~is_inside)
        n, first = self.run(inside, fits, tmp_path / "c", external=outside)
        again, second = self.run(inside, fits, tmp_path / "c", external=outside)
        assert (n, again) == (2, 0)
        assert_equal(first.external, second.external)
        assert self.run(inside, fits, tmp_path / "c")[0] == 2

    def test_nothing_of_other_data_models_or_settings_is_mixed_in(self, data, fits, tmp_path):
        """Keys of the same rows: none of these changes what trains and what tests."""
        train, test = np.flatnonzero(data.groups % 2 == 0), np.flatnonzero(data.groups % 2 == 1)
        y = data.y.copy()
        y[[0, -1]] = 1 - y[[0, -1]]
        given = {"data": data, "rule": None, "calibrate": False, "random_state": 0, "external": None, "C": 1.0}
        others = [
            {"data": replace(data, y=y)},
            {"data": replace(data, groups=data.groups + (np.arange(len(data)) % 3 == 0))},
            {"data": replace(data, groups=None)},
            {"data": replace(data, target_names=["whole", "broken"])},
            {"data": replace(data, frame=data.frame.assign(side=1), metadata_columns=("side",))},
            {"external": data},
            {"C": 0.5},
            {"random_state": 1},
            {"random_state": None},
            {"calibrate": True},
            {"rule": operating_rule("youden", 2)},
            {"rule": operating_rule(("threshold", 0.1), 2)},
            {"rule": operating_rule(("threshold", 0.2), 2)},
        ]

        def key(data, rule, calibrate, random_state, external, C):
            job = Job("m", "model", make_pipeline("edges", Counting(fits, C), image_size=48), 1, train, test)
            worker = Worker(Runner(data, rule, calibrate, random_state), external, False, False, Checkpoint(tmp_path))
            return worker.keys([job, replace(job, fold=2), replace(job, train=test)])

        keys = [key(**given | other) for other in ({}, *others)]
        assert keys[0] == key(**given)
        assert len({each for triple in keys for each in triple}) == 3 * len(keys)

    @pytest.mark.parametrize("what", ["package", "source", "backend"])
    def test_nothing_of_other_versions_is_mixed_in(self, data, fits, tmp_path, monkeypatch, what):
        self.run(data, fits, tmp_path / "c")
        if what == "package":
            monkeypatch.setattr(_checkpoint, "distributions", lambda: [])
        elif what == "source":
            real = Path.read_bytes
            own = Path(_checkpoint.__file__)
            monkeypatch.setattr(Path, "read_bytes", lambda path: real(path) + b"#" * (path == own))
        else:
            monkeypatch.setenv("KERAS_BACKEND", "other")
        _checkpoint.code_fingerprint.cache_clear()
        assert self.run(data, fits, tmp_path / "c")[0] == 2
        monkeypatch.undo()
        _checkpoint.code_fingerprint.cache_clear()
        assert self.run(data, fits, tmp_path / "c")[0] == 0

    def test_a_file_of_other_content_is_other_data(self, radiographs, fits, tmp_path):
        shutil.copytree(radiographs, tmp_path / "data")
        load = partial(load_folder, tmp_path / "data", groups=r"patient(\d+)")
        self.run(load(), fits, tmp_path / "c")
        path = Path(load().paths[3])
        path.write_bytes(Path(load().paths[4]).read_bytes())
        assert self.run(load(), fits, tmp_path / "c")[0] == 2

    def test_a_file_that_a_parameter_names_counts_by_its_content(self, tmp_path):
        path = tmp_path / "weights.h5"
        model = make_pipeline(PretrainedExtractor(weights=str(path)), "svm")
        found = []
        for content in (b"one", b"two", b"one"):
            path.write_bytes(content)
            found.append(_checkpoint.describe_model(model))
        assert found[0] == found[2] != found[1]

    def test_every_field_of_a_fold_result_is_written_or_known(self):
        names = {field.name for field in fields(FoldResult)}
        assert names == {*_checkpoint.ARRAYS, *_checkpoint.PLAIN, *_checkpoint.OF_JOB}

    def test_what_cannot_be_written_costs_no_result(self, data, fits, tmp_path, monkeypatch):
        def full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np, "savez", full)
        with pytest.warns(CheckpointWarning, match="not written to the checkpoint.*No space left"):
            _, result = self.run(data, fits, tmp_path / "c", on_error="record")
        assert result.models == [*BASELINES, "m"]
        assert result.failures.empty
        assert not list((tmp_path / "c").iterdir())

    def test_a_model_that_cannot_be_pickled_costs_no_result(self, data, tmp_path):
        for options in ({"checkpoint": tmp_path / "c"}, {"n_jobs": 2}):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CheckpointWarning)  # of this process; the others' stderr has it too
                result = evaluate({"m": Locked()}, data, cv=2, random_state=0, keep_models=True, **options)
            assert result.models == [*BASELINES, "m"]
            assert result.folds_of("m")[0].estimator is None
            assert result.folds_of(MAJORITY)[0].estimator is not None

    def test_a_model_that_cannot_be_told_from_others_is_named(self, data, tmp_path):
        model = Failing(first=Opaque())
        with pytest.raises(ValueError, match=r"models\['m'\] cannot be told from others"):
            evaluate({"m": model}, data, cv=2, checkpoint=tmp_path / "c")

    def test_classes_of_a_script_travel(self, radiographs, tmp_path):
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(radiographs), str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout.split() == ["True", "True"]

    def test_a_model_that_is_wanted_and_not_there_is_fitted(self, data, fits, tmp_path):
        self.run(data, fits, tmp_path / "c")
        n, result = self.run(data, fits, tmp_path / "c", keep_models="first")
        assert n == 1
        assert result.folds_of("m")[0].estimator.predict(data.paths[:1]) in (0, 1)
        assert self.run(data, fits, tmp_path / "c", keep_models="first")[0] == 0

    def test_a_damaged_file_is_run_again(self, data, fits, tmp_path):
        _, first = self.run(data, fits, tmp_path / "c")
        rng = np.random.default_rng(0)
        for path in (tmp_path / "c").glob("*.npz"):
            content = bytearray(path.read_bytes())
            content[rng.integers(len(content) // 2)] ^= 0xFF
            path.write_bytes(content if rng.random() < 0.5 else content[: len(content) // 2])
        with pytest.warns(CheckpointWarning, match="is damaged"):
            _, second = self.run(data, fits, tmp_path / "c")
        assert_equal(first, second)

    def test_prune_removes_what_was_not_asked_for(self, data, fits, tmp_path):
        self.run(data, fits, tmp_path / "c")
        checkpoint = Checkpoint(tmp_path / "c")
        self.run(data, fits, checkpoint, C=0.5)
        checkpoint.prune()
        assert self.run(data, fits, tmp_path / "c", C=0.5)[0] == 0
        assert self.run(data, fits, tmp_path / "c")[0] == 2

    def test_a_folder_that_cannot_be_made(self, data, fits, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(CheckpointError, match=r"checkpoint=.*file.* cannot be made"):
            self.run(data, fits, tmp_path / "file")


SCRIPT = """
import sys
from sklearn.svm import SVC
from fracture_features import evaluate, load_folder, make_pipeline

class Mine(SVC):
    pass

data = load_folder(sys.argv[1], groups=r"patient(\\d+)")
model = {"m": make_pipeline("edges", Mine(), image_size=48)}
for checkpoint in (None, sys.argv[2]):
    result = evaluate(model, data, cv=2, random_state=0, n_jobs=2, keep_models=True, checkpoint=checkpoint)
    print(type(result.folds_of("m")[0].estimator[-1]).__name__ == "Mine")
"""
