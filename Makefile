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

# TensorFlow rounds otherwise on a processor with AVX2 and without AVX-512: there its
# oneDNN operations are off, and what they leave to Eigen is multiplied in AVX2. So can
# any x86-64 be told to: with ONEDNN_VERBOSE=1 the first line says "isa:Intel AVX2", and
# "gemm_api" stands for each "convolution". What comes out differs in the last bits.
# oneDNN held to AVX2 with its operations on, which is on no processor so by itself,
# is not tried: TensorFlow 2.21 then computes wrong gradients of ColorNet.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile
NUMERIC := $(PYTEST) -m 'numeric and not slow'

test: $(READY) ## Run the tests
	$(PYTEST) --durations=10

slow: $(READY) ## Run all tests, the slow ones too
	$(PYTEST) --durations=30 $(or $(FLAGS),-m 'slow or not slow')

numeric: $(READY) ## Run what depends on rounding as older processors round
	TF_ENABLE_ONEDNN_OPTS=0 ONEDNN_MAX_CPU_ISA=AVX2 $(NUMERIC)

lint: $(READY) ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY) ## Check types
	$(BIN)/mypy

PHOTOS ?= $(error name a folder: make gamma PHOTOS=path/to/photos)
RUNS ?= runs
# One stage: gone on with if it was begun. (1) its recipe, (2) the run or file it begins from, without gamma-.
STAGE = if [ -f "$(RUNS)/gamma-$(1)/config.toml" ]; then \
	$(BIN)/colorize train --resume --out "$(RUNS)/gamma-$(1)"; else \
	$(BIN)/colorize train "$(PHOTOS)" --config configs/gamma/$(1).toml \
	$(if $(2),--init "$(RUNS)/gamma-$(2)") --out "$(RUNS)/gamma-$(1)" $(FLAGS); fi
# To try it out: FLAGS="--epochs 1 --steps-per-epoch 1" RUNS=/tmp/try
gamma: $(READY) ## Train weights like those that come with colorize: make gamma PHOTOS=folder
	$(call STAGE,1-see)
	$(call STAGE,2-learn,1-see)
	$(call STAGE,3-decide,2-learn)
	[ -f "$(RUNS)/gamma-4-together/config.toml" ] || \
	$(BIN)/colorize blend "$(RUNS)/gamma-3-decide" "$(RUNS)/gamma-2-learn" "$(RUNS)/gamma-mean.keras" --overwrite
	$(call STAGE,4-together,mean.keras)
	$(BIN)/colorize blend "$(RUNS)/gamma-4-together" "$(RUNS)/gamma.keras" --detail 1.5 --saturation 1.4 --overwrite
	$(BIN)/python -c "from pathlib import Path; from colorize.models import saved; print(saved.ship(Path('$(RUNS)/gamma.keras'), Path('$(RUNS)/weights')))"
	@echo "To ship them: cp $(RUNS)/weights/* colorize/weights/ && make runtime"

runtime: $(READY) ## Make what ONNX Runtime needs of gamma's weights: after gamma changed
	$(BIN)/python -m colorize.export.shipped

bench: $(READY) ## Time a step of Fusion, and gamma's network against one of 2016
	$(BIN)/python benchmarks/fusion_step.py
	$(BIN)/python benchmarks/network.py

clean: ## Delete what these targets made, but no trained runs
	rm -rf .venv out/demo .mypy_cache .pytest_cache .ruff_cache dist

.PHONY: help demo page test slow numeric lint type gamma runtime bench clean
