"""Jobs in other processes and on a cluster: the same results, and what is wrong said by name."""

import os
import signal
import threading
import time

import joblib
import numpy as np
import pandas as pd
import pytest
from counted import CountedEdges, computed_twice

from fracture_features import evaluate, make_pipeline
from fracture_features._xgboost import XGBClassifier
from fracture_features.audit import DESCRIPTIONS
from fracture_features.cli import ExitCode, _spread, main
from fracture_features.datasets import take_inventory
from fracture_features.images import ImageReader
from fracture_features.store import FeatureStore, extract_features

distributed = pytest.importorskip("distributed", reason="the dask extra is not installed")
COMPARE = ("--groups", r"patient(\d+)", "--folds", "2", "--image-size", "48", "--models", "edges+svm,lbp+logistic")


def local_cluster(n_workers=2):
    return distributed.LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50, host="127.0.0.1"
    )


@pytest.fixture(scope="module")
def cluster():
    with local_cluster() as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as client:
        yield client


def read_tables(out):
    tables = {name: pd.read_csv(out / f"{name}.csv") for name in ("measures", "predictions")}
    measures = tables["measures"]
    tables["measures"] = measures[~measures["measure"].isin(["fit_minutes", "predict_ms"])]
    return tables


def assert_same_tables(one, other):
    for name, table in read_tables(one).items():
        pd.testing.assert_frame_equal(table, read_tables(other)[name], rtol=1e-6)


@pytest.fixture(scope="module")
def compared(radiographs, tmp_path_factory):
    out = tmp_path_factory.mktemp("serial") / "out"
    assert main(["compare", str(radiographs), *COMPARE, "--out", str(out)]) == ExitCode.DONE
    return out


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_compare_on_any_backend(backend, radiographs, compared, tmp_path):
    out = tmp_path / "out"
    command = ["compare", str(radiographs), *COMPARE, "--out", str(out), "--backend", backend, "--jobs", "2"]
    assert main(command) == ExitCode.DONE
    assert_same_tables(out, compared)


def test_compare_on_a_cluster(radiographs, compared, cluster, tmp_path):
    out = tmp_path / "out"
    command = ["compare", str(radiographs), *COMPARE, "--out", str(out), "--scheduler", cluster.scheduler_address]
    assert main(command) == ExitCode.DONE
    assert_same_tables(out, compared)


def test_the_inventory_is_taken_by_the_workers(data, client, tmp_path):
    readers = [ImageReader(image_size=48, cache=tmp_path / "cache")]
    expected = take_inventory(data.paths.tolist(), [ImageReader(image_size=48)], descriptions=DESCRIPTIONS)
    for backend in ("dask", "loky"):
        with joblib.parallel_config(backend=backend, n_jobs=2):
            found = take_inventory(data.paths.tolist(), readers, descriptions=DESCRIPTIONS)
        pd.testing.assert_frame_equal(found, expected)
    # What they have read is found here.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageReader, "_prepare", None)
        assert readers[0].transform(data.paths).shape == (60, 48, 48)


def test_a_store_on_a_cluster(radiographs, data, client, tmp_path):
    with joblib.parallel_config(backend="dask"):
        store = extract_features(radiographs, ["edges", "lbp"], tmp_path / "store", image_size=48, shard_size=16)
    expected = make_pipeline(["edges", "lbp"], "svm", image_size=48)[:2].fit_transform(data.paths)
    np.testing.assert_array_equal(store.rows(data.paths), expected)


def test_trees_of_a_store_on_a_cluster(radiographs, data, client, tmp_path):
    """Rows are read by the workers; the trees tell the images apart as well as those of one machine."""
    arrays, boosters = pytest.importorskip("dask.array"), pytest.importorskip("xgboost.dask")
    store = extract_features(radiographs, ["edges", "lbp"], tmp_path / "store", image_size=48, shard_size=16)
    X = store.dask_array(data.paths, size=25)
    assert X.chunks[0] == (25, 25, 10)
    rows = store.rows(data.paths)
    np.testing.assert_array_equal(X.compute(), rows)
    model = boosters.DaskXGBClassifier(n_estimators=5, max_depth=2, random_state=0)
    model.client = client
    model.fit(X, arrays.from_array(data.y, chunks=25))
    alone = XGBClassifier(n_estimators=5, max_depth=2, random_state=0, class_weight=None).fit(rows, data.y)
    # Bins are found from what each worker has.
    np.testing.assert_allclose(model.predict_proba(X).compute()[:, 1], alone.predict_proba(rows)[:, 1], atol=0.1)


def test_a_worker_killed_in_the_middle(data, tmp_path):
    """The run finishes, gives the same, and computes nothing again that was in the cache."""
    log = tmp_path / "log"
    model = {"counted": make_pipeline(CountedEdges(log, 0.1), "svm", image_size=48, cache=tmp_path / "cache")}
    killed = []

    def kill(cluster):
        end = time.monotonic() + 60
        while time.monotonic() < end and not killed:
            workers = {line[3] for line in computed_twice(log)[1]} if log.exists() else set()
            if workers:
                killed.append(workers.pop())
                os.kill(killed[0], signal.SIGKILL)
            time.sleep(0.01)

    options = {"cv": 3, "random_state": 0, "audit": False, "baselines": "none"}
    with local_cluster() as cluster, distributed.Client(cluster), joblib.parallel_config(backend="dask"):
        killer = threading.Thread(target=kill, args=(cluster,))
        killer.start()
        found = evaluate(model, data, **options)
        killer.join()
    twice, lines = computed_twice(log)
    assert len(killed) == 1
    assert {line[3] for line in lines} > {killed[0]}  # others went on
    assert twice == []
    assert len({line[0] for line in lines}) == 60
    serial = make_pipeline(CountedEdges(tmp_path / "serial"), "svm", image_size=48, cache=tmp_path / "other")
    expected = evaluate({"counted": serial}, data, **options)
    pd.testing.assert_frame_equal(found.predictions(), expected.predictions(), rtol=1e-5)


def test_a_store_whose_worker_is_killed(radiographs, data, tmp_path):
    """Shards that were whole are not made again."""
    out = tmp_path / "store"
    times = {}

    def kill(cluster):
        end = time.monotonic() + 60
        while time.monotonic() < end and not times:
            times.update({path.name: path.stat().st_mtime_ns for path in out.glob("shard-*.csv")})
            time.sleep(0.005)
        os.kill(next(iter(cluster.workers.values())).process.pid, signal.SIGKILL)

    with local_cluster() as cluster, distributed.Client(cluster), joblib.parallel_config(backend="dask"):
        killer = threading.Thread(target=kill, args=(cluster,))
        killer.start()
        store = extract_features(radiographs, ["edges"], out, image_size=48, shard_size=4)
        killer.join()
    assert store.missing == []
    assert times
    assert {name: (out / name).stat().st_mtime_ns for name in times} == times
    expected = make_pipeline("edges", "svm", image_size=48)[:2].fit_transform(data.paths)
    np.testing.assert_array_equal(store.rows(data.paths), expected)


class TestErrors:
    def test_a_scheduler_that_cannot_be_reached(self, radiographs, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(_spread, "PATIENCE", 1)
        for address, said in [("tcp://127.0.0.1:9", "cannot be reached"), ("nonsense://x", "cannot be reached")]:
            command = ["extract", str(radiographs), "--out", str(tmp_path / "store"), "--scheduler", address]
            assert main(command) == ExitCode.USAGE
            told = capsys.readouterr().err
            assert f"--scheduler '{address}' {said}" in told
            assert "Traceback" not in told

    def test_other_versions(self, client, monkeypatch):
        real = _spread.find_versions()
        monkeypatch.setattr(_spread, "find_versions", lambda: real | {"scikit-learn": "0.1"})
        with pytest.raises(
            _spread.FractureFeaturesError, match=r"worker tcp://.* other versions.*scikit-learn 1\S+, here 0\.1$"
        ):
            _spread.check_workers(client, [])

    def test_a_package_that_a_worker_lacks(self, client, monkeypatch):
        real = _spread.find_versions()
        monkeypatch.setattr(_spread, "find_versions", lambda: real | {"ray": "2.0"})
        with pytest.raises(_spread.FractureFeaturesError, match=r"worker tcp://.*: ray none, here 2\.0$"):
            _spread.check_workers(client, [])

    def test_a_folder_that_a_worker_does_not_see(self, client, tmp_path):
        with pytest.raises(_spread.FractureFeaturesError, match=r"worker tcp://\S+ does not see '.*/nowhere'"):
            _spread.check_workers(client, [str(tmp_path), str(tmp_path / "nowhere")])
        _spread.check_workers(client, [str(tmp_path)])

    def test_a_scheduler_without_workers(self):
        with (
            local_cluster(0) as cluster,
            distributed.Client(cluster) as client,
            pytest.raises(_spread.FractureFeaturesError, match="has no workers"),
        ):
            _spread.check_workers(client, [])

    def test_an_extra_that_is_not_installed(self, radiographs, tmp_path, capsys, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "distributed", None)
        command = ["extract", str(radiographs), "--out", str(tmp_path / "store"), "--backend", "dask"]
        assert main(command) == ExitCode.USAGE
        assert "--backend dask needs the package 'distributed': pip install 'fracture_features[dask]'" in (
            " ".join(capsys.readouterr().err.split())
        )

    def test_a_scheduler_and_another_backend(self, radiographs, tmp_path, capsys):
        command = ["extract", str(radiographs), "--out", str(tmp_path / "s"), "--scheduler", "x", "--backend", "loky"]
        assert main(command) == ExitCode.USAGE
        assert "--scheduler is for --backend dask, got --backend loky" in capsys.readouterr().err


class TestStores:
    def test_extract_and_what_finds_it(self, radiographs, compared, tmp_path, capsys):
        store = tmp_path / "store"
        command = ["extract", str(radiographs), "--features", "edges,lbp", "--image-size", "48", "--out", str(store)]
        assert main([*command, "--shard", "1/2"]) == ExitCode.DONE
        assert "60 images x 304 features" in capsys.readouterr().err
        assert len(FeatureStore(store)) == 60
        out = tmp_path / "out"
        assert main(["compare", str(radiographs), *COMPARE, "--out", str(out), "--store", str(store)]) == ExitCode.DONE
        assert_same_tables(out, compared)
        model = [
            "train",
            str(radiographs),
            "--model",
            "edges+svm",
            "--image-size",
            "48",
            "--out",
            str(tmp_path / "m.ff"),
        ]
        assert main([*model, "--store", str(store)]) == ExitCode.DONE
        assert main(["audit", str(radiographs), "--store", str(store)]) in (ExitCode.DONE, ExitCode.FAILURES)

    def test_files_that_cannot_be_read_are_named(self, tmp_path, capsys):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "bad.jpg").write_bytes(b"nothing")
        command = ["extract", str(tmp_path / "data"), "--out", str(tmp_path / "store")]
        assert main(command) == ExitCode.FAILURES
        assert "Cannot be read: bad.jpg: not an image" in " ".join(capsys.readouterr().err.split())

    def test_a_store_of_other_files_or_versions(self, radiographs, tmp_path, capsys, monkeypatch):
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "bad.jpg").write_bytes(b"nothing")
        store = tmp_path / "store"
        main(["extract", str(tmp_path / "other"), "--features", "edges", "--out", str(store)])
        for command in ("compare", "audit"):
            assert main([command, str(radiographs), "--store", str(store)]) == ExitCode.USAGE
            assert "has none of the 60 files as they are now; it is of" in " ".join(capsys.readouterr().err.split())
        monkeypatch.setattr("fracture_features.cli._extract.is_current", lambda store: False)
        assert main(["audit", str(radiographs), "--store", str(store)]) == ExitCode.USAGE
        assert "was made by another version" in " ".join(capsys.readouterr().err.split())

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--features", "hg"], "'hg' is unknown"),
            (["--features", "fisher"], "no store can hold it"),
            (["--features", "lbp,lbp"], "each once"),
            (["--shard", "3/2"], "expected i/n, such as 2/8"),
            (["--shard", "x"], "expected i/n"),
            (["--shard", "1/2/3"], "expected i/n"),
        ],
    )
    def test_bad_arguments(self, arguments, message, tmp_path, capsys):
        with pytest.raises(SystemExit) as stop:
            main(["extract", str(tmp_path), "--out", str(tmp_path / "store"), *arguments])
        assert stop.value.code == ExitCode.USAGE
        assert message in " ".join(capsys.readouterr().err.split())
