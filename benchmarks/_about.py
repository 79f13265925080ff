"""What a result depends on: versions, machine, commit."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = [
    "numpy",
    "numba",
    "opencv-python-headless",
    "scikit-image",
    "scikit-learn",
    "simplejpeg",
    "pillow",
    "xxhash",
]


def circumstances() -> dict[str, Any]:
    """Date, commit, processor and versions."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        cpu = next((x.split(": ")[1] for x in info.read_text().splitlines() if x.startswith("model name")), cpu)
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit.stdout.strip() if commit.returncode == 0 else None,
        "cpu": cpu,
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in PACKAGES},
    }


def write_results(name: str, results: Any, **about: Any) -> None:
    """Write `results/name.json`."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"about": {**about, **circumstances()}, "results": results}, indent=2)
    (RESULTS / f"{name}.json").write_text(text + "\n")
