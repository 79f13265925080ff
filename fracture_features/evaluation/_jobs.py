"""Run jobs through joblib, and find again those that are finished."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle
import numpy as np
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend
from sklearn import config_context

from .._fingerprint import fingerprint
from ..cache import set_caches
from ..datasets import FractureDataset
from ..exceptions import CheckpointWarning
from ..results import FoldResult
from ._checkpoint import Checkpoint, code_fingerprint, describe_data, describe_model
from ._fit import Job, Runner, describe_job, predict_at
from ._places import find_boxes


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
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

    def __call__(self, job: Job, key: str, parent: int) -> Outcome:
        try:
            with config_context(enable_metadata_routing=True):
                folds, fitted = self._fit(job)
        except Exception as error:  # whatever a model raises
            if not self.record:
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return Outcome(job.model, job.fold, [], reason)
        return Outcome(job.model, job.fold, self._keep(job, key, folds, fitted, os.getpid() != parent))

    def _fit(self, job: Job) -> tuple[list[FoldResult], Any]:
        fold, fitted = self.runner.run(job)
        external = [] if self.external is None else [predict_external(fold, fitted, self.external)]
        return [fold, *external], fitted

    def _keep(self, job: Job, key: str, folds: list[FoldResult], fitted: Any, travels: bool) -> list[FoldResult]:
        """Write down what is to be kept; where that fails it is said, and the results stand."""
        where = describe_job(job.model, job.fold)
        kept, pickled = (set_caches(fitted, None), None) if self._keeps(job) else (None, None)
        if kept is not None and (travels or self.checkpoint is not None):
            try:
                pickled = cloudpickle.dumps(kept)
            except (TypeError, ValueError, AttributeError, pickle.PicklingError) as error:
                warnings.warn(f"{where}: the fitted model cannot be pickled: {error}", CheckpointWarning, stacklevel=2)
                kept = None
        if self.checkpoint is not None:
            try:
                kept = self.checkpoint.keep(key, folds, pickled)
            except OSError as error:
                warnings.warn(f"{where}: not written to the checkpoint: {error}", CheckpointWarning, stacklevel=2)
        return [replace(folds[0], kept=kept), *folds[1:]]

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
        return job.fold == 1 if self.keep_models == "first" else bool(self.keep_models)

    def keys(self, jobs: list[Job]) -> list[str]:
        """Return the digest by which each job is found again."""
        if self.checkpoint is None:
            return [""] * len(jobs)
        runner = self.runner
        data = [describe_data(part) for part in (runner.data, self.external) if part is not None]
        common = fingerprint(code_fingerprint(), data, runner.rule, runner.calibrate, runner.random_state)
        of_each = {id(job.estimator): job for job in jobs}
        models = {key: _described(job.model, job.estimator) for key, job in of_each.items()}
        return [
            fingerprint(common, models[id(job.estimator)], job.fold, job.train, job.test).hex()[:32] for job in jobs
        ]


def _described(name: str, estimator: Any) -> bytes:
    try:
        return describe_model(estimator)
    except TypeError as error:
        raise ValueError(f"checkpoint: models[{name!r}] cannot be told from others: {error}") from error


def run_jobs(worker: Worker, jobs: list[Job], n_jobs: int | None) -> Iterator[Outcome]:
    """The outcome of each job as it comes, those that were finished before first."""
    keys = worker.keys(jobs)
    found = [worker.find(job, key) for job, key in zip(jobs, keys, strict=True)]
    yield from filter(None, found)
    missing = [(job, key) for job, key, outcome in zip(jobs, keys, found, strict=True) if outcome is None]
    backend: Any = get_active_backend()[0]
    if not backend.supports_return_generator:
        # multiprocessing, whose forked children hang where XGBoost or TensorFlow has run before
        raise ValueError(f"joblib's backend must be loky, threading or dask, got {type(backend).__name__}")
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    yield from parallel(delayed(worker)(job, key, os.getpid()) for job, key in missing)


def predict_external(fold: FoldResult, fitted: Any, external: FractureDataset) -> FoldResult:
    """Return what a fold's fitted model gives on images of another source."""
    where = f"{describe_job(fold.model, fold.fold)}, on external"
    n_classes = len(external.target_names)
    y_pred, scores, probabilities = predict_at(fitted, external.paths, fold.threshold, n_classes, where)
    train, test = _external_rows(external)
    return replace(
        fold,
        train=train,
        test=test,
        y_pred=y_pred,
        scores=scores,
        probabilities=probabilities,
        train_scores=None,
        found=find_boxes(fitted, external),
    )


def _external_rows(external: FractureDataset) -> tuple[np.ndarray, np.ndarray]:
    return np.empty(0, dtype=np.int64), np.arange(len(external))
