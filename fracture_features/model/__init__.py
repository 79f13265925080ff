"""Fitted models as files that run no code when they are read."""

from ._file import read_manifest, read_model_file, write_model_file
from ._types import TRUSTED_TYPES

__all__ = ["TRUSTED_TYPES", "read_manifest", "read_model_file", "write_model_file"]
