"""One run of `fracture-features audit`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from .. import __version__
from .._console import table_screen
from ..audit import AuditReport, Finding, audit_dataset, finding_frame, sort_findings
from ..evaluation import leak_cost, ledger_findings, shortcut_ledger
from ..exceptions import DatasetError
from ..report import shorten_paths, shorten_text, with_intervals, write_audit
from ._data import layout_of, load_data
from ._exit import ExitCode
from ._extract import cache_of
from ._output import fitted_tables, held_folder, replaced_files, write_csv
from ._screen import messages, say, visible, write_out
from ._spread import spread

TITLES = {
    "shortcuts": "Where the ROC AUC can come from without a fracture, each alone and added to those before it",
    "cost": "What copies are worth: ROC AUC of a cheap model",
}
STYLES = {"error": "red", "warning": "yellow", "note": "cyan"}
FILES = ("findings.csv", "pairs.csv", "shortcuts.csv", "cost.csv", "audit.html", "audit.json")


def run_audit(args: argparse.Namespace) -> int:
    """Audit, print the findings and write them; 1 if something makes results look better than they are."""
    data = load_data(args, args.folder, layout_of(args.layout, args.folder), args.groups)
    say(repr(data).strip("<>"))
    with nullcontext() if args.out is None else held_folder(args.out):
        with spread(args, data.paths[:1].tolist()), cache_of(args, data) as cache:
            with messages.status(f"Reading {len(data)} files"):
                report = audit_dataset(data, cache=cache, n_jobs=args.jobs)
            tables = _measured(args, report, cache)
        findings = sort_findings(
            [*report.findings, *(ledger_findings(tables["shortcuts"]) if "shortcuts" in tables else [])]
        )
        told = _as_json(report, findings, tables)
        if args.json:
            write_out(json.dumps(told, indent=1) + "\n")
        else:
            print_findings(findings, report.data.paths.tolist())
            for name, table in tables.items():
                print_table(table, TITLES[name])
        if args.out is not None:
            _write(args.out, report, findings, tables, told)
    return ExitCode.FAILURES if told["inflates"] else ExitCode.DONE


def _measured(args: argparse.Namespace, report: AuditReport, cache: str) -> dict[str, pd.DataFrame]:
    """The ledger of shortcuts and, where it is asked for, the cost of leaks; what the data are too few for is said."""
    data, options = (
        replace(report.data, groups=report.groups).with_files(report.data.files),
        {"random_state": args.seed, "n_jobs": args.jobs},
    )
    measures: dict[str, Callable[[], pd.DataFrame]] = {"shortcuts": lambda: shortcut_ledger(data, **options)}
    if args.cost:
        measures["cost"] = lambda: leak_cost(data, report.pairs, cache=cache, **options)
    tables = {}
    for name, measure in measures.items():
        try:
            with messages.status(f"Measuring: {name}"):
                tables[name] = measure()
        except DatasetError as error:
            say(f"{name} not measured: {error}", "Note:", "yellow")
    return tables


def print_findings(findings: Sequence[Finding], paths: Sequence[str]) -> None:
    """Print all findings, worst first, with examples, what they do and what to do."""
    names = shorten_paths(paths)
    output = table_screen()
    if not findings:
        output.print("Nothing found.")
        return
    table = Table("Code", "Found", "What it does, and what to do", box=box.SIMPLE_HEAD)
    for finding in findings:
        kind = finding.kind
        code = Text.assemble(finding.code, "\n", (kind.severity, STYLES[kind.severity]))
        found = [finding.text, finding.detail, finding.counted]
        lines = Text("\n".join(visible(line) for line in found if line))
        lines.append("".join(f"\n· {visible(shorten_text(example, names))}" for example in finding.examples), "dim")
        table.add_row(code, lines, Text(f"{kind.effect}.\n→ {kind.advice}"))
    output.print(table)


def print_table(frame: pd.DataFrame, title: str) -> None:
    """Print a table of numbers, with the limits of an interval below its value."""
    output = table_screen()
    output.print(title)
    for table in number_tables(frame, output.width):
        output.print(table)


def number_tables(frame: pd.DataFrame, width: int) -> list[Table]:
    """As `fitted_tables` makes them; headings and names are wrapped between words."""
    shown = with_intervals(frame).map(visible)
    first, *others = map(str, shown)
    names = [_wrapped(name, width // 4) for name in shown[first]]
    columns = {_wrapped(name, 12): [cell.replace(" (", "\n(") for cell in shown[name]] for name in others}
    return fitted_tables(first, names, columns, width)


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def _as_json(report: AuditReport, findings: Sequence[Finding], tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """What the audit found, in JSON's types."""
    return {
        "version": __version__,
        "images": len(report.data),
        "classes": report.data.class_counts(),
        "inflates": any(finding.kind.inflates for finding in findings),
        "findings": [
            {**dict(row), "counts": dict(finding.counts)}
            for finding, row in zip(findings, finding_frame(findings).to_dict("records"), strict=True)
        ],
        **{name: json.loads(table.to_json(orient="records")) for name, table in tables.items()},
    }


def _write(
    out: Path, report: AuditReport, findings: Sequence[Finding], tables: Mapping[str, pd.DataFrame], told: Any
) -> None:
    """Write the tables, the JSON and, where what it takes is installed, the page."""
    has_page = all(importlib.util.find_spec(name) for name in ("jinja2",))
    with replaced_files(out, FILES) as folder:
        (folder / "audit.json").write_text(json.dumps(told, indent=1) + "\n")
        write_csv(
            finding_frame(findings).assign(examples=lambda frame: frame["examples"].map("; ".join)),
            folder / "findings.csv",
        )
        write_csv(_named(report), folder / "pairs.csv")
        for name, table in tables.items():
            write_csv(table, folder / f"{name}.csv")
        if has_page:
            write_audit(report, folder / "audit.html", findings=findings, tables=tables)
    if not has_page:
        say("There is no audit.html: pip install 'fracture_features[report]'")
    say(f"The findings are in {out / ('audit.html' if has_page else 'findings.csv')}")


def _named(report: AuditReport) -> pd.DataFrame:
    """The pairs with paths in the place of rows."""
    return report.pairs.assign(**{name: report.data.paths[report.pairs[name]] for name in ("first", "second")})
