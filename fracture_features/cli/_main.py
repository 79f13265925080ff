"""The `fracture-features` command: arguments in, tables out."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from .. import __version__
from .._text import any_text
from ..cache import cache_size, clear_cache, damaged_files
from ..datasets import load_folder
from ..exceptions import (
    CacheError,
    DatasetWarning,
    FractureFeaturesError,
    LeakWarning,
    NoReadableImagesError,
    UngroupedDataWarning,
)
from ..pipeline import check_installed
from ._arguments import add_common, add_data, at_least_0, folder, jobs, positive_int
from ._audit import run_audit
from ._data import layout_of, load_data, load_external
from ._exit import ExitCode, Terminated, sigterm_raises
from ._output import escaped_output, say, visible
from ._rerun import draw, rerun
from ._run import run


@any_text
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments after the program's name; None takes those of the process.

    Returns
    -------
    code : int
        An `ExitCode`; `fracture_features.cli` says what each means. argparse's own usage errors raise SystemExit(2).
    """
    argv = sys.argv[1:] if argv is None else argv
    args = make_parser().parse_args(argv)
    args.argv = _without_salt(argv)
    with escaped_output(), warnings.catch_warnings(), sigterm_raises():
        for kind in (DatasetWarning, UngroupedDataWarning):
            warnings.simplefilter("always", kind)
        warnings.simplefilter("ignore", LeakWarning)  # the command says it itself, with what it is worth
        warnings.showwarning = lambda message, *_, **__: say(message, "Warning:", "yellow")
        try:
            return int(args.run(args))
        except NoReadableImagesError as error:
            say(error, "No readable data:", "red")
            return ExitCode.NOTHING_READABLE
        except (FractureFeaturesError, argparse.ArgumentTypeError) as error:
            say(error, "Error:", "red")
            return ExitCode.USAGE
        except Terminated:
            say("", "Terminated.", "red")
            return ExitCode.TERMINATED
        except KeyboardInterrupt:
            say("", "Interrupted.", "red")
            return ExitCode.INTERRUPTED


class Parser(argparse.ArgumentParser):
    """Shows what it was given, and obeys no terminal escape in it."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))


def make_parser() -> argparse.ArgumentParser:
    """The arguments of every command."""
    parser = Parser(
        prog="fracture-features",
        description="Compare fracture classifiers on a set of radiographs. Not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.set_defaults(digest=None, images=None, argv=[])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    compare = commands.add_parser("compare", help="cross-validate models on a folder or csv of radiographs")
    compare.set_defaults(run=_compare)
    what = compare.add_mutually_exclusive_group(required=True)
    what.add_argument("folder", nargs="?", type=Path, help="folder of radiographs, or a csv with --layout csv")
    what.add_argument(
        "--rerun", metavar="MANIFEST", type=Path, help="run again what a manifest.json tells of, on the same files"
    )
    add_data(compare)
    compare.add_argument("--split", action="store_true", help="test on the data's own test part instead of folds")
    compare.add_argument("--external", metavar="FOLDER", type=Path, help="images of another source, scored once")
    compare.add_argument(
        "--external-groups", metavar="G", help="as --groups, for --external (the same as --groups, where it applies)"
    )
    compare.add_argument("--no-audit", action="store_true", help="do not look for copies of images first")
    add_common(compare, out=None)

    demo = commands.add_parser("demo", help="draw synthetic radiographs and compare models on them")
    demo.set_defaults(run=_demo, split=False, no_audit=False)
    demo.add_argument("--n-samples", type=positive_int, default=300, help="images to draw (%(default)s)")
    add_common(demo, out=Path("fracture-features-demo"), folds=3)

    audit = commands.add_parser("audit", help="find copies, leaks, wrong labels, bad files and shortcuts in a data set")
    audit.set_defaults(run=_audit)
    audit.add_argument("folder", type=Path, help="folder of radiographs, or a csv with --layout csv")
    add_data(audit)
    audit.add_argument("--out", metavar="DIR", type=Path, help="folder for audit.html and the csv files")
    audit.add_argument("--json", action="store_true", help="print JSON instead of a table")
    audit.add_argument("--cost", action="store_true", help="measure what copies are worth, with a cheap model")
    audit.add_argument("--seed", type=at_least_0, default=0, help="of folds and models (%(default)s)")
    audit.add_argument("--jobs", type=jobs, default=-1, help="threads; -1 means all cores (%(default)s)")
    audit.add_argument("--cache", metavar="DIR", type=folder, help="keep what was seen of each file for the next run")

    cache = commands.add_parser("cache", help="size of a cache folder, or clear it")
    cache.set_defaults(run=_cache)
    cache.add_argument("action", choices=["info", "clear"])
    cache.add_argument("folder", type=folder)
    return parser


def _without_salt(argv: Sequence[str]) -> list[str]:
    """Arguments as they may be written into a manifest."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--salt")
    return parser.parse_known_args(argv)[1]


def _check_installed(models: Sequence[str]) -> None:
    for name in models:
        check_installed(name)


def _demo(args: argparse.Namespace) -> int:
    _check_installed(args.models)
    folder = args.images or args.out / "radiographs"
    if args.digest is None:
        draw(folder, args.n_samples, args.seed)
    return run(args, load_folder(folder, groups=r"patient(\d+)"), None)


def _compare(args: argparse.Namespace) -> int:
    if args.rerun is not None:
        return rerun(args, make_parser())
    _check_installed(args.models)
    if args.split and args.repeats > 1:
        raise argparse.ArgumentTypeError(
            "--repeats: a split of the data's own cannot be divided anew; leave out --split"
        )
    if args.external is None and args.external_groups is not None:
        raise argparse.ArgumentTypeError("--external-groups needs --external")
    data = load_data(args, args.folder, layout_of(args.layout, args.folder), args.groups)
    return run(args, data, None if args.external is None else load_external(args))


def _audit(args: argparse.Namespace) -> int:
    return run_audit(args, load_data(args, args.folder, layout_of(args.layout, args.folder), args.groups))


def _cache(args: argparse.Namespace) -> int:
    output = Console(highlight=False)
    if args.action == "clear":
        clear_cache(args.folder)
        output.print(Text(f"{args.folder}: cache removed"), soft_wrap=True)
        return ExitCode.DONE
    n_values, n_bytes = cache_size(args.folder)
    output.print(Text(f"{args.folder}: {n_values} values, {n_bytes / 2**20:.1f} MiB"), soft_wrap=True)
    if damaged := damaged_files(args.folder):
        raise CacheError(f"{args.folder}: {len(damaged)} damaged files, the first {damaged[0]!r}")
    return ExitCode.DONE
