"""What the headers of DICOM files add to a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..images import is_dicom_file, read_header

# Known before anyone has looked for a fracture.
METADATA = ("ViewPosition", "BodyPartExamined", "Laterality")


def dicom_frame(root: Path, relative: Sequence[str], salt: str) -> pd.DataFrame | None:
    """A row of header elements for each file, empty where it is no DICOM; None where none is.

    Files of another ending than `.dcm` or none are taken for other formats.
    """
    headers: list[dict[str, str | None]] = [{} for _ in relative]
    for i, name in enumerate(relative):
        path = root / name
        if path.suffix.lower() in (".dcm", "") and is_dicom_file(path):
            headers[i] = read_header(path, salt=salt)
    return pd.DataFrame(headers) if any(headers) else None
