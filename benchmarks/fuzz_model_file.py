"""Fuzzing of the model file: mutated valid files are refused with ModelFileError, or predict as before.

    python benchmarks/fuzz_model_file.py --minutes 10 --seed 0

Three kinds of mutation of small files of each sort of model: bytes of the file; bytes of a member and nodes of its
JSON, under a manifest that is made true again, as an attacker would; the structure of the zip file. What is read under
a true manifest may be another model: it is then asked for predictions, which may fail with an exception and must not
end the process. Reading happens in a process of its own, with at most 1 GB of memory more than it starts with: what
ends it by a signal, hangs it, or raises anything else is reported, its bytes are left in fuzz_failure_<number>.ff, and
the next process goes on.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import io
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from _fuzz import mutated, watch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fracture_features import (
    EdgeExtractor,
    FisherVectorExtractor,
    GaborExtractor,
    HOGExtractor,
    LBPExtractor,
    make_pipeline,
)
from fracture_features.exceptions import ModelFileError
from fracture_features.model import read_model_file, write_model_file

LARGEST = 1 << 20  # bytes of a file
PATIENCE = 60  # seconds without a file after which a process hangs
MEMORY = 1 << 30  # bytes
OUTCOMES = ("ModelFileError", "equal", "another model", "fails to predict")

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 256, (12, 40, 40), dtype=np.uint8)
X, Y = RNG.normal(size=(60, 6)), np.arange(60) % 2
VALUES = ["NaN", "-1", "0", "1", "1e308", "true", "null", '"x"', "65536", "4294967296", "-9223372036854775808", '"nan"']


def models() -> list[tuple[Any, Any]]:
    """Fitted estimators, and what they take."""
    labels = np.arange(len(STACK)) % 2
    extractors = [
        HOGExtractor(pixels_per_cell=8),
        LBPExtractor(grid=2),
        EdgeExtractor(grid=2),
        GaborExtractor(grid=2, frequencies=(0.25,)),
        FisherVectorExtractor(n_components=6, n_gaussians=4, random_state=0),
    ]
    found: list[tuple[Any, Any]] = []
    for extractor in extractors:
        svm = Pipeline([("extractor", extractor), ("scaler", StandardScaler()), ("svm", SVC())])
        found.append((svm.fit(STACK, labels), STACK))
    recipe = make_pipeline("accurate")["classifier"]
    for model in (
        recipe.fit(X, Y),
        RandomForestClassifier(3, random_state=0).fit(X, Y),
        make_pipeline("edges+xgboost")["classifier"].set_params(n_estimators=3).fit(X, Y),
        CalibratedClassifierCV(SVC(), ensemble=False, cv=3).fit(X, Y),
    ):
        found.append((model, X))
    return found


def ask(model: Any, taken: Any) -> bytes:
    """What a model says, as bytes."""
    method = "decision_function" if hasattr(model, "decision_function") else "predict_proba"
    # A copy: of the very array that it was fitted on, a kernel is computed in another way.
    return np.asarray(getattr(model, method)(taken.copy())).tobytes()


def mutated_json(data: bytes, rng: np.random.Generator) -> bytes:
    """A node replaced by another one, a value by a strange one, a key renamed or left out."""
    tree = json.loads(data)
    places: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in items:
            places.append((value, key))
            if isinstance(part, dict | list):
                waiting.append(part)
    for _ in range(rng.integers(1, 4)):
        holder, key = places[rng.integers(len(places))]
        other_holder, other_key = places[rng.integers(len(places))]
        if (isinstance(holder, dict) and key not in holder) or (isinstance(holder, list) and key >= len(holder)):
            continue
        match rng.integers(4):
            case 0:
                text = str(rng.choice(VALUES))
                holder[key] = text if isinstance(holder[key], str) and rng.random() < 0.8 else json.loads(text)
            case 1:
                try:
                    holder[key] = json.loads(json.dumps(other_holder[other_key]))
                except (KeyError, IndexError, RecursionError):
                    continue
            case 2:
                del holder[key]
            case 3 if isinstance(holder, dict):
                holder[str(other_key)] = holder.pop(key)
    return json.dumps(tree).encode()


def mutated_values(name: str, data: bytes, rng: np.random.Generator) -> bytes:
    """Numbers and texts changed, all else as it was: what `read_model_file` cannot tell by its form."""
    if name.endswith(".npy"):
        start = 10 + int.from_bytes(data[8:10], "little")
        out = bytearray(data)
        for place in rng.integers(start, max(len(out), start + 1), rng.integers(1, 4)):
            if place < len(out):
                out[place] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
        return bytes(out)
    if name.endswith(".ubj"):
        out = bytearray(data)
        out[rng.integers(len(out))] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
        return bytes(out)
    tree = json.loads(data)
    found, waiting = [], [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and value.get("__loader__") == "JsonNode":
            found.append(value)
        elif isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
    for chosen in rng.integers(len(found), size=rng.integers(1, 3)) if found else []:
        other = found[rng.integers(len(found))]["content"]
        found[chosen]["content"] = other if rng.random() < 0.5 else str(rng.choice(VALUES))
    return json.dumps(tree).encode()


def mutated_file(data: bytes, rng: np.random.Generator) -> tuple[bytes, bool]:
    """A mutated file, and whether its manifest was made true again."""
    kind = rng.integers(8)
    if kind == 0:
        return mutated(data, rng), False
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names = list(members)
    name = names[rng.integers(len(names))] if rng.random() < 0.5 else "skops/schema.json"
    if kind == 1:
        match rng.integers(4):
            case 0:
                del members[name]
            case 1:
                members["skops/" + str(rng.integers(1000)) + ".npy"] = members[name]
            case 2:
                members["../" + name] = members.pop(name)
            case 3:
                other = names[rng.integers(len(names))]
                members[name], members[other] = members[other], members[name]
    elif kind > 4:
        members[name] = mutated_values(name, members[name], rng)
    else:
        is_text = name.endswith(".json") and rng.random() < 0.9
        members[name] = (mutated_json if is_text else mutated)(members[name], rng)
    correct = kind > 2 and name != "manifest.json" and "manifest.json" in members
    if correct:
        manifest = json.loads(members["manifest.json"])
        manifest["members"] = {
            each: {"size": len(part), "sha256": hashlib.sha256(part).hexdigest()}
            for each, part in members.items()
            if each != "manifest.json"
        }
        members["manifest.json"] = json.dumps(manifest).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for each, part in members.items():
            info = zipfile.ZipInfo(each)
            info.compress_type = zipfile.ZIP_DEFLATED if each.endswith(".json") else zipfile.ZIP_STORED
            info.external_attr = 0o100600 << 16
            archive.writestr(info, part)
    return buffer.getvalue(), correct


def outcome(path: Path, taken: Any, expected: bytes, is_true: bool) -> str:
    """What reading a file, and asking its model, gives."""
    try:
        model = read_model_file(path)[0]
    except ModelFileError:
        return "ModelFileError"
    try:
        found = ask(model, taken)
    # Another model may be of another type, or for other arrays.
    except Exception:
        if not is_true:
            raise
        return "fails to predict"
    if found != expected and not is_true:
        raise AssertionError("an altered file predicts otherwise")
    return "equal" if found == expected else "another model"


def work(seeds: Any, seed: int, deadline: float, counts: Any, size: Any, case: Any, folder: str) -> None:
    """Read until the deadline; what is being read stands in `case`, which outlives this process."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    path = Path(folder) / "model.ff"
    for data, taken, expected in seeds:
        path.write_bytes(data)
        assert outcome(path, taken, expected, False) == "equal"
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    while time.monotonic() < deadline:
        data, taken, expected = seeds[rng.integers(len(seeds))]
        altered, is_true = mutated_file(data, rng)
        altered = altered[: len(case)]
        size.value = len(altered)
        case[: len(altered)] = altered
        path.write_bytes(altered)
        counts[OUTCOMES.index(outcome(path, taken, expected, is_true))] += 1


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seeds = []
        for model, taken in models():
            path = Path(folder) / "model.ff"
            write_model_file(path, model, {"threshold": 0.5}, {"centre": X[0]})
            seeds.append((path.read_bytes(), taken, ask(model, taken)))
        context = multiprocessing.get_context("spawn")
        counts, size = context.RawArray("Q", len(OUTCOMES)), context.RawValue("Q")
        case = context.RawArray("c", LARGEST)
        failures, seed, deadline = Counter[str](), options.seed, time.monotonic() + 60 * options.minutes
        while time.monotonic() < deadline:
            process = context.Process(target=work, args=(seeds, seed, deadline, counts, size, case, folder))
            process.start()
            if reason := watch(process, counts, PATIENCE):
                name = f"fuzz_failure_{sum(failures.values())}.ff"
                Path(name).write_bytes(case[: size.value])
                print(f"{name}, of seed {seed}: {reason}")
                failures[reason] += 1
            seed += 1
    total = dict(zip(OUTCOMES, counts, strict=True))
    print(f"{sum(counts)} mutated files of {len(seeds)} in {options.minutes} minutes: {total}, {dict(failures)}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
