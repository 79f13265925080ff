r"""
Choose the threshold before the test part is seen
=================================================

A threshold that is chosen on the test images flatters. `operating_point` chooses it on folds within the training part,
and applies it to the test part.
"""

import tempfile

from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
from fracture_features.plotting import plot_confusion_matrix

folder = make_radiographs(120, folder=tempfile.mkdtemp(), difficulty=0.3, random_state=0)
data = load_folder(folder, groups=r"patient(\d+)")
models = {"edges + SVM": make_pipeline("edges", "svm", random_state=0)}

# %%
# The classifier's own threshold, and the one at which nine of ten fractures of the training part are found.

own = evaluate(models, data, cv=3, random_state=0)
chosen = evaluate(models, data, cv=3, operating_point=("sensitivity", 0.9), random_state=0)
for name, result in (("own", own), ("chosen", chosen)):
    table = result.frame().set_index(["model", "measure"])["value"]["edges + SVM"]
    print(f"{name}: sensitivity {table['sensitivity']:.2f}, specificity {table['specificity']:.2f}")

# %%
# The sensitivity on the test part need not be 0.9: it was chosen on other patients.

plot_confusion_matrix(chosen, "edges + SVM")
