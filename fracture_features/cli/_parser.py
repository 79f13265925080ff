"""The arguments of every command; nothing is imported that a command needs to run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

from .. import __version__
from ._arguments import (
    add_asked,
    add_common,
    add_data,
    add_seed_and_jobs,
    add_spreading,
    add_store,
    at_least_0,
    budget,
    feature_names,
    folder,
    jobs,
    model_file,
    model_name,
    model_operating_point,
    part_of,
    port,
    positive_int,
)
from ._help import add_help
from ._screen import visible


class Parser(argparse.ArgumentParser):
    """Says what is wrong on one line, as it was given, and obeys no terminal escape in it."""

    def __init__(self, **options: Any):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {visible(message)} (see {self.prog} --help)\n")


def make_parser() -> argparse.ArgumentParser:
    """The arguments of every command."""
    parser = Parser(
        prog="fracture-features",
        usage="%(prog)s COMMAND [options]",
        description="Compare fracture classifiers on a set of radiographs. Not a medical device.",
        epilog="'fracture-features COMMAND --help' has examples of each.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.set_defaults(digest=None, images=None, argv=[], store=None)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", prog=parser.prog)

    for add in (_add_comparing, _add_audit, _add_extract, _add_train, _add_predicting, _add_score, _add_files):
        add(commands)
    add_help(commands)
    return parser


def _add_comparing(commands: Any) -> None:
    """Those that compare models."""
    compare = commands.add_parser("compare", help="cross-validate models on a folder or csv of radiographs")
    compare.set_defaults(run="_commands:run_compare")
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
    compare.add_argument(
        "--budget", metavar="TIME", type=budget, help="run the models that fit into 10m, 1h30m or so, cheapest first"
    )
    add_common(compare, out=None)
    add_store(compare)
    add_asked(compare)

    demo = commands.add_parser("demo", help="draw synthetic radiographs and compare models on them")
    demo.set_defaults(run="_commands:run_demo", split=False, no_audit=False, budget=None, subgroups=[], by_study=None)
    demo.add_argument("--n-samples", type=positive_int, default=300, help="images to draw (%(default)s)")
    add_common(demo, out=Path("fracture-features-demo"), folds=3)


def _add_audit(commands: Any) -> None:
    """What is told of a data set before any model."""
    audit = commands.add_parser("audit", help="find copies, leaks, wrong labels, bad files and shortcuts in a data set")
    audit.set_defaults(run="_audit:run_audit")
    audit.add_argument("folder", type=Path, help="folder of radiographs, or a csv with --layout csv")
    add_data(audit)
    audit.add_argument("--out", metavar="DIR", type=Path, help="folder for audit.html and the csv files")
    audit.add_argument("--json", action="store_true", help="print JSON instead of a table")
    audit.add_argument("--cost", action="store_true", help="measure what copies are worth, with a cheap model")
    add_seed_and_jobs(audit)
    audit.add_argument("--cache", metavar="DIR", type=folder, help="keep what was seen of each file for the next run")
    add_store(audit)
    add_spreading(audit)

    show = commands.add_parser("show", help="a page on a data set before any model: classes, sizes, images, variations")
    show.set_defaults(run="_show:run_show")
    show.add_argument("folder", type=Path, help="folder of radiographs, or a csv with --layout csv")
    add_data(show)
    show.add_argument("--seed", type=at_least_0, default=0, help="which images are shown (%(default)s)")
    show.add_argument("--out", metavar="FILE", type=Path, required=True, help="the page, such as page.html")


def _add_extract(commands: Any) -> None:
    """Features of all images, once."""
    extract = commands.add_parser("extract", help="put features of all images of a folder into a store on disk")
    extract.set_defaults(run="_extract:run_extract")
    extract.add_argument("folder", type=Path, help="folder of radiographs")
    extract.add_argument(
        "--features", metavar="NAMES", type=feature_names, default="hog,lbp,edges", help="comma-separated (%(default)s)"
    )
    extract.add_argument("--out", metavar="DIR", type=folder, required=True, help="folder of the store")
    extract.add_argument(
        "--shard", metavar="I/N", type=part_of, default=(1, 1), help="the part of one of N machines over one folder"
    )
    extract.add_argument("--image-size", type=positive_int, help="pixels along each side (as the features want)")
    extract.add_argument("--parquet", action="store_true", help="write the features as tables too")
    extract.add_argument("--jobs", type=jobs, default=-1, help="threads; -1 means all cores (%(default)s)")
    add_spreading(extract)


def _add_train(commands: Any) -> None:
    """Training on all images."""
    train = commands.add_parser("train", help="train a model on all images of a folder or csv, and save it")
    train.set_defaults(run="_models:run_train")
    train.add_argument("folder", type=Path, help="folder of radiographs, or a csv with --layout csv")
    add_data(train)
    train.add_argument("--model", type=model_name, default="accurate", help="as in --models of compare (%(default)s)")
    train.add_argument(
        "--operating-point",
        metavar="RULE",
        type=model_operating_point,
        help="choose the threshold on inner folds: sensitivity (0.95), sensitivity=SHARE or youden; with a third "
        "answer, inconclusive: rule-out=NPV or thresholds=LOW,HIGH",
    )
    train.add_argument("--calibrate", action="store_true", help="calibrate probabilities on the inner folds")
    train.add_argument("--image-size", type=positive_int, help="pixels along each side (as the features want)")
    add_seed_and_jobs(train)
    add_store(train)
    add_spreading(train)
    train.add_argument("--out", metavar="FILE", type=Path, required=True, help="the model file, such as model.ff")


def _add_predicting(commands: Any) -> None:
    """Those that use a trained model on images."""
    predict = commands.add_parser("predict", help="predict files with a trained model")
    predict.set_defaults(run="_models:run_predict")
    predict.add_argument("model", type=model_file, help="the model file")
    predict.add_argument("paths", nargs="+", metavar="PATH", help="files, folders, patterns, a csv of paths, or -")
    predict.add_argument("--out", metavar="FILE", type=Path, help="csv of the predictions, instead of on the screen")
    predict.add_argument("--json", action="store_true", help="print JSON")
    predict.add_argument("--maps", metavar="DIR", type=folder, help="folder for each image with its heat map")

    evaluate = commands.add_parser("evaluate", help="measure a trained model on labelled images of another source")
    evaluate.set_defaults(run="_models:run_evaluate")
    evaluate.add_argument("model", type=model_file, help="the model file")
    evaluate.add_argument("folder", type=Path, help="folder of radiographs, or a csv with --layout csv")
    add_data(evaluate)
    evaluate.add_argument(
        "--recalibrate",
        choices=["intercept", "logistic"],
        help="measure the probabilities adapted to this source as well, each by images of other groups",
    )
    evaluate.add_argument("--out", metavar="FILE", type=Path, help="csv of the measures")

    explain = commands.add_parser("explain", help="draw where a trained model looks in an image")
    explain.set_defaults(run="_models:run_explain")
    explain.add_argument("model", type=model_file, help="the model file")
    explain.add_argument("image", type=Path)
    explain.add_argument("--out", metavar="FILE", type=Path, required=True, help="the picture, a .png or .jpg")

    serve = commands.add_parser("serve", help="a page to drop radiographs on, and POST /predict, on this machine")
    serve.set_defaults(run="_serve:run_serve")
    serve.add_argument("model", type=model_file, help="the model file")
    serve.add_argument("--port", type=port, default=8000, help="0 takes a free one (%(default)s)")
    serve.add_argument("--host", default="127.0.0.1", help="address; any but this machine's own is warned of")


def _add_score(commands: Any) -> None:
    """Predictions of anyone's model against the baselines."""
    score = commands.add_parser("score", help="hold predictions on a published set against the baselines")
    score.set_defaults(run="_score:run_score")
    score.add_argument("predictions", type=Path, help="csv with the columns image_id, sha256, fold and score")
    score.add_argument("--protocol", choices=["fracatlas"], required=True, help="whose images, groups and folds")
    score.add_argument("--badge", metavar="FILE", type=Path, help="JSON of an endpoint badge of shields.io")


def _add_files(commands: Any) -> None:
    """Those about a file or folder of the library's own."""
    info = commands.add_parser("info", help="what a model file says of itself: the model card")
    info.set_defaults(run="_models:run_info")
    info.add_argument("model", type=model_file, help="the model file")
    info.add_argument("--json", action="store_true", help="print its manifest")

    export = commands.add_parser(
        "export", help="write a trained model in another format, once it gives the same answers"
    )
    export.set_defaults(run="_export:run_export")
    export.add_argument("model", type=model_file, help="the model file")
    export.add_argument("paths", nargs="+", metavar="IMAGE", help="radiographs to compare on, as PATH of predict")
    export.add_argument(
        "--onnx", metavar="FILE", type=Path, required=True, help="the file to write, such as model.onnx"
    )

    cache = commands.add_parser("cache", help="size of a cache folder, or clear it")
    cache.set_defaults(run="_commands:run_cache")
    cache.add_argument("action", choices=["info", "clear"])
    cache.add_argument("folder", type=folder)
