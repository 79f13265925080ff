"""Self-contained HTML pages on an evaluation and on an audit."""

from ._audit import with_intervals, write_audit
from ._summary import best_model, shorten_paths, shorten_text
from ._write import write_report

__all__ = ["best_model", "shorten_paths", "shorten_text", "with_intervals", "write_audit", "write_report"]
