"""Put the page together and write it."""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from .._optional import require
from .._text import any_text
from .._write import whole_file
from ..datasets import count_kinds
from ..results import EvaluationResult
from ._checklist import make_checklist
from ._downloads import file_name
from ._figures import describe_hidden, make_figures
from ._head import make_headline, make_warnings
from ._live import make_live
from ._networks import make_networks
from ._pictures import make_pictures
from ._places import make_places
from ._summary import (
    describe,
    describe_findings,
    has_intervals,
    make_facts,
    make_question,
    ranked_models,
    shorten_paths,
    unit,
)
from ._tables import make_tables


@any_text
def write_report(
    result: EvaluationResult,
    path: str | os.PathLike[str],
    *,
    model: Any = None,
    subgroups: Sequence[str] = (),
    about: Mapping[str, str] | None = None,
) -> Path:
    r"""Write the report of an evaluation as one HTML page, which needs no internet and no other file.

    Results come first: the best model beside the best baseline, warnings, the measures with their intervals, the
    comparison. Then sliders for the threshold and the prevalence (of two classes), figures, example predictions and the
    most confident mistakes of the best model, the training of networks whose models were kept, the data and what was
    left out, what was asked, versions and the digest of the data, and a checklist of the items of CLAIM 2024 [1]_ and
    TRIPOD+AI [2]_ in words of our own, filled in where the library knows. Tables can be saved as csv, figures as png.
    It tells the counts and quartiles of columns of `result.data.frame` that are named sex, gender or age, PatientSex
    or PatientAge. Sixteen small radiographs are in it, four more of each network, and the predictions for every image
    by the name of its file: mind where it is sent.

    Parameters
    ----------
    result : EvaluationResult
        From `evaluate`.
    path : str or path-like
        Of the page; an existing file is overwritten.
    model : Pipeline, default=None
        Fitted, its classes those of `result.data.y`: its heat maps are shown beside the pictures. One that was kept,
        such as `result.folds_of(name)[0].estimator`, or another; the page says that it may have been fitted on some of
        these images.
    subgroups : sequence of str, default=()
        Columns of `result.data.frame` whose subgroups are shown beside those of the metadata.
    about : mapping of str to str, default=None
        Further lines of what was asked, such as the command line, by their terms.

    Returns
    -------
    path : pathlib.Path

    Raises
    ------
    MissingDependencyError
        If matplotlib or jinja2 is not installed.
    ImageReadError
        If an image that is to be shown cannot be read any more.
    ValueError
        If the result has no fold or no such column; if `model` has no maps, as `explain_images` does.
    OSError
        If the page cannot be written, or an image is gone.

    See Also
    --------
    fracture_features.evaluate : Make the result.
    fracture_features.plotting.plot_forest : One of its figures.

    References
    ----------
    .. [1] A. S. Tejani et al., "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 update",
       Radiology: Artificial Intelligence 6(4), 2024.
    .. [2] G. S. Collins et al., "TRIPOD+AI statement", BMJ 385:e078378, 2024.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.report import write_report
    >>> folder = tempfile.mkdtemp()
    >>> data = load_folder(make_radiographs(30, folder=folder + "/x", random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
    >>> write_report(result, folder + "/report.html").name
    'report.html'
    """
    require("matplotlib", extra="report", needed_for="write_report")
    content = _content(result, model, subgroups, about or {})
    return write_page(path, "template.html", content, needed_for="write_report")


def write_page(path: str | os.PathLike[str], template: str, content: dict[str, Any], *, needed_for: str) -> Path:
    """Fill in a template of this package and write the page."""
    jinja2 = require("jinja2", extra="report", needed_for=needed_for)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"digest": _digest, "file_name": file_name}
    safe = environment.filters["safe"]
    parts = ("tables.html", "findings.html", template, "style.css", "report.js")
    tables, findings, source, style, script = (
        files(__package__).joinpath(name).read_text(encoding="utf-8") for name in parts
    )
    counted: Counter[str] = Counter()
    content = content | {"style": safe(style), "script": safe(script), "numbered": lambda kind: _next(kind, counted)}
    page = environment.from_string(tables + findings + source).render(content)
    path = Path(path)
    with whole_file(path) as part:
        part.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path


def _next(kind: str, counted: Counter[str]) -> str:
    """The next number of a kind: "Table 1", then "Table 2"."""
    counted[kind] += 1
    return f"{kind} {counted[kind]}"


def _content(
    result: EvaluationResult, model: Any, subgroups: Sequence[str], about: Mapping[str, str]
) -> dict[str, Any]:
    """What the template asks for."""
    ranked = ranked_models(result)
    best, manifest, external = ranked[0], result.manifest(), result.external
    names = shorten_paths([*result.data.paths, *result.excluded["path"]])
    if external is not None:
        names |= shorten_paths([*external.data.paths, *external.excluded["path"]])
    return {
        "headline": make_headline(result, best),
        "warnings": make_warnings(result),
        "facts": make_facts(result),
        "summary": describe(result, best),
        "question": make_question(result, about, date.today().isoformat()),
        "findings": describe_findings(result.findings()),
        "audited": None if result.audit is None else describe_findings(result.audit.findings, names),
        "best": best,
        "tables": make_tables(result, manifest, names),
        "figures": make_figures(result, ranked, subgroups),
        "live": make_live(result, ranked, names),
        "networks": make_networks(result, ranked, names),
        "hidden": describe_hidden(ranked),
        "pictures": make_pictures(result, best, names, model),
        "places": make_places(result, names),
        "manifest": manifest,
        "ignored": count_kinds(result.data.ignored),
        "grouped": result.data.groups is not None,
        "grouped_outside": external is None or external.data.groups is not None,
        "has_intervals": has_intervals(result),
        "unit": unit(result),
        "mapped_class": result.data.target_names[1] if len(result.data.target_names) == 2 else None,
        "checklist": make_checklist(result, best, manifest),
    }


def _digest(text: str) -> str:
    """What a content security policy names a script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(str(text).encode(errors="backslashreplace")).digest()).decode()
