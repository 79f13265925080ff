"""The notebook and the scripts of examples/. `python tests/test_examples.py` writes the notebook's outputs anew."""

import getpass
import io
import re
import shutil
import subprocess
import sys
from math import exp
from pathlib import Path

import cv2
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from fracture_features import evaluate, load_folder, load_model, make_pipeline, make_radiographs

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOK = EXAMPLES / "Bone_Fracture_Classifier.ipynb"
LARGEST = 1_500_000  # bytes


def read_notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def execute(notebook, folder):
    """Run it in `folder` with this interpreter; what a cell prints is put together."""
    client = NotebookClient(
        notebook,
        timeout=120,  # seconds, of a cell; of the whole as of any test
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return notebook


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook, part, kind="stdout"):
    """What was printed by the one cell with `part` in its source."""
    (cell,) = (cell for cell in code_cells(notebook) if part in cell.source)
    streams = [o.text for o in cell.outputs if o.output_type == "stream" and o.name == kind]
    return "".join(streams + [o.data.get("text/plain", "") for o in cell.outputs if "data" in o])


def table(notebook):
    """First column of the table of models, by name."""
    rows = printed(notebook, "models = {").split("\n\n")[0]
    return {name: float(value) for name, value in re.findall(r"^(\S+(?: \S+)*)\s{2,}([\d.]+)", rows, re.M)}


def kinds(cell):
    return sorted({key for o in cell.outputs for key in o.get("data", {"stream": None}) if key != "text/html"})


@pytest.fixture
def own_jupyter(tmp_path, monkeypatch):
    """Neither settings nor kernels of the person who runs the tests."""
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv("MPLBACKEND", raising=False)


def test_the_committed_notebook_was_run_from_top_to_bottom():
    cells = code_cells(read_notebook())
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    without = [cell.source for cell in cells if not cell.outputs]
    assert len(without) == 2
    assert without[0].startswith("FOLDER = None")
    assert without[1].startswith("import ")
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert sum("image/png" in o.get("data", {}) for o in outputs) == 12


def test_the_committed_notebook_is_small_and_tells_nothing_of_a_machine():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < LARGEST
    notebook = read_notebook()
    assert not [cell.metadata for cell in notebook.cells if cell.metadata]
    for cell in code_cells(notebook):
        for output in cell.outputs:
            output.get("data", {}).pop("image/png", None)
    text = nbformat.writes(notebook)
    assert not re.search(r"/(tmp|work|home|Users|root)\b|site-packages|\\\\Users", text)
    assert getpass.getuser() not in text


@pytest.mark.slow
def test_the_notebook_runs_as_it_is(tmp_path, own_jupyter):
    committed, fresh = read_notebook(), execute(read_notebook(), tmp_path)
    for before, after in zip(code_cells(committed), code_cells(fresh), strict=True):
        assert kinds(before) == kinds(after), after.source
        assert not [o for o in after.outputs if o.get("name") == "stderr"]
    for part in ("load_folder(FOLDER", "unreadable = ", "splitter = ", "groups_shared"):
        assert printed(committed, part) == printed(fresh, part)
    before, after = table(committed), table(fresh)
    assert list(after) == list(before)
    assert len(after) == 8
    assert after["majority class"] == 0.5
    for name in ("HOG + SVM", "LBP + SVM", "edges + XGBoost", "fast"):
        assert after[name] == pytest.approx(before[name], abs=0.05)
    assert not [path for path in tmp_path.iterdir() if "jupyter" not in path.name and path.name != "ipythondir"]


def test_the_notebook_runs_on_a_folder_whose_patients_are_not_known(radiographs, tmp_path, own_jupyter):
    for name, wanted in (("fractured", "Broken"), ("non-fractured", "normal")):
        (tmp_path / "mine" / wanted).mkdir(parents=True)
        for k, path in enumerate(sorted((radiographs / name).glob("*.jpg"))[:16]):
            shutil.copy(path, tmp_path / "mine" / wanted / f"image {k}.jpg")
    short = tmp_path / "mine" / "normal" / "image 3.jpg"
    short.write_bytes(short.read_bytes()[:-2000])
    notebook = read_notebook()
    parameters = code_cells(notebook)[0]
    new = {"FOLDER = None": f"FOLDER = {str(tmp_path / 'mine')!r}", "EPOCHS = 3": "EPOCHS = 1"}
    for old, value in new.items():
        assert parameters.source.count(old) == 1
        parameters.source = parameters.source.replace(old, value)
    # The slowest cell is the same on any folder.
    notebook.cells = [cell for cell in notebook.cells if "transfer.fit" not in cell.source]
    execute(notebook, tmp_path)
    assert "32 images (16 normal, 16 Broken), no groups" in printed(notebook, "load_folder(FOLDER")
    assert str(short) in printed(notebook, "unreadable = ")
    assert "1 files cannot be read, 31 images are left" in printed(notebook, "unreadable = ")
    assert "No groups are given" in printed(notebook, "models = {", "stderr")
    assert len(table(notebook)) == 8
    assert printed(notebook, "leaky = ") == "Patients are not known: give GROUPS.\n"


def run(script, *arguments, code=0):
    """What it prints; a warning ends it."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{script}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_compare_models_prints_what_evaluate_finds(radiographs, data, tmp_path):
    page = tmp_path / "report.html"
    out = run("compare_models", radiographs, "--groups", r"patient(\d+)", "--report", page)
    assert repr(data) in out
    assert "fast: fold 3 is done" in out
    frame = (
        evaluate({"HOG + SVM": make_pipeline("hog", "svm", random_state=0)}, data, cv=3, random_state=0)
        .frame()
        .round(2)
    )
    for measure in ("roc_auc", "sensitivity", "specificity"):
        row = frame[(frame["model"] == "HOG + SVM") & (frame["measure"] == measure)].iloc[0]
        lines = out.split(f"{measure} and its 95 % interval")[1].split("\n\n")[0]
        assert f"HOG + SVM {row.value:.2f} {row.low:.2f} {row.high:.2f}" in " ".join(lines.split())
    assert "edges + XGBoost" in page.read_text(encoding="utf-8")


def test_grid_search_chooses_what_scikit_learn_does(tmp_path):
    few = make_radiographs(30, folder=tmp_path / "few", random_state=0)
    data = load_folder(few, groups=r"patient(\d+)")
    out = run("grid_search", few, "--groups", r"patient(\d+)")
    grid = {"features__hog__orientations": [6, 9], "classifier__C": [0.1, 1, 10]}
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=0)
    model = make_pipeline("hog", "svm", cache=tmp_path / "cache", random_state=0)
    search = GridSearchCV(model, grid, cv=folds, scoring="roc_auc")
    search.fit(data.paths, data.y, groups=data.groups)
    assert f"chosen on all images: {search.best_params_}, with a score of {search.best_score_:.3f}" in out
    assert len(re.findall(r"^chosen in fold \d: \{'classifier__C': [\d.]+, 'features__hog", out, re.M)) == 3
    assert re.search(r"^searched: ROC AUC 0\.\d{3} on other patients", out, re.M)


def test_explain_prediction_draws_a_patient_it_was_not_fitted_on(tmp_path):
    out = run("explain_prediction", "--out", tmp_path / "map.png")
    groups = int(re.search(r"fitted on .* (\d+) groups", out)[1])
    assert groups == 49
    called, probability = re.search(r"is fractured, called (\S+): (0\.\d\d)", out).groups()
    score = float(re.search(r"their sum and the intercept: ([+-][\d.]+), the score", out)[1])
    assert (score > 0) == (called == "fractured")
    assert float(probability) == pytest.approx(1 / (1 + exp(-abs(score))), abs=0.01)
    picture = cv2.imread(str(tmp_path / "map.png"))
    assert picture.shape[1] == 700
    assert (picture.max(axis=2) - picture.min(axis=2) > 100).any()  # colours, and so a map


def test_explain_prediction_takes_a_folder_and_an_image(radiographs, tmp_path):
    out = run("explain_prediction", radiographs, "--image", "non-fractured", "--out", tmp_path / "map.png")
    assert "the radiograph is non-fractured" in out
    assert "59 images" in out  # no groups: one image alone is left out
    assert "has 'knee' in it" in run("explain_prediction", radiographs, "--image", "knee", code=2)


def test_train_and_serve_predicts_in_another_process_what_the_file_says(tmp_path):
    file = tmp_path / "model.ff"
    out = run("train_and_serve", "--model", "edges+svm", "--out", file)
    table = pd.read_csv(io.StringIO(re.search(r"^path,label.*?\n\n", out, re.M | re.S)[0]))
    assert [path.split("/")[-2] for path in table["path"]] == ["non-fractured", "fractured"]
    model = load_model(file)
    assert model.info["data"]["groups"] == int(re.search(r"training on .* (\d+) groups", out)[1])
    low, high = model.decision.low, model.decision.high
    names = np.select([table["score"] >= high, table["score"] < low], ["fractured", "non-fractured"], "inconclusive")
    assert table["label"].tolist() == names.tolist()
    assert table["probability"].between(0, 1).all()
    assert "fractures_kept: " in out
    assert out.rstrip().endswith(f"fracture-features serve {file}")


if __name__ == "__main__":
    nbformat.write(execute(read_notebook(), EXAMPLES), NOTEBOOK)
