"""Errors and warnings that users of the library may want to catch by name."""

from __future__ import annotations

import os

__all__ = [
    "CacheError",
    "CacheWarning",
    "CheckpointError",
    "CheckpointWarning",
    "DatasetError",
    "DatasetWarning",
    "ExportError",
    "FractureFeaturesError",
    "GroupsError",
    "ImageReadError",
    "LeakWarning",
    "MissingDependencyError",
    "ModelFileError",
    "ModelFileWarning",
    "NoReadableImagesError",
    "ProtocolError",
    "ResultFileError",
    "ScaleWarning",
    "StoreError",
    "UngroupedDataWarning",
]


class FractureFeaturesError(Exception):
    """Base of every error that is about data or set-up rather than about a parameter's value."""


class ImageReadError(FractureFeaturesError, ValueError):
    """A file that cannot be read as one whole grey image.

    Parameters
    ----------
    path : str or PathLike
        The file.
    reason : str
        What is wrong with it, in a few words.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str):
        super().__init__(path, reason)
        self.path = os.fspath(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot read {self.path!r}: {self.reason}"


class DatasetError(FractureFeaturesError, ValueError):
    """A data set that cannot be loaded as asked: its folder, table, labels or groups."""


class GroupsError(DatasetError):
    """Groups that cannot be told for every image, or are no groups of patients."""


class NoReadableImagesError(DatasetError):
    """A data set without a single readable image."""


class CacheError(FractureFeaturesError):
    """A folder that holds no cache, asked for its size or to be cleared."""


class CheckpointError(FractureFeaturesError):
    """A folder in which finished jobs cannot be kept."""


class ModelFileError(FractureFeaturesError, ValueError):
    """A model file that cannot be read as one, or a model that no model file can hold."""


class ResultFileError(FractureFeaturesError, ValueError):
    """A folder without a saved result, or one whose result cannot be read."""


class ExportError(FractureFeaturesError, ValueError):
    """A model, or a step of one, that cannot be written in another format with the same answers."""


class ProtocolError(FractureFeaturesError, ValueError):
    """Predictions or files that are not those of a protocol."""


class StoreError(FractureFeaturesError, ValueError):
    """A folder that holds no store of features, or one of other files, features or a newer form."""


class MissingDependencyError(FractureFeaturesError, ImportError):
    """A package that one of the optional extras would have installed."""


class UngroupedDataWarning(UserWarning):
    """Images of one patient may stand on both sides of a split, because no groups are known."""


class LeakWarning(UserWarning):
    """Copies of images would stand on both sides of a split."""


class DatasetWarning(UserWarning):
    """A loader decided between contradictory labels or spellings."""


class CacheWarning(UserWarning):
    """The cache could not be used; values are computed without it."""


class CheckpointWarning(UserWarning):
    """A finished job was found damaged and is run again."""


class ModelFileWarning(UserWarning):
    """A model was saved under other versions of packages than those that read it."""


class ScaleWarning(UserWarning):
    """A model is fitted on more images than it is made for."""
