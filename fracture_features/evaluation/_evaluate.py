"""Models × folds → predictions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn import config_context

from ..audit import DESCRIPTIONS, AuditReport, audit_inventory
from ..datasets import FractureDataset
from ..results import FAILURE_COLUMNS, EvaluationResult, FoldResult
from ..results._fold import Role
from ._baselines import BASELINE_SETS, PROBE, baseline_models, probe_reader
from ._checkpoint import Checkpoint
from ._checks import check_data, check_models, check_options, check_other_files, warn_without_groups
from ._files import exclude_unreadable, join, read_files, shared_cache, temporary_cache, with_cache
from ._fit import Job, OperatingPoint, Runner, operating_rule, reseeded
from ._held_out import check_ready_folds, warn_of_ignored_groups
from ._jobs import Outcome, Worker, run_jobs
from ._leaks import warn_of_copies, without_trained
from ._progress import shown_progress
from ._splits import Split, check_classes, make_splits, read_cv


def evaluate(
    models: Mapping[str, Any],
    data: FractureDataset,
    *,
    cv: Any = 5,
    n_repeats: int = 1,
    operating_point: OperatingPoint = None,
    calibrate: bool = False,
    external: FractureDataset | None = None,
    baselines: str = "all",
    audit: bool | AuditReport = True,
    random_state: int | None = None,
    n_jobs: int | None = None,
    keep_models: bool | str = False,
    on_error: str = "raise",
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    on_fold: Callable[[FoldResult], None] | None = None,
    verbose: int = 0,
) -> EvaluationResult:
    r"""Cross-validate models over the same folds, groups kept together.

    Every file is read once, before any split; those that cannot be read are left out and listed in the result. Three
    models that cannot see a fracture are evaluated beside them: the majority class, the metadata without a pixel, and
    a probe of brightness, border and thumbnail (`evaluation.baseline_models`). Each model and fold is a job of its own;
    with a `random_state`, and models that have theirs, results depend neither on `n_jobs` nor on the backend.

    Parameters
    ----------
    models : mapping of str to estimator
        Pipelines, searches or other classifiers that take paths; `MetadataLookup` gives them what else is known of an
        image. Those whose `cache` is None share a temporary one.
        Where a search or another part of a model has a number as `cv`, it gets inner folds that keep groups together.
    data : FractureDataset
        What the models are trained and tested on.
    cv : int, "split", splitter or iterable of (train, test), default=5
        A number stands for StratifiedGroupKFold, or StratifiedKFold where there are no groups, shuffled; "split" for
        the column of that name in `data.frame`, whose "test" (where there is none, its "val") is tested and whose other
        images train.
    n_repeats : int, default=1
        How often to divide anew, where `cv` is a number. Each repetition adds 1 to every whole `random_state` in the
        models, so that what their seeds make enters the intervals.
    operating_point : None, "sensitivity", "youden", ("sensitivity", share) or ("threshold", score), default=None
        From which score of class 1 on an image is called fractured: the highest at which 95 % of the fractures, or
        that share, are found, that with the highest Youden index, or a given one. It is chosen on the scores that five
        models fitted within the training part give to the images they were not fitted on, at five more fits a fold,
        then applied to the test part and to `external`. None leaves the decision to the classifier.
    calibrate : bool, default=False
        Whether to calibrate each model's probabilities by Platt's method, on folds within the training part.
    external : FractureDataset, default=None
        Images of another source, which each fold's fitted model scores once; `result.external` holds what came out.
    baselines : {"all", "metadata", "none"}, default="all"
        Which models that cannot see a fracture are evaluated beside: all three, the majority class and the metadata, or
        none, and then nothing is said of whether a model is better than a shortcut.
    audit : bool or AuditReport, default=True
        Whether to look for copies of images first (`audit_dataset`), or what that gave of these files. Copies that no
        group keeps together are kept together in the folds; where folds are given, or the data's own split is used,
        test images with a copy in the training part are not tested.
    random_state : int, default=None
        Seed of the folds and of the tables; the models have their own.
    n_jobs : int, default=None
        Models and folds fitted at a time, by joblib's backends loky, threading or dask: None means 1, or what
        `joblib.parallel_config` says, -1 all cores.
        Within several at a time each works on one thread.
    keep_models : bool or "first", default=False
        Whether to keep the fitted models, as `FoldResult.estimator`, without their caches; "first" keeps those of the
        first fold.
    on_error : {"raise", "record"}, default="raise"
        What happens when a model fails: "record" goes on with the others and lists model, fold and reason in
        `result.failures`; a model that failed on a fold is not in the tables.
    checkpoint : str, path-like or Checkpoint, default=None
        Folder in which finished jobs are kept. A later call finds those made of the same files, models, settings and
        versions there, and does the rest. With `keep_models` it holds pickles, which run code when they are read: use
        a folder of your own.
    on_fold : callable, default=None
        Called with the FoldResult of each fold as soon as it is there.
    verbose : {0, 1}, default=0
        1 shows a progress bar on stderr or, where that is no terminal, a line for each fold.

    Returns
    -------
    result : EvaluationResult

    Raises
    ------
    DatasetError
        If no file can be read (NoReadableImagesError), a file is named twice, a part on which a model would be fitted
        or tested lacks a class, an image or a group stands on both sides of a split, or `external` has other classes or
        files of the data under another name.
    ValueError
        If `models` is no mapping of names to classifiers, a name is a baseline's, a parameter is none of those above,
        groups cannot reach the inner folds of a model, a list of folds within one does not fit each training part, a
        model gives no finite score for each class, takes a table instead of paths, or has a part that is fitted already
        and stays so (a FrozenEstimator, `cv="prefit"`), or joblib's backend is none of those above.
    CheckpointError
        If the folder `checkpoint` cannot be made.
    KeyboardInterrupt
        On Ctrl-C. It, and whatever else ends the run midway, has an attribute `result`: the EvaluationResult of the
        models that were through on every fold.

    Warns
    -----
    UngroupedDataWarning
        If the data or `external` have no groups, or what stands within a model holds out images without them: a
        splitter or list of folds, early stopping by a share of the images, `SVC(probability=True)`.
    LeakWarning
        If copies of images would stand on both sides of a split.
    CheckpointWarning
        If a finished job is found damaged, and is run again; if a job or a fitted model cannot be kept.

    See Also
    --------
    fracture_features.train_model : Fit one pipeline on all images.
    fracture_features.EvaluationResult : What can be read from the result.
    fracture_features.report.write_report : Write it as a page.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> folder = make_radiographs(60, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_folder(folder, groups=r"patient(\d+)")
    >>> result = evaluate({"HOG + SVM": make_pipeline("hog", "svm")}, data, cv=3, random_state=0)
    >>> result.models
    ['majority class', 'metadata only', 'shortcut probe', 'HOG + SVM']
    """
    check_options(
        baselines=baselines,
        audit=audit,
        random_state=random_state,
        n_jobs=n_jobs,
        keep_models=keep_models,
        on_error=on_error,
        verbose=verbose,
    )
    random_state = None if random_state is None else int(random_state)
    check_data(data, external)
    if isinstance(audit, AuditReport) and not np.array_equal(audit.data.paths, data.paths):
        raise ValueError("audit must be a report of the same files, in the same order, as data")
    check_models(models, len(data.target_names))
    rule = operating_rule(operating_point, len(data.target_names))
    folds = read_cv(data, cv, n_repeats)
    warn_without_groups(data, external)
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(Path(checkpoint))
    with temporary_cache() as folder:
        plan = _plan(models, data, external, folds, n_repeats, baselines, audit, random_state, folder)
        runner = Runner(plan.data, rule, calibrate, random_state)
        with config_context(enable_metadata_routing=True):
            if (groups := plan.data.groups) is not None:
                check_ready_folds(models, groups, plan.splits, is_refitted=calibrate or rule is not None)
                warn_of_ignored_groups(models, max(len(train) for train, _ in plan.splits))
            for job in plan.jobs:
                runner.check(job)
        worker = Worker(runner, plan.external, keep_models, on_error == "record", checkpoint)
        outcomes: list[Outcome] = []
        names = list(dict.fromkeys(job.model for job in plan.jobs))
        try:
            with shown_progress(names, len(plan.jobs) // len(names)) if verbose else nullcontext(None) as show:
                for outcome in run_jobs(worker, plan.jobs, n_jobs):
                    outcomes.append(outcome)
                    for listener in (show, on_fold):
                        if listener is not None and outcome.folds:
                            listener(outcome.folds[0])
        except BaseException as error:
            vars(error)["result"] = _assemble(plan, outcomes, random_state)
            raise
    return _assemble(plan, outcomes, random_state)


class _Plan(NamedTuple):
    """Readable images, files left out, and the jobs."""

    data: FractureDataset
    excluded: pd.DataFrame
    external: FractureDataset | None
    excluded_outside: pd.DataFrame
    splits: list[Split]
    jobs: list[Job]
    audit: AuditReport | None


def _plan(
    models: Mapping[str, Any],
    given: FractureDataset,
    external: FractureDataset | None,
    folds: Any,
    n_repeats: int,
    baselines: str,
    audit: bool | AuditReport,
    random_state: int | None,
    folder: str,
) -> _Plan:
    """Read every file, and say what is to be fitted on which of them."""
    models = {name: with_cache(model, folder) for name, model in models.items()}
    shared = shared_cache(models.values(), folder)
    shown = BASELINE_SETS[baselines]
    readers = [*([probe_reader(shared)] if PROBE in shown else []), *models.values()]
    if isinstance(audit, AuditReport):
        given = read_files(given, readers)
        report: AuditReport | None = audit
    else:
        given = read_files(given, readers, DESCRIPTIONS if audit else ())
        report = audit_inventory(given) if audit else None
    data, excluded = exclude_unreadable(given)
    readable = given.files["reason"].isna().to_numpy()
    grouped = data
    if report is not None and report.has_copies:
        grouped = replace(data, groups=report.groups[readable])
        if isinstance(folds, int):
            warn_of_copies(report)
        else:
            folds, untested = without_trained(given, folds, report)
            excluded = pd.concat([excluded, untested], ignore_index=True)
    splits = make_splits(grouped if isinstance(folds, int) else data, folds, n_repeats, random_state, readable)
    data = grouped  # for the intervals, also where folds were given
    known, excluded_outside = data, excluded
    if external is not None:
        external, excluded_outside = exclude_unreadable(read_files(external, readers))
        check_classes(external, np.arange(len(external)), "external", "expected every class")
        check_other_files(data, external)
        known = join(data, external)
    blind = baseline_models(known, cache=shared, random_state=random_state) if shown else {}
    roles: dict[Role, Mapping[str, Any]] = {"baseline": {name: blind[name] for name in shown}, "model": models}
    n_folds = len(splits) // n_repeats
    jobs = [
        Job(name, role, estimator, n_folds * repetition + k, train, test)
        for role, part in roles.items()
        for name, model in part.items()
        for repetition, estimator in enumerate(reseeded(model, n_repeats))
        for k, (train, test) in enumerate(splits[n_folds * repetition :][:n_folds], start=1)
    ]
    return _Plan(data, excluded, external, excluded_outside, splits, jobs, report)


def _assemble(plan: _Plan, outcomes: list[Outcome], random_state: int | None) -> EvaluationResult:
    """The result of the models that are through on every fold, and the failures of others."""
    found = {(outcome.model, outcome.fold): outcome for outcome in outcomes}
    ordered = [found[job.model, job.fold] for job in plan.jobs if (job.model, job.fold) in found]
    failed = [(o.model, o.fold, o.reason) for o in ordered if o.reason is not None]
    failures = pd.DataFrame(failed, columns=list(FAILURE_COLUMNS))
    not_through = {job.model for job in plan.jobs if (job.model, job.fold) not in found} | set(failures["model"])
    whole = [outcome.folds for outcome in ordered if outcome.model not in not_through]
    outside = None
    if plan.external is not None:
        outside = EvaluationResult(plan.external, [folds[1] for folds in whole], plan.excluded_outside, random_state)
    return EvaluationResult(
        plan.data, [folds[0] for folds in whole], plan.excluded, random_state, outside, failures, plan.audit
    )
