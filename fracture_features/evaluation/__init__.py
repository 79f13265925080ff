"""Models × folds → predictions, and tables of measures with intervals."""

from ._evaluate import evaluate, exclude_unreadable
from ._fit import operating_rule
from ._fold import FoldResult
from ._manifest import digest_files
from ._result import EvaluationResult

__all__ = ["EvaluationResult", "FoldResult", "digest_files", "evaluate", "exclude_unreadable", "operating_rule"]
