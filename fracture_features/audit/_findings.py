"""What was found of a data set or a result, by code."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from ._codes import CODES, SEVERITIES, Code

N_EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """Something that was found, by its code.

    Parameters
    ----------
    code : str
        Such as "FF101".
    count : int
        Of files, pairs, groups or whatever the title names.
    counts : mapping of str to int
        The same by class and, where there are splits, by class and split.
    examples : tuple of str
        At most three, the worst first.
    rows : tuple of int
        Rows of the data set concerned.
    detail : str
        What the numbers were, where the title does not say.

    See Also
    --------
    Code : The kind of finding.
    audit_dataset : Finds them in a data set.

    Examples
    --------
    >>> from fracture_features.audit import Finding
    >>> print(Finding("FF101", 3))
    FF101 files are cut short: 3
    """

    code: str
    count: int
    counts: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    detail: str = ""

    @property
    def kind(self) -> Code:
        """What its code stands for."""
        return CODES[self.code]

    @property
    def text(self) -> str:
        """Title and count."""
        return f"{self.kind.title}: {self.count}"

    @property
    def counted(self) -> str:
        """Counts by class and by part of a split, such as "3 fractured; 1 fractured, test"."""
        return "; ".join(f"{n} {name}" for name, n in self.counts.items())

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Worst first: by severity, what inflates a result before the rest, then by code."""
    return sorted(
        findings,
        key=lambda finding: (SEVERITIES.index(finding.kind.severity), not finding.kind.inflates, finding.code),
    )


def finding_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Table with a row for each finding: code, severity, count, title, detail, effect, advice, examples."""
    columns = ["code", "severity", "count", "title", "detail", "effect", "advice", "examples"]
    rows: list[dict[str, Hashable]] = [
        {
            "code": finding.code,
            "severity": finding.kind.severity,
            "count": finding.count,
            "title": finding.kind.title,
            "detail": finding.detail,
            "effect": finding.kind.effect,
            "advice": finding.kind.advice,
            "examples": finding.examples,
        }
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=columns)
