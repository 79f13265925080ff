r"""
Compare models on one folder
============================

`evaluate` cross-validates models over the same folds, keeps the images of a patient together, and puts three models
beside them that cannot see a fracture.
"""

import tempfile

from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
from fracture_features.plotting import plot_forest

# %%
# A folder with one folder for each class. `groups` finds the patient in the file's name.

folder = make_radiographs(150, folder=tempfile.mkdtemp(), random_state=0)
data = load_folder(folder, groups=r"patient(\d+)")
data

# %%
# Models take paths and give labels. What is fitted, scaling too, is fitted within each fold.

models = {
    "HOG + SVM": make_pipeline("hog", "svm", random_state=0),
    "edges + XGBoost": make_pipeline("edges", "xgboost", random_state=0),
}
result = evaluate(models, data, cv=3, random_state=0)

# %%
# Each measure comes with a 95 % interval.

frame = result.frame()
frame[frame["measure"] == "roc_auc"][["model", "value", "low", "high"]].round(2)

# %%
# Is a model better than the best of those that see no fracture? The p-value is corrected for the number of models.

result.comparison()[["model", "reference", "difference", "low", "high", "p_holm"]].round(3)

# %%

plot_forest(result)
