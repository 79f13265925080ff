"""What is read from fold results: tables, curves, examples, a manifest; nothing is fitted here."""

from ._curves import mean_curves, mean_decision_curve
from ._describe import describe_dominance, describe_inference, describe_withheld
from ._examples import confident_mistakes, example_table, some_predictions
from ._fold import FoldResult
from ._manifest import digest_of, make_manifest
from ._models import model_names
from ._places import froc_table
from ._predictions import FAILURE_COLUMNS
from ._result import EvaluationResult
from ._tables import count_copies, effective_groups

__all__ = [
    "FAILURE_COLUMNS",
    "EvaluationResult",
    "FoldResult",
    "confident_mistakes",
    "count_copies",
    "describe_dominance",
    "describe_inference",
    "describe_withheld",
    "digest_of",
    "effective_groups",
    "example_table",
    "froc_table",
    "make_manifest",
    "mean_curves",
    "mean_decision_curve",
    "model_names",
    "some_predictions",
]
