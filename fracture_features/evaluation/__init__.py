"""Models × folds → jobs → fold results, beside baselines that cannot see a fracture."""

from ._baselines import BASELINES, MAJORITY, METADATA, PROBE, baseline_models, describe_appearance, probe_reader
from ._checkpoint import Checkpoint
from ._cost import leak_cost
from ._evaluate import evaluate
from ._files import exclude_unreadable, read_files, temporary_cache
from ._fit import class_scores, operating_rule, predict_at
from ._ledger import ledger_findings, shortcut_ledger
from ._recalibration import RecalibratedClassifier
from ._splits import is_unused_split

__all__ = [
    "BASELINES",
    "MAJORITY",
    "METADATA",
    "PROBE",
    "Checkpoint",
    "RecalibratedClassifier",
    "baseline_models",
    "class_scores",
    "describe_appearance",
    "evaluate",
    "exclude_unreadable",
    "is_unused_split",
    "leak_cost",
    "ledger_findings",
    "operating_rule",
    "predict_at",
    "probe_reader",
    "read_files",
    "shortcut_ledger",
    "temporary_cache",
]
