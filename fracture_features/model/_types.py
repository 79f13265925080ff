"""What a model file may hold: types and functions by their full names, none of which is imported to be compared.

On these lists stand types whose construction and prediction compute and do nothing else. Some of them compute in C on
arrays whose bounds nobody checks there; `_checks`, `_trees` and `_boosters` check them.
"""

from __future__ import annotations

# Estimators of this library, and what they hold.
OWN = (
    "fracture_features._pca.CappedPCA",
    "fracture_features._svm.NystroemClassifier",
    "fracture_features._svm.SVC",
    "fracture_features._xgboost.XGBClassifier",
    "fracture_features.cnn._classifier.CNNClassifier",
    "fracture_features.cnn._pretrained.Network",
    "fracture_features.cnn._pretrained.PretrainedExtractor",
    "fracture_features.evaluation._recalibration.RecalibratedClassifier",
    "fracture_features.features._edges.EdgeExtractor",
    "fracture_features.features._fisher.FisherVectorExtractor",
    "fracture_features.features._gabor.GaborExtractor",
    "fracture_features.features._hog.HOGExtractor",
    "fracture_features.features._lbp.LBPExtractor",
    "fracture_features.images._reader.ImageReader",
    "fracture_features.regions._classifier.RegionClassifier",
    "fracture_features.regions._stack.RegionStack",
)
XGBOOST = ("fracture_features._xgboost.XGBClassifier", "xgboost.sklearn.XGBClassifier")

# Left out: what predicts in C from unchecked arrays (nearest neighbours, gradient boosting), what opens files
# (text vectorisers), what holds a table of the training images (MetadataLookup).
SKLEARN = (
    "sklearn.calibration.CalibratedClassifierCV",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.decomposition._incremental_pca.IncrementalPCA",
    "sklearn.decomposition._kernel_pca.KernelPCA",
    "sklearn.decomposition._pca.PCA",
    "sklearn.decomposition._truncated_svd.TruncatedSVD",
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
    "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis",
    "sklearn.dummy.DummyClassifier",
    "sklearn.ensemble._bagging.BaggingClassifier",
    "sklearn.ensemble._forest.ExtraTreesClassifier",
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.ensemble._stacking.StackingClassifier",
    "sklearn.ensemble._voting.VotingClassifier",
    "sklearn.ensemble._weight_boosting.AdaBoostClassifier",
    "sklearn.feature_selection._from_model.SelectFromModel",
    "sklearn.feature_selection._univariate_selection.SelectKBest",
    "sklearn.feature_selection._univariate_selection.SelectPercentile",
    "sklearn.feature_selection._variance_threshold.VarianceThreshold",
    "sklearn.frozen._frozen.FrozenEstimator",
    "sklearn.impute._base.SimpleImputer",
    "sklearn.isotonic.IsotonicRegression",
    "sklearn.kernel_approximation.Nystroem",
    "sklearn.kernel_approximation.RBFSampler",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.linear_model._logistic.LogisticRegressionCV",
    "sklearn.linear_model._perceptron.Perceptron",
    "sklearn.linear_model._ridge.Ridge",
    "sklearn.linear_model._ridge.RidgeClassifier",
    "sklearn.linear_model._ridge.RidgeClassifierCV",
    "sklearn.linear_model._stochastic_gradient.SGDClassifier",
    "sklearn.model_selection._classification_threshold.FixedThresholdClassifier",
    "sklearn.multiclass.OneVsOneClassifier",
    "sklearn.multiclass.OneVsRestClassifier",
    "sklearn.multiclass._ConstantPredictor",
    "sklearn.naive_bayes.BernoulliNB",
    "sklearn.naive_bayes.GaussianNB",
    "sklearn.neighbors._nearest_centroid.NearestCentroid",
    "sklearn.neural_network._multilayer_perceptron.MLPClassifier",
    "sklearn.pipeline.FeatureUnion",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.KernelCenterer",
    "sklearn.preprocessing._data.MaxAbsScaler",
    "sklearn.preprocessing._data.MinMaxScaler",
    "sklearn.preprocessing._data.Normalizer",
    "sklearn.preprocessing._data.PowerTransformer",
    "sklearn.preprocessing._data.QuantileTransformer",
    "sklearn.preprocessing._data.RobustScaler",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.preprocessing._function_transformer.FunctionTransformer",
    "sklearn.preprocessing._label.LabelBinarizer",
    "sklearn.preprocessing._label.LabelEncoder",
    "sklearn.svm._classes.LinearSVC",
    "sklearn.svm._classes.NuSVC",
    "sklearn.svm._classes.SVC",
    "sklearn.tree._classes.DecisionTreeClassifier",
    "sklearn.tree._classes.ExtraTreeClassifier",
)
OBJECTS = frozenset((*OWN, *SKLEARN, "xgboost.sklearn.XGBClassifier"))

TREE = "sklearn.tree._tree.Tree"
DTYPE = "numpy.dtype"
PARTIAL = "functools.partial"
DICTS = frozenset(("builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"))
NAMED_TUPLES = (
    "fracture_features.cnn._pretrained.Recipe",
    "fracture_features.features._fisher.Projection",
    "fracture_features.features._mixture.Mixture",
    "fracture_features.regions._looks.UsualScore",
)
TUPLES = frozenset(("builtins.tuple", *NAMED_TUPLES))

# The only functions of which a model file may hold a partial, with numbers and strings as its keywords.
KERNELS = frozenset(
    f"sklearn.metrics.pairwise.{name}"
    for name in (
        "additive_chi2_kernel",
        "chi2_kernel",
        "cosine_similarity",
        "laplacian_kernel",
        "linear_kernel",
        "polynomial_kernel",
        "rbf_kernel",
        "sigmoid_kernel",
    )
)
UFUNCS = frozenset(
    (
        *(f"numpy.{name}" for name in ("absolute", "cbrt", "exp", "expm1", "log", "log10", "log1p", "sqrt", "square")),
        *(f"scipy.special.{name}" for name in ("expit", "logit")),
    )
)
FUNCTIONS = KERNELS | UFUNCS | {"sklearn.feature_selection._univariate_selection.f_classif"}

KEYS = frozenset(("builtins.str", "builtins.int", "builtins.float", "numpy.int64", "numpy.int32", "numpy.str_"))
SCALARS = frozenset(
    f"numpy.{name}"
    for name in (
        *("bool", "float16", "float32", "float64", "str_"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )
)

#: What `skops.io.load(file, trusted=TRUSTED_TYPES)` has to be told to load a pipeline of this library. Used alone it
#: trusts the numbers in the file: `read_model_file` checks those too, and refuses much that skops trusts by itself.
TRUSTED_TYPES: tuple[str, ...] = (
    *sorted(OBJECTS),
    *NAMED_TUPLES,
    *sorted(FUNCTIONS),
    "sklearn.utils._bunch.Bunch",
    DTYPE,
    PARTIAL,
    TREE,
)
