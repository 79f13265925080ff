"""One self-contained HTML page on an evaluation."""

from ._summary import best_model
from ._write import write_report

__all__ = ["best_model", "write_report"]
