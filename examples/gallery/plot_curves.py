r"""
ROC and precision-recall curves with bands
==========================================

The band contains the curve of the method, trained anew on other patients.
"""

import tempfile

import matplotlib.pyplot as plt

from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
from fracture_features.plotting import plot_precision_recall, plot_roc

folder = make_radiographs(120, folder=tempfile.mkdtemp(), random_state=0)
data = load_folder(folder, groups=r"patient(\d+)")
models = {"HOG + SVM": make_pipeline("hog", "svm", random_state=0), "edges": make_pipeline("edges", random_state=0)}
result = evaluate(models, data, cv=3, random_state=0)

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
plot_roc(result, models=[*models], ax=left)
plot_precision_recall(result, models=[*models], ax=right)
