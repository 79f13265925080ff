"""Where text for people goes."""

from __future__ import annotations

import os
import sys
from typing import IO

from rich.console import Console

# Of tables where the output is no terminal.
WIDTH = 120


class Screen(Console):
    """rich's console, numbers unmarked; where whoever reads it has ended, it falls silent and the work goes on."""

    def __init__(self, *, stderr: bool = False, width: int | None = None):
        super().__init__(stderr=stderr, width=width, highlight=False)

    def on_broken_pipe(self) -> None:
        """Do not end the process, as rich's own does."""
        self.quiet = True
        write_nowhere(self.file)


def write_nowhere(file: IO[str]) -> None:
    """Let what is written to a file from here on, and what it holds back, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, file.fileno())
    os.close(nowhere)


def table_screen() -> Screen:
    """Stdout, of a fixed width where it is no terminal."""
    return Screen() if sys.stdout.isatty() else Screen(width=WIDTH)
