"""Features on disk: made once, by several, found again."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import SGDClassifier

from fracture_features import audit_dataset, load_folder, make_pipeline
from fracture_features.exceptions import DatasetError, NoReadableImagesError, StoreError
from fracture_features.images import ImageFile
from fracture_features.store import FeatureStore, _extract, extract_features
from fracture_features.store._extract import write_parquet

SIZE = 48
NAMES = ["edges", "lbp"]


def extract(root, out, **options):
    return extract_features(root, NAMES, out, **{"image_size": SIZE, "shard_size": 16} | options)


@pytest.fixture(scope="module")
def made(radiographs, tmp_path_factory):
    return extract(radiographs, tmp_path_factory.mktemp("store"))


def content(store):
    return {path.name: path.read_bytes() for path in store.folder.iterdir() if path.suffix in (".npy", ".csv")}


def test_rows_are_those_of_the_pipeline(made, data):
    expected = make_pipeline(NAMES, "svm", image_size=SIZE)[:2].fit_transform(data.paths)
    np.testing.assert_array_equal(made.rows(data.paths), expected)
    np.testing.assert_array_equal(made.rows(data.paths[[7, 3, 7]]), expected[[7, 3, 7]])
    assert made.rows([]).shape == (0, expected.shape[1])
    assert made.rows(data.paths).dtype == np.float32
    assert len(made) == 60
    assert made.n_shards == 4
    assert made.feature_names[0].startswith("edges__")
    assert isinstance(made.shard(0), np.memmap)
    assert repr(made) == f"<FeatureStore: 60 images x {expected.shape[1]} features>"


def test_the_index_names_every_file(made, data):
    index = made.index
    assert sorted(str(made.root / path) for path in index["path"]) == sorted(data.paths)
    first = index.iloc[0]
    status = (made.root / first["path"]).stat()
    assert (first["size"], first["mtime_ns"]) == (status.st_size, status.st_mtime_ns)
    assert first["sha256"] == ImageFile(made.root / first["path"]).sha256().hex()
    assert index.groupby("shard")["row"].max().tolist() == [15, 15, 15, 11]


def test_batches_teach_a_model(made, data):
    order = np.random.default_rng(0).permutation(len(data))
    model = SGDClassifier(random_state=0)
    sizes = []
    for X, y in made.batches(data.paths[order], data.y[order], size=25):
        model.partial_fit(X, y, classes=[0, 1])
        sizes.append(len(y))
    assert sizes == [25, 25, 10]
    assert [y for _, y in made.batches(data.paths[:3])] == [None]


def test_machines_share_the_work(made, radiographs, tmp_path):
    out = tmp_path / "store"
    half = extract(radiographs, out, shard=(1, 2))
    assert half.missing == [1, 3]
    assert repr(half).endswith("2 of 4 shards missing>")
    with pytest.raises(StoreError, match=r"has no features of .*; it holds files of"):
        half.rows([made.root / made.index["path"][20]])
    other = extract(radiographs, out, shard=(2, 2))
    assert other.missing == []
    assert content(other) == content(made)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_any_backend_writes_the_same(made, radiographs, tmp_path, backend):
    counts = []
    with joblib.parallel_config(backend=backend, n_jobs=2):
        store = extract(radiographs, tmp_path / "store", on_shard=counts.append)
    assert sorted(counts) == [12, 16, 16, 16]
    assert content(store) == content(made)


def test_what_is_there_is_not_made_again(made, radiographs, tmp_path):
    shutil.copytree(made.folder, tmp_path / "store")
    (tmp_path / "store" / "shard-00002.csv").unlink()  # what a kill before the end leaves
    counts = []
    assert content(extract(radiographs, tmp_path / "store", on_shard=counts.append)) == content(made)
    assert counts == [16]
    extract(radiographs, tmp_path / "store", on_shard=counts.append)
    assert counts == [16]


def test_a_killed_run_goes_on(made, radiographs, tmp_path):
    out = tmp_path / "store"
    code = (
        "import sys; from fracture_features.store import extract_features\n"
        f"extract_features(sys.argv[1], {NAMES}, sys.argv[2], image_size={SIZE}, shard_size=16)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(radiographs), str(out)])
    end = time.monotonic() + 120
    while not (out / "shard-00000.csv").exists() and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    process.wait()
    there = sorted(path.name for path in out.glob("shard-*.csv"))
    assert there
    counts = []
    store = extract(radiographs, out, on_shard=counts.append)
    assert len(counts) == 4 - len(there)
    assert content(store) == content(made)


def test_files_that_cannot_be_read_have_a_reason_and_no_row(radiographs, tmp_path):
    shutil.copytree(radiographs, tmp_path / "data")
    bad = tmp_path / "data" / "fractured" / "bad.jpg"
    bad.write_bytes(b"nothing")
    store = extract(tmp_path / "data", tmp_path / "store")
    (row,) = store.index[store.index["row"] < 0].itertuples()
    assert store.root / row.path == bad
    assert "not an image" in row.reason
    assert len(store) == 60
    with pytest.raises(StoreError, match="which could not be read"):
        store.rows([bad])
    others = [path for path in load_folder(tmp_path / "data").paths if path != str(bad)]
    expected = make_pipeline(NAMES, "svm", image_size=SIZE)[:2].fit_transform(others)
    np.testing.assert_array_equal(store.rows(others), expected)


def test_a_shard_of_which_nothing_can_be_read(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bad.jpg").write_bytes(b"nothing")
    store = extract(tmp_path / "data", tmp_path / "store")
    assert len(store) == 0
    assert store.shard(0).shape == (0, len(store.feature_names))


def test_a_store_of_something_else_is_refused(made, radiographs, tmp_path, monkeypatch):
    out = tmp_path / "store"
    shutil.copytree(made.folder, out)
    with pytest.raises(StoreError, match=r"features made of the features \['edges', 'lbp'\], not \['lbp'\]"):
        extract_features(radiographs, ["lbp"], out, image_size=SIZE, shard_size=16)
    with pytest.raises(StoreError, match=r"of images of \[48, 48\] pixels, not \[64, 64\]"):
        extract(radiographs, out, image_size=64)
    with pytest.raises(StoreError, match="in shards of 16 images, not 20"):
        extract(radiographs, out, shard_size=20)
    shutil.copytree(radiographs, tmp_path / "data")
    next((tmp_path / "data").glob("*/*.jpg")).unlink()
    with pytest.raises(StoreError, match="of other files: 60 then, 59 now"):
        extract(tmp_path / "data", out)
    monkeypatch.setattr(_extract, "recipe_of", lambda pipeline: "0")
    with pytest.raises(StoreError, match="by another version"):
        extract(radiographs, out)


def test_folders_that_are_no_stores(made, radiographs, tmp_path):
    with pytest.raises(StoreError, match=r"is no store of features: FileNotFoundError"):
        FeatureStore(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(StoreError, match="holds other files"):
        extract(radiographs, tmp_path)
    shutil.copytree(made.folder, tmp_path / "newer")
    about = json.loads((made.folder / "store.json").read_text()) | {"format": 2}
    (tmp_path / "newer" / "store.json").write_text(json.dumps(about))
    with pytest.raises(StoreError, match="a store of form 2; expected 1"):
        FeatureStore(tmp_path / "newer")
    with pytest.raises(DatasetError, match="nowhere: there is no such folder"):
        extract(tmp_path / "nowhere", tmp_path / "none")
    with pytest.raises(NoReadableImagesError, match="no images in it"):
        extract(tmp_path / "newer", tmp_path / "none")


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        (["hg"], {}, "features: 'hg' is unknown"),
        (["fisher"], {}, "'fisher' learns from the images"),
        (["lbp"], {"shard": (3, 2)}, r"shard must be a pair \(i, n\) with 1 <= i <= n, got \(3, 2\)"),
        (["lbp"], {"shard": (0, 2)}, "shard must be"),
    ],
)
def test_bad_arguments(radiographs, tmp_path, features, options, message):
    with pytest.raises(ValueError, match=message):
        extract_features(radiographs, features, tmp_path / "store", **options)
    assert not (tmp_path / "store").exists()


class TestWarmCache:
    @pytest.fixture
    def opened(self, monkeypatch):
        seen = []
        real = Path.read_bytes
        monkeypatch.setattr(Path, "read_bytes", lambda path: seen.append(str(path)) or real(path))
        return seen

    def test_no_file_is_opened_and_nothing_extracted(self, made, data, tmp_path, opened, monkeypatch):
        model = make_pipeline(NAMES, "svm", image_size=SIZE)
        expected = model.fit(data.paths, data.y).decision_function(data.paths)
        cache = str(tmp_path / "cache")
        assert made.warm_cache(cache, data.paths.tolist()) == 60
        opened.clear()
        for extractor in [step for _, step in model["features"].transformer_list]:
            monkeypatch.setattr(type(extractor), "_extract", None)
        warm = make_pipeline(NAMES, "svm", image_size=SIZE, cache=cache).fit(data.paths, data.y)
        np.testing.assert_array_equal(warm.decision_function(data.paths), expected)
        assert opened == []

    def test_an_audit_opens_those_alone_that_look_alike(self, made, data, tmp_path, opened):
        cache = str(tmp_path / "cache")
        made.warm_cache(cache, data.paths.tolist())
        opened.clear()
        found = audit_dataset(data, cache=cache)
        assert len(opened) < 10
        pd.testing.assert_frame_equal(found.frame(), audit_dataset(data).frame())

    def test_files_that_have_changed_since_are_read(self, radiographs, tmp_path, opened):
        shutil.copytree(radiographs, tmp_path / "data")
        store = extract(tmp_path / "data", tmp_path / "store")
        data = load_folder(tmp_path / "data")
        Path(data.paths[4]).write_bytes(Path(data.paths[5]).read_bytes())
        os.unlink(data.paths[6])
        cache = str(tmp_path / "cache")
        assert store.warm_cache(cache, data.paths.tolist()) == 58
        rest = np.delete(data.paths, 6)
        opened.clear()
        rows = make_pipeline(NAMES, "svm", image_size=SIZE, cache=cache)[:2].fit_transform(rest)
        assert opened == [data.paths[4]]
        np.testing.assert_array_equal(rows[4], rows[5])

    def test_the_folder_may_have_another_name_here(self, radiographs, made, tmp_path, opened):
        shutil.copytree(radiographs, tmp_path / "moved")
        data = load_folder(tmp_path / "moved")
        store = FeatureStore(made.folder, tmp_path / "moved")
        assert store.warm_cache(tmp_path / "cache", data.paths.tolist()) == 60
        np.testing.assert_array_equal(store.rows(data.paths), made.rows(sorted(map(str, radiographs.glob("*/*.jpg")))))

    def test_a_damaged_shard_is_named(self, made, data, tmp_path):
        shutil.copytree(made.folder, tmp_path / "store")
        path = tmp_path / "store" / "shard-00001.values"
        damaged = bytearray(path.read_bytes())
        damaged[-5] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"shard-00001\.values' is damaged.*remove"):
            FeatureStore(tmp_path / "store").warm_cache(tmp_path / "cache", data.paths.tolist())


def test_tables(made, data, tmp_path):
    pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
    shutil.copytree(made.folder, tmp_path / "store")
    store = FeatureStore(tmp_path / "store")
    write_parquet(store)
    table = pd.concat([pd.read_parquet(path) for path in sorted((tmp_path / "store").glob("*.parquet"))])
    assert list(table.columns) == ["path", *store.feature_names]
    paths = [store.root / path for path in table["path"]]
    np.testing.assert_array_equal(table.iloc[:, 1:].to_numpy(), made.rows(paths))
