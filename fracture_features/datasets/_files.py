"""Which files are there, and whether a path stays below its root."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from ..exceptions import DatasetError
from ..images import is_dicom_file

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".gif", ".dcm"}


def existing_folder(root: str | os.PathLike[str]) -> Path:
    """`root` as a Path; DatasetError if it is no folder."""
    path = Path(root)
    if not path.is_dir():
        found = "it is a file" if path.exists() else "there is no such folder"
        raise DatasetError(f"{path}: {found}; expected a folder of radiographs")
    return path


def images_below(folder: Path) -> tuple[list[str], int]:
    """Posix paths below `folder` of all image files, sorted, and the number of other files.

    Hidden files and folders are passed over.
    """
    images, others = [], 0
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.startswith("."):
                continue
            path = Path(parent) / name
            # DICOM files often come without an ending.
            if path.suffix.lower() in IMAGE_SUFFIXES or (not path.suffix and is_dicom_file(path)):
                images.append(path.relative_to(folder).as_posix())
            else:
                others += 1
    return sorted(images), others


def below_root(root: Path, name: str, table: Path) -> str:
    """Posix path below `root` of the file that `table` calls `name`; DatasetError if it leaves `root` or is missing."""
    relative = os.path.normpath(os.path.relpath(root / name, root))
    if relative.startswith(".."):
        raise DatasetError(f"{table}: {name!r} leads out of the folder {str(root)!r}")
    if not (root / relative).is_file():
        raise DatasetError(f"{table}: there is no file {str(root / relative)!r}")
    return PurePosixPath(Path(relative)).as_posix()
