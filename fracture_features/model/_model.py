"""A trained model: a pipeline with what has to be known to use it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if

from .._text import any_text
from .._validation import check_paths
from ..evaluation import class_scores
from ..exceptions import ImageReadError, ModelFileError
from ._calibration import Calibration
from ._card import model_card
from ._decision import Decision
from ._file import read_model_file, write_model_file
from ._novelty import Novelty, see

BLOCK = 64  # files read and predicted at a time
FRAME_COLUMNS = ("path", "label", "probability", "score", "threshold", "unlike_training", "unlikeness", "error")


def _has_probabilities(model: FractureModel) -> bool:
    return model.calibration is not None or hasattr(model.pipeline, "predict_proba")


class FractureModel(ClassifierMixin, BaseEstimator):
    r"""A fitted classifier of radiographs, as `train_model` and `load_model` give it.

    It is a scikit-learn classifier over paths that is fitted already: `fit` raises, `predict` and the like work in
    displays, metrics and `FrozenEstimator`.

    Parameters
    ----------
    pipeline : classifier
        Fitted, from paths to labels.
    target_names : list of str
        Name of each class.
    decision : Decision or None
        From which score on an image is called fractured; None leaves it to the classifier.
    calibration : Calibration or None
        From scores to probabilities; None takes the classifier's own, where it has any.
    novelty : Novelty
        Tells files that are unlike those the model was trained on.
    info : dict
        What it was trained on and with, and how it was measured: `train_model` says what is in it.

    See Also
    --------
    fracture_features.train_model : Make one.
    load_model : Read one from a file.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_pipeline, make_radiographs, train_model
    >>> folder = make_radiographs(60, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_folder(folder, groups=r"patient(\d+)")
    >>> model = train_model(make_pipeline("edges", "svm", image_size=48), data, random_state=0)
    >>> model.predict(data.paths[:3]).shape
    (3,)
    >>> list(model.predict_frame(data.paths[:3]).columns)[:2]
    ['path', 'label']
    """

    def __init__(
        self,
        pipeline: Any,
        target_names: Sequence[str],
        decision: Decision | None,
        calibration: Calibration | None,
        novelty: Novelty,
        info: Mapping[str, Any],
    ):
        self.pipeline = pipeline
        self.target_names = target_names
        self.decision = decision
        self.calibration = calibration
        self.novelty = novelty
        self.info = info

    @property
    def classes_(self) -> NDArray[np.int64]:
        """The labels: 0 to n_classes - 1."""
        return np.arange(len(self.target_names))

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        n = sum(self.info["data"]["classes"].values())
        return f"<FractureModel: {', '.join(self.target_names)}; trained on {n} images>"

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Raise TypeError: a trained model is not trained again."""
        raise TypeError("a FractureModel is fitted already; train another with train_model(pipeline, data)")

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Score of class 1 (n,) or, of more classes, of each (n, n_classes), which no calibration changes."""
        scores = class_scores(self.pipeline, np.asarray(X))
        return scores[:, 1] if len(self.target_names) == 2 else scores

    @available_if(_has_probabilities)
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class, (n, n_classes), calibrated where the model is."""
        if self.calibration is None:
            return np.asarray(self.pipeline.predict_proba(np.asarray(X)), dtype=np.float64)
        return self.calibration.probabilities(class_scores(self.pipeline, np.asarray(X)))

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Predict the class (n,) of each file; of two thresholds the lower counts, so that what is no 0 is a 1."""
        if self.decision is None:
            return np.asarray(self.pipeline.predict(np.asarray(X)), dtype=np.int64)
        return (self.decision_function(X) >= self.decision.low).astype(np.int64)

    @any_text
    def predict_frame(self, paths: ArrayLike, *, on_block: Callable[[int], None] | None = None) -> pd.DataFrame:
        """Predict files one by one: a file that cannot be read gets an error, and the others are predicted.

        Parameters
        ----------
        paths : array-like of shape (n_samples,) or (n_samples, 1) of str or path-like
        on_block : callable, default=None
            Called with the number of files of each block that is done.

        Returns
        -------
        frame : DataFrame
            A row for each path: path; label, the name of the class or, between two thresholds, "inconclusive";
            probability of class 1 or, of more classes, of the label (NaN where the model gives none); score and
            threshold of class 1 (NaN with more classes; the lower threshold of two); unlike_training, whether the file
            is unlike those the model was trained on, and unlikeness, which is above 1 then; error, why it has no
            prediction.

        Raises
        ------
        ValueError
            If `paths` is no such list.
        """
        names = check_paths(paths, estimator=self) if np.size(paths) else []
        blocks = []
        for start in range(0, len(names), BLOCK):
            blocks.append(self._predict_block(names[start : start + BLOCK]))
            if on_block is not None:
                on_block(len(blocks[-1]))
        frame = pd.concat(blocks, ignore_index=True) if blocks else pd.DataFrame(columns=list(FRAME_COLUMNS))
        return frame[list(FRAME_COLUMNS)]

    def _predict_block(self, paths: list[str]) -> pd.DataFrame:
        frame = pd.DataFrame({"path": pd.Series(paths, dtype=object)}).reindex(columns=list(FRAME_COLUMNS))
        frame = frame.astype(dict.fromkeys(("label", "unlike_training", "error"), object))
        good = list(range(len(paths)))
        while good:
            try:
                found = self._forward(np.array([paths[row] for row in good]))
            except ImageReadError as error:
                bad = next(row for row in good if paths[row] == error.path)
                frame.loc[bad, "error"] = error.reason
                good.remove(bad)
                continue
            for name, values in found.items():
                frame.loc[good, name] = values
            break
        return frame

    def _forward(self, paths: NDArray[np.str_]) -> dict[str, Any]:
        """Columns of the frame for files that can all be read."""
        seen = see(self.pipeline, paths)
        last, given = (self.pipeline, paths) if seen.taken is None else (self.pipeline[-1], seen.taken)
        scores = class_scores(last, given)
        if self.calibration is not None:
            probabilities = self.calibration.probabilities(scores)
        elif hasattr(last, "predict_proba"):
            probabilities = np.asarray(last.predict_proba(given), dtype=np.float64)
        else:
            probabilities = np.full(scores.shape, np.nan)
        labels = np.asarray(last.predict(given), dtype=np.int64)
        if self.decision is not None:
            labels = self.decision.answers(scores[:, 1])
        two = len(self.target_names) == 2
        unlikeness = self.novelty.unlikeness(seen.blocks)
        names = np.array([*self.target_names, "inconclusive"], dtype=object)  # -1 is the last
        return {
            "label": names[labels],
            "probability": probabilities[:, 1] if two else probabilities[np.arange(len(labels)), labels],
            "score": scores[:, 1] if two else np.nan,
            "threshold": np.nan if self.decision is None else self.decision.low,
            "unlike_training": unlikeness > 1,
            "unlikeness": unlikeness,
        }

    def card(self) -> str:
        """Return the model card as Markdown: intended use, data, measures and limits, with marked blanks."""
        return model_card(list(self.target_names), self.info, self.calibration is not None)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model into one file that runs no code when it is loaded.

        Parameters
        ----------
        path : str or path-like
            An existing file is replaced once the new one is whole.

        Raises
        ------
        ModelFileError
            If a part of the model is of a type that `load_model` would refuse.
        OSError
            If the file cannot be written.
        """
        state = {
            "target_names": list(self.target_names),
            "decision": None if self.decision is None else asdict(self.decision),
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "info": self.info,
        }
        write_model_file(path, self.pipeline, state, self.novelty.arrays())


def load_model(path: str | os.PathLike[str]) -> FractureModel:
    r"""Load a model that `FractureModel.save` wrote; nothing in the file is run.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    model : FractureModel
        Its predictions are those of the model that was saved, to the bit, with the same versions of the packages.

    Raises
    ------
    ModelFileError
        If the file is no model, damaged, altered, of a newer format, or holds a type that is not on the list of those
        that are trusted; the message says what was found.
    OSError
        If it cannot be opened.

    Warns
    -----
    ModelFileWarning
        If it was saved with other versions of the packages that it needs.

    See Also
    --------
    FractureModel.save : Writes the file.
    read_manifest : What a file says of itself.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, load_model, make_pipeline, make_radiographs, train_model
    >>> folder = make_radiographs(60, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_folder(folder, groups=r"patient(\d+)")
    >>> model = train_model(make_pipeline("edges", "svm", image_size=48), data, random_state=0)
    >>> file = tempfile.mkdtemp() + "/model.ff"
    >>> model.save(file)
    >>> loaded = load_model(file)
    >>> bool((loaded.predict(data.paths) == model.predict(data.paths)).all())
    True
    """
    estimator, state, arrays = read_model_file(path)
    if missing := {"target_names", "decision", "calibration", "info"} - set(state):
        raise ModelFileError(f"{os.fspath(path)}: it holds an estimator alone, without {sorted(missing)}")
    decision, calibration = state["decision"], state["calibration"]
    return FractureModel(
        estimator,
        state["target_names"],
        None if decision is None else Decision(**decision),
        None if calibration is None else Calibration(*map(tuple, calibration.values())),
        Novelty.from_arrays(arrays),
        state["info"],
    )
