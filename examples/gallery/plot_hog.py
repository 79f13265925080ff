r"""
What HOG sees
=============

Histograms of oriented gradients keep the directions of edges in small cells, and forget the rest.
"""

import tempfile

import matplotlib.pyplot as plt

from fracture_features import HOGExtractor, ImageReader, load_folder, make_radiographs
from fracture_features.plotting import plot_hog

data = load_folder(make_radiographs(12, folder=tempfile.mkdtemp(), difficulty=0.2, random_state=1))

# %%
# The reader makes a stack of grey images of one size from the files.

images = ImageReader(image_size=224).fit_transform(data.paths)
images.shape, images.dtype

# %%

fractured = images[data.y == 1][0]
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4.2), layout="constrained")
left.imshow(fractured, cmap="gray", vmin=0, vmax=255)
left.set(xticks=[], yticks=[], title="as it is read")
plot_hog(fractured, HOGExtractor(pixels_per_cell=(16, 16)), ax=right)

# %%
# One row of features for each image. Each name tells block, cell and bin.

extractor = HOGExtractor()
rows = extractor.fit_transform(images)
print(rows.shape, extractor.get_feature_names_out()[:2])
