"""How well models find where, beside what is found without looking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..metrics import froc_curve, group_weights, match_boxes, percentile_interval, place_measures, points_in_boxes
from ..regions import Detections
from ._usual_places import body_parts, usual_places

if TYPE_CHECKING:
    from ._predictions import Predictions

USUAL = "usual places of the body part"
UNBROKEN = "pointing_unbroken"
COLUMNS = ("model", "measure", "value", "low", "high")
RATES = np.geomspace(1 / 16, 8, 57)  # false boxes an image
N_OTHERS = 10  # unbroken images that each box is laid into
N_RESAMPLES = 1000


class Found(NamedTuple):
    """Boxes found in the test images whose boxes are known, of all folds together.

    Parameters
    ----------
    rows : ndarray of shape (n_images,), dtype int64
        Of the data set; an image that repeated folds test twice stands here twice.
    folds : ndarray of shape (n_images,), dtype int64
    images : list of Detections
    """

    rows: NDArray[np.int64]
    folds: NDArray[np.int64]
    images: list[Detections]

    @property
    def points(self) -> list[Any]:
        """Where the highest score is; None where nothing is found."""
        return [each.points[0] if len(each.points) else None for each in self.images]


def finders(result: Predictions) -> list[str]:
    """Names of the models that find boxes."""
    if result.data.boxes is None:
        return []
    return [name for name in result.models if all(fold.found is not None for fold in result.folds_of(name))]


def found_by(result: Predictions, model: str) -> Found:
    """What a model found."""
    rows, folds, images = [], [], []
    for fold in result.folds_of(model):
        assert fold.found is not None
        ends = np.searchsorted(fold.found[:, 0], np.arange(len(fold.test) + 1))
        for place in _known(result, fold.test):
            own = fold.found[ends[place] : ends[place + 1]]
            images.append(Detections(own[:, 1:5], own[:, 5], own[:, 6:8]))
            rows.append(int(fold.test[place]))
            folds.append(fold.fold)
    return Found(np.array(rows, dtype=np.int64), np.array(folds, dtype=np.int64), images)


def _found_usual(result: Predictions, model: str) -> Found | None:
    """What lies where the training images of the model's folds have boxes; None where there are no training images."""
    rows, folds, images = [], [], []
    for fold in result.folds_of(model):
        if not len(fold.train):
            return None
        test = fold.test[_known(result, fold.test)]
        images += usual_places(result.data, fold.train, test)
        rows += test.tolist()
        folds += [fold.fold] * len(test)
    return Found(np.array(rows, dtype=np.int64), np.array(folds, dtype=np.int64), images)


def _known(result: Predictions, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of some images have known boxes, or are known to have none."""
    boxes: Any = result.data.boxes
    return np.flatnonzero([boxes[row] is not None for row in rows.tolist()])


def marked_in(result: Predictions, rows: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """The marked boxes of some images."""
    boxes: Any = result.data.boxes
    return [np.asarray(boxes[row], dtype=np.float64).reshape(-1, 4) for row in rows.tolist()]


def place_table(result: Predictions) -> pd.DataFrame:
    """`EvaluationResult.places`."""
    names = finders(result)
    all_found = {name: found_by(result, name) for name in names}
    parts = [_measured(result, name, found) for name, found in all_found.items()]
    for name, part in zip(names, parts, strict=True):
        part += [(name, UNBROKEN, *_unbroken(result, all_found[name]))]
    if names and (usual := _found_usual(result, names[0])) is not None:
        parts.append(_measured(result, USUAL, usual))
    return pd.DataFrame([row for part in parts for row in part], columns=list(COLUMNS))


def _measured(result: Predictions, name: str, found: Found) -> list[tuple[Any, ...]]:
    boxes, scores = [each.boxes for each in found.images], [each.scores for each in found.images]
    measures = place_measures(
        found.points,
        boxes,
        scores,
        marked_in(result, found.rows),
        groups=_groups(result, found.rows),
        n_resamples=N_RESAMPLES,
        random_state=result.random_state,
    )
    return [(name, measure, each.value, *each.interval) for measure, each in measures.items()]


def _groups(result: Predictions, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows if result.data.groups is None else result.data.groups[rows]


def _unbroken(result: Predictions, found: Found) -> tuple[float, float, float]:
    """How often the highest place of an unbroken image lies where an image of the same body part has its boxes.

    The boxes of each marked image are laid into ten others of its test part, as they are and mirrored.
    """
    marked, parts = marked_in(result, found.rows), body_parts(result.data)[found.rows]
    shapes = result.data.files[["height", "width"]].to_numpy(dtype=np.float64)[found.rows]
    points, is_marked = found.points, np.array([len(boxes) > 0 for boxes in marked], dtype=bool)
    rng = np.random.default_rng(result.random_state)
    values, used = [], []
    for i in np.flatnonzero(is_marked).tolist():
        others = np.flatnonzero(~is_marked & (parts == parts[i]) & (found.folds == found.folds[i]))
        if len(others):
            shares = marked[i] / np.tile(shapes[i], 2)
            both = (shares, np.column_stack([shares[:, 0], 1 - shares[:, 3], shares[:, 2], 1 - shares[:, 1]]))
            chosen = rng.permutation(others)[:N_OTHERS].tolist()
            hits = [_hits(points[j], each * np.tile(shapes[j], 2)) for j in chosen for each in both]
            values.append(np.mean(hits))
            used.append(i)
    if not values:
        return np.nan, np.nan, np.nan
    groups = _groups(result, found.rows[used])
    weights = group_weights(groups, N_RESAMPLES, np.random.default_rng(result.random_state))
    low, high = percentile_interval(weights @ values / weights.sum(axis=1), 0.95, len(np.unique(groups)))
    return float(np.mean(values)), low, high


def _hits(point: Any, boxes: NDArray[np.float64]) -> bool:
    return point is not None and bool(points_in_boxes(point, boxes).any())


def froc_table(result: Predictions) -> pd.DataFrame:
    r"""Return the free-response curve of each model that finds boxes, and of the usual places of boxes.

    Parameters
    ----------
    result : EvaluationResult
        Of data with boxes.

    Returns
    -------
    curves : DataFrame
        Columns model, false_boxes (an image, from 1/16 to 8), sensitivity (share of marked boxes whose area holds the
        centre of a found one), low and high: a pointwise percentile interval (95 %) over resampled groups. Empty where
        no model finds boxes.

    See Also
    --------
    fracture_features.EvaluationResult.places : Measures of the same boxes.
    fracture_features.metrics.froc_curve : The curve of one model.
    fracture_features.plotting.plot_froc : Draw it.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.results import froc_table
    >>> folder = make_radiographs(45, folder=tempfile.mkdtemp(), difficulty=0.3, random_state=1)
    >>> data = load_folder(folder, groups=r"patient(\d+)", boxes=folder / "truth.csv")
    >>> model = make_pipeline("regions", image_size=96, random_state=0).set_params(classifier__n_estimators=5)
    >>> result = evaluate({"regions": model}, data, cv=2, audit=False, random_state=0)
    >>> froc_table(result)["model"].unique().tolist()
    ['regions', 'usual places of the body part']
    """
    names = finders(result)
    parts = [_curve(result, name, found_by(result, name)) for name in names]
    if names and (usual := _found_usual(result, names[0])) is not None:
        parts.append(_curve(result, USUAL, usual))
    columns = ["model", "false_boxes", "sensitivity", "low", "high"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _curve(result: Predictions, name: str, found: Found) -> pd.DataFrame:
    boxes, scores = [each.boxes for each in found.images], [each.scores for each in found.images]
    matches = match_boxes(boxes, scores, marked_in(result, found.rows))
    groups = _groups(result, found.rows)

    def at_rates(counts: Any) -> NDArray[np.float64]:
        false, sensitivity = froc_curve(matches, counts)
        return np.asarray(sensitivity[np.searchsorted(false, RATES * (1 + 1e-12), side="right") - 1])

    weights = group_weights(groups, N_RESAMPLES, np.random.default_rng(result.random_state))
    resampled = np.stack([at_rates(each) for each in weights])
    n_groups = len(np.unique(groups[matches.n_marked > 0]))
    limits = np.array([percentile_interval(column, 0.95, n_groups) for column in resampled.T])
    return pd.DataFrame(
        {
            "model": name,
            "false_boxes": RATES,
            "sensitivity": at_rates(None),
            "low": limits[:, 0],
            "high": limits[:, 1],
        }
    )
