"""The `fracture-features` command: arguments in, tables out."""

from ._main import DEFAULT_MODELS, main

__all__ = ["DEFAULT_MODELS", "main"]
