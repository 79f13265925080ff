"""Fisher vectors of dense local descriptors."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from threadpoolctl import threadpool_limits

from .._kernels import kernel
from .._threads import map_threads
from ..cache import code_version, digest, open_cache
from . import _descriptors, _mixture
from ._base import BaseExtractor
from ._descriptors import CELLS, LENGTH, Patches, dense_descriptors
from ._mixture import Mixture, Statistics, collect, gradients, maximise

N_ITERATIONS = 20


class Projection(NamedTuple):
    """Principal components of descriptors, each of them even or odd: the mirror keeps it or changes its sign.

    Parameters
    ----------
    mean : ndarray of shape (128,), dtype float32
        Of the folded descriptors.
    components : ndarray of shape (n_components, 128), dtype float32
        By falling variance.
    is_odd : ndarray of shape (n_components,), dtype bool
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    is_odd: NDArray[np.bool_]


class FisherVectorExtractor(BaseExtractor):
    """Fisher vectors: how an image's local descriptors depart from those of the training images.

    Patches of several sizes on a dense grid are described by their gradients (RootSIFT), the descriptors reduced to
    principal components, and the patches' positions appended. Fitting learns the components and a mixture of
    Gaussians from a sample of the training images' descriptors. An image is then encoded by the gradient of its
    descriptors' log-likelihood by each Gaussian's mean and variance; signed square roots are taken and the vector
    scaled to Euclidean length 1. A support vector machine with an RBF kernel wants these vectors as they are.

    Parameters
    ----------
    cell_sizes : sequence of int, default=(4, 6, 8)
        Sizes of a patch's 4 x 4 cells in pixels: patches of 16, 24 and 32 pixels.
    step : int, default=4
        Distance between patches in pixels.
    min_contrast : float, default=4.0
        Patches whose mean gradient magnitude is not above this, in grey levels per pixel, are left out: padding,
        background, what has no edge in it. An image without any other has the Fisher vector 0. It matters more than
        any other parameter: lower it for radiographs fainter than usual.
    n_components : int, default=64
        Number of principal components, at most 128.
    n_gaussians : int, default=64
        Number of Gaussians in the mixture.
    n_samples : int, default=100_000
        Number of descriptors that the components and the mixture are learned from, as many from each image (all of
        an image's where it has fewer).
    mirror : bool, default=True
        Whether to encode each image together with its mirror image, which costs next to nothing and makes the
        features those of either.
    random_state : int, RandomState or None, default=None
        Seed of the sample and of the mixture's start.
    cache : str or path-like, default=None
        Folder in which the features of each image are kept, for the fitted mixture, and found again; with an integer
        `random_state` the mixture too, for the images it was fitted on.
    n_jobs : int, default=None
        Number of threads; None means 1, -1 all cores.

    Attributes
    ----------
    image_shape_ : tuple of (int, int)
        Height and width of the fitted images.
    projection_ : Projection
        `mean`, `components` and `is_odd` of the principal components.
    mixture_ : Mixture
        `weights`, `means` and `variances` of the Gaussians; their dimensions are the components and the positions,
        in the order of the features' names.

    See Also
    --------
    fracture_features.PretrainedExtractor : A frozen network.
    fracture_features.make_pipeline : A pipeline from paths to labels.

    Notes
    -----
    `gaussian12_mean_pc3` is the gradient by the mean of Gaussian 12 in the direction of principal component 3,
    `gaussian12_variance_x` by its variance in the columns: all gradients by means come first. Gradients by the
    mixture's weights are left out [1]_. Features belong to no place: there is no `feature_regions`.

    The sign of the gradients by variance is that of [2]_: positive where descriptors spread wider than the Gaussian;
    `skimage.feature.fisher_vector` has the opposite.

    References
    ----------
    .. [1] F. Perronnin, J. Sánchez, T. Mensink, "Improving the Fisher kernel for large-scale image classification",
       ECCV 2010.
    .. [2] J. Sánchez, F. Perronnin, T. Mensink, J. Verbeek, "Image classification with the Fisher vector: theory
       and practice", IJCV 105(3), 2013 (positions appended: section 2.5).
    .. [3] R. Arandjelović, A. Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012
       (RootSIFT).

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.features import FisherVectorExtractor
    >>> images = np.random.default_rng(0).integers(0, 256, (5, 64, 48), dtype=np.uint8)
    >>> FisherVectorExtractor(n_components=6, n_gaussians=4, random_state=0).fit_transform(images).shape
    (5, 64)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseExtractor._parameter_constraints,
        "cell_sizes": ["array-like"],
        "step": [Interval(Integral, 1, None, closed="left")],
        "min_contrast": [Interval(Real, 0, None, closed="left")],
        "n_components": [Interval(Integral, 1, LENGTH, closed="both")],
        "n_gaussians": [Interval(Integral, 1, None, closed="left")],
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "mirror": ["boolean"],
        "random_state": ["random_state"],
    }
    _has_regions = False
    projection_: Projection
    mixture_: Mixture

    def __init__(
        self,
        *,
        cell_sizes: Sequence[int] = (4, 6, 8),
        step: int = 4,
        min_contrast: float = 4.0,
        n_components: int = 64,
        n_gaussians: int = 64,
        n_samples: int = 100_000,
        mirror: bool = True,
        random_state: int | np.random.RandomState | None = None,
        cache: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
    ):
        self.cell_sizes = cell_sizes
        self.step = step
        self.min_contrast = min_contrast
        self.n_components = n_components
        self.n_gaussians = n_gaussians
        self.n_samples = n_samples
        self.mirror = mirror
        self.random_state = random_state
        self.cache = cache
        self.n_jobs = n_jobs

    def _learn(self, images: NDArray[np.uint8]) -> None:
        """Fit the codebook, or find that of the same images, parameters and seed in the cache."""
        self._check_shape()
        if self.cache is None or not isinstance(self.random_state, Integral):
            self._fit_codebook(images)
            return
        code = code_version(type(self), _descriptors, _mixture)
        key = digest("codebook", self._settings(), code, *map(np.ascontiguousarray, images))
        cache = open_cache(self.cache)
        (found,) = cache.get([key])
        if found is None:
            self._fit_codebook(images)
            cache.put([(key, _pack([*self.projection_, *self.mixture_]))])
        else:
            arrays = _unpack(found)
            self.projection_, self.mixture_ = Projection(*arrays[:3]), Mixture(*arrays[3:])

    def _fit_codebook(self, images: NDArray[np.uint8]) -> None:
        random_state = check_random_state(self.random_state)
        sample = self._sample(images, seed=random_state.randint(2**31))
        if len(sample.descriptors) < self.n_gaussians:
            raise ValueError(
                f"FisherVectorExtractor with n_gaussians={self.n_gaussians} needs at least as many patches with a "
                f"contrast above min_contrast={self.min_contrast}; the {len(images)} images it is fitted on have "
                f"{len(sample.descriptors)}."
            )
        with threadpool_limits(1):  # more would change the last bits
            self.projection_ = _principal_components(sample.descriptors, self.n_components, mirror=self.mirror)
            rows = self._project(sample)
            self.mixture_ = _fit_mixture(rows, self.n_gaussians, self._n_odd, random_state)

    def _check_shape(self) -> None:
        sizes = list(self.cell_sizes)
        if not sizes or not all(isinstance(size, Integral) and size >= 1 for size in sizes):
            raise ValueError(f"cell_sizes must be integers of at least 1, got {self.cell_sizes!r}.")
        smallest = CELLS * max(sizes)
        if min(self.image_shape_) < smallest:
            raise ValueError(
                f"FisherVectorExtractor with cell_sizes={self.cell_sizes!r} needs images of at least "
                f"{(smallest, smallest)} pixels, {CELLS} of its largest cells, got {self.image_shape_}."
            )

    def _describe(self, image: NDArray[np.uint8]) -> Patches:
        return dense_descriptors(
            np.ascontiguousarray(image), cell_sizes=self.cell_sizes, step=self.step, min_contrast=self.min_contrast
        )

    def _sample(self, images: NDArray[np.uint8], seed: int) -> Patches:
        """Patches of the images, as many of each, every other one mirrored if `mirror`."""
        share = -(-self.n_samples // len(images))

        def sample(index: int) -> Patches:
            patches = self._describe(images[index])
            # A generator for each image: the sample is the same on any number of threads.
            chosen = np.random.default_rng([seed, index]).permutation(len(patches.descriptors))[:share]
            return Patches(patches.descriptors[chosen], patches.positions[chosen])

        parts = map_threads(sample, range(len(images)), self.n_jobs)
        return Patches(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _project(self, patches: Patches) -> NDArray[np.float32]:
        """Odd components, column, even components and row of patches: (n, n_components + 2)."""
        mean, components, is_odd = self.projection_
        used = LENGTH // 2 if self.mirror else LENGTH  # if `mirror`, each component is of one half alone
        odd, even = components[is_odd, LENGTH // 2 :].T, components[~is_odd, :used].T
        shift, n_odd = mean[:used] @ even, int(is_odd.sum())
        rows = np.empty((len(patches.descriptors), len(components) + 2), dtype=np.float32)
        for start in range(0, len(rows), _mixture.BLOCK):  # which stays in the processor's cache
            block = slice(start, start + _mixture.BLOCK)
            descriptors, out = patches.descriptors[block], rows[block]
            if self.mirror:
                np.matmul(descriptors[:, LENGTH // 2 :], odd, out=out[:, :n_odd])
            np.matmul(descriptors[:, :used], even, out=out[:, n_odd + 1 : -1])
            _complete(out, n_odd, shift, patches.positions[block])
        return rows

    @property
    def _n_odd(self) -> int:
        """How many of the dimensions change their sign in the mirror, if it is asked for: they come first."""
        return int(self.projection_.is_odd.sum()) + 1 if self.mirror else 0

    def _state(self) -> bytes:
        arrays = (np.ascontiguousarray(array).tobytes() for array in (*self.projection_, *self.mixture_))
        return digest(code_version(type(self), _descriptors, _mixture), *arrays)

    def _layout(self) -> tuple[list[str], NDArray[np.int64]]:
        is_odd = self.projection_.is_odd
        odd, even = ([f"pc{i}" for i in np.flatnonzero(which)] for which in (is_odd, ~is_odd))
        names = [*odd, "x", *even, "y"]
        gaussians = range(self.n_gaussians)
        labels = [f"gaussian{k}_{what}_{name}" for what in ("mean", "variance") for k in gaussians for name in names]
        return labels, np.empty((0, 4), dtype=np.int64)

    def _walk(self, stack: NDArray[np.uint8]) -> NDArray[np.float32]:
        with threadpool_limits(1):  # the images go to threads, the matrix products of one stay in one
            return super()._walk(stack)

    def _extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = (self._project(self._describe(image)) for image in images)
        return np.stack([encode(row, self.mixture_, self._n_odd) for row in rows])


@kernel
def _complete(rows, n_odd, shift, positions):  # type: ignore[no-untyped-def]
    """Subtract `shift` from the even components of the rows, and fill in the column and the row."""
    for i in range(len(rows)):
        even = rows[i, n_odd + 1 :]
        for k in range(len(shift)):
            even[k] -= shift[k]
        even[len(shift)], rows[i, n_odd] = positions[i]


def _pack(arrays: Sequence[NDArray[Any]]) -> bytes:
    """Arrays as bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    return buffer.getvalue()


def _unpack(data: bytes) -> list[NDArray[Any]]:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return [file[name] for name in file.files]


def encode(rows: NDArray[np.float32], mixture: Mixture, n_odd: int = 0) -> NDArray[np.float32]:
    """Improved Fisher vector of one image's descriptors: signed square roots, scaled to length 1.

    Parameters
    ----------
    rows : ndarray of shape (n_descriptors, n_dimensions), dtype float32
    mixture : Mixture
    n_odd : int, default=0
        As in `collect`.

    Returns
    -------
    vector : ndarray of shape (2 * n_gaussians * n_dimensions,), dtype float32
        Zeros where there are no descriptors.
    """
    if len(rows) == 0:
        return np.zeros(2 * mixture.means.size, dtype=np.float32)
    vector = gradients(collect(rows, mixture, n_odd), mixture)
    # The square of the square roots' length is the sum of what is under them.
    scaled: NDArray[np.float64] = vector / np.abs(vector).sum()
    return np.copysign(np.sqrt(np.abs(scaled)), scaled).astype(np.float32)


def _principal_components(descriptors: NDArray[np.float32], n_components: int, *, mirror: bool) -> Projection:
    """Those of the descriptors and, if `mirror`, the mirrored ones: the two halves are then uncorrelated."""
    halves = [slice(0, LENGTH // 2), slice(LENGTH // 2, LENGTH)] if mirror else [slice(0, LENGTH)]
    mean = descriptors.mean(axis=0, dtype=np.float64).astype(np.float32)
    if mirror:
        mean[halves[1]] = 0
    variances, vectors = np.zeros(LENGTH), np.zeros((LENGTH, LENGTH))
    for half in halves:
        centred = descriptors[:, half] - mean[half]
        variances[half], vectors[half, half] = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    order = np.argsort(-variances, kind="stable")[:n_components]
    return Projection(mean, vectors[:, order].T.astype(np.float32), order >= halves[0].stop)


def _fit_mixture(
    rows: NDArray[np.float32], n_gaussians: int, n_odd: int, random_state: np.random.RandomState
) -> Mixture:
    """Mixture of the rows, and the mirrored ones, by expectation-maximisation from k-means clusters."""
    floor = _mixture.MIN_VARIANCE * rows.var(axis=0, dtype=np.float64) + 1e-8
    start = rows.copy()
    if n_odd:
        start[:, :n_odd] *= random_state.choice(np.array([-1, 1], dtype=np.float32), (len(rows), 1))
    clusters = MiniBatchKMeans(n_gaussians, batch_size=4096, max_iter=10, n_init=1, random_state=random_state)
    members = clusters.fit(start).labels_ == np.arange(n_gaussians)[:, None]
    sums = [(members @ terms).astype(np.float64) for terms in (start, start**2)]
    mixture = maximise(Statistics(len(rows), members.sum(axis=1, dtype=np.float64), *sums), floor)
    for _ in range(N_ITERATIONS):
        mixture = maximise(collect(rows, mixture, n_odd), floor)
    return mixture
