r"""Train a model, save it, predict with it in a fresh process, and say how to serve it.

    python examples/train_and_serve.py [FOLDER] [--groups "patient(\d+)"] [--model fast] [--out model.ff]

FOLDER holds a folder for each class; without it 120 radiographs are drawn. One image of each class is kept from the
training and predicted: by another process, which has nothing of this one but the file.
"""

import argparse
import subprocess
import sys
import tempfile

import numpy as np

from fracture_features import load_folder, make_pipeline, make_radiographs, train_model

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", metavar="FOLDER")
parser.add_argument("--groups", help="regular expression on the path, or a csv: which images are of one patient")
parser.add_argument("--model", default="fast", help="as in make_pipeline: fast, accurate, hog+svm, cnn (%(default)s)")
parser.add_argument("--out", default="model.ff", help="the model file (%(default)s)")
arguments = parser.parse_args()

with tempfile.TemporaryDirectory() as drawn:
    if arguments.folder:
        data = load_folder(arguments.folder, groups=arguments.groups)
    else:
        data = load_folder(make_radiographs(120, folder=drawn, random_state=0), groups=r"patient(\d+)")
    data = data.subset(data.files["reason"].isna())  # without what cannot be read
    kept = [int(np.flatnonzero(data.y == label)[0]) for label in np.unique(data.y)]
    groups = np.arange(len(data)) if data.groups is None else data.groups
    train = data.subset(~np.isin(groups, groups[kept]))  # no other image of these patients either
    print(f"training on {train}")
    model = train_model(
        make_pipeline(arguments.model, random_state=0),
        train,
        operating_point=("rule-out", 0.9),  # with three answers: the third is "inconclusive"
        calibrate=True,
        name=arguments.model,
        random_state=0,
    )
    for row in model.info["estimates"]:
        print(f"{row['measure']}: {row['value']:.2f} (95 % interval {row['low']:.2f} to {row['high']:.2f})")
    model.save(arguments.out)
    print("wrote", arguments.out)
    # The same in Python: load_model(arguments.out).predict_frame(paths)
    command = [sys.executable, "-m", "fracture_features", "predict", arguments.out, *data.paths[kept]]
    print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

print("a page to drop radiographs on, and POST /predict for programs:")
print(f"    fracture-features serve {arguments.out}")
