import base64
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from results import make_result, with_few_groups, with_three_classes

from fracture_features import make_pipeline
from fracture_features.evaluation import MAJORITY, PROBE
from fracture_features.exceptions import MissingDependencyError
from fracture_features.report import _pictures, write_report
from fracture_features.results import EvaluationResult

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
REQUIRED = "FRACTURE_FEATURES_REQUIRE_BROWSER"
KINDS = ("image/svg+xml", "image/jpeg", "image/png", "text/csv;charset=utf-8")
EVIL = "<script>alert(1)</script>"
# Says on the console what it finds once everything is loaded: images, the table of measures sorted by ROC AUC twice,
# and how wide the page is on a phone, in a frame that the page waits for.
PROBE_SCRIPT = """
<script>
const phone = document.createElement("iframe");
phone.style.width = "400px";
phone.srcdoc = document.documentElement.outerHTML.replace(/<script[^]*?<\\/script>/g, "");
const images = [...document.images];
document.body.append(phone);
addEventListener("load", () => {
  const table = document.querySelector("#results table");
  const name = (row) => row.cells[0].firstChild.data.trim();
  const names = () => [...table.tBodies].map((body) => [...body.rows].map(name));
  const head = [...table.querySelectorAll("th")].find((th) => th.textContent.includes("ROC AUC"));
  const before = names();
  head.firstElementChild.click();
  const down = [names(), head.getAttribute("aria-sort")];
  head.firstElementChild.click();
  const up = [names(), head.getAttribute("aria-sort")];
  table.tBodies[0].rows[0].cells[head.cellIndex].dataset.sort = "inf";
  head.firstElementChild.click();
  const infinite = names()[0];
  const shown = images.filter((image) => image.naturalWidth > 0 && image.clientWidth > 0).length;
  const width = phone.contentDocument.documentElement.scrollWidth;
  console.log("FOUND" + JSON.stringify({ images: images.length, shown, before, down, up, infinite, width }) + "END");
});
</script>
"""


@pytest.fixture(scope="module")
def result(data):
    frame = data.frame.assign(part=np.where(data.groups % 2, "forearm", "shin"))
    excluded = pd.DataFrame({"path": ["/x/cut.jpg"], "label": ["fractured"], "reason": ["cut short"]})
    return make_result(replace(data, frame=frame, metadata_columns=("part",)), excluded=excluded)


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    return write_report(result, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def text(page):
    return page.read_text(encoding="utf-8")


class Page(HTMLParser):
    """Elements with their attributes, and the text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self._inside = [], [], []
        self.feed(text)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self._inside:
            del self._inside[len(self._inside) - 1 - self._inside[::-1].index(tag) :]

    def handle_data(self, data):
        if not {"script", "style"} & set(self._inside[-1:]):
            self.words.append(data)


def check_contained(text):
    """One script, no handler, and nothing from elsewhere."""
    elements = Page(text).elements
    assert [tag for tag, _ in elements].count("script") == 1
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in elements}
    for tag, attributes in elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href", "srcset", "action"):
            value = attributes.get(name) or "#"
            assert value.startswith((*(f"data:{kind};base64," for kind in KINDS), "#")), value[:80]
    assert "url(" not in text
    assert "@import" not in text


def test_page_is_contained_and_small(page, text):
    check_contained(text)
    assert page.stat().st_size < 5e6
    assert not plt.get_fignums()


def test_tells_what_a_reader_asks(text, result):
    shown = Page(text).text
    for section in (
        "What was asked",
        "The data",
        "Results",
        "Figures",
        "Examples",
        "Mistakes",
        "Manifest",
        "Checklist",
    ):
        assert section in shown
    assert shown.count("Not a medical device") == 2
    assert "60 images included (30 non-fractured, 30 fractured), 1 left out" in shown
    assert "0 stand on both sides of a split" in shown
    assert "cut short" in shown
    assert "cut.jpg" in shown
    assert result.manifest()["data"]["digest"] in shown
    assert f"numpy {np.__version__}" in shown
    assert "TRIPOD+AI" in shown
    row = result.frame().query("model == 'edges' and measure == 'roc_auc'").iloc[0]
    assert f"edges has the highest ROC AUC: {row['value']:.2f}" in shown
    assert f"{row['value']:.2f} {row['low']:.2f}–{row['high']:.2f}" in shown


def test_marks_models_not_above_the_baselines(text):
    rows = re.findall(r"<tr>\s*<td>(.*?)</td>", text[text.index('id="results"') :], re.DOTALL)
    assert rows[:4] == [
        "edges",
        'hog <span class="mark">not shown above the baselines</span>',
        f"{PROBE} <small>baseline</small>",
        f"{MAJORITY} <small>baseline</small>",
    ]


def test_every_blank_of_the_checklist_is_named(text):
    blanks = [attributes for _, attributes in Page(text).elements if attributes.get("class") == "blank"]
    assert len(blanks) > 20
    assert all(blank["aria-label"] for blank in blanks)
    claims = re.findall(r"<tr><td>(\d+)</td>", text[text.index('id="checklist"') :])
    assert claims == [str(k) for k in range(1, 45)]


def test_the_same_result_gives_the_same_page(page, result, tmp_path):
    assert write_report(result, tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_names_are_escaped(data, tmp_path):
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    folder.mkdir()
    paths = [str(shutil.copy(path, folder / f"{k}<b>.jpg")) for k, path in enumerate(data.paths)]
    named = with_three_classes(data, [EVIL, "$x_$", "骨折"])
    named = replace(named, paths=np.array(paths), ignored={"DICOM presentation state": 12, f".{EVIL} file": 1})
    excluded = pd.DataFrame({"path": [f"{folder}/{EVIL}"], "label": [EVIL], "reason": [EVIL]})
    result = make_result(named, [EVIL, "{{ 7 * 7 }}"], excluded=excluded)
    text = write_report(result, tmp_path / "report.html").read_text(encoding="utf-8")
    check_contained(text)
    shown = Page(text).text
    assert EVIL in shown
    assert f"13 files left out: 12 DICOM presentation states, 1 .{EVIL} file" in shown
    assert "<b>.jpg" in shown
    assert "{{ 7 * 7 }}" in shown
    assert "骨折" in shown
    assert "Each class against the rest" in shown


def test_baselines_alone_without_groups(data, tmp_path):
    result = make_result(data, [])
    result = EvaluationResult(replace(data, groups=None), result.fold_results, result.excluded, 0)
    shown = Page(write_report(result, tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert f"{PROBE} has the highest ROC AUC" in shown
    assert "none besides the baselines" in shown
    assert "No groups are given" in shown
    assert "draw whole images" in shown
    assert "patients they were not fitted on" not in shown


def test_a_model_without_mistakes_thresholds_and_another_source(data, tmp_path):
    result = make_result(data, threshold=0.5, external=make_result(data))
    right = [replace(f, y_pred=data.y[f.test], params={"C": 10}) for f in result.fold_results]
    result = EvaluationResult(data, right, result.excluded, 0, result.external)
    shown = Page(write_report(result, tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "edges made no mistake" in shown
    assert "Another source, 60 images" in shown
    assert "none was fitted on them. Intervals are of the method, trained anew on other patients." in shown
    assert "chosen within each fold's training part" in shown
    assert "Threshold" in shown
    assert "C = 10" in shown
    assert "Every file could be read" in shown


def test_files_and_groups_of_another_source(data, tmp_path):
    excluded = pd.DataFrame({"path": ["/y/torn.jpg"], "label": ["fractured"], "reason": ["torn"]})
    outside = make_result(data, excluded=excluded)
    outside = EvaluationResult(replace(data, groups=None), outside.fold_results, outside.excluded, 0)
    shown = Page(write_report(make_result(data, external=outside), tmp_path / "r.html").read_text("utf-8")).text
    assert "torn.jpg" in shown
    assert "none was left out" not in shown
    assert "Images by class, another source" in shown
    assert "No groups are given for the other source" in shown
    counts = "60 images included (30 non-fractured, 30 fractured), 1 left out"
    assert f"Another source: {counts}; no groups are given" in shown
    assert f"Of another source {counts}." in shown


def test_too_few_groups_for_an_interval(data, tmp_path):
    shown = Page(write_report(with_few_groups(make_result(data)), tmp_path / "r.html").read_text("utf-8")).text
    assert "(too few groups for an interval)" in shown
    assert "without an interval that shows nothing" in shown
    assert "there are too few groups for bands" in shown
    assert "hog (a class has fewer than two groups)" in shown
    for wrong in ("nan–nan", "()", "What it has learnt", "95 % intervals from", "95 % interval of"):
        assert wrong not in shown


def test_a_subset_says_how_many_images_it_is_of(data, tmp_path):
    result = make_result(data)
    some = result.subset(data.groups % 3 > 0)
    n = int((data.groups % 3 > 0).sum())
    shown = Page(write_report(some, tmp_path / "r.html").read_text("utf-8")).text
    assert f"images tested, of 60 {n} " in shown
    assert f"a subset of {n} of the 60 images is looked at, each tested once" in shown
    assert f"{n} of the included tested" in shown
    with pytest.raises(ValueError, match="the result has no fold"):
        write_report(result.subset(data.y == 1), tmp_path / "none.html")


@pytest.fixture(scope="module")
def many(data):
    """Eight models, some with odd names, of three classes."""
    names = ["edges", "HOG, LBP and edges at 256 pixels, then an RBF SVM, balanced", "a\x0bb\nc"]
    return make_result(with_three_classes(data), [*names, *(f"model {k}" for k in range(5))])


def test_many_models_of_many_classes(many, tmp_path):
    text = write_report(many, tmp_path / "r.html").read_text("utf-8")
    encoded = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", text)
    svgs = [base64.b64decode(svg).decode() for svg in encoded]
    assert all(ElementTree.fromstring(svg) is not None for svg in svgs)
    calibration = next(svg for svg in svgs if "Observed share" in svg)
    assert len(re.findall(r": (?:fractured|healed|normal)<", calibration)) == 3
    assert text.count('alt="Confusion matrix of') == 6
    assert "2 more models of lower ROC AUC are not shown." in Page(text).text
    areas = many.frame().query("measure == 'roc_auc'").set_index("model")["value"]
    drawn = [a["alt"] for _, a in Page(text).elements if a.get("alt", "").startswith("Confusion")]
    areas = [areas[alt.removeprefix("Confusion matrix of ")] for alt in drawn]
    assert areas == sorted(areas, reverse=True)
    assert "speaks for the class it was called" not in text


def test_heat_maps_of_a_fitted_model(data, tmp_path):
    model = make_pipeline("edges", "logistic", image_size=48).fit(data.paths, data.y)
    path = write_report(make_result(data), tmp_path / "r.html", model=model)
    text = path.read_text(encoding="utf-8")
    assert text.count('alt="Heat map over') == text.count('alt="Radiograph') > 8
    assert "It is the same model for all pictures" in Page(text).text
    assert re.search(r"speaks for fractured \(orange\)", Page(text).text)


def test_maps_are_as_small_as_they_are_shown(data, tmp_path, monkeypatch):
    """Of 20 megapixels a map takes 160 MB."""

    def explain_images(model, paths, *, target, shapes):
        seen.extend(shapes)
        return [np.ones(shapes[0])]

    seen = []
    monkeypatch.setattr(_pictures, "explain_images", explain_images)
    monkeypatch.setattr(_pictures, "SIZE", 50)
    write_report(make_result(data), tmp_path / "r.html", model=object())
    assert len(seen) > 8
    assert {max(shape) for shape in seen} == {50}


def test_a_model_without_maps(data, tmp_path):
    with pytest.raises(ValueError, match="model"):
        write_report(make_result(data), tmp_path / "r.html", model=object())
    assert not list(tmp_path.iterdir())


def test_without_jinja2(monkeypatch, result, tmp_path):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingDependencyError, match=r"write_report needs .*'jinja2'.*fracture_features\[report\]"):
        write_report(result, tmp_path / "r.html")


def test_importing_imports_neither_jinja2_nor_matplotlib():
    code = "import sys, fracture_features.report; print({'jinja2', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    """A function that opens a page in headless Chromium, with more options, and returns what it says."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None and os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, but there is none of {BROWSERS}")
    if browser is None:
        pytest.skip(f"there is none of {BROWSERS}")
    profile = tmp_path_factory.mktemp("profile")

    def run(page, *options):
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        command += ["--enable-logging=stderr", "--v=0", *options, page.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    return run


def test_opens_without_a_word_on_the_console(browse, page):
    done = browse(page, "--dump-dom")
    assert "What was asked" in done.stdout
    assert "CONSOLE" not in done.stderr, done.stderr[-2000:]


def test_images_are_shown_tables_are_sorted_and_a_phone_scrolls_down_alone(browse, text, tmp_path):
    probed = tmp_path / "probed.html"
    without_policy = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", text)
    probed.write_text(without_policy.replace("</body>", PROBE_SCRIPT + "</body>"), encoding="utf-8")
    done = browse(probed, "--window-size=1280,900", "--dump-dom")
    match = re.search(r"FOUND(.*?)END", done.stderr)
    assert match, done.stderr[-2000:]
    found = json.loads(match[1])
    assert found["images"] == found["shown"] == text.count("<img ")
    baselines = [PROBE, MAJORITY]
    assert found["before"] == [["edges", "hog"], baselines]
    assert found["down"] == [[["edges", "hog"], baselines], "descending"]
    assert found["up"] == [[["hog", "edges"], baselines[::-1]], "ascending"]
    assert found["infinite"] == ["hog", "edges"]
    assert found["width"] <= 400


def test_prints(browse, page, tmp_path):
    pdf = tmp_path / "report.pdf"
    browse(page, f"--print-to-pdf={pdf}")
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert pdf.stat().st_size > 100_000
