"""Pages of the docs that are made from the source."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_of_findings_is_that_of_the_codes():
    render = runpy.run_path(str(DOCS / "make_findings.py"))["render"]
    assert (DOCS / "findings.md").read_text(encoding="utf-8") == render(), "run python docs/make_findings.py"


def test_the_page_of_scale_is_that_of_the_results():
    render = runpy.run_path(str(DOCS / "make_scale.py"))["render"]
    assert (DOCS / "scale.md").read_text(encoding="utf-8") == render(), "run python docs/make_scale.py"
