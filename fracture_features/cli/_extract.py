"""The command `extract`, and what the others find in a store."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .._optional import check_extra
from ..datasets import FractureDataset
from ..evaluation import temporary_cache
from ..exceptions import StoreError
from ..store import FeatureStore, extract_features, is_current, write_parquet
from ._exit import ExitCode
from ._screen import messages, say
from ._spread import spread


def run_extract(args: argparse.Namespace) -> int:
    """Extract features of all images of a folder into a store; 1 if some cannot be read."""
    if args.parquet:
        check_extra("parquet", needed_for="extract --parquet")
    place = next(str(parent) for parent in args.out.absolute().parents if parent.exists())
    columns = (TextColumn("Extracting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        spread(args, [str(args.folder), place]),
        Progress(*columns, console=messages, transient=True) as progress,
    ):
        bar = progress.add_task("", total=None)
        store = extract_features(
            args.folder,
            args.features,
            args.out,
            image_size=args.image_size,
            shard=args.shard,
            n_jobs=args.jobs,
            on_plan=lambda n: progress.update(bar, total=n),
            on_shard=lambda n: progress.advance(bar, n),
        )
    if args.parquet:
        with messages.status("Writing Parquet"):
            write_parquet(store)
    bad = store.index[store.index["row"] < 0]
    for path, reason in bad[["path", "reason"]].head(5).to_numpy().tolist():
        say(f"{path}: {reason}", "Cannot be read:", "yellow")
    if len(bad) > 5:
        say(f"{len(bad) - 5} more cannot be read; reason in shard-*.csv", "Note:", "yellow")
    say(f"{args.out}: {repr(store).strip('<>')}")
    return ExitCode.FAILURES if len(bad) else ExitCode.DONE


@contextmanager
def cache_of(args: argparse.Namespace, data: FractureDataset) -> Iterator[str]:
    """The folder of the cache, a temporary one where none is given, with what --store knows of the files.

    Raises
    ------
    StoreError
        If the store is of another version, or has none of the files.
    """
    given = getattr(args, "cache", None)
    with nullcontext(str(given)) if given else temporary_cache() as cache:
        if args.store is not None:
            _warm(args, data, cache)
        yield cache


def _warm(args: argparse.Namespace, data: FractureDataset, cache: str) -> None:
    where = f"--store {str(args.store)!r}"
    store = FeatureStore(args.store)
    if not store.root.is_dir():  # written on another machine
        store = FeatureStore(args.store, args.folder)
    if not is_current(store):
        raise StoreError(f"{where} was made by another version of this library or of its decoders: extract it again")
    with messages.status(f"Reading {args.store}"):
        found = store.warm_cache(cache, data.paths.tolist())
    if not found:
        raise StoreError(f"{where} has none of the {len(data)} files as they are now; it is of {store.root}")
    if found < len(data):
        say(f"{where} has {found} of the {len(data)} files as they are now; the others are read", "Note:", "yellow")
