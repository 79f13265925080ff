"""A trained model as one ONNX file, compared with the model itself before it is written."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import FeatureUnion, Pipeline

from .._optional import require
from .._write import whole_file
from ..evaluation import class_scores
from ..exceptions import ExportError
from ..features._base import BaseExtractor
from ..images import ImageReader
from ._calibration import Calibration
from ._decision import INCONCLUSIVE, NO, YES, Decision
from ._model import FractureModel
from ._onnx_images import extractors, write_extractors
from ._onnx_steps import CLASSIFIERS, FLOAT, TRANSFORMERS, Answers, Operators, writer

TOLERANCE = 1e-5
OPSETS = {"": 17, "ai.onnx.ml": 1}
IR_VERSION = 8  # the oldest that has this opset


def export_onnx(model: FractureModel, path: str | os.PathLike[str], paths: Sequence[str | os.PathLike[str]]) -> str:
    r"""Write a trained model as ONNX, after the export has given the model's own answers on some files.

    What the file takes is `images`, uint8 (n, height, width), as the model's ImageReader gives them, if all that reads
    them is a network, `HOGExtractor` or `LBPExtractor` of at most 16 points. Where another extractor does, it takes
    `features`, float32 (n, n_features), as the pipeline's extractors give them: edges are followed from pixel to pixel,
    which no operator says, and Gabor filters and Fisher vectors are not written. It gives `score`, float32 (n,) of
    class 1 or (n, n_classes); `probability`, float32 (n, n_classes), calibrated where the model is, and absent where
    the model has none; and `label`, int64 (n,), the class, or -1 between two thresholds. Its metadata, JSON each, name
    the classes, the thresholds, how images are read, and the steps that come before it and in it.

    Parameters
    ----------
    model : FractureModel
        From `train_model` or `load_model`.
    path : str or path-like
        Written beside its place and moved there: it is whole, or as it was.
    paths : sequence of str or path-like
        Radiographs, of all classes if you can, on which onnxruntime and the model are compared: the more, the better.

    Returns
    -------
    takes : {"images", "features"}
        What the file takes.

    Raises
    ------
    ExportError
        If a step cannot be written, or the answers differ: a label at all, a score or a probability by more than 1e-5
        (of the score, where that is above 1). It names the step, and nothing is written.
    ImageReadError
        If one of `paths` cannot be read.
    MissingDependencyError
        If onnx or onnxruntime is not installed.

    See Also
    --------
    FractureModel.save : The library's own file.

    Notes
    -----
    Rounding puts a row that lies right at a threshold of a tree on either side of it. Rows that principal components
    were computed of are rounded otherwise in ONNX, and XGBoost's thresholds behind them are training images' own:
    compare on other images.

    The operators are written here, and not by skl2onnx, which rounds to single precision and which, in version 1.20,
    gives wrong probabilities for a `CalibratedClassifierCV` around a pipeline without saying so.

    Examples
    --------
    >>> import tempfile
    >>> import onnxruntime
    >>> from fracture_features import load_folder, make_pipeline, make_radiographs, train_model
    >>> from fracture_features.model import export_onnx
    >>> folder = make_radiographs(60, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_folder(folder, groups=r"patient(\d+)")
    >>> model = train_model(make_pipeline("edges", "svm"), data, calibrate=True, random_state=0)
    >>> path = tempfile.mktemp(suffix=".onnx")
    >>> export_onnx(model, path, data.paths[:20])
    'features'
    >>> features = model.pipeline[:-2].transform(data.paths[:3])
    >>> session = onnxruntime.InferenceSession(path)
    >>> score, probability, label = session.run(None, {"features": features})
    >>> probability.shape
    (3, 2)
    """
    onnx = require("onnx", extra="onnx", needed_for="export_onnx")
    require("onnxruntime", extra="onnx", needed_for="export_onnx")
    names = np.array([os.fspath(name) for name in paths])
    if not len(names):
        raise ValueError("paths must name at least one radiograph to compare the answers on, got none")
    draft = _Draft.of(model)
    rows = draft.reading.transform(names)
    graph = draft.write(onnx, rows.shape[1:])
    draft.compare(graph, rows)
    with whole_file(path) as part:
        part.write_bytes(graph.SerializeToString())
    return draft.takes


@dataclass
class _Draft:
    """A model to be written: the steps that read, and those that become operators, with the tensor of each."""

    model: FractureModel
    reading: Pipeline
    steps: list[tuple[str, Any]]
    tensors: list[str]
    takes_images: bool

    @property
    def takes(self) -> str:
        """Name of the input."""
        return "images" if self.takes_images else "features"

    @classmethod
    def of(cls, model: FractureModel) -> _Draft:
        pipeline = getattr(model.pipeline, "best_estimator_", model.pipeline)
        if not isinstance(pipeline, Pipeline) or not isinstance(pipeline[0], ImageReader):
            kind = type(pipeline[0] if isinstance(pipeline, Pipeline) else pipeline).__name__
            raise ExportError(f"{kind} cannot be exported; expected a pipeline that begins with an ImageReader")
        if not np.array_equal(pipeline.classes_, model.classes_):
            raise ExportError(f"labels must be {model.classes_}, the pipeline has {pipeline.classes_}")
        steps = [(name, step) for name, step in pipeline.steps if step not in (None, "passthrough")]
        takes_features = isinstance(steps[1][1], FeatureUnion | BaseExtractor) and extractors(steps[1][1]) is None
        reads = 2 if takes_features else 1
        return cls(model, Pipeline(steps[:reads]), steps[reads:], [], reads == 1)

    def write(self, onnx: Any, shape: tuple[int, ...]) -> Any:
        """The onnx.ModelProto, of rows of a shape."""
        to = Operators()
        x = self.takes
        for name, step in self.steps[:-1]:
            if parts := extractors(step):
                x = write_extractors(to, parts)
            else:
                x = _known(name, step, TRANSFORMERS)(to, step, x)
            self.tensors.append(x)
        name, last = self.steps[-1]
        write = _known(name, last, CLASSIFIERS)
        try:
            answers = write(to, last, x)
        except ExportError as error:
            raise ExportError(f"the step {name!r} cannot be exported: {error}") from error
        return self._finish(onnx, to, self._decide(to, answers), shape)

    def _decide(self, to: Operators, answers: Answers) -> Answers:
        """With the model's own calibration and thresholds."""
        probabilities, labels = answers.probabilities, answers.labels
        if (calibration := self.model.calibration) is not None:
            probabilities = _calibrated(to, calibration, answers.scores)
        elif probabilities is None and hasattr(self.steps[-1][1], "predict_proba"):
            name, last = self.steps[-1]
            raise ExportError(
                f"the step {name!r}: the probabilities of {type(last).__name__} cannot be exported; "
                "train with calibrate=True"
            )
        if (decision := self.model.decision) is not None:
            labels = _decided(to, decision, answers.scores)
        return Answers(answers.scores, probabilities, labels)

    def _finish(self, onnx: Any, to: Operators, answers: Answers, shape: tuple[int, ...]) -> Any:
        helper, k = onnx.helper, len(self.model.target_names)
        scores = answers.scores
        if k == 2:
            scores = to.add("Squeeze", scores, to.constant([1], np.int64))
        outputs = [helper.make_tensor_value_info("score", FLOAT, ["n"] if k == 2 else ["n", k])]
        to.nodes.append(helper.make_node("Cast", [scores], ["score"], to=FLOAT))
        if answers.probabilities is not None:
            outputs.append(helper.make_tensor_value_info("probability", FLOAT, ["n", k]))
            to.nodes.append(helper.make_node("Cast", [answers.probabilities], ["probability"], to=FLOAT))
        outputs.append(helper.make_tensor_value_info("label", onnx.TensorProto.INT64, ["n"]))
        to.nodes.append(helper.make_node("Identity", [answers.labels], ["label"]))
        kind = onnx.TensorProto.UINT8 if self.takes_images else FLOAT
        given = helper.make_tensor_value_info(self.takes, kind, ["n", *shape])
        graph = helper.make_graph(to.nodes, "fracture_features", [given], outputs, to.constants)
        opsets = [helper.make_opsetid(domain, number) for domain, number in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="fracture_features")
        model.doc_string = "Not a medical device."
        helper.set_model_props(model, {key: json.dumps(value) for key, value in self._about().items()})
        return model

    def _about(self) -> dict[str, Any]:
        """Return what the file says of itself."""
        reader, decision = self.reading[0], self.model.decision
        limits = () if decision is None else (decision.low, decision.high)
        return {
            "target_names": list(self.model.target_names),
            "thresholds": [limit if math.isfinite(limit) else None for limit in limits],
            "image_shape": reader.image_shape(),
            "resize": reader.resize,
            "contrast": reader.contrast,
            "read_before": [name for name, _ in self.reading.steps],
            "steps": [name for name, _ in self.steps],
        }

    def compare(self, graph: Any, rows: NDArray[Any]) -> None:
        """Raise ExportError where onnxruntime and the model do not give the same answers to the rows of files."""
        expected = self._expected(rows)
        found = dict(zip(expected, _run(graph, list(expected), rows), strict=True))
        wrong = [name for name, values in expected.items() if not _agree(values, found[name])]
        if not wrong:
            return
        name, what = self._first_wrong(graph, rows), wrong[0]
        far = float(np.abs(np.asarray(expected[what], dtype=np.float64) - found[what]).max())
        raise ExportError(
            f"the step {name!r} cannot be exported: on {len(rows)} files the {what} of onnxruntime and that of the "
            f"model differ by up to {far:.3g}; nothing is written"
        )

    def _expected(self, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
        tail, model = Pipeline(self.steps), self.model
        scores, two = class_scores(tail, rows), len(self.model.target_names) == 2
        expected: dict[str, Any] = {"score": scores[:, 1] if two else scores}
        if model.calibration is not None:
            expected["probability"] = model.calibration.probabilities(scores)
        elif hasattr(tail, "predict_proba"):
            expected["probability"] = tail.predict_proba(rows)
        expected["label"] = tail.predict(rows) if model.decision is None else model.decision.answers(scores[:, 1])
        return expected

    def _first_wrong(self, graph: Any, rows: NDArray[Any]) -> str:
        """The first step whose rows are others; the classifier, or what comes after it, where none are."""
        expected = rows
        for (name, step), tensor in zip(self.steps[:-1], self.tensors, strict=True):
            expected = step.transform(expected)
            extended = type(graph).FromString(graph.SerializeToString())
            extended.graph.output.add(name=tensor).type.tensor_type.elem_type = FLOAT
            (found,) = _run(extended, [tensor], rows)
            if not _agree(expected, found, 10 * TOLERANCE):
                return name
        return self.steps[-1][0]


def _known(name: str, step: Any, known: dict[str, Any]) -> Any:
    if (write := writer(step, known)) is None:
        raise ExportError(
            f"the step {name!r} cannot be exported: {type(step).__name__} is none of those that are, {sorted(known)}"
        )
    return write


def _calibrated(to: Operators, calibration: Calibration, scores: str) -> str:
    slopes, intercepts = (to.constant(-np.array(v)) for v in (calibration.slopes, calibration.intercepts))
    each = to.add("Sigmoid", to.add("Add", to.add("Mul", scores, slopes), intercepts))
    if (k := len(calibration.slopes)) == 1:
        return to.two_columns(each)
    total = to.add("ReduceSum", each, to.constant([1], np.int64), keepdims=1)
    is_some = to.add("Greater", total, to.constant(0.0))
    return to.add("Where", is_some, to.add("Div", each, total), to.constant(1 / k))


def _decided(to: Operators, decision: Decision, scores: str) -> str:
    low, high = to.constant(decision.low), to.constant(decision.high)
    no, between, yes = (to.constant(answer, np.int64) for answer in (NO, INCONCLUSIVE, YES))
    below = to.add("Where", to.add("Less", scores, low), no, between)
    answers = to.add("Where", to.add("GreaterOrEqual", scores, high), yes, below)
    return to.add("Squeeze", answers, to.constant([1], np.int64))


def _run(graph: Any, names: list[str], rows: NDArray[Any]) -> list[NDArray[Any]]:
    runtime = require("onnxruntime", extra="onnx", needed_for="export_onnx")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    session = runtime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    found: list[NDArray[Any]] = session.run(names, {given.name: rows})
    return found


def _agree(expected: NDArray[Any], found: NDArray[Any], tolerance: float = TOLERANCE) -> bool:
    if expected.shape != found.shape:
        return False
    if expected.dtype.kind in "iu":
        return bool((expected == found).all())
    return bool((np.abs(found - expected) <= tolerance * np.maximum(1, np.abs(expected))).all())
