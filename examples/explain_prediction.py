r"""Predict one radiograph that the model was not fitted on, and draw what spoke for a fracture and what against it.

    python examples/explain_prediction.py [FOLDER] [--groups "patient(\d+)"] [--image NAME] [--out explanation.png]

FOLDER holds a folder for each class, of which "fractured" or the like is one; without it 150 radiographs are drawn.
The map is exact: HOG with a linear classifier, whose score is a sum over the image. It shows what the model used, not
whether it was right to.
"""

import argparse
import tempfile

import matplotlib.pyplot as plt
import numpy as np

from fracture_features import load_folder, make_pipeline, make_radiographs, read_image
from fracture_features.explain import explain_images
from fracture_features.plotting import plot_heat_map

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", metavar="FOLDER")
parser.add_argument("--groups", help="regular expression on the path, or a csv: which images are of one patient")
parser.add_argument("--image", default="", help="part of the path of the radiograph; the first fracture that has it")
parser.add_argument("--out", default="explanation.png")
arguments = parser.parse_args()

with tempfile.TemporaryDirectory() as drawn:
    if arguments.folder:
        data = load_folder(arguments.folder, groups=arguments.groups)
    else:
        data = load_folder(make_radiographs(150, folder=drawn, random_state=0), groups=r"patient(\d+)")
    model = make_pipeline("hog", "logistic", random_state=0)
    data = data.subset(data.files["reason"].isna())  # without what cannot be read
    found = [k for k in np.argsort(-data.y, kind="stable") if arguments.image in data.paths[k]]
    if not found:
        parser.error(f"no path of {data} has {arguments.image!r} in it")
    path, groups = data.paths[found[0]], np.arange(len(data)) if data.groups is None else data.groups
    others = data.subset(groups != groups[found[0]])  # no other image of this patient either
    print(f"fitted on {others}")
    model.fit(others.paths, others.y)
    names, probability = data.target_names, model.predict_proba([path])[0]
    predicted = int(probability.argmax())
    print(f"the radiograph is {names[data.y[found[0]]]}, called {names[predicted]}: {probability[predicted]:.2f}")
    (heat_map,) = explain_images(model, [path], target=1)
    print(f"for {names[1]}: {heat_map[heat_map > 0].sum():+.2f}, against it: {heat_map[heat_map < 0].sum():+.2f}")
    print(f"their sum and the intercept: {heat_map.sum() + model['classifier'].intercept_[0]:+.2f}, the score")
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 4.8), layout="constrained")
    left.imshow(read_image(path), cmap="gray", vmin=0, vmax=255)
    left.set(xticks=[], yticks=[], title=f"is {names[data.y[found[0]]]}, called {names[predicted]}")
    plot_heat_map(read_image(path), heat_map, ax=right)
    figure.savefig(arguments.out, dpi=100)
    print("wrote", arguments.out)
