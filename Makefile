# Everything a fresh machine needs is set up by the target that needs it.

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast coverage fuzz soak bench bench-cohort docs pictures lint format clean

VENV := .venv
PYTHON := $(VENV)/bin/python
PYTEST := sh scripts/with_display.sh --virtual $(PYTHON) -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal
STAMP := $(VENV)/.ready
# Compiled once, not by each process that a test starts, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

help: ## Show this help
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## Install everything into .venv

$(STAMP): pyproject.toml constraints.txt scripts/setup.sh
	sh scripts/setup.sh $(VENV)
	touch $@

demo: $(STAMP) ## Open napari on the sample scan and segment it
	sh scripts/with_display.sh $(PYTHON) scripts/demo.py

test: $(STAMP) ## Run all tests, real-viewer tests included
	$(PYTEST)

test-fast: $(STAMP) ## Run all tests but the slow ones
	$(PYTEST) -m "not slow"

coverage: $(STAMP) ## Run all tests and say how much of the code they run
	$(PYTEST) --cov

CASES := 5000
SEED := 0

fuzz: $(STAMP) ## Read CASES damaged files of all kinds, others for each SEED
	$(PYTHON) -m tests.fuzz --cases $(CASES) --seed $(SEED)

ROUNDS := 300

soak: $(STAMP) ## Use windows for ROUNDS rounds with and without the plugin, from SEED on, and count crashes
	sh scripts/with_display.sh --virtual $(PYTHON) -m tests.soak --rounds $(ROUNDS) --seed $(SEED)

bench: $(STAMP) ## Measure the speed of segmentation and training against plain ones
	$(PYTHON) benchmarks/bench_segmentation.py
	sh scripts/with_display.sh --virtual $(PYTHON) benchmarks/bench_window.py
	sh scripts/with_display.sh --virtual $(PYTHON) benchmarks/bench_scoring.py
	$(PYTHON) benchmarks/bench_training.py --recipe seed
	$(PYTHON) benchmarks/bench_training.py --recipe default

bench-cohort: $(STAMP) ## Measure many scans: several processes against one, memory, a huge folder
	$(PYTHON) benchmarks/bench_cohort.py

docs: $(STAMP) ## Build the documentation's site into site/, and fail at a broken link
	$(PYTHON) -m mkdocs build --strict

SCENES :=

pictures: $(STAMP) ## Make the pictures of the documentation anew, from the real window; or of some SCENES alone
	sh scripts/with_display.sh --virtual $(PYTHON) -m scripts.pictures $(SCENES)

lint: $(STAMP) ## Check style, types, the walls between modules, and the manifest
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/npe2 validate napari-tumor-unet

format: $(STAMP) ## Bring the code into its style
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

clean: ## Remove what setup made
	rm -rf $(VENV)
