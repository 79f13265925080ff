import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from fracture_features import load_csv
from fracture_features.evaluation import BASELINES, baseline_models
from fracture_features.evaluation._baselines import describe_appearance, metadata_table
from fracture_features.exceptions import ImageReadError


@pytest.fixture
def hospital(tmp_path):
    """Sixty images of noise; fractures are of the right hand, and bright, in a share of the cases given."""

    def draw(right, bright):
        rng = np.random.default_rng(0)
        rows = []
        for i in range(60):
            fractured = i % 2
            image = rng.integers(0, 100, (40, 30), dtype=np.uint8) + 100 * (fractured & (rng.random() < bright))
            cv2.imwrite(str(tmp_path / f"{i}.png"), image.astype(np.uint8))
            side = ["left", "right"][fractured if rng.random() < right else 1 - fractured]
            rows.append((f"{i}.png", ["fractured", "normal"][1 - fractured], side, i))
        frame = pd.DataFrame(rows, columns=["image", "label", "side", "patient"])
        frame.to_csv(tmp_path / "list.csv", index=False)
        return load_csv(tmp_path / "list.csv", groups="patient", metadata_columns=["side"])

    return draw


def auc(model, data):
    half = len(data) // 2
    model = clone(model).fit(data.paths[:half], data.y[:half])
    return roc_auc_score(data.y[half:], model.predict_proba(data.paths[half:])[:, 1])


def test_metadata_alone_finds_a_shortcut_in_the_metadata_and_no_other(hospital):
    models = baseline_models(data := hospital(right=1, bright=0.5), random_state=0)
    assert list(models) == list(BASELINES)
    assert auc(models["metadata only"], data) == 1
    assert auc(models["majority class"], data) == 0.5
    models = baseline_models(data := hospital(right=0.5, bright=1), random_state=0)
    assert auc(models["shortcut probe"], data) == 1


def test_a_leaf_of_the_forests_holds_three_images(hospital):
    """With fewer they learn single images by heart, and their ROC AUC falls."""
    models = baseline_models(data := hospital(right=0.7, bright=0.5), random_state=0)
    for name in ("metadata only", "shortcut probe"):
        forest = models[name].fit(data.paths, data.y)[-1]
        trees = [tree.tree_ for tree in forest.estimators_]
        assert min(tree.n_node_samples[tree.children_left == -1].min() for tree in trees) == 3, name


def test_where_there_is_no_shortcut_none_is_found(hospital):
    models = baseline_models(data := hospital(right=0.5, bright=0), random_state=0)
    for name in ("metadata only", "shortcut probe"):
        assert 0.2 < auc(models[name], data) < 0.8, name


def test_the_table_holds_what_is_known_without_a_pixel(hospital, tmp_path):
    data = hospital(right=0.5, bright=0)
    table = metadata_table(data)
    assert list(table.columns) == ["side", "image_height", "image_width", "file_size"]
    assert list(table.index) == list(data.paths)
    assert set(table["image_height"]) == {40}
    assert set(table["image_width"]) == {30}
    assert table["file_size"].iloc[3] == (tmp_path / "3.png").stat().st_size


def test_gaps_and_new_categories_are_categories(hospital):
    data = hospital(right=1, bright=0)
    data.frame["side"] = data.frame["side"].astype(object)
    data.frame.loc[:9, "side"] = None
    data.frame.loc[50:, "side"] = "both"
    model = baseline_models(data, random_state=0)["metadata only"]
    assert np.isfinite(model.fit(data.paths[:50], data.y[:50]).predict_proba(data.paths)).all()


def test_appearance_in_closed_form():
    image = np.zeros((1, 64, 64), dtype=np.uint8)
    image[0, 4:-4, 4:-4] = 160
    features = describe_appearance(image)[0]
    inner = (56 / 64) ** 2
    np.testing.assert_allclose(features[:4], [160 * inner, 160 * np.sqrt(inner * (1 - inner)), 0, 1 - inner], rtol=1e-5)
    histogram = np.zeros(16)
    histogram[[0, 10]] = 1 - inner, inner
    np.testing.assert_allclose(features[4:20], histogram, rtol=1e-5)
    assert features[20:].reshape(8, 8)[3, 3] == 160
    assert features[20:].reshape(8, 8)[0, 0] == 40
    assert describe_appearance(np.zeros((2, 1, 1), dtype=np.uint8)).shape == (2, 84)


def test_a_missing_file_is_named(hospital, tmp_path):
    data = hospital(right=1, bright=0)
    (tmp_path / "7.png").unlink()
    with pytest.raises(ImageReadError, match=r"7\.png"):
        metadata_table(data)
