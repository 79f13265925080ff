"""What is said on the screen: nothing in it is markup, and no terminal obeys it."""

from __future__ import annotations

import io
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.text import Text

from .._console import Screen, write_nowhere

messages = Screen(stderr=True)


def visible(text: Any) -> str:
    """Text on one line; what a terminal would obey (escapes, control and direction characters) is spelt out."""
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) in hidden else c for c in str(text))


def write_out(text: str) -> None:
    """Print text of several lines to stdout, as it is where that is no terminal."""
    try:
        sys.stdout.write("\n".join(map(visible, text.split("\n"))) if sys.stdout.isatty() else text)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it, such as `head`, has ended
        write_nowhere(sys.stdout)


def say(what: Any, label: str = "", style: str = "") -> None:
    """Print a message to stderr, a coloured label before it; nothing in it is markup."""
    text = visible(what)
    messages.print(Text.assemble((label, style), " " if label and text else "", text), soft_wrap=True)


@contextmanager
def escaped_output() -> Iterator[None]:
    """Print what stdout and stderr have no code for, such as names that are not UTF-8, as escapes."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, io.TextIOWrapper)]
    before = [stream.errors for stream in streams]
    for stream in streams:
        stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        for stream, errors in zip(streams, before, strict=True):
            if not stream.closed:
                stream.reconfigure(errors=errors)
