r"""Compare models on one folder, patients kept together, with intervals.

    python examples/compare_models.py [FOLDER] [--groups "patient(\d+)"] [--report report.html]

FOLDER holds a folder for each class; without it 150 radiographs are drawn. Prints a table, the paired differences from
the best of the models that cannot see a fracture, and, if asked for, writes a page with the figures.
"""

import argparse
import tempfile

from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs, write_report

MODELS = {
    "HOG + SVM": make_pipeline("hog", "svm", random_state=0),
    "edges + XGBoost": make_pipeline("edges", "xgboost", random_state=0),
    "fast": make_pipeline("fast", random_state=0),
    # "CNN": make_pipeline(classifier="cnn", random_state=0),  # a network takes minutes
}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", metavar="FOLDER")
parser.add_argument("--groups", help="regular expression on the path, or a csv: which images are of one patient")
parser.add_argument("--report", help="html page to write")
arguments = parser.parse_args()

with tempfile.TemporaryDirectory() as drawn:
    if arguments.folder:
        data = load_folder(arguments.folder, groups=arguments.groups)
    else:
        data = load_folder(make_radiographs(150, folder=drawn, random_state=0), groups=r"patient(\d+)")
    print(data)
    result = evaluate(
        MODELS, data, cv=3, random_state=0, on_fold=lambda fold: print(f"{fold.model}: fold {fold.fold} is done")
    )
    if arguments.report:
        print("wrote", write_report(result, arguments.report))

print(f"\n{len(result.excluded)} files could not be read\n")
frame = result.frame()
for measure in ("roc_auc", "sensitivity", "specificity"):
    rows = frame[frame["measure"] == measure]
    print(measure, "and its 95 % interval")
    print(rows[["model", "value", "low", "high"]].round(2).to_string(index=False), end="\n\n")
print("Difference in ROC AUC; p_holm is corrected for the number of models")
columns = ["model", "reference", "difference", "low", "high", "p_holm"]
print(result.comparison()[columns].round(3).to_string(index=False))
