"""What could tell the classes apart without a fracture, in families of features."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..datasets import FractureDataset
from ..datasets._labels import is_fracture_name, is_healthy_name, spelling_key
from ..datasets._layout import split_of
from ._appearance import DEPTHS, FIELDS, LAGS, PERCENTILES, SIDES, THUMBNAIL
from ._content import appearance_frame

HARDWARE = re.compile(r"hardware|implant|metal|plate|screw|prosthe|osteosynthe|fixat", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]+")
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif", "BMP": ".bmp", "GIF": ".gif", "DICOM": ".dcm"}
MAX_VALUES = 12  # of one column that get a feature of their own
MIN_FILES = 5  # with a value, and as many without
MAX_WORDS = 40


def shortcut_features(data: FractureDataset, files: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Collect what is known of each image without a look at its bones.

    Nothing in it is made from the label: not the class folder's name, nor words in a file's name that spell a class.

    Parameters
    ----------
    data : FractureDataset
    files : DataFrame of n_samples rows
        `take_inventory(data.paths, descriptions=[CONTENT])`.

    Returns
    -------
    families : dict of str to DataFrame
        Of numbers, a row for each image, NaN where nothing is known; in the order in which the ledger adds them.
        Columns that have one value are left out, and families that have no column.
    """
    looks = appearance_frame(files)
    families = {
        "part and view": _of_metadata(data, hardware=False),
        "file size": _of_size(files),
        "resolution": _of_resolution(files, looks),
        "encoder": _of_encoder(files),
        "EXIF": _of_embedded(files),
        "file name": _of_names(data, files),
        "border": _of_border(looks),
        "markers": looks[[name for name in FIELDS if name.startswith("object")]],
        "polarity": _of_polarity(looks),
        "brightness": looks[["mean", "std", "skewness", "black", "white", "used_levels", *_percentiles()]],
        "hardware": _of_metadata(data, hardware=True).join(looks[[name for name in FIELDS if name.startswith("bar_")]]),
        "thumbnail": _of_thumbnail(looks),
    }
    varied = {name: table.loc[:, table.nunique(dropna=False) > 1] for name, table in families.items()}
    return {name: table.astype(np.float32) for name, table in varied.items() if table.shape[1]}


def _percentiles() -> list[str]:
    return [f"p{p}" for p in PERCENTILES]


def _of_metadata(data: FractureDataset, *, hardware: bool) -> pd.DataFrame:
    names = [name for name in data.metadata_columns if bool(HARDWARE.search(name)) == hardware]
    return _numbers(data.frame[names].reset_index(drop=True))


def _of_size(files: pd.DataFrame) -> pd.DataFrame:
    size, area = files["size"].astype(float), files["height"].astype(float) * files["width"].astype(float)
    return pd.DataFrame({"bytes": size, "bytes_per_pixel": size / area})


def _of_resolution(files: pd.DataFrame, looks: pd.DataFrame) -> pd.DataFrame:
    """Pixels, and how much finer the finest detail could be: differences of neighbours over those further apart."""
    height, width = files["height"].astype(float), files["width"].astype(float)
    out = {
        "height": height,
        "width": width,
        "longer_side": np.maximum(height, width),
        "aspect": width / height,
    }
    for way in ("row", "column"):
        for near, far in pairwise(LAGS):
            out[f"{way}_detail_{near}"] = (looks[f"{way}_lag_{near}"] + 0.05) / (looks[f"{way}_lag_{far}"] + 0.05)
    return pd.DataFrame(out)


def _of_encoder(files: pd.DataFrame) -> pd.DataFrame:
    kinds = _numbers(files[["format", "encoder", "tables", "components"]].astype({"components": "object"}))
    return kinds.join(files[["quality"]].astype(float))


def _of_embedded(files: pd.DataFrame) -> pd.DataFrame:
    """Return which tags and texts there are, how many, and their values."""
    found = [json.loads(text) if isinstance(text, str) and text else {} for text in files["embedded"]]
    counts = pd.DataFrame({"tags": [float(len(tags)) for tags in found]})
    names = sorted({name for tags in found for name in tags})
    there = {f"has {name}": [float(name in tags) for tags in found] for name in names}
    values = pd.DataFrame({name: [tags.get(name) for tags in found] for name in names}, dtype=object)
    return counts.join(_frequent(pd.DataFrame(there))).join(_numbers(values))


def _frequent(table: pd.DataFrame) -> pd.DataFrame:
    counts = table.sum()
    return table.loc[:, (counts >= MIN_FILES) & (counts <= len(table) - MIN_FILES)]


def _of_border(looks: pd.DataFrame) -> pd.DataFrame:
    """Frames, and the sides' levels above the middle of the picture's, by its spread: brightness does not count."""
    widths = looks[[f"frame_{side}" for side in SIDES]]
    out = {name: widths[name] for name in widths}
    out |= {"narrowest_frame": widths.min(axis=1), "widest_frame": widths.max(axis=1)}
    spread = (looks["p95"] - looks["p5"]).clip(lower=1)
    for side in SIDES:
        level = looks[f"frame_{side}_level"]
        framed = widths[f"frame_{side}"] > 0
        out[f"{side}_is_black"] = (framed & (level < 8)).astype(float)
        out[f"{side}_is_white"] = (framed & (level > 247)).astype(float)
        inner = looks[f"{side}_{len(DEPTHS) - 1}"]
        for depth in range(len(DEPTHS) - 1):
            out[f"{side}_step_{depth}"] = (looks[f"{side}_{depth}"] - inner) / spread
    for k in range(4):
        out[f"corner_{k}"] = (looks[f"corner_{k}"] - looks["p10"]) / spread
    return pd.DataFrame(out)


def _of_polarity(looks: pd.DataFrame) -> pd.DataFrame:
    """Return how far two of three signs say that a picture is inverted; 0 where they do not.

    By how much bones are bright tells what is shown, and one sign alone may be a bar's or a frame's.
    """
    signs = looks[["middle_above_edge", "ridges", "inner_skewness"]]
    return pd.DataFrame({"inverted": (-signs.median(axis=1, skipna=False)).clip(lower=0)})


def _of_thumbnail(looks: pd.DataFrame) -> pd.DataFrame:
    """The picture in 8 x 8 means, each above the mean of all and by their spread."""
    names = [f"thumbnail_{k}" for k in range(THUMBNAIL**2)]
    levels = looks[names]
    return levels.sub(levels.mean(axis=1), axis=0).div(levels.std(axis=1).clip(lower=1), axis=0)


def _of_names(data: FractureDataset, files: pd.DataFrame) -> pd.DataFrame:
    """Words, numbers, length and pattern of the names and of the folders below the class."""
    parts = own_parts(data)
    stems = [PurePath(part[-1]).stem for part in parts]
    suffixes = [PurePath(part[-1]).suffix for part in parts]
    usual = files["format"].map(SUFFIXES).tolist()
    patterns = pd.DataFrame(
        {
            "pattern": [_pattern(stem) for stem in stems],
            "ending": ["usual" if suffix == known else suffix for suffix, known in zip(suffixes, usual, strict=True)],
            **{f"folder_{k}": [part[-2 - k] if len(part) > 1 + k else None for part in parts] for k in range(3)},
        },
        dtype=object,
    )
    words = [
        set(WORD.findall(" ".join([*part[:-1], stem]).casefold())) for part, stem in zip(parts, stems, strict=True)
    ]
    counts = pd.Series([word for found in words for word in found], dtype=object).value_counts()
    kept = counts.index[counts >= MIN_FILES][:MAX_WORDS]
    there = pd.DataFrame({f"word {word}": [float(word in found) for found in words] for word in sorted(kept)})
    return pd.DataFrame([_of_name(stem) for stem in stems]).join(_numbers(patterns)).join(_frequent(there))


def _of_name(stem: str) -> dict[str, float]:
    numbers = re.findall(r"\d+", stem)
    return {
        "first_number": float(numbers[0][:15]) if numbers else np.nan,
        "last_number": float(numbers[-1][:15]) if numbers else np.nan,
        "digits": float(sum(map(len, numbers))),
        "length": float(len(stem)),
        "capitals": float(sum(letter.isupper() for letter in stem)),
    }


def _pattern(stem: str) -> str:
    """A name with a for letters and 0 for numbers: `IMG0001_2` has the pattern a0_0."""
    return re.sub(r"\d+", "0", WORD.sub("a", stem))


def own_parts(data: FractureDataset) -> list[list[str]]:
    """Folders and name of each image behind what all have in common, without what the label could be read from.

    Split folders, class folders and those above, folders that each hold one class, and words of a name that spell a
    class are left out.
    """
    paths = [os.path.abspath(path) for path in data.paths]
    root = os.path.commonpath([os.path.dirname(path) for path in paths])
    parts = [list(PurePath(os.path.relpath(path, root)).parts) for path in paths]
    classes = {spelling_key(name) for name in data.target_names}
    telling = _telling_levels(parts, data.y)
    spelled = re.compile("|".join(map(_spelling, sorted(data.target_names, key=len, reverse=True))), re.IGNORECASE)
    kept = []
    for part in parts:
        named = [k for k, name in enumerate(part[:-1]) if k in telling or _spells_class(name, classes)]
        own = [name for name in part[max(named, default=-1) + 1 : -1] if not split_of(name)]
        kept.append([_without_class(name, spelled) for name in [*own, part[-1]]])
    return kept


def _telling_levels(parts: list[list[str]], y: NDArray[np.int64]) -> set[int]:
    """Depths at which every folder holds images of one class."""
    telling = set()
    for depth in range(max(map(len, parts)) - 1):
        names = pd.Series([part[depth] if len(part) > depth + 1 else None for part in parts], dtype=object)
        by_name = pd.Series(y).groupby(names).nunique()
        if names.notna().all() and 1 < len(by_name) <= len(parts) / MIN_FILES and (by_name == 1).all():
            telling.add(depth)
    return telling


def _spells_class(name: str, classes: set[str]) -> bool:
    return spelling_key(name) in classes or is_fracture_name(name) or is_healthy_name(name)


def _spelling(name: str) -> str:
    """Pattern of a class's name, however its words are separated, that is no part of a longer word or number."""
    words = r"[\W_]*".join(map(re.escape, re.findall(r"[^\W_]+", name)))
    return rf"(?<![^\W_]){words}(?![^\W_])"


def _without_class(name: str, spelled: re.Pattern[str]) -> str:
    """Without the name of a class, and words that are one: "Fractured (12).png" becomes "(12).png"."""
    stem, dot, ending = name.rpartition(".") if "." in name else (name, "", "")
    stem = spelled.sub("", stem)
    return WORD.sub(lambda word: "" if _spells_class(word[0], set()) else word[0], stem).strip(" _-") + dot + ending


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers as they are; of other columns whether they have each of the most frequent values."""
    out: dict[str, pd.Series] = {}
    for name in table:
        column = table[name]
        numbers = pd.to_numeric(column, errors="coerce")
        if pd.api.types.is_bool_dtype(column) or (numbers.notna() | column.isna()).all():
            out[str(name)] = numbers.astype(float)
            continue
        text = column.astype("string").fillna("")
        counts = text.value_counts()
        for value in _common(counts, len(table)):
            out[f"{name} {value}".strip()] = (text == value).astype(float)
    return pd.DataFrame(out, index=table.index)


def _common(counts: pd.Series, n: int) -> Sequence[str]:
    return [str(value) for value, count in counts.items() if MIN_FILES <= count <= n - MIN_FILES][:MAX_VALUES]
