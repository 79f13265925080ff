"""Figures from tables: each function takes `ax=None` and returns the axes; matplotlib is imported when one is drawn."""

from ..results import measure_label
from ._curves import plot_calibration, plot_decision_curve, plot_precision_recall, plot_roc
from ._examples import plot_mistakes, plot_predictions, plot_samples
from ._pictures import overlay_heat_map, plot_augmentation, plot_heat_map, plot_hog
from ._places import overlay_boxes, plot_froc
from ._style import N_COLOURED, legend_height
from ._tables import plot_class_balance, plot_confusion_matrix, plot_forest, plot_image_sizes, plot_subgroups
from ._training import plot_grid_search, plot_history

__all__ = [
    "N_COLOURED",
    "legend_height",
    "measure_label",
    "overlay_boxes",
    "overlay_heat_map",
    "plot_augmentation",
    "plot_calibration",
    "plot_class_balance",
    "plot_confusion_matrix",
    "plot_decision_curve",
    "plot_forest",
    "plot_froc",
    "plot_grid_search",
    "plot_heat_map",
    "plot_history",
    "plot_hog",
    "plot_image_sizes",
    "plot_mistakes",
    "plot_precision_recall",
    "plot_predictions",
    "plot_roc",
    "plot_samples",
    "plot_subgroups",
]
