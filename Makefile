.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin
READY := .venv/.ready

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 8

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	@touch $@

demo: $(READY) ## Colour the sample photos and show the result
	rm -rf out/demo
	$(BIN)/colorize predict data out/demo --sheet out/demo/sheet.png
	@echo "Open out/demo/sheet.png: grey | ours | true."

page: $(READY) ## Open the page that colours photos in the browser
	$(BIN)/colorize serve

test: $(READY) ## Run the tests
	$(BIN)/python -m pytest -n auto --dist loadfile

slow: $(READY) ## Run the slow tests too
	$(BIN)/python -m pytest -n auto --dist loadfile -m 'slow or not slow'

lint: $(READY) ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY) ## Check types
	$(BIN)/mypy

PHOTOS ?= $(error name a folder: make gamma PHOTOS=path/to/photos)
RUNS ?= runs
# To try it out: FLAGS="--epochs 1 --steps-per-epoch 1" RUNS=/tmp/try
gamma: $(READY) ## Train the weights that come with colorize: make gamma PHOTOS=folder
	$(BIN)/colorize train "$(PHOTOS)" --config configs/gamma.toml --out $(RUNS)/gamma-1 $(FLAGS)
	$(BIN)/colorize train "$(PHOTOS)" --config configs/gamma-more.toml --init $(RUNS)/gamma-1 --out $(RUNS)/gamma-2 $(FLAGS)
	$(BIN)/colorize train "$(PHOTOS)" --config configs/gamma-looks.toml --init $(RUNS)/gamma-2 --out $(RUNS)/gamma-3 $(FLAGS)
	$(BIN)/colorize train "$(PHOTOS)" --config configs/gamma-larger.toml --init $(RUNS)/gamma-3 --out $(RUNS)/gamma-4 $(FLAGS)
	$(BIN)/colorize train "$(PHOTOS)" --config configs/gamma-early.toml --out $(RUNS)/gamma-early $(FLAGS)
	$(BIN)/colorize blend $(RUNS)/gamma-4 $(RUNS)/gamma-early $(RUNS)/gamma-mean.keras
	$(BIN)/colorize train "$(PHOTOS)" --config configs/gamma-decoder.toml --init $(RUNS)/gamma-mean.keras --out $(RUNS)/gamma-5 $(FLAGS)
	$(BIN)/colorize train "$(PHOTOS)" --config configs/gamma-early.toml --freeze none --loss "bins + 0.25 perceptual" --out $(RUNS)/gamma-early-looks $(FLAGS)
	$(BIN)/colorize blend $(RUNS)/gamma-5 $(RUNS)/gamma-early-looks $(RUNS)/gamma.keras --share 0.8 --share 0.2 --saturation 1.35
	$(BIN)/python -c "from pathlib import Path; from colorize.models import saved; print(saved.ship(Path('$(RUNS)/gamma.keras'), Path('$(RUNS)/weights')))"
	@echo "To ship them: cp $(RUNS)/weights/* colorize/weights/"

bench: $(READY) ## Time the loader and a step of Fusion against the tutorials' way
	$(BIN)/python benchmarks/loader.py
	$(BIN)/python benchmarks/fusion_step.py

clean: ## Delete what these targets made, but no trained runs
	rm -rf .venv out/demo .mypy_cache .pytest_cache .ruff_cache dist

.PHONY: help demo page test slow lint type gamma bench clean
