"""Radiographs drawn from geometry and physics."""

from ._draw import is_drawn, make_radiographs

__all__ = ["is_drawn", "make_radiographs"]
