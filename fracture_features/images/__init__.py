"""Files in, grey uint8 images out."""

from ._dicom import is_dicom_file, read_header
from ._reader import ImageReader, read_image, read_shape

__all__ = ["ImageReader", "is_dicom_file", "read_header", "read_image", "read_shape"]
