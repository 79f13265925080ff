"""Models × folds → jobs → fold results, beside baselines that cannot see a fracture."""

from ._baselines import (
    BASELINE_SETS,
    BASELINES,
    MAJORITY,
    METADATA,
    PROBE,
    baseline_models,
    describe_appearance,
    probe_reader,
)
from ._checkpoint import Checkpoint
from ._cost import leak_cost
from ._costs import estimate_seconds, fits_per_fold
from ._evaluate import evaluate
from ._files import exclude_unreadable, read_files, temporary_cache
from ._fit import class_scores, operating_rule, predict_at
from ._ledger import ledger_findings, shortcut_ledger
from ._progress import describe_seconds, shown_progress
from ._recalibration import RecalibratedClassifier
from ._splits import is_unused_split

__all__ = [
    "BASELINES",
    "BASELINE_SETS",
    "MAJORITY",
    "METADATA",
    "PROBE",
    "Checkpoint",
    "RecalibratedClassifier",
    "baseline_models",
    "class_scores",
    "describe_appearance",
    "describe_seconds",
    "estimate_seconds",
    "evaluate",
    "exclude_unreadable",
    "fits_per_fold",
    "is_unused_split",
    "leak_cost",
    "ledger_findings",
    "operating_rule",
    "predict_at",
    "probe_reader",
    "read_files",
    "shortcut_ledger",
    "shown_progress",
    "temporary_cache",
]
