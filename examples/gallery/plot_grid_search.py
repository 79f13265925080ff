r"""
Search settings with scikit-learn
=================================

A pipeline is scikit-learn's, and so is the search. With `cache` pixels and features are computed once, not once for
each setting and fold.
"""

import tempfile
from pathlib import Path

from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from fracture_features import load_folder, make_pipeline, make_radiographs
from fracture_features.plotting import plot_grid_search

root = Path(tempfile.mkdtemp())
data = load_folder(make_radiographs(100, folder=root / "radiographs", random_state=0), groups=r"patient(\d+)")

# %%

search = GridSearchCV(
    make_pipeline("hog", "svm", cache=root / "cache", random_state=0),
    {"features__hog__orientations": [6, 9], "classifier__C": [0.1, 1, 10]},
    cv=StratifiedGroupKFold(3, shuffle=True, random_state=0),
    scoring="roc_auc",
)
search.fit(data.paths, data.y, groups=data.groups)
print(search.best_params_)

# %%
# The best score of a search is too good: it was chosen among several on the same images. `evaluate` takes the search
# as a model, runs all of it within each fold, and tests what it chose on other patients.

plot_grid_search(search.cv_results_)
