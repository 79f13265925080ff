"""What copies do: across the split, across groups, and under two labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..datasets import FractureDataset
from ._copies import copy_groups
from ._findings import N_EXAMPLES, Finding
from ._parts import Parts

ACROSS_SPLIT = {"bytes": "FF201", "pixels": "FF202", "near": "FF203"}
ACROSS_GROUPS = {"bytes": "FF204", "pixels": "FF204", "near": "FF205"}
CLOSEST_FIRST = ("bytes", "pixels", "near")


def describe_pairs(data: FractureDataset, copies: pd.DataFrame, parts: Parts) -> pd.DataFrame:
    """Copies with what they do, opposite labels first, then those that cross the split, then those that cross groups.

    Parameters
    ----------
    data : FractureDataset
    copies : DataFrame
        As `find_copies` gives it.
    parts : Parts

    Returns
    -------
    pairs : DataFrame
        Its columns and opposite_labels, across_split, across_groups (bool).
    """
    first, second = (copies[name].to_numpy(dtype=np.int64) for name in ("first", "second"))
    one, other = parts.is_test[first], parts.is_test[second]
    known = parts.patients
    pairs = copies.assign(
        opposite_labels=data.y[first] != data.y[second],
        across_split=one != other,
        across_groups=True if known is None else known[first] != known[second],
    )
    rank = pairs["kind"].map(CLOSEST_FIRST.index)
    order = np.lexsort(
        (second, first, rank, ~pairs["across_groups"], ~pairs["across_split"], ~pairs["opposite_labels"])
    )
    return pairs.iloc[order].reset_index(drop=True)


def copy_findings(
    data: FractureDataset,
    pairs: pd.DataFrame,
    parts: Parts,
    components: NDArray[np.int64],
    families: NDArray[np.int64],
) -> list[Finding]:
    """Find what copies say against a data set.

    An image is counted once, under its closest copy. A copy in the training part need not be the one in the pair: all
    that hang together count.

    Parameters
    ----------
    data : FractureDataset
    pairs : DataFrame
        As `describe_pairs` gives it.
    parts : Parts
    components : ndarray of shape (n,)
        Images that hang together by copies have the same number.
    """
    found = [*_across_split(data, pairs, parts), *_across_groups(data, pairs, parts)]
    named = {row for finding in found for row in finding.rows}
    inside = [row for row in np.flatnonzero(np.bincount(components)[components] > 1).tolist() if row not in named]
    if inside:
        found.append(parts.finding("FF206", inside, _names(data, pairs[pairs["first"].isin(inside)])))
    n_classes = pd.Series(data.y).groupby(components).transform("nunique")
    if contradicted := np.flatnonzero(n_classes > 1).tolist():
        found.append(parts.finding("FF301", contradicted, _names(data, pairs[pairs["opposite_labels"]])))
    return [*found, *_families(data, parts, components, families)]


def _across_split(data: FractureDataset, pairs: pd.DataFrame, parts: Parts) -> list[Finding]:
    if not parts.has_split:
        return []
    found, named = [], np.zeros(len(data), dtype=bool)
    for k, kind in enumerate(CLOSEST_FIRST, start=1):
        groups = copy_groups(len(data), pairs[pairs["kind"].isin(CLOSEST_FIRST[:k])])
        trained = np.unique(groups[~parts.is_test])
        rows = np.flatnonzero(parts.is_test & np.isin(groups, trained) & ~named)
        named[rows] = True
        if rows.size:
            theirs = pairs[pairs[["first", "second"]].isin(rows).any(axis=1) & (pairs["kind"] == kind)]
            found.append(parts.finding(ACROSS_SPLIT[kind], rows.tolist(), _names(data, theirs)))
    return found


def _across_groups(data: FractureDataset, pairs: pd.DataFrame, parts: Parts) -> list[Finding]:
    """Copies that no group keeps together, where no split has a say."""
    found, named = [], set()
    for kinds in (("bytes", "pixels"), ("near",)):
        crossing = pairs[pairs["across_groups"] & pairs["kind"].isin(kinds)]
        rows = [row for row in np.unique(crossing[["first", "second"]]).tolist() if row not in named]
        named.update(rows)
        if rows:
            found.append(parts.finding(ACROSS_GROUPS[kinds[0]], rows, _names(data, crossing)))
    return found


def _families(
    data: FractureDataset, parts: Parts, components: NDArray[np.int64], families: NDArray[np.int64]
) -> list[Finding]:
    """Families of names that are not all copies by their pixels."""
    members = pd.DataFrame({"family": families, "component": components})[families >= 0]
    parted = members.groupby("family")["component"].nunique()
    rows = np.flatnonzero(np.isin(families, parted.index[parted > 1])).tolist()
    if not rows:
        return []
    names = [data.paths[row] for row in rows[:N_EXAMPLES]]
    return [parts.finding("FF207", rows, names, detail=f"families of names: {int((parted > 1).sum())}")]


def _names(data: FractureDataset, pairs: pd.DataFrame) -> Sequence[str]:
    """The first pairs as "one file = another" with how one was made of the other."""
    shown = []
    row: Any
    for row in pairs.head(N_EXAMPLES).itertuples():
        how = "" if row.kind == "bytes" else f" ({row.turn})"
        shown.append(f"{data.paths[row.first]} = {data.paths[row.second]}{how}")
    return shown
