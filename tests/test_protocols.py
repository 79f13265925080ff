"""Protocols: what is scored, what is refused and how that is counted."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from fracture_features import load_folder, make_radiographs
from fracture_features.cli import main
from fracture_features.exceptions import ProtocolError
from fracture_features.protocols import Protocol, load_protocol, score_predictions


@pytest.fixture(scope="module")
def protocol():
    return load_protocol("fracatlas")


def predictions(protocol, scores):
    return protocol.images[["image_id", "sha256", "fold"]].assign(score=np.asarray(scores))


def oracle(protocol, noise=0.4):
    return protocol.images["fractured"] + np.random.default_rng(0).normal(scale=noise, size=len(protocol.images))


def test_the_folds_are_those_that_are_stated(protocol):
    images = protocol.images
    y, groups = images["fractured"].to_numpy(), images["group"].to_numpy()
    assert (len(images), y.sum(), images["image_id"].nunique()) == (4024, 717, 4024)
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    expected = {frozenset(test.tolist()) for _, test in splitter.split(y, y, groups)}
    for train, test in protocol.splits():
        assert sorted([*train, *test]) == list(range(4024))
        assert not set(groups[train]) & set(groups[test])
        assert images["fold"].iloc[test].nunique() == 1
        assert frozenset(test.tolist()) in expected


def test_images_of_one_content_stand_in_one_group(protocol):
    assert protocol.images.groupby("sha256")["group"].nunique().max() == 1


def test_the_references_have_the_values_that_are_published(protocol):
    """`accurate` 0.884 and average precision 0.716, the metadata 0.764 and 0.459: the table of the protocol."""
    images = protocol.images
    for name, auc in (("accurate", 0.884), ("metadata only", 0.764)):
        scores = protocol.references[name].to_numpy()
        values = [roc_auc_score(images["fractured"].iloc[test], scores[test]) for _, test in protocol.splits()]
        assert np.mean(values) == pytest.approx(auc, abs=5e-4)
        assert len(values) == 5


def test_measures_are_means_over_the_folds(protocol):
    scores = oracle(protocol)
    measures = score_predictions(predictions(protocol, scores), protocol).measures.set_index(["model", "measure"])
    y = protocol.images["fractured"]
    expected = np.mean([roc_auc_score(y.iloc[test], scores.iloc[test]) for _, test in protocol.splits()])
    row = measures.loc[("predictions", "roc_auc")]
    assert row["value"] == pytest.approx(expected)
    assert row["low"] < row["value"] < row["high"]
    assert measures.loc[("accurate", "roc_auc"), "value"] == pytest.approx(0.8845, abs=1e-3)
    # corrected for chance, it lies a little below scikit-learn's
    precision = np.mean([average_precision_score(y.iloc[test], scores.iloc[test]) for _, test in protocol.splits()])
    assert precision - 0.01 < measures.loc[("predictions", "average_precision"), "value"] <= precision


@pytest.mark.parametrize(
    ("make", "verdict", "color"),
    [
        (oracle, "above the baseline", "brightgreen"),
        (lambda protocol: protocol.references["accurate"], "not shown above the baseline", "blue"),
        (lambda protocol: protocol.references["metadata only"], "not shown above the metadata", "lightgrey"),
        (lambda protocol: -protocol.references["accurate"], "not shown above the metadata", "lightgrey"),
    ],
)
def test_a_badge_says_what_the_tests_show(protocol, make, verdict, color):
    badge = score_predictions(predictions(protocol, make(protocol)), protocol).badge()
    assert (badge["schemaVersion"], badge["color"]) == (1, color)
    assert badge["message"].endswith(f"), {verdict}")


@pytest.mark.parametrize(("p_holm", "is_above"), [(0.05, True), (0.051, False)])
def test_above_is_what_holm_shows(protocol, p_holm, is_above):
    score = score_predictions(predictions(protocol, oracle(protocol)), protocol)
    assert replace(score, comparison=score.comparison.assign(p_holm=p_holm)).is_above("accurate") == is_above


def test_a_difference_is_tested_against_each_reference(protocol):
    table = score_predictions(predictions(protocol, oracle(protocol)), protocol).comparison
    assert table["reference"].tolist() == ["accurate", "metadata only"]
    assert (table["p_holm"] >= table["p_value"]).all()
    assert (table["p_holm"] < 0.05).all()
    same = score_predictions(predictions(protocol, protocol.references["accurate"]), protocol).comparison
    assert same.loc[0, "difference"] == 0
    assert same.loc[0, "p_value"] == 1


def test_the_order_of_rows_does_not_matter(protocol):
    table = predictions(protocol, oracle(protocol))
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        score_predictions(table, protocol).measures, score_predictions(shuffled, protocol).measures
    )


def broken(table, what):
    if what == "missing":
        return table.drop(index=[0, 1, 2])
    if what == "unknown":
        return pd.concat([table, table.tail(2).assign(image_id=["a.jpg", "b.jpg"])])
    if what == "twice":
        return pd.concat([table, table.tail(1)])
    if what == "exchanged":
        return table.assign(image_id=["x.jpg", *table["image_id"][1:]])
    column, value = {"hash": ("sha256", "0" * 64), "fold": ("fold", 9), "score": ("score", np.nan)}[what]
    return table.assign(**{column: [*[value] * 5, *table[column][5:]]})


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", "there are 4021 rows; 3 images are missing, the first IMG0000000.jpg"),
        ("unknown", "there are 4026 rows; 2 images are unknown, the first a.jpg"),
        ("twice", "there are 4025 rows; 1 images stand in several rows, the first IMG0"),
        ("exchanged", "1 images are missing, the first IMG0000000.jpg; 1 images are unknown, the first x.jpg"),
        ("hash", "5 hashes differ, the first IMG0000000.jpg"),
        ("fold", "5 folds differ, the first IMG0000000.jpg"),
        ("score", "5 scores are no finite numbers, the first IMG0000000.jpg"),
    ],
)
def test_what_is_not_the_protocols_is_refused_and_counted(protocol, what, message):
    with pytest.raises(ProtocolError) as caught:
        score_predictions(broken(predictions(protocol, oracle(protocol)), what), protocol)
    assert message in str(caught.value)
    assert "'fracatlas' of 4024 images" in str(caught.value)


def test_a_table_without_hashes_is_refused(protocol):
    with pytest.raises(ProtocolError, match="no column 'sha256'; expected"):
        score_predictions(predictions(protocol, oracle(protocol)).drop(columns="sha256"), protocol)


def test_an_unknown_protocol_is_named():
    with pytest.raises(ValueError, match=r"name must be one of \['fracatlas'\], got 'mura'"):
        load_protocol("mura")


def test_the_command_prints_the_measures_and_writes_the_badge(protocol, tmp_path, capsys):
    file, badge = tmp_path / "predictions.csv", tmp_path / "new" / "badge.json"
    predictions(protocol, oracle(protocol)).to_csv(file, index=False)
    assert main(["score", str(file), "--protocol", "fracatlas", "--badge", str(badge)]) == 0
    shown = capsys.readouterr().out
    assert "0.884" in shown
    assert "0.764" in shown
    assert "ROC AUC minus that of accurate: +0.0" in shown
    assert json.loads(badge.read_text(encoding="utf-8"))["message"] in shown
    assert not [path for path in badge.parent.iterdir() if path.suffix == ".part"]


def test_the_command_refuses_with_the_code_of_wrong_usage(protocol, tmp_path, capsys):
    file, badge = tmp_path / "predictions.csv", tmp_path / "badge.json"
    broken(predictions(protocol, oracle(protocol)), "hash").to_csv(file, index=False)
    assert main(["score", str(file), "--protocol", "fracatlas", "--badge", str(badge)]) == 2
    assert "5 hashes differ" in capsys.readouterr().err
    assert not badge.exists()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A protocol of twenty drawn radiographs, and its data set."""
    folder = make_radiographs(20, folder=tmp_path_factory.mktemp("small"), random_state=0)
    data = load_folder(folder)
    names = [path.rsplit("/", 1)[-1] for path in data.paths]
    images = pd.DataFrame({"image_id": names, "sha256": data.files["sha256"], "fractured": data.y})
    images = images.assign(group=range(20), fold=[1, 2] * 10).iloc[::-1].iloc[:18].reset_index(drop=True)
    return Protocol("small", images, pd.DataFrame({"accurate": np.zeros(18)})), data


def test_a_data_set_is_brought_into_the_protocols_order(small):
    protocol, data = small
    ordered = protocol.dataset(data)
    assert [path.rsplit("/", 1)[-1] for path in ordered.paths] == protocol.images["image_id"].tolist()
    assert ordered.groups.tolist() == list(range(19, 1, -1))
    assert ordered.y.tolist() == protocol.images["fractured"].tolist()


def test_files_that_were_saved_again_are_counted(small, tmp_path):
    protocol, data = small
    root = tmp_path / "copy"
    shutil.copytree(data.paths[0].rsplit("/", 2)[0], root)
    for path in sorted(root.rglob(protocol.images["image_id"][0])) + sorted(root.rglob(protocol.images["image_id"][1])):
        path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ProtocolError, match=r"2 files have another SHA-256, the first") as caught:
        protocol.dataset(load_folder(root))
    assert protocol.images["image_id"][0] in str(caught.value)


def test_files_that_are_missing_and_other_labels_are_counted(small):
    protocol, data = small
    with pytest.raises(ProtocolError, match="15 images are missing"):
        protocol.dataset(data.subset(range(5)))
    other = Protocol("small", protocol.images.assign(fractured=1 - protocol.images["fractured"]), protocol.references)
    with pytest.raises(ProtocolError, match="18 labels differ"):
        other.dataset(data)


def test_the_development_slice_is_not_the_published_set(protocol, shared_data):
    """163 of its files were saved again, and others are missing."""
    from fracture_features import load_fracatlas

    data = load_fracatlas(shared_data / "fracatlas")
    names = {path.rsplit("/", 1)[-1] for path in data.paths}
    part = protocol.images[protocol.images["image_id"].isin(names)].reset_index(drop=True)
    with pytest.raises(ProtocolError, match="163 files have another SHA-256"):
        Protocol("slice", part, protocol.references).dataset(data)
    with pytest.raises(ProtocolError, match=rf"{4024 - len(part)} images are missing"):
        protocol.dataset(data)
