PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow test-oldest lint bench docs wheel clean

demo: $(STAMP)
	$(BIN)/fracture-features demo

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

# What takes minutes: kills by the dozen, simulations, the README in a fresh environment.
test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow --numprocesses 2 --dist worksteal --timeout 1800

# A part of the tests on the oldest versions that setup.cfg names.
test-oldest:
	PYTHON=$(PYTHON) .ci/oldest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/check_docstrings.py

bench: $(STAMP)
	$(BIN)/python benchmarks/bench_features.py

# The site, in docs/_build/index.html; a warning is an error.
docs: $(STAMP) $(VENV)/.docs
	$(BIN)/python -m sphinx -E -W --keep-going -b html docs docs/_build

$(VENV)/.docs: setup.cfg
	$(BIN)/pip install --quiet --editable ".[docs]"
	@touch $@

# dist/fracture_features-*.whl; what an earlier build left would get into it.
wheel:
	rm -rf build
	$(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir dist .

# Everything the targets need; made once, and again when the dependencies change.
$(STAMP): setup.cfg pyproject.toml
	@echo "Installing into $(VENV): about two minutes, 3 GB"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable ".[all,dev]"
	@touch $@

clean:
	rm -rf $(VENV) .venv-oldest
