"""The data sets that the arguments name."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..datasets import FractureDataset, load_csv, load_folder, load_fracatlas, load_mura
from ..exceptions import GroupsError
from ._screen import say


def layout_of(layout: str, folder: Path) -> str:
    """The layout of a folder or a csv, found out where it is "auto"."""
    if layout != "auto":
        return layout
    is_fracatlas = (folder / "dataset.csv").is_file() and (folder / "images").is_dir()
    return "fracatlas" if is_fracatlas else "csv" if folder.suffix.lower() in (".csv", ".tsv", ".xlsx") else "folder"


def load_data(args: argparse.Namespace, folder: Path, layout: str, groups: str | None) -> FractureDataset:
    if layout in ("fracatlas", "mura") and args.positive is not None:
        raise argparse.ArgumentTypeError(f"--positive: layout {layout} has its own")
    if layout == "mura" and groups is not None:
        raise argparse.ArgumentTypeError("--groups: layout mura has its own, the patients")
    # Of the images of another source the columns are taken that the data's have.
    metadata = args.metadata if folder == args.folder else []
    if layout in ("fracatlas", "mura") and metadata:
        raise argparse.ArgumentTypeError(f"--metadata: layout {layout} has its own")
    if layout == "csv":
        return load_csv(
            folder,
            image=args.image,
            label=args.label,
            root=args.root if folder == args.folder else None,
            groups=groups,
            positive=args.positive,
            empty=args.empty,
            metadata_columns=metadata,
            salt=args.salt,
        )
    if folder == args.folder and (args.root or args.empty) is not None:
        raise argparse.ArgumentTypeError(f"--root and --empty are for a csv; {str(folder)!r} is of layout {layout}")
    if layout == "fracatlas":
        return load_fracatlas(folder, groups=groups)
    if layout == "mura":
        return load_mura(folder)
    return load_folder(folder, groups=groups, positive=args.positive, metadata_columns=metadata, salt=args.salt)


def load_external(args: argparse.Namespace) -> FractureDataset:
    """Images of another source, whose groups are found as the data's are, where that is possible."""
    folder, groups = args.external, args.external_groups
    layout = args.layout if (args.layout == "csv") == folder.is_file() else "auto"
    layout = layout_of(layout, folder)
    if groups is not None or args.groups is None or layout == "mura":
        return load_data(args, folder, layout, groups)
    try:
        return load_data(args, folder, layout, args.groups)
    except GroupsError as error:
        say(f"--groups does not apply to --external, give --external-groups: {error}", "Warning:", "yellow")
        return load_data(args, folder, layout, None)
