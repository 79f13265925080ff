"""Data sets for detection as YOLO has them."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from ..exceptions import DatasetError, NoReadableImagesError
from ._boxes import Mark, Marks, as_numbers
from ._dataset import FractureDataset, make_dataset
from ._detection import NAMES, fracture_marks
from ._files import existing_folder, find_images, no_images
from ._layout import split_of


def load_yolo(
    root: str | os.PathLike[str],
    *,
    groups: object = None,
    positive: str | Sequence[str] | None = None,
    salt: str | None = None,
) -> FractureDataset:
    r"""Load a folder of YOLO: images below `images/`, a text file for each below `labels/`.

    The format is that of [1]_. Both folders stand side by side, below `train/`, `valid/` and `test/` or above them. A
    line of a text file is a class number and a box, centre, width and height in shares of the image; or a class number
    and an outline, whose box is taken. An image with a box of a fracture is fractured; one without, or without a text
    file, is not. Boxes of other classes (metal, text) are left away.

    Parameters
    ----------
    root : str or path-like
        If it holds a `data.yaml`, or one other `.yaml`, that names the classes under `names:`; otherwise they are
        called by their numbers.
    groups : str, path-like or array-like, default=None
        Which images belong together: a regular expression on the path below `root` (r"patient(\d+)"), a csv of
        images and groups, or an array by the order of the paths.
    positive : str or sequence of str, default=None
        Classes that mark a fracture. None means those named like one, or the only one that has boxes.
    salt : str, default=None
        Key of the hashes that stand for the ids in DICOM headers; see `load_folder`.

    Returns
    -------
    data : FractureDataset
        Sorted by path, with its `boxes`; `frame["split"]` is what the folders tell.

    Raises
    ------
    DatasetError
        If `root` is no folder, holds no images below an `images/` (NoReadableImagesError), a text file has a line that
        is no box, or one outside its image, or the classes do not tell which marks a fracture.

    Warns
    -----
    DatasetWarning
        If boxes are empty or reach over the edge.

    See Also
    --------
    load_coco : Boxes in a json file.
    fracture_features.regions.RegionClassifier : Learns from boxes.

    References
    ----------
    .. [1] J. Redmon, S. Divvala, R. Girshick, A. Farhadi, "You only look once: unified, real-time object detection",
       CVPR 2016. The files are those of Darknet and Ultralytics.

    Examples
    --------
    >>> import tempfile, cv2, numpy as np
    >>> from pathlib import Path
    >>> from fracture_features import load_yolo
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "images").mkdir(), (folder / "labels").mkdir()
    (None, None)
    >>> for k in (0, 1):
    ...     _ = cv2.imwrite(str(folder / "images" / f"{k}.png"), np.zeros((40, 20), dtype=np.uint8))
    >>> _ = (folder / "labels" / "1.txt").write_text("0 0.5 0.5 0.5 0.5")
    >>> _ = (folder / "data.yaml").write_text("names: [fracture]")
    >>> data = load_yolo(folder)
    >>> data.y.tolist(), data.boxes[1].tolist()
    ([0, 1], [[10.0, 5.0, 30.0, 15.0]])
    """
    folder = existing_folder(root)
    found = find_images(folder, salt)
    images = [name for name in found.images if "images" in name.split("/")[:-1]]
    if not images:
        raise NoReadableImagesError(f"{folder}: {no_images(found)} that lie in a folder 'images', as YOLO's do")
    names = _class_names(folder)
    labels, marks = fracture_marks(
        [_read_labels(folder / _label_file(name), names) for name in images], positive, str(folder)
    )
    splits = [next((split for part in name.split("/")[:-1] if (split := split_of(part))), None) for name in images]
    return make_dataset(
        folder,
        images,
        labels,
        pd.DataFrame({"split": splits} if all(splits) else {}, index=range(len(images))),
        groups=groups,
        positive=NAMES[1],
        ignored=found.ignored,
        salt=salt,
        contents=found.contents,
        boxes=marks,
    )


def _label_file(image: str) -> str:
    """Path of an image's text file: the last folder `images` becomes `labels`, as for Ultralytics."""
    parts = image.split("/")
    last = len(parts) - 2 - parts[-2::-1].index("images")
    return PurePosixPath(*parts[:last], "labels", *parts[last + 1 :]).with_suffix(".txt").as_posix()


def _read_labels(path: Path, names: dict[int, str]) -> Marks:
    """Boxes of one text file, in shares of the image; none where there is no such file."""
    if not path.is_file():
        return Marks([])
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read as text ({error})") from error
    return Marks(
        [_mark(f"{path}, line {k}", *cells, names=names) for k, line in enumerate(lines, 1) if (cells := line.split())],
        (1.0, 1.0),
    )


def _mark(where: str, number: str, *cells: str, names: dict[int, str]) -> Mark:
    """The box of a line."""
    if not number.isdecimal() or (names and int(number) not in names):
        raise DatasetError(f"{where}: {number!r} is the number of no class; there are {names or 'whole numbers'}")
    label = names.get(int(number), number)
    if len(cells) == 4:
        x, y, width, height = as_numbers(cells, where)
        return Mark((y - height / 2, x - width / 2, y + height / 2, x + width / 2), label, where)
    if len(cells) < 6 or len(cells) % 2:
        raise DatasetError(f"{where}: expected a class and 4 numbers, or the corners of an outline, got {len(cells)}")
    numbers = as_numbers(cells, where)
    xs, ys = numbers[::2], numbers[1::2]
    return Mark((min(ys), min(xs), max(ys), max(xs)), label, where)


def _class_names(folder: Path) -> dict[int, str]:
    """Name of each class by its number, where a yaml file says them."""
    found = [path for pattern in ("*.yaml", "*.yml") for path in folder.glob(pattern) if path.is_file()]
    files = sorted(found, key=lambda path: (path.stem != "data", path.name))
    if not files or (len(files) > 1 and files[0].stem != "data"):
        return {}
    try:
        text = files[0].read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DatasetError(f"{files[0]}: cannot be read as text ({error})") from error
    text = re.sub(r"(?m)(^|\s)#.*$", "", text)
    if (match := re.search(r"^names[ \t]*:[ \t]*(?P<inline>[\[{][^\]}]*[\]}])", text, re.MULTILINE)) is not None:
        cells = [cell for cell in match["inline"][1:-1].replace("\n", " ").split(",") if cell.strip()]
        lines = cells if match["inline"].startswith("{") else [f"- {cell}" for cell in cells]
    elif (
        match := re.search(
            r"^names[ \t]*:[ \t]*\n(?P<block>(?:[ \t]*(?:-|\d+[ \t]*:)[^\n]*\n?|[ \t]*\n)+)", text, re.MULTILINE
        )
    ) is not None:
        lines = [line for line in match["block"].splitlines() if line.strip()]
    else:
        raise DatasetError(f"{files[0]}: expected the classes under 'names:', as a list or by their numbers")
    return dict(_class_name(line, k, files[0]) for k, line in enumerate(lines))


def _class_name(line: str, k: int, path: Path) -> tuple[int, str]:
    """Number and name of `- name`, the k-th, or `number: name`."""
    match = re.fullmatch(r"\s*(?:-|(\d+)\s*:)\s*(.*?)\s*", line)
    if match is None or not match[2]:
        raise DatasetError(f"{path}: {line.strip()!r} names no class")
    name = match[2]
    if name[0] in "'\"":
        try:
            name = str(ast.literal_eval(name))
        except (ValueError, SyntaxError) as error:
            raise DatasetError(f"{path}: {line.strip()!r} names no class") from error
    return (k if match[1] is None else int(match[1])), name
