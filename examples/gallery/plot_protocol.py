r"""
Compare predictions with the baselines
======================================

A protocol fixes images, groups and folds of a published set. `score_predictions` measures anyone's predictions under
it, and tests them against `accurate` and the metadata without a pixel. It needs no image.
"""

import numpy as np

from fracture_features.protocols import load_protocol, score_predictions

protocol = load_protocol("fracatlas")
protocol.images.head()

# %%
# Scores that stand for those of a network: the label with much noise.

rng = np.random.default_rng(0)
noisy = protocol.images["fractured"] + rng.normal(scale=0.8, size=len(protocol.images))
predictions = protocol.images[["image_id", "sha256", "fold"]].assign(score=noisy)
score = score_predictions(predictions, protocol)
score.measures.round(3)

# %%

score.comparison.round(4)

# %%
# The badge, for shields.io.

score.badge()
