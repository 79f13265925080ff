import csv
import random
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.random import SeedSequence, default_rng
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline as chain
from sklearn.preprocessing import StandardScaler

from fracture_features import load_folder, make_pipeline, make_radiographs
from fracture_features.datasets.synthetic._anatomy import LIMBS
from fracture_features.datasets.synthetic._attenuation import noise_field
from fracture_features.datasets.synthetic._draw import _Case, _draw_case, _plan, _shares
from fracture_features.datasets.synthetic._exposure import box, expose
from fracture_features.datasets.synthetic._fracture import draw_eases


def truth(folder):
    with open(folder / "truth.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def auc(model, X, data):
    cv = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    return cross_val_score(model, X, data.y, groups=data.groups, cv=cv, scoring="roc_auc").mean()


def auc_of(name, classifier, folder, cache):
    data = load_folder(folder, groups=r"patient(\d+)")
    return auc(make_pipeline(name, classifier, cache=cache, random_state=0), data.paths, data)


def shortcuts(path):
    """What says nothing about bones: exposure, size, the file."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    border = np.r_[image[0], image[-1], image[:, 0], image[:, -1]].mean()
    return [image.mean(), image.std(), *image.shape, border, Path(path).stat().st_size]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return make_radiographs(240, folder=tmp_path_factory.mktemp("many"), random_state=0)


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    return make_radiographs(31, folder=tmp_path_factory.mktemp("some"), fractured_fraction=0.4, random_state=3)


def case(seed, ease=0.8, kind=0):
    return *_draw_case(SeedSequence(seed), _Case(2, kind, ease)), noise_field(default_rng(0))


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob("**/*.*")}


def test_same_seed_same_bytes(tmp_path):
    first, again, other = (
        contents(make_radiographs(8, folder=tmp_path / name, random_state=seed))
        for name, seed in zip("abc", (5, 5, 6), strict=True)
    )
    assert first == again
    assert first != other


def test_threads_change_nothing(tmp_path):
    threads = cv2.getNumThreads()
    folders = []
    try:
        for n in (1, 4):
            cv2.setNumThreads(n)
            folders.append(make_radiographs(4, folder=tmp_path / str(n), random_state=0))
    finally:
        cv2.setNumThreads(threads)
    assert contents(folders[0]) == contents(folders[1])


def test_layout(some):
    assert isinstance(some, Path)
    rows = truth(some)
    names = [row["image"] for row in rows]
    assert sorted(names) == sorted(name for name in contents(some) if name != "truth.csv")
    for row in rows:
        folder = "fractured" if row["fractured"] == "1" else "non-fractured"
        assert row["image"].startswith(f"{folder}/patient{int(row['patient']):03d}_")
    assert Counter(row["fractured"] for row in rows) == {"1": 12, "0": 19}


def test_patients_have_several_images_and_one_label(many):
    rows = truth(many)
    assert {2, 3, 4} == set(Counter(row["patient"] for row in rows).values())
    assert len({(row["patient"], row["fractured"]) for row in rows}) == len({row["patient"] for row in rows})


@pytest.mark.parametrize("n", [1, 2, 5, 100])
@pytest.mark.parametrize("mean", [1, 2, 5])
def test_shares(n, mean):
    shares = _shares(n, mean, default_rng(0))
    assert sum(shares) == n
    assert min(shares) >= 1
    if n > 10 * mean:
        assert max(shares) <= mean + 1


@pytest.mark.parametrize(("fraction", "n_fractured"), [(0, 0), (1, 5), (0.2, 1)])
def test_fractured_fraction(tmp_path, fraction, n_fractured):
    folder = make_radiographs(5, folder=tmp_path / "new" / "folder", fractured_fraction=fraction, random_state=0)
    assert len(list((folder / "fractured").iterdir())) == n_fractured
    assert len(list((folder / "non-fractured").iterdir())) == 5 - n_fractured


def test_images_are_grey_and_of_many_sizes(some):
    images = [cv2.imread(str(some / row["image"]), cv2.IMREAD_UNCHANGED) for row in truth(some)]
    assert all(image.dtype == np.uint8 and image.ndim == 2 for image in images)
    assert all(290 <= max(image.shape) <= 530 and min(image.shape) >= 150 for image in images)
    assert len({image.shape for image in images}) > 25
    assert all(image.std() > 15 for image in images)


def test_boxes_are_inside_the_image(many):
    for row in truth(many):
        box = [row[key] for key in ("top", "left", "bottom", "right")]
        if row["fractured"] == "0":
            assert box == [""] * 4
            continue
        height, width = cv2.imread(str(many / row["image"]), cv2.IMREAD_UNCHANGED).shape
        top, left, bottom, right = map(int, box)
        assert 0 <= top < bottom <= height
        assert 0 <= left < right <= width
        assert (bottom - top) * (right - left) < 0.35 * height * width


@pytest.mark.parametrize("seed", range(8))
def test_a_hairline_changes_only_its_box(seed):
    patient, views, fracture, field = case(seed, ease=0, kind=seed % 3)
    for view in views:
        broken, whole = (expose(patient, view, f, field).astype(int) for f in (fracture, None))
        changed = abs(broken - whole)
        top, left, bottom, right = box(patient, view, fracture)
        inside = changed[top:bottom, left:right].max()
        changed[top:bottom, left:right] = 0
        assert inside > max(changed.max(), 2)
        assert changed.max() <= 10  # the far end makes room for the gap, by less than a pixel


@pytest.mark.parametrize("seed", range(4))
def test_nothing_moves_on_the_near_side_of_a_displaced_fracture(seed):
    patient, views, fracture, field = case(seed, ease=0.8)
    broken, whole = (expose(patient, views[0], f, field).astype(int) for f in (fracture, None))
    top, left, bottom, right = box(patient, views[0], fracture)
    changed = abs(broken - whole)
    assert changed[top:bottom, left:right].mean() > 10 * changed[: max(top - 40, 1)].mean()


def test_difficulty_makes_fractures_less_plain():
    means = [draw_eases(60, difficulty, default_rng(0)).mean() for difficulty in np.linspace(0, 1, 6)]
    assert means[0] == 1
    assert means[-1] == 0
    assert (np.diff(means) < 0).all()


def test_label_shows_in_no_shortcut(many):
    data = load_folder(many, groups=r"patient(\d+)")
    X = np.array([shortcuts(path) for path in data.paths], float)
    for name, values in zip(("mean", "std", "height", "width", "border", "bytes"), X.T, strict=True):
        assert 0.35 < roc_auc_score(data.y, values) < 0.65, name  # chance: two standard errors of 80 patients
    assert auc(chain(StandardScaler(), LogisticRegression()), X, data) < 0.6


def test_difficulty_of_the_default(many, tmp_path):
    assert 0.70 < auc_of("hog", "svm", many, tmp_path) < 0.90


@pytest.mark.slow
def test_difficulty_from_end_to_end(tmp_path):
    easy, hard = (
        auc_of(
            "hog", "svm", make_radiographs(180, folder=tmp_path / str(d), difficulty=d, random_state=0), tmp_path / "c"
        )
        for d in (0, 1)
    )
    assert hard < 0.6 < 0.87 < easy


@pytest.mark.parametrize("n", [60, 240])
def test_same_limbs_with_and_without_fracture(n):
    cases = _plan(n, n // 2, 3, 0.5, default_rng(0))
    healthy, broken = (Counter(c.kind for c in cases if (c.ease is None) == b) for b in (True, False))
    assert healthy == broken
    assert max(healthy.values()) - min(healthy.values()) <= 1
    assert set(healthy) == set(range(len(LIMBS)))
    if n > 100:  # of ten fractures the only hairlines fall to one limb
        eases = [np.mean([c.ease for c in cases if c.ease is not None and c.kind == k]) for k in range(len(LIMBS))]
        assert np.ptp(eases) < 0.15


def test_patients_are_left_and_right():
    sides = Counter(_draw_case(SeedSequence(seed), _Case(1, 0, None))[0].side for seed in range(40))
    assert set(sides) == {-1, 1}
    assert min(sides.values()) > 10


@pytest.mark.parametrize("kind", range(3))
def test_without_its_fracture_a_case_is_the_same_patient(kind):
    broken, views, fracture = _draw_case(SeedSequence(7), _Case(3, kind, 0.9))
    whole, same_views, none = _draw_case(SeedSequence(7), _Case(3, kind, None))
    assert (broken.limb, broken.side, broken.folds) == (whole.limb, whole.side, whole.folds)
    assert views == same_views
    assert fracture is not None
    assert none is None


@pytest.mark.parametrize("seed", range(9))
def test_a_fracture_leaves_exposure_and_file_size_as_they_were(seed):
    patient, views, fracture, field = case(seed, kind=seed % 3)
    broken, whole = (expose(patient, views[0], f, field) for f in (fracture, None))
    assert broken.shape == whole.shape
    np.testing.assert_allclose(broken.mean(), whole.mean(), rtol=0.02)
    np.testing.assert_allclose(broken.std(), whole.std(), rtol=0.03)
    n_bytes = [len(cv2.imencode(".jpg", image)[1]) for image in (broken, whole)]
    assert n_bytes[0] < 1.1 * n_bytes[1]


def test_views_share_anatomy_not_exposure():
    patient, views, _, field = case(3)
    first, second = (expose(patient, view, None, field) for view in views)
    assert len({view.seed for view in views}) == 2
    assert first.shape != second.shape or (first != second).any()


@pytest.mark.parametrize("kind", range(3))
def test_mirrored(kind):
    patient, views, _, field = case(0, kind=kind)
    view = views[0]._replace(turn=0.0, shift=(0.0, 0.0))
    one, other = (expose(patient._replace(side=side), view, None, field).astype(int) for side in (1, -1))
    # what is left is noise and the lamp's unevenness, which are not of the patient
    assert abs(one - other[:, ::-1]).mean() < 0.5 * abs(one - other).mean()


def test_global_random_state_is_left_alone(tmp_path):
    before = random.getstate(), np.random.get_state()  # noqa: NPY002 (it is the legacy state that must not move)
    make_radiographs(4, folder=tmp_path, random_state=0)
    after = random.getstate(), np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1][1], after[1][1])
    assert before[1][2:] == after[1][2:]


def test_refuses_a_folder_in_use(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="new or an empty folder"):
        make_radiographs(2, folder=tmp_path)
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        make_radiographs(2, folder=tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_samples": 0}, "n_samples must be an integer of at least 1, got 0"),
        ({"n_samples": 2.0}, "n_samples must be an integer"),
        ({"images_per_patient": 0}, "images_per_patient must be an integer of at least 1, got 0"),
        ({"fractured_fraction": 1.2}, "fractured_fraction must be a number from 0 to 1, got 1.2"),
        ({"difficulty": -0.1}, "difficulty must be a number from 0 to 1, got -0.1"),
        ({"difficulty": float("nan")}, "difficulty must be a number from 0 to 1, got nan"),
        ({"difficulty": "hard"}, "difficulty must be a number from 0 to 1, got 'hard'"),
        ({"random_state": -1}, "random_state must be an integer of at least 0 or None, got -1"),
    ],
)
def test_bad_parameters(tmp_path, parameters, message):
    with pytest.raises(ValueError, match=message):
        make_radiographs(folder=tmp_path, **parameters)
    assert not list(tmp_path.iterdir())
