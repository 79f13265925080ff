"""The commands around a trained model: train, predict, evaluate, explain, info."""

from __future__ import annotations

import argparse
import glob
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import cv2
import pandas as pd
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .._locks import held
from .._write import whole_file
from ..datasets import find_images, read_table
from ..exceptions import FractureFeaturesError, ImageReadError
from ..images import read_image
from ..model import FractureModel, evaluate_model, load_model, read_manifest, train_model
from ..pipeline import check_installed
from ..results import measure_label, with_interval
from ._data import layout_of, load_data
from ._exit import ExitCode
from ._extract import cache_of
from ._output import print_result, write_csv
from ._run import make_model
from ._screen import messages, say, write_out
from ._spread import spread

PATH_COLUMNS = ("path", "image", "file", "filename")


def run_train(args: argparse.Namespace) -> int:
    """Train on all images of a data set and write the model."""
    check_installed(args.model)
    make_model(args.model, args, None)  # raises where the size is wrong, before anything is read
    with held_file(args.out):
        data = load_data(args, args.folder, layout_of(args.layout, args.folder), args.groups)
        say(repr(data).strip("<>"))
        options = {"operating_point": args.operating_point, "calibrate": args.calibrate, "random_state": args.seed}
        with spread(args, data.paths[:1].tolist()), cache_of(args, data) as cache:
            pipeline = make_model(args.model, args, cache)
            with messages.status(f"Training {args.model} on {len(data)} images"):
                model = train_model(pipeline, data, name=args.model, **options)
        model.save(args.out)
    for row in model.info["estimates"] or ():
        say(f"{measure_label(row['measure'])}: {with_interval(row['value'], row['low'], row['high'])}")
    say(f"The model is {args.out}")
    return ExitCode.DONE


@contextmanager
def held_file(path: Path, option: str = "--out") -> Iterator[None]:
    """Hold a file that is to be written against other runs.

    Raises
    ------
    FractureFeaturesError
        If its folder cannot be made, or another run holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FractureFeaturesError(f"{option} {str(path)!r} cannot be made: {error.strerror}") from error
    if path.is_dir():
        raise FractureFeaturesError(f"{option} {str(path)!r} is a folder; expected a file")
    with held(path.with_name(f".{path.name}.lock")) as is_mine:
        if not is_mine:
            raise FractureFeaturesError(f"{option} {str(path)!r} is being written by another run; wait or give another")
        yield


def run_predict(args: argparse.Namespace) -> int:
    """Predict files one by one; what cannot be read is said, and the others go on."""
    model = load_model(args.model)
    paths = list(dict.fromkeys(path for given in args.paths for path in expand(given)))
    with nullcontext() if args.out is None else held_file(args.out):
        frame = _predict(model, paths)
        if args.maps is not None:
            _write_maps(model, frame, args.maps)
        if args.json:
            write_out(frame.to_json(orient="records", indent=1) + "\n")
        elif args.out is None:
            write_out(_csv_of(frame))
        if args.out is not None:
            _write_predictions(frame, args.out)
    failed = frame[frame["error"].notna()]
    for row in failed.itertuples():
        say(f"{row.path}: {row.error}", "Failed:", "red")
    if n := int((frame["unlike_training"] == True).sum()):  # noqa: E712 - None is neither
        say(
            f"{n} of {len(frame)} files are unlike those the model was trained on: do not rely on these",
            "Note:",
            "yellow",
        )
    return ExitCode.FAILURES if len(failed) else ExitCode.DONE


def _predict(model: FractureModel, paths: list[str]) -> pd.DataFrame:
    columns = (TextColumn("Predicting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True) as progress:
        bar = progress.add_task("", total=len(paths))
        return model.predict_frame(paths, on_block=lambda n: progress.advance(bar, n))


def _csv_of(frame: pd.DataFrame) -> str:
    buffer = io.BytesIO()
    frame.to_csv(buffer, index=False, errors="backslashreplace")
    return buffer.getvalue().decode()


def _write_predictions(frame: pd.DataFrame, out: Path) -> None:
    """Write them or, where the disk takes nothing, print them."""
    try:
        write_csv(frame, out)
    except OSError:
        write_out(_csv_of(frame))
        raise
    say(f"The predictions are in {out}")


def expand(given: str) -> list[str]:
    """The images that an argument stands for: a file, a folder, a pattern, a csv of paths, or - for stdin.

    Raises
    ------
    FractureFeaturesError
        If there is none.
    """
    path = Path(given)
    if given == "-":
        found = [line.strip() for line in sys.stdin if line.strip()]
    elif path.is_dir():
        found = [str(path / name) for name in find_images(path).images]
    elif path.suffix.lower() == ".csv" and path.is_file():
        found = _listed(path)
    else:
        found = [given] if path.exists() or not glob.has_magic(given) else sorted(glob.glob(given, recursive=True))
    if not found:
        raise FractureFeaturesError(f"{given!r}: no images; expected a file, a folder, a pattern, a csv of paths or -")
    return found


def _listed(table: Path) -> list[str]:
    frame = read_table(table)
    column = next((name for name in PATH_COLUMNS if name in frame), frame.columns[0] if frame.shape[1] == 1 else None)
    if column is None:
        raise FractureFeaturesError(f"{table}: no column {PATH_COLUMNS}; there are {list(frame.columns)}")
    return [str(table.parent / name) for name in frame[column] if name]


def _write_maps(model: FractureModel, frame: pd.DataFrame, folder: Path) -> None:
    """A picture with its heat map for each file that has a prediction."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for path in frame.loc[frame["error"].isna(), "path"]:
        name = stem = Path(path).stem
        k = 1
        while name in taken:
            k += 1
            name = f"{stem}-{k}"
        taken.add(name)
        _write_picture(painted(model, path), folder / f"{name}.png")


def _write_picture(picture: Any, path: Path) -> None:
    """Write a picture whole; OpenCV itself says of a full disk that all is well."""
    try:
        data = cv2.imencode(path.suffix, picture)[1]
    except cv2.error as error:
        raise FractureFeaturesError(f"--out {str(path)!r} cannot be written; expected a .png or .jpg") from error
    with whole_file(path) as part:
        part.write_bytes(data.tobytes())


def painted(model: FractureModel, path: str) -> Any:
    """An image with its heat map over it, and the boxes of a model that finds any, BGR."""
    from ..explain import explain_images, found_boxes  # predictions need neither
    from ..plotting import overlay_boxes, overlay_heat_map

    image = read_image(path, max_side=1024)
    (heat_map,) = explain_images(model.pipeline, [path], shapes=[image.shape])
    boxes = found_boxes(model.pipeline, path, image.shape)
    return overlay_boxes(overlay_heat_map(image, heat_map), found=boxes)[..., ::-1]


def run_explain(args: argparse.Namespace) -> int:
    """Write one image with its heat map."""
    model = load_model(args.model)
    with held_file(args.out):
        try:
            picture = painted(model, str(args.image))
        except ImageReadError as error:
            raise FractureFeaturesError(str(error)) from error
        _write_picture(picture, args.out)
    say(f"The map is {args.out}")
    return ExitCode.DONE


def run_evaluate(args: argparse.Namespace) -> int:
    """Measure a trained model on labelled images; nothing is fitted."""
    model = load_model(args.model)
    data = load_data(args, args.folder, layout_of(args.layout, args.folder), args.groups)
    say(repr(data).strip("<>"))
    with nullcontext() if args.out is None else held_file(args.out):
        with messages.status(f"Predicting {len(data)} images"):
            result = evaluate_model(model, data, recalibration=args.recalibrate, random_state=0)
        print_result(result, "This model")
        if args.out is not None:
            write_csv(result.frame(), args.out)
            say(f"The measures are in {args.out}")
    return ExitCode.FAILURES if len(result.excluded) else ExitCode.DONE


def run_info(args: argparse.Namespace) -> int:
    """Print what a model file says of itself; no part of the model is loaded."""
    manifest = read_manifest(args.model)
    write_out(json.dumps(manifest, indent=1) + "\n" if args.json else load_model(args.model).card())
    return ExitCode.DONE
