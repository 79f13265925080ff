"""What is wrong with a data set before it flatters a result."""

from ._content import CONTENT, describe_content
from ._files import file_findings
from ._findings import CODES, Code, Finding, finding_frame, sort_findings
from ._shortcuts import shortcut_features

__all__ = [
    "CODES",
    "CONTENT",
    "Code",
    "Finding",
    "describe_content",
    "file_findings",
    "finding_frame",
    "shortcut_features",
    "sort_findings",
]
