"""The page's sentences about which model is above, below, or not shown to be either."""

import re
from dataclasses import replace

import numpy as np
import pytest
import results
from results import make_result, with_few_groups

from fracture_features.evaluation import MAJORITY, PROBE
from fracture_features.report import write_report
from fracture_features.report._summary import describe, is_below, p_value, ranked_models
from fracture_features.results import EvaluationResult, interval, number


@pytest.fixture(scope="module")
def of_strengths(data):
    """A function that makes an evaluation from how well each model tells the classes apart; images are the groups."""
    data = replace(data, groups=np.arange(len(data)))

    def make(probe, models):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(results, "STRENGTH", {MAJORITY: 0.0, PROBE: probe, **models})
            return make_result(data, list(models))

    return make


def tell(result):
    """The headline, its best model, and that model's row of the comparison."""
    best = ranked_models(result)[0]
    return describe(result, best), best, result.comparison().set_index("model").loc[best]


def values_of(result):
    return result.frame().query("measure == 'roc_auc'").set_index("model")["value"]


def test_p_values_are_printed_as_journals_do():
    """ICMJE's custom: three decimals, and below 0.001 no more than that."""
    assert [p_value(p) for p in (0.00099, 0.001, 0.0099, 0.5, np.nan)] == ["< 0.001", "0.001", "0.010", "0.500", "–"]


def test_a_model_above_the_baselines_has_the_highest_value_and_lies_above(of_strengths):
    result = of_strengths(0.3, {"edges": 2.0, "hog": 1.0})
    text, best, row = tell(result)
    assert values_of(result).idxmax() == best == "edges"
    assert row["low"] > 0
    assert text.startswith("edges has the highest ROC AUC: ")
    assert text.endswith(f" above {PROBE}, the best of the models that cannot see a fracture.")
    assert f"It lies {row['difference']:.2f} ({interval(row['low'], row['high'])}) above" in text


def test_a_model_below_a_baseline_is_called_worse_and_not_the_highest(of_strengths):
    result = of_strengths(3.0, {"edges": 0.0, "hog": 0.2})
    text, best, row = tell(result)
    assert row["high"] < 0
    assert values_of(result).idxmax() == PROBE
    assert text.startswith(f"{best} is the first by ROC AUC of the models that are no baseline: ")
    assert "has the highest" not in text
    assert f"It is worse than {PROBE}, the best of the models that cannot see a fracture: " in text
    assert f"it lies {-row['difference']:.2f} ({interval(-row['high'], -row['low'])}) below." in text
    assert "not shown" not in text


def test_a_lower_value_whose_interval_holds_0_is_below_and_shows_nothing(of_strengths):
    result = of_strengths(1.2, {"edges": 0.4})
    text, _, row = tell(result)
    assert row["low"] < 0 < row["high"]
    assert row["difference"] < 0
    assert "has the highest" not in text
    assert f"It lies {-row['difference']:.2f} below {PROBE}, " in text
    assert "not shown to be better or worse" in text
    assert f"{number(row['difference'])} ({interval(row['low'], row['high'])})" in text
    assert "is worse" not in text


def test_a_higher_value_whose_interval_holds_0_is_not_shown_to_be_better(of_strengths):
    result = of_strengths(1.2, {"edges": 0.7})
    text, _, row = tell(result)
    assert row["low"] < 0 < row["difference"]
    assert text.startswith("edges has the highest ROC AUC: ")
    assert f"It is not shown to be better than {PROBE}, " in text
    assert "below" not in text


@pytest.mark.parametrize("strengths", [(0.0, 2.0, 1.0), (0.3, 0.5, 2.0), (3.0, 0.2, 0.0), (1.0, 0.9, 1.0), (2.0, 1, 1)])
def test_who_is_said_to_be_highest_is(of_strengths, strengths):
    probe, edges, hog = strengths
    for result in (of_strengths(probe, {"edges": edges, "hog": hog}), of_strengths(probe, {"edges": edges})):
        text, best, _ = tell(result)
        assert ("has the highest" in text) == (values_of(result)[best] == values_of(result).max())


def test_without_an_interval_a_lower_value_shows_nothing(of_strengths):
    result = with_few_groups(of_strengths(3.0, {"edges": 0.0}))
    text = describe(result, "edges")
    assert "has the highest" not in text
    assert "without an interval that shows nothing" in text
    assert "worse" not in text


def test_nothing_is_said_of_a_difference_where_there_is_no_baseline(of_strengths):
    result = of_strengths(3.0, {"edges": 1.0})
    alone = EvaluationResult(result.data, result.folds_of("edges"), result.excluded, 0)
    text = describe(alone, "edges")
    assert text.startswith("edges has the highest ROC AUC: ")
    assert text.count(". ") == 0
    assert "baseline" not in text


def test_the_page_marks_what_is_below_and_what_is_not_shown(of_strengths, tmp_path):
    result = of_strengths(0.7, {"edges": -1.0, "hog": 0.6, "fisher": 3.0})
    rows = result.comparison().set_index("model")
    assert is_below(rows.loc["edges"])
    assert rows.loc["hog", "low"] < 0 < rows.loc["hog", "high"]
    assert rows.loc["fisher", "low"] > 0
    text = write_report(result, tmp_path / "r.html").read_text("utf-8")
    text = text[text.index('id="results"') :]
    marks = dict(
        re.findall(r'<tr>\s*<td>(\w+)(?: <span class="mark">(.*?)</span>)?</td>', text[: text.index("</table>")])
    )
    assert marks == {"edges": "below the best baseline", "hog": "not shown above the baselines", "fisher": ""}
