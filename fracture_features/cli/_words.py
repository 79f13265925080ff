"""The library's messages in the command's words: options in the place of parameters."""

from __future__ import annotations

import re

OPTIONS = {
    "positive": "--positive",
    "groups": "--groups",
    "image": "--image",
    "label": "--label",
    "root": "--root",
    "empty": "--empty",
    "metadata_columns": "--metadata",
    "salt": "--salt",
    "image_size": "--image-size",
    "operating_point": "--operating-point",
    "calibrate": "--calibrate",
    "random_state": "--seed",
    "n_jobs": "--jobs",
    "n_repeats": "--repeats",
    "baselines": "--baselines",
    "cv": "--folds",
    "cache": "--cache",
    "external": "--external",
}
NAMES = "|".join(OPTIONS)
# `positive='x'`, "give positive=", and at the beginning or behind a colon "metadata_columns: ..." or "groups must ...".
GIVEN = re.compile(rf"(?<![\w'\"(\[./-])({NAMES})=(?!=)")
SPOKEN = re.compile(rf"(^|: )({NAMES})(?=:| must )")


def in_options(message: str) -> str:
    """A message with the names of options where it has those of parameters.

    Examples
    --------
    >>> from fracture_features.cli._words import in_options
    >>> in_options("positive='x' is none of ['a', 'b']; give positive=")
    "--positive 'x' is none of ['a', 'b']; give --positive"
    """
    message = message.replace("cv='split'", "--split")
    message = SPOKEN.sub(lambda found: found[1] + OPTIONS[found[2]], message)
    return GIVEN.sub(lambda found: OPTIONS[found[1]] + _gap(message, found.end()), message)


def _gap(message: str, end: int) -> str:
    """A space before a value; none where the name stands alone."""
    return " " if message[end : end + 1].strip(" ,;.)") else ""
