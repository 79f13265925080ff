"""The ledger of shortcuts: features without a fracture that can explain the area under the ROC curve."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from .._threads import map_threads
from .._validation import check_count
from ..audit import APPEARANCE, CONTENT, N_EXAMPLES, Finding, shortcut_features
from ..datasets import FractureDataset, take_inventory
from ..exceptions import DatasetError
from ..metrics import Jackknifed, compare, holm, jackknife, macro

ERROR = 0.025  # probability that a set without a shortcut has one named
LEAST = 0.55  # area from which a family is called a shortcut, however certain
NEAR = 0.035  # by which a more specific family may have the smaller area, and still come first
NO_GAIN = 0.05  # p-value above which a family is said to add nothing
RESIDUE = (0.1, 0.001)  # the same of the size of the file, which moves with whatever else does
# Those that see one thing come before those that see many, where the latter add nothing to them.
SPECIFIC = (
    *("part and view", "EXIF", "file name", "encoder", "polarity", "markers", "border", "hardware", "resolution"),
    *("brightness", "file size"),
)
# Whole bones are seen in it, displaced ones too: it says how much is seen from afar, but is never called a shortcut.
OF_BONES = "thumbnail"
# Small trees, few of them: they have to find one column among many noisy ones in a few hundred images.
TREES: dict[str, Any] = {
    **{"n_estimators": 30, "max_depth": 2, "learning_rate": 0.15, "max_bin": 64},
    **{"subsample": 0.8, "colsample_bynode": 0.5, "min_child_weight": 4},
}
MISSING = -1e4
NEIGHBOURS = 20  # files that stay together where groups are unknown
FRAME = [
    *("family", "step", "n_features", "roc_auc", "low", "high", "p_value", "added", "added_low", "added_high"),
    *("is_shortcut", "explained_by", "feature"),
]
Table = NDArray[np.float32]
Split = tuple[NDArray[np.intp], NDArray[np.intp]]


def shortcut_ledger(
    data: FractureDataset, *, cv: int = 5, random_state: int | None = None, n_jobs: int | None = None
) -> pd.DataFrame:
    r"""Measure which features without a fracture can explain the area under the ROC curve.

    Of each family of `shortcut_features` a small boosted model is cross-validated alone, and together with the families
    before it. Folds keep groups together; where none are known, neighbours by file name, which often show one patient.

    Parameters
    ----------
    data : FractureDataset
        Files that cannot be read are left out.
    cv : int, default=5
        Folds.
    random_state : int, default=None
        Of folds and models.
    n_jobs : int, default=None
        Fits at a time.

    Returns
    -------
    ledger : DataFrame
        A row for each family that has a feature: `family`; `step`, its place when they are added; `n_features`;
        `roc_auc` alone (mean of folds; of more than two classes one against the rest, mean over classes) with `low`
        and `high` (95 %, by group, trained anew); `p_value` of no more than chance, one-sided, adjusted for all
        families (Holm); `added`, the area of this family with those of the steps before, with `added_low` and
        `added_high`; `is_shortcut`, where the p-value is at most 0.025 and the area at least 0.55, but never of the
        thumbnail, which shows displaced bones; `explained_by`, the shortcut above to which it is not shown to add;
        `feature`, the one that alone tells most. Shortcuts come first, by their area, but none before a more specific
        one that explains it.

    Raises
    ------
    ValueError
        If `cv` is no integer of at least 2.
    DatasetError
        If a class has fewer readable images, or groups, than folds.

    See Also
    --------
    baseline_models : What is put beside every result.
    fracture_features.audit_dataset : Copies and bad files.

    Notes
    -----
    A family that tells the classes apart need not be a flaw: bones of one kind break more often than others. It says
    what a model may have learnt.

    References
    ----------
    .. [1] M. Badgeley et al., "Deep learning predicts hip fracture using confounding patient and healthcare
       variables", npj Digital Medicine 2(31), 2019.
    .. [2] S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6(2), 1979.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_radiographs
    >>> from fracture_features.evaluation import shortcut_ledger
    >>> folder = make_radiographs(40, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_folder(folder, groups=r"patient(\d+)")
    >>> ledger = shortcut_ledger(data, cv=3, random_state=0)
    >>> {"family", "roc_auc", "is_shortcut"} < set(ledger.columns)
    True
    """
    check_count(cv, name="cv", minimum=2)
    files = vars(data).get("files", pd.DataFrame(index=range(len(data))))  # those of an audit have the content
    missing = [what for what, name in ((CONTENT, "encoder"), (APPEARANCE, "appearance")) if name not in files]
    if missing:
        seen = take_inventory(data.paths.tolist(), [], descriptions=missing, n_jobs=n_jobs)
        files = files.join(seen[[name for name in seen if name not in files]])
    readable = (files["reason"].isna() & files["appearance"].notna()).to_numpy()
    data, files = data.subset(readable), files[readable].reset_index(drop=True)
    return ledger_of(data, shortcut_features(data, files), cv=cv, random_state=random_state, n_jobs=n_jobs)


def ledger_findings(ledger: pd.DataFrame) -> list[Finding]:
    """FF501, with the families of `shortcut_ledger` that are shortcuts as examples, in its order."""
    named = ledger[ledger["is_shortcut"]].to_dict("records")
    if not named:
        return []
    texts = []
    for row in named:
        texts.append(f"{row['family']} alone: ROC AUC {row['roc_auc']:.2f} ({row['low']:.2f}–{row['high']:.2f})")
        if isinstance(row["explained_by"], str):
            texts[-1] += f", not shown to add to {row['explained_by']}"
        else:
            texts[-1] += f", most by {row['feature']}"
    return [Finding("FF501", len(named), examples=tuple(texts[:N_EXAMPLES]))]


def ledger_of(
    data: FractureDataset,
    families: Mapping[str, pd.DataFrame],
    *,
    cv: int = 5,
    random_state: int | None = None,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """`shortcut_ledger` of features that are there already: a table of numbers for each family, in order."""
    names = list(families)
    if not names:
        return pd.DataFrame(columns=FRAME)
    tables = [families[name].fillna(MISSING).to_numpy(dtype=np.float32) for name in names]
    folds = _Folds(data, cv, random_state, n_jobs)
    together = [np.hstack(tables[: k + 1]) for k in range(1, len(tables))]
    scores = folds.scores([*tables, *together])
    jackknifed = folds.jackknife(scores)
    intervals = [jackknifed.interval(row, test_fraction=1 / folds.n) for row in range(len(scores))]
    p_values = holm([_above_chance(jackknifed, row, 1 / folds.n) for row in range(len(names))])
    areas = jackknifed.values
    rows = []
    for k, name in enumerate(names):
        step = k if k == 0 else len(names) + k - 1
        own = (name, k + 1, tables[k].shape[1], areas[k], *intervals[k], p_values[k], areas[step], *intervals[step])
        is_shortcut = bool(p_values[k] <= ERROR and areas[k] >= LEAST and name != OF_BONES)
        rows.append((*own, is_shortcut, None, strongest_feature(families[name], data.y)))
    ledger = pd.DataFrame(rows, columns=FRAME).astype({"explained_by": object})
    return _sorted(ledger, folds, dict(zip(names, tables, strict=True)), dict(zip(names, scores, strict=False)))


class _Folds:
    """Cross-validated scores of tables of features, always in the same folds."""

    def __init__(self, data: FractureDataset, cv: int, random_state: int | None, n_jobs: int | None):
        self.y, self.n_jobs = data.y, n_jobs
        self.n_classes = len(data.target_names)
        self.seed = np.random.SeedSequence(random_state).generate_state(1)[0] % 2**31
        self.groups = neighbours(data.paths.tolist()) if data.groups is None else data.groups
        held = [len(np.unique(self.groups[self.y == label])) for label in range(self.n_classes)]
        self.n = min(cv, *held)
        if self.n < 2:
            raise DatasetError(f"no ledger of {data!r}: a class has fewer than two images, or groups of neighbours")
        splitter = StratifiedGroupKFold(self.n, shuffle=True, random_state=int(self.seed))
        self.splits: list[Split] = list(splitter.split(self.y, self.y, self.groups))
        self.metric = "roc_auc" if self.n_classes == 2 else macro("roc_auc", self.n_classes)
        self.of_row = np.zeros(len(self.y), dtype=np.intp)
        for k, (_, test) in enumerate(self.splits):
            self.of_row[test] = k
        if any(len(np.unique(self.y[test])) < self.n_classes for _, test in self.splits):
            self.of_row[:] = 0  # some fold has no area of its own

    def scores(self, tables: Sequence[Table]) -> list[NDArray[np.float64]]:
        """Of each table, (n_samples,) or (n_samples, n_classes)."""
        jobs = [(table, split) for table in tables for split in self.splits]
        with threadpool_limits(1, user_api="openmp"):  # whose threads wait for each other longer than they work
            found = map_threads(self._fit, jobs, self.n_jobs)
        out = np.zeros((len(tables), len(self.y), self.n_classes))
        for k, ((_, (_, test)), part) in enumerate(zip(jobs, found, strict=True)):
            out[k // len(self.splits), test] = part
        return [score[:, 1] if self.n_classes == 2 else score for score in out]

    def _fit(self, job: tuple[Table, Split]) -> NDArray[np.float64]:
        table, (train, test) = job
        from .._xgboost import XGBClassifier  # takes as long to load as scikit-learn

        model = XGBClassifier(**TREES, random_state=int(self.seed), n_jobs=1).fit(table[train], self.y[train])
        part = np.zeros((len(test), self.n_classes))
        part[:, model.classes_] = model.predict_proba(table[test])
        return part

    def jackknife(self, scores: Sequence[NDArray[np.float64]]) -> Jackknifed:
        metrics = [(self.metric, score) for score in scores]
        return jackknife(self.y, metrics, groups=self.groups, folds=self.of_row, random_state=int(self.seed))

    def adds(self, first: Table, second: Table, score_of_second: NDArray[np.float64], p_value: float = NO_GAIN) -> bool:
        """Return whether two tables together tell more than the second alone."""
        (both,) = self.scores([np.hstack([second, first])])
        comparison = compare(self.jackknife([both, score_of_second]), 0, 1, test_fraction=1 / self.n)
        return comparison.difference > 0 and comparison.p_value <= p_value


def _sorted(
    ledger: pd.DataFrame, folds: _Folds, tables: dict[str, Table], scores: dict[str, NDArray[np.float64]]
) -> pd.DataFrame:
    """Shortcuts first, by their area, but none before a more specific one to which it adds nothing."""
    ledger = ledger.sort_values(["is_shortcut", "roc_auc"], ascending=False, kind="stable", ignore_index=True)
    waiting = ledger.loc[ledger["is_shortcut"], "family"].tolist()
    areas = dict(zip(ledger["family"], ledger["roc_auc"], strict=True))
    explained: dict[str, str] = {}
    order: list[str] = []
    while waiting:
        chosen = waiting[0]
        for other in waiting[1:]:
            near, p_value = RESIDUE if chosen == "file size" else (NEAR, NO_GAIN)
            if _rank(other) > _rank(chosen) or areas[chosen] - areas[other] >= near:
                continue
            if not folds.adds(tables[chosen], tables[other], scores[other], p_value):
                explained[chosen], chosen = other, other
        waiting.remove(chosen)
        order.append(chosen)
    for k, name in enumerate(order):
        for above in order[: 0 if name in explained else k]:
            if not folds.adds(tables[name], tables[above], scores[above]):
                explained[name] = above
                break
    place = {name: k for k, name in enumerate([*order, *ledger.loc[~ledger["is_shortcut"], "family"]])}
    ledger = ledger.assign(explained_by=ledger["family"].map(explained).astype(object))
    return ledger.sort_values("family", key=lambda names: names.map(place), ignore_index=True)


def _rank(family: str) -> int:
    return SPECIFIC.index(family) if family in SPECIFIC else len(SPECIFIC)


def _above_chance(jackknifed: Jackknifed, row: int, test_fraction: float) -> float:
    """One-sided p-value of an area of one half."""
    area = float(jackknifed.values[row])
    variance, df = jackknifed.spread(np.eye(len(jackknifed.values))[row], test_fraction)
    if not math.isfinite(area) or not math.isfinite(variance):
        return 1.0
    if variance <= 0:
        return float(area <= 0.5)
    return float(stats.t.sf((area - 0.5) / math.sqrt(variance), df))


def strongest_feature(table: pd.DataFrame, y: NDArray[np.int64]) -> str:
    """The column whose ranks alone tell the classes apart best, whichever way."""
    ranks = table.fillna(MISSING).rank().to_numpy()
    away = np.zeros(table.shape[1])
    for label in np.unique(y):
        own = y == label
        area = (ranks[own].mean(axis=0) - (own.sum() + 1) / 2) / (~own).sum()
        away += np.abs(area - 0.5)
    return str(table.columns[int(away.argmax())])


def neighbours(paths: Sequence[str]) -> NDArray[np.int64]:
    """Groups of files whose names differ in their last number alone, by 20 of them that follow each other.

    Neighbours often show one patient; these are no patients.
    """
    names = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    split = [re.fullmatch(r"(.*?)(\d{1,15})(\D*)", name, re.DOTALL) for name in names]
    keys = [(m[1] + m[3], int(m[2])) if m else (name, 0) for m, name in zip(split, names, strict=True)]
    table = pd.DataFrame(keys, columns=["family", "number"])
    place = table.groupby("family")["number"].rank(method="first").astype(np.int64) - 1
    blocks = table.assign(block=place // NEIGHBOURS).groupby(["family", "block"])
    return np.asarray(blocks.ngroup(), dtype=np.int64)
