"""The command `show`."""

from __future__ import annotations

import argparse

from ..report import write_data
from ._data import layout_of, load_data
from ._exit import ExitCode
from ._models import held_file
from ._screen import messages, say


def run_show(args: argparse.Namespace) -> int:
    """Write a page on a data set; 1 where some files cannot be read."""
    with held_file(args.out):
        data = load_data(args, args.folder, layout_of(args.layout, args.folder), args.groups)
        say(repr(data).strip("<>"))
        with messages.status(f"Reading {len(data)} files"):
            write_data(data, args.out, random_state=args.seed)
    say(f"The page is {args.out}")
    return ExitCode.FAILURES if data.files["reason"].notna().any() else ExitCode.DONE
