"""Pages of the docs that are made from the source."""

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_of_findings_is_that_of_the_codes():
    render = runpy.run_path(str(DOCS / "make_findings.py"))["render"]
    assert (DOCS / "findings.md").read_text(encoding="utf-8") == render(), "run python docs/make_findings.py"


def test_the_roads_are_recorded_with_the_commands_of_the_script():
    script = runpy.run_path(str(DOCS / "make_roads.py"))
    page = (DOCS / "roads.md").read_text(encoding="utf-8")
    recorded = [line.removeprefix("$ ") for line in page.splitlines() if line.startswith("$ ")]
    assert recorded == [command for road in script["ROADS"] for command in road.commands], "run docs/make_roads.py"
    assert all(len(road.commands) <= script["MOST"] for road in script["ROADS"])
    assert "rror:" not in page


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
def test_the_roads_can_be_walked(number, tmp_path):
    pytest.importorskip("pydicom", reason="pydicom writes the files")
    script = runpy.run_path(str(DOCS / "make_roads.py"))
    for command, printed, code in script["walk"](script["ROADS"][number], tmp_path):
        assert code == 0, (command, printed)
