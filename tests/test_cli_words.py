"""Help, completion, costs said beforehand, budgets, subgroups and studies."""

import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from results import make_result

from fracture_features import EvaluationResult, make_radiographs
from fracture_features.cli import _arguments, _budget, main
from fracture_features.cli._asked import subgroup_text
from fracture_features.cli._help import HELP
from fracture_features.cli._parser import make_parser
from fracture_features.cli._words import OPTIONS, in_options
from fracture_features.evaluation import BASELINES, PROBE, estimate_seconds
from fracture_features.evaluation._progress import TimeLeft, describe_seconds
from fracture_features.results import FoldResult

QUICK = ["--models", "edges+svm", "--folds", "2", "--image-size", "48"]


def commands():
    (action,) = (action for action in make_parser()._actions if hasattr(action, "choices") and action.choices)
    return action.choices


@pytest.mark.parametrize("name", sorted(commands()))
def test_help_has_examples_and_a_usage_of_one_line(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: fracture-features {name} ")
    assert text.splitlines()[1] == ""
    assert f"examples:\n  fracture-features {name}" in text


@pytest.mark.parametrize("line", [line for help_ in HELP.values() for line in help_.examples])
def test_every_example_is_understood(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.ff").write_bytes(b"")  # the parser opens it
    assert make_parser().parse_args(shlex.split(line)).run


def test_every_option_of_the_words_is_one():
    known = {name for parser in commands().values() for action in parser._actions for name in action.option_strings}
    assert set(OPTIONS.values()) <= known


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("positive='x' is none of ['a']", "--positive 'x' is none of ['a']"),
        ("give it as positive=", "give it as --positive"),
        ("x.csv: give the images' folder as root=", "x.csv: give the images' folder as --root"),
        ("metadata_columns: no column ['view']", "--metadata: no column ['view']"),
        ("/data/label=x/1.png is cut short", "/data/label=x/1.png is cut short"),
        ("column 'groups=y' is empty", "column 'groups=y' is empty"),
        ("cv=3 of a model", "--folds 3 of a model"),
    ],
)
def test_parameters_are_said_as_options(said, shown):
    assert in_options(said) == shown


def complete(line, tmp_path):
    """What a shell is told may follow."""
    out = tmp_path / "completions"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\013",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(out),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    code = "import sys; sys.argv[0] = 'fracture-features'; from fracture_features.cli import main; main()"
    subprocess.run([sys.executable, "-c", code], env=environment, check=False, capture_output=True)
    return [word.strip() for word in out.read_text().split("\013")]


def test_a_shell_completes_commands_and_options(tmp_path):
    pytest.importorskip("argcomplete")
    assert set(complete("fracture-features ex", tmp_path)) == {name for name in commands() if name.startswith("ex")}
    assert "--operating-point" in complete("fracture-features train x --op", tmp_path)
    assert set(complete("fracture-features compare x --baselines ", tmp_path)) == {"all", "metadata", "none"}


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("0.5h", 1800)])
def test_a_budget_is_a_time(text, seconds):
    assert _arguments.budget(text) == seconds


def test_what_options_cost_is_said_before_and_is_so(radiographs, capsys, monkeypatch):
    from sklearn.svm import SVC

    argv = ["compare", str(radiographs), "--groups", r"patient(\d+)", "--baselines", "none", *QUICK]
    fits = []
    fit = SVC.fit

    def counted(self, *args, **kwargs):
        fits.append(1)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(SVC, "fit", counted)
    for options, each in (
        ([], 1),
        (["--calibrate"], 6),
        (["--operating-point", "youden"], 6),
        (["--calibrate", "--operating-point", "youden"], 36),
    ):
        fits.clear()
        assert main([*argv, *options]) == 0
        said = capsys.readouterr().err
        assert len(fits) == 2 * each
        if options:
            assert (
                f"{each} fits where one would do. 1 model, baselines included, × 2 folds × {each} = {2 * each} fits"
                in said
            )
        else:
            assert "fits" not in said


@pytest.mark.parametrize(
    ("which", "left"), [("all", set(BASELINES)), ("metadata", set(BASELINES) - {PROBE}), ("none", set())]
)
def test_baselines_are_chosen(which, left, radiographs, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["compare", str(radiographs), "--groups", r"patient(\d+)", "--out", str(out), "--baselines", which, *QUICK]
    assert main(argv) == 0
    assert set(pd.read_csv(out / "measures.csv")["model"]) == {*left, "edges+svm"}
    assert (out / "comparison.csv").exists() is bool(left)
    assert (out / "report.html").exists()
    assert ("of the models that cannot see a fracture" in (out / "report.html").read_text()) is bool(left)


def test_subgroups_and_studies_are_printed_and_written(radiographs, tmp_path, capsys):
    truth = pd.read_csv(radiographs / "truth.csv")
    view = np.where(np.arange(len(truth)) % 2, "AP", "[b]LAT")
    truth.assign(view=view, label=truth["fractured"])[["image", "label", "patient", "view"]].to_csv(
        tmp_path / "t.csv", index=False
    )
    out = tmp_path / "out"
    argv = ["compare", str(tmp_path / "t.csv"), "--root", str(radiographs), "--groups", "patient", "--out", str(out)]
    argv += ["--positive", "1"]
    assert main([*argv, "--subgroups", "view", "--by-study", "patient", *QUICK]) == 0
    printed = capsys.readouterr().out
    assert "By view, with 95 % intervals" in printed
    rows, few = subgroup_text(EvaluationResult.load(out), "view")
    assert not few
    assert rows["view"].tolist() == ["AP", "[b]LAT"]
    table = EvaluationResult.load(out).subgroups("view")
    first = table.query("view == 'AP' and model == 'edges+svm' and measure == 'roc_auc'").iloc[0]
    value, low, high = first[["value", "low", "high"]]
    assert rows.loc[0, "ROC AUC"] == f"{value:.2f} ({low:.2f}–{high:.2f})"
    for cell in rows.to_numpy().ravel():
        assert cell in printed
    assert "By patient: each of the 20 has the mean score of its images." in printed
    result = EvaluationResult.load(out)
    subgroups = pd.read_csv(out / "subgroups.csv")
    assert subgroups["column"].unique().tolist() == ["view"]
    expected = result.subgroups("view")
    np.testing.assert_allclose(subgroups["value"], expected["value"])
    studies = pd.read_csv(out / "by_study.csv")
    np.testing.assert_allclose(studies["value"], result.by_study("patient", label="any").frame()["value"])
    assert "ROC AUC by view" in (out / "report.html").read_text()
    assert main([*argv, *QUICK]) == 0
    assert not (out / "subgroups.csv").exists()


def fold(model, k, seconds):
    rows = np.arange(1)
    return FoldResult(model, k, rows, rows, rows, np.zeros((1, 2)), fit_seconds=seconds)


def test_time_left_is_what_is_expected_until_it_is_known():
    left = TimeLeft(["a", "b"], 2, {"a": 20.0, "b": 200.0})
    assert left.seconds() == pytest.approx(220)
    left.add(fold("a", 1, 20.0))  # twice as long as expected
    assert left.seconds() == pytest.approx(20 + 400, rel=0.01)
    left.add(fold("a", 2, 20.0))
    left.add(fold("b", 1, 50.0))
    assert left.seconds() == pytest.approx(50, rel=0.01)
    left.add(fold("b", 2, 50.0))
    assert left.seconds() == 0


def test_several_at_a_time_take_less():
    left = TimeLeft(["a"], 4, {}, workers=2)
    left.add(fold("a", 1, 30.0))
    assert left.seconds() == pytest.approx(3 * 30 / 2)


def test_without_expectations_other_folds_are_the_measure():
    left = TimeLeft(["a", "b"], 2, {"b": np.nan})
    left.add(fold("a", 1, 30.0))
    assert left.seconds() == pytest.approx(90, rel=0.01)


def test_each_fold_says_how_long_the_others_will_take(radiographs, capsys):
    assert main(["compare", str(radiographs), "--groups", r"patient(\d+)", *QUICK]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "s to fit" in line]
    assert all(re.search(r"; less than a minute left$", line) for line in lines[:-1])
    assert not lines[-1].endswith("left")


def test_an_estimate_grows_with_the_folds(data):
    from fracture_features import make_pipeline

    models = {"edges": make_pipeline("edges", "xgboost", image_size=48)}
    few, many = (
        estimate_seconds(models, data, n_folds=n, train_fraction=0.5, random_state=0)["edges"] for n in (2, 200)
    )
    assert 0 < few < 30
    assert 20 < many / few < 200


COSTS = {"edges+svm": 1.0, "lbp+svm": 5.0, "hog+svm": 90.0}


@pytest.fixture
def costs(monkeypatch):
    monkeypatch.setattr(_budget, "estimate_seconds", lambda models, *_, **__: {name: COSTS[name] for name in models})


def test_a_budget_runs_what_fits_the_cheapest_first(costs, radiographs, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["compare", str(radiographs), "--groups", r"patient(\d+)", "--out", str(out), "--budget", "60s"]
    argv += ["--models", "hog+svm,lbp+svm,edges+svm", "--folds", "2", "--image-size", "48"]
    assert main(argv) == 0
    said = capsys.readouterr().err
    assert "--budget leaves out hog+svm (2 min)" in said
    models = list(dict.fromkeys(pd.read_csv(out / "predictions.csv")["model"]))
    assert models[-2:] == ["edges+svm", "lbp+svm"]
    assert "hog+svm" not in models


def test_a_budget_that_is_spent_ends_the_run_with_what_is_finished(costs, radiographs, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    argv = ["compare", str(radiographs), "--groups", r"patient(\d+)", "--out", str(out), "--budget", "10s"]
    argv += ["--models", "lbp+svm,edges+svm", "--folds", "2", "--image-size", "48"]
    # Asked at the start, for what fits, and after each fold: of three baselines and, over with its second, of edges.
    clock = iter([*[0.0] * (2 + 3 * 2 + 1), *[1e6] * 1000])
    monkeypatch.setattr(_budget, "now", lambda: next(clock))
    assert main(argv) == 0
    said = capsys.readouterr().err
    assert "--budget is spent; not through: " in said
    assert "lbp+svm" in said.split("not through: ")[1]
    assert "lbp+svm" not in set(pd.read_csv(out / "measures.csv")["model"])


def test_no_model_that_fits_is_an_error(costs, radiographs, capsys):
    argv = ["compare", str(radiographs), "--groups", r"patient(\d+)", "--models", "hog+svm", "--folds", "2"]
    assert main([*argv, "--budget", "2s"]) == 2
    assert "no model fits; the cheapest is hog+svm: about 2 min" in capsys.readouterr().err


def test_seconds_in_words():
    assert [describe_seconds(s) for s in (59, 89, 5399, 7200)] == [
        "less than a minute",
        "about 1 min",
        "about 90 min",
        "about 2.0 h",
    ]


def test_the_report_tells_the_command_and_that_images_are_drawn(radiographs, tmp_path):
    out = tmp_path / "out"
    argv = ["compare", str(radiographs), "--groups", r"patient(\d+)", "--out", str(out), *QUICK]
    assert main(argv) == 0
    text = (out / "report.html").read_text()
    assert "fracture-features compare" in text
    assert "synthetic, drawn by this library" in text
    other = make_radiographs(20, folder=tmp_path / "other", random_state=3)
    (other / "truth.csv").unlink()
    assert main(["compare", str(other), "--groups", r"patient(\d+)", "--out", str(out), *QUICK]) == 0
    assert "not known to be synthetic" in (out / "report.html").read_text()


def test_a_result_without_baselines_has_no_comparison(data):
    result = make_result(data)
    alone = EvaluationResult(data, [f for f in result.fold_results if f.role == "model"], result.excluded, 0)
    assert alone.table().frame["Model"].tolist() == ["edges", "hog"]
