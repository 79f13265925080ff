"""Commands of a few lines, and what leads to `run`."""

from __future__ import annotations

import argparse

from rich.text import Text

from .._console import Screen
from ..cache import cache_size, clear_cache, damaged_files
from ..datasets import load_folder
from ..exceptions import CacheError
from ..pipeline import check_installed
from ._data import layout_of, load_data, load_external
from ._exit import ExitCode
from ._parser import make_parser
from ._rerun import draw, rerun
from ._run import make_model, run


def _check_models(args: argparse.Namespace) -> None:
    """What can be told of the models before any file is read or drawn."""
    for name in args.models:
        check_installed(name)
        make_model(name, args, None)


def run_demo(args: argparse.Namespace) -> int:
    """Draw radiographs and compare models on them."""
    _check_models(args)
    folder = args.images or args.out / "radiographs"
    if args.digest is None:
        draw(folder, args.n_samples, args.seed)
    return run(args, load_folder(folder, groups=r"patient(\d+)"), None)


def run_compare(args: argparse.Namespace) -> int:
    """Compare models on a data set, or run again what a manifest tells of."""
    if args.rerun is not None:
        return rerun(args, make_parser())
    _check_models(args)
    if args.split and args.repeats > 1:
        raise argparse.ArgumentTypeError(
            "--repeats: a split of the data's own cannot be divided anew; leave out --split"
        )
    if args.external is None and args.external_groups is not None:
        raise argparse.ArgumentTypeError("--external-groups needs --external")
    data = load_data(args, args.folder, layout_of(args.layout, args.folder), args.groups)
    return run(args, data, None if args.external is None else load_external(args))


def run_cache(args: argparse.Namespace) -> int:
    """Print the size of a cache folder, or clear it."""
    output = Screen()
    if args.action == "clear":
        clear_cache(args.folder)
        output.print(Text(f"{args.folder}: cache removed"), soft_wrap=True)
        return ExitCode.DONE
    n_values, n_bytes = cache_size(args.folder)
    output.print(Text(f"{args.folder}: {n_values} values, {n_bytes / 2**20:.1f} MiB"), soft_wrap=True)
    if damaged := damaged_files(args.folder):
        raise CacheError(f"{args.folder}: {len(damaged)} damaged files, the first {damaged[0]!r}")
    return ExitCode.DONE
