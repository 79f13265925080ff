"""Print what each extra weighs, installed: the files of its packages and of all that these need.

    python benchmarks/sizes.py

In an environment that has all extras. An extra's megabytes are those that come on top of an installation without any.
"""

from __future__ import annotations

import configparser
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def closure(requirements: list[str]) -> set[str]:
    """Names of the packages that are needed, and of what they need."""
    found: set[str] = set()
    waiting = [(text, "") for text in requirements]
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        name = requirement.name.lower().replace("_", "-")
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        if name not in found:
            found.add(name)
            needs = metadata.distribution(name).requires or ()
            waiting += [(need, each) for need in needs for each in requirement.extras or [""]]
    return found


def megabytes(names: set[str]) -> float:
    """Size of the packages' files."""
    total = 0
    for name in names:
        for file in metadata.distribution(name).files or ():
            path = file.locate()
            total += path.stat().st_size if path.is_file() else 0
    return total / 1e6


def main() -> None:
    """Print a row for each extra."""
    config = configparser.ConfigParser()
    config.read(Path(__file__).parents[1] / "setup.cfg")

    def needed(text: str) -> set[str]:
        lines = [line.strip() for line in text.splitlines()]
        return closure([line for line in lines if line and not line.startswith("#")])

    base = needed(config["options"]["install_requires"])
    print(f"none: {megabytes(base):.0f} MB")
    for extra, text in config["options.extras_require"].items():
        if extra not in ("all", "dev", "docs"):
            new = needed(text) - base
            print(f"{extra}: {megabytes(new):.0f} MB ({', '.join(sorted(new))})")


if __name__ == "__main__":
    main()
