"""Runs killed at random moments: files are whole, nothing finished is lost, the next run removes what was left."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from fracture_features import load_model, make_pipeline, train_model

# A hundred take half an hour.
KILLS = int(os.environ.get("FRACTURE_FEATURES_KILLS", "12"))
# A signal that comes before it is listened to ends the process as the system does.
CODES = {signal.SIGINT: {130, 1, -2}, signal.SIGTERM: {143, -15}, signal.SIGKILL: {-9}}
COMPARE = ("--groups", r"patient(\d+)", "--folds", "2", "--image-size", "48", "--models")


def start(command, temporary):
    environment = os.environ | {"TMPDIR": str(temporary)}
    return subprocess.Popen(
        [sys.executable, "-m", "fracture_features", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a shell in the background ignores
    )


def read_tables(out):
    frames = {path.name: pd.read_csv(path) for path in sorted(out.glob("*.csv"))}
    measures = frames["measures.csv"]
    frames["measures.csv"] = measures[~measures["measure"].isin(["fit_minutes", "predict_ms"])]
    frames["folds.csv"] = frames["folds.csv"].drop(columns=["fit_seconds", "predict_ms"])
    paths = frames["predictions.csv"]["path"]
    frames["predictions.csv"]["path"] = paths.str.rpartition("/")[2]  # a demo draws into the folder of its results
    return frames


def finished_jobs(out):
    """When each job that is finished was written."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "checkpoint").glob("*.npz")}


def check_whole(out):
    for path in out.glob("*.*"):
        if path.suffix == ".csv":
            pd.read_csv(path)
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".html":
            assert path.read_text().rstrip().endswith("</html>")


def assert_resumes(command, tmp_path, kills, signals):
    """Kill runs of a command that takes --out at random moments, then let each through: its tables are those expected.

    Its temporary folder is one of its own, so that whatever it leaves there is seen.
    """
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    began = time.monotonic()
    said, _ = start([*command, "--out", tmp_path / "whole"], temporary).communicate()
    lasts, expected = time.monotonic() - began, read_tables(tmp_path / "whole")
    assert len(expected) >= 4, said
    rng = np.random.default_rng(0)
    for k in range(kills):
        out, sig = tmp_path / f"out{k}", signals[k % len(signals)]
        process = start([*command, "--out", out], temporary)
        time.sleep(lasts * rng.uniform(0.02, 1.05))
        process.send_signal(sig)
        said, _ = process.communicate()
        where = f"kill {k} by {sig.name}: {said}"
        assert process.returncode in {0, *CODES[sig]}, where
        if process.returncode in (130, 143):
            assert "Traceback" not in said, where
            assert not list(temporary.glob("fracture_features_*")), where
        check_whole(out)
        jobs = finished_jobs(out)
        process = start([*command, "--out", out], temporary)
        said, _ = process.communicate()
        assert process.returncode == 0, said
        for name, frame in read_tables(out).items():
            pd.testing.assert_frame_equal(frame, expected[name])
        assert jobs.items() <= finished_jobs(out).items(), "a finished job was run again"
        check_whole(out)
        assert (out / "report.html").exists()
        assert not [path for path in out.rglob(".*") if not path.name.startswith(".fracture")], "left behind"
        assert not list(temporary.glob("fracture_features_*")), "left behind"


def test_a_killed_comparison_goes_on_where_it_was(radiographs, tmp_path):
    assert_resumes(["compare", radiographs, *COMPARE, "edges+svm,hog+svm"], tmp_path, 1, [signal.SIGKILL])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_comparisons_with_a_network_are_killed(radiographs, tmp_path):
    command = ["compare", radiographs, *COMPARE, "edges+svm,cnn"]
    assert_resumes(command, tmp_path, KILLS // 2, [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_demos_with_a_network_are_killed(tmp_path):
    command = ["demo", "--n-samples", "60", "--folds", "2", "--image-size", "48", "--models", "cnn,hog+svm"]
    assert_resumes(command, tmp_path, KILLS - KILLS // 2, [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])


TRAIN = ("train", "--groups", r"patient(\d+)", "--model", "edges+svm", "--image-size", "48", "--calibrate", "--out")


def assert_whole_or_absent(command, out, check, tmp_path, kills):
    """Kill runs of a command that writes one file, and look at it each time; then let one through.

    In half of the runs there is a file of an earlier run.
    """
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    began = time.monotonic()
    said, _ = (process := start(command, temporary)).communicate()
    assert process.returncode == 0, said
    lasts, whole = time.monotonic() - began, out.read_bytes()
    rng, signals = np.random.default_rng(1), [signal.SIGTERM, signal.SIGKILL]
    for k in range(kills):
        sig = signals[k % 2]
        if is_there := k % 4 < 2:
            out.write_bytes(whole)
        else:
            out.unlink(missing_ok=True)
        process = start(command, temporary)
        # What is written is written at the end.
        time.sleep(lasts * rng.uniform(*((0.02, 0.8) if k % 3 == 0 else (0.8, 1.05))))
        process.send_signal(sig)
        said, _ = process.communicate()
        where = f"kill {k} by {sig.name}: {said}"
        assert process.returncode in {0, *CODES[sig]}, where
        if process.returncode == 143:
            assert "Traceback" not in said, where
            assert not list(temporary.glob("fracture_features_*")), where
            assert not list(out.parent.glob(".*.part")), where
        if is_there or process.returncode == 0:
            assert out.exists(), where
        if out.exists():
            check(out)
    said, _ = (process := start(command, temporary)).communicate()
    assert process.returncode == 0, said
    check(out)


def check_model(out):
    model = load_model(out)
    assert model.calibration is not None
    assert sum(model.info["data"]["classes"].values()) == 60


def check_predictions(out):
    frame = pd.read_csv(out)
    assert len(frame) == 60
    assert frame["score"].notna().all()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_trainings_leave_a_whole_model_or_none(radiographs, tmp_path):
    out = tmp_path / "model.ff"
    assert_whole_or_absent([TRAIN[0], radiographs, *TRAIN[1:], out], out, check_model, tmp_path, max(KILLS // 2, 1))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_predictions_leave_all_rows_or_none(radiographs, data, tmp_path):
    model, out = tmp_path / "model.ff", tmp_path / "predictions.csv"
    train_model(make_pipeline("edges", "svm", image_size=48), data, random_state=0).save(model)
    command = ["predict", model, radiographs, "--out", out]
    assert_whole_or_absent(command, out, check_predictions, tmp_path, max(KILLS // 2, 1))
