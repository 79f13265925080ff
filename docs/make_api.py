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
    "store": "Features of many images on disk",
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
# What rooms import from each other and users need not know: it has no page, and may change in any version.
FOR_ROOMS = {
    "audit": {
        "audit_inventory",
        "describe_content",
        "file_findings",
        "finding_frame",
        "shortcut_features",
        "sort_findings",
    },
    "cache": {
        "Cache",
        "Cached",
        "bypassed_caches",
        "cached_parts",
        "close_cache",
        "code_version",
        "digest",
        "open_cache",
        "set_caches",
    },
    "datasets": {
        "is_drawn",
        "Description",
        "count_kinds",
        "find_images",
        "is_fracture_name",
        "is_healthy_name",
        "left_out_table",
        "read_table",
        "spelling_key",
        "take_inventory",
    },
    "evaluation": {
        "describe_seconds",
        "estimate_seconds",
        "fits_per_fold",
        "shown_progress",
        "class_scores",
        "describe_appearance",
        "exclude_unreadable",
        "is_unused_split",
        "ledger_findings",
        "operating_rule",
        "predict_at",
        "probe_reader",
        "read_files",
        "temporary_cache",
    },
    "images": {
        "FileContent",
        "ImageFile",
        "describe_file",
        "held_in_memory",
        "read_content",
        "read_header",
        "read_shape",
    },
    "model": {"check_operating_point", "read_model_file", "write_model_file"},
    "pipeline": {"Classifier", "Features", "Recipe", "check_image_size", "check_installed"},
    "plotting": {"legend_height", "measure_label"},
    "report": {"behind_calibration", "best_model", "shorten_paths", "shorten_text", "with_intervals"},
    "results": {
        "check_studies",
        "interval",
        "measure_label",
        "number",
        "sorted_models",
        "subgroup_columns",
        "with_interval",
        "count_copies",
        "describe_dominance",
        "describe_inference",
        "describe_withheld",
        "digest_of",
        "effective_groups",
        "example_table",
        "make_manifest",
        "model_names",
        "some_predictions",
    },
    "store": {"check_features", "is_current"},
    "serve": {"is_loopback"},
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
    rooms = [room for room in ROOMS if documented(room)]
    names = "\n".join(f"   fracture_features.{name}" for name in fracture_features.__all__)
    pages = {"index": HEAD.format(names=names, pages="\n".join(f"   {room}" for room in rooms))}
    for room in rooms:
        title = f"``fracture_features.{room}``: {ROOMS[room].lower()}"
        lines = [title, "=" * len(title), "", f".. currentmodule:: fracture_features.{room}", ""]
        lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
        lines += [f"   {name}" for name in documented(room)]
        pages[room] = "\n".join(lines) + "\n"
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def documented(room: str) -> list[str]:
    """Names of the classes and functions of a room that have a page."""
    module = import_module(f"fracture_features.{room}")
    kinds = {name: getattr(module, name) for name in module.__all__ if name not in FOR_ROOMS.get(room, ())}
    return [name for name, o in kinds.items() if inspect.isclass(o) or inspect.isfunction(o)]
