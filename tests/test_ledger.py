import numpy as np
import pandas as pd
import pytest
from shortcuts import SHORTCUTS, chosen, plant_all

from fracture_features import FractureDataset, audit_dataset, load_folder, make_radiographs
from fracture_features.audit import CODES
from fracture_features.datasets import load_fracatlas
from fracture_features.evaluation import ledger_findings, shortcut_ledger
from fracture_features.evaluation._ledger import _Folds, ledger_of, neighbours, strongest_feature
from fracture_features.exceptions import DatasetError

N = 200


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Radiographs to plant shortcuts into copies of."""
    return make_radiographs(N, folder=tmp_path_factory.mktemp("source"), random_state=5)


def dataset(y, groups=None, names=("healthy", "fractured")):
    n = len(y)
    paths = np.array([f"/nowhere/{k}.png" for k in range(n)])
    return FractureDataset(paths, np.asarray(y), list(names), groups, pd.DataFrame(index=range(n)))


def noise(n, k, seed):
    return pd.DataFrame(np.random.default_rng(seed).random((n, k))).rename(columns=str)


@pytest.mark.parametrize("kind", SHORTCUTS)
def test_a_planted_shortcut_comes_first(source, tmp_path, kind):
    family, plant = SHORTCUTS[kind]
    plant_all(source, tmp_path, plant, seed=2)
    ledger = shortcut_ledger(load_folder(tmp_path, groups=r"patient(\d+)"), random_state=0)
    assert ledger["family"][0] == family
    assert ledger["is_shortcut"][0]
    assert 0.55 < ledger["low"][0] < ledger["roc_auc"][0] < 0.9
    finding = ledger_findings(ledger)[0]
    assert finding.code == "FF501"
    assert finding.examples[0].startswith(f"{family} alone: ROC AUC 0.")


@pytest.mark.parametrize("groups", [r"patient(\d+)", None])
def test_a_clean_set_names_none(source, groups):
    ledger = shortcut_ledger(load_folder(source, groups=groups), random_state=0)
    assert not ledger["is_shortcut"].any()
    assert ledger_findings(ledger) == []
    assert {"file size", "resolution", "border", "markers", "brightness", "thumbnail"} <= {*ledger["family"]}


def test_what_an_audit_has_read_is_used(source):
    data = load_folder(source, groups=r"patient(\d+)")
    audited = audit_dataset(data).data
    pd.testing.assert_frame_equal(shortcut_ledger(audited, random_state=0), shortcut_ledger(data, random_state=0))
    told = audited.with_files(audited.files.assign(quality=50 + 40 * data.y))
    assert shortcut_ledger(told, random_state=0)["family"][0] == "encoder"


@pytest.mark.parametrize("seed", range(2))
def test_clean_sets_of_many_views_name_none(tmp_path, seed):
    folder = make_radiographs(120, folder=tmp_path / "r", random_state=20 + seed, images_per_patient=5, difficulty=seed)
    assert not shortcut_ledger(load_folder(folder, groups=r"patient(\d+)"), random_state=seed)["is_shortcut"].any()


def test_noise_is_seldom_named():
    """Of 20 sets of four families of noise, in patients of four, at most two have one named (error 2.5 %)."""
    named = 0
    for seed in range(20):
        y, groups = (
            np.repeat(np.random.default_rng(seed).permutation(np.arange(40) % 2), 4),
            np.repeat(np.arange(40), 4),
        )
        by_patient = noise(40, 3, seed).loc[groups].reset_index(drop=True)
        families = {f"noise {k}": noise(160, 3, 100 * seed + k) for k in range(3)} | {"patient": by_patient}
        named += ledger_of(dataset(y, groups), families, random_state=seed)["is_shortcut"].any()
    assert named <= 2


def test_areas_are_those_of_a_binary_feature():
    """Present in 80 % of one class and 20 % of the other, it has an area of 0.8 whatever stands beside it."""
    y = np.arange(600) % 2
    families = {"noise": noise(600, 5, 1), "plain": noise(600, 10, 2).assign(sign=chosen(y).astype(float))}
    ledger = ledger_of(dataset(y, np.arange(600) // 3), families, random_state=0).set_index("family")
    assert ledger["roc_auc"]["plain"] == pytest.approx(0.8, abs=0.02)
    assert ledger["added"]["plain"] == pytest.approx(0.8, abs=0.025)
    assert ledger["added"]["noise"] == ledger["roc_auc"]["noise"] == pytest.approx(0.5, abs=0.06)
    assert ledger["feature"]["plain"] == "sign"
    assert ledger["step"].to_dict() == {"plain": 2, "noise": 1}
    assert ledger["is_shortcut"].to_dict() == {"plain": True, "noise": False}
    assert ledger["low"]["plain"] == pytest.approx(0.8 - 1.96 * np.sqrt(1.8 * 0.16 / 600), abs=0.04)


def test_a_general_family_stands_behind_the_specific_one_that_explains_it():
    y = np.arange(400) % 2
    has = chosen(y).astype(float)
    families = {"file size": pd.DataFrame({"bytes": has + 0.01}), "EXIF": pd.DataFrame({"tag": has})}
    ledger = ledger_of(dataset(y, np.arange(400)), families, random_state=0)
    assert ledger["family"].tolist() == ["EXIF", "file size"]
    assert ledger["explained_by"][1] == "EXIF"
    assert "not shown to add to EXIF" in ledger_findings(ledger)[0].examples[1]
    stronger = families | {"file size": pd.DataFrame({"bytes": has + 2 * (np.random.default_rng(0).random(400) < y)})}
    ledger = ledger_of(dataset(y, np.arange(400)), stronger, random_state=0)
    assert ledger["family"].tolist() == ["file size", "EXIF"], "it tells more"


def test_the_thumbnail_is_never_named():
    y = np.arange(200) % 2
    ledger = ledger_of(dataset(y, np.arange(200)), {"thumbnail": pd.DataFrame({"a": y})}, random_state=0)
    assert ledger["roc_auc"][0] == 1
    assert not ledger["is_shortcut"][0]


def test_groups_stay_together():
    """A feature that names the patient says nothing of other patients."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 5)
    y = rng.permutation(np.arange(60) % 2)[groups]
    families = {"patient": pd.DataFrame({"number": rng.permutation(60)[groups]})}
    assert ledger_of(dataset(y, groups), families, random_state=0)["roc_auc"][0] < 0.65
    leaky = ledger_of(dataset(y, np.arange(300)), families, random_state=0)
    assert leaky["roc_auc"][0] > 0.65
    folds = _Folds(dataset(y, groups), 5, 0, 1)
    assert all(not np.intersect1d(groups[train], groups[test]).size for train, test in folds.splits)


def test_without_groups_neighbours_by_name_stay_together():
    paths = [f"a/patient{k // 3:03d}_{k % 3}.jpg" for k in range(9)]
    assert neighbours(paths).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert neighbours([f"{place}/IMG{k:05d}.jpg" for k in range(50) for place in "ab"]).tolist() == [
        k // 10 for k in range(50) for _ in "ab"
    ]
    assert len(set(neighbours(["left.png", "right.png", "x/left.png"]))) == 2


def test_more_than_two_classes_are_told_one_against_the_rest():
    y = np.arange(300) % 3
    families = {"kind": pd.DataFrame({"x": (y == 2) + 0.1 * np.random.default_rng(0).random(300)})}
    ledger = ledger_of(dataset(y, np.arange(300), names="abc"), families, random_state=0)
    assert ledger["roc_auc"][0] == pytest.approx((0.75 + 0.75 + 1) / 3, abs=0.02)
    assert ledger["is_shortcut"][0]


def test_the_strongest_feature_is_so_whichever_way():
    y = np.arange(100) % 2
    table = noise(100, 3, 0).assign(low=1 - y)
    assert strongest_feature(table, y) == "low"


def test_too_few_images_are_an_error():
    with pytest.raises(DatasetError, match="fewer than two"):
        ledger_of(dataset([0, 0, 0, 1]), {"a": noise(4, 2, 0)})


def test_the_same_seed_gives_the_same_ledger(data):
    first, second = (shortcut_ledger(data, random_state=3, n_jobs=n_jobs) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(first, second)


def test_a_set_without_features_has_an_empty_ledger():
    ledger = ledger_of(dataset([0, 1] * 10), {})
    assert ledger.empty
    assert "is_shortcut" in ledger
    assert ledger_findings(ledger) == []


def test_fracatlas_owes_much_to_part_and_numbers(shared_data):
    data = load_fracatlas(shared_data / "fracatlas", groups=shared_data / "fracatlas" / "groups.csv")
    ledger = shortcut_ledger(data, random_state=0, n_jobs=2).set_index("family")
    assert ledger["is_shortcut"]["part and view"]
    assert 0.63 < ledger["roc_auc"]["part and view"] < 0.75
    assert ledger["added"]["hardware"] > 0.78
    assert CODES["FF501"].inflates
