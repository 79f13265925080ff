"""Data sets of radiographs: paths, labels, groups and metadata."""

from ._coco import load_coco
from ._csv import load_csv
from ._dataset import FractureDataset, left_out_table
from ._files import count_kinds, find_images
from ._folder import load_folder
from ._fracatlas import load_fracatlas
from ._inventory import Description, take_inventory
from ._labels import is_fracture_name, is_healthy_name, spelling_key
from ._metadata import MetadataLookup
from ._mura import load_mura
from ._split import SPLIT_COLUMN, published_split
from ._table import read_table
from ._yolo import load_yolo
from .synthetic import is_drawn, make_radiographs

__all__ = [
    "SPLIT_COLUMN",
    "Description",
    "FractureDataset",
    "MetadataLookup",
    "count_kinds",
    "find_images",
    "is_drawn",
    "is_fracture_name",
    "is_healthy_name",
    "left_out_table",
    "load_coco",
    "load_csv",
    "load_folder",
    "load_fracatlas",
    "load_mura",
    "load_yolo",
    "make_radiographs",
    "published_split",
    "read_table",
    "spelling_key",
    "take_inventory",
]
