"""Estimators that keep what they compute, wherever they stand in a model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator


class Cached:
    """An estimator of this library's with a parameter `cache`."""

    cache: str | os.PathLike[str] | None


def cached_parts(model: Any) -> Iterator[Cached]:
    """Every such estimator in a model, fitted or not, however deep; none within a FrozenEstimator."""
    waiting, seen = [model], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, FrozenEstimator):
            continue
        seen.add(id(part))
        if isinstance(part, Cached):
            yield part
        if isinstance(part, list | tuple):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, BaseEstimator) or type(part).__module__.startswith("sklearn."):
            waiting += getattr(part, "__dict__", {}).values()


def set_caches(model: Any, folder: str | os.PathLike[str] | None) -> Any:
    """The model, in place, with every `cache` in it set to `folder`."""
    for part in cached_parts(model):
        part.cache = folder
    return model
