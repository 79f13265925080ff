"""Tables, curves, examples and a manifest from fold results; nothing is fitted here."""

from ._curves import mean_curves, mean_decision_curve
from ._describe import describe_dominance, describe_inference, describe_withheld
from ._examples import confident_mistakes, example_table, some_predictions
from ._fold import FoldResult
from ._format import interval, measure_label, number, with_interval
from ._manifest import digest_of, make_manifest
from ._models import model_names
from ._paper import MAIN, ModelTable, sorted_models
from ._places import froc_table
from ._predictions import FAILURE_COLUMNS
from ._result import EvaluationResult
from ._smooth import smooth_reliability
from ._studies import check_studies
from ._tables import count_copies, effective_groups, subgroup_columns

__all__ = [
    "FAILURE_COLUMNS",
    "MAIN",
    "EvaluationResult",
    "FoldResult",
    "ModelTable",
    "check_studies",
    "confident_mistakes",
    "count_copies",
    "describe_dominance",
    "describe_inference",
    "describe_withheld",
    "digest_of",
    "effective_groups",
    "example_table",
    "froc_table",
    "interval",
    "make_manifest",
    "mean_curves",
    "mean_decision_curve",
    "measure_label",
    "model_names",
    "number",
    "smooth_reliability",
    "some_predictions",
    "sorted_models",
    "subgroup_columns",
    "with_interval",
]
