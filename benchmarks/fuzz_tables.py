"""Write tables and groups in the ways that people's programs do, damage some, and load them.

    python benchmarks/fuzz_tables.py [--minutes 10] [--seed 0]

A whole table must come back with the files, labels and groups it was made from; a damaged one must give a DatasetError,
or a data set of files that are there, with labels and groups that stand in the table. Prints what came out; the case
that broke the promise, if one did, is left in fuzz_failure/ with its seed.
"""

from __future__ import annotations

import argparse
import csv
import faulthandler
import io
import shutil
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from _fuzz import mutated

from fracture_features import FractureDataset, load_csv, load_folder
from fracture_features.exceptions import DatasetError

CLASSES = [("normal", "fractured"), ("0", "1"), ("N/A", "fracture"), ("kein Befund", "Fraktur"), ("nö", "brüchig")]
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252")
PATTERNS = (
    r"patient(\d+)",
    r"(\w+)/",
    r"p(\d*)",
    "(",
    "[",
    r"(?P<x>\d)|y",
    r"(\d+)_(\d)?",
    "",
    ".",
    "split",
    "who",
    "a{99999}",
)
PIECES = (b",", b";", b'"', b"\n", b"\r\n", b"\t", b"\0", b"\\", b"/", b" ", b".", b"|", b',"')
N_FILES = 40


def make_root(folder: Path, rng: np.random.Generator) -> list[str]:
    """Empty images with names of several kinds, each of which is one file's alone."""
    names = []
    for k in range(N_FILES):
        stem = [f"{k:04d}", f"patient{k}_1", f"a b {k}", f"größe {k}", f"x.{k}.y", f"IMG{k:07d}"][k % 6]
        names.append(f"{('fractured', 'normal')[k % 2]}/{'deep/' if k % 5 == 0 else ''}{stem}{['.png', '.JPG'][k % 2]}")
        (folder / names[-1]).parent.mkdir(parents=True, exist_ok=True)
        (folder / names[-1]).touch()
    return names


def spelled(name: str, root: Path, rng: np.random.Generator) -> str:
    """One of the ways to name a file."""
    stem = name.rpartition(".")[0]
    ways = [name, f"./{name}", name.replace("/", "\\"), str(root / name), f" {name}\t", stem, stem.rpartition("/")[2]]
    return str(rng.choice([*ways, name.rpartition("/")[2]]))


def write_table(rows: list[list[str]], path: Path, rng: np.random.Generator) -> None:
    """Header and rows in one of the usual dialects."""
    rows = [[*row] for row in rows]
    if rng.random() < 0.3:  # the index that pandas writes
        rows = [["", *rows[0]], *([str(k), *row] for k, row in enumerate(rows[1:]))]
    if rng.random() < 0.2:  # what spreadsheets leave at the end
        rows = [[*row, "", ""] for row in rows]
    out = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if rng.random() < 0.3 else csv.QUOTE_MINIMAL
    delimiter = str(rng.choice([",", ";", "\t", "|"]))
    csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=str(rng.choice(["\n", "\r\n"]))).writerows(
        rows
    )
    path.write_bytes(out.getvalue().encode(str(rng.choice(ENCODINGS))))


def check_whole(data: FractureDataset, root: Path, truth: list[tuple[str, str, str]]) -> None:
    """The data set is the one that the table was made from."""
    assert data.paths.tolist() == [str(root / name) for name, _, _ in truth]
    assert [data.target_names[code] for code in data.y] == [label for _, label, _ in truth]
    groups = [group for _, _, group in truth]
    assert (
        len(set(zip(groups, data.groups.tolist(), strict=True))) == len(set(groups)) == len(set(data.groups.tolist()))
    )


def check_damaged(data: FractureDataset, files: set[str], text: str) -> None:
    """Nothing in the data set is invented."""
    assert set(data.paths) <= files
    assert len(set(data.paths)) == len(data) == len(data.y) == len(data.groups)
    assert set(data.y.tolist()) == set(range(len(data.target_names)))
    assert all(name in text or name in ("0", "1") for name in data.target_names)


def text_of(data: bytes) -> str:
    """All that the bytes may mean."""
    return "\n".join(data.decode(encoding, errors="replace") for encoding in (*ENCODINGS, "utf-16-le"))


class Case:
    """One table, its truth, and the groups beside it."""

    def __init__(self, root: Path, names: list[str], rng: np.random.Generator):
        self.root, self.rng = root, rng
        healthy, fracture = CLASSES[rng.integers(len(CLASSES))]
        self.positive = fracture
        chosen = rng.permutation(len(names))[: rng.integers(6, len(names) + 1)]
        ids = [
            f"{rng.integers(4):0{rng.integers(1, 5)}d}" if rng.random() < 0.9 else f"P{rng.integers(3)}" for _ in chosen
        ]
        labels = [fracture if k % 2 else healthy for k in range(len(chosen))]
        self.truth = [(names[row], label, group) for row, label, group in zip(chosen, labels, ids, strict=True)]
        self.table, self.groups = root / "table.csv", root / "groups.csv"
        rows = [[spelled(name, root, rng), label, group] for name, label, group in self.truth]
        write_table([["image", "label", "who"], *rows], self.table, rng)
        write_table(
            [["file", "who"], *([spelled(name, root, rng), group] for name, _, group in self.truth)], self.groups, rng
        )

    def load(self, groups: Any) -> FractureDataset:
        """Load the table; with its groups from the column, the csv or a pattern."""
        return load_csv(self.table, groups=groups, positive=self.positive)


def run(case: Case, files: set[str], rng: np.random.Generator) -> str:
    """Load one case, whole or damaged; what came of it."""
    column_or_csv = "who" if rng.random() < 0.5 else case.groups
    kind = rng.integers(4)
    if kind == 0:
        if len({group for _, _, group in case.truth}) == len({pair[1:] for pair in case.truth}) == 2:
            return "groups are the classes"
        check_whole(case.load(column_or_csv), case.root, case.truth)
        return "whole"
    if kind == 1:
        pattern = str(rng.choice(PATTERNS))
        loader = load_folder if rng.random() < 0.5 else None
        try:
            data = case.load(pattern) if loader is None else loader(case.root, groups=pattern)
        except DatasetError:
            return "pattern refused"
        assert len(data.groups) == len(data)
        return "pattern"
    damaged = case.table if kind == 2 else case.groups
    damaged.write_bytes(mutated(damaged.read_bytes(), rng, PIECES))
    try:
        data = case.load(column_or_csv)
    except DatasetError:
        return "DatasetError"
    check_damaged(data, files, text_of(case.table.read_bytes()))
    return "damaged, loaded"


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore")
    counts: Counter[str] = Counter()
    deadline, seed = time.monotonic() + 60 * options.minutes, options.seed
    with tempfile.TemporaryDirectory() as folder:
        names = make_root(Path(folder), np.random.default_rng(options.seed))
        files = {str(Path(folder) / name) for name in names}
        while time.monotonic() < deadline:
            rng = np.random.default_rng(seed)
            case = Case(Path(folder), names, rng)
            try:
                counts[run(case, files, rng)] += 1
            except Exception:
                left = Path("fuzz_failure")
                left.mkdir(exist_ok=True)
                for path in (case.table, case.groups):
                    shutil.copy(path, left)
                print(f"seed {seed} broke the promise; its tables are in {left}/")
                raise
            seed += 1
    print(f"{sum(counts.values())} tables in {options.minutes:g} minutes: {dict(sorted(counts.items()))}")


if __name__ == "__main__":
    main()
