"""A result that is saved and read again is the same to every table, curve and page."""

import io
import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from results import make_result, with_three_classes

from fracture_features import EvaluationResult, audit_dataset, write_report
from fracture_features.exceptions import ResultFileError
from fracture_features.results import mean_curves


@pytest.fixture(scope="module")
def result(data):
    frame = data.frame.assign(
        part=np.where(data.groups % 2, "forearm", "shin"),
        study=[f"s{group}" for group in data.groups],
        age=np.where(np.arange(len(data)) % 7 == 0, np.nan, np.arange(len(data)) + 0.1),
        metal=pd.array([True, None, False] * 20, dtype="boolean"),
    )
    excluded = pd.DataFrame(
        {"path": ["/x/cut\udcff.jpg"], "label": ["fractured"], "reason": ["cut short"]}, dtype=object
    )
    known = replace(data, frame=frame, metadata_columns=("part",), ignored={".txt file": 2})
    made = make_result(known.with_files(data.files), threshold=0.4, external=make_result(data), excluded=excluded)
    folds = [replace(fold, params={"C": 1.5}, fit_seconds=0.1 + fold.fold) for fold in made.fold_results]
    folds[-1] = replace(folds[-1], train_scores=np.random.default_rng(0).normal(size=(len(folds[-1].train), 2)))
    return EvaluationResult(known, folds, excluded, 0, made.external, audit=audit_dataset(data))


@pytest.fixture(scope="module")
def again(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "new" / "folder"
    result.save(folder)
    return EvaluationResult.load(folder)


def test_tables_are_the_same(result, again):
    tables = {
        "frame": lambda r: r.frame(),
        "comparison": lambda r: r.comparison(),
        "folds": lambda r: r.folds(),
        "predictions": lambda r: r.predictions(),
        "subgroups": lambda r: r.subgroups("part"),
        "strata": lambda r: r.strata(["part", "height"]),
        "by_study": lambda r: r.by_study("study").frame(),
        "external": lambda r: r.external.frame(),
        "excluded": lambda r: r.excluded,
        "curves": lambda r: mean_curves(r),
        "data": lambda r: r.data.frame,
    }
    for name, table in tables.items():
        pd.testing.assert_frame_equal(
            table(result), table(again), check_exact=True, check_dtype=False, check_column_type=False, obj=name
        )


def test_manifest_and_findings_are_the_same(result, again):
    assert again.manifest() == result.manifest()
    assert again.audit.findings == result.audit.findings
    assert again.audit.has_copies == result.audit.has_copies


def test_the_page_is_the_same(result, again, tmp_path):
    first, second = (write_report(r, tmp_path / f"{k}.html") for k, r in enumerate((result, again)))
    assert first.read_bytes() == second.read_bytes()


def test_scores_are_kept_bit_by_bit(result, again):
    for one, other in zip(result.fold_results, again.fold_results, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_equal(one.train_scores, other.train_scores)
        assert other.estimator is None


def test_boxes_and_three_classes(data, tmp_path):
    boxes, labels = (np.empty(len(data), dtype=object) for _ in range(2))
    for k in range(len(data)):
        boxes[k] = None if k % 3 == 0 else np.arange(4.0 * (k % 3)).reshape(-1, 4)
        labels[k] = None if k % 3 == 0 else ("fracture",) * (k % 3)
    three = make_result(replace(with_three_classes(data), boxes=boxes, box_labels=labels))
    three.save(tmp_path)
    loaded = EvaluationResult.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.frame(), three.frame(), check_exact=True)
    for name in ("boxes", "box_labels"):
        np.testing.assert_equal(list(getattr(loaded.data, name)), list(getattr(three.data, name)))


def test_nothing_in_the_file_is_pickled(result, tmp_path):
    result.save(tmp_path)
    with zipfile.ZipFile(tmp_path / "result.npz") as file:
        for name in file.namelist():
            array = np.load(io.BytesIO(file.read(name)), allow_pickle=False)
            assert array.dtype != object


def write_json(path, change):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    told = json.loads(arrays["json"].tobytes())
    change(told, arrays)
    arrays["json"] = np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)
    np.savez(path, **arrays)


def shorten(told, arrays):
    arrays["0-test"] = arrays["0-test"][:-1]


def point_outside(told, arrays):
    arrays["0-test"] = arrays["0-test"] + 1000


DAMAGES = {
    "a later version": (lambda told, arrays: told.update(format=2), "is of format 2; this version reads format 1"),
    "a row too few": (shorten, "are not of these images"),
    "a row that is not there": (point_outside, "are not of these images"),
    "no scores": (lambda told, arrays: arrays.pop("0-scores"), "cannot be read: TypeError"),
    "no data": (lambda told, arrays: told["result"].pop("data"), "cannot be read: KeyError: 'data'"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_said(damage, result, tmp_path):
    result.save(tmp_path)
    change, message = DAMAGES[damage]
    write_json(tmp_path / "result.npz", change)
    with pytest.raises(ResultFileError, match=message):
        EvaluationResult.load(tmp_path)


def test_no_file_and_half_a_file(result, tmp_path):
    with pytest.raises(ResultFileError, match=r"holds no result.npz; expected a folder of compare --out"):
        EvaluationResult.load(tmp_path)
    result.save(tmp_path)
    whole = (tmp_path / "result.npz").read_bytes()
    (tmp_path / "result.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ResultFileError, match="cannot be read: BadZipFile"):
        EvaluationResult.load(tmp_path)


def test_images_need_not_be_there(radiographs, data, tmp_path):
    moved = replace(data, paths=np.array([path.replace("radiographs", "gone") for path in data.paths]))
    make_result(moved.with_files(data.files)).save(tmp_path)
    assert EvaluationResult.load(tmp_path).subgroups("patient").empty if "patient" in data.frame else True
    assert not shutil.os.path.exists(EvaluationResult.load(tmp_path).data.paths[0])
