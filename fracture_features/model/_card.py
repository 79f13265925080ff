"""The model card: what a model is for, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BLANK = "_To be filled in by the authors._"


def model_card(target_names: list[str], info: Mapping[str, Any], is_calibrated: bool) -> str:
    """Markdown in the order of M. Mitchell et al., "Model cards for model reporting", FAT* 2019; blanks are marked."""
    data = info["data"]
    groups = (
        "no groups were given: images of one patient may stand in several folds"
        if data["groups"] is None
        else (f"{data['groups']} groups")
    )
    probabilities = "calibrated (Platt, on inner folds)" if is_calibrated else "the classifier's own, if it gives any"
    parts = [
        f"# {_text(info['name'] or 'Fracture model')}",
        "**Not a medical device.** Nothing here is fit to decide about a patient.",
        "## Model",
        f"- Classes: {', '.join(map(_text, target_names))}",
        f"- Trained: {info['created']} (UTC)",
        f"- Decision: {_rule(info['operating_point'])}",
        f"- Probabilities: {probabilities}",
        "## Intended use",
        BLANK,
        "## Data",
        *(f"- {_text(name)}: {n} images" for name, n in data["classes"].items()),
        f"- {groups}",
        f"- {data['left_out']} files left out, which cannot be read",
        f"- SHA-256 of the files: `{data['digest']}`",
        f"- Origin, selection, how the labels came about: {BLANK}",
        "## Measures",
        *_measures(info["measures"]),
        *_estimates(info["estimates"]),
        *_subgroups(info.get("subgroups")),
        "## Audit of the data",
        *_findings(info.get("findings")),
        "## Ethics",
        BLANK,
        "## Limits",
        "- Cross-validated on images of the same source; other hospitals, devices and patients may differ.",
        "- A file that is unlike the training images is marked; that a file is not marked proves nothing.",
        BLANK,
        "## Versions",
        ", ".join(f"{name} {version}" for name, version in info["versions"].items()),
    ]
    return "\n\n".join(_joined(parts)) + "\n"


def _joined(parts: list[str]) -> list[str]:
    """Items of a list on lines of one paragraph."""
    joined: list[str] = []
    for part in parts:
        if part.startswith("- ") and joined and joined[-1].startswith("- "):
            joined[-1] += f"\n{part}"
        else:
            joined.append(part)
    return joined


def _text(text: str) -> str:
    """Text from outside, without what Markdown would take for markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!" else c for c in str(text))


def _rule(operating_point: Any) -> str:
    if operating_point is None:
        return "the classifier's own"
    return ", ".join(map(str, [operating_point] if isinstance(operating_point, str) else operating_point))


def _measures(measures: list[dict[str, Any]] | None) -> list[str]:
    if not measures:
        return [f"Not evaluated when it was trained. {BLANK}"]
    is_of_method = measures[0]["inference"] == "method"
    what = "of the method, trained anew on other patients like these" if is_of_method else "of fitted models"
    return [f"With 95 % intervals {what}:", _table("measure", measures)]


def _estimates(estimates: list[dict[str, Any]] | None) -> list[str]:
    if not estimates:
        return []
    return ["What the decision does on other patients, by inner folds:", _table("share", estimates)]


def _subgroups(subgroups: list[dict[str, Any]] | None) -> list[str]:
    if not subgroups:
        return ["## Subgroups", f"Not measured when it was trained. {BLANK}"]
    lines = [
        f"| {_text(row['column'])} | {_text(row['subgroup'])} | {row['n_evaluated']} | {_value(row)} |"
        for row in subgroups
    ]
    table = "\n".join(["| by | subgroup | images | ROC AUC |", "| --- | --- | --- | --- |", *lines])
    return ["## Subgroups", "– where a subgroup has too few images of a class to be measured:", table]


def _findings(findings: list[dict[str, Any]] | None) -> list[str]:
    if findings is None:  # of a file that was written before there were any
        return [f"Not audited. {BLANK}"]
    if not findings:
        return ["Nothing was found by `audit_dataset`."]
    return [f"- {row['code']} {_text(row['title'])}: {row['count']}" for row in findings]


def _table(heading: str, rows: list[dict[str, Any]]) -> str:
    lines = [f"| {row['measure'].replace('_', ' ')} | {_value(row)} |" for row in rows]
    return "\n".join([f"| {heading} | value |", "| --- | --- |", *lines])


def _value(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return "–"
    return f"{row['value']:.3f}" + ("" if row["low"] is None else f" ({row['low']:.2f}–{row['high']:.2f})")
