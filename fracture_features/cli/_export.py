"""The command that writes a trained model in another format."""

from __future__ import annotations

import argparse

from .._optional import check_extra
from ..exceptions import FractureFeaturesError, ImageReadError
from ..model import export_onnx, load_model
from ._exit import ExitCode
from ._models import expand, held_file
from ._screen import messages, say


def run_export(args: argparse.Namespace) -> int:
    """Write a trained model as ONNX, compared with itself on the files that are given."""
    check_extra("onnx", needed_for="export --onnx")
    model = load_model(args.model)
    paths = list(dict.fromkeys(path for given in args.paths for path in expand(given)))
    with held_file(args.onnx, "--onnx"), messages.status(f"Comparing on {len(paths)} images"):
        try:
            takes = export_onnx(model, args.onnx, paths)
        except ImageReadError as error:
            raise FractureFeaturesError(str(error)) from error
    say(f"The ONNX file is {args.onnx}, from {takes} to the model's own answers on {len(paths)} files")
    return ExitCode.DONE
