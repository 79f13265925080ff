"""What data sets for detection have in common: a class for each box, none for the image."""

from __future__ import annotations

from collections.abc import Sequence

from ..exceptions import DatasetError
from ._boxes import Marks
from ._labels import is_fracture_name

NAMES = ("non-fractured", "fractured")


def fracture_marks(
    found: Sequence[Marks], positive: str | Sequence[str] | None, where: str
) -> tuple[list[str], list[Marks | None]]:
    """The class of each image, and its boxes of fractures alone.

    Parameters
    ----------
    found : sequence of Marks
        All boxes of each image.
    positive : str, sequence of str or None
        Labels of boxes that mark a fracture. None means those named like one, or the only label there is.
    where : str
        For messages.

    Raises
    ------
    DatasetError
        If `positive` is none of the labels, or the labels do not tell.
    """
    labels = sorted({mark.label for each in found for mark in each.marks})
    chosen = _fractures(labels, positive, where)
    kept = [Marks([mark for mark in each.marks if mark.label in chosen], each.size) for each in found]
    return [NAMES[bool(each.marks)] for each in kept], list(kept)


def _fractures(labels: list[str], positive: str | Sequence[str] | None, where: str) -> set[str]:
    if positive is not None:
        chosen = {positive} if isinstance(positive, str) else set(positive)
        if not chosen or chosen - set(labels):
            raise DatasetError(f"{where}: positive={positive!r} is not among the labels of boxes {labels}")
        return chosen
    named = {label for label in labels if is_fracture_name(label)}
    if not named and len(labels) != 1:
        raise DatasetError(
            f"{where}: the labels of boxes {labels} do not tell which mark a fracture; give them as positive="
        )
    return named or set(labels)
