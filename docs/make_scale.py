"""Write scale.md from what benchmarks/bench_svm.py and, where it has run, benchmarks/bench_scale.py have measured."""

import json
import math
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
STEPS = {
    "inventory": "one pass over the files, for the audit",
    "extract": "HOG, LBP and edges into a store",
    "pairs": "search for copies",
    "sgd": "linear SVM, one pass over the store",
    "predict": "prediction from the store",
    "xgboost": "XGBoost, 10 trees in batches from the store",
    "nystroem": "nystroem on HOG, in memory",
    "svm": "RBF SVM on HOG, in memory",
}
CORES = 2  # of a machine, as on the one measured
PRICE = 0.05  # dollars for a core and an hour
FILE = 60e3  # bytes of a radiograph as JPEG, as drawn by the benchmark
MILLIONS = (1, 10)
MACHINES = (1, 8, 64)

PAGE = """# When to leave one machine

`docs/make_scale.py` writes this page from the results of `benchmarks/bench_svm.py` ({date}, {cpu}) and
`benchmarks/bench_scale.py` in `benchmarks/results`.

## Which model at which size

| images | model | why |
| --- | --- | --- |
| up to 20 000 | `svm`, `accurate` | the kernel matrix takes 8 bytes for each pair of images: 3.2 GB at 20 000 |
| more, if rows fit in memory | `nystroem`, `linear_svm` | 8100 features of an image are 32 KB: 3.2 GB at 100 000 |
| more than fit in memory | `sgd` by `partial_fit`, `XGBClassifier.fit_batches` | rows come from a store in batches |

An RBF SVM on {rows:,} rows of {columns:,} features takes {ours_s:.1f} seconds of processor time to fit;
scikit-learn's takes {scikit_learn_s:.0f}. The next C of a grid takes {next_C_s:.1f}. Decision values differ by at most
{largest_difference:.0e}. Above 20 000 images `svm` gives a `ScaleWarning`.{compared}

## Features computed once

    fracture-features extract archive --features hog,lbp,edges --out store
    fracture-features extract archive --features hog,lbp,edges --out store --shard 2/8   # on the second of 8 machines
    fracture-features compare archive --models hog+svm,hog+nystroem --store store

A run that was stopped continues when you start it again. Several machines only need a shared folder: each writes its
own shards, complete or not at all. `compare`, `train` and `audit` (`--store`) copy what they need from the store into
their cache. They open a file again only if its size or time has changed, or if it may be a copy of another one. A store
of other files, features or image sizes, or of another version, is refused. In Python:

    store = FeatureStore("store")
    for X, y in store.batches(data.paths, data.y):
        model.partial_fit(X, y, classes=[0, 1])
    XGBClassifier().fit_batches(lambda rows: store.rows(data.paths[rows]), data.y)

The store also keeps the pixels, in `shard-*.values`, so that no image is read twice. If you need only the rows, you can
delete these files; `--store` then cannot be used.

## Other processes, other machines

`--backend loky` or `threading` runs jobs on `--jobs` processes or threads, `--scheduler tcp://host:8786` on the workers
of Dask (`pip install 'fracture_features[dask]'`); in Python `joblib.parallel_config(backend="dask")` does the same.
Jobs are parts of the inventory, shards, and fits of one model on one fold. Only paths, rows of the inventory and scores
are sent; the workers read the files themselves, under the same paths. Before anything runs, an error names a worker
that has other versions of packages or does not see the files. Dask replaces a worker that dies, and its jobs run again.
Values that are in the cache or the store are not computed again (`tests/test_spread.py` kills a worker).
Ray's backend of joblib is refused by name: it returns nothing before all jobs are done, which progress and resuming
need.

XGBoost grows its trees on the workers, each of which reads rows from the store:

    X = store.dask_array(data.paths)
    xgboost.dask.DaskXGBClassifier().fit(X, dask.array.from_array(data.y, chunks=X.chunks[0]))

Keep the cache on a local disk: every worker uses the folder of `--cache` on its own machine. The cache renames complete
files, and was not tested on NFS. The store may be shared: its shards are renamed in the same way, and never changed
afterwards.
{growth}"""
NOT_MEASURED = """
## How time and memory grow

Not measured yet on a quiet machine: `python benchmarks/bench_scale.py`, then `python docs/make_scale.py`.
"""
GROWTH = """
## How time and memory grow

Drawn radiographs of 512 x 512 pixels, all different; seconds of processor time, all threads together
(`benchmarks/bench_scale.py`, {date}, {cpu}). The exponent is the slope of log time over log number of images: 1 means
twice the time for twice the images.

{measured}

![Processor seconds and memory over the number of images](../benchmarks/results/scale.png)

## Estimates for millions of images

Machines of {cores} cores like the one measured, {price:.2f} dollars for a core and an hour, files of {file_kb:.0f} KB,
which every machine reads over the network. Price and file size are assumed; the rest is computed from the table above.
Extraction is divided evenly. The search for copies runs on one machine; its time is extrapolated by the exponent
between the two largest sizes, {slope:.2f}: the more images, the more pairs look alike and have to be compared.

{paper}

The next limits are the search for copies, which runs on one machine with the hashes of all images in memory; the pixels
in the store ({pixels_tb:.1f} TB for 10 million); and the {network_mb:.0f} MB a second that 64 machines read from the
file server.
"""


def load(name: str) -> dict[str, Any]:
    """What a benchmark has written."""
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown of a table, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def duration(hours: float) -> str:
    """Hours in the unit that reads best."""
    if hours < 1:
        return f"{60 * hours:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def render() -> str:
    """The page as Markdown."""
    svm = load("svm")
    growth = grown(load("scale")) if (RESULTS / "scale.json").exists() else NOT_MEASURED
    about, race = svm["about"], svm["results"]["race"]
    return PAGE.format(cpu=about["cpu"], date=about["date"], compared=compared(svm["results"]), growth=growth, **race)


def grown(scale: dict[str, Any]) -> str:
    """How time and memory grow, and what that makes of millions."""
    about, slopes = scale["about"], scale["about"]["exponents"]
    found = {(row["step"], row["images"]): row for row in scale["results"]}
    sizes = sorted({images for _, images in found})
    rows = []
    for step, what in STEPS.items():
        cells = [found.get((step, n)) for n in sizes]
        seconds = ["–" if cell is None else f"{cell['cpu_seconds']:.1f} s" for cell in cells]
        memory = max(cell["MiB"] for cell in cells if cell is not None)
        slope = f"{slopes[step]:.2f}" if step in slopes else "–"
        rows.append([what, *seconds, slope, f"{memory / 1024:.2f} GiB"])
    head = ["step", *(f"{n:,} images" for n in sizes), "exponent", "largest memory"]
    last = [found["pairs", n]["cpu_seconds"] for n in sizes[-2:]]
    slope = math.log(last[1] / last[0]) / math.log(sizes[-1] / sizes[-2])
    paper, network = on_paper(found, slope, sizes[-1])
    return GROWTH.format(
        cpu=about["cpu"],
        date=about["date"],
        measured=table(head, rows),
        paper=paper,
        cores=CORES,
        slope=slope,
        price=PRICE,
        file_kb=FILE / 1e3,
        pixels_tb=10e6 * 256**2 / 1e12,
        network_mb=network,
    )


def on_paper(found: dict[Any, Any], slope: float, largest: int) -> tuple[str, float]:
    """Time, disk, network and money for millions of images, and the MB a second that 64 machines read."""
    each = found["extract", largest]["cpu_seconds"] / largest
    store = next(row["store_MiB"] for row in found.values() if row["images"] == largest and "store_MiB" in row)
    bytes_each = store * 2**20 / largest
    rows = []
    for millions in MILLIONS:
        n = millions * 1e6
        hours = n * each / 3600
        pairs = found["pairs", largest]["cpu_seconds"] * (n / largest) ** slope / 3600
        for machines in MACHINES:
            rows.append(
                [
                    f"{millions} million, {machines} machine{'s' * (machines > 1)}",
                    duration(hours / CORES / machines),
                    duration(pairs / CORES),
                    f"{n * bytes_each / 1e12:.2f} TB",
                    f"{n * (FILE + bytes_each) / 1e12:.2f} TB",
                    f"{hours * PRICE:.2f} $",
                ]
            )
    head = ["images", "extraction", "copies, on one machine", "store", "over the network", "extraction costs"]
    return table(head, rows), MACHINES[-1] * CORES / each * FILE / 1e6


def compared(svm: dict[str, Any]) -> str:
    """What the others cost in accuracy and save in time, on FracAtlas."""
    if "fracatlas" not in svm:
        return ""
    rows = [[name, f"{row['roc_auc']:.3f}", f"{row['fit_seconds']:.2f} s"] for name, row in svm["fracatlas"].items()]
    told = "\n\nOn the development slice of FracAtlas (2459 readable images, five folds of groups):\n\n"
    return told + table(["model", "ROC AUC", "fit, without features"], rows)


if __name__ == "__main__":
    (Path(__file__).parent / "scale.md").write_text(render(), encoding="utf-8")
