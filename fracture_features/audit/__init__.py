"""What is wrong with a data set before it flatters a result."""

from ._alignment import similarity
from ._codes import CODES, Code
from ._content import APPEARANCE, CONTENT, describe_content
from ._copies import copy_groups, find_copies
from ._files import file_findings
from ._findings import N_EXAMPLES, Finding, finding_frame, sort_findings
from ._hashes import LOOK, perceptual_hash
from ._pairs import near_pairs
from ._report import DESCRIPTIONS, AuditReport, audit_dataset, audit_inventory
from ._shortcuts import shortcut_features

__all__ = [
    "APPEARANCE",
    "CODES",
    "CONTENT",
    "DESCRIPTIONS",
    "LOOK",
    "N_EXAMPLES",
    "AuditReport",
    "Code",
    "Finding",
    "audit_dataset",
    "audit_inventory",
    "copy_groups",
    "describe_content",
    "file_findings",
    "find_copies",
    "finding_frame",
    "near_pairs",
    "perceptual_hash",
    "shortcut_features",
    "similarity",
    "sort_findings",
]
