"""The table for a paper, and that screen, page and table have the same digits."""

import csv
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from results import make_result, with_few_groups, with_three_classes

from fracture_features import write_report
from fracture_features.cli._output import print_result
from fracture_features.evaluation import MAJORITY, PROBE
from fracture_features.results import ModelTable, interval, number, sorted_models, with_interval

ODD = ["a_b & 50% {x}\\y~^#$", "=1|2", "<b>"]


@pytest.fixture(scope="module")
def result(data):
    return make_result(data)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.904, 0.8651, 0.9249), "0.90 (0.87–0.92)"),
        ((-0.004, -0.1, 0.1), "0.00 (−0.10 to 0.10)"),
        ((np.nan, np.nan, np.nan), "–"),
        ((0.5, np.nan, np.nan), "0.50"),
        ((30, 1.68, np.inf), "30.00 (1.68–∞)"),
    ],
)
def test_numbers_as_journals_print_them(numbers, text):
    assert with_interval(*numbers) == text


def test_a_row_for_each_model_the_best_first_and_baselines_last(result):
    table = result.table().frame
    assert table["Model"].tolist() == sorted_models(result) == ["edges", "hog", PROBE, MAJORITY]
    row = result.frame().set_index(["model", "measure"]).loc[("hog", "roc_auc")]
    assert table.loc[1, "ROC AUC"] == f"{row['value']:.2f} ({row['low']:.2f}–{row['high']:.2f})"


def test_measures_are_chosen_and_a_dash_stands_where_a_model_has_none(result):
    table = result.table(measures=["brier_score", "npv"]).frame
    assert list(table) == ["Model", "Brier score", "NPV"]
    assert table.loc[0, "Brier score"] == "–"
    assert table.loc[1, "Brier score"] != "–"
    with pytest.raises(ValueError, match=r"measures=\['auc'\] are none of"):
        result.table(measures=["auc"])


def test_macro_is_said_of_more_than_two_classes(data):
    columns = list(make_result(with_three_classes(data)).table().frame)
    assert columns[1:4] == ["ROC AUC, macro", "Average precision, macro", "Accuracy"]


def test_few_groups_have_values_alone(result):
    assert re.fullmatch(r"0\.\d\d", with_few_groups(result).table().frame.loc[1, "ROC AUC"])


def make_table():
    return ModelTable(pd.DataFrame({"Model": ODD, "x": ["0.90 (0.87–0.92)", "−0.10", "∞"]}), 2)


def test_latex_is_escaped_and_ruled():
    lines = make_table().to_latex().splitlines()
    assert lines[0] == "\\begin{tabular}{lr}"
    assert lines[2:5] == [
        "Model & x \\\\",
        "\\midrule",
        "a\\_b \\& 50\\% \\{x\\}\\textbackslash{}y\\textasciitilde{}\\textasciicircum{}\\#\\$ & 0.90 (0.87--0.92) \\\\",
    ]
    assert lines[5:8] == ["=1|2 & $-$0.10 \\\\", "\\midrule", "<b> & $\\infty$ \\\\"]
    assert lines[-1] == "\\end{tabular}"


def test_markdown_html_and_csv_are_safe():
    table = make_table()
    assert "| =1\\|2 | −0.10 |" in table.to_markdown()
    assert "&lt;b&gt;" in table._repr_html_()
    assert "<b>" not in table._repr_html_()
    assert list(csv.reader(io.StringIO(table.to_csv())))[2] == ["'=1|2", "−0.10"]


def test_csv_is_written(tmp_path):
    assert make_table().to_csv(tmp_path / "x.csv") is None
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == make_table().to_csv()


class Cells(HTMLParser):
    """Texts of a table's cells, row by row."""

    def __init__(self, text):
        super().__init__()
        self.rows, self._cell = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        self._cell = tag == "td" or (self._cell and tag in ("small", "span"))

    def handle_data(self, data):
        if self._cell and self.rows and self.rows[-1]:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data.strip()}".strip()


def test_screen_page_and_table_have_the_same_digits(result, tmp_path, capsys):
    table = result.table().frame
    print_result(result, "Means")
    screen = capsys.readouterr().out
    page = write_report(result, tmp_path / "r.html").read_text("utf-8")
    page = page[page.index('id="results"') :]
    rows = Cells(page[: page.index("</table>")]).rows[1:]
    lines = screen.splitlines()
    for name, row in zip(table["Model"], rows, strict=True):
        place = next(k for k, line in enumerate(lines) if line.strip().startswith(name))
        for text, cell in zip(table.set_index("Model").loc[name], row[1:], strict=False):
            value, limits = text.rstrip(")").split(" (")
            assert f"{value} {limits}" in cell.replace("\n", " ")
            assert value in lines[place]
            assert limits in lines[place + 1]


def test_interval_and_number_are_those_of_the_page():
    assert interval(-0.1, 0.2) == "−0.10 to 0.20"
    assert number(-0.001) == "0.00"
