"""Data sets of radiographs: paths, labels, groups and what else is known."""

from ._coco import load_coco
from ._csv import load_csv
from ._dataset import FractureDataset
from ._files import count_kinds
from ._folder import load_folder
from ._fracatlas import load_fracatlas
from ._inventory import Description, take_inventory
from ._metadata import MetadataLookup
from ._mura import load_mura
from ._yolo import load_yolo
from .synthetic import make_radiographs

__all__ = [
    "Description",
    "FractureDataset",
    "MetadataLookup",
    "count_kinds",
    "load_coco",
    "load_csv",
    "load_folder",
    "load_fracatlas",
    "load_mura",
    "load_yolo",
    "make_radiographs",
    "take_inventory",
]
