import sys
from dataclasses import replace

import cv2
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from results import make_result, with_few_groups, with_three_classes
from sklearn import metrics as reference
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

mpl.use("agg")
from matplotlib import pyplot as plt

from fracture_features import HOGExtractor, plotting, read_image
from fracture_features.cnn import augment_images
from fracture_features.evaluation import MAJORITY, PROBE
from fracture_features.exceptions import MissingDependencyError
from fracture_features.metrics import bootstrap_interval, decision_curve
from fracture_features.plotting._style import COLOURS
from fracture_features.results import (
    EvaluationResult,
    confident_mistakes,
    example_table,
    mean_curves,
    model_names,
    smooth_reliability,
    sorted_models,
)

HISTORY = {"loss": [0.7, 0.5, 0.4], "accuracy": [0.5, 0.7, 0.8], "val_loss": [0.7, 0.6, 0.65]}
HISTORY |= {"val_accuracy": [0.4, 0.6, 0.5], "val_roc_auc": [0.5, 0.7, 0.7]}
SPLITS = np.random.default_rng(0).uniform(size=(24, 3))
SEARCH = {
    "params": [{"features__hog__orientations": k, "classifier__C": 0.1} for k in range(24)],
    "mean_test_score": SPLITS.mean(axis=1),
    **{f"split{k}_test_score": SPLITS[:, k] for k in range(3)},
}
IMAGE = np.random.default_rng(0).integers(0, 256, (64, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def result(data):
    frame = data.frame.assign(part=np.where(data.groups % 2, "forearm", "shin"), rare="most")
    frame.loc[:5, "rare"] = "few"
    return make_result(replace(data, frame=frame))


@pytest.fixture(scope="module")
def three(data):
    return make_result(with_three_classes(data, ["_a", "$b_$", "c" * 60]), ["edges", "_hog $x_$"])


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


PLOTS = {
    "roc": lambda result, **ax: plotting.plot_roc(result, **ax),
    "precision_recall": lambda result, **ax: plotting.plot_precision_recall(result, **ax),
    "calibration": lambda result, **ax: plotting.plot_calibration(result, **ax),
    "forest": lambda result, **ax: plotting.plot_forest(result, **ax),
    "confusion_matrix": lambda result, **ax: plotting.plot_confusion_matrix(result, "edges", **ax),
    "class_balance": lambda result, **ax: plotting.plot_class_balance(result.data, **ax),
    "image_sizes": lambda result, **ax: plotting.plot_image_sizes(result.data, **ax),
    "samples": lambda result, **ax: plotting.plot_samples(result.data, n_per_class=2, **ax),
    "predictions": lambda result, **ax: plotting.plot_predictions(result, "edges", n=3, **ax),
    "mistakes": lambda result, **ax: plotting.plot_mistakes(result, "edges", n=3, **ax),
}
OF_TWO_CLASSES = {
    "decision_curve": lambda result, **ax: plotting.plot_decision_curve(result, **ax),
    "subgroups": lambda result, **ax: plotting.plot_subgroups(result, "part", **ax),
}
OF_NO_RESULT = {
    "history": lambda **ax: plotting.plot_history(HISTORY, **ax),
    "grid_search": lambda **ax: plotting.plot_grid_search(SEARCH, **ax),
    "heat_map": lambda **ax: plotting.plot_heat_map(IMAGE, IMAGE - 99.0, **ax),
    "augmentation": lambda **ax: plotting.plot_augmentation(IMAGE, n_variations=2, **ax),
    "hog": lambda **ax: plotting.plot_hog(IMAGE, **ax),
}


def check_axes(plot):
    """A given ax is used, none is made; without one a single figure is."""
    figure, ax = plt.subplots()
    assert plot(ax=ax) is ax
    assert plt.get_fignums() == [figure.number]
    assert ax.has_data() or ax.child_axes or ax.texts
    plt.close(figure)
    own = plot()
    assert plt.get_fignums() == [own.figure.number]
    own.figure.canvas.draw()  # names that look like formulas break here


def test_every_plot_is_tested_below():
    tested = {f"plot_{name}" for name in PLOTS | OF_TWO_CLASSES | OF_NO_RESULT}
    tested.add("plot_froc")  # test_places.py
    assert tested == {name for name in plotting.__all__ if name.startswith("plot_")}


@pytest.mark.parametrize("name", [*PLOTS, *OF_TWO_CLASSES])
def test_axes_of_plots_of_results(name, result):
    check_axes(lambda **ax: (PLOTS | OF_TWO_CLASSES)[name](result, **ax))


@pytest.mark.parametrize("name", PLOTS)
def test_axes_of_plots_of_three_classes(name, three):
    check_axes(lambda **ax: PLOTS[name](three, **ax))


@pytest.mark.parametrize("name", OF_NO_RESULT)
def test_axes_of_other_plots(name):
    check_axes(OF_NO_RESULT[name])


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"plotting needs .*'matplotlib'.*fracture_features\[plot\]"):
        plotting.plot_history(HISTORY)


def folds_of(result, model):
    return [fold for fold in result.fold_results if fold.model == model]


def test_roc_is_the_mean_of_scikit_learns(result, three):
    for some, classes in ((result, [1]), (three, [0, 1, 2])):
        expected = []
        for fold in folds_of(some, "edges"):
            for k in classes:
                fpr, tpr, _ = reference.roc_curve(
                    some.data.y[fold.test] == k, fold.scores[:, k], drop_intermediate=False
                )
                # a little to the right: at a vertical step the upper end
                expected.append(np.interp(np.linspace(0, 1, 101) + 1e-9, fpr, tpr))
        np.testing.assert_allclose(mean_curves(some, models=["edges"])["y"], np.mean(expected, axis=0))


def test_precision_recall_is_the_mean_of_scikit_learns(result):
    expected, precisions = [], []
    for fold in folds_of(result, "hog"):
        y, score = result.data.y[fold.test], fold.scores[:, 1]
        precision, recall, _ = reference.precision_recall_curve(y, score)
        for x in np.linspace(0, 1, 101):
            reached = np.flatnonzero((recall >= x - 1e-9) & (recall > 0))[-1]
            expected.append(precision[reached])
        precisions.append(reference.average_precision_score(y, score))
    curve = mean_curves(result, "precision_recall", models=["hog"])
    np.testing.assert_allclose(curve["y"], np.reshape(expected, (-1, 101)).mean(axis=0))
    assert curve["y"].mean() == pytest.approx(np.mean(precisions), abs=0.02)


def test_bands_are_those_of_the_bootstrap_of_whole_groups(result):
    def sensitivity_at_20(y, score, sample_weight):
        fpr, tpr, _ = reference.roc_curve(y, score, sample_weight=sample_weight, drop_intermediate=False)
        return np.interp(0.2 + 1e-9, fpr, tpr)

    folds = folds_of(result, "hog")
    rows = np.concatenate([fold.test for fold in folds])
    interval = bootstrap_interval(
        sensitivity_at_20,
        result.data.y[rows],
        np.concatenate([fold.scores[:, 1] for fold in folds]),
        groups=result.data.groups[rows],
        folds=np.repeat([1, 2, 3], [len(fold.test) for fold in folds]),
        random_state=int(np.random.default_rng(result.random_state).integers(2**32)),
    )
    row = mean_curves(result, models=["hog"]).iloc[20]
    widened = np.sqrt(2 - result.estimates.test_fraction)  # of the method, trained anew
    expected = np.clip(row["y"] + widened * (np.array(interval) - row["y"]), 0, 1)  # a share ends at 1
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected))


def test_without_groups_every_image_is_drawn_alone(data, result):
    alone = EvaluationResult(replace(data, groups=None), result.fold_results, result.excluded, 0)
    grouped, single = (mean_curves(r, models=["hog"]) for r in (result, alone))
    np.testing.assert_array_equal(grouped["y"], single["y"])
    assert (grouped["high"] - grouped["low"]).mean() != (single["high"] - single["low"]).mean()


@pytest.mark.parametrize(("plot", "kind"), [("plot_roc", "roc"), ("plot_precision_recall", "precision_recall")])
def test_lines_hold_the_curves(plot, kind, result):
    ax = getattr(plotting, plot)(result)
    lines = ax.lines[1:]
    curves = mean_curves(result, kind)
    for line, model in zip(lines, ["edges", "hog", PROBE], strict=True):  # the best first
        assert line.get_label().startswith(model)
        np.testing.assert_array_equal(line.get_xydata(), curves.loc[curves["model"] == model, ["x", "y"]])
    assert len(ax.collections) == 2  # bands of the models, none of the baseline's
    (band,) = ax.collections[0].get_paths()
    edges = curves[curves["model"] == "edges"]
    assert set(np.round(edges[["low", "high"]].to_numpy().ravel(), 9)) <= set(np.round(band.vertices[:, 1], 9))
    frame = result.frame().set_index(["model", "measure"])
    auc = frame.loc[("edges", "roc_auc" if kind == "roc" else "average_precision")]
    assert f"{auc['value']:.2f} ({auc['low']:.2f}–{auc['high']:.2f})" in lines[0].get_label()


def test_only_the_models_asked_for(result):
    assert len(plotting.plot_roc(result, models=["hog"]).lines) == 2
    assert model_names(result, "hog") == ["hog"]
    only_baselines = make_result(result.data, [])
    assert model_names(only_baselines) == [MAJORITY, PROBE]


def test_calibration_holds_the_reliability(result, three):
    table = result.reliability()
    ax = plotting.plot_calibration(result)
    (points,) = ax.collections
    np.testing.assert_array_equal(points.get_offsets(), table.loc[table["model"] == "hog", ["predicted", "observed"]])
    np.testing.assert_array_equal(
        ax.lines[0].get_xydata(), smooth_reliability(result, "hog")[["predicted", "observed"]]
    )
    heights, edges, base = ax.patches[0].get_data()
    probability = np.concatenate([fold.probabilities[:, 1] for fold in folds_of(result, "hog")])
    counts = np.histogram(probability, edges)[0]
    np.testing.assert_allclose((heights - base) / (heights - base).max(), counts / counts.max())
    assert heights.max() < 0
    assert len(plotting.plot_calibration(three).collections) == 3


def test_decision_curve_is_the_mean_over_folds(result):
    line = plotting.plot_decision_curve(result).lines[0]
    curves = [decision_curve(result.data.y[f.test], f.probabilities[:, 1]) for f in folds_of(result, "hog")]
    np.testing.assert_allclose(line.get_ydata(), np.mean([curve["net_benefit"] for curve in curves], axis=0))
    np.testing.assert_array_equal(line.get_xdata(), curves[0]["threshold"])


def test_forest_sets_baselines_apart_and_marks_models_not_above_them(result):
    ax = plotting.plot_forest(result)
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels == ["edges", "hog *", PROBE, MAJORITY]
    frame = result.frame().query("measure == 'roc_auc'").set_index("model")
    for y, label in enumerate(labels):
        bar, point = ax.lines[2 * y : 2 * y + 2]
        row = frame.loc[label.removesuffix(" *")]
        assert bar.get_xdata().tolist() == [row["low"], row["high"]]
        assert (point.get_xdata()[0], point.get_ydata()[0]) == (row["value"], y)
        assert (point.get_markerfacecolor() == "white") == label.endswith("*")
    assert ax.lines[-1].get_ydata() == [1.5, 1.5], "between models and baselines"
    assert "not shown to be better" in ax.get_xlabel()
    assert "best baseline" not in plotting.plot_forest(make_result(result.data, ["edges"])).get_xlabel()


def test_subgroups_hold_the_table(result):
    ax = plotting.plot_subgroups(result, "part", measure="sensitivity", models=["edges"])
    table = result.subgroups("part", measures=["sensitivity"]).query("model == 'edges'")
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), table["value"])
    segments = ax.collections[0].get_segments()
    np.testing.assert_array_equal([segment[:, 0] for segment in segments], table[["low", "high"]])
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels == [f"{value}\n{n} images" for value, n in zip(table["part"], table["n"], strict=True)]


def test_subgroups_of_few_images_say_so(result):
    ax = plotting.plot_subgroups(result, "rare", models=["edges"])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["most\n54 images"]
    assert ax.get_xlabel() == "ROC AUC\nToo few images: few 6"


def test_confusion_matrix_has_counts_and_rates(result):
    ax = plotting.plot_confusion_matrix(result, "hog")
    folds = folds_of(result, "hog")
    y = np.concatenate([result.data.y[fold.test] for fold in folds])
    counts = reference.confusion_matrix(y, np.concatenate([fold.y_pred for fold in folds]))
    rates = counts / counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ax.images[0].get_array(), rates)
    assert [t.get_text() for t in ax.texts] == [
        f"{n}\n{rate:.0%}" for n, rate in zip(counts.flat, rates.flat, strict=True)
    ]


def test_class_balance_counts_images_and_groups(data):
    ax = plotting.plot_class_balance(data)
    assert [bar.get_width() for bar in ax.patches] == list(data.class_counts().values())
    n_groups = len(np.unique(data.groups[data.y == 1]))
    assert ax.get_yticklabels()[1].get_text() == f"fractured\n30 images, 50%, {n_groups} groups"
    assert "groups" not in plotting.plot_class_balance(replace(data, groups=None)).get_yticklabels()[0].get_text()


def test_history_holds_each_epoch():
    loss, accuracy = plotting.plot_history(HISTORY).child_axes
    for panel, names in ((loss, ["loss", "val_loss"]), (accuracy, ["accuracy", "val_accuracy", "val_roc_auc"])):
        for line, name in zip(panel.lines, names, strict=False):
            assert line.get_ydata().tolist() == HISTORY[name]
            assert line.get_xdata().tolist() == [1, 2, 3]
        assert panel.lines[-1].get_xdata() == [2, 2]  # the smallest val_loss


def test_grid_search_is_ranked():
    ax = plotting.plot_grid_search(SEARCH)
    best = np.argsort(-SEARCH["mean_test_score"])[:20]
    np.testing.assert_array_equal(ax.lines[-1].get_xdata(), SEARCH["mean_test_score"][best])
    assert ax.get_yticklabels()[0].get_text() == f"orientations = {best[0]}"
    assert "4 lower settings are not shown" in ax.get_xlabel()
    assert len(ax.lines) == 4


def test_grid_search_tells_settings_apart():
    def labels(params):
        ax = plotting.plot_grid_search({"params": params, "mean_test_score": -np.arange(len(params))})
        return [text.get_text() for text in ax.get_yticklabels()]

    same = {"features__lbp-1__radius": 1, "reducer__n_components": 50}
    found = labels([{**same, "features__lbp-2__radius": r, "classifier__C": c} for r in (2, 3) for c in (1, 10)])
    assert found == [f"lbp-2__radius = {r}, C = {c}" for r in (2, 3) for c in (1, 10)]
    trees = [DecisionTreeClassifier(class_weight="balanced", criterion="entropy", max_depth=k) for k in (2, 4)]
    assert len(set(labels([{"classifier": tree} for tree in trees]))) == 2
    assert labels([{"classifier__C": 1}]) == ["C = 1"]
    assert labels([{}]) == ["as it is"]


def test_grid_search_of_scikit_learn():
    X = np.random.default_rng(0).normal(size=(30, 2))
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2]}, cv=3).fit(X, X[:, 0] > 0)
    assert len(plotting.plot_grid_search(search.cv_results_).get_yticklabels()) == 2


@pytest.mark.parametrize("plot", ["plot_roc", "plot_precision_recall", "plot_calibration", "plot_decision_curve"])
def test_long_names_leave_room_for_the_curves(plot, data):
    names = ["HOG, LBP and edges at 256 pixels, then an RBF SVM, balanced", "x" * 130, "$a_$ " * 30]
    ax = getattr(plotting, plot)(make_result(data, names), models=names)
    ax.figure.canvas.draw()  # warns where the axes have no room
    width, height = ax.get_window_extent().size / ax.figure.dpi
    assert width > 3.3
    assert height > 3
    legend = sorted(text.get_text() for text in ax.get_legend().get_texts() if text.get_text()[0] in "Hx\\")
    assert [text.count("\n") for text in legend] == [1, 2, 2]
    assert legend[0].startswith("HOG, LBP and edges at 256 pixels,\nthen")
    assert "x…" in legend[2]


def test_control_characters_are_replaced(data):
    label = plotting.plot_decision_curve(make_result(data, ["a\x0c\x00\nb"])).lines[0].get_label()
    assert label == "a � b"


def test_too_few_groups_for_an_interval(data):
    line = plotting.plot_roc(with_few_groups(make_result(data)), models=["hog"]).lines[-1]
    assert "nan" not in line.get_label()
    assert "(" not in line.get_label()


def test_the_eighth_model_looks_unlike_the_first(result):
    names = [f"model {k}" for k in range(8)]
    eight = make_result(result.data, names)
    marks = {(line.get_marker(), line.get_color()) for line in plotting.plot_subgroups(eight, "part").lines[:8]}
    assert len(marks) == 8


@pytest.mark.parametrize("plot", ["plot_roc", "plot_precision_recall", "plot_calibration", "plot_decision_curve"])
def test_of_eight_models_the_best_three_are_coloured_and_all_told_apart(plot, result):
    names = [f"model {k}" for k in range(8)]
    eight = make_result(result.data, names)
    ax = getattr(plotting, plot)(eight)
    lines = {line.get_label().split("  ")[0]: line for line in ax.lines if line.get_label().startswith("model")}
    best = [name for name in sorted_models(eight) if name in names]
    assert list(lines) == best
    coloured = [name for name, line in lines.items() if line.get_color() in COLOURS]
    assert coloured == best[:3]
    looks = {(line.get_color(), str(line.get_linestyle()), str(line._dash_pattern)) for line in lines.values()}
    assert len(looks) == 8
    assert ax.get_legend().get_window_extent().y0 > ax.get_window_extent().y1 - 5, "the legend lies outside"


def test_a_model_has_one_colour_in_all_figures(result):
    four = make_result(result.data, ["hog", "edges", "a", "b"])
    first = sorted_models(four)[0]
    roc = next(line for line in plotting.plot_roc(four).lines if line.get_label().startswith(first))
    parts = next(line for line in plotting.plot_subgroups(four, "part").lines if line.get_label() == first)
    assert roc.get_color() == parts.get_color() == COLOURS[0]


def test_a_subset_has_the_chance_of_its_own_images(data):
    rows = (data.y == 0) | (np.arange(len(data)) % 2 == 0)
    chance = plotting.plot_precision_recall(make_result(data).subset(rows)).lines[0].get_ydata()[0]
    assert chance == pytest.approx(data.y[rows].mean())


def test_counts_of_numpy_are_taken(data, result):
    assert len(plotting.plot_samples(data, n_per_class=np.int64(1)).child_axes) == 2
    assert len(confident_mistakes(result, "hog", np.int64(2))) == 2


def test_samples_are_of_different_patients(data):
    ax = plotting.plot_samples(data, n_per_class=3, random_state=0)
    assert [panel.get_title(loc="left") for panel in ax.child_axes] == ["non-fractured", "", "", "fractured", "", ""]
    small = data.subset(np.concatenate([np.flatnonzero(data.y == 0)[:2], np.flatnonzero(data.y == 1)]))
    panels = plotting.plot_samples(small, n_per_class=3).child_axes
    assert [len(panel.images) for panel in panels] == [1, 1, 0, 1, 1, 1]


def test_example_table(result):
    for model, given in (("edges", "score"), ("hog", "probability")):
        table = example_table(result, model)
        predictions = result.predictions().query("model == @model")
        merged = table.merge(predictions, on="path", suffixes=("", "_there"))
        assert (merged["predicted"] == merged["predicted_there"]).all()
        of_predicted = np.where(merged["predicted"] == "fractured", 1, -1)
        there = merged[f"{given}_there"]
        expected = there * of_predicted if given == "score" else np.where(of_predicted == 1, there, 1 - there)
        np.testing.assert_allclose(merged[given], expected)
        assert (table["margin"] >= 0).all()


def test_margins_at_an_operating_point_are_distances_from_it(data):
    table = example_table(make_result(data, threshold=0.3), "hog")
    score = np.where(table["predicted"] == "fractured", table["score"], 1 - table["score"])
    np.testing.assert_allclose(table["margin"], np.abs(score - 0.3))


def test_mistakes_are_the_most_confident(result):
    table = example_table(result, "hog")
    mistakes = confident_mistakes(result, "hog", 5)
    assert (mistakes["label"] != mistakes["predicted"]).all()
    wrong = table[table["label"] != table["predicted"]]
    assert mistakes["margin"].tolist() == wrong["margin"].nlargest(5).tolist()
    panels = plotting.plot_mistakes(result, "hog", n=5).child_axes
    for panel, row in zip(panels, mistakes.itertuples(), strict=False):
        assert panel.get_title(loc="left") == (
            f"✗ is {row.label}\ncalled {row.predicted}\nprobability {row.probability:.2f}"
        )


def test_no_mistake(data):
    result = make_result(data)
    right = [replace(fold, y_pred=data.y[fold.test]) for fold in result.fold_results]
    result = EvaluationResult(data, right, result.excluded, 0)
    assert confident_mistakes(result, "hog").empty
    assert plotting.plot_mistakes(result, "hog").texts[0].get_text() == "no mistake"


def test_predictions_are_drawn_at_random_by_seed(result):
    titles = [
        [panel.get_title(loc="left") for panel in plotting.plot_predictions(result, "edges", **seed).child_axes]
        for seed in ({"random_state": 0}, {"random_state": 0}, {"random_state": 1})
    ]
    assert titles[0] == titles[1] != titles[2]
    assert any(title.startswith("✓") and "score" in title for title in titles[0])


def test_heat_map_is_orange_for_and_blue_against():
    image = np.full((2, 3), 100, dtype=np.uint8)
    heat_map = np.array([[-4.0, 0, 4], [-2, 0, 1]])
    painted = plotting.overlay_heat_map(image, heat_map)
    red, blue = painted[..., 0].astype(int), painted[..., 2].astype(int)
    assert (np.sign(red - blue) == np.sign(heat_map)).all()
    np.testing.assert_array_equal(painted, plotting.overlay_heat_map(image, heat_map * 1e-9))
    np.testing.assert_array_equal(plotting.overlay_heat_map(image, 0 * heat_map), np.full((2, 3, 3), 100))
    np.testing.assert_array_equal(plotting.plot_heat_map(image, heat_map).images[0].get_array(), painted)


def test_augmentation_shows_what_the_network_sees():
    panels = plotting.plot_augmentation(IMAGE, n_variations=2, random_state=0).child_axes
    shown = [panel.images[0].get_array() for panel in panels]
    np.testing.assert_array_equal(shown, [IMAGE, *augment_images(IMAGE[None], 2, random_state=0)[0]])


@pytest.mark.parametrize("parameters", [{}, {"pixels_per_cell": (8, 12), "cells_per_block": 3, "orientations": 8}])
def test_hog_strokes_run_along_the_edges(parameters):
    image = np.zeros((64, 96), dtype=np.uint8)
    image[:, 44:] = 200  # an upright edge, in the cells from column 36 to 47
    extractor = HOGExtractor(**parameters)
    (lines,) = plotting.plot_hog(image, extractor).collections
    segments = np.array(lines.get_segments())
    lengths = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    longest = segments[lengths > 0.9 * lengths.max()]
    along = np.abs(longest[:, 1] - longest[:, 0])
    assert (along[:, 1] > 2 * along[:, 0]).all()
    assert (np.abs(longest.mean(axis=1)[:, 0] - 44) < 16).all()
    assert not hasattr(extractor, "image_shape_")


def test_large_images_are_shown_small(radiographs):
    path = next((radiographs / "fractured").iterdir())
    full, small = read_image(path), read_image(path, max_side=100)
    assert max(small.shape) == 100 < max(full.shape)
    assert np.abs(small.astype(int) - cv2.resize(full, small.shape[::-1], interpolation=cv2.INTER_AREA)).mean() < 1
    np.testing.assert_array_equal(read_image(path, max_side=10_000), full)


ERRORS = [
    (lambda r: plotting.plot_roc(r, models=["none"]), r"models must be some of \['majority class'.*got \['none'\]"),
    (lambda r: plotting.plot_roc(r, models=[]), r"models must be some of .*got \[\]"),
    (lambda r: mean_curves(r, "det"), r"kind must be one of \['precision_recall', 'roc'\], got 'det'"),
    (lambda r: plotting.plot_calibration(r, models=["edges"]), r"\['edges'\] give no probabilities; .*'hog'"),
    (lambda r: plotting.plot_forest(r, measure="f1"), "measure='f1' is none of those with a value"),
    (lambda r: plotting.plot_subgroups(r, "age"), "column='age' is none of the columns"),
    (lambda r: plotting.plot_confusion_matrix(r, "none"), "models must be some of"),
    (lambda r: plotting.plot_samples(r.data, n_per_class=0), "n_per_class must be an integer of at least 1, got 0"),
    (lambda r: plotting.plot_predictions(r, "hog", n=1.5), "n must be an integer of at least 1, got 1.5"),
    (lambda r: plotting.plot_mistakes(r, "hog", n=0), "n must be an integer of at least 1, got 0"),
    (lambda r: plotting.plot_mistakes(r, "hog", n=True), "n must be an integer of at least 1, got True"),
    (lambda r: plotting.plot_forest(r.subset(r.data.y == 1)), "the result has no fold"),
    (lambda r: plotting.plot_roc(r.subset(r.data.y == 1)), "the result has no fold"),
    (lambda r: plotting.plot_history({"loss": [1]}), r"history_, got one without \['accuracy'\]: \['loss'\]"),
    (
        lambda r: plotting.plot_grid_search({"mean_test_auc": []}),
        r"'mean_test_score', got the keys \['mean_test_auc'\]",
    ),
    (lambda r: plotting.plot_hog(IMAGE / 2), r"image must be a uint8 array .* got shape \(64, 48\) and dtype float64"),
    (
        lambda r: plotting.plot_augmentation(IMAGE, n_variations=0),
        "n_variations must be an integer of at least 1, got 0",
    ),
    (lambda r: plotting.plot_heat_map(IMAGE, IMAGE.T), r"image's shape \(64, 48\), got \(48, 64\)"),
    (lambda r: plotting.plot_heat_map(IMAGE, np.full((64, 48), np.nan)), "heat_map must be finite, got 3072 values"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors_say_what_came_and_what_was_expected(call, message, result):
    with pytest.raises(ValueError, match=message):
        call(result)
    assert not plt.get_fignums()


def test_decision_curves_are_for_two_classes(three):
    with pytest.raises(ValueError, match="for two classes, the data have 3"):
        plotting.plot_decision_curve(three)


def test_a_column_without_values(result):
    some = make_result(replace(result.data, frame=result.data.frame.assign(empty=pd.NA)))
    with pytest.raises(ValueError, match="column='empty' must name a subgroup"):
        plotting.plot_subgroups(some, "empty")


def test_colours_stay_with_their_model(result):
    alone, together = plotting.plot_roc(result, models=["hog"]).lines[-1], plotting.plot_roc(result).lines[-2]
    assert together.get_label().startswith("hog")
    assert alone.get_color() == together.get_color()
    grey = {line.get_color() for line in plotting.plot_roc(result, models=[MAJORITY, PROBE]).lines}
    assert len(grey) == 1
