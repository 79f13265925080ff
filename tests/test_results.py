"""What is read from fold results, and that nothing is drawn twice."""

import ast
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from results import make_result
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline

import fracture_features
from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
from fracture_features.cache import cached_parts, set_caches
from fracture_features.evaluation._files import with_cache
from fracture_features.metrics import resample
from fracture_features.results import FoldResult, mean_curves
from fracture_features.results._curves import GRID, SMALLEST, _curve

PACKAGE = Path(fracture_features.__file__).parent


def test_the_band_is_of_the_method_trained_anew(data):
    """The areas below resampled curves lie as far apart as resamples of the area, times Nadeau and Bengio's factor."""
    result = make_result(data)
    curve = result.estimates.curve("hog", partial(_curve, "roc"))
    areas = np.trapezoid(curve.draws, GRID, axis=1)
    folds = result.folds_of("hog")
    rows = np.concatenate([fold.test for fold in folds])
    in_fold = np.concatenate([np.full(len(fold.test), fold.fold) for fold in folds])
    scores = np.concatenate([fold.of("scores") for fold in folds])
    plain = resample(data.y[rows], [("roc_auc", scores)], groups=data.groups[rows], folds=in_fold, random_state=0)
    assert np.trapezoid(curve.values, GRID) == pytest.approx(result.estimates.value("hog", "roc_auc"), abs=0.02)
    fraction = result.estimates.test_fraction
    assert fraction == pytest.approx(1 / len(folds))
    assert np.nanstd(areas) / np.nanstd(plain.draws[0]) == pytest.approx(np.sqrt(2 - fraction), rel=0.05)


@pytest.mark.parametrize("kind", ["roc", "precision_recall"])
def test_the_band_ends_where_shares_do(data, kind):
    curves = mean_curves(make_result(data), kind)
    assert (curves["low"] <= curves["y"] + SMALLEST).all()
    assert (curves["y"] <= curves["high"] + 2 * SMALLEST).all()
    assert curves["low"].min() >= 0
    assert curves["high"].max() == 1


def test_plotting_and_report_draw_no_random_number_of_their_own():
    """One bootstrap: what resamples stands in `metrics` and is asked by `results`."""
    for room in ("plotting", "report"):
        for path in (PACKAGE / room).glob("*.py"):
            names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
            assert not names & {"resample", "resample_curve", "bootstrap_interval", "integers"}, path


def test_only_evaluation_knows_the_names_of_the_baselines():
    for path in PACKAGE.rglob("*.py"):
        if "in BASELINES" in path.read_text():
            assert path.relative_to(PACKAGE).as_posix() in ("evaluation/_checks.py", "report/_summary.py"), path


def test_subsets_and_studies_keep_the_external_images(data):
    outside = make_result(data)
    result = make_result(data, external=outside)
    assert result.subset(np.arange(len(data)) % 2 == 0).external is outside
    frame = data.frame.assign(study=data.groups)
    with_studies = make_result(fracture_features.FractureDataset(**vars_of(data, frame=frame)))
    without = make_result(data)
    both = make_result(with_studies.data, external=with_studies).by_study()
    assert len(both.external.data) == len(np.unique(data.groups)) == len(both.data)
    assert make_result(with_studies.data, external=without).by_study().external is without


def vars_of(data, **new):
    names = ("paths", "y", "target_names", "groups", "frame", "metadata_columns")
    return {name: getattr(data, name) for name in names} | new


def test_baselines_are_those_whose_role_it_is(data):
    result = make_result(data)
    assert result.baselines == ["majority class", "shortcut probe"]
    renamed = [
        FoldResult(f"my {fold.model}", fold.fold, fold.train, fold.test, fold.y_pred, fold.scores, role=fold.role)
        for fold in result.fold_results
    ]
    other = fracture_features.EvaluationResult(data, renamed, result.excluded, 0)
    assert other.baselines == ["my majority class", "my shortcut probe"]
    assert other.comparison()["reference"].unique().tolist() == ["my shortcut probe"]


def test_confusion_counts_each_pair_of_classes(data):
    result = make_result(data)
    counts = result.confusion("hog")
    predictions = result.predictions().query("model == 'hog'")
    for true in counts.index:
        for called in counts.columns:
            pair = (predictions["label"] == true) & (predictions["predicted"] == called)
            assert counts.loc[true, called] == pair.sum()
    with pytest.raises(ValueError, match="models must be some of"):
        result.confusion("none")


class Foreign(TransformerMixin, BaseEstimator):
    """Has a parameter `cache` that is none of ours: a number."""

    def __init__(self, cache=None):
        self.cache = cache

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.asarray(X)

    def __sklearn_is_fitted__(self):
        return True


def test_only_caches_of_our_own_are_set_however_deep():
    own = make_pipeline("hog", "svm")[:-1]
    deep = Pipeline(
        [("both", FeatureUnion([("own", own), ("other", Foreign())])), ("classifier", LogisticRegression())]
    )
    given = with_cache(deep, "folder")
    parts = list(cached_parts(given))
    assert {type(part).__name__ for part in parts} == {"ImageReader", "HOGExtractor"}
    assert {part.cache for part in parts} == {"folder"}
    assert given.get_params()["both__other__cache"] is None
    assert all(part.cache is None for part in cached_parts(deep))  # a clone was changed
    own[0].cache = "mine"
    assert {part.cache for part in cached_parts(with_cache(deep, "folder"))} == {"mine", "folder"}
    assert {part.cache for part in cached_parts(set_caches(given, None))} == {None}


def test_external_images_are_those_of_the_run(tmp_path):
    """Readers of the models fill their caches from the external files too."""
    inside = load_folder(make_radiographs(30, folder=tmp_path / "in", random_state=0), groups=r"patient(\d+)")
    outside = load_folder(make_radiographs(12, folder=tmp_path / "out", random_state=1), groups=r"patient(\d+)")
    result = evaluate(
        {"m": make_pipeline("edges", "svm", image_size=32)}, inside, cv=2, external=outside, random_state=0
    )
    files = load_folder(tmp_path / "out").files
    pd.testing.assert_frame_equal(result.external.data.files, files, check_dtype=False, check_column_type=False)
    assert all(fold.role == "baseline" for fold in result.external.fold_results if fold.model != "m")
