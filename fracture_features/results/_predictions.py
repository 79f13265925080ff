"""The predictions that tables are made from, and parts of them: some images, or one prediction for each study."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..audit import AuditReport
from ..datasets import FractureDataset
from ._estimates import Estimates
from ._fold import FoldResult
from ._saved import load_result, save_result
from ._studies import pool_studies

FAILURE_COLUMNS = ("model", "fold", "reason")


class Predictions:
    """Predictions of each model on each fold: `EvaluationResult` without its tables."""

    def __init__(
        self,
        data: FractureDataset,
        fold_results: Iterable[FoldResult],
        excluded: pd.DataFrame,
        random_state: int | None = None,
        external: Self | None = None,
        failures: pd.DataFrame | None = None,
        audit: AuditReport | None = None,
    ):
        self.data = data
        self.fold_results = list(fold_results)
        self.excluded = excluded
        self.random_state = random_state
        self.external = external
        self.failures = pd.DataFrame(columns=list(FAILURE_COLUMNS)) if failures is None else failures
        self.audit = audit
        # All models are compared on the same blocks of groups.
        seed = int(np.random.default_rng(random_state).integers(2**32))
        self.estimates = Estimates(data, self.fold_results, seed)

    def __repr__(self) -> str:
        return f"<EvaluationResult: {len(self.models)} models on {self.data!r}>"

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order they were run."""
        return self.estimates.models

    @property
    def baselines(self) -> list[str]:
        """Names of those that cannot see a fracture."""
        return self.estimates.baselines

    def folds_of(self, model: str) -> list[FoldResult]:
        """Return the fold results of one model."""
        return [fold for fold in self.fold_results if fold.model == model]

    @property
    def tested(self) -> FractureDataset:
        """The images of the test parts; of a subset they are fewer than `data`."""
        return self.data.subset(np.unique(np.concatenate([fold.test for fold in self.fold_results])))

    def by_study(self, column: str = "study", *, how: str = "mean", label: str = "same") -> Self:
        """Return one prediction for each study.

        Parameters
        ----------
        column : str, default="study"
            Of `data.frame`, which names the study of every image; one that names patients gives one for each patient.
        how : {"mean", "max"}, default="mean"
            What becomes of the scores of a study's images. With "max" one view that shows a fracture is enough.
        label : {"same", "any"}, default="same"
            What becomes of their classes: "same" expects one for all images of a study; with "any", of two classes, a
            study is fractured if any of its images is, among those too that no model was tested on.

        Returns
        -------
        result : EvaluationResult
            Its data have one row for each study, that of its first image of the study's class. Without an operating
            point, the class of the highest score is predicted. `external` is by study too where its frame has the
            column, and stays by image otherwise.

        Raises
        ------
        ValueError
            If there is no such column, or `how` or `label` is another.
        DatasetError
            If a study is unknown, has images of several groups or, unless `label` is "any" and there are two classes,
            of different classes, or stands on both sides of a split; with "any", if a test part lacks a class then.
        """
        studies, pooled = pool_studies(self.data, self.fold_results, column, how, label)
        external = self.external
        if external is not None and column in external.data.frame:
            external = external.by_study(column, how=how, label=label)
        return self._with(studies, pooled, external)

    def subset(self, rows: NDArray[np.bool_]) -> Self:
        """Return the same predictions, of some images alone.

        Parameters
        ----------
        rows : ndarray of shape (n_samples,), dtype bool
            Images of `data` to keep. A fold whose test part loses a class is left out; `external` stays as it is.
        """
        kept = [fold.subset(rows[fold.test]) for fold in self.fold_results]
        n_classes = len(self.data.target_names)
        whole = [fold for fold in kept if len(np.unique(self.data.y[fold.test])) == n_classes]
        return self._with(self.data, whole, self.external)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `result.npz` into a folder: what `load` makes the same result of. It holds no pickles and no models.

        Parameters
        ----------
        folder : str or path-like
            Made where it is missing. An earlier `result.npz` in it is replaced.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        save_result(self, folder)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        r"""Read the result that `save`, or `fracture-features compare --out`, wrote into a folder.

        Tables, subgroups, studies, curves and the report are those of the result that was saved. No image is opened;
        what shows images needs them where they were. Nothing in the file is run.

        Parameters
        ----------
        folder : str or path-like

        Returns
        -------
        result : EvaluationResult

        Raises
        ------
        ResultFileError
            If there is no `result.npz`, or it is damaged or of a later version.

        Examples
        --------
        >>> import tempfile
        >>> from fracture_features import EvaluationResult, evaluate, load_folder, make_pipeline, make_radiographs
        >>> folder = tempfile.mkdtemp()
        >>> data = load_folder(make_radiographs(30, folder=folder + "/x", random_state=0), groups=r"patient(\d+)")
        >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
        >>> result.save(folder)
        >>> EvaluationResult.load(folder).frame().equals(result.frame())
        True
        """
        return load_result(cls, folder)

    def _with(self, data: FractureDataset, folds: list[FoldResult], external: Self | None) -> Self:
        return type(self)(data, folds, self.excluded, self.random_state, external, self.failures, self.audit)
