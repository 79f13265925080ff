"""Usage in one line, and examples, for each command's --help."""

from __future__ import annotations

from typing import Any, NamedTuple


class Help(NamedTuple):
    """What stands above and below a command's options.

    Parameters
    ----------
    usage : str
        What must be given, on one line.
    examples : tuple of str
        Arguments after the program's name.
    """

    usage: str
    examples: tuple[str, ...]


HELP = {
    "compare": Help(
        "FOLDER [options]",
        (
            r'compare radiographs/ --groups "patient(\d+)" --out results',
            "compare table.csv --image file --label diagnosis --positive fracture --groups patient --out results",
            "compare fracatlas/ --models fast,cnn --budget 10m --subgroups body_part,view",
            "compare MURA-v1.1/ --layout mura --split --by-study study --external other_hospital/",
            "compare --rerun results/manifest.json --out again",
        ),
    ),
    "demo": Help("[options]", ("demo", "demo --n-samples 120 --models fast --out small-demo")),
    "audit": Help(
        "FOLDER [options]",
        (r'audit radiographs/ --groups "patient(\d+)" --out audit', "audit table.csv --groups patient --cost --json"),
    ),
    "extract": Help(
        "FOLDER --out DIR [options]",
        (
            "extract radiographs/ --features hog,lbp,edges --out store",
            "extract radiographs/ --out store --shard 2/8 --parquet",
        ),
    ),
    "show": Help("FOLDER --out FILE [options]", ("show radiographs/ --out page.html",)),
    "train": Help(
        "FOLDER --out FILE [options]",
        (
            r'train radiographs/ --groups "patient(\d+)" --out model.ff',
            "train table.csv --groups patient --calibrate --operating-point rule-out=0.98 --out model.ff",
        ),
    ),
    "predict": Help(
        "MODEL PATH [PATH ...] [options]",
        (
            "predict model.ff new_images/ --out predictions.csv",
            "predict model.ff wrist.dcm --json --maps maps",
        ),
    ),
    "score": Help(
        "PREDICTIONS --protocol NAME [options]", ("score predictions.csv --protocol fracatlas --badge badge.json",)
    ),
    "evaluate": Help(
        "MODEL FOLDER [options]",
        (r'evaluate model.ff other_hospital/ --groups "patient(\d+)" --out measures.csv',),
    ),
    "explain": Help("MODEL IMAGE --out FILE", ("explain model.ff wrist.png --out map.png",)),
    "serve": Help("MODEL [options]", ("serve model.ff --port 8000",)),
    "info": Help("MODEL [--json]", ("info model.ff", "info model.ff --json")),
    "export": Help("MODEL IMAGE [IMAGE ...] --onnx FILE", ("export model.ff some_images/ --onnx model.onnx",)),
    "cache": Help("info|clear FOLDER", ("cache info kept/", "cache clear kept/")),
}


def add_help(commands: Any) -> None:
    """Give every command its usage and examples."""
    for name, parser in commands.choices.items():
        if name in HELP:
            usage, examples = HELP[name]
            parser.usage = f"%(prog)s {usage}"
            parser.epilog = "\n".join(["examples:", *(f"  fracture-features {line}" for line in examples)])
