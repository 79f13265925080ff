"""Where a file's image lies among the pixels that ImageReader gives."""

from __future__ import annotations

Box = tuple[int, int, int, int]


def image_box(shape: tuple[int, int], resize: str, stack_shape: tuple[int, int]) -> Box:
    """Top, left, bottom and right of an image of `shape` in a reader's of `stack_shape`; the rest is padding."""
    height, width = stack_shape
    if resize == "stretch":
        return 0, 0, height, width
    scale = min(height / shape[0], width / shape[1])
    inner = [max(1, round(side * scale)) for side in shape]
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    return top, left, top + inner[0], left + inner[1]
