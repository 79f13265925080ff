"""Files in, grey uint8 images out."""

from ._dicom import is_dicom_file, read_header
from ._file import ImageFile, describe_file
from ._reader import ImageReader, read_image, read_shape

__all__ = ["ImageFile", "ImageReader", "describe_file", "is_dicom_file", "read_header", "read_image", "read_shape"]
