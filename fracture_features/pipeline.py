"""Pipelines from paths to labels, and the table of named features and classifiers with their defaults."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils import get_tags

from ._optional import check_extra
from ._pca import CappedPCA
from ._svm import SVC, NystroemClassifier
from .cnn import CNNClassifier, PretrainedExtractor
from .features import EdgeExtractor, FisherVectorExtractor, GaborExtractor, HOGExtractor, LBPExtractor
from .images import ImageReader
from .regions import RegionClassifier, RegionStack

__all__ = [
    "CLASSIFIERS",
    "FEATURES",
    "RECIPES",
    "Classifier",
    "Features",
    "Recipe",
    "check_image_size",
    "check_installed",
    "make_pipeline",
]


class Features(NamedTuple):
    """A named extractor: whether its rows want to be scaled and, being long, reduced, the size it reads best at.

    `requires` is the extra that has to be installed.
    """

    make: Callable[[], Any]
    scale: bool = True
    reduce: bool = False
    image_size: int = 256
    requires: str | None = None


class Classifier(NamedTuple):
    """A named classifier.

    It `takes` "features", "images" or "paths"; it may want features scaled and, where they are many, reduced;
    it may use several threads; `requires` is the extra that has to be installed; `image_size` is the size at which one
    that takes images reads best.
    """

    make: Callable[[], Any]
    takes: str = "features"
    scale: bool = False
    reduce: bool = False
    threaded: bool = False
    requires: str | None = None
    image_size: int = 256


class Recipe(NamedTuple):
    """Features and a classifier that were measured together."""

    features: list[str | BaseEstimator]
    classifier: str | BaseEstimator


def _xgboost() -> Any:
    # Imported where it is asked for: it takes as long to load as scikit-learn.
    from ._xgboost import XGBClassifier

    return XGBClassifier(n_estimators=300, max_depth=4, learning_rate=0.05, subsample=0.8, colsample_bytree=0.5)


def _best(**options: Any) -> RegionStack:
    parts = (make_pipeline(name, **options) for name in ("mobilenetv2-regions", "accurate"))
    return RegionStack(*parts, random_state=options.get("random_state"))


FEATURES = {
    "hog": Features(HOGExtractor, reduce=True),
    "lbp": Features(LBPExtractor),
    "edges": Features(EdgeExtractor),
    "gabor": Features(GaborExtractor),
    # Of unit length as they are; principal components cost them accuracy.
    "fisher": Features(FisherVectorExtractor, scale=False),
    # Of keras.applications; at 448 pixels where that was measured, else at the size they were trained at.
    "mobilenetv2": Features(PretrainedExtractor, image_size=448, requires="cnn"),
    **{
        name.lower(): Features(partial(PretrainedExtractor, architecture=name), image_size=224, requires="cnn")
        for name in ("DenseNet121", "EfficientNetB0", "ResNet50", "VGG16")
    },
}
CLASSIFIERS = {
    "svm": Classifier(lambda: SVC(class_weight="balanced"), scale=True, reduce=True),
    "nystroem": Classifier(lambda: NystroemClassifier(class_weight="balanced"), scale=True, reduce=True),
    "linear_svm": Classifier(lambda: LinearSVC(class_weight="balanced", C=0.001), scale=True, reduce=True),
    "sgd": Classifier(lambda: SGDClassifier(class_weight="balanced", alpha=0.01), scale=True, reduce=True),
    "logistic": Classifier(
        lambda: LogisticRegression(class_weight="balanced", C=0.01, max_iter=1000), scale=True, reduce=True
    ),
    "random_forest": Classifier(
        lambda: RandomForestClassifier(300, class_weight="balanced", min_samples_leaf=3), threaded=True
    ),
    "xgboost": Classifier(_xgboost, reduce=True, threaded=True),
    "cnn": Classifier(CNNClassifier, takes="images", requires="cnn"),
    "regions": Classifier(RegionClassifier, takes="images", threaded=True, image_size=640),
    "mobilenetv2-regions": Classifier(
        partial(RegionClassifier, architecture="MobileNetV2"),
        takes="images",
        threaded=True,
        requires="cnn",
        image_size=640,
    ),
    "best": Classifier(_best, takes="paths", threaded=True, requires="cnn"),
    "majority": Classifier(lambda: DummyClassifier(strategy="prior"), takes="paths"),
}

RECIPES = {
    "fast": Recipe([HOGExtractor(orientations=12, pixels_per_cell=32, cells_per_block=1), "lbp", "edges"], "svm"),
    # On rows of unit length the gamma that "scale" stands for.
    "accurate": Recipe(["fisher"], SVC(C=2, gamma=1.0, class_weight="balanced")),
}


def make_pipeline(
    features: str | BaseEstimator | list[str | BaseEstimator] | tuple[str | BaseEstimator, ...] | None = None,
    classifier: str | BaseEstimator | None = None,
    *,
    image_size: int | tuple[int, int] | None = None,
    resize: str = "pad",
    cache: str | os.PathLike[str] | None = None,
    random_state: int | None = None,
    n_jobs: int | None = None,
) -> Pipeline:
    """Build a scikit-learn Pipeline from paths of radiographs to labels.

    It shares its name with `sklearn.pipeline.make_pipeline`, which chains estimators it is given; this one chooses
    the steps: `images` (ImageReader), `features` (a FeatureUnion, of one extractor too), `scaler` (StandardScaler),
    `reducer` (CappedPCA) and `classifier`, those that apply. Set a step to "passthrough" to leave it out.

    Parameters
    ----------
    features : str, extractor or list of these, default=None
        "hog", "lbp", "edges", "gabor", "fisher", a pretrained network ("mobilenetv2", "densenet121", "efficientnetb0",
        "resnet50", "vgg16", with the weights that keras fetches), several joined as in "hog+lbp", or instances of
        extractors; None means "hog" where the classifier takes any. Or, alone, a whole model: features and classifier
        as in "hog+lbp+svm", a classifier as "cnn", or a recipe, "fast" (HOG, LBP and edges, RBF SVM) to begin with,
        "accurate" (Fisher vectors, RBF SVM) for the strongest without a pretrained network, "best" ("accurate" and
        "mobilenetv2-regions", stacked by RegionStack) for the strongest of all, which needs boxes.
    classifier : str or classifier, default=None
        "svm" (RBF), "nystroem" (its approximation for many images), "linear_svm", "sgd" (a linear SVM by stochastic
        gradient descent), "logistic", "random_forest", "xgboost", "cnn", "regions", "mobilenetv2-regions", "best",
        "majority", all class-weighted, or an instance. "cnn", "regions" and "mobilenetv2-regions" (which learn from
        boxes, the second with a pretrained network), and any instance tagged to take three-dimensional arrays, take the
        images themselves; "best" takes them at two sizes; "majority" takes nothing of them. None means the one that
        `features` names, or "svm".
    image_size : int or (int, int), default=None
        Height and width in pixels to which images are resized. None means what the features want, the largest if they
        differ: 448 for "mobilenetv2", 224 for the other networks, 640 for "regions", 256 for all else.
    resize : {"pad", "stretch"}, default="pad"
        How; see ImageReader.
    cache : str or path-like, default=None
        Folder in which pixels and features of each image are kept, found again by content and parameters. Fitting makes
        it; a fitted pipeline that is used where there is no such folder computes, and says so in a CacheWarning.
    random_state : int, default=None
        Seed of the reducer, the classifier and what extractors learn. None means 0 for the extractors, so that Fisher
        vectors, and with them "accurate", are the same each time; the others are left to their own None.
    n_jobs : int, default=None
        Threads of reading, of extraction, and of "random_forest", "xgboost" and "regions".

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        `cache`, `random_state` and `n_jobs` are set on instances too, where they leave theirs at None; `n_jobs` of a
        classifier that is given as an instance stays as it is.

    Raises
    ------
    ValueError
        If a name is unknown, features are given for a classifier that takes none, or two classifiers are.

    See Also
    --------
    fracture_features.evaluate : Cross-validate pipelines.
    fracture_features.train_model : Fit one for use.

    Examples
    --------
    >>> from fracture_features import make_pipeline
    >>> list(make_pipeline("hog", "svm").named_steps)
    ['images', 'features', 'scaler', 'reducer', 'classifier']
    >>> make_pipeline("hog+lbp+xgboost").get_params()["features__lbp__n_points"]
    8
    """
    if isinstance(features, str):
        features, classifier = _parse_name(features, classifier)
    classifier = "svm" if classifier is None else classifier
    common = {"cache": cache, "random_state": random_state, "n_jobs": n_jobs}
    named = _named_classifier(classifier)
    last = ("classifier", _with_common(named.make(), common | ({} if named.threaded else {"n_jobs": None})))
    if named.takes != "features" and features is not None:
        raise ValueError(f"classifier={classifier!r} takes the {named.takes} themselves; got features={features!r}")
    if named.takes == "paths":
        if classifier == "best":
            if image_size is not None:
                raise ValueError(f"classifier='best' reads at two sizes of its own; got image_size={image_size!r}")
            return Pipeline([("classifier", _best(resize=resize, **common))])
        return Pipeline([last])
    extractors = _named_features("hog" if features is None else features) if named.takes == "features" else []
    if image_size is None:
        image_size = max((made.image_size for _, made in extractors), default=named.image_size)
    reader = ImageReader(image_size=image_size, resize=resize, cache=cache, n_jobs=n_jobs)
    steps: list[tuple[str, Any]] = [("images", reader)]
    if extractors:
        # Of one mixture of Gaussians to the next ROC AUC varies by half a hundredth; the cache keeps those with a seed.
        seeded = common | {"random_state": 0 if random_state is None else random_state}
        union = [(name, _with_common(made.make(), seeded)) for name, made in extractors]
        steps.append(("features", FeatureUnion(union)))
        reduce = named.reduce and any(made.reduce for _, made in extractors)
        if reduce or (named.scale and any(made.scale for _, made in extractors)):
            steps.append(("scaler", StandardScaler()))
        if reduce:
            # The variance of HOG falls slowly: with PCA's own 10 oversamples ROC AUC would depend on the seed.
            steps.append(("reducer", CappedPCA(100, n_oversamples=100, random_state=random_state)))
    return Pipeline([*steps, last])


def check_installed(name: str) -> None:
    """Do nothing where what a model needs is installed; nothing is imported to find out.

    Parameters
    ----------
    name : str
        As `make_pipeline` takes it alone: "hog+lbp+svm", "mobilenetv2+svm", "cnn", "fast".

    Raises
    ------
    MissingDependencyError
        If an extra that it needs is not; it names the model and the extra.
    ValueError
        If the name is unknown.
    """
    features, classifier = _parse_name(name, None)
    extractors = [] if features is None else _named_features(features)
    for extra in (*(made.requires for _, made in extractors), _named_classifier(classifier or "svm").requires):
        if extra is not None:
            check_extra(extra, needed_for=f"the model {name!r}")


def check_image_size(model: Pipeline) -> None:
    """Raise ValueError where the images that a pipeline reads are too small for its extractors or its network."""
    steps = model.named_steps
    if "images" not in steps:
        return  # it takes nothing of them
    shape = steps["images"].image_shape()
    takers = [extractor for _, extractor in steps["features"].transformer_list] if "features" in steps else []
    for taker in [*takers, steps["classifier"]]:
        if hasattr(taker, "check_image_shape"):
            taker.check_image_shape(shape)


def _parse_name(name: str, classifier: Any) -> tuple[list[str | BaseEstimator] | None, Any]:
    """Features and classifier, where they are named, of a recipe, "hog+lbp", "hog+lbp+svm" or "svm"."""
    if name in RECIPES:
        if classifier is not None:
            raise ValueError(f"features={name!r} is a recipe with a classifier; got classifier={classifier!r} too")
        return RECIPES[name]
    *features, last = parts = name.split("+")
    for part in parts:
        if part not in FEATURES and part not in CLASSIFIERS:
            what = f"{part!r} is unknown" if part else "a part is empty"
            raise ValueError(
                f"features={name!r}: {what}; expected some of {sorted(FEATURES)} joined by +, then one of "
                f"{sorted(CLASSIFIERS)} or none; or, alone, one of {sorted(RECIPES)}"
            )
    named = [part for part in parts if part in CLASSIFIERS]
    if not named:
        return list(parts), classifier
    if len(named) > 1 or classifier is not None:
        both = named if classifier is None else [*named, classifier]
        raise ValueError(f"features={name!r}: expected one classifier, got {both}")
    if last != named[0]:
        raise ValueError(f"features={name!r}: expected the classifier, {named[0]!r}, at the end")
    return list(features) or None, last


def _named_classifier(classifier: Any) -> Classifier:
    if isinstance(classifier, str):
        if classifier not in CLASSIFIERS:
            raise ValueError(
                f"classifier={classifier!r} is unknown; expected one of {sorted(CLASSIFIERS)} or an instance"
            )
        return CLASSIFIERS[classifier]
    if isinstance(classifier, type) or not hasattr(classifier, "fit"):
        raise ValueError(f"classifier must be one of {sorted(CLASSIFIERS)} or an instance, got {classifier!r}")
    takes = "images" if get_tags(classifier).input_tags.three_d_array else "features"
    return Classifier(lambda: clone(classifier), takes=takes, scale=True, reduce=True)


def _named_features(features: Any) -> list[tuple[str, Features]]:
    """Extractors with unique names: `hog`, or `hog-1` and `hog-2` where there are two."""
    given = list(features) if isinstance(features, list | tuple) else [features]
    if not given:
        raise ValueError(f"features must name at least one of {sorted(FEATURES)}, got {features!r}")
    made = [_one_feature(feature) for feature in given]
    names = [name for name, _ in made]
    return [
        (name if names.count(name) == 1 else f"{name}-{names[: i + 1].count(name)}", feature)
        for i, (name, feature) in enumerate(made)
    ]


def _one_feature(feature: Any) -> tuple[str, Features]:
    if isinstance(feature, str):
        if feature not in FEATURES:
            recipes = f", an instance or, alone, one of {sorted(RECIPES)}"
            raise ValueError(f"features={feature!r} is unknown; expected one of {sorted(FEATURES)}{recipes}")
        return feature, FEATURES[feature]
    if isinstance(feature, type) or not hasattr(feature, "transform"):
        raise ValueError(f"features must be among {sorted(FEATURES)} or instances, got {feature!r}")
    if isinstance(feature, PretrainedExtractor):
        name = feature.architecture.lower()
        return name, FEATURES.get(name, FEATURES["vgg16"])._replace(make=lambda: clone(feature))
    for name, named in FEATURES.items():
        if type(feature) is named.make:
            return name, named._replace(make=lambda: clone(feature))
    return type(feature).__name__.lower(), Features(lambda: clone(feature), reduce=True)


def _with_common(estimator: Any, common: dict[str, Any]) -> Any:
    """Set those parameters that the estimator has and leaves at None."""
    own = estimator.get_params(deep=False)
    estimator.set_params(**{k: v for k, v in common.items() if k in own and own[k] is None})
    return estimator  # a FrozenEstimator's own method returns None
