"""Keras, imported late and quietly."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import current_process
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._optional import require
from .._threads import inside_worker

# What keras does to the whole process, one thread does at a time: its import, seeds from Python's global random state,
# the numbers of layers in their names.
one_at_a_time = threading.RLock()
_used_in: int | None = None  # the process that keras has computed in, by its id


def load_keras(*, needed_for: str) -> Any:
    """Import keras with whatever backend it is set to use.

    Parameters
    ----------
    needed_for : str
        What to name in the error.

    Returns
    -------
    keras : module

    Raises
    ------
    MissingDependencyError
        If keras is not installed.
    ValueError
        If it is set to images whose channels come first, or to another `floatx` than float32.
    RuntimeError
        If this process was forked from one that had run a network.
    """
    global _used_in
    if _used_in not in (None, os.getpid()):  # before the lock, which another thread may have held
        raise RuntimeError(
            f"{needed_for} cannot run in a process that was forked from one where a network has run: the backend's "
            "threads are not there, and it would wait for them for ever. Start processes with joblib's loky (its "
            "default) or multiprocessing.get_context('spawn')."
        )
    _used_in = os.getpid()
    with one_at_a_time:
        keras = sys.modules.get("keras") or _import_quietly(needed_for)
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            f"{needed_for} needs images whose channels come last, as keras takes them unless told otherwise; got "
            f"keras.config.image_data_format() = {keras.config.image_data_format()!r}."
        )
    if keras.config.floatx() != "float32":  # a policy belongs to a layer, this to the process
        raise ValueError(f"{needed_for} needs keras.config.floatx() = 'float32', got {keras.config.floatx()!r}.")
    return keras


@contextmanager
def float32_policy(*, needed_for: str) -> Iterator[Any]:
    """Give keras, with float32 for what this thread builds, whatever the process has set as its policy.

    Half precision rounds probabilities to 1; none of the policies has been tried on the networks here.
    """
    keras = load_keras(needed_for=needed_for)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield keras
    finally:
        keras.config.set_dtype_policy(before)


def _import_quietly(needed_for: str) -> Any:
    if inside_worker() and current_process().name != "MainProcess":
        # TensorFlow reads these once, when it starts: the loop around us already uses every core. Not where the loop is
        # of threads, for they would hold for all that this process does later.
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _interrupt_afterwards(), _without_native_stderr():
        return require("keras", extra="cnn", needed_for=needed_for)


@contextmanager
def _interrupt_afterwards() -> Iterator[None]:
    """Put off Ctrl-C: in the middle of TensorFlow's import it is lost, or leaves half a TensorFlow behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts: list[tuple[int, Any]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: interrupts.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
    if interrupts and callable(before):
        before(*interrupts[0])


@contextmanager
def _without_native_stderr() -> Iterator[None]:
    """Drop what C++ writes to descriptor 2, where TensorFlow greets before its own log level counts.

    Python's warnings share that descriptor: they are shown afterwards.
    """
    try:
        kept = os.dup(2)
    except OSError:  # there is none to write to
        yield
        return
    with warnings.catch_warnings(record=True) as caught, open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    for w in caught:
        warnings.showwarning(w.message, w.category, w.filename, w.lineno, w.file, w.line)


@contextmanager
def without_retracing_warnings() -> Iterator[None]:
    """Keep TensorFlow from warning of several fits in one process: each compiles a network of its own."""

    def wanted(record: logging.LogRecord) -> bool:
        return "tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(wanted)
    try:
        yield
    finally:
        logger.removeFilter(wanted)


@float32_policy(needed_for="CNNClassifier")
def compile_prediction(model: Any) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Give `predict_on_batch` of a model of images, compiled."""
    with without_retracing_warnings():
        model.predict_on_batch(np.zeros((1, *model.input.shape[1:]), dtype=np.uint8))
    run: Callable[[NDArray[np.uint8]], NDArray[np.float32]] = model.predict_on_batch
    return run


def forget_kernels() -> None:
    """Have TensorFlow drop what it has compiled for networks that may be gone: 2 MB of each training.

    A cache, filled again by what goes on; `keras.utils.clear_session` does the same, and forgets much else beside.
    """
    context = sys.modules.get("tensorflow.python.eager.context")
    if context is not None:
        context.context().clear_kernel_cache()


def make_adam(schedule: Any) -> Any:
    """Adam, which on TensorFlow does not leave 10 MB of each network behind.

    keras sums gradients over devices there, by a function whose gradient TensorFlow registers for the life of the
    process, and with it all that was traced. The method that calls it is private: no other is replaced in this package.

    Raises
    ------
    RuntimeError
        If the installed keras has no such method.
    """
    keras = load_keras(needed_for="CNNClassifier")
    if keras.backend.backend() != "tensorflow":
        return keras.optimizers.Adam(schedule)
    if not hasattr(keras.optimizers.Adam, "_backend_update_step"):
        raise RuntimeError(
            f"CNNClassifier replaces the method _backend_update_step of keras' optimizers, which keras "
            f"{keras.__version__} has not: install keras 3.15, or train on another backend of keras."
        )

    class Adam(keras.optimizers.Adam):  # type: ignore[name-defined]
        def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                self.update_step(gradient, variable, learning_rate)

    return Adam(schedule)
