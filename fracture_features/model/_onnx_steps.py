"""Steps of a pipeline as ONNX operators, in double precision where scikit-learn computes in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import rbf_kernel

from ..cnn._onnx import with_weights, write_graph
from ..exceptions import ExportError

FLOAT, DOUBLE, INT64 = 1, 11, 7  # onnx.TensorProto's


class Answers(NamedTuple):
    """What a classifier's operators give.

    Attributes
    ----------
    scores : str
        Tensor of double (n, 1), of class 1, or of each class (n, n_classes).
    probabilities : str or None
        Tensor of double (n, n_classes); None where the classifier gives none.
    labels : str
        Tensor of int64 (n,).
    """

    scores: str
    probabilities: str | None
    labels: str


class Operators:
    """Operators and constants, appended one by one."""

    def __init__(self) -> None:
        self.onnx: Any = import_module("onnx")
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append an operator and name its output."""
        name = f"step{len(self.nodes)}"
        node = self.onnx.helper.make_node(operator, inputs, [name], name=name, domain=domain, **attributes)
        self.nodes.append(node)
        return name

    def cast(self, x: str, to: int) -> str:
        """Append a change of type."""
        return self.add("Cast", x, to=to)

    def constant(self, value: Any, dtype: type = np.float64) -> str:
        """Name a tensor; numbers that are no doubles anyway take half the room."""
        array: NDArray[Any] = np.asarray(value, dtype)
        narrow = array.astype(np.float32) if dtype is np.float64 and array.size > 1 else array
        is_narrow = narrow is not array and bool((narrow == array).all())
        name = f"number{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(narrow if is_narrow else array, name))
        return self.cast(name, DOUBLE) if is_narrow else name

    def network(self, graph: Any, weights: Any) -> str:
        """Append a network of `write_graph` from the input `images`, and name its output, float (n, n_features)."""
        prefix = f"network{len(self.nodes)}_"
        model = self.onnx.compose.add_prefix(with_weights(graph, weights), prefix)
        for node in model.graph.node:
            node.input[:] = ["images" if name == f"{prefix}images" else name for name in node.input]
        self.nodes.extend(model.graph.node)
        self.constants.extend(model.graph.initializer)
        return str(model.graph.output[0].name)

    def largest(self, x: str) -> str:
        """Column of the largest value in each row, the first of equal ones."""
        return self.add("ArgMax", x, axis=1, keepdims=0)

    def two_columns(self, positive: str) -> str:
        """From the probability of class 1 (n, 1) to that of both classes."""
        return self.add("Concat", self.add("Sub", self.constant(1.0), positive), positive, axis=1)


def _scaler(to: Operators, step: Any, x: str) -> str:
    # As scikit-learn does of float32 rows: each result is rounded.
    for operator, values in (("Sub", step.mean_), ("Div", step.scale_)):
        if values is not None:
            x = to.cast(to.add(operator, to.cast(x, DOUBLE), to.constant(values)), FLOAT)
    return x


def _components(to: Operators, step: Any, x: str) -> str:
    x = to.add("MatMul", to.cast(x, DOUBLE), to.constant(step.components_.T))
    x = to.add("Sub", x, to.constant(step.mean_ @ step.components_.T.astype(np.float64)))
    if step.whiten:
        scale = np.sqrt(step.explained_variance_)
        x = to.add("Div", x, to.constant(np.maximum(scale, np.finfo(scale.dtype).eps)))
    return to.cast(x, FLOAT)


def _svc(to: Operators, step: Any, x: str) -> Answers:
    """Reference: the decision function of LIBSVM, one class against another."""
    kernel = _kernel_matrix(to, step, to.cast(x, DOUBLE))
    k = len(step.classes_)
    if k == 2:
        scores = to.add("Add", to.add("MatMul", kernel, to.constant(step.dual_coef_.T)), to.constant(step.intercept_))
        above = to.add("Greater", scores, to.constant(0.0))
        return Answers(scores, None, to.add("Squeeze", to.cast(above, INT64), to.constant([1], np.int64)))
    if step.decision_function_shape != "ovr" or step.break_ties:
        raise ExportError("SVC of more than two classes is exported with its own decision_function_shape and ties")
    weights = _pair_weights(step)
    pairs = to.add("Add", to.add("MatMul", kernel, to.constant(weights)), to.constant(step.intercept_))
    first, second = (np.zeros((weights.shape[1], k)) for _ in range(2))
    for row, (i, j) in enumerate(combinations(range(k), 2)):
        first[row, i] = second[row, j] = 1
    won = to.cast(to.add("Less", pairs, to.constant(0.0)), DOUBLE)  # by the second of the pair
    lost = to.add("Sub", to.constant(1.0), won)
    votes = to.add("Add", *(to.add("MatMul", a, to.constant(b)) for a, b in ((lost, first), (won, second))))
    sums = to.add("MatMul", pairs, to.constant(first - second))
    size = to.add("Mul", to.add("Add", to.add("Abs", sums), to.constant(1.0)), to.constant(3.0))
    return Answers(to.add("Add", votes, to.add("Div", sums, size)), None, to.largest(votes))


def _kernel_matrix(to: Operators, step: Any, x: str) -> str:
    """Kernel of the rows and the support vectors (n, n_support)."""
    kernel: Any = step.kernel
    gamma, vectors = step._gamma, step.support_vectors_
    if isinstance(kernel, partial) and kernel.func is rbf_kernel and kernel.keywords.get("gamma"):
        # With a kernel of one's own scikit-learn keeps the rows, and their numbers for support vectors.
        kernel, gamma, vectors = "rbf", kernel.keywords["gamma"], step._BaseLibSVM__Xfit[step.support_]
    if kernel not in ("rbf", "linear"):
        raise ExportError(f"SVC with the kernel {kernel!r} cannot be exported: only 'rbf' and 'linear' can")
    if kernel == "linear":
        return to.add("MatMul", x, to.constant(vectors.T))
    return _rbf(to, x, np.asarray(vectors, dtype=np.float64), gamma)


def _rbf(to: Operators, x: str, vectors: NDArray[np.float64], gamma: float) -> str:
    products = to.add("MatMul", x, to.constant(vectors.T))
    axis = to.constant([1], np.int64)
    own = to.add("ReduceSum", to.add("Mul", x, x), axis, keepdims=1)
    distances = to.add("Add", own, to.constant((vectors**2).sum(axis=1)))
    distances = to.add("Sub", distances, to.add("Mul", products, to.constant(2.0)))
    positive = to.add("Max", distances, to.constant(0.0))
    return to.add("Exp", to.add("Mul", to.constant(-gamma), positive))


def _pair_weights(step: Any) -> NDArray[np.float64]:
    """Weight of each support vector for each pair of classes, (n_support, n_pairs)."""
    k, ends = len(step.classes_), np.cumsum([0, *step.n_support_])
    pairs = list(combinations(range(k), 2))
    weights = np.zeros((ends[-1], len(pairs)))
    for column, (i, j) in enumerate(pairs):
        for own, other in ((i, j - 1), (j, i)):
            rows = slice(ends[own], ends[own + 1])
            weights[rows, column] = step.dual_coef_[other, rows]
    return weights


def _logistic(to: Operators, step: Any, x: str) -> Answers:
    return _with_probabilities(to, _linear(to, step, x), len(step.classes_))


def _nystroem(to: Operators, step: Any, x: str) -> Answers:
    kernel = _rbf(to, to.cast(x, DOUBLE), step.components_.astype(np.float64), step._gamma)
    return _with_probabilities(to, _weighted(to, kernel, step.dual_coef_, step.intercept_), len(step.classes_))


def _linear(to: Operators, step: Any, x: str) -> Answers:
    return _weighted(to, to.cast(x, DOUBLE), step.coef_, step.intercept_)


def _weighted(to: Operators, x: str, weights: NDArray[Any], intercept: NDArray[Any]) -> Answers:
    """Scores that are a weighted sum."""
    scores = to.add("Add", to.add("MatMul", x, to.constant(weights.T)), to.constant(intercept))
    if len(weights) > 1:
        return Answers(scores, None, to.largest(scores))
    labels = to.cast(to.add("Greater", scores, to.constant(0.0)), INT64)
    return Answers(scores, None, to.add("Squeeze", labels, to.constant([1], np.int64)))


def _with_probabilities(to: Operators, answers: Answers, n_classes: int) -> Answers:
    if n_classes > 2:
        return answers._replace(probabilities=to.add("Softmax", answers.scores, axis=1))
    return answers._replace(probabilities=to.two_columns(to.add("Sigmoid", answers.scores)))


def _forest(to: Operators, step: Any, x: str) -> Answers:
    trees = []
    for one in step.estimators_:
        tree = one.tree_
        # Rows are float32: below the next such number is below the threshold.
        below = tree.threshold.astype(np.float32)
        below = np.where(below > tree.threshold, np.nextafter(below, np.float32(-np.inf)), below)
        leaves = tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True) / len(step.estimators_)
        trees.append(Tree(tree.children_left, tree.children_right, tree.feature, below, leaves))
    totals = to.cast(_ensemble(to, trees, "BRANCH_LEQ", len(step.classes_), x), DOUBLE)
    return _of_probabilities(to, totals, len(step.classes_))


def _xgboost(to: Operators, step: Any, x: str) -> Answers:
    """Reference: the JSON of XGBoost's trees, https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html."""
    booster = step.get_booster()
    learner = json.loads(booster.save_raw("json"))["learner"]
    kind, model = learner["gradient_booster"]["name"], learner["gradient_booster"].get("model", {})
    objective, k = learner["objective"]["name"], len(step.classes_)
    if kind != "gbtree" or objective not in ("binary:logistic", "multi:softprob") or booster.feature_types:
        raise ExportError(f"XGBoost with the booster {kind!r} and the objective {objective!r} cannot be exported")
    columns = 1 if k == 2 else k
    last = None if step.early_stopping_rounds is None else (booster.best_iteration + 1) * columns
    trees = []
    for tree, column in list(zip(model["trees"], model["tree_info"], strict=True))[:last]:
        values = np.array(tree["split_conditions"], dtype=np.float32)
        leaves = np.zeros((len(values), columns), dtype=np.float32)
        leaves[:, column] = values
        left, right, feature = (np.array(tree[name]) for name in ("left_children", "right_children", "split_indices"))
        trees.append(Tree(left, right, feature, values, leaves))
    base = np.atleast_1d(np.array(json.loads(learner["learner_model_param"]["base_score"]), dtype=np.float64))
    if k == 2:
        base = np.log(base / (1 - base))
    margins = to.add("Add", to.cast(_ensemble(to, trees, "BRANCH_LT", columns, x), DOUBLE), to.constant(base))
    if k == 2:
        return _of_probabilities(to, to.two_columns(to.add("Sigmoid", margins)), k)
    return _of_probabilities(to, to.add("Softmax", margins, axis=1), k)


class Tree(NamedTuple):
    """Nodes of a tree: children (-1 of a leaf), feature and threshold (n_nodes,), what a leaf gives (n_nodes, k)."""

    left: NDArray[Any]
    right: NDArray[Any]
    feature: NDArray[Any]
    threshold: NDArray[Any]
    leaves: NDArray[Any]


def _ensemble(to: Operators, trees: list[Tree], mode: str, n_targets: int, x: str) -> str:
    """Sum of what the leaves give that each row comes to, float (n, n_targets)."""
    sizes = [len(tree.left) for tree in trees]
    numbers = np.repeat(np.arange(len(trees)), sizes)
    nodes = np.concatenate([np.arange(size) for size in sizes])
    left, right, feature, threshold = (
        np.concatenate([getattr(tree, name) for tree in trees]) for name in ("left", "right", "feature", "threshold")
    )
    is_leaf = left == -1
    leaves = np.concatenate([tree.leaves for tree in trees])
    rows, targets = np.nonzero(is_leaf[:, None] & np.ones(n_targets, dtype=bool))
    return to.add(
        "TreeEnsembleRegressor",
        x,
        domain="ai.onnx.ml",
        n_targets=n_targets,
        aggregate_function="SUM",
        nodes_treeids=numbers,
        nodes_nodeids=nodes,
        nodes_featureids=np.where(is_leaf, 0, feature),
        nodes_modes=np.where(is_leaf, "LEAF", mode).tolist(),
        nodes_values=np.where(is_leaf, 0, threshold).astype(np.float32),
        nodes_truenodeids=np.where(is_leaf, 0, left),
        nodes_falsenodeids=np.where(is_leaf, 0, right),
        target_treeids=numbers[rows],
        target_nodeids=nodes[rows],
        target_ids=targets,
        target_weights=leaves[rows, targets].astype(np.float32),
    )


def _of_probabilities(to: Operators, probabilities: str, n_classes: int) -> Answers:
    """Of a classifier without a decision function the probabilities are the scores."""
    scores = probabilities
    if n_classes == 2:
        scores = to.add("Gather", probabilities, to.constant([1], np.int64), axis=1)
    return Answers(scores, probabilities, to.largest(probabilities))


def _cnn(to: Operators, step: Any, x: str) -> Answers:
    graph = write_graph(step.model_)
    if graph is None:
        raise ExportError(f"CNNClassifier: the network {step.architecture!r} has layers that cannot be exported")
    totals = to.cast(to.network(graph, step.model_.get_weights()), DOUBLE)
    total = to.add("ReduceSum", totals, to.constant([1], np.int64), keepdims=1)
    return _of_probabilities(to, to.add("Div", totals, total), len(step.classes_))


# By the name of the class, of this library's or scikit-learn's.
TRANSFORMERS: dict[str, Callable[[Operators, Any, str], str]] = {
    "StandardScaler": _scaler,
    "PCA": _components,
    "CappedPCA": _components,
}
CLASSIFIERS: dict[str, Callable[[Operators, Any, str], Answers]] = {
    "SVC": _svc,
    "LinearSVC": _linear,
    "LogisticRegression": _logistic,
    "NystroemClassifier": _nystroem,
    "SGDClassifier": _linear,
    "RandomForestClassifier": _forest,
    "XGBClassifier": _xgboost,
    "CNNClassifier": _cnn,
}


def writer(step: Any, known: dict[str, Any]) -> Any:
    """Return what writes a step; None where nothing does."""
    kind = type(step)
    own = kind.__module__.partition(".")[0] in ("sklearn", "fracture_features")
    return known.get(kind.__name__) if own else None
