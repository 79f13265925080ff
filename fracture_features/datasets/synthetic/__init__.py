"""Radiographs drawn from geometry and physics."""

from ._draw import make_radiographs

__all__ = ["make_radiographs"]
