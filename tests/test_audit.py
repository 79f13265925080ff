"""The audit of a data set: what is found, what is not, and what comes of it."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from fracture_features import audit_dataset, evaluate, load_csv, load_folder, make_pipeline, make_radiographs
from fracture_features.audit import CODES, sort_findings
from fracture_features.audit._findings import Finding
from fracture_features.cli import ExitCode, main
from fracture_features.exceptions import DatasetError, LeakWarning, UngroupedDataWarning
from fracture_features.report import write_audit

PATIENT = r"patient(\d+)"


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    return make_radiographs(48, folder=tmp_path_factory.mktemp("audit") / "drawn", random_state=3)


@pytest.fixture
def folder(drawn, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(drawn, tmp_path / "set", ignore=shutil.ignore_patterns("*.csv"))


def files_of(folder, label):
    return sorted((folder / label).iterdir())


def codes(report):
    return [finding.code for finding in report.findings]


def split(folder, tmp_path):
    """The folder with a split: every third patient is tested."""
    root = tmp_path / "split"
    for path in sorted(folder.glob("*/*")):
        number = int("".join(filter(str.isdigit, path.stem.split("_")[0])))
        part = "test" if number % 3 == 0 else "train"
        (root / part / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / part / path.parent.name / path.name)
    return root


def test_nothing_is_found_in_a_clean_set(folder, tmp_path):
    report = audit_dataset(load_folder(folder, groups=PATIENT))
    assert report.findings == []
    assert not report.inflates
    assert len(report.pairs) == 0
    data = load_folder(folder, groups=PATIENT)
    assert pd.Series(report.groups).groupby(data.groups).nunique().eq(1).all()
    assert len(np.unique(report.groups)) == len(np.unique(data.groups))
    assert codes(audit_dataset(load_folder(split(folder, tmp_path), groups=PATIENT))) == []
    assert codes(audit_dataset(load_folder(folder))) == ["FF402"]


def test_copies_across_a_split_are_found_each_under_its_closest_kind(folder, tmp_path):
    root = split(folder, tmp_path)
    trained = files_of(root / "train", "fractured")
    shutil.copy(trained[0], root / "test" / "fractured" / "x.jpg")
    image = cv2.imread(str(trained[1]), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(root / "test" / "fractured" / "y.png"), image)
    cv2.imwrite(str(root / "test" / "fractured" / "z.jpg"), cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE))
    report = audit_dataset(load_folder(root))
    found = {finding.code: finding for finding in report.findings}
    for code, name in (("FF201", "x.jpg"), ("FF202", "y.png"), ("FF203", "z.jpg")):
        assert found[code].count == 1
        assert [str(report.data.paths[row]).endswith(name) for row in found[code].rows] == [True]
        assert found[code].counts["fractured, test"] == 1
        assert name in found[code].examples[0]
    assert report.inflates
    assert report.pairs["across_split"].sum() >= 2


def test_copies_that_no_group_keeps_together(folder):
    first, copy = files_of(folder, "fractured")[0], folder / "fractured" / "patient900_a.jpg"
    shutil.copy(first, copy)
    report = audit_dataset(load_folder(folder, groups=PATIENT))
    assert codes(report) == ["FF204"]
    assert report.findings[0].count == 2
    rows = [
        row
        for row, path in enumerate(report.data.paths)
        if path in (str(first), str(folder / "fractured/patient900_a.jpg"))
    ]
    assert report.groups[rows[0]] == report.groups[rows[1]]
    # one patient's copies harm no test part
    shutil.move(copy, first.with_name(f"{first.stem}_again.jpg"))
    report = audit_dataset(load_folder(folder, groups=PATIENT))
    assert codes(report) == ["FF206"]
    assert not report.inflates


def test_opposite_labels_come_first_and_are_left_out_by_clean(folder):
    first, second = files_of(folder, "fractured")[:2]
    shutil.copy(first, folder / "non-fractured" / "patient900_a.jpg")
    shutil.copy(second, second.with_name(f"{second.stem}_again.jpg"))
    data = load_folder(folder, groups=PATIENT)
    report = audit_dataset(data)
    finding = next(finding for finding in report.findings if finding.code == "FF301")
    assert finding.count == 2
    assert report.pairs["opposite_labels"].tolist() == [True, False]
    cleaned = report.clean()
    assert len(cleaned) == len(data) - 3
    assert str(first) not in cleaned.paths
    assert str(second) in cleaned.paths
    reasons = cleaned.left_out.set_index("path")["reason"]
    assert "of another class" in reasons[str(first)]
    assert str(second) in reasons[f"{second.parent}/{second.stem}_again.jpg"]
    assert codes(audit_dataset(cleaned)) == []
    assert first.exists()


def test_a_copy_at_any_angle_is_found_where_its_name_tells(folder):
    path = files_of(folder, "fractured")[0]
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    h, w = image.shape
    turned = cv2.warpAffine(image, cv2.getRotationMatrix2D((w / 2, h / 2), 17, 1.0), (w, h))
    cv2.imwrite(str(path.with_name(f"{path.stem}-rotated1.jpg")), turned)
    other = files_of(folder, "fractured")[-1]  # another picture under such a name
    shutil.copy(other, path.with_name(f"{path.stem} (1).jpg"))
    other.unlink()
    report = audit_dataset(load_folder(folder))
    (pair,) = report.pairs.itertuples()
    assert pair.turn in ("rotated by 17°", "rotated by -17°")
    assert pair.similarity > 0.9
    assert "FF205" in codes(report)
    assert next(finding for finding in report.findings if finding.code == "FF207").count == 3


def test_labels_that_contradict_folder_or_column(folder, tmp_path):
    rows = [(path.relative_to(folder).as_posix(), path.parent.name, 0) for path in sorted(folder.glob("*/*"))]
    table = pd.DataFrame(rows, columns=["image", "label", "fracture_count"])
    table["fracture_count"] = (table["label"] == "fractured").astype(int)
    table.loc[0, "label"] = "non-fractured"
    table.to_csv(tmp_path / "list.csv", index=False)
    report = audit_dataset(load_csv(tmp_path / "list.csv", root=folder, groups=PATIENT))
    finding = next(finding for finding in report.findings if finding.code == "FF303")
    assert finding.rows == (0,)
    assert "folder 'fractured'" in finding.examples[0]
    assert "column 'fracture_count'" in finding.examples[0]


def test_groups_across_a_split_and_of_two_classes(folder, tmp_path):
    data = load_folder(split(folder, tmp_path))
    groups = np.arange(len(data))
    is_test = (data.frame["split"] == "test").to_numpy()
    one = np.flatnonzero(is_test & (data.y == 1))[0], np.flatnonzero(~is_test & (data.y == 0))[0]
    groups[list(one)] = groups[one[0]]
    found = {finding.code: finding for finding in audit_dataset(replace(data, groups=groups)).findings}
    assert found["FF401"].count == 1
    assert set(found["FF401"].rows) == set(one)
    assert set(found["FF302"].rows) == set(one)
    assert audit_dataset(replace(data, groups=groups)).inflates


def test_parts_of_unlike_balance(folder, tmp_path):
    root = split(folder, tmp_path)
    for path in files_of(root / "test", "fractured")[1:] + files_of(root / "train", "non-fractured")[3:]:
        path.unlink()
    report = audit_dataset(load_folder(root, groups=PATIENT))
    assert codes(report) == ["FF403"]
    assert "of the test part" in report.findings[0].detail


def test_unreadable_files_alone(folder):
    for path in folder.glob("*/*"):
        path.write_bytes(b"no image")
    report = audit_dataset(load_folder(folder, groups=PATIENT))
    assert report.findings[0].code == "FF102"
    assert report.findings[0].count == 48


def test_wrong_arguments():
    with pytest.raises(ValueError, match="data must be a FractureDataset, got list"):
        audit_dataset(["a.png"])


def test_a_cache_spares_the_second_reading(folder, tmp_path):
    data = load_folder(folder, groups=PATIENT)
    first = audit_dataset(data, cache=tmp_path / "cache")
    again = audit_dataset(load_folder(folder, groups=PATIENT), cache=tmp_path / "cache")
    pd.testing.assert_frame_equal(first.data.files, again.data.files)


def test_codes_are_told_worst_first():
    found = [Finding(code, 1) for code in reversed(list(CODES))]
    order = sort_findings(found)
    severities = [finding.kind.severity for finding in order]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    errors = [finding for finding in order if finding.kind.severity == "error"]
    assert [finding.kind.inflates for finding in errors] == sorted([f.kind.inflates for f in errors], reverse=True)
    for code, kind in CODES.items():
        assert code[:2] == "FF"
        assert all([kind.title, kind.effect, kind.advice])
        assert kind.severity == "error" or not kind.inflates


def leaky(folder, n=12):
    """Some images have a copy under another patient's name."""
    for k, path in enumerate(files_of(folder, "fractured")[:n] + files_of(folder, "non-fractured")[:n]):
        shutil.copy(path, path.with_name(f"patient{900 + k}_a.jpg"))
    return folder


def test_evaluate_keeps_copies_together_unless_told_not_to(folder):
    data = load_folder(leaky(folder), groups=PATIENT)
    models = {"m": make_pipeline("edges", "logistic", image_size=32)}
    with pytest.warns(LeakWarning, match="48 images have a copy"):
        result = evaluate(models, data, cv=3, random_state=0)
    assert "FF204" in codes(result.audit)
    copies = audit_dataset(data).groups
    for fold in result.fold_results:
        assert not np.intersect1d(copies[fold.train], copies[fold.test]).size
    plain = evaluate(models, data, cv=3, random_state=0, audit=False)
    assert plain.audit is None
    assert any(np.intersect1d(copies[fold.train], copies[fold.test]).size for fold in plain.fold_results)


def test_a_report_stands_for_the_audit(folder):
    data = load_folder(leaky(folder), groups=PATIENT)
    report = audit_dataset(data)
    with pytest.warns(LeakWarning):
        result = evaluate({"m": make_pipeline("majority")}, data, cv=3, random_state=0, audit=report)
    assert result.audit is report
    with pytest.raises(ValueError, match="audit must be a report of the same files"):
        evaluate({"m": make_pipeline("majority")}, data.subset(range(40)), audit=report)
    with pytest.raises(ValueError, match="audit must be True, False or an AuditReport"):
        evaluate({"m": make_pipeline("majority")}, data, audit="yes")


def test_without_groups_those_of_the_copies_are_used_and_it_is_still_said(folder):
    data = load_folder(leaky(folder))
    with pytest.warns(LeakWarning), pytest.warns(UngroupedDataWarning):
        result = evaluate({"m": make_pipeline("majority")}, data, cv=3, random_state=0)
    assert len(np.unique(result.data.groups)) == 48


def test_test_images_with_a_copy_in_training_are_not_tested(folder, tmp_path):
    root = split(folder, tmp_path)
    copied = root / "test" / "fractured" / "x.jpg"
    shutil.copy(files_of(root / "train", "fractured")[0], copied)
    data = load_folder(root)
    n_test = (data.frame["split"] == "test").sum()
    with pytest.warns(LeakWarning, match="1 test images"), pytest.warns(UngroupedDataWarning):
        result = evaluate({"m": make_pipeline("majority")}, data, cv="split", random_state=0)
    assert len(result.fold_results[0].test) == n_test - 1
    assert result.excluded["path"].tolist() == [str(copied)]
    assert "a copy of it stands in the training part" in result.excluded["reason"][0]
    for path in files_of(root / "test", "fractured"):
        if path != copied:
            path.unlink()
    with (
        pytest.warns(UngroupedDataWarning),
        pytest.raises(DatasetError, match=r"1 of \d+ test images have a copy .* none of \['fractured'\]"),
    ):
        evaluate(
            {"m": make_pipeline("majority")},
            load_folder(root),
            cv="split",
        )


def test_the_command_says_what_it_found(folder, tmp_path, capsys):
    assert main(["audit", str(folder), "--groups", PATIENT, "--seed", "0"]) == ExitCode.DONE
    capsys.readouterr()
    leaky(folder)
    out = tmp_path / "out"
    assert main(["audit", str(folder), "--groups", PATIENT, "--out", str(out), "--cost"]) == ExitCode.FAILURES
    printed = capsys.readouterr().out
    assert "FF204" in printed
    assert "without all relatives" in printed
    assert sorted(path.name for path in out.iterdir()) == [
        "audit.html", "audit.json", "cost.csv", "findings.csv", "pairs.csv", "shortcuts.csv",
    ]  # fmt: skip
    assert len(pd.read_csv(out / "pairs.csv")) == 24
    assert main(["audit", str(folder), "--groups", PATIENT, "--json"]) == ExitCode.FAILURES
    told = json.loads(capsys.readouterr().out)
    assert told == {key: value for key, value in json.loads((out / "audit.json").read_text()).items() if key != "cost"}
    assert told["inflates"]
    assert main(["audit", str(tmp_path / "none")]) == ExitCode.USAGE


def test_compare_says_what_copies_are_worth(folder, capsys):
    leaky(folder)
    arguments = ["compare", str(folder), "--groups", PATIENT, "--models", "majority", "--folds", "3"]
    assert main(arguments) == ExitCode.DONE
    printed = capsys.readouterr().err
    assert "48 images have copies" in printed
    assert "The ROC AUC of a cheap model is" in printed
    assert main([*arguments, "--no-audit"]) == ExitCode.DONE
    assert "copies" not in capsys.readouterr().err


def test_the_page_shows_pairs_and_obeys_no_markup(folder, tmp_path):
    path = files_of(folder, "fractured")[0]
    shutil.copy(path, folder / "non-fractured" / "<b>patient900.jpg")
    report = audit_dataset(load_folder(folder))
    page = write_audit(report, tmp_path / "audit.html").read_text()
    assert "opposite labels" in page
    assert "<b>patient900" not in page
    assert "&lt;b&gt;patient900" in page
    assert page.count('<img src="data:image/jpeg') == 2
    assert "FF301" in report._repr_html_()
