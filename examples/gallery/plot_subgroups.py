r"""
Subgroups and strata
====================

A model may be good on hands and poor on hips. And a ROC AUC over both says little if one of them is broken more often:
within a stratum that adds nothing.
"""

import tempfile
from dataclasses import replace

import pandas as pd

from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
from fracture_features.plotting import plot_subgroups

data = load_folder(make_radiographs(150, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
side = pd.Series(["left" if group % 2 else "right" for group in data.groups], name="side")
data = replace(data, frame=data.frame.assign(side=side))
result = evaluate({"edges": make_pipeline("edges", "xgboost", random_state=0)}, data, cv=3, random_state=0)

# %%

plot_subgroups(result, "side", models=["edges"])

# %%
# The ROC AUC within the strata, beside that over all images.

result.strata(["side"])
