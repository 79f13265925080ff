r"""Search settings of a pipeline with scikit-learn, and say honestly how good the winner is.

    python examples/grid_search.py [FOLDER] [--groups "patient(\d+)"]

FOLDER holds a folder for each class; without it 150 radiographs are drawn. The best score of a search is too good: it
was chosen as the best of many on the same images. `evaluate` runs the whole search again within each of its folds and
tests what it chose on patients that it has not seen.
"""

import argparse
import tempfile
from pathlib import Path

from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs

GRID = {"features__hog__orientations": [6, 9], "classifier__C": [0.1, 1, 10]}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", metavar="FOLDER")
parser.add_argument("--groups", help="regular expression on the path, or a csv: which images are of one patient")
arguments = parser.parse_args()

with tempfile.TemporaryDirectory() as temporary:
    if arguments.folder:
        data = load_folder(arguments.folder, groups=arguments.groups)
    else:
        drawn = make_radiographs(150, folder=Path(temporary, "radiographs"), random_state=0)
        data = load_folder(drawn, groups=r"patient(\d+)")
    print(data)
    # With a cache, pixels and features are computed once, not once for each setting and fold.
    model = make_pipeline("hog", "svm", cache=Path(temporary, "cache"), random_state=0)
    search = GridSearchCV(model, GRID, cv=3, scoring="roc_auc")
    result = evaluate({"searched": search, "as it is": model}, data, cv=3, random_state=0)
    data = result.data  # without the files that cannot be read
    # For use, once more on all images. A number of folds would tear patients apart; within `evaluate` it does not.
    if data.groups is not None:
        search.set_params(cv=StratifiedGroupKFold(3, shuffle=True, random_state=0))
    search.fit(data.paths, data.y, groups=data.groups)

for row in result.frame().query("measure == 'roc_auc'").itertuples():
    print(f"{row.model}: ROC AUC {row.value:.3f} on other patients (95 % interval {row.low:.2f} to {row.high:.2f})")
for fold, params in result.folds().query("model == 'searched'")[["fold", "params"]].itertuples(index=False):
    print(f"chosen in fold {fold}: {params}")
print(f"chosen on all images: {search.best_params_}, with a score of {search.best_score_:.3f}, which is too good")
