"""Write findings/: a page for each code of an audit or a result, and an index.

    python docs/make_findings.py

Messages of FF1 to FF4 are those of an audit of drawn radiographs, into which each fault is put here. Those of FF5 and
FF6, which would take fits, are written down below with figures of no data set.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fracture_features import FractureDataset, audit_dataset, load_csv, load_folder, make_radiographs
from fracture_features.audit import CODES, Code, Finding
from fracture_features.report import shorten_paths, shorten_text
from fracture_features.results._findings import RULES

PAGES = Path(__file__).with_name("findings")
PATIENT = r"patient(\d+)"
ROOMS = {
    "1": "Files",
    "2": "Copies",
    "3": "Labels",
    "4": "Groups and splits",
    "5": "Shortcuts",
    "6": "Results",
}
HEAD = """# Findings

`fracture-features audit` and `audit_dataset` find FF1 to FF5 in a data set, `result.findings()` finds FF6 in a result.
An error makes results look better than they are, or training wrong; a note is worth a look. A finding marked *inflates*
makes a result look better than it is, and the command ends with exit code 1.
"""
PAGE = """# {code}: {title}

*{marks}*

What it does
: {effect}.

What to do
: {advice}.

How it is found
: {method}.

A message, {source}:

```text
{message}
```

[All findings](index.md)
"""
PLANTED = "from drawn radiographs with this fault (`docs/make_findings.py`)"
INVENTED = "with figures of no data set"
EXAMPLES = {
    "FF501": (
        "file size alone: ROC AUC 0.81 (0.72–0.88), most by bytes",
        "hardware alone: ROC AUC 0.67 (0.58–0.75), most by bar_contrast",
    ),
    "FF601": ("hog+svm: ROC AUC 0.61 in fold 2, 0.90 in fold 4 (p 0.003)",),
    "FF602": ("hog+svm: difference in ROC AUC +0.02 (-0.06 to 0.10)",),
    "FF603": ("edges+xgboost: slope 0.55 (0.41 to 0.72)",),
    "FF604": ("hog+svm, tuned: classifier__C = 10, the largest, in 4 of 5 folds",),
    "FF605": ("fast: sensitivity 0.71 in fold 1, 0.95 in fold 3; specificity 0.52 in fold 3, 0.84 in fold 1 (p 0.01)",),
    "FF606": ("fold 2: 41% of 'fractured'",),
    "FF607": ("hog+svm: ROC AUC 1.00 on training images, 0.72 on test images",),
    "FF608": ("hog+svm: mean probability of 'fractured' 0.41, its share 0.17",),
}


def render() -> dict[str, str]:
    """The pages as Markdown, by the name of the file."""
    messages = {code: (INVENTED, _message(_invented(code), {})) for code in EXAMPLES}
    messages |= {code: (PLANTED, message) for code, message in _planted().items()}
    pages = {f"{code}.md": _page(code, kind, *messages[code]) for code, kind in CODES.items()}
    return {"index.md": _index(), **pages}


def _index() -> str:
    parts = [HEAD]
    for number, room in ROOMS.items():
        rows = [
            f"| [{code}]({code}.md) | {_capital(kind.title)} | {_marks(kind)} |"
            for code, kind in CODES.items()
            if code[2] == number
        ]
        parts.append("\n".join([f"## {room}\n", "| code | what is found | |", "| --- | --- | --- |", *rows, ""]))
    parts.append("```{toctree}\n:hidden:\n:glob:\n\nFF*\n```\n")
    return "\n".join(parts)


def _page(code: str, kind: Code, source: str, message: str) -> str:
    return PAGE.format(
        code=code,
        title=kind.title,
        marks=_marks(kind),
        effect=_capital(kind.effect),
        advice=_capital(kind.advice),
        method=_capital(kind.method),
        source=source,
        message=message,
    )


def _marks(kind: Code) -> str:
    return kind.severity + (", inflates" if kind.inflates else "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _invented(code: str) -> Finding:
    return Finding(code, len(EXAMPLES[code]), examples=EXAMPLES[code], detail=RULES.get(code, ""))


def _message(finding: Finding, names: dict[str, str]) -> str:
    """The lines of a finding as the command prints them."""
    lines = filter(None, [finding.detail, finding.counted])
    examples = (f"· {shorten_text(example, names)}" for example in finding.examples)
    return "\n".join([str(finding), *(f"    {line}" for line in [*lines, *examples])])


def _planted() -> dict[str, str]:
    """A message for each code that an audit of a spoilt folder finds."""
    messages: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as place:
        drawn = make_radiographs(36, folder=Path(place) / "drawn", random_state=3)
        for data in (_with_faults(drawn), _with_split(drawn), load_folder(drawn)):
            names = shorten_paths(data.paths.tolist())
            for finding in audit_dataset(data).findings:
                messages.setdefault(finding.code, _message(finding, names))
    return messages


def _with_split(drawn: Path) -> FractureDataset:
    """A split by patient, most fractures in the training part, and copies of training images in the test part."""
    root = drawn.parent / "split"
    broken, whole = (sorted((drawn / name).iterdir()) for name in ("fractured", "non-fractured"))
    for path in [*broken[1:], *whole]:
        part = "train" if path in (*broken, *whole[:3]) else "test"
        _copy(path, root / part / path.parent.name / path.name)
    trained = sorted((root / "train" / "non-fractured").iterdir())
    tested = root / "test" / "non-fractured"
    shutil.copy(trained[0], tested / trained[0].name)
    image = cv2.imread(str(trained[1]), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(tested / f"{trained[1].stem}.png"), image)
    image = cv2.imread(str(trained[2]), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(tested / trained[2].name), cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE))
    _copy(broken[0], root / "test" / "fractured" / broken[0].name)
    return load_folder(root, groups=PATIENT)


def _with_faults(drawn: Path) -> FractureDataset:
    """A folder with one file for each fault, and a table that contradicts it once."""
    root = Path(shutil.copytree(drawn, drawn.parent / "faults"))
    broken, whole = (sorted((root / name).iterdir()) for name in ("fractured", "non-fractured"))
    image = cv2.imread(str(whole[0]), cv2.IMREAD_GRAYSCALE)
    for name, spoil in {"half_grey": _half_grey, "blank": np.zeros_like, "photograph": _coloured}.items():
        cv2.imwrite(str(root / "non-fractured" / f"patient9{len(name):02}_{name}.png"), spoil(image))
    broken[0].write_bytes(broken[0].read_bytes()[:-2000])
    broken[1].write_bytes(b"no image")
    cv2.imwrite(str(whole[0].with_name("saved.png")), image)
    whole[0].with_name("saved.png").rename(whole[0])
    cv2.imwritemulti(str(root / "fractured" / "patient921_1.tif"), [image, image[::-1].copy()])
    shutil.copy(whole[1], whole[1].with_name("patient922_1.jpg"))
    smaller = cv2.resize(cv2.imread(str(whole[2]), cv2.IMREAD_GRAYSCALE), None, fx=0.8, fy=0.8)
    cv2.imwrite(str(whole[2].with_name("patient923_1.jpg")), smaller)
    shutil.copy(broken[2], broken[2].with_name(f"{broken[2].stem}b.jpg"))
    shutil.copy(whole[-1], whole[3].with_name(f"{whole[3].stem} (1).jpg"))
    shutil.copy(broken[4], root / "non-fractured" / broken[4].name)
    return load_csv(_table(root, broken[5]), root=root, groups=PATIENT)


def _table(root: Path, contradicted: Path) -> Path:
    rows = [(path.relative_to(root).as_posix(), path.parent.name) for path in sorted(root.glob("*/*"))]
    table = pd.DataFrame(rows, columns=["image", "label"])
    table.loc[table["image"] == contradicted.relative_to(root).as_posix(), "label"] = "non-fractured"
    table.to_csv(root / "table.csv", index=False)
    return root / "table.csv"


def _half_grey(image: np.ndarray) -> np.ndarray:
    spoilt = image.copy()
    spoilt[len(image) * 2 // 5 :] = 128
    return spoilt


def _coloured(image: np.ndarray) -> np.ndarray:
    across, down = np.meshgrid(*(np.linspace(0, 255, n).astype(np.uint8) for n in image.shape[::-1]))
    return np.dstack([across, down, 255 - across])


def _copy(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, place)


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    made = render()
    for page in PAGES.glob("*.md"):
        if page.name not in made:
            page.unlink()
    for name, text in made.items():
        (PAGES / name).write_text(text, encoding="utf-8")
