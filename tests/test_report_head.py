"""The first screen's words, numbered captions, what can be saved, cards, and what is told of networks."""

import base64
import csv
import io
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from results import make_result, with_three_classes
from test_report import Page

from fracture_features import EvaluationResult, audit_dataset, make_pipeline, write_report
from fracture_features.evaluation import PROBE
from fracture_features.report._head import make_headline, make_warnings
from fracture_features.report._pictures import describe_sureness
from fracture_features.report._tables import Cell, Table
from fracture_features.results import example_table


@pytest.fixture(scope="module")
def result(data):
    return make_result(data)


def texts(result):
    return " ".join(warned.text for warned in make_warnings(result))


def test_the_headline_is_the_best_model_beside_the_best_baseline(result):
    rows = result.frame().query("measure == 'roc_auc'").set_index("model")
    best, beside = make_headline(result, "edges")
    assert (best.model, best.value) == ("edges", f"{rows['value']['edges']:.2f}")
    assert best.limits == f"{rows['low']['edges']:.2f}–{rows['high']['edges']:.2f}"
    assert (beside.model, beside.value) == (PROBE, f"{rows['value'][PROBE]:.2f}")
    alone = EvaluationResult(result.data, result.folds_of("edges"), result.excluded, 0)
    assert [score.model for score in make_headline(alone, "edges")] == ["edges"]
    baselines = make_result(result.data, [])
    assert [score.model for score in make_headline(baselines, PROBE)] == [PROBE]


def test_warnings_are_of_what_flatters(data, result):
    assert "No groups" not in texts(result)
    assert "Leak" not in texts(result)
    ungrouped = EvaluationResult(replace(data, groups=None), result.fold_results, result.excluded, 0)
    assert "No groups are given: images of one patient" in texts(ungrouped)
    files = data.files.assign(sha256="same")
    copied = EvaluationResult(data.with_files(files), result.fold_results, result.excluded, 0)
    assert "Leak: of 60 tested images the training part held a byte-identical copy." in texts(copied)
    split = replace(data, groups=np.arange(len(data)) % 5)
    shared = EvaluationResult(split, result.fold_results, result.excluded, 0)
    assert "groups on both sides of a split" in texts(shared)
    failures = pd.DataFrame({"model": ["gabor+svm"] * 2, "fold": [1, 2], "reason": ["x"] * 2})
    failed = EvaluationResult(data, result.fold_results, result.excluded, 0, failures=failures)
    assert "because they failed: gabor+svm." in texts(failed)


def test_what_the_audit_found_is_a_warning_if_it_inflates(data, tmp_path):
    """The same files under two names, labelled as two classes."""
    twice = data.subset(np.r_[0:20, 40:60])
    paths = twice.paths.tolist()
    for k, path in enumerate(paths[:4]):
        paths[30 + k] = str(shutil.copy(path, tmp_path / f"{k}.jpg"))
    twice = replace(twice, groups=None, paths=np.array(paths), y=np.arange(40) // 20)
    report = audit_dataset(twice)
    assert report.inflates
    made = make_result(replace(twice, groups=np.arange(40)))
    with_audit = EvaluationResult(made.data, made.fold_results, made.excluded, 0, audit=report)
    assert "Audit: " in texts(with_audit)


def test_warnings_link_to_sections_of_the_page(data, tmp_path):
    result = make_result(replace(data, groups=np.arange(len(data))))
    result = EvaluationResult(replace(data, groups=None), result.fold_results, result.excluded, 0)
    text = write_report(result, tmp_path / "r.html").read_text("utf-8")
    linked = re.findall(r'<li><a href="#(\w+)">', text)
    assert linked
    assert all(f'<section id="{name}"' in text for name in linked)
    assert text.index('class="warnings"') < text.index('id="results"')


@pytest.fixture(scope="module")
def text(result, tmp_path_factory):
    about = {"Command": "fracture-features compare <b>", "Images": "x"}
    return write_report(result, tmp_path_factory.mktemp("head") / "r.html", about=about).read_text("utf-8")


def test_captions_are_numbered_in_order(text):
    for kind in ("Table", "Figure"):
        numbers = [int(n) for n in re.findall(rf'<span class="number">{kind} (\d+)\.</span>', text)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) > 4


def test_results_come_before_what_was_asked_and_the_long_tables_are_folded(text):
    order = ["headline", 'id="results"', 'id="live"', 'id="figures"', 'id="examples"', 'id="question"', 'id="data"']
    assert [text.index(name) for name in order] == sorted(text.index(name) for name in order)
    for name in ("folds", "checklist"):
        section = text[text.index(f'<section id="{name}">') :]
        assert section.index("<details>") < section.index("<table")
    assert "<dt>Command</dt><dd>fracture-features compare &lt;b&gt;</dd>" in text
    assert re.search(r"<dt>Date</dt><dd>\d{4}-\d\d-\d\d</dd>", text)


def test_a_saved_table_holds_what_is_shown():
    table = Table("A b/c", ["Model", "=x"], [[[Cell("=1+1", mark="below"), Cell("0.90", "0.87–0.92", 0.9)]]])
    rows = list(csv.reader(io.StringIO(base64.b64decode(table.csv.split(",")[1]).decode())))
    assert rows == [["Model", "'=x"], ["'=1+1 (below)", "0.90 (0.87–0.92)"]]
    assert table.file == "a-b-c.csv"
    assert table.numeric == [False, True]


def cards(result, model):
    return [describe_sureness(result, model, row) for row in example_table(result, model).itertuples()]


def test_cards_show_probability_and_threshold(data, result):
    table = example_table(result, "hog")
    first = table.iloc[0]
    probability = first["probability"] if first["predicted"] == "fractured" else 1 - first["probability"]
    assert cards(result, "hog")[0] == f"probability of fractured {probability:.2f}, threshold 0.50"
    chosen = make_result(data, threshold=0.3)
    assert all(card.endswith(", threshold 0.30") for card in cards(chosen, "hog"))


def test_scores_have_a_sign_and_are_called_so(data, result):
    for card in cards(result, "edges"):
        assert re.fullmatch(r"score ([+−]\d+\.\d\d|0\.00), threshold 0\.00, no probability", card)
    both = [replace(fold, probabilities=np.full((len(fold.test), 2), 0.5)) for fold in result.folds_of("edges")]
    logistic = EvaluationResult(data, both, result.excluded, 0)
    assert all(card.startswith("probability of fractured 0.50; score ") for card in cards(logistic, "edges"))


def test_cards_of_three_classes(data):
    three = make_result(with_three_classes(data))
    table = example_table(three, "hog").iloc[0]
    assert cards(three, "hog")[0] == f"probability of {table['predicted']} {table['probability']:.2f}"


def test_macro_stands_in_the_headings_of_three_classes(data, tmp_path):
    shown = Page(write_report(make_result(with_three_classes(data)), tmp_path / "r.html").read_text("utf-8")).text
    assert "Sensitivity, macro" in shown
    assert "Accuracy, macro" not in shown


def test_a_subgroup_that_is_asked_for_is_shown(data, tmp_path):
    known = replace(data, frame=data.frame.assign(side=np.where(data.groups % 2, "L", "R")))
    result = make_result(known)
    assert "ROC AUC by side" not in write_report(result, tmp_path / "a.html").read_text("utf-8")
    assert "ROC AUC by side" in write_report(result, tmp_path / "b.html", subgroups=["side"]).read_text("utf-8")
    with pytest.raises(ValueError, match=r"subgroups=\['top'\] are none of the columns"):
        write_report(result, tmp_path / "c.html", subgroups=["top"])


def test_networks_show_their_training_and_where_they_look(data, tmp_path):
    pytest.importorskip("keras")
    model = make_pipeline("cnn", image_size=40, random_state=0)
    model.set_params(classifier__epochs=2)
    made = make_result(data, ["edges", "network"])
    folds = []
    for fold in made.fold_results:
        kept = None
        if fold.fold == 1 and fold.model == "network":
            kept = model.fit(data.paths[fold.train], data.y[fold.train])
        folds.append(replace(fold, kept=kept))
    result = EvaluationResult(data, folds, made.excluded, 0)
    text = write_report(result, tmp_path / "r.html").read_text("utf-8")
    section = text[text.index('<section id="networks">') :]
    section = section[: section.index("</section>")]
    assert 'alt="Training of network"' in section
    assert 'role="region" tabindex="0" aria-label="Training of network"' in section  # wider than a phone: it scrolls
    (caption,) = re.findall(r"<figcaption>(.*?)</figcaption>", section[: section.index('class="pictures')], re.S)
    assert caption.count("Training of network") == 1
    assert section.count('alt="Heat map over') == 4
    tested = {path.rpartition("/")[2] for path in data.paths[result.folds_of("network")[0].test]}
    assert {name.rpartition("/")[2] for name in re.findall(r'alt="Radiograph ([^"]*)"', section)} <= tested
    assert 'id="networks"' not in write_report(made, tmp_path / "none.html").read_text("utf-8")
