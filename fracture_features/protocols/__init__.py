"""Published sets with fixed groups and folds, to compare any predictions with the baselines of this library.

A protocol holds no pixels: for each image its file name, SHA-256, label, group and fold, and the scores that `accurate`
and the metadata without a pixel gave it when its fold was the test part.
"""

from ._protocol import PROTOCOLS, Protocol, load_protocol
from ._score import ProtocolScore, score_predictions

__all__ = ["PROTOCOLS", "Protocol", "ProtocolScore", "load_protocol", "score_predictions"]
