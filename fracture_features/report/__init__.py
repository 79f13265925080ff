"""Self-contained HTML pages on an evaluation and on an audit."""

from ._audit import write_audit
from ._summary import best_model
from ._write import write_report

__all__ = ["best_model", "write_audit", "write_report"]
