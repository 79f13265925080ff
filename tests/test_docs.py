"""Pages of the docs: those made from the source are as it is, and what they show runs."""

import json
import re
import runpy
from pathlib import Path

import pytest

import fracture_features
from fracture_features.audit import CODES, _content, _copies, _files, _label_findings
from fracture_features.evaluation import _ledger
from fracture_features.results import _findings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
# As the table says it, and as benchmarks/bench_accuracy.py does.
NAMES = {
    "metadata only": "metadata only",
    "shortcut probe": "shortcut probe",
    "HOG + SVM": "HOG + SVM",
    "LBP + SVM": "LBP + SVM",
    '`make_pipeline("fast")`': 'make_pipeline("fast")',
    "MobileNetV2, frozen, 448 px + SVM": "MobileNetV2, frozen + SVM",
    '`make_pipeline("accurate")`': 'make_pipeline("accurate")',
    "Fisher vectors and MobileNetV2, kernels averaged": "Fisher vectors + MobileNetV2, SVM",
}


def test_the_pages_of_findings_are_those_of_the_codes():
    made = runpy.run_path(str(DOCS / "make_findings.py"))["render"]()
    assert set(made) == {"index.md", *(f"{code}.md" for code in CODES)}
    written = {page.name: page.read_text(encoding="utf-8") for page in (DOCS / "findings").glob("*.md")}
    assert written == made, "run python docs/make_findings.py"


@pytest.mark.parametrize(
    ("code", "limits"),
    [
        ("FF104", [_content.FILL[0], _content.FILL[1], f"{_files.CONSTANT:.0%}", f"{_files.CONSTANT_ROWS:.0%}"]),
        ("FF104", [_content.SAME]),
        ("FF105", [_content.BLANK]),
        ("FF106", [f"{_files.COLOURED:.0%}", _content.COLOURED]),
        ("FF203", [_copies.MAX_DISTANCE, _copies.MAX_MEAN_DISTANCE, _copies.MAX_CROP_DISTANCE, _copies.MIN_SIMILARITY]),
        ("FF205", [_copies.MAX_DISTANCE, _copies.MAX_MEAN_DISTANCE, _copies.MAX_CROP_DISTANCE, _copies.MIN_SIMILARITY]),
        ("FF303", [f"`{name}`" for name in _label_findings.SAYS_FRACTURED]),
        ("FF403", [_label_findings.BALANCE_DIFFERS, _label_findings.BALANCE_LEVEL]),
        ("FF501", [_ledger.LEAST, _ledger.ERROR]),
        ("FF601", [_findings.LEVEL]),
        ("FF602", [_findings.LEVEL]),
        ("FF603", [_findings.SMALLEST_SLOPE, f"{1 - _findings.LEVEL:.0%}"]),
        ("FF604", [_findings.SMALLEST_GRID]),
        ("FF605", [_findings.MOVED, _findings.LEVEL]),
        ("FF607", [_findings.OVERFITTED]),
        ("FF608", [_findings.MISJUDGED]),
    ],
)
def test_how_a_finding_is_found_is_told_with_the_limits_of_the_code(code, limits):
    told = re.findall(r"`[^`]+`|[\d.]*\d(?: %)?", CODES[code].method)
    assert {str(limit).replace("%", " %") for limit in limits} <= set(told)


def test_the_page_of_scale_is_that_of_the_results():
    render = runpy.run_path(str(DOCS / "make_scale.py"))["render"]
    assert (DOCS / "scale.md").read_text(encoding="utf-8") == render(), "run python docs/make_scale.py"


def test_the_table_of_the_whole_set_is_that_of_the_results():
    rows = json.loads((ROOT / "benchmarks" / "results" / "accuracy_fracatlas.json").read_text())
    commit, results = rows["about"]["commit"], rows["results"]
    table = README[README.index("<!-- table -->") : README.index("<!-- end of table -->")]
    assert f"at commit {commit}" in table
    lines = [line.replace("*", "").split(" | ") for line in table.splitlines() if re.match(r"\| .* \| .*\d\.\d", line)]
    assert len(lines) == len(NAMES)
    for name, auc, precision in lines:
        row = results[NAMES[name.strip("| ").partition(":")[0]]]
        said = [float(number) for number in re.findall(r"[\d.]+", f"{auc} {precision}")]
        assert said[::3] == pytest.approx([row["roc_auc"], row["average_precision"]], abs=5.5e-4), name
        assert said[1:3] == pytest.approx([row["low"], row["high"]], abs=5.5e-3), name
    for name, said in (("HOG + SVM", "0.795"), ("metadata only", "0.764"), ('make_pipeline("accurate")', "0.884")):
        assert f"{results[name]['roc_auc']:.3f}" == said
        assert said in README.partition("## Install")[0]


@pytest.mark.parametrize("n_samples", [40, pytest.param(None, marks=pytest.mark.slow, id="as they are")])
@pytest.mark.parametrize("page", sorted((DOCS / "start").glob("*.md")), ids=lambda page: page.stem)
def test_the_blocks_of_getting_started_run(page, n_samples, tmp_path, monkeypatch):
    """As they are; or on fewer radiographs and folds, without calibration within each."""
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S))
    if n_samples is not None:
        code, n_drawn = re.subn(r"(?<=make_radiographs\()\d+", str(n_samples), code)
        assert n_drawn <= 1
        code = code.replace("cv=3", "cv=2").replace("    calibrate=True,\n", "")
    monkeypatch.chdir(tmp_path)
    exec(code, {"__name__": page.stem})


def test_every_room_is_in_the_reference():
    rooms = runpy.run_path(str(DOCS / "make_api.py"))["ROOMS"]
    assert set(rooms) == fracture_features._MODULES


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_links_between_pages_lead_to_pages(page):
    if "_build" in page.parts or "gallery" in page.parts or "api" in page.parts:
        pytest.skip("made by sphinx")
    for link in re.findall(r"\]\((?!http)([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        place = (page.parent / link).resolve()
        made = place.is_relative_to(DOCS / "gallery") or place.is_relative_to(DOCS / "api")
        if made and place.stem != "index":
            place = ROOT / "examples" / "gallery" / f"{place.stem}.py"
        assert place.is_file() or (made and place.stem == "index"), link


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
def test_the_roads_can_be_walked(number, tmp_path):
    pytest.importorskip("pydicom", reason="pydicom writes the files")
    script = runpy.run_path(str(DOCS / "make_roads.py"))
    road = script["ROADS"][number]
    assert len(road.commands) <= script["MOST"]
    for command, printed, code in script["walk"](road, tmp_path):
        assert code == 0, (command, printed)


def test_the_roads_are_recorded_with_the_commands_of_the_script():
    script = runpy.run_path(str(DOCS / "make_roads.py"))
    page = (DOCS / "roads.md").read_text(encoding="utf-8")
    recorded = [line.removeprefix("$ ") for line in page.splitlines() if line.startswith("$ ")]
    assert recorded == [command for road in script["ROADS"] for command in road.commands], "run docs/make_roads.py"
    assert "rror:" not in page
