"""Files in, grey uint8 images out."""

from ._reader import ImageReader, read_image

__all__ = ["ImageReader", "read_image"]
