"""One self-contained HTML page on an evaluation."""

from ._write import write_report

__all__ = ["write_report"]
