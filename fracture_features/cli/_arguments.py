"""Arguments that several commands take, and what their texts stand for."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Any

SALT_HELP = "key of the hashes of ids in DICOM headers, written nowhere (a random one; groups do not depend on it)"
RULES = "sensitivity, sensitivity=SHARE (above 0 and up to 1), threshold=SCORE or youden"
DEFAULT_MODELS = "hog+svm,lbp+svm,edges+xgboost,hog+lbp+edges+xgboost,accurate,cnn"


def add_data(parser: argparse.ArgumentParser) -> None:
    """What the images and their labels are."""
    parser.add_argument("--layout", choices=["auto", "folder", "csv", "fracatlas", "mura"], default="auto")
    parser.add_argument(
        "--groups", metavar="G", help="which images belong together: a csv, a regular expression on the path, a column"
    )
    parser.add_argument("--positive", metavar="CLASS", help="the fractures' class, where its name does not tell")
    parser.add_argument("--image", metavar="COLUMN", default="image", help="csv: column of the files (%(default)s)")
    parser.add_argument("--label", metavar="COLUMN", default="label", help="csv: column of the classes (%(default)s)")
    parser.add_argument("--root", metavar="FOLDER", type=Path, help="csv: folder of the images (the csv's own)")
    parser.add_argument("--empty", metavar="CLASS", help="csv: the class where the cell is empty")
    parser.add_argument(
        "--metadata",
        metavar="COLUMNS",
        type=column_names,
        default=[],
        help="comma-separated columns known before anyone has looked for a fracture; for baseline and subgroups",
    )
    parser.add_argument("--salt", metavar="TEXT", type=salt, help=SALT_HELP)


def add_seed_and_jobs(parser: argparse.ArgumentParser) -> None:
    """What makes a run the same again, and how many threads it takes."""
    parser.add_argument("--seed", type=at_least_0, default=0, help="of folds and models (%(default)s)")
    parser.add_argument("--jobs", type=jobs, default=-1, help="threads; -1 means all cores (%(default)s)")


def add_store(parser: argparse.ArgumentParser) -> None:
    """Where features were put before."""
    parser.add_argument("--store", metavar="DIR", type=folder, help="features that `extract` has made of these files")


def add_spreading(parser: argparse.ArgumentParser) -> None:
    """Where jobs run."""
    parser.add_argument(
        "--backend", choices=["loky", "threading", "dask"], help="spread jobs over --jobs processes or threads"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="of Dask, such as tcp://10.0.0.1:8786: its machines work"
    )


def add_asked(parser: argparse.ArgumentParser) -> None:
    """Parts of the images whose measures are to be told too."""
    parser.add_argument(
        "--subgroups", metavar="COLUMNS", type=column_names, default=[], help="comma-separated, such as view,body_part"
    )
    parser.add_argument(
        "--by-study", metavar="COLUMN", help="measures of whole studies or patients too, whose names this column has"
    )


def add_common(parser: argparse.ArgumentParser, out: Path | None, folds: int = 5) -> None:
    parser.add_argument(
        "--models",
        type=model_names,
        default=DEFAULT_MODELS,
        help="comma-separated; features and a classifier joined by +, or the recipes fast and accurate (%(default)s)",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, default=out, help="folder for the csv files (%(default)s)")
    parser.add_argument("--folds", type=at_least_2, default=folds, help="folds of the cross-validation (%(default)s)")
    parser.add_argument("--repeats", type=positive_int, default=1, help="divisions into folds (%(default)s)")
    parser.add_argument(
        "--operating-point",
        metavar="RULE",
        type=operating_point,
        help="choose the threshold within the training part: sensitivity (0.95), sensitivity=SHARE or youden; "
        "six times the fits, with --calibrate 36 times",
    )
    parser.add_argument("--calibrate", action="store_true", help="calibrate probabilities; six times the fits")
    parser.add_argument(
        "--baselines",
        choices=["all", "metadata", "none"],
        default="all",
        help="models that see no fracture: all, without the shortcut probe, or none (%(default)s)",
    )
    parser.add_argument("--image-size", type=positive_int, help="pixels along each side (as the features want)")
    add_seed_and_jobs(parser)
    parser.add_argument("--cache", metavar="DIR", type=folder, help="keep pixels and features here for the next run")
    add_spreading(parser)


def column_names(text: str) -> list[str]:
    """Names separated by commas."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names of columns separated by commas, got {text!r}")
    return names


UNITS = {"s": 1, "m": 60, "h": 3600}  # seconds


def budget(text: str) -> float:
    """Seconds of "90s", "10m", "2h" or "1h30m"."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text)
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or seconds <= 0:
        raise argparse.ArgumentTypeError(f"expected a time such as 90s, 10m or 1h30m, got {text!r}")
    return seconds


def salt(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected a secret text, got an empty one")
    return text


def folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("expected a folder, got an empty name")
    return Path(text)


def model_file(text: str) -> Path:
    """A file that can be opened; what is in it is found out later."""
    try:
        if os.path.exists(text) and not os.path.isfile(text):  # opening a pipe would wait for whoever writes to it
            raise OSError("it is no regular file")
        with open(text, "rb"):
            return Path(text)
    except (OSError, ValueError) as error:  # ValueError: no name that a file can have
        why = getattr(error, "strerror", None) or error
        raise argparse.ArgumentTypeError(f"{text!r} cannot be opened: {why}; expected a model file") from error


def positive_int(text: str, minimum: int = 1) -> int:
    value = _whole(text)
    if value is None or value < minimum:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {minimum}, got {text!r}")
    return value


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def jobs(text: str) -> int:
    value = _whole(text)
    if not value:
        raise argparse.ArgumentTypeError(f"expected a number of threads, or -1 for all cores, got {text}")
    return value


def port(text: str) -> int:
    value = _whole(text)
    if value is None or not 0 <= value < 1 << 16:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return value


def at_least_0(text: str) -> int:
    return positive_int(text, 0)


def at_least_2(text: str) -> int:
    return positive_int(text, 2)


def operating_point(text: str) -> Any:
    """What `evaluate` takes for "sensitivity=0.9" and the like."""
    from ..evaluation import operating_rule  # takes seconds to import

    rule, _, share = text.partition("=")
    try:
        point: Any = (rule, float(share)) if share else rule
        operating_rule(point, 2)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected {RULES}, got {text!r}") from error
    return point


def feature_names(text: str) -> list[str]:
    """Names of features separated by commas, which a store can hold."""
    from ..store import check_features  # takes seconds to import

    names = [name.strip() for name in text.split(",")]
    try:
        check_features(names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return names


def part_of(text: str) -> tuple[int, int]:
    """One of so many: (2, 8) of "2/8"."""
    first, slash, machines = (_whole(part) if part != "/" else part for part in text.partition("/"))
    if slash != "/" or not isinstance(first, int) or not isinstance(machines, int) or not 1 <= first <= machines:
        raise argparse.ArgumentTypeError(f"expected i/n, such as 2/8 for the second of 8 machines, got {text!r}")
    return first, machines


def model_names(text: str) -> list[str]:
    """Names separated by commas, each known to make_pipeline."""
    names = [model_name(name.strip()) for name in text.split(",")]
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"a model is named twice in {text!r}")
    return names


def model_name(text: str) -> str:
    """A name known to make_pipeline."""
    from ..pipeline import make_pipeline  # takes seconds to import

    try:
        make_pipeline(text)
    except ValueError as error:
        message = re.sub("(features|classifier)=", "", str(error)).removeprefix(f"{text!r}: ")
        listed = re.sub(r"\[([^]]*)\]", lambda names: names[1].replace("'", ""), message)
        raise argparse.ArgumentTypeError(f"{text!r}: {listed}") from error
    return text


def model_operating_point(text: str) -> Any:
    """What `train_model` takes for "rule-out=0.98", "thresholds=-1,0.5" and what `evaluate` takes."""
    from ..model import check_operating_point  # takes seconds to import

    rule, _, numbers = text.partition("=")
    try:
        if rule not in ("rule-out", "thresholds"):
            return operating_point(text)
        point = (rule, *(float(number) for number in numbers.split(",")))
        check_operating_point(point)
    except (ValueError, argparse.ArgumentTypeError) as error:
        expected = f"{RULES}, rule-out=NPV (NPV above 0 and below 1) or thresholds=LOW,HIGH (LOW no higher than HIGH)"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}") from error
    return point
