"""The `fracture-features` command: arguments in, tables out."""

from __future__ import annotations

import argparse
import errno
import importlib.util
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

from .._text import any_text
from ..exceptions import (
    DatasetWarning,
    FractureFeaturesError,
    LeakWarning,
    ModelFileWarning,
    NoReadableImagesError,
    UngroupedDataWarning,
)
from ._exit import ExitCode, Terminated, sigterm_raises
from ._parser import make_parser
from ._screen import escaped_output, say, write_out
from ._words import in_options

# A disk that is full, or takes nothing.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments after the program's name; None takes those of the process.

    Returns
    -------
    code : int
        An `ExitCode`; `fracture_features.cli` says what each means. argparse's own usage errors raise SystemExit(2).
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = make_parser()
    _complete(parser)
    args = parser.parse_args(argv)
    args.argv = _without_salt(argv)
    with escaped_output(), warnings.catch_warnings(), sigterm_raises():
        for kind in (DatasetWarning, ModelFileWarning, UngroupedDataWarning):
            warnings.simplefilter("always", kind)
        warnings.simplefilter("ignore", LeakWarning)  # the command says it itself, with what it is worth
        warnings.showwarning = lambda message, *_, **__: say(in_options(str(message)), "Warning:", "yellow")
        try:
            return run_command(args)
        except NoReadableImagesError as error:
            say(in_options(str(error)), "No readable data:", "red")
            return ExitCode.NOTHING_READABLE
        except (FractureFeaturesError, argparse.ArgumentTypeError) as error:
            say(in_options(str(error)), "Error:", "red")
            return ExitCode.USAGE
        except OSError as error:
            if error.filename is None and error.errno not in FULL:
                raise
            say(f"{error.filename or 'what was to be written'}: {error.strerror}", "Error:", "red")
            return ExitCode.FAILURES
        except Terminated:
            say("", "Terminated.", "red")
            return ExitCode.TERMINATED
        except KeyboardInterrupt:
            say("", "Interrupted.", "red")
            return ExitCode.INTERRUPTED


def run_command(args: argparse.Namespace) -> int:
    """Import what the command needs, and run it."""
    module, _, name = args.run.partition(":")
    run = any_text(getattr(import_module(f".{module}", __package__), name))
    code = int(run(args))
    write_out("")  # what is held back: the disk may be full
    return code


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks what may follow, where argcomplete is installed; then the process ends."""
    if "_ARGCOMPLETE" in os.environ and importlib.util.find_spec("argcomplete"):
        import_module("argcomplete").autocomplete(parser)


def _without_salt(argv: Sequence[str]) -> list[str]:
    """Arguments as they may be written into a manifest."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--salt")
    return parser.parse_known_args(argv)[1]
