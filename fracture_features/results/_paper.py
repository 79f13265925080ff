"""A result as a table for a paper: one row a model."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .._text import without_formulas
from ._format import measure_label, with_interval

if TYPE_CHECKING:
    import os

    from ._result import EvaluationResult

MAIN = ("roc_auc", "average_precision", "accuracy", "balanced_accuracy", "sensitivity", "specificity")
TEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "∞": "$\\infty$",
}


class ModelTable:
    r"""Table with a row for each model, the best first and the baselines last, and values with intervals as text.

    A notebook shows it as a table; `to_markdown`, `to_latex` and `to_csv` give it to other programs.

    Parameters
    ----------
    frame : DataFrame
        Text; the first column names the models.
    n_models : int
        Rows before those of the baselines.

    Attributes
    ----------
    frame, n_models
        As given.

    See Also
    --------
    EvaluationResult.table : Make one.

    Examples
    --------
    >>> import pandas as pd
    >>> from fracture_features.results import ModelTable
    >>> table = ModelTable(pd.DataFrame({"Model": ["hog+svm"], "ROC AUC": ["0.90 (0.87–0.92)"]}), 1)
    >>> print(table.to_markdown())
    | Model | ROC AUC |
    | :-- | --: |
    | hog+svm | 0.90 (0.87–0.92) |
    >>> print(table.to_latex())
    \begin{tabular}{lr}
    \toprule
    Model & ROC AUC \\
    \midrule
    hog+svm & 0.90 (0.87--0.92) \\
    \bottomrule
    \end{tabular}
    """

    def __init__(self, frame: pd.DataFrame, n_models: int):
        self.frame = frame
        self.n_models = n_models

    def __repr__(self) -> str:
        return self.frame.to_string(index=False)

    def _repr_html_(self) -> str:
        style = ' style="text-align: right"'

        def cells(tag: str, texts: Sequence[str]) -> str:
            return "".join(f"<{tag}{style * (k > 0)}>{html.escape(text)}</{tag}>" for k, text in enumerate(texts))

        rows = "".join(f"<tr>{cells('td', row)}</tr>" for row in self._rows())
        return f"<table><thead><tr>{cells('th', self._head())}</tr></thead><tbody>{rows}</tbody></table>"

    def to_markdown(self) -> str:
        """Return the table as Markdown, numbers to the right."""
        lines = [self._head(), [":--", *["--:"] * (self.frame.shape[1] - 1)], *self._rows()]
        return "\n".join(f"| {' | '.join(text.replace('|', chr(92) + '|') for text in line)} |" for line in lines)

    def to_latex(self) -> str:
        """Return the table as LaTeX, for the package booktabs; a rule lies above the baselines."""
        lines = [f"{' & '.join(map(_tex, row))} \\\\" for row in [self._head(), *self._rows()]]
        rules = {1: ["\\midrule"], self.n_models + 1: ["\\midrule"]}
        body = [part for k, line in enumerate(lines) for part in (*rules.get(k, []), line)]
        columns = "l" + "r" * (self.frame.shape[1] - 1)
        return "\n".join([f"\\begin{{tabular}}{{{columns}}}", "\\toprule", *body, "\\bottomrule", "\\end{tabular}"])

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Return the table as csv, or write it to a file.

        A name that a spreadsheet would take for a formula gets an apostrophe before it.

        Parameters
        ----------
        path : str or path-like, default=None
            None returns the text.
        """
        text = str(without_formulas(self.frame).to_csv(index=False))
        if path is None:
            return text
        Path(path).write_text(text, encoding="utf-8", errors="backslashreplace")
        return None

    def _head(self) -> list[str]:
        return [str(name) for name in self.frame]

    def _rows(self) -> list[list[str]]:
        return [[" ".join(str(text).split()) for text in row] for row in self.frame.itertuples(index=False)]


def _tex(text: str) -> str:
    return "".join(TEX.get(character, character) for character in text)


def model_table(result: EvaluationResult, measures: Sequence[str]) -> ModelTable:
    """`EvaluationResult.table`."""
    frame = result.frame()
    if unknown := [name for name in measures if name not in set(frame["measure"])]:
        raise ValueError(f"measures={unknown} are none of {frame['measure'].unique().tolist()}")
    values = frame.set_index(["model", "measure"])
    names = sorted_models(result)
    columns = {"Model": names}
    for measure in measures:
        label = measure_label(measure, len(result.data.target_names))
        columns[label] = [_cell(values, name, measure) for name in names]
    return ModelTable(pd.DataFrame(columns), len(names) - len(result.baselines))


def _cell(values: pd.DataFrame, model: str, measure: str) -> str:
    """A value and its interval; a dash where the model has none, such as a probability's of an SVM."""
    if (model, measure) not in values.index:
        return "–"
    row: Any = values.loc[(model, measure)]
    return with_interval(float(row["value"]), float(row["low"]), float(row["high"]))


def sorted_models(result: EvaluationResult) -> list[str]:
    """Models from the highest ROC AUC down, then the baselines likewise; those without a value last."""
    values = {name: result.estimates.value(name, "roc_auc") for name in result.models}

    def place(name: str) -> tuple[bool, bool, float, str]:
        value = values[name]
        return name in result.baselines, value != value, -value, name

    return sorted(result.models, key=place)
