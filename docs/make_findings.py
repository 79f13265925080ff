"""Write findings.md: a section for each code of an audit or a result."""

from pathlib import Path

from fracture_features.audit import CODES

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
An error makes results look better than they are, or training wrong; a note is worth a look. What is marked *inflates*
makes a result look better than it is, and the command ends with exit code 1.
"""


def render() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    room = ""
    for code, kind in CODES.items():
        if code[2] != room:
            room = code[2]
            parts.append(f"## {ROOMS[room]}\n")
        marks = kind.severity + (", inflates" if kind.inflates else "")
        title = f"{kind.title[:1].upper()}{kind.title[1:]}"
        parts.append(f"### {code}\n\n**{title}** ({marks}).\n")
        parts.append(f"What it does: {kind.effect}.\n\nWhat to do: {kind.advice}.\n")
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("findings.md").write_text(render(), encoding="utf-8")
