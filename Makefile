# Two commands matter: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .lowest
READY := $(VENV)/.ready

.PHONY: help setup demo test test-long test-crash test-fuzz test-engines test-lowest check lint types imports pytest bench bench-gpu site docs clean

help:  ## what each target does
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## create .venv with the pinned dependencies and this package

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "crossdistill needs Python 3.11 or newer; set PYTHON=..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

demo: $(READY)  ## label one, record many: AMID-U and what it has to beat on bundled data, and a report (about 5 minutes)
	$(BIN)/crossdistill demo

check: lint types imports  ## linter, formatter, types, import contract

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

test: check pytest  ## everything: `make check`, then the whole test suite

pytest: $(READY)
	$(BIN)/pytest --numprocesses 3 --dist loadgroup

test-long: $(READY)  ## what the ordinary run leaves out: more encoders exported, every method in every recipe of the paper
	$(BIN)/pytest --numprocesses 2 --dist loadgroup --long -m long

test-crash: $(READY)  ## kill runs TIMES=200 times, resume them, and compare with one that was never killed
	CRASH_TIMES=$(or $(TIMES),200) $(BIN)/pytest --numprocesses 0 tests/crash

test-fuzz: $(READY)  ## CASES=10000 mutated files and options, each of which must end in one line or a right answer
	FUZZ_CASES=$(or $(CASES),10000) $(BIN)/pytest --numprocesses 0 tests/fuzz

test-engines: $(READY)  ## studies by Slurm (its commands as stand-ins) and by Ray, which it installs: a node is killed in the middle
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[ray]'
	$(BIN)/pytest --numprocesses 0 --long tests/studies/test_slurm.py tests/studies/test_ray_cluster.py

LOWEST_TESTS := tests/test_packaging.py tests/recipes/test_files.py tests/data/test_manifest.py tests/cli/test_prepare.py \
	tests/cli/test_predict.py tests/runs/test_media_runs.py tests/studies/test_compare.py tests/studies/test_tune.py \
	tests/exports/test_export.py tests/encoders/test_pretrained.py tests/estimator/test_classifier.py

test-lowest:  ## a part of the tests, one for each command and extra, with the lowest versions that pyproject.toml allows
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python scripts/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/pip install --quiet --constraint $(LOWEST)/constraints.txt --editable '.[all]' \
		pytest pytest-xdist hypothesis torchmetrics 'setuptools>=77'
	$(LOWEST)/bin/pytest --numprocesses 2 --override-ini filterwarnings=default $(LOWEST_TESTS)

bench: $(READY)  ## speed of losses, steps, ranks, chunks, inference, retrieval and loading video, as ratios (about 10 minutes)
	$(BIN)/python benchmarks/losses.py
	$(BIN)/python benchmarks/step.py --rounds 15
	$(BIN)/python benchmarks/step.py --rounds 10 --recipe watch,gru,r2plus1d --methods baseline,kd,c2kd,amid
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/ranks.py
	$(BIN)/python benchmarks/sharding.py
	$(BIN)/python benchmarks/chunks.py
	$(BIN)/python benchmarks/retrieval.py --gallery 100000
	$(BIN)/python benchmarks/loading.py --rounds 3

bench-gpu: $(READY)  ## step time and memory of the UCF51 recipe on a GPU, by precision and memory layout
	$(BIN)/python benchmarks/gpu.py

site: $(READY)  ## the documents as a site in site/, warnings as errors
	$(BIN)/zensical build --strict

docs: $(READY)  ## check that what the documents name exists, and that every example runs
	$(BIN)/pytest tests/test_docs.py tests/test_docstrings.py tests/test_examples.py

clean:  ## remove the environment, runs and caches
	rm -rf $(VENV) $(LOWEST) site runs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
