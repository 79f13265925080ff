"""The command `score`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from .._console import table_screen
from .._write import whole_file
from ..protocols import ProtocolScore, score_predictions
from ._exit import ExitCode
from ._models import held_file
from ._screen import say, visible

LABELS = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "sensitivity_at_specificity_0.9": "Sensitivity at\nspecificity 0.9",
}


def run_score(args: argparse.Namespace) -> int:
    """Print the measures of a file of predictions and their tests, and write the badge."""
    score = score_predictions(args.predictions, args.protocol)
    output = table_screen()
    output.print(_measure_table(score))
    for row in score.comparison.itertuples(index=False):
        output.print(Text(_difference(row)), soft_wrap=True)
    badge = score.badge()
    output.print(Text(f"\n{badge['message']}"), soft_wrap=True)
    output.print(
        "Means over the folds with 95 % intervals of the method, trained anew on other patients, by leaving out"
    )
    output.print("groups. Not a medical device.")
    if args.badge is not None:
        with held_file(args.badge, "--badge"), whole_file(args.badge) as part:
            part.write_text(json.dumps(badge, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        say(f"The badge is {args.badge}")
    return ExitCode.DONE


def _measure_table(score: ProtocolScore) -> Table:
    values = score.measures.set_index(["model", "measure"])
    table = Table("Model", *LABELS.values(), box=box.SIMPLE_HEAD)
    for model in score.measures["model"].unique():
        cells = [values.loc[(model, measure)] for measure in LABELS]
        table.add_row(visible(model), *(f"{cell['value']:.3f}\n{cell['low']:.2f}–{cell['high']:.2f}" for cell in cells))
    return table


def _difference(row: Any) -> str:
    return (
        f"ROC AUC minus that of {row.reference}: {row.difference:+.3f} ({row.low:+.3f} to {row.high:+.3f}), "
        f"p {row.p_holm:.2g} after Holm"
    )
