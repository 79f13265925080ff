"""What can be wrong with a data set or a result, by code, and what was found of it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pandas as pd

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")  # worst first
N_EXAMPLES = 3


class Code(NamedTuple):
    """One kind of finding.

    Parameters
    ----------
    title : str
        What was found, in a few words that a number follows: "files are cut short: 3".
    severity : {"error", "warning", "note"}
        An error makes results look better than they are, or training wrong; a note is worth a look.
    effect : str
        What it does to a result.
    advice : str
        What to do.
    inflates : bool
        Whether it makes a result look better than it is; the command then exits with 1.

    See Also
    --------
    Finding : What was found, by its code.

    Examples
    --------
    >>> from fracture_features.audit import CODES
    >>> CODES["FF201"].severity, CODES["FF201"].inflates
    ('error', True)
    """

    title: str
    severity: Severity
    effect: str
    advice: str
    inflates: bool = False


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


CODES: dict[str, Code] = {
    # Files
    "FF101": Code(
        "files are cut short",
        "error",
        "decoders fill what is missing with grey, which a model learns where one class has more of them",
        "copy them again from their source; until then they are left out",
    ),
    "FF102": Code(
        "files cannot be read",
        "warning",
        "they are left out; where one class has more of them, its rest is a selection",
        "see the reasons; convert or remove them",
    ),
    "FF103": Code(
        "files have the ending of another format",
        "note",
        "other programs may refuse or skip them; this library reads by content",
        "rename them",
    ),
    "FF104": Code(
        "images are constant grey over half their area, or from some row to the bottom",
        "warning",
        "they may have been cut short before they were saved again, which a model learns where one class has more",
        "look at them; leave out what shows no whole radiograph",
    ),
    "FF105": Code(
        "images are blank",
        "error",
        "they have a label and nothing that could tell it",
        "leave them out",
    ),
    "FF106": Code(
        "images are in colour and may be photographs or screenshots",
        "warning",
        "what is no radiograph is told apart by anything but a fracture",
        "look at them; leave out what is no radiograph",
    ),
    "FF107": Code(
        "files hold several images",
        "warning",
        "they are left out: nobody knows which of the images the label is of",
        "save the image that is meant as a file of its own",
    ),
    # Copies
    "FF201": Code(
        "test files are copies, byte for byte, of training files",
        "error",
        "the model has seen the answer: scores on the published split say nothing of new patients",
        "keep copies together: give `report.groups` to evaluate, or leave these out of the test part",
        inflates=True,
    ),
    "FF202": Code(
        "test images have the same pixels as a training image, saved anew",
        "error",
        "the model has seen the answer",
        "keep copies together: give `report.groups` to evaluate, or leave these out of the test part",
        inflates=True,
    ),
    "FF203": Code(
        "test images are near copies of a training image: turned, resized, recompressed or brightened",
        "error",
        "the model has all but seen the answer",
        "keep copies together: give `report.groups` to evaluate, or leave these out of the test part",
        inflates=True,
    ),
    "FF204": Code(
        "images have an identical copy, and no group keeps the two together",
        "error",
        "folds put one copy into the training and the other into the test part",
        "give `report.groups` to evaluate, or use `report.clean()`",
        inflates=True,
    ),
    "FF205": Code(
        "images have a near copy, and no group keeps the two together",
        "error",
        "folds put one copy into the training and the other into the test part",
        "give `report.groups` to evaluate",
        inflates=True,
    ),
    "FF206": Code(
        "copies stand within one group or one part of the split",
        "note",
        "they count twice; no test part is concerned",
        "`report.clean()` keeps one of each",
    ),
    "FF207": Code(
        "files have names that tell of copies, such as -rotated1 or (1)",
        "note",
        "files of one name may show one picture; names are evidence, no proof",
        "look at the pairs; if they are copies, give their common name as groups, by a regular expression",
    ),
    # Labels
    "FF301": Code(
        "images show the same picture as one of another class",
        "error",
        "one of the labels is wrong: training is told both, and one of them is counted as an error",
        "look at the pairs and mend the label, or leave them out with `report.clean()`",
    ),
    "FF302": Code(
        "groups have images of several classes",
        "note",
        "right where a patient has healthy views or joints as well, wrong where a label is meant for the patient",
        "look at some; score patients with `result.by_study()`",
    ),
    "FF303": Code(
        "images are labelled differently by folder, table or boxes",
        "error",
        "one of the sources is wrong",
        "look at the images and mend the source",
    ),
    # Splits
    "FF401": Code(
        "patients or groups stand on both sides of the data's own split",
        "error",
        "a model that knows the patient need not see the fracture",
        "divide by patient: evaluate with `cv=5` and groups",
        inflates=True,
    ),
    "FF402": Code(
        "images have no group",
        "warning",
        "images of one patient may stand on both sides of a split, which flatters every model",
        "say whose image it is with `groups=`: a column, a csv or a regular expression on the path",
    ),
    "FF403": Code(
        "parts of the data's own split differ in how frequent the classes are",
        "warning",
        "accuracy, PPV and NPV of the test part do not carry over",
        "compare sensitivity, specificity and ROC AUC, or divide anew",
    ),
    # Shortcuts
    "FF501": Code(
        "shortcuts tell the classes apart without a fracture",
        "error",
        "a model may learn how, where or of what an image was taken, and fail elsewhere",
        "compare models within strata, against the baselines, and on images of another source",
        inflates=True,
    ),
    # Results
    "FF601": Code(
        "models differ between folds by more than chance allows",
        "warning",
        "the mean hides that some patients are told much worse than others",
        "see the table of folds; look for a site, a device or a body part that one fold has most of",
    ),
    "FF602": Code(
        "models are not shown to be better than the metadata without a pixel",
        "warning",
        "they may have learnt how, where or of what a radiograph was taken",
        "see `result.comparison('metadata only')`, and `result.strata` for what is left within body part or size",
    ),
    "FF603": Code(
        "models have a calibration slope below 0.8",
        "warning",
        "their probabilities are too extreme: what is called 90 % is less",
        "evaluate with `calibrate=True`",
    ),
    "FF604": Code(
        "searches chose the end of what they were given to try",
        "note",
        "a better setting may lie beyond",
        "widen the grid",
    ),
    "FF605": Code(
        "models have a threshold that moves between folds",
        "warning",
        "the sensitivity that is asked for is not kept on other patients",
        "calibrate, or choose the operating point on more images",
    ),
    "FF606": Code(
        "folds have a third or more of their rarer class from one group",
        "warning",
        "one patient or site decides what the fold says",
        "split the group further where it is not one patient; report `largest_group`, in the table of folds",
    ),
    "FF607": Code(
        "models score far higher on the images they were fitted on",
        "note",
        "they know their training images by heart; more images or a simpler model may help",
        "see `FoldResult.train_scores`",
    ),
    "FF608": Code(
        "models weight classes, and their probabilities are of balanced classes",
        "note",
        "probability, Brier score and decision curves are not those of this prevalence",
        "evaluate with `calibrate=True`",
    ),
}
