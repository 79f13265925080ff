"""What the headers of DICOM files add to a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..images import FileContent, read_content

# Known before anyone has looked for a fracture.
METADATA = ("ViewPosition", "BodyPartExamined", "Laterality")
ELEMENTS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", *METADATA)


def read_headers(
    root: Path, relative: Sequence[str], salt: str | None, known: Mapping[str, FileContent]
) -> list[FileContent]:
    """Read what is known of each file: of those in `known` as it is, of others after an opening."""
    return [known[name] if name in known else read_content(root / name, salt) for name in relative]


def header_frame(contents: Sequence[FileContent]) -> pd.DataFrame | None:
    """A row of header elements for each file, empty where there are none; None where no file is DICOM."""
    if not any(content.format == "DICOM" for content in contents):
        return None
    return pd.DataFrame([content.header for content in contents], columns=list(ELEMENTS), dtype=object)
