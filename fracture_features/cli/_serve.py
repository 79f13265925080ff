"""The command `serve`."""

from __future__ import annotations

import argparse

from ..model import load_model
from ..serve import is_loopback, serve_model
from ._exit import ExitCode, Terminated
from ._screen import say


def run_serve(args: argparse.Namespace) -> int:
    """Serve a model's page until Ctrl-C, which is how it is meant to end."""
    model = load_model(args.model)
    if not is_loopback(args.host):
        say(
            f"--host {args.host}: everyone who reaches this machine can use the page, without a password, and what is "
            "sent can be read on the way. Do not send radiographs of patients.",
            "Warning:",
            "yellow",
        )
    try:
        serve_model(model, host=args.host, port=args.port, on_ready=_say_where)
    except Terminated:
        raise
    except KeyboardInterrupt:
        say("The page is closed")
    return ExitCode.DONE


def _say_where(address: str) -> None:
    say(f"The page is {address} (Ctrl-C ends it). Not a medical device.")
