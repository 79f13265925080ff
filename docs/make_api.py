"""Write the pages of the API reference: one for each room, from its `__all__`."""

import inspect
from importlib import import_module
from pathlib import Path

import fracture_features

# Rooms in the order of an image's way, and what each holds in a few words.
ROOMS = {
    "datasets": "Data sets: paths, labels, groups and what else is known",
    "images": "Reading files as images",
    "audit": "What is wrong with a data set",
    "features": "Extractors: images to rows of features",
    "cnn": "Networks",
    "regions": "Where the fracture is",
    "pipeline": "Pipelines by name",
    "evaluation": "Cross-validation beside baselines",
    "results": "What is read from an evaluation",
    "metrics": "Measures, intervals and tests",
    "protocols": "Published sets with fixed folds",
    "model": "Trained models and their files",
    "explain": "Where a model looked",
    "plotting": "Figures",
    "report": "Reports",
    "serve": "A page over a model",
    "cache": "The cache",
    "exceptions": "Errors and warnings",
}
HEAD = """API reference
=============

Names in the first table are imported from ``fracture_features``; the others from the module that is named.

.. autosummary::
   :nosignatures:

{names}

Modules
-------

.. toctree::
   :maxdepth: 1

{pages}
"""


def write(folder: Path) -> None:
    """Write `index.rst` and a page for each room; a page that is as it was is left alone."""
    folder.mkdir(exist_ok=True)
    rooms = [room for room in ROOMS if _documented(room)]
    names = "\n".join(f"   fracture_features.{name}" for name in fracture_features.__all__)
    pages = {"index": HEAD.format(names=names, pages="\n".join(f"   {room}" for room in rooms))}
    for room in rooms:
        title = f"``fracture_features.{room}``: {ROOMS[room].lower()}"
        lines = [title, "=" * len(title), "", f".. currentmodule:: fracture_features.{room}", ""]
        lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
        lines += [f"   {name}" for name in _documented(room)]
        pages[room] = "\n".join(lines) + "\n"
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _documented(room: str) -> list[str]:
    """Public classes and functions of a room; constants have no page."""
    module = import_module(f"fracture_features.{room}")
    return [name for name in module.__all__ if inspect.isclass(o := getattr(module, name)) or inspect.isfunction(o)]
