"""Features of radiographs: uint8 stacks in, float32 rows out."""

from ._edges import EdgeExtractor
from ._fisher import FisherVectorExtractor
from ._gabor import GaborExtractor
from ._hog import HOGExtractor
from ._lbp import LBPExtractor

__all__ = ["EdgeExtractor", "FisherVectorExtractor", "GaborExtractor", "HOGExtractor", "LBPExtractor"]
