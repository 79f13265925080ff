"""Where the jobs of a command run: in this process, in others, on other machines."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from joblib import effective_n_jobs, parallel_config

from .._optional import require
from .._versions import find_versions
from ..exceptions import FractureFeaturesError

PATIENCE = 10  # seconds to wait for a scheduler


@contextmanager
def spread(args: argparse.Namespace, paths: Sequence[str]) -> Iterator[None]:
    """Let joblib run jobs as --backend and --scheduler say.

    Parameters
    ----------
    args : Namespace
        With `backend`, `scheduler` and `jobs`.
    paths : sequence of str
        Files and folders that every worker has to see.

    Raises
    ------
    FractureFeaturesError
        If no scheduler answers, it has no workers, or one of them has other versions of packages or does not see a
        path; the message names it.
    MissingDependencyError
        If the dask extra is not installed.
    """
    if args.scheduler is not None and args.backend not in (None, "dask"):
        raise argparse.ArgumentTypeError(f"--scheduler is for --backend dask, got --backend {args.backend}")
    if args.scheduler is None and args.backend != "dask":
        if args.backend is None:
            yield
        else:
            with parallel_config(backend=args.backend, n_jobs=args.jobs):
                yield
        return
    with _client(args.scheduler, args.jobs) as client:
        check_workers(client, [os.path.abspath(path) for path in paths])
        with parallel_config(backend="dask"):
            yield


@contextmanager
def _client(scheduler: str | None, n_jobs: int) -> Iterator[Any]:
    """A client of a scheduler, or of worker processes of this machine; its tasks end with it."""
    distributed: Any = require("distributed", extra="dask", needed_for="--backend dask")
    if scheduler is None:
        with (
            distributed.LocalCluster(
                n_workers=effective_n_jobs(n_jobs),
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # None means a port of its own choice, which may be taken
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = distributed.Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        raise FractureFeaturesError(f"--scheduler {scheduler!r} cannot be reached: {error}") from error
    with client:
        yield client


def check_workers(client: Any, paths: Sequence[str]) -> None:
    """Raise FractureFeaturesError where a worker would fail, or give other results than this process."""
    where = f"--scheduler {client.scheduler.address!r}"
    found: Mapping[str, Any] = client.run(_describe_worker, list(paths), on_error="return")
    if not found:
        raise FractureFeaturesError(f"{where} has no workers")
    here = find_versions()
    for worker, told in found.items():
        if isinstance(told, ModuleNotFoundError):
            raise FractureFeaturesError(f"{where}: the worker {worker} has no {told.name!r} installed")
        if isinstance(told, BaseException):
            raise FractureFeaturesError(f"{where}: the worker {worker} does not answer: {told!r}")
        versions, unseen = told
        if differ := [name for name, version in here.items() if versions.get(name) != version]:
            listed = ", ".join(f"{name} {versions.get(name, 'none')}, here {here[name]}" for name in differ)
            raise FractureFeaturesError(f"{where}: the worker {worker} has other versions of packages: {listed}")
        if unseen:
            raise FractureFeaturesError(
                f"{where}: the worker {worker} does not see {unseen[0]!r}; all machines need it under one name"
            )


def _describe_worker(paths: list[str]) -> tuple[dict[str, str], list[str]]:
    """Versions of packages there, and the paths that it does not see."""
    return find_versions(), [path for path in paths if not os.path.exists(path)]
