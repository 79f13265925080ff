"""Measure what the audit costs beside decoding the same files.

    python benchmarks/bench_audit.py [N]

Draws N images (default 10,000) of 500 x 400 pixels: radiographs of 200 patients, each warped, brightened and made noisy
anew, so that no two files are alike. Then decodes all of them and audits all of them, in turn, three times, with
threads on all cores and nothing cached; the least of each counts. The ledger is timed once.

Writes benchmarks/results/audit.json. Takes about four minutes on two cores.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from _about import write_results

from fracture_features import audit_dataset, load_folder, make_radiographs, read_image
from fracture_features._threads import map_threads
from fracture_features.evaluation import shortcut_ledger

HEIGHT, WIDTH = 500, 400
N_PATIENTS, N_ROUNDS = 200, 3


def draw(folder: Path, n: int) -> Path:
    rng = np.random.default_rng(0)
    drawn = sorted(make_radiographs(N_PATIENTS, folder=folder / "drawn", random_state=1).glob("*/*.jpg"))
    images = [cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (WIDTH, HEIGHT)) for path in drawn]
    for k in range(n):
        path = folder / "images" / drawn[k % len(drawn)].parent.name / f"image{k}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        warp = np.eye(2, 3) + np.c_[rng.normal(0, 0.08, (2, 2)), rng.normal(0, 25, 2)]
        image = cv2.warpAffine(images[k % len(images)], warp, (WIDTH, HEIGHT)) * rng.uniform(0.7, 1.2)
        image = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return folder / "images"


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of all cores together."""
    wall, cores = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cores


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as parent:
        data = load_folder(draw(Path(parent), n))
        audit_dataset(data.subset(np.arange(50)))  # compiles
        rounds = []
        for _ in range(N_ROUNDS):
            decode = timed(lambda: map_threads(lambda path: read_image(path).size, data.paths.tolist(), -1))
            rounds.append((decode, timed(lambda: audit_dataset(data))))
        (decode, decode_cores), (audit, audit_cores) = np.min(rounds, axis=0).tolist()
        report = audit_dataset(data)
        ledger, _ = timed(lambda: shortcut_ledger(report.data, random_state=0, n_jobs=-1))
    results = {
        "images": n,
        "decoding, s": round(decode, 2),
        "audit, s": round(audit, 2),
        "audit / decoding": round(audit / decode, 2),
        "audit / decoding, of all cores": round(audit_cores / decode_cores, 2),
        "ledger, s": round(ledger, 1),
    }
    print(results)
    write_results("audit", results)


if __name__ == "__main__":
    main()
