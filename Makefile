# make demo   installs into .venv, trains on the embedded corpus, evaluates, draws alignments
# make test   installs into .venv, runs ruff and the test suite
# make notebooks  runs the notebooks anew from notebooks/source/
# make check  ruff alone; make format rewrites the files as it wants them

# --no-compile: Python compiles what is imported when it is, and most of what is installed never is
PYTHON ?= python3
BIN := .venv/bin
RUN := runs/quickstart

# Where it is set, every process that a test starts would compile all that it imports, for 6 seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test notebooks check format clean

demo: .venv/installed
	$(BIN)/nmt train configs/quickstart.yaml --run $(RUN)
	$(BIN)/nmt evaluate $(RUN) --alignments 6

test: .venv/installed-dev check
	$(BIN)/python -m tests -n 2 --dist loadfile --no-loadscope-reorder

notebooks: .venv/installed-dev
	$(BIN)/python scripts/make_notebooks.py

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --no-compile --editable .
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[dev]'
	touch $@ .venv/installed

clean:
	rm -rf .venv runs .pytest_cache .ruff_cache
