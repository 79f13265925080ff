"""Time the extraction of features by one worker of a Dask cluster and by two.

    python benchmarks/bench_cluster.py [N]

Draws N radiographs (default 2000) as bench_scale.py does, and extracts HOG, LBP and edges into a store, on a
`LocalCluster` of one process with one thread and of two, in turn, three times; the least of each counts. Workers have
extracted some images before. On a machine that does other work at the same time the ratio says nothing.

Writes benchmarks/results/cluster.json. Takes about two minutes on two cores.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from _about import write_results
from bench_scale import FEATURES, FEW, draw
from distributed import Client, LocalCluster
from joblib import parallel_config

from fracture_features.store import extract_features

N_ROUNDS = 3


def seconds(few: Path, images: Path, store: Path, n_workers: int) -> float:
    """Of an extraction on a cluster of processes with one thread each."""
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster),
        parallel_config(backend="dask"),
    ):
        extract_features(few, FEATURES, store, shard_size=1)  # on all workers, which load what they need
        shutil.rmtree(store)
        start = time.perf_counter()
        extract_features(images, FEATURES, store, shard_size=128)
        took = time.perf_counter() - start
    shutil.rmtree(store)
    return took


def main() -> None:
    """Print and write the times."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        draw(folder / "few", FEW)
        draw(folder / "images", n)
        folders = folder / "few", folder / "images", folder / "store"
        rounds = [[seconds(*folders, k) for k in (1, 2)] for _ in range(N_ROUNDS)]
    one, two = (min(times) for times in zip(*rounds, strict=True))
    results = {
        "images": n,
        "one worker, s": round(one, 2),
        "two workers, s": round(two, 2),
        "times": round(one / two, 2),
    }
    print(results)
    write_results("cluster", results)


if __name__ == "__main__":
    main()
