"""What is read from fold results: tables, curves, examples, a manifest; nothing is fitted here."""

from ._curves import mean_curves, mean_decision_curve
from ._examples import confident_mistakes, example_table, some_predictions
from ._fold import FoldResult
from ._manifest import digest_of, make_manifest
from ._models import model_names
from ._result import FAILURE_COLUMNS, EvaluationResult
from ._tables import count_copies

__all__ = [
    "FAILURE_COLUMNS",
    "EvaluationResult",
    "FoldResult",
    "confident_mistakes",
    "count_copies",
    "digest_of",
    "example_table",
    "make_manifest",
    "mean_curves",
    "mean_decision_curve",
    "model_names",
    "some_predictions",
]
