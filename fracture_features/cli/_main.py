"""The `fracture-features` command: arguments in, tables out."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.text import Text

from .. import __version__
from .._text import any_text
from ..cache import cache_size, clear_cache, damaged_files
from ..datasets import FractureDataset, load_csv, load_folder, load_fracatlas, load_mura
from ..evaluation import operating_rule
from ..exceptions import (
    CacheError,
    DatasetWarning,
    FractureFeaturesError,
    GroupsError,
    NoReadableImagesError,
    UngroupedDataWarning,
)
from ..pipeline import check_installed, make_pipeline
from ._exit import ExitCode, Terminated, sigterm_raises
from ._output import escaped_output, say, visible
from ._rerun import draw, rerun
from ._run import run

SALT_HELP = "key of the hashes of ids in DICOM headers, written nowhere (a random one; groups do not depend on it)"
DEFAULT_MODELS = "hog+svm,lbp+svm,edges+xgboost,hog+lbp+edges+xgboost,accurate,cnn"


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
    compare.add_argument("--layout", choices=["auto", "folder", "csv", "fracatlas", "mura"], default="auto")
    compare.add_argument(
        "--groups", metavar="G", help="which images belong together: a csv, a regular expression on the path, a column"
    )
    compare.add_argument("--positive", metavar="CLASS", help="the fractures' class, where its name does not tell")
    compare.add_argument("--image", metavar="COLUMN", default="image", help="csv: column of the files (%(default)s)")
    compare.add_argument("--label", metavar="COLUMN", default="label", help="csv: column of the classes (%(default)s)")
    compare.add_argument("--root", metavar="FOLDER", type=Path, help="csv: folder of the images (the csv's own)")
    compare.add_argument("--empty", metavar="CLASS", help="csv: the class where the cell is empty")
    compare.add_argument(
        "--metadata",
        metavar="COLUMNS",
        type=lambda text: [name.strip() for name in text.split(",")],
        default=[],
        help="comma-separated columns known before anyone has looked for a fracture; for baseline and subgroups",
    )
    compare.add_argument("--split", action="store_true", help="test on the data's own test part instead of folds")
    compare.add_argument("--external", metavar="FOLDER", type=Path, help="images of another source, scored once")
    compare.add_argument(
        "--external-groups", metavar="G", help="as --groups, for --external (the same as --groups, where it applies)"
    )
    compare.add_argument("--salt", metavar="TEXT", type=_salt, help=SALT_HELP)
    _add_common(compare, out=None)

    demo = commands.add_parser("demo", help="draw synthetic radiographs and compare models on them")
    demo.set_defaults(run=_demo, split=False)
    demo.add_argument("--n-samples", type=_positive_int, default=300, help="images to draw (%(default)s)")
    _add_common(demo, out=Path("fracture-features-demo"), folds=3)

    cache = commands.add_parser("cache", help="size of a cache folder, or clear it")
    cache.set_defaults(run=_cache)
    cache.add_argument("action", choices=["info", "clear"])
    cache.add_argument("folder", type=_folder)
    return parser


def _add_common(parser: argparse.ArgumentParser, out: Path | None, folds: int = 5) -> None:
    parser.add_argument(
        "--models",
        type=_model_names,
        default=DEFAULT_MODELS,
        help="comma-separated; features and a classifier joined by +, or the recipes fast and accurate (%(default)s)",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, default=out, help="folder for the csv files (%(default)s)")
    parser.add_argument("--folds", type=_at_least_2, default=folds, help="folds of the cross-validation (%(default)s)")
    parser.add_argument("--repeats", type=_positive_int, default=1, help="divisions into folds (%(default)s)")
    parser.add_argument(
        "--operating-point",
        metavar="RULE",
        type=_operating_point,
        help="choose the threshold within the training part: sensitivity (0.95), sensitivity=SHARE or youden; "
        "six times the fits",
    )
    parser.add_argument("--calibrate", action="store_true", help="calibrate probabilities; six times the fits")
    parser.add_argument("--image-size", type=_positive_int, help="pixels along each side (as the features want)")
    parser.add_argument("--seed", type=_at_least_0, default=0, help="of folds, models and bootstrap (%(default)s)")
    parser.add_argument("--jobs", type=_jobs, default=-1, help="threads; -1 means all cores (%(default)s)")
    parser.add_argument("--cache", metavar="DIR", type=_folder, help="keep pixels and features here for the next run")


def _without_salt(argv: Sequence[str]) -> list[str]:
    """Arguments as they may be written into a manifest."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--salt")
    return parser.parse_known_args(argv)[1]


def _salt(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected a secret text, got an empty one")
    return text


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("expected a folder, got an empty name")
    return Path(text)


def _positive_int(text: str, minimum: int = 1) -> int:
    value = int(text)
    if value < minimum:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {minimum}, got {text!r}")
    return value


def _jobs(text: str) -> int:
    value = int(text)
    if value == 0:
        raise argparse.ArgumentTypeError("expected a number of threads, or -1 for all cores, got 0")
    return value


def _at_least_0(text: str) -> int:
    return _positive_int(text, 0)


def _at_least_2(text: str) -> int:
    return _positive_int(text, 2)


def _operating_point(text: str) -> Any:
    """What `evaluate` takes for "sensitivity=0.9" and the like."""
    rule, _, share = text.partition("=")
    point: Any = (rule, float(share)) if share else rule
    try:
        operating_rule(point, 2)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return point


def _model_names(text: str) -> list[str]:
    """Names separated by commas, each known to make_pipeline."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        try:
            make_pipeline(name)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{name!r}: {error}") from error
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"a model is named twice in {text!r}")
    return names


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
    data = _load(args, args.folder, _layout(args.layout, args.folder), args.groups)
    return run(args, data, None if args.external is None else _load_external(args))


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


def _layout(layout: str, folder: Path) -> str:
    """The layout of a folder or a csv, found out where it is "auto"."""
    if layout != "auto":
        return layout
    is_fracatlas = (folder / "dataset.csv").is_file() and (folder / "images").is_dir()
    return "fracatlas" if is_fracatlas else "csv" if folder.suffix.lower() in (".csv", ".tsv", ".xlsx") else "folder"


def _load(args: argparse.Namespace, folder: Path, layout: str, groups: str | None) -> FractureDataset:
    if layout in ("fracatlas", "mura") and args.positive is not None:
        raise argparse.ArgumentTypeError(f"--positive: layout {layout} has its own")
    if layout == "mura" and groups is not None:
        raise argparse.ArgumentTypeError("--groups: layout mura has its own, the patients")
    # Of the images of another source the columns are taken that the data's have.
    metadata = args.metadata if folder == args.folder else []
    if layout in ("fracatlas", "mura") and metadata:
        raise argparse.ArgumentTypeError(f"--metadata: layout {layout} has its own")
    if layout == "csv":
        return load_csv(
            folder,
            image=args.image,
            label=args.label,
            root=args.root if folder == args.folder else None,
            groups=groups,
            positive=args.positive,
            empty=args.empty,
            metadata_columns=metadata,
            salt=args.salt,
        )
    if folder == args.folder and (args.root or args.empty) is not None:
        raise argparse.ArgumentTypeError(f"--root and --empty are for a csv; {str(folder)!r} is of layout {layout}")
    if layout == "fracatlas":
        return load_fracatlas(folder, groups=groups)
    if layout == "mura":
        return load_mura(folder)
    return load_folder(folder, groups=groups, positive=args.positive, metadata_columns=metadata, salt=args.salt)


def _load_external(args: argparse.Namespace) -> FractureDataset:
    """Images of another source, whose groups are found as the data's are, where that is possible."""
    folder, groups = args.external, args.external_groups
    layout = args.layout if (args.layout == "csv") == folder.is_file() else "auto"
    layout = _layout(layout, folder)
    if groups is not None or args.groups is None or layout == "mura":
        return _load(args, folder, layout, groups)
    try:
        return _load(args, folder, layout, args.groups)
    except GroupsError as error:
        say(f"--groups does not apply to --external, give --external-groups: {error}", "Warning:", "yellow")
        return _load(args, folder, layout, None)
