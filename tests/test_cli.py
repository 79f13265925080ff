import csv
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from results import make_result, with_few_groups
from rich.console import Console

from fracture_features import EvaluationResult, make_radiographs
from fracture_features._locks import LOCK, held, temporary_folder
from fracture_features.cache import open_cache
from fracture_features.cli import DEFAULT_MODELS, _rerun, main
from fracture_features.cli._audit import number_tables
from fracture_features.cli._output import COLUMNS, _tables, print_result, write_csv
from fracture_features.cli._screen import visible
from fracture_features.evaluation import BASELINES
from fracture_features.exceptions import FractureFeaturesError

QUICK = ["--models", "edges+svm", "--folds", "2", "--image-size", "48"]


def test_compare_prints_a_table_and_writes_the_files(radiographs, tmp_path, capsys):
    out = tmp_path / "new" / "out"
    code = main(["compare", str(radiographs), "--groups", r"patient(\d+)", "--out", str(out), *QUICK])
    captured = capsys.readouterr()
    assert code == 0
    assert "majority class" in captured.out
    assert "edges+svm" in captured.out
    assert "Not a medical device" in captured.out
    assert "60 images" in captured.err
    assert sorted(path.name for path in out.iterdir()) == [
        *(
            "checkpoint",
            "comparison.csv",
            "excluded.csv",
            "folds.csv",
            "manifest.json",
            "measures.csv",
            "predictions.csv",
        ),
        "report.html",
        "result.npz",
    ]
    measures = pd.read_csv(out / "measures.csv")
    assert set(measures["model"]) == {*BASELINES, "edges+svm"}
    value = measures.query("model == 'edges+svm' and measure == 'roc_auc'")["value"].item()
    assert f"{value:.2f}" in captured.out
    assert EvaluationResult.load(out).frame().query("model == 'edges+svm'")["value"].iloc[0] == value
    assert len(pd.read_csv(out / "predictions.csv")) == 4 * 60


def test_a_manifest_is_enough_to_run_again_with_equal_numbers(radiographs, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "radiographs"
    shutil.copytree(radiographs, folder)
    monkeypatch.chdir(tmp_path)
    extra = ["--operating-point", "sensitivity=0.8"]
    assert main(["compare", "radiographs", "--groups", r"patient(\d+)", "--out", "first", *QUICK, *extra]) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["compare", "--rerun", "../first/manifest.json", "--out", "second"]) == 0
    first, second = (
        pd.read_csv(path / "predictions.csv") for path in (tmp_path / "first", tmp_path / "elsewhere" / "second")
    )
    pd.testing.assert_frame_equal(first, second)
    monkeypatch.chdir(tmp_path)
    next(folder.glob("fractured/*")).unlink()
    assert main(["compare", "--rerun", "first/manifest.json"]) == 2
    assert "the files are not those of the manifest; there are 59 now" in capsys.readouterr().err
    (tmp_path / "x.json").write_text("[]")
    assert main(["compare", "--rerun", "x.json"]) == 2
    assert "'x.json' is no manifest of this command" in capsys.readouterr().err


def test_external_images_have_a_table_of_their_own(radiographs, tmp_path, capsys):
    other = make_radiographs(20, folder=tmp_path / "other", random_state=9)
    arguments = ["--groups", r"patient(\d+)", "--external", str(other), "--out", str(tmp_path / "out"), *QUICK]
    assert main(["compare", str(radiographs), *arguments]) == 0
    assert "Another source, <FractureDataset: 20 images" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "out" / "external_predictions.csv")) == 2 * 4 * 20


def test_no_cell_of_a_table_is_a_formula(tmp_path):
    frame = pd.DataFrame({"=1+1": ["=cmd|' /C calc'!A0", "+1", "-x", "@y", "plain"], "value": [-1.5, 2, 3, 4, 5]})
    write_csv(frame, tmp_path / "x.csv")
    with open(tmp_path / "x.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["'=1+1", "value"]
    assert [row[0] for row in rows[1:]] == ["'=cmd|' /C calc'!A0", "'+1", "'-x", "'@y", "plain"]
    assert rows[1][1] == "-1.5"


def test_a_model_no_better_than_a_baseline_is_marked(radiographs, capsys):
    assert main(["compare", str(radiographs), "--groups", r"patient(\d+)", *QUICK]) == 0
    printed = capsys.readouterr().out
    assert "folds, whose training and test parts share 0 of 20 groups, with 95 % intervals" in printed


@pytest.mark.parametrize(("model", "is_marked"), [("edges", False), ("lbp", True)])
def test_the_mark_is_on_models_that_are_not_shown_to_be_better(data, capsys, model, is_marked):
    """Of scores that are given: those of "edges" part the classes, those of "lbp" do not."""
    result = make_result(data, models=(model,))
    above = result.frame().query("model == @model")["above_baselines"]
    assert (above == (not is_marked)).all()
    print_result(result, "Means")
    printed = capsys.readouterr().out
    assert (f"{model} *" in printed) == is_marked
    assert ("* not shown to be better" in printed) == is_marked


def test_compare_leaves_out_what_cannot_be_read(radiographs, tmp_path, capsys):
    for path in radiographs.glob("*/*.*"):
        copy = tmp_path / "data" / path.relative_to(radiographs)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    broken = sorted((tmp_path / "data").glob("non-fractured/*"))[:3]
    for path in broken:
        path.write_bytes(path.read_bytes()[:2000])
    out = tmp_path / "out"
    assert main(["compare", str(tmp_path / "data"), "--groups", r"patient(\d+)", "--out", str(out), *QUICK]) == 0
    assert "Left out 3 unreadable files (3 non-fractured)" in capsys.readouterr().err
    with open(out / "excluded.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [str(path) for path in broken]
    assert all("cut short" in row["reason"] for row in rows)


def test_layouts_are_told_apart(radiographs, tmp_path, capsys):
    truth = pd.read_csv(radiographs / "truth.csv")
    truth.to_csv(radiographs / "table.csv", index=False)
    arguments = ["--label", "fractured", "--groups", "patient", *QUICK]
    assert main(["compare", str(radiographs / "table.csv"), *arguments]) == 0
    assert "20 groups" in capsys.readouterr().err
    (radiographs / "table.csv").unlink()
    assert main(["compare", str(radiographs), "--layout", "fracatlas", *QUICK]) == 2
    assert "dataset.csv" in capsys.readouterr().err


def test_a_warning_without_groups(radiographs, capsys):
    assert main(["compare", str(radiographs), *QUICK]) == 0
    assert "Warning: No groups are given" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required"),
        (["classify"], "invalid choice"),
        (["compare"], "one of the arguments folder --rerun is required"),
        (["compare", "x", "--operating-point", "f1"], "expected sensitivity, sensitivity=SHARE"),
        (["compare", "x", "--repeats", "0"], "at least 1, got '0'"),
        (["compare", "x", "--seed", "-1"], "at least 0, got '-1'"),
        (["compare", "x", "--models", "hog+knn"], "'hog+knn': 'knn' is unknown"),
        (["compare", "x", "--models", "sift+svm"], "'sift' is unknown"),
        (["compare", "x", "--models", "hog+cnn"], "takes the images themselves"),
        (["compare", "x", "--models", "hog+svm,hog+svm"], "named twice"),
        (["compare", "x", "--models", ""], "a part is empty"),
        (["compare", "x", "--folds", "1"], "at least 2"),
        (["compare", "x", "--folds", "many"], "expected a whole number of at least 2, got 'many'"),
        (["compare", "x", "--layout", "grazpedwri"], "invalid choice"),
        (["compare", "nowhere"], "there is no such folder"),
    ],
)
def test_wrong_usage_exits_with_2(arguments, message, capsys):
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err.replace("\n", "")


@pytest.mark.parametrize("command", [["compare", "nowhere"], ["demo"]])
def test_a_missing_extra_stops_before_anything_is_read(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)  # not to be found
    out = tmp_path / "out"
    assert main([*command, "--models", "edges+svm,mobilenetv2+svm", "--out", str(out)]) == 2
    message = "the model 'mobilenetv2+svm' needs the package 'keras': pip install 'fracture_features[cnn]'"
    assert message in capsys.readouterr().err
    assert not out.exists()
    assert main(["compare", "nowhere", "--models", "edges+svm"]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_bad_data_exit_codes(tmp_path, capsys):
    (tmp_path / "fractured").mkdir()
    assert main(["compare", str(tmp_path), *QUICK]) == 3
    assert "no images in it" in capsys.readouterr().err
    (tmp_path / "fractured" / "1.png").write_bytes(b"")
    assert main(["compare", str(tmp_path), *QUICK]) == 2
    (tmp_path / "normal").mkdir()
    (tmp_path / "normal" / "2.png").write_text("text")
    assert main(["compare", str(tmp_path), *QUICK]) == 3
    assert "none of 2 files can be read" in capsys.readouterr().err


def test_out_that_is_a_file(radiographs, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert main(["compare", str(radiographs), "--out", str(tmp_path / "out"), *QUICK]) == 2
    assert "--out" in capsys.readouterr().err


def test_too_few_groups_for_the_folds(radiographs, capsys):
    code = main(["compare", str(radiographs), "--groups", r"(patient)", *QUICK])
    assert code == 2
    assert "fold" in capsys.readouterr().err


def test_demo_draws_and_compares_and_draws_only_once(tmp_path, capsys):
    out = tmp_path / "demo"
    for drawn in (True, False):
        assert main(["demo", "--n-samples", "60", "--out", str(out), *QUICK]) == 0
        captured = capsys.readouterr()
        assert ("Drawing 60" in captured.err) is drawn
        assert "edges+svm" in captured.out
    assert (out / "radiographs" / "fractured").is_dir()


def test_cache_info_and_clear(radiographs, tmp_path, capsys):
    cache = str(tmp_path / "cache")
    assert main(["compare", str(radiographs), "--groups", r"patient(\d+)", "--cache", cache, *QUICK]) == 0
    capsys.readouterr()
    assert main(["cache", "info", cache]) == 0
    assert "420 values" in capsys.readouterr().out  # digest, description, pixels (twice) and edges of 60 files
    assert main(["cache", "clear", cache]) == 0
    assert "removed" in capsys.readouterr().out
    assert main(["cache", "info", cache]) == 2
    assert "there is no cache" in capsys.readouterr().err


def test_cache_info_tells_of_damage_and_clear_removes_it(tmp_path, capsys):
    cache = tmp_path / "cache[b]"
    open_cache(cache).put([(b"a", b"1")])
    open_cache(cache).put([(b"b", b"2")])
    damaged = next(path for path in cache.rglob("*") if path.is_file())
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert main(["cache", "info", str(cache)]) == 2
    captured = capsys.readouterr()
    assert "cache[b]: 1 values" in captured.out
    assert f"1 damaged files, the first '{damaged}'" in captured.err
    assert main(["cache", "clear", str(cache)]) == 0
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("arguments", [["compare", "folder", "--cache", ""], ["cache", "info", ""]])
def test_a_cache_has_a_name(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "expected a folder, got an empty name" in capsys.readouterr().err


def test_help_names_the_default_models(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["compare", "--help"])
    assert stop.value.code == 0
    assert DEFAULT_MODELS in re.sub(r"\s+", "", capsys.readouterr().out)


def test_interrupt_leaves_what_was_finished(tmp_path):
    """Ctrl-C in a real terminal, once the first model's folds are through."""
    folder = make_radiographs(60, folder=tmp_path / "radiographs", random_state=0)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "fracture_features", "compare", str(folder), "--groups", r"patient(\d+)"]
    command += ["--out", str(out), "--models", "edges+svm,cnn", "--image-size", "128", "--folds", "2"]
    primary, secondary = pty.openpty()
    # Where the tests run in the background of a script, Ctrl-C is ignored, and children inherit that.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=secondary, start_new_session=True, text=True, preexec_fn=listen
    )
    os.close(secondary)
    seen, deadline = "", time.monotonic() + 90
    while "cnn" not in seen and time.monotonic() < deadline:
        if select.select([primary], [], [], 1)[0]:
            seen += os.read(primary, 10_000).decode(errors="replace")
    process.send_signal(signal.SIGINT)
    try:
        stdout, _ = process.communicate(timeout=180)
    finally:
        process.kill()
        os.close(primary)
    assert process.returncode == 130
    assert "edges+svm" in stdout
    assert set(pd.read_csv(out / "measures.csv")["model"]) == {*BASELINES, "edges+svm"}


OPENINGS = """
import collections, json, sys
from fracture_features import cache
from fracture_features.cli import main

folder, sizes, argv = sys.argv[1], sys.argv[2].split(), sys.argv[3:]
opened = collections.Counter()

def hook(event, args):
    # Beside what the timing of predictions opens, which finds nothing in a cache.
    if event == "open" and str(args[0]).startswith(folder) and not cache._bypassed.get():
        opened[args[0]] += 1

sys.addaudithook(hook)
for size in sizes:
    opened.clear()
    code = main([*argv, "--image-size", size, "--out", f"out{size}"])
    print(json.dumps({"code": code, "opened": opened}))
"""


def test_no_file_is_read_more_than_twice(radiographs, tmp_path):
    """Opened for its first bytes, for all that is asked of it, and where the report shows it or one is much like it."""
    sizes = ["48", "300"]
    argv = ["compare", str(radiographs), "--groups", r"patient(\d+)", *QUICK[:-2]]
    run = subprocess.run(
        [sys.executable, "-c", OPENINGS, f"{radiographs}{os.sep}", " ".join(sizes), *argv],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    counts = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('{"code"')]
    for size, found in zip(sizes, counts, strict=True):
        opened = {path: n for path, n in found["opened"].items() if path.endswith(".jpg")}
        assert found["code"] == 0
        assert len(opened) == 60
        assert max(opened.values()) <= 4
        assert 1 <= sum(n > 2 for n in opened.values()) <= 24
        assert 'alt="Heat map over' in (tmp_path / f"out{size}" / "report.html").read_text()


FAILING = """
import sys
from fracture_features import pipeline
from fracture_features.cli import main
from sklearn.svm import SVC

class Failing(SVC):
    def fit(self, X, y):
        raise RuntimeError("no [bold]luck[/bold]")

pipeline.CLASSIFIERS["failing"] = pipeline.Classifier(Failing)
sys.exit(main(sys.argv[1:]))
"""


def test_a_model_that_fails_is_named_and_the_others_are_written(radiographs, tmp_path):
    out = tmp_path / "out"
    argv = ["compare", str(radiographs), "--groups", r"patient(\d+)", "--out", str(out), *QUICK]
    argv[argv.index("edges+svm")] = "edges+svm,edges+failing"
    run = subprocess.run([sys.executable, "-c", FAILING, *argv], capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr
    for fold in (1, 2):
        assert f"Failed: edges+failing, fold {fold}: RuntimeError: no [bold]luck[/bold]" in run.stderr
    failures = pd.read_csv(out / "failures.csv")
    assert failures["model"].tolist() == ["edges+failing"] * 2
    assert set(pd.read_csv(out / "measures.csv")["model"]) == {*BASELINES, "edges+svm"}
    assert (out / "report.html").exists()
    # The next run leaves nothing of this one: no failures, and no job of a model that is gone.
    n_jobs = len(list((out / "checkpoint").glob("*.npz")))
    assert (
        main(
            [
                "compare",
                str(radiographs),
                "--groups",
                r"patient(\d+)",
                "--out",
                str(out),
                *QUICK[:1],
                "lbp+svm",
                *QUICK[2:],
            ]
        )
        == 0
    )
    assert not (out / "failures.csv").exists()
    assert len(list((out / "checkpoint").glob("*.npz"))) == n_jobs


def test_a_run_without_external_images_leaves_none_of_theirs(radiographs, tmp_path):
    outside = make_radiographs(20, folder=tmp_path / "outside", random_state=1)
    out = tmp_path / "out"
    argv = ["compare", str(radiographs), "--groups", r"patient(\d+)", "--out", str(out), *QUICK]
    assert main([*argv, "--external", str(outside)]) == 0
    assert (out / "external_measures.csv").exists()
    assert main(argv) == 0
    assert not (out / "external_measures.csv").exists()


@pytest.mark.parametrize(
    ("sig", "code"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGHUP, 143, marks=pytest.mark.slow),
    ],
)
def test_signals_leave_what_is_finished_and_no_temporary_folder(radiographs, tmp_path, sig, code):
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "fracture_features", "compare", str(radiographs), "--groups", r"patient(\d+)"]
    command += ["--out", str(out), "--models", "edges+svm,cnn", "--image-size", "96", "--folds", "2"]
    listen = partial(signal.signal, sig, signal.SIG_DFL)  # which a shell in the background or nohup ignores
    environment = {**os.environ, "TMPDIR": str(temporary)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True, preexec_fn=listen)
    deadline = time.monotonic() + 90
    while len(list(out.glob("checkpoint/*.npz"))) < 8 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(sig)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert ("Interrupted." if sig == signal.SIGINT else "Terminated.") in said
    assert set(pd.read_csv(out / "measures.csv")["model"]) == {*BASELINES, "edges+svm"}
    assert not [path for path in temporary.iterdir() if path.name.startswith("fracture_features_")]


def test_nothing_a_user_gave_is_markup_or_obeyed(radiographs, tmp_path, capsys):
    """Brackets are shown as they are; escapes are spelt out."""
    assert main(["compare", str(radiographs), "--groups", r"[/_]x(\d+)", *QUICK]) == 2
    assert "'[/_]x(" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "a\x1b[31mb\u202e[bold]c"), *QUICK]) == 2
    said = capsys.readouterr().err
    assert r"a\x1b[31mb\u202e[bold]c" in said
    assert "\x1b[31m" not in said
    with pytest.raises(SystemExit):
        main(["compare", "x", "--layout", "\x1b[31m"])
    assert "\x1b" not in capsys.readouterr().err
    assert visible("päth/日本 ok") == "päth/日本 ok"


@pytest.mark.parametrize("width", [80, 81, 100, 120, 200])
def test_the_table_fits_the_terminal_and_breaks_no_number(width):
    names = ["majority class", "hog+lbp+edges+gabor+fisher+densenet121+random_forest", "x"]
    rows = [
        (name, measure, 0.12345 if measure != "predict_ms" else 1234.5, 0.1, 0.9, False)
        for name in names
        for measure in COLUMNS
    ]
    frame = pd.DataFrame(rows, columns=["model", "measure", "value", "low", "high", "above_baselines"])
    console = Console(width=width, file=io.StringIO(), highlight=False)
    for table in _tables(frame, width):
        console.print(table)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for part in ("ROC AUC", "precision", "Accuracy", "ficity", "minutes", "ms/image", "majority class", "densenet121+"):
        assert part in text
    assert text.count("0.10–0.90") == 6 * len(names)
    assert "random_forest *" in text


@pytest.mark.parametrize("width", [80, 81, 100, 120, 200])
def test_the_tables_of_an_audit_fit_the_terminal_too(width):
    ledger = pd.DataFrame(
        {
            "family": ["thumbnail of the image", "file [name]"],
            "roc_auc": [0.6641, 0.57],
            "low": [0.37, 0.28],
            "high": [0.91, 0.8],
            "p_value": [0.938, 1.0],
            "added": [0.627, 0.57],
            "added_low": [0.31, 0.28],
            "added_high": [0.9, 0.8],
            "is_shortcut": [True, False],
            "explained_by": [None, "resolution"],
            "largest_feature": ["thumbnail_row_15_column_31", "bytes_per_pixel"],
        }
    )
    console = Console(width=width, file=io.StringIO(), highlight=False)
    for table in number_tables(ledger, width):
        console.print(table)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for part in ("0.664", "(0.37–0.91)", "(0.31–0.90)", "thumbnail_row_15_column_31", "[name]", "yes", "shortcut"):
        assert part in text


@pytest.mark.parametrize(("value", "shown"), [(0.12345, "0.12"), (np.nan, "–")])
def test_what_has_no_interval_has_a_value_alone(value, shown):
    rows = [("m", measure, value, np.nan, np.nan, None) for measure in COLUMNS]
    frame = pd.DataFrame(rows, columns=["model", "measure", "value", "low", "high", "above_baselines"])
    (table,) = _tables(frame, 200)
    assert [cell.plain for cell in table.columns[1].cells] == [shown]


def test_the_screen_says_why_an_interval_is_withheld(data, capsys):
    print_result(with_few_groups(make_result(data, models=("edges",))), "Means")
    why = "No interval: ROC AUC, Average precision, Sensitivity, Specificity, Balanced accuracy of"
    assert why in capsys.readouterr().out
    print_result(make_result(data, models=("edges",)), "Means")
    assert "No interval" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--jobs", "0"], "expected a number of threads, or -1 for all cores, got 0"),
        (["--image-size", "8", "--models", "hog+svm"], "--image-size 8: hog+svm: HOGExtractor"),
        (["--image-size", "8", "--models", "accurate"], "--image-size 8: accurate: FisherVectorExtractor"),
        (["--image-size", "31", "--models", "lbp+svm,cnn"], "--image-size 31: cnn: architecture='small' needs images"),
        (
            ["--image-size", "40000", "--models", "svm"],
            "--image-size 40000: svm: --image-size must be at most",
        ),
        (["--image-size", "9" * 20, "--models", "hog+svm"], "must be at most 80,000,000 pixels, got 99,999"),
        (["--image-size", "16", "--models", "densenet121+svm"], "--image-size 16: densenet121+svm: architecture="),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_fitted(radiographs, tmp_path, capsys, arguments, message):
    out = tmp_path / "out"
    command = ["compare", str(radiographs), "--groups", r"patient(\d+)", "--out", str(out), *arguments]
    try:
        code = main(command)
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2
    assert message in captured.err
    assert captured.out == ""
    assert not out.exists()


def test_a_demo_draws_nothing_for_models_that_cannot_be(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "out"), "--models", "cnn", "--image-size", "16"]) == 2
    assert "--image-size 16: cnn: architecture='small' needs images" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_operating_point_is_for_two_classes(radiographs, tmp_path, capsys):
    for k, path in enumerate(sorted(radiographs.glob("*/*.jpg"))):
        target = tmp_path / "data" / f"class{k % 5}" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert main(["compare", str(tmp_path / "data"), "--operating-point", "youden", *QUICK]) == 2
    assert "--operating-point is for two classes, there are 5" in capsys.readouterr().err


@pytest.fixture
def dicom(tmp_path):
    """Two folders of drawn radiographs as DICOM, which share two of their patients."""
    test_datasets = pytest.importorskip("test_datasets")
    pytest.importorskip("pydicom")
    noise = np.random.default_rng(0).integers(0, 256, (32, 64), dtype=np.uint8)
    for k, pixels in enumerate(noise):
        folder = tmp_path / ("here", "there")[k % 2] / ("fractured", "normal")[k // 2 % 2]
        patient = {"PatientID": f"P{k if k > 3 else k // 2}"}
        test_datasets.write_dicom(folder / f"{k}.dcm", **patient, PixelData=pixels.tobytes())
    return tmp_path


def test_the_key_of_hashes_changes_nothing_and_is_written_nowhere(dicom, capsys, monkeypatch):
    monkeypatch.chdir(dicom)
    quick = ["--groups", "PatientID", "--models", "edges+svm", "--folds", "2", "--image-size", "16", "--out", "out"]
    assert main(["compare", "here", *quick, "--salt", "hush-hush"]) == 0
    first = pd.read_csv("out/measures.csv")
    assert "hush-hush" not in Path("out/manifest.json").read_text()
    for files in ("out", "out/checkpoint"):
        assert not any(b"hush-hush" in path.read_bytes() for path in Path(files).iterdir() if path.is_file())
    times = {path: path.stat().st_mtime_ns for path in Path("out/checkpoint").iterdir()}
    assert main(["compare", "here", *quick, "--salt=another"]) == 0
    assert {path: path.stat().st_mtime_ns for path in Path("out/checkpoint").iterdir()} == times, "fitted again"
    assert main(["compare", "--rerun", "out/manifest.json", "--salt", "third"]) == 0
    pd.testing.assert_frame_equal(pd.read_csv("out/measures.csv"), first)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["compare", "here", "--salt", ""])
    assert "expected a secret text, got an empty one" in capsys.readouterr().err


def test_patients_of_the_data_among_the_external_ones_are_said(dicom, capsys, monkeypatch):
    monkeypatch.chdir(dicom)
    quick = ["--groups", "PatientID", "--models", "edges+svm", "--folds", "2", "--image-size", "16"]
    assert main(["compare", "here", "--external", "there", *quick]) == 0
    assert "external: 2 of 16 images are of 2 patients of the data" in capsys.readouterr().err.replace("\n", " ")


@pytest.fixture
def manifest(radiographs, tmp_path):
    out = tmp_path / "first"
    assert main(["compare", str(radiographs), "--groups", r"patient(\d+)", "--out", str(out), *QUICK]) == 0
    return out / "manifest.json"


def test_rerun_refuses_what_it_did_not_write(manifest, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    true = json.loads(manifest.read_text())
    elsewhere = {"run": {**true["run"], "folder": str(tmp_path / "nowhere")}}
    cases = [
        ({"run": {**true["run"], "argv": ["cache", "clear", "x"]}}, "is no manifest of compare or demo"),
        ({"run": {**true["run"], "argv": ["compare", "--rerun", "m.json"]}}, "was itself a --rerun"),
        ({"run": {**true["run"], "argv": ["compare", "x", "--nonsense"]}}, "are none of this version's"),
        ({"run": {**true["run"], "argv": "compare"}}, "is no manifest of compare or demo"),
        ({"run": {**true["run"], "argv": []}}, "is no manifest of compare or demo"),
        ({"run": {**true["run"], "argv": [1]}}, "is no manifest of compare or demo"),
        (elsewhere, "cannot be entered: No such file or directory"),
        ({"data": {**true["data"], "digest": "0" * 64}}, "the files are not those of the manifest"),
        ({"run": None}, "is no manifest of this command"),
    ]
    for change, message in cases:
        Path("m.json").write_text(json.dumps(true | change))
        before = sorted(tmp_path.rglob("*"))
        assert main(["compare", "--rerun", "m.json", "--out", "again", "--cache", "new"]) == 2, message
        assert message in capsys.readouterr().err.replace("\n", " ")
        assert sorted(tmp_path.rglob("*")) == before
        monkeypatch.chdir(tmp_path)
    assert main(["compare", "--rerun", str(manifest), "--folds", "3", "--seed", "1"]) == 2
    assert "got --folds, --seed too" in capsys.readouterr().err.replace("\n", " ")
    Path("deep.json").write_text("[" * 100_000)
    assert main(["compare", "--rerun", "deep.json"]) == 2
    os.mkfifo("pipe")
    for special in ("pipe", "/dev/zero", "."):
        assert main(["compare", "--rerun", special]) == 2
        assert "is no regular file" in capsys.readouterr().err.replace("\n", " ")


def test_rerun_of_a_demo(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--n-samples", "60", *QUICK]) == 0
    assert main(["compare", "--rerun", "fracture-features-demo/manifest.json"]) == 0
    assert main(["compare", "--rerun", "fracture-features-demo/manifest.json", "--out", "again"]) == 0
    first, again = (
        pd.read_csv(tmp_path / name / "measures.csv").query("measure != 'fit_minutes' and measure != 'predict_ms'")
        for name in ("fracture-features-demo", "again")
    )
    pd.testing.assert_frame_equal(first, again)
    assert main(["demo", "--n-samples", "61", *QUICK]) == 2
    said = capsys.readouterr().err.replace("\n", " ")
    assert "remove it or give another --out" in said
    (tmp_path / "fracture-features-demo" / "radiographs.json").unlink()
    assert main(["demo", "--n-samples", "60", *QUICK]) == 2


def test_a_demo_killed_while_it_draws_leaves_no_half_folder(tmp_path):
    command = [sys.executable, "-m", "fracture_features", "demo", "--n-samples", "400", "--out", str(tmp_path / "demo")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("demo/.radiographs.part/*/*.jpg")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (tmp_path / "demo" / "radiographs").exists()
    assert main(["demo", "--n-samples", "60", "--out", str(tmp_path / "demo"), *QUICK]) == 0
    assert len(list(tmp_path.glob("demo/radiographs/*/*.jpg"))) == 60
    assert not list(tmp_path.glob("demo/.*"))


def test_a_second_demo_into_the_same_folder_draws_nothing(tmp_path, capsys):
    out = tmp_path / "demo"
    out.mkdir()
    with held(out / LOCK):
        assert main(["demo", "--n-samples", "60", "--out", str(out), *QUICK]) == 2
    assert "is being written by another run" in capsys.readouterr().err.replace("\n", " ")
    assert not list(out.glob("*radiographs*"))


def test_a_demo_that_another_run_has_drawn_meanwhile_is_drawn_once(tmp_path, monkeypatch):
    folder, real = tmp_path / "demo" / "radiographs", _rerun.held_folder

    def held_late(parent):
        monkeypatch.setattr(_rerun, "held_folder", real)
        _rerun.draw(folder, 12, 0)
        drawn.update({path: path.stat().st_mtime_ns for path in folder.rglob("*.jpg")})
        return real(parent)

    for n_samples, message in ((12, None), (13, "holds those of .*'n_samples': 12")):
        drawn = {}
        shutil.rmtree(tmp_path / "demo", ignore_errors=True)
        monkeypatch.setattr(_rerun, "held_folder", held_late)
        with nullcontext() if message is None else pytest.raises(FractureFeaturesError, match=message):
            _rerun.draw(folder, n_samples, 0)
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.jpg")} == drawn
        assert len(drawn) == 12


def test_a_second_run_into_the_same_folder_refuses(radiographs, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    command = ["compare", str(radiographs), "--groups", r"patient(\d+)", "--out", str(out), *QUICK]
    with held(out / LOCK) as is_mine:
        assert is_mine
        assert main(command) == 2
        assert "is being written by another run" in capsys.readouterr().err.replace("\n", " ")
    assert main(command) == 0
    assert not (out / LOCK).exists()


def test_what_cannot_be_written_does_not_cost_the_table(radiographs, tmp_path, capsys, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "measures.csv")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    out = tmp_path / "out"
    assert main(["compare", str(radiographs), "--groups", r"patient(\d+)", "--out", str(out), *QUICK]) == 1
    captured = capsys.readouterr()
    assert "edges+svm" in captured.out
    assert "No space left on device; the tables are not written" in captured.err
    assert not list(out.glob("*.csv"))


def test_a_line_for_each_fit_where_there_is_no_terminal(radiographs, capsys):
    assert main(["compare", str(radiographs), "--groups", r"patient(\d+)", *QUICK]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "s to fit" in line]
    assert len(lines) == 8
    assert lines[-1].startswith("8 of 8: edges+svm, fold 2 of 2, ")


def test_a_killed_runs_temporary_folder_is_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = "import os, sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
    code += "from fracture_features._locks import temporary_folder\n"
    code += "with temporary_folder() as folder:\n    print(folder, flush=True)\n    sys.stdin.read()"
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=-1, stdout=-1, text=True) for _ in range(2)
    ]
    folders = [Path(process.stdout.readline().strip()) for process in started]
    killed, living = started
    killed.kill()
    killed.wait()
    (tmp_path / "fracture_features_of_another_kind").mkdir()
    with temporary_folder() as own:
        assert not folders[0].exists()
        assert folders[1].exists()
        assert Path(own).exists()
    assert not Path(own).exists()
    living.communicate("")
    assert [path.name for path in tmp_path.iterdir()] == ["fracture_features_of_another_kind"]
    killed.stdin.close()
    killed.stdout.close()
