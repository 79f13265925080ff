"""Settings of the docs: `make docs` builds them, a warning is an error."""

import os
import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import fracture_features
import make_api

project = "fracture_features"
author = "the fracture_features developers"
copyright = f"2026, {author}"
release = version = fracture_features.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "gallery/*.py", "gallery/*.ipynb", "gallery/*.json"]
default_role = "code"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

make_api.write(DOCS / "api")
autosummary_generate = True
templates_path = ["_templates"]
autodoc_typehints = "none"  # numpydoc's sections say them
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": str(DOCS.parent / "examples" / "gallery"),
    "gallery_dirs": "gallery",
    "filename_pattern": "/plot_",
    "only_warn_on_example_error": False,
    "abort_on_example_error": True,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "min_reported_time": 1000,
    "ignore_repr_types": r"matplotlib\.",
}

html_theme = "pydata_sphinx_theme"
html_title = "fracture_features"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def skip_member(app, what, name, value, skip, options):
    """Leave out what scikit-learn and named tuples add to a class."""
    is_request = name.startswith("set_") and name.endswith("_request")
    return True if is_request or type(value).__name__ == "_tuplegetter" else None


def setup(app):
    """Leave nothing of an earlier build of the gallery, whose pages would be taken for those of examples there are."""
    if not (DOCS / "_build").exists():
        shutil.rmtree(DOCS / "gallery", ignore_errors=True)
    app.connect("autodoc-skip-member", skip_member)
