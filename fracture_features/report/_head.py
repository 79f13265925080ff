"""The first screen: the best model beside the best baseline, and what to know before either is believed."""

from __future__ import annotations

from dataclasses import dataclass

from ..results import EvaluationResult, count_copies, interval, number
from ._summary import count, sentence, unit


@dataclass(frozen=True)
class Score:
    """A model's ROC AUC in the headline."""

    value: str
    limits: str
    model: str
    what: str


@dataclass(frozen=True)
class Warned:
    """One line above the results, and the section that says more."""

    text: str
    section: str


def make_headline(result: EvaluationResult, best: str) -> list[Score]:
    """ROC AUC of the best model and of the best of those that cannot see a fracture."""
    scores = []
    if best not in result.baselines:
        scores.append(_score(result, best, "best model"))
    if result.baselines:
        scores.append(_score(result, result.estimates.best_baseline(), "best baseline, which sees no fracture"))
    return scores


def _score(result: EvaluationResult, model: str, what: str) -> Score:
    row = result.frame().query("measure == 'roc_auc' and model == @model").iloc[0]
    limits = interval(row["low"], row["high"]) or f"too few {unit(result)} for an interval"
    return Score(number(row["value"]), limits, model, what)


def make_warnings(result: EvaluationResult) -> list[Warned]:
    """What flatters the result, or may: no groups, copies, what the audit found, models that failed."""
    warned = []
    if result.data.groups is None:
        text = "No groups are given: images of one patient may stand on both sides of a split and flatter the result."
        warned.append(Warned(text, "data"))
    elif shared := int(result.folds()["groups_shared"].sum()):
        warned.append(Warned(f"{count(shared, 'group')} on both sides of a split: the result is flattered.", "folds"))
    if copies := count_copies(result):
        text = f"Leak: of {count(copies, 'tested image')} the training part held a byte-identical copy."
        warned.append(Warned(text, "data"))
    for finding in [] if result.audit is None else result.audit.findings:
        if finding.kind.inflates:
            warned.append(Warned(f"Audit: {sentence(finding.text)}", "data"))
    if len(result.failures):
        failed = ", ".join(result.failures["model"].unique())
        warned.append(Warned(f"Not in the tables, because they failed: {failed}.", "data"))
    if found := [finding for finding in result.findings() if finding.kind.severity != "note"]:
        warned.append(Warned(f"{sentence(found[0].text)}{_more(len(found) - 1)}", "findings"))
    if result.external is not None and result.external.data.groups is None:
        text = "No groups are given for the other source: its intervals take the images of one patient for independent."
        warned.append(Warned(text, "results"))
    return warned


def _more(n: int) -> str:
    return f" {count(n, 'more finding')}." if n else ""
