"""Models × folds → predictions, and tables of measures with intervals."""

from ._evaluate import evaluate, exclude_unreadable
from ._fold import FoldResult
from ._result import EvaluationResult

__all__ = ["EvaluationResult", "FoldResult", "evaluate", "exclude_unreadable"]
