"""Print pip's constraints for the oldest versions that setup.cfg names, of all but what only tests need."""

import configparser
import re
from pathlib import Path

config = configparser.ConfigParser()
config.read(Path(__file__).parents[1] / "setup.cfg")
texts = [config["options"]["install_requires"]]
texts += [text for extra, text in config["options.extras_require"].items() if extra not in ("all", "dev", "docs")]
lines = set()
for line in "\n".join(texts).splitlines():
    if found := re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)(.*)", line.strip()):
        name, version, marker = found.groups()
        parts = version.split(".")
        lines.add(f"{name}=={'.'.join(parts + ['0'] * (2 - len(parts)))}.*{marker}")
print("\n".join(sorted(lines)))
