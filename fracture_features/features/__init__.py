"""Features of radiographs: uint8 stacks in, float32 rows out."""

from ._hog import HOGExtractor

__all__ = ["HOGExtractor"]
