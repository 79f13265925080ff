"""The page's sliders, moved in Chromium, and its first screen."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from results import make_result, with_three_classes
from scipy.stats import binomtest, norm

from fracture_features import write_report
from fracture_features.report._live import MAX_BYTES, make_live
from fracture_features.report._summary import ranked_models
from fracture_features.results import EvaluationResult

REQUIRED = "FRACTURE_FEATURES_REQUIRE_BROWSER"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None and os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, but there is no Chromium")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def result(data):
    return make_result(data)


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    return write_report(result, tmp_path_factory.mktemp("live") / "report.html")


@pytest.fixture
def opened(browser, page):
    browser.show(1280)
    browser.go(page.as_uri())
    return browser


def choose(browser, model):
    browser.evaluate(f"""(() => {{
      const select = document.querySelector('[data-at="model"]');
      select.selectedIndex = [...select.options].findIndex((option) => option.text === {json.dumps(model)});
      select.dispatchEvent(new Event("change"));
    }})()""")


def move(browser, slider, value):
    browser.evaluate(f"""(() => {{
      const slider = document.querySelector('[data-at="{slider}"]');
      slider.value = {value};
      slider.dispatchEvent(new Event("input"));
    }})()""")


def shown(browser, name):
    return browser.evaluate(f"""document.querySelector('[data-at="{name}"]').textContent""")


def first_scores(result, model):
    """Label and score of class 1 of each tested image, in the order of the data."""
    folds = result.folds_of(model)
    rows = np.concatenate([fold.test for fold in folds])
    scores = np.concatenate([fold.scores[:, 1] for fold in folds])
    order = np.argsort(rows)
    return result.data.y[rows[order]], scores[order]


def matrix(y, called):
    return [int(((y == true) & (called == call)).sum()) for true in (0, 1) for call in (0, 1)]


def matrix_shown(browser):
    return [int(shown(browser, name)) for name in ("tn", "fp", "fn", "tp")]


@pytest.mark.parametrize("model", ["edges", "hog"])
def test_at_first_it_says_what_the_tables_say(opened, result, model):
    choose(opened, model)
    assert matrix_shown(opened) == result.confusion(model).to_numpy().ravel().tolist()
    assert shown(opened, "count-0") == shown(opened, "count-1") == "0"
    rows = result.frame().set_index(["model", "measure"]).loc[model]["value"]
    for name in ("ppv", "npv"):  # at the data's own prevalence
        assert shown(opened, name).startswith(f"{rows[name]:.2f} (")


@pytest.mark.parametrize(("model", "threshold"), [("hog", 0.3), ("hog", 0.71), ("edges", 1.25), ("edges", -0.4)])
def test_a_moved_threshold_moves_everything(opened, result, model, threshold):
    choose(opened, model)
    move(opened, "threshold", threshold)
    y, scores = first_scores(result, model)
    called = scores >= threshold
    tn, fp, fn, tp = matrix(y, called)
    assert matrix_shown(opened) == [tn, fp, fn, tp]
    for name, right, wrong in (("sensitivity", tp, fn), ("specificity", tn, fp)):
        low, high = binomtest(right, right + wrong).proportion_ci(method="wilson")
        assert shown(opened, name) == f"{right / (right + wrong):.2f} ({low:.2f}–{high:.2f})"
    before = scores >= (0.5 if model == "hog" else 0.0)
    assert int(shown(opened, "count-1")) == int((called & ~before).sum())
    assert int(shown(opened, "count-0")) == int((~called & before).sum())
    names = {os.path.basename(path) for path in result.data.paths[called != before]}
    listed = opened.evaluate("[...document.querySelectorAll('.changed li')].map((item) => item.textContent)")
    assert {os.path.basename(text.split(": is ")[0]) for text in listed} == names


def predictive(right, n, wrong, m, odds):
    """Mercaldo, Lau and Zhou 2007: the interval of the log odds, proportions moved towards a half as Wilson's are."""
    z = norm.ppf(0.975)
    a, b = (right + z * z / 2) / (n + z * z), (wrong + z * z / 2) / (m + z * z)
    half = z * np.sqrt((1 - a) / (a * (n + z * z)) + (1 - b) / (b * (m + z * z)))
    limits = [1 / (1 + np.exp(-(np.log(a / b * odds) + side * half))) for side in (-1, 1)]
    return (right / n * odds) / (right / n * odds + wrong / m), *limits


@pytest.mark.parametrize("prevalence", [5, 50, 90])
def test_a_moved_prevalence_moves_ppv_and_npv_alone(opened, result, prevalence):
    choose(opened, "hog")
    before = matrix_shown(opened), shown(opened, "sensitivity"), shown(opened, "specificity")
    move(opened, "prevalence", prevalence)
    assert (matrix_shown(opened), shown(opened, "sensitivity"), shown(opened, "specificity")) == before
    tn, fp, fn, tp = matrix_shown(opened)
    odds = prevalence / (100 - prevalence)
    for name, arguments in (
        ("ppv", (tp, tp + fn, fp, fp + tn, odds)),
        ("npv", (tn, tn + fp, fn, fn + tp, 1 / odds)),
    ):
        value, low, high = predictive(*arguments)
        assert shown(opened, name) == f"{value:.2f} ({low:.2f}–{high:.2f})"
    assert shown(opened, "prevalence-value") == f"{prevalence:.1f} %"


def test_scores_are_never_shown_as_probabilities(opened):
    choose(opened, "edges")
    assert shown(opened, "threshold-value") == "0.00 (a score, no probability)"
    move(opened, "threshold", 0.83)
    assert shown(opened, "threshold-value") == "+0.83 (a score, no probability)"
    choose(opened, "hog")
    assert shown(opened, "threshold-value") == "0.50"


def test_at_the_ends_nothing_is_undefined_but_what_is(opened):
    choose(opened, "hog")
    move(opened, "threshold", 1)
    assert shown(opened, "sensitivity").startswith("0.00 (0.00–")
    assert shown(opened, "ppv") == "–"
    move(opened, "threshold", 0)
    assert shown(opened, "npv") == "–"
    assert shown(opened, "specificity").startswith("0.00 (")


def test_the_keyboard_moves_it_and_the_button_puts_it_back(opened):
    choose(opened, "hog")
    before = shown(opened, "threshold-value"), matrix_shown(opened)
    opened.evaluate("document.querySelector('[data-at=\"threshold\"]').focus()")
    for _ in range(30):
        opened.press("ArrowRight")
    assert float(shown(opened, "threshold-value")) > 0.5
    assert matrix_shown(opened) != before[1]
    opened.evaluate("document.querySelector('[data-at=\"reset\"]').click()")
    assert (shown(opened, "threshold-value"), matrix_shown(opened)) == before


def test_the_page_is_whole_without_script(browser, page):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.show(1280)
        browser.call("Page.navigate", url=page.as_uri())
        document = {}
        while not document.get("children"):
            document = browser.call("DOM.getDocument", depth=2)["root"]
        text = ""
        while "Checklist" not in text:
            root = browser.call("DOM.getDocument")["root"]["nodeId"]
            text = browser.call("DOM.getOuterHTML", nodeId=root)["outerHTML"]
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert '<section id="live" hidden' in text
    assert "Table 1." in text
    assert text.count("<tr>") > 20


def test_the_first_screen_holds_headline_warnings_and_the_top_of_the_table(browser, data, tmp_path):
    """With three warnings and five models of long names."""
    names = [
        "hog+lbp+edges+gabor+fisher+mobilenetv2+random_forest",
        *(f"hog+lbp+edges+svm number {k}" for k in range(4)),
    ]
    result = make_result(data, names)
    alone = replace(data, groups=None)
    result = EvaluationResult(
        alone,
        result.fold_results,
        result.excluded,
        0,
        EvaluationResult(
            alone, [replace(fold, train=fold.test[:0]) for fold in result.fold_results], result.excluded, 0
        ),
    )
    browser.show(1280, 900)
    browser.go(write_report(result, tmp_path / "r.html").as_uri())
    bottoms = browser.evaluate("""["h1", ".headline", ".lede", ".warnings", ".notice", "#results thead",
      "#results tbody tr:nth-child(2)"].map((name) => document.querySelector(name).getBoundingClientRect().bottom)""")
    assert bottoms == sorted(bottoms)
    assert bottoms[-1] < 900
    assert browser.evaluate("document.querySelectorAll('.warnings li').length") >= 2
    colours = browser.evaluate("""[".warnings li", ".notice"].map(
      (name) => getComputedStyle(document.querySelector(name)).backgroundColor)""")
    assert colours[0] != colours[1]


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_overflows_or_complains_light_or_dark(browser, page, width, dark):
    browser.show(width, dark=dark)
    browser.complaints.clear()
    browser.go(page.as_uri())
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.complaints == []
    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) is dark
    hints = browser.evaluate("[...document.querySelectorAll('.hint')].filter((hint) => hint.offsetHeight).length")
    assert (hints > 0) is (width == 400)


def test_numbers_stand_to_the_right(opened):
    aligned = opened.evaluate("""[...document.querySelectorAll("#results table:first-of-type tr")].map((row) =>
      [...row.cells].map((cell) => getComputedStyle(cell).textAlign))""")
    assert all(row[0] in ("left", "start") and set(row[1:]) == {"right"} for row in aligned if len(row) > 5)


def test_paper_shows_what_is_folded(opened):
    opened.call("Emulation.setEmulatedMedia", media="print")
    try:
        opened.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert opened.evaluate("[...document.querySelectorAll('details')].every((details) => details.open)")
        assert opened.evaluate("document.querySelector('#live').offsetHeight") == 0
        opened.evaluate("dispatchEvent(new Event('afterprint'))")
        assert not opened.evaluate("[...document.querySelectorAll('details')].some((details) => details.open)")
    finally:
        opened.call("Emulation.setEmulatedMedia", media="")


def test_no_address_is_asked_for(browser, page):
    browser.requests.clear()
    browser.show(1280)
    browser.go(page.as_uri())
    assert [url for url in browser.requests if not url.startswith("data:")] == [page.as_uri()]


def test_what_can_be_saved_is_what_it_says(opened, result):
    found = opened.evaluate("""Promise.all([...document.querySelectorAll("a.save")].map(async (link) => {
      const head = link.href.slice(0, link.href.indexOf(","));
      const text = atob(link.href.slice(link.href.indexOf(",") + 1));
      return [link.download, head, text.slice(0, 4)];
    }))""")
    assert len({name for name, _, _ in found}) == len(found)
    for name, head, start in found:
        kind = "text/csv;charset=utf-8" if name.endswith(".csv") else "image/png"
        assert head == f"data:{kind};base64"
        assert (start == "\x89PNG") is name.endswith(".png")
    assert {name.rpartition(".")[2] for name, _, _ in found} == {"csv", "png"}


def test_script_and_predictions_are_small(page, data):
    text = page.read_text("utf-8")
    script = text[text.rindex("<script>") : text.rindex("</script>")]
    start = text.index("data-live='")
    assert len(script) + len(text[start : text.index("'>", start)]) < 300_000
    many = 20
    grown = replace(
        data,
        paths=np.array([f"/somewhere/{'x' * 40}{k}.jpg" for k in range(len(data) * many)]),
        y=np.tile(data.y, many),
        groups=np.tile(data.groups, many),
        frame=data.frame.iloc[np.tile(np.arange(len(data)), many)].reset_index(drop=True),
    )
    result = make_result(grown, [f"model {k}" for k in range(60)])
    ranked = ranked_models(result)
    live = make_live(result, ranked, {path: path for path in grown.paths})
    assert len(json.dumps(live)) < 1.1 * MAX_BYTES
    assert [model["name"] for model in live["models"]] == ranked[: len(live["models"])]
    assert 1 < len(live["models"]) < 60


def test_three_classes_have_no_sliders(data):
    result = make_result(with_three_classes(data))
    assert make_live(result, ranked_models(result), {path: path for path in data.paths}) is None


def test_thresholds_of_each_fold_are_said(data):
    result = make_result(data, threshold=0.3)
    live = make_live(result, ranked_models(result), {path: path for path in data.paths})
    assert not any(model["own"] for model in live["models"])
    assert {model["start"] for model in live["models"]} == {0.3}
