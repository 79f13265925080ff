"""Self-contained HTML pages on a data set, on its audit and on an evaluation."""

from ._audit import with_intervals, write_audit
from ._data import write_data
from ._networks import behind_calibration
from ._summary import best_model, shorten_paths, shorten_text
from ._write import write_report

__all__ = [
    "behind_calibration",
    "best_model",
    "shorten_paths",
    "shorten_text",
    "with_intervals",
    "write_audit",
    "write_data",
    "write_report",
]
