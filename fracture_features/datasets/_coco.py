"""Data sets for detection as COCO has them."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..exceptions import DatasetError
from ._boxes import Mark, Marks, as_numbers
from ._dataset import FractureDataset, make_dataset
from ._detection import NAMES, fracture_marks
from ._files import NamedFiles, existing_folder

# Of an image, what tells nothing that a user would group or stratify by.
OWN = {"id", "file_name", "width", "height", "license", "flickr_url", "coco_url", "date_captured"}


def load_coco(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    groups: object = None,
    positive: str | Sequence[str] | None = None,
    metadata_columns: Sequence[str] = (),
    salt: str | None = None,
) -> FractureDataset:
    """Load a json file of COCO: images, annotations with boxes, categories.

    The format is that of [1]_. An image with a box of a fracture is fractured, every other one is not. Boxes of other
    categories (metal, text) and outlines (segmentation) are left away.

    Parameters
    ----------
    path : str or path-like
        The json file.
    root : str or path-like, default=None
        Folder of the images; None means the json file's own.
    groups : str, path-like or array-like, default=None
        Which images belong together: a field of the images ("patient_id"), a csv of images and groups, a regular
        expression on the path, or an array.
    positive : str or sequence of str, default=None
        Categories that mark a fracture. None means those named like one, or the only one that has boxes.
    metadata_columns : sequence of str, default=()
        Fields of the images that are known before anyone has looked for a fracture.
    salt : str, default=None
        Key of the hashes that stand for the ids in DICOM headers; see `load_folder`.

    Returns
    -------
    data : FractureDataset
        In the order of the file, with its `boxes`; other fields of the images, as far as they are plain values, in
        `frame`. Boxes are brought from the height and width that the file states to those of the image.

    Raises
    ------
    DatasetError
        If the file is no such json, an image is named twice, is missing or lies outside `root`, an annotation has no
        box or one outside its image, or the categories do not tell which marks a fracture.

    Warns
    -----
    DatasetWarning
        If boxes are empty or reach over the edge.

    See Also
    --------
    load_yolo : Boxes in text files.
    fracture_features.regions.RegionClassifier : Learns from boxes.

    References
    ----------
    .. [1] T.-Y. Lin et al., "Microsoft COCO: common objects in context", ECCV 2014. https://cocodataset.org

    Examples
    --------
    >>> import json, tempfile, cv2, numpy as np
    >>> from pathlib import Path
    >>> from fracture_features import load_coco
    >>> folder = Path(tempfile.mkdtemp())
    >>> images = [{"id": k, "file_name": f"{k}.png", "height": 40, "width": 30} for k in (0, 1)]
    >>> for image in images:
    ...     _ = cv2.imwrite(str(folder / image["file_name"]), np.zeros((40, 30), dtype=np.uint8))
    >>> annotations = [{"id": 0, "image_id": 1, "category_id": 1, "bbox": [5, 5, 10, 20]}]
    >>> coco = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "fracture"}]}
    >>> _ = (folder / "boxes.json").write_text(json.dumps(coco))
    >>> data = load_coco(folder / "boxes.json")
    >>> data.y.tolist(), data.boxes[1].tolist()
    ([0, 1], [[5.0, 5.0, 25.0, 15.0]])
    """
    path = Path(path)
    content = _read_json(path)
    images = _by_id(content["images"], "images", path)
    files = NamedFiles(existing_folder(path.parent if root is None else root), path, salt, is_moved=root is not None)
    relative = [files.find(_text(image, "file_name", f"{path}, images, id {k}")) for k, image in images.items()]
    if twice := [name for name, n in Counter(relative).items() if n > 1]:
        raise DatasetError(f"{path}: several images are {twice[0]!r}; expected one")
    found = _marks(images, content, path)
    labels, marks = fracture_marks(list(found.values()), positive, str(path))
    return make_dataset(
        files.root,
        relative,
        labels,
        _frame(list(images.values())),
        groups=groups,
        positive=NAMES[1],
        metadata_columns=metadata_columns,
        salt=salt,
        contents=files.contents,
        where=str(path),
        boxes=marks,
    )


def _read_json(path: Path) -> dict[str, Any]:
    """The lists of objects of a file of COCO."""
    if path.exists() and not path.is_file():
        raise DatasetError(f"{path}: it is no regular file; expected a json file as COCO has it")
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: cannot be read as json ({error})") from error
    for key in ("images", "annotations", "categories"):
        each = content.get(key) if isinstance(content, dict) else None
        if not isinstance(each, list) or not all(isinstance(item, dict) for item in each):
            raise DatasetError(f"{path}: expected a json object with a list of objects {key!r}, as COCO has it")
    return dict(content)


def _by_id(items: list[dict[str, Any]], key: str, path: Path) -> dict[Any, dict[str, Any]]:
    """Objects by their id."""
    found: dict[Any, dict[str, Any]] = {}
    for k, item in enumerate(items):
        name = item.get("id")
        if not isinstance(name, int | str) or name in found:
            what = "twice" if isinstance(name, int | str) else "which is no number or text"
            raise DatasetError(f"{path}, {key}[{k}]: has the id {name!r}, {what}; expected one of its own")
        found[name] = item
    return found


def _text(item: dict[str, Any], key: str, where: str) -> str:
    if not isinstance(value := item.get(key), str):
        raise DatasetError(f"{where}: expected a text {key!r}, got {value!r:.80}")
    return value


def _marks(images: dict[Any, dict[str, Any]], content: dict[str, Any], path: Path) -> dict[Any, Marks]:
    """All boxes of each image."""
    categories = _by_id(content["categories"], "categories", path)
    found = {}
    for k, image in images.items():
        where = f"{path}, images, id {k}"
        height, width = as_numbers([image.get("height"), image.get("width")], f"{where}, height and width")
        if min(height, width) <= 0:
            raise DatasetError(f"{where}: expected a size above 0, got {width:g} x {height:g}")
        found[k] = Marks([], (height, width))
    for k, each in enumerate(content["annotations"]):
        where = f"{path}, annotations[{k}]"
        for key, known in (("image_id", images), ("category_id", categories)):
            if not isinstance(each.get(key), int | str) or each[key] not in known:
                raise DatasetError(f"{where}: {key} {each.get(key)!r:.80} is none of the file's")
        box = each.get("bbox")
        cells = box if isinstance(box, list) and len(box) == 4 else [None] * 4
        left, top, width, height = as_numbers(cells, f"{where}, bbox")
        label = _text(categories[each["category_id"]], "name", f"{path}, categories, id {each['category_id']}")
        found[each["image_id"]].marks.append(Mark((top, left, top + height, left + width), label, where))
    return found


def _frame(images: list[dict[str, Any]]) -> pd.DataFrame:
    """Plain values that images have beside COCO's own."""
    plain = [
        {k: v for k, v in image.items() if k not in OWN and isinstance(v, str | int | float | bool)} for image in images
    ]
    return pd.DataFrame(plain, index=range(len(images)))
