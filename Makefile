# Few verbs, each usable on a fresh machine: demo, test, check, docs, bench.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check docs bench clean

demo: $(STAMP)
	$(BIN)/recog demo

test: $(STAMP)
	$(BIN)/python -m pytest

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/cog --check README.md

docs: $(STAMP)
	$(BIN)/recog bench report --results benchmarks/results --out benchmarks/results
	$(BIN)/cog -r README.md

bench: $(STAMP)
	$(BIN)/recog bench verify --help

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache build dist
