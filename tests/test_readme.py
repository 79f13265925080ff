"""The README, followed to the letter: each block runs, in a fresh clone, in a fresh environment."""

import os
import re
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

import fracture_features

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
MAX_LINES = 120


def blocks(text):
    """Kind and text of each block of code."""
    return BLOCK.findall(text)


def clone(folder):
    """What git would give, with what is not committed yet."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    ).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def test_the_first_page_is_short():
    assert len(README.splitlines()) <= MAX_LINES


def test_every_link_into_the_repository_leads_to_a_file():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 8
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).is_file()] == []


def test_versions_and_authors_are_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {fracture_features.__version__}\n" in citation
    assert f"version = {{{fracture_features.__version__}}}" in README
    assert f"fracture_features-{fracture_features.__version__}-py3-none-any.whl" in README
    (author,) = re.findall(r"^  - name: (.*)$", citation, re.M)
    assert f"author = {{{{{author.replace('_', chr(92) + '_')}}}}}" in README


@pytest.mark.slow
def test_every_block_runs_in_a_fresh_environment(tmp_path):
    root = clone(tmp_path / "clone")
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv" / "bin"
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"PATH": f"{binaries}:{environment['PATH']}", "MPLBACKEND": "Agg"}

    def run(command, **options):
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, **options)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    found = blocks(README)
    shell = [text for kind, text in found if kind == ""]
    (python,) = [text for kind, text in found if kind == "python"]
    (expected,) = [text for kind, text in found if kind == "text"]
    assert {kind for kind, _ in found} == {"", "python", "text", "bibtex"}
    is_install = [line.startswith(("pip", "make")) for line in shell]
    assert sorted(is_install, reverse=True) == is_install  # first the environment, then what runs in it
    for block, install in zip(shell, is_install, strict=True):
        if install:
            run(["bash", "-ec", block])
    shutil.rmtree(root / "fracture_features")  # what is imported now is what was installed
    printed = run([str(binaries / "python"), "-c", python])
    assert numbers(printed)[0] == numbers(expected)[0]
    assert numbers(printed)[1] == pytest.approx(numbers(expected)[1], abs=0.05)
    for block, install in zip(shell, is_install, strict=True):
        for line in [] if install else block.splitlines():
            done = subprocess.run(line, cwd=root, env=environment, capture_output=True, text=True, shell=True)
            assert done.returncode in ((0, 1) if " audit " in line else (0,)), f"{line}\n{done.stdout}\n{done.stderr}"
    assert (root / "results" / "measures.csv").is_file()
    assert len((root / "predictions.csv").read_text().splitlines()) == 151


def numbers(text):
    """Words of a table, and its numbers."""
    tokens = text.split()
    values = [token for token in tokens if re.fullmatch(r"[\d.]+", token)]
    return [token for token in tokens if token not in values], [float(value) for value in values]
