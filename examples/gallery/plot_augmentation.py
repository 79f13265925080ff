r"""
What a network is shown
=======================

`CNNClassifier` shifts, turns, scales and mirrors images while it trains. These are the variations that it sees.
"""

import tempfile

from fracture_features import ImageReader, load_folder, make_radiographs
from fracture_features.plotting import plot_augmentation

data = load_folder(make_radiographs(6, folder=tempfile.mkdtemp(), random_state=0))
image = ImageReader(image_size=160).fit_transform(data.paths)[0]
plot_augmentation(image, random_state=0)
