"""Files in, grey uint8 images out."""

from ._content import FileContent, read_content
from ._dicom import read_header
from ._file import ImageFile, describe_file
from ._image import read_image, read_shape
from ._memory import held_in_memory
from ._reader import ImageReader

__all__ = [
    "FileContent",
    "ImageFile",
    "ImageReader",
    "describe_file",
    "held_in_memory",
    "read_content",
    "read_header",
    "read_image",
    "read_shape",
]
