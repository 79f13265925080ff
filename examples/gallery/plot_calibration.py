r"""
Are the probabilities right?
============================

Of the images that get a probability of 0.8, eight of ten should be fractured. `calibrate=True` calibrates each model on
folds within the training part.
"""

import tempfile

import matplotlib.pyplot as plt

from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
from fracture_features.plotting import plot_calibration, plot_decision_curve

folder = make_radiographs(120, folder=tempfile.mkdtemp(), difficulty=0.3, random_state=0)
data = load_folder(folder, groups=r"patient(\d+)")
models = {"edges + XGBoost": make_pipeline("edges", "xgboost", random_state=0)}
raw = evaluate(models, data, cv=3, random_state=0)
calibrated = evaluate(models, data, cv=3, calibrate=True, random_state=0)

# %%

for name, result in (("as it is", raw), ("calibrated", calibrated)):
    table = result.frame().set_index(["model", "measure"])["value"]["edges + XGBoost"]
    print(f"{name}: Brier score {table['brier_score']:.3f}, slope {table['calibration_slope']:.2f}")

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
plot_calibration(calibrated, models=[*models], ax=left)
plot_decision_curve(calibrated, models=[*models], ax=right)
