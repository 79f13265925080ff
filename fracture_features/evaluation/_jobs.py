"""Run jobs through joblib, and find again those that are finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn import config_context
from sklearn.base import clone

from .._fingerprint import fingerprint
from ..cache import set_caches
from ..datasets import FractureDataset
from ..results import FoldResult
from ._checkpoint import Checkpoint, code_fingerprint, describe_data
from ._fit import Job, Runner, describe_job, predict_at


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes
    ----------
    model : str
    fold : int
    folds : list of FoldResult
        That of the data and, where there are any, that of external images; empty where the job failed.
    reason : str or None
        Why it failed, on one line. Not the error itself, for some cannot travel between processes.
    """

    model: str
    fold: int
    folds: list[FoldResult]
    reason: str | None = None


@dataclass(frozen=True)
class Worker:
    """Does one job, in this process or another.

    Parameters
    ----------
    runner : Runner
    external : FractureDataset or None
    keep_models : bool or "first"
        Whether to keep the fitted model; "first" keeps those of the first fold.
    record : bool
        Whether to give an error back rather than raise it.
    checkpoint : Checkpoint or None
    """

    runner: Runner
    external: FractureDataset | None
    keep_models: bool | str
    record: bool
    checkpoint: Checkpoint | None

    def __call__(self, job: Job, key: str) -> Outcome:
        try:
            with config_context(enable_metadata_routing=True):
                return Outcome(job.model, job.fold, self._run(job, key))
        except Exception as error:  # whatever a model raises
            if not self.record:
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return Outcome(job.model, job.fold, [], reason)

    def _run(self, job: Job, key: str) -> list[FoldResult]:
        fold, fitted = self.runner.run(job)
        folds = [fold]
        if self.external is not None:
            folds.append(predict_external(fold, fitted, self.external))
        kept = set_caches(fitted, None) if self._keeps(job) else None
        if self.checkpoint is not None:
            kept = self.checkpoint.keep(key, folds, kept)
        return [replace(fold, kept=kept), *folds[1:]]

    def find(self, job: Job, key: str) -> Outcome | None:
        """The outcome of a job that was finished before."""
        found = None if self.checkpoint is None else self.checkpoint.find(key, self._keeps(job))
        if found is None:
            return None
        folds = [FoldResult(job.model, job.fold, job.train, job.test, role=job.role, **found[0])]
        if self.external is not None:
            folds.append(FoldResult(job.model, job.fold, *_external_rows(self.external), role=job.role, **found[1]))
        return Outcome(job.model, job.fold, folds)

    def _keeps(self, job: Job) -> bool:
        return self.keep_models is True or (self.keep_models == "first" and job.fold == 1)

    def keys(self, jobs: list[Job]) -> list[str]:
        """What each job is found again by."""
        if self.checkpoint is None:
            return [""] * len(jobs)
        runner = self.runner
        data = [describe_data(part) for part in (runner.data, self.external) if part is not None]
        common = fingerprint(code_fingerprint(), data, runner.rule, runner.calibrate, runner.random_state)
        models = {id(job.estimator): fingerprint(_essence(job.estimator)) for job in jobs}
        return [
            fingerprint(common, models[id(job.estimator)], job.fold, job.train, job.test).hex()[:32] for job in jobs
        ]


def _essence(model: Any) -> Any:
    """A clone without what changes no result: caches, numbers of threads."""
    model = set_caches(clone(model), None)
    threads = [name for name in model.get_params() if name.rpartition("__")[2] == "n_jobs"]
    model.set_params(**dict.fromkeys(threads))
    return model


def run_jobs(
    worker: Worker, jobs: list[Job], n_jobs: int | None, on_fold: Callable[[FoldResult], None] | None
) -> list[Outcome]:
    """The outcome of each job, in their order; `on_fold` hears of each fold result as it comes."""
    keys = worker.keys(jobs)
    found = [worker.find(job, key) for job, key in zip(jobs, keys, strict=True)]
    missing = [(job, key) for job, key, outcome in zip(jobs, keys, found, strict=True) if outcome is None]
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    new: Iterator[Outcome] = parallel(delayed(worker)(job, key) for job, key in missing)
    outcomes = {}
    for outcome in chain(filter(None, found), new):
        outcomes[outcome.model, outcome.fold] = outcome
        if on_fold is not None and outcome.folds:
            on_fold(outcome.folds[0])
    return [outcomes[job.model, job.fold] for job in jobs]


def predict_external(fold: FoldResult, fitted: Any, external: FractureDataset) -> FoldResult:
    """What a fold's fitted model gives on images of another source."""
    where = f"{describe_job(fold.model, fold.fold)}, on external"
    predicted = predict_at(fitted, external.paths, fold.threshold, len(external.target_names), where)
    y_pred, scores, probabilities = predicted
    train, test = _external_rows(external)
    return replace(
        fold,
        train=train,
        test=test,
        y_pred=y_pred,
        scores=scores,
        probabilities=probabilities,
        train_scores=None,
    )


def _external_rows(external: FractureDataset) -> tuple[np.ndarray, np.ndarray]:
    return np.empty(0, dtype=np.int64), np.arange(len(external))
