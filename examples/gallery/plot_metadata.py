r"""
Metadata beside the image
=========================

Models get paths. `MetadataLookup` finds by path what else is known of an image before anyone has looked for a fracture.
"""

import tempfile
from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder

from fracture_features import MetadataLookup, evaluate, load_folder, make_pipeline, make_radiographs
from fracture_features.plotting import plot_forest

data = load_folder(make_radiographs(120, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")

# %%
# A clinic that sees more fractures: a column that says something about the label without a pixel.

rng = np.random.default_rng(0)
clinic = np.where(rng.random(len(data)) < np.where(data.y == 1, 0.7, 0.4), "emergency", "ward")
data = replace(data, frame=data.frame.assign(clinic=clinic), metadata_columns=("clinic",))

# %%

metadata = Pipeline([("lookup", MetadataLookup(data.metadata())), ("encoder", OneHotEncoder(handle_unknown="ignore"))])
both = FeatureUnion([("image", make_pipeline("edges", "logistic")[:-1]), ("metadata", metadata)])
classifier = LogisticRegression(class_weight="balanced", max_iter=1000)
models = {
    "edges": make_pipeline("edges", "logistic"),
    "edges and metadata": Pipeline([("features", both), ("classifier", classifier)]),
}
result = evaluate(models, data, cv=3, random_state=0)

# %%
# The baseline "metadata only" has the column, too: what it reaches alone, a model with an image should beat.

plot_forest(result)
