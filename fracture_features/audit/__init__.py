"""What is wrong with a data set before it flatters a result."""

from ._alignment import similarity
from ._copies import copy_groups, find_copies
from ._findings import CODES, Code, Finding, finding_frame, sort_findings
from ._hashes import LOOK, perceptual_hash
from ._pairs import near_pairs

__all__ = [
    "CODES",
    "LOOK",
    "Code",
    "Finding",
    "copy_groups",
    "find_copies",
    "finding_frame",
    "near_pairs",
    "perceptual_hash",
    "similarity",
    "sort_findings",
]
