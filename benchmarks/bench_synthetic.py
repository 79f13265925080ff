"""Measure how hard the synthetic radiographs are: ROC AUC across patients by model, size, difficulty and seed.

    python benchmarks/bench_synthetic.py

Every setting is drawn anew for each seed. Takes about ten minutes; writes benchmarks/results/synthetic.csv.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import pandas as pd

from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs

SETTINGS = [(300, 0.5, 8), (200, 0.5, 4), (600, 0.5, 3), (300, 0.0, 3), (300, 1.0, 3)]
FIRST_SEED = 200
MODELS = {
    "HOG + SVM": ("hog", "svm"),
    "LBP + SVM": ("lbp", "svm"),
    "edges + XGBoost": ("edges", "xgboost"),
}
RESULTS = Path(__file__).parent / "results" / "synthetic.csv"


def measure(n_samples: int, difficulty: float, seed: int) -> dict[str, float]:
    """ROC AUC of each model."""
    with tempfile.TemporaryDirectory() as parent:
        folder = make_radiographs(n_samples, folder=Path(parent) / "x", difficulty=difficulty, random_state=seed)
        data = load_folder(folder, groups=r"patient(\d+)")
        models = {name: make_pipeline(*parts, random_state=0, n_jobs=-1) for name, parts in MODELS.items()}
        frame = evaluate(models, data, random_state=0).frame()
    return frame[frame["measure"] == "roc_auc"].set_index("model")["value"][list(MODELS)].to_dict()


def main() -> None:
    """Print and write the table."""
    rows = []
    for n_samples, difficulty, n_seeds in SETTINGS:
        for seed in range(FIRST_SEED, FIRST_SEED + n_seeds):
            rows.append({"n_samples": n_samples, "difficulty": difficulty, "seed": seed})
            rows[-1] |= measure(n_samples, difficulty, seed)
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).round(3)
    summary = table.drop(columns="seed").groupby(["n_samples", "difficulty"]).agg(["mean", "min", "max"]).round(3)
    print(summary.to_string())
    table.to_csv(RESULTS, index=False)


if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
