# Everything runs in .venv, which is made from the first Python >= 3.11 that is found (or from PYTHON=...).

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test lint types docs freeze bench bench-peers parity-peers clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

demo: $(VENV)/installed ## sweep 1,080 variants of a strategy over a year of invented minute bars
	@$(BIN)/fluxhero sweep demo

test: $(VENV)/installed-dev ## run the tests
	@$(BIN)/python -m pytest -n 2 -q

lint: $(VENV)/installed-dev ## check style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/installed-dev ## check types
	@mkdir -p .typing && ln -sfn "$(CURDIR)" .typing/fluxhero
	@$(BIN)/mypy

docs: $(VENV)/installed-dev ## write the page of indicators again, from their docstrings
	@$(BIN)/python -m fluxhero.kernels.documentation

freeze: $(VENV)/installed-dev ## accept changed results of the frozen sweeps, on purpose
	@FLUXHERO_FREEZE=1 $(BIN)/python -m pytest -q tests/engine/test_frozen.py

bench: $(VENV)/installed-dev ## run the benchmarks once each (fluxhero bench is the short form)
	@$(BIN)/asv machine --yes --config benchmarks/asv.conf.json >/dev/null
	@$(BIN)/asv run --config benchmarks/asv.conf.json --python=same --quick --show-stderr

bench-peers: $(VENV)/installed ## measure other backtesters beside ours
	@$(BIN)/python benchmarks/peers.py

parity-peers: $(VENV)/installed ## compare our trades with another backtester's, one by one
	@$(BIN)/python benchmarks/parity_peers.py

clean: ## remove the environments and what tools left
	rm -rf $(VENV) .venv-peers .asv .typing .pytest_cache .mypy_cache .ruff_cache .hypothesis build fluxhero.egg-info

# A stamp is newer than pyproject.toml once the package is installed as it says.
$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "installing FluxHero into $(VENV) (the first time this takes a minute or two)"
	@$(PIP) install -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	@echo "installing FluxHero and its tools into $(VENV) (the first time this takes some minutes)"
	@$(PIP) install -e '.[dev]'
	@touch $@ $(VENV)/installed

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "making $(VENV) with $$("$$python" --version)"; \
	    exec "$$python" -m venv $(VENV); \
	  fi; \
	done; \
	echo "FluxHero needs Python 3.11 or newer with its venv module, and none was found." >&2; \
	echo "Install one (apt install python3-venv, brew install python, python.org)" >&2; \
	echo "or name yours: make demo PYTHON=/path/to/python3" >&2; \
	exit 1
