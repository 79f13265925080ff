"""What an earlier run left: a manifest to run again from, radiographs that were drawn."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

from .. import __version__
from .._write import PART, whole_file
from ..datasets import make_radiographs
from ..exceptions import FractureFeaturesError
from ._main import run_command
from ._output import held_folder
from ._screen import say

AGAIN = ("compare", "demo")
FREELY = ("store", "backend", "scheduler")  # they change no number
BESIDE = {"rerun", "out", "cache", "jobs", "salt", "argv", "run", *FREELY}  # what may be given beside --rerun


def rerun(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Run the command again that wrote a manifest, if the files are the same; nothing is written before that is known.

    Raises
    ------
    FractureFeaturesError
        If it is no manifest of `compare` or `demo`, is of files elsewhere, or other options are given beside it.
    """
    where = f"--rerun {str(args.rerun)!r}"
    fresh = parser.parse_args(["compare", "--rerun", "x"])
    if given := [name for name, value in vars(args).items() if name not in BESIDE and value != getattr(fresh, name)]:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(given))
        raise FractureFeaturesError(
            f"{where} takes all but --out, --cache, --jobs and --salt from the manifest; got {options} too"
        )
    argv, folder, digest = _read(args.rerun, where)
    out, cache = (None if path is None else path.absolute() for path in (args.out, args.cache))
    try:
        again = parser.parse_args(argv)
        os.chdir(folder)
    except SystemExit:
        raise FractureFeaturesError(f"{where}: its arguments are none of this version's: {argv}") from None
    except (OSError, ValueError) as error:  # ValueError: no name that a folder can have
        why = getattr(error, "strerror", error)
        raise FractureFeaturesError(f"{where}: its folder {folder!r} cannot be entered: {why}") from error
    if getattr(again, "rerun", None) is not None:
        raise FractureFeaturesError(
            f"{where} is of a run that was itself a --rerun; give the manifest that one was given"
        )
    if argv[0] == "demo":
        again.images = again.out / "radiographs"
    again.argv, again.digest = argv, digest
    again.out, again.cache, again.jobs, again.salt = out, cache or again.cache, args.jobs, args.salt
    for name in FREELY:
        setattr(again, name, getattr(args, name))
    return run_command(again)


def _read(path: Path, where: str) -> tuple[list[str], str, str]:
    """Arguments, working folder and digest of the files that a manifest names."""
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would be waited for, /dev/zero never ends
        raise FractureFeaturesError(f"{where} is no regular file; expected the manifest.json of compare or demo")
    try:
        manifest: Any = json.loads(path.read_text(encoding="utf-8"))
        argv, folder, digest = manifest["run"]["argv"], manifest["run"]["folder"], manifest["data"]["digest"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = getattr(error, "strerror", None) or (f"it lacks {error}" if isinstance(error, KeyError) else error)
        raise FractureFeaturesError(f"{where} is no manifest of this command: {why}") from error
    texts = [folder, digest, *argv] if isinstance(argv, list) else [argv]
    if not all(isinstance(text, str) for text in texts) or not argv or argv[0] not in AGAIN:
        raise FractureFeaturesError(f"{where} is no manifest of compare or demo: it was written by {argv!r:.80}")
    return argv, folder, digest


def draw(folder: Path, n_samples: int, seed: int) -> None:
    """Draw the demo's radiographs, or find those that were drawn alike; a folder is whole or absent.

    Raises
    ------
    FractureFeaturesError
        If the folder holds others, or cannot be written.
    """
    wanted = {"n_samples": n_samples, "seed": seed, "version": __version__}
    note = folder.with_name(f"{folder.name}.json")
    if not folder.exists():
        with held_folder(folder.parent):
            if not folder.exists():  # another run may have drawn it meanwhile
                say(f"Drawing {n_samples} synthetic radiographs into {folder}")
                _draw_whole(folder, note, wanted)
    found = _read_note(note)
    if found != wanted:
        drawn = "others" if found is None else f"those of {found}"
        raise FractureFeaturesError(f"{folder} holds {drawn}, not those of {wanted}: remove it or give another --out")


def _draw_whole(folder: Path, note: Path, wanted: dict[str, Any]) -> None:
    """Draw beside the folder's place, note what they are, and move them there."""
    part = folder.with_name(f".{folder.name}{PART}")
    try:
        make_radiographs(wanted["n_samples"], folder=part, random_state=wanted["seed"])
        with whole_file(note) as file:
            file.write_text(json.dumps(wanted))
        part.replace(folder)
    except OSError as error:
        raise FractureFeaturesError(f"the radiographs cannot be written to {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _read_note(note: Path) -> Any:
    """What the radiographs beside it are; None where that is not known."""
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
