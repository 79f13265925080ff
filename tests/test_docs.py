"""Pages of the docs: those made from the source are as it is, and what they show runs."""

import json
import re
import runpy
from pathlib import Path

import pytest

import fracture_features

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


def test_the_page_of_findings_is_that_of_the_codes():
    render = runpy.run_path(str(DOCS / "make_findings.py"))["render"]
    assert (DOCS / "findings.md").read_text(encoding="utf-8") == render(), "run python docs/make_findings.py"


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
