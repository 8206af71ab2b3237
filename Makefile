# Everything runs in a virtual environment that this file creates; `make demo` and `make test` need nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

# One thread per process: the tests run in parallel processes.
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

KERNEL := {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}

.PHONY: demo test lint types tests format bench bench-peers notebooks docs comfyui clean

demo: $(VENV)/installed
	$(BIN)/python -m benchmarks.demo

test: lint types tests

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/installed
	$(BIN)/mypy

tests: $(VENV)/installed
	$(THREADS) $(BIN)/python -m pytest -n $(JOBS)

format: $(VENV)/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Names select: make bench NAMES="phi_speed adr_grids"
bench: $(VENV)/installed
	$(BIN)/python -m benchmarks $(NAMES)

# Other people's solvers, installed into an environment of their own under out/.
bench-peers: $(VENV)/installed
	$(BIN)/python -m benchmarks.peers

# The site with its tutorials run, under out/site/html; warnings are errors.
docs: $(VENV)/installed
	$(THREADS) $(BIN)/python docs/site/build.py --execute

# The node pack for ComfyUI, a folder and an archive under out/comfyui.
comfyui: $(VENV)/installed
	$(BIN)/python comfyui/assemble.py

notebooks: $(patsubst notebooks/%.py,out/notebooks/%.ipynb,$(wildcard notebooks/[0-9]*.py))

out/notebooks/%.ipynb: notebooks/%.py $(VENV)/installed
	mkdir -p $(@D)
	$(BIN)/jupytext --quiet --to ipynb --update-metadata '$(KERNEL)' --output $@ $<

$(VENV)/installed: pyproject.toml constraints.txt tests/side_by_side.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "expint needs Python 3.11 or newer, found " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	-$(BIN)/python -m pip install --quiet --no-deps --requirement tests/side_by_side.txt  # without it those tests are skipped
	touch $@

clean:
	rm -rf $(VENV) out .mypy_cache .ruff_cache .hypothesis
