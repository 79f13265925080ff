"""What is wrong with a data set before it flatters a result."""

from ._findings import CODES, Code, Finding, finding_frame, sort_findings

__all__ = ["CODES", "Code", "Finding", "finding_frame", "sort_findings"]
