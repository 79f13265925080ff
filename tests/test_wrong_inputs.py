"""What is typed wrong is answered by one clear line in the command's words, and exit code 2."""

import os
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from fracture_features import make_pipeline, train_model
from fracture_features.cli import main

# Python's words, which a message to someone at a shell has no use for.
FOREIGN = re.compile(
    r"Traceback|Namespace|argparse|\bNone\b|_at_least|positive=|groups=|label=|root=|image_size=|operating_point"
    r"|metadata_columns|random_state|n_jobs|\('[a-z]|Error\(|ndarray|DataFrame|<class"
)


@pytest.fixture(scope="module")
def place(radiographs, data, tmp_path_factory):
    """A folder to stand in: a data set, tables with faults, a model, files that are something else."""
    place = tmp_path_factory.mktemp("place")
    shutil.copytree(radiographs, place / "data")
    truth = pd.read_csv(radiographs / "truth.csv")
    truth["image"] = [f"data/{name}" for name in truth["image"]]
    truth["label"] = np.where(truth["fractured"] == 1, "fractured", "normal")
    truth[["image", "label", "patient"]].to_csv(place / "good.csv", index=False)
    truth[["image", "label", "patient"]].to_csv(place / "semicolon.csv", sep=";", index=False)
    truth.assign(label=np.where(truth["fractured"] == 1, "apple", "pear")).to_csv(place / "fruit.csv", index=False)
    truth.assign(label="fractured").to_csv(place / "one.csv", index=False)
    truth.assign(image="nowhere.png").head(1).to_csv(place / "missing.csv", index=False)
    gaps = truth.assign(patient=[pd.NA, *truth["patient"][1:]])
    gaps[["image", "label", "patient"]].to_csv(place / "gaps.csv", index=False)
    truth.assign(label=[pd.NA, *truth["label"][1:]])[["image", "label"]].to_csv(place / "nolabel.csv", index=False)
    (place / "empty.csv").write_text("")
    (place / "headings.csv").write_text("image,label\n")
    (place / "empty").mkdir()
    (place / "file.txt").write_text("text")
    (place / "manifest.json").write_text("{}")
    model = train_model(make_pipeline("edges", "svm", image_size=48), data, name="edges", random_state=0)
    model.save(place / "model.ff")
    return place


QUICK = ["--models", "edges+svm", "--folds", "2", "--image-size", "48"]
G = ["--groups", r"patient(\d+)"]
WRONG = [
    # the command
    ([], "the following arguments are required: COMMAND"),
    (["classify"], "invalid choice: 'classify'"),
    (["--nonsense"], "required: COMMAND"),
    (["compare", "data", "--nonsense"], "unrecognized arguments: --nonsense"),
    (["compare"], "one of the arguments folder --rerun is required"),
    (["compare", "data", "--rerun", "manifest.json"], "not allowed with argument"),
    (["train", "data"], "required: --out"),
    (["show", "data"], "required: --out"),
    (["predict", "model.ff"], "required: PATH"),
    (["cache", "shrink", "x"], "invalid choice: 'shrink'"),
    # numbers and words
    (["compare", "data", "--folds", "1"], "--folds: expected a whole number of at least 2, got '1'"),
    (["compare", "data", "--folds", "many"], "--folds: expected a whole number of at least 2, got 'many'"),
    (["compare", "data", "--repeats", "0"], "--repeats: expected a whole number of at least 1, got '0'"),
    (["compare", "data", "--seed", "-1"], "--seed: expected a whole number of at least 0, got '-1'"),
    (["compare", "data", "--seed", "1.5"], "--seed: expected a whole number of at least 0, got '1.5'"),
    (["compare", "data", "--jobs", "0"], "--jobs: expected a number of threads, or -1 for all cores, got 0"),
    (["compare", "data", "--image-size", "big"], "--image-size: expected a whole number of at least 1, got 'big'"),
    (["compare", "data", "--budget", "10"], "--budget: expected a time such as 90s, 10m or 1h30m, got '10'"),
    (["compare", "data", "--budget", "soon"], "--budget: expected a time such as 90s, 10m or 1h30m, got 'soon'"),
    (["compare", "data", "--budget", "0m"], "--budget: expected a time such as 90s, 10m or 1h30m, got '0m'"),
    (["compare", "data", "--baselines", "some"], "--baselines: invalid choice: 'some'"),
    (["compare", "data", "--layout", "grazpedwri"], "--layout: invalid choice: 'grazpedwri'"),
    (["compare", "data", "--subgroups", "view,"], "--subgroups: expected names of columns separated by commas"),
    (["compare", "data", "--metadata", ","], "--metadata: expected names of columns separated by commas"),
    (["compare", "data", "--salt", ""], "--salt: expected a secret text, got an empty one"),
    (["compare", "data", "--cache", ""], "--cache: expected a folder, got an empty name"),
    (["serve", "model.ff", "--port", "70000"], "--port: expected a port from 0 to 65535, got '70000'"),
    (["extract", "data", "--out", "s", "--shard", "9/8"], "--shard: expected i/n, such as 2/8"),
    (["extract", "data", "--out", "s", "--features", "sift"], "sift"),
    (["compare", "data", "--backend", "slurm"], "--backend: invalid choice: 'slurm'"),
    # rules
    (["compare", "data", "--operating-point", "f1"], "--operating-point: expected sensitivity, sensitivity=SHARE"),
    (
        ["compare", "data", "--operating-point", "sensitivity=2"],
        "(above 0 and up to 1), threshold=SCORE or youden, got",
    ),
    (["compare", "data", "--operating-point", "sensitivity=x"], "or youden, got 'sensitivity=x'"),
    (["train", "data", "--out", "m", "--operating-point", "f1"], "--operating-point: expected sensitivity"),
    (["train", "data", "--out", "m", "--operating-point", "rule-out=2"], "rule-out=NPV (NPV above 0 and below 1)"),
    (["train", "data", "--out", "m", "--operating-point", "rule-out"], "got 'rule-out'"),
    (["train", "data", "--out", "m", "--operating-point", "thresholds=1,0"], "(LOW no higher than HIGH), got"),
    (["train", "data", "--out", "m", "--operating-point", "thresholds=1"], "thresholds=LOW,HIGH"),
    # models
    (["compare", "data", "--models", "hog+knn"], "'hog+knn': 'knn' is unknown"),
    (["compare", "data", "--models", "sift+svm"], "'sift' is unknown"),
    (["compare", "data", "--models", "hog+cnn"], "takes the images themselves"),
    (["compare", "data", "--models", "hog+svm,hog+svm"], "a model is named twice"),
    (["compare", "data", "--models", ""], "a part is empty"),
    (["train", "data", "--model", "svn", "--out", "m"], "'svn'"),
    (["compare", "data", *G, "--models", "hog+svm", "--image-size", "8"], "--image-size 8: hog+svm: HOGExtractor"),
    # data
    (["compare", "nowhere"], "nowhere"),
    (["compare", "file.txt"], "it is a file"),
    (["compare", "nowhere.csv"], "nowhere.csv"),
    (["compare", "empty.csv"], "empty.csv"),
    (["compare", "good.csv", "--label", "diagnosis"], "no column 'diagnosis'"),
    (["compare", "good.csv", "--image", "file"], "no column 'file'"),
    (["compare", "good.csv", "--groups", "hospital"], "hospital"),
    (["compare", "good.csv", "--metadata", "view"], "--metadata: no column ['view']"),
    (["compare", "good.csv", "--positive", "broken"], "--positive 'broken'"),
    (["compare", "fruit.csv", "--groups", "patient"], "--positive"),
    (["compare", "one.csv"], "one.csv"),
    (["compare", "missing.csv"], "nowhere.png"),
    (["compare", "nolabel.csv"], "nolabel.csv"),
    (["compare", "gaps.csv", "--groups", "patient"], "--groups"),
    (["compare", "data", "--groups", "("], "--groups '('"),
    (["compare", "data", "--groups", r"nobody(\d+)"], "--groups"),
    (["compare", "data", "--groups", "nobody.csv"], "nobody.csv"),
    (["compare", "data", "--root", "x"], "--root and --empty are for a csv"),
    (["compare", "data", "--layout", "mura", "--groups", "x"], "--groups: layout mura has its own"),
    (["compare", "data", "--layout", "fracatlas", "--positive", "x"], "--positive: layout fracatlas has its own"),
    (["compare", "data", "--layout", "fracatlas"], "dataset.csv"),
    (["compare", "data", "--split", "--repeats", "2"], "leave out --split"),
    (["compare", "data", *G, "--split", *QUICK], "split"),
    (["compare", "data", *G, "--external-groups", "x"], "--external-groups needs --external"),
    (["compare", "data", *G, "--external", "nowhere", *QUICK], "nowhere"),
    (["compare", "data", *G, "--external", "data", *QUICK], "another source"),
    (["compare", "good.csv", "--groups", "patient", "--subgroups", "view", *QUICK], "--subgroups: no column 'view'"),
    (["compare", "good.csv", "--by-study", "study", *QUICK], "--by-study"),
    (["compare", "data", "--groups", "(patient)", "--no-audit", *QUICK], "fold"),
    (["compare", "data", *G, "--out", "file.txt", *QUICK], "--out 'file.txt' cannot be made"),
    (["compare", "--rerun", "manifest.json"], "--rerun 'manifest.json' is no manifest"),
    (["compare", "--rerun", "nowhere.json"], "--rerun 'nowhere.json' is no manifest"),
    (["compare", "--rerun", "manifest.json", "--folds", "3"], "got --folds too"),
    # files of models and pages
    (["predict", "nowhere.ff", "data"], "'nowhere.ff' cannot be opened: No such file"),
    (["predict", "file.txt", "data"], "file.txt"),
    (["predict", "model.ff", "empty"], "no images"),
    (["predict", "model.ff", "no*.png"], "no images; expected a file, a folder, a pattern"),
    (["predict", "model.ff", "empty.csv"], "empty.csv"),
    (["evaluate", "model.ff", "nowhere"], "nowhere"),
    (["evaluate", "model.ff", "good.csv", "--label", "x"], "no column 'x'"),
    (["explain", "model.ff", "nowhere.png", "--out", "x.png"], "nowhere.png"),
    (["explain", "model.ff", "file.txt", "--out", "x.png"], "file.txt"),
    (["info", "file.txt"], "file.txt"),
    (["train", "data", *G, "--model", "edges+svm", "--out", "empty"], "--out 'empty' is a folder; expected a file"),
    (["show", "nowhere", "--out", "page.html"], "nowhere"),
    (["show", "data", "--out", "empty"], "--out 'empty' is a folder; expected a file"),
    (["audit", "nowhere"], "nowhere"),
    (["extract", "nowhere", "--out", "s"], "nowhere"),
    (["cache", "info", "empty"], "there is no cache"),
]


def test_there_are_sixty():
    assert len({tuple(arguments) for arguments, _ in WRONG}) == len(WRONG) >= 60


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(arguments)[:60] for arguments, _ in WRONG])
def test_one_clear_line(arguments, message, place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    before = set(os.listdir(place))
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2, captured.err
    assert captured.out == ""
    lines = captured.err.splitlines()
    errors = [line for line in lines if "rror:" in line]
    assert len(errors) == 1, captured.err
    assert lines[-1] == errors[0]
    assert message in errors[0]
    assert not FOREIGN.search(errors[0].replace(str(place), "")), errors[0]
    assert len(errors[0].replace(str(place), "")) < 420
    others = [
        line
        for line in lines[:-1]
        if line and not line.startswith(("Warning:", "FractureDataset:", "Note:", "Copies:"))
    ]
    assert others == []
    assert set(os.listdir(place)) - before <= {f".{name}.lock" for name in ("m", "x.png", "page.html")}
