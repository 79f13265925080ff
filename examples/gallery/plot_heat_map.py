r"""
Where did the model look?
=========================

`explain_images` gives a signed map: positive where the image speaks for a fracture. For HOG and a linear classifier it
is exact, since the score is a sum over the image. A map shows what the model used, not whether it was right to.
"""

import tempfile

import matplotlib.pyplot as plt

from fracture_features import load_folder, make_pipeline, make_radiographs, read_image
from fracture_features.explain import explain_images
from fracture_features.plotting import plot_heat_map

folder = make_radiographs(120, folder=tempfile.mkdtemp(), difficulty=0.2, random_state=0)
data = load_folder(folder, groups=r"patient(\d+)")

# %%
# The patient that is explained is not among those that the model is fitted on.

patient = data.groups[data.y == 1][0]
train, kept = data.subset(data.groups != patient), data.subset(data.groups == patient)
model = make_pipeline("hog", "logistic", random_state=0).fit(train.paths, train.y)
path = kept.paths[0]
(heat_map,) = explain_images(model, [path])

# %%
# The map and the intercept add up to the score.

print(heat_map.sum() + model["classifier"].intercept_[0], model.decision_function([path])[0])

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(7, 4.5), layout="constrained")
left.imshow(read_image(path), cmap="gray", vmin=0, vmax=255)
left.set(xticks=[], yticks=[], title="as it is read")
plot_heat_map(read_image(path), heat_map, ax=right)
