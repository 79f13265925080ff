"""Models × folds → jobs → fold results, beside baselines that cannot see a fracture."""

from ._baselines import BASELINES, MAJORITY, METADATA, PROBE, baseline_models, probe_reader
from ._checkpoint import Checkpoint
from ._cost import leak_cost
from ._evaluate import evaluate
from ._files import exclude_unreadable, temporary_cache
from ._fit import operating_rule
from ._recalibration import RecalibratedClassifier
from ._splits import is_unused_split, published_split

__all__ = [
    "BASELINES",
    "MAJORITY",
    "METADATA",
    "PROBE",
    "Checkpoint",
    "RecalibratedClassifier",
    "baseline_models",
    "evaluate",
    "exclude_unreadable",
    "is_unused_split",
    "leak_cost",
    "operating_rule",
    "probe_reader",
    "published_split",
    "temporary_cache",
]
