r"""
Train, save, load, predict
==========================

`train_model` fits a pipeline on all images. Threshold and calibration come from folds that keep patients together. The
file holds no code.
"""

import tempfile
from pathlib import Path

from fracture_features import load_folder, load_model, make_pipeline, make_radiographs, train_model

root = Path(tempfile.mkdtemp())
data = load_folder(make_radiographs(120, folder=root / "radiographs", random_state=0), groups=r"patient(\d+)")
model = train_model(
    make_pipeline("edges", "svm", random_state=0),
    data,
    operating_point=("sensitivity", 0.9),
    calibrate=True,
    random_state=0,
)
model.save(root / "model.ff")

# %%
# What the model knows of itself: how well it did on patients that were held out.

for row in model.info["estimates"]:
    print(f"{row['measure']}: {row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})")

# %%
# Anywhere else, on new files. Those that cannot be read get a reason instead of a label.

new = make_radiographs(6, folder=root / "new", random_state=7)
table = load_model(root / "model.ff").predict_frame(sorted(str(path) for path in new.glob("*/*.jpg")))
table.assign(path=[Path(path).name for path in table["path"]])
