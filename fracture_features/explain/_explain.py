"""One signed map for each image, whatever the pipeline."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from .._validation import check_paths, is_whole
from ..cache import bypassed_caches
from ..cnn import CNNClassifier
from ..cnn._gradcam import grad_cam
from ..images import ImageReader, read_shape
from ..regions import RegionClassifier, RegionStack
from . import _features as placed
from ._frames import Frame, enlarge, find_frame
from ._pixels import occlude_pixels
from ._scores import find_class, find_line, target_scores

BLOCK = 16  # images
Explain = Callable[[NDArray[np.uint8], list[Frame]], list[NDArray[np.float64]]]


def explain_images(
    model: Any, images: ArrayLike, *, target: Any = 1, shapes: ArrayLike | None = None
) -> list[NDArray[np.float64]]:
    """Map which places of each image speak for a class, and which against it.

    What is explained is the score of the class: the classifier's decision function, or, where it has none, the
    log-odds of its probability. How depends on the pipeline:

    - Features with places (`feature_regions`) and a linear score (StandardScaler, PCA, or neither, then a linear
      classifier): each feature's contribution to the score, spread evenly over the pixels it is computed from. The
      map sums to the score less the classifier's intercept. With a scaler or a reducer contributions are to the
      difference from the training images' mean, else from 0.
    - Fisher vectors and a linear score: the same sum, shared out among the patches that the vector is a mean of [1]_.
    - Features with places, any other classifier: occlusion [2]_ among the features. Those of one region after the
      other are replaced by their mean over the training images, which the scaler or the reducer knows, or by those
      of a black image where there is neither; what the score loses is spread evenly over the region.
    - RegionClassifier, in a RegionStack too: its score map, positive where it finds a box.
    - CNNClassifier: Grad-CAM [3]_ of the log-odds, without its rectifier.
    - Anything else: occlusion of the pixels, window after window replaced by the image blurred [4]_. It takes some
      200 times as long as a prediction.

    Parameters
    ----------
    model : Pipeline or search
        Fitted, as `make_pipeline` builds it, or a search over one that has `best_estimator_`, or a FrozenEstimator of
        one.
    images : array-like of shape (n_samples,) of str or path-like
        Paths, as the pipeline takes them.
    target : label, default=1
        The class, one of the model's `classes_`.
    shapes : sequence of (int, int), default=None
        Height and width of each map; None means those of the files. A smaller map of the file's proportions takes
        less time and memory, and no file is opened for its shape.

    Returns
    -------
    maps : list of ndarray of shape (height, width), dtype float64
        Of the shape that `read_image` gives the file, or that of `shapes`, 8 bytes a pixel: positive where the image
        speaks for the target. Nothing is normalised: the units are those of the score.

    Raises
    ------
    ValueError
        If `model` is no such pipeline or has no score for a class, `target` is none of its classes, `images` is no
        list of paths, or `shapes` has another length or anything but pairs of integers of at least 1.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    ImageReadError
        At a file that cannot be read.

    See Also
    --------
    fracture_features.plotting.plot_heat_map : Draw a map over its image.

    Notes
    -----
    Where features have places, sums outlast the way back from the reader's size to the file's: a pixel's value is
    shared among the pixels it covers. What lies in the padding, which the file has not, is spread evenly over the
    image, as is what float32's rounding makes of the score. The maps of the other methods have levels and no sum,
    and are interpolated linearly.

    A map shows what a model uses, not whether it is right to, and coarse features make coarse maps.

    References
    ----------
    .. [1] S. Lapuschkin, A. Binder, G. Montavon, K.-R. Müller, W. Samek, "Analyzing classifiers: Fisher vectors and
       deep neural networks", CVPR 2016.
    .. [2] M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
    .. [3] R. R. Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization",
       ICCV 2017.
    .. [4] R. Fong and A. Vedaldi, "Interpretable explanations of black boxes by meaningful perturbation", ICCV 2017.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from fracture_features import load_folder, make_pipeline, make_radiographs, read_image
    >>> from fracture_features.explain import explain_images
    >>> with TemporaryDirectory() as parent:
    ...     data = load_folder(make_radiographs(12, folder=parent + "/radiographs", random_state=0))
    ...     model = make_pipeline("hog", "logistic", image_size=64).fit(data.paths, data.y)
    ...     maps = explain_images(model, data.paths[:2])
    ...     [m.shape == read_image(path).shape for m, path in zip(maps, data.paths)]
    ...     score = model.decision_function(data.paths[:2]) - model[-1].intercept_
    ...     bool(abs(maps[0].sum() - score[0]) < 1e-6)
    [True, True]
    True
    """
    pipeline = _pipeline_of(model)
    reader = pipeline[0]
    paths = check_paths(images, estimator=reader)
    sizes = [read_shape(path) for path in paths] if shapes is None else _check_shapes(shapes, len(paths))
    maps: list[NDArray[np.float64]] = []
    method = _choose(pipeline, find_class(pipeline[-1], target))
    for rows in gen_batches(len(paths), BLOCK):
        stack = reader.transform(paths[rows])
        maps += method(stack, [find_frame(size, reader, stack.shape[1:]) for size in sizes[rows]])
    return maps


def _check_shapes(shapes: ArrayLike, n: int) -> list[tuple[int, int]]:
    pairs = np.array(shapes, dtype=object)
    if pairs.shape != (n, 2) or not all(is_whole(side) and side >= 1 for side in pairs.ravel()):
        raise ValueError(
            f"shapes must be a height and a width, integers of at least 1, for each of {n} images, got "
            f"{reprlib.repr(shapes)}."
        )
    return [(int(height), int(width)) for height, width in pairs]


def _pipeline_of(model: Any) -> Pipeline:
    if not hasattr(model, "fit") or isinstance(model, type):
        raise ValueError(f"model must be a fitted pipeline of make_pipeline or a search over one, got {model!r}.")
    check_is_fitted(model)
    pipeline = getattr(model, "best_estimator_", model)
    if isinstance(pipeline, FrozenEstimator):
        pipeline = pipeline.estimator
    if isinstance(pipeline, Pipeline) and isinstance(pipeline[-1], RegionStack):
        pipeline = pipeline[-1].places_
    if not isinstance(pipeline, Pipeline) or len(pipeline) < 2 or not isinstance(pipeline[0], ImageReader):
        what = type(pipeline).__name__
        if isinstance(pipeline, Pipeline):
            what += f" of {[type(step).__name__ for _, step in pipeline.steps]}"
        raise ValueError(
            "model cannot be explained: expected a pipeline of make_pipeline that begins with an ImageReader, frozen "
            f"or not, or a search over one that has best_estimator_, got {what}."
        )
    return pipeline


def _choose(pipeline: Pipeline, column: int) -> Explain:
    """The method for the pipeline, from a block of images and their frames to maps."""
    if len(pipeline) == 2 and isinstance(pipeline[-1], CNNClassifier):
        return lambda stack, frames: _by_grad_cam(pipeline[-1], stack, frames, column)
    if len(pipeline) == 2 and isinstance(pipeline[-1], RegionClassifier):
        return lambda stack, frames: _by_score_map(pipeline[-1], stack, frames, column)
    steps = pipeline[1:]
    if len(pipeline) > 2 and all(placed.is_placed(extractor) for extractor in placed.extractors_of(pipeline[1])):
        return lambda stack, frames: _by_features(steps, stack, frames, column)
    return lambda stack, frames: _by_pixels(steps, stack, frames, column)


def _by_grad_cam(
    classifier: CNNClassifier, stack: NDArray[np.uint8], frames: list[Frame], column: int
) -> list[NDArray[np.float64]]:
    maps = grad_cam(classifier, stack, column)
    return [enlarge(levels, frame, stack.shape[1:]) for levels, frame in zip(maps, frames, strict=True)]


def _by_score_map(
    classifier: RegionClassifier, stack: NDArray[np.uint8], frames: list[Frame], column: int
) -> list[NDArray[np.float64]]:
    maps = classifier.score_map(stack).astype(np.float64) * (1 if column == 1 else -1)
    return [enlarge(levels, frame, stack.shape[1:]) for levels, frame in zip(maps, frames, strict=True)]


def _by_features(
    steps: Pipeline, stack: NDArray[np.uint8], frames: list[Frame], column: int
) -> list[NDArray[np.float64]]:
    """Contributions where the score is linear, else occlusion of regions, or of pixels where there are none."""
    features, steps_after = steps[0], steps[1:]
    rows = np.asarray(features.transform(stack))  # a DataFrame after set_output
    line = find_line(steps_after, rows, column)
    if line is not None:
        scores = target_scores(steps_after, rows, column)
        each = zip(stack, rows, scores, frames, strict=True)
        return [placed.linear_map(features, image, row, line, score, frame) for image, row, score, frame in each]
    if not all(placed.has_regions(extractor) for extractor in placed.extractors_of(features)):
        return _by_pixels(steps, stack, frames, column)
    regions, absent = placed.group_regions(features), placed.absent_features(features, steps_after, stack.shape[1:])
    pairs = zip(rows, frames, strict=True)
    return [placed.occlude_regions(steps_after, row, regions, absent, column, frame) for row, frame in pairs]


def _by_pixels(
    steps: Pipeline, stack: NDArray[np.uint8], frames: list[Frame], column: int
) -> list[NDArray[np.float64]]:
    def score(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        return target_scores(steps, images, column)

    with bypassed_caches():  # images that are half hidden are not worth keeping
        maps = [occlude_pixels(score, image, frame) for image, frame in zip(stack, frames, strict=True)]
    return [enlarge(levels, frame, stack.shape[1:]) for levels, frame in zip(maps, frames, strict=True)]
