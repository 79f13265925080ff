"""What the extractors share: validation, blocks walked in parallel, the cache, the names of the features."""

from __future__ import annotations

import os
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import gen_batches
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .. import _kernels
from .._fingerprint import fingerprint
from .._threads import count_threads, map_threads
from .._validation import check_image_shape, check_image_stack
from ..cache import Cached, code_version, digest, open_cache
from ..images._stack import IndexedStack

BLOCK = 32


class BaseExtractor(Cached, TransformerMixin, BaseEstimator):
    """An extractor: each image of a uint8 stack becomes one float32 row.

    A subclass has parameters, `_extract` and `_layout`, and leaves the rest to this class. Most are stateless: they
    see each image alone. A fitted encoder has `_learn` and `_state` as well. Parameters that are set after `fit`, but
    for `cache`, `n_jobs` and `random_state`, want another: until then `transform` raises.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "cache": [str, os.PathLike, None],
        "n_jobs": [Integral, None],
    }

    _has_regions: ClassVar[bool] = True
    # Parameters that what is kept in a cache does not depend on.
    _not_in_keys: ClassVar[tuple[str, ...]] = ("cache", "n_jobs")

    # What the estimators' constructors assign.
    n_jobs: int | None

    def _extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (n, n_features) of a contiguous block of images (n, height, width)."""
        raise NotImplementedError

    def _layout(self) -> tuple[list[str], NDArray[np.int64]]:
        """Names of the features and the pixel box of each; raises ValueError where the images are too small."""
        raise NotImplementedError

    def check_image_shape(self, shape: tuple[int, int]) -> None:
        """Raise ValueError where images of `shape` (height, width) are too small for the parameters."""
        trial = clone(self)
        trial.image_shape_ = shape
        trial._check_shape()

    def _check_shape(self) -> None:
        """Raise ValueError where images of `image_shape_` are too small, without learning anything."""
        self._layout()

    def _learn(self, images: NDArray[np.uint8]) -> None:
        """Set what a fitted encoder learns from the images (n, height, width), its attributes ending in `_`."""

    def _state(self) -> bytes:
        """Digest of what `_learn` has set, and of the modules that `_extract` calls: other states, other rows."""
        return b""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Validate the parameters, remember the shape of the images, and learn from them what there is to learn.

        Parameters
        ----------
        X : ndarray of shape (n_samples, height, width), dtype uint8
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `X` is no such stack, a parameter is out of its range, or the images are too small for it.
        """
        stack = check_image_stack(X, estimator=self)
        if self.cache is not None:
            open_cache(self.cache)  # makes the folder
        before = self.__dict__.copy()
        try:
            self.image_shape_: tuple[int, int] = (stack.shape[1], stack.shape[2])
            self._learn(stack)
            self._names, self._regions = self._layout()
        except BaseException:
            self.__dict__ = before  # a mixture of two fits would be neither
            raise
        self._fitted_with = self._describe_parameters()
        return self

    def _describe_parameters(self) -> dict[str, bytes]:
        """Those that rows depend on, for comparison: a list may be changed in place, an array has no one equality."""
        passing = ("cache", "n_jobs", "random_state")
        return {name: fingerprint(value) for name, value in self.get_params().items() if name not in passing}

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Extract the features of each image.

        Parameters
        ----------
        X : ndarray of shape (n_samples, height, width), dtype uint8
            Images of the shape that was fitted.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features), dtype float32

        Raises
        ------
        NotFittedError
            If there was no `fit`, or parameters have been set since.
        ValueError
            If `X` is no such stack.
        """
        check_is_fitted(self)
        now = self._describe_parameters()
        given = self.get_params()
        if changed := [f"{name}={given[name]!r}" for name, value in self._fitted_with.items() if value != now[name]]:
            raise NotFittedError(
                f"{type(self).__name__} was fitted with other parameters than {', '.join(changed)}: call fit again."
            )
        stack = check_image_stack(X, estimator=self)
        check_image_shape(stack, self.image_shape_, estimator=self)
        features = self._walk(stack)
        if isinstance(X, IndexedStack) and _get_output_config("transform", self)["dense"] == "pandas":
            # scikit-learn takes the index of tables alone.
            return pd.DataFrame(features, index=X.index, copy=False)  # type: ignore[return-value]
        return features

    def _walk(self, stack: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of a stack of any length, block by block."""
        features = np.empty((len(stack), len(self._names)), dtype=np.float32)
        recipe = b"" if self.cache is None else digest(self._settings(), self._state())

        def extract(rows: slice) -> None:
            features[rows] = self._extract_cached(np.ascontiguousarray(stack[rows]), recipe)

        # Several blocks to a thread, so that none waits long for the last.
        size = min(BLOCK, -(-len(stack) // (4 * count_threads(self.n_jobs))))
        map_threads(extract, gen_batches(len(stack), size), self.n_jobs)
        return features

    def _extract_cached(self, images: NDArray[np.uint8], recipe: bytes) -> NDArray[np.float32]:
        if self.cache is None:
            return self._extract(images)
        keys = [digest(recipe, image) for image in images]
        cache = open_cache(self.cache, make=False)
        rows = {key: value for key, value in zip(keys, cache.get(keys), strict=True) if value is not None}
        missing = [i for i, key in enumerate(keys) if key not in rows]
        if missing:
            new = zip(missing, self._extract(images[missing]), strict=True)
            rows |= (computed := {keys[i]: row.tobytes() for i, row in new})
            cache.put(computed.items())
        return np.stack([np.frombuffer(rows[key], dtype=np.float32) for key in keys])

    def _settings(self) -> bytes:
        """Digest of the code, the parameters and the images' shape."""
        parameters = {k: v for k, v in self.get_params().items() if k not in self._not_in_keys}
        return digest(code_version(type(self), _kernels), fingerprint(parameters, self.image_shape_))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the features, in their order.

        Parameters
        ----------
        input_features : ignored
            There for scikit-learn's API: pixels have no names.

        Returns
        -------
        names : ndarray of shape (n_features,), dtype object
        """
        check_is_fitted(self)
        return np.asarray(self._names, dtype=object)

    @available_if(lambda self: self._has_regions)
    def feature_regions(self) -> NDArray[np.int64]:
        """Pixels that each feature is computed from.

        Returns
        -------
        regions : ndarray of shape (n_features, 4), dtype int64
            Top, left, bottom and right of each feature's box, in pixels; bottom and right excluded.
        """
        check_is_fitted(self)
        return self._regions.copy()

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that the input is a stack of images and fitting needs no labels."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.requires_fit = True
        return tags
