# The commands of the project. `make demo` and `make test` are all a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup demo test test-slow demo-model check format clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.installed  ## a virtual environment in .venv with everything the project uses

# constraints.txt pins exact versions: an unpinned torch may pull gigabytes that nobody asked for.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	@touch $@

demo: setup  ## RefCOCO on the bundled demo data with the bundled demo model, and a report to look at
	$(BIN)/python -m eval_mm run --task refcoco --model demo --data demo
	$(BIN)/python -m eval_mm report results/runs/demo --published --format html

test: setup  ## everything that guards correctness, under 6 minutes on 2 cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile -m "not slow"

test-slow: setup  ## soak and fault runs, under 40 minutes
	$(BIN)/python -m pytest -q -m slow

demo-model: setup  ## train the bundled demo model again, in .demo-model (about two hours on 2 cores)
	bash qwen_vl/demo/train.sh .demo-model $(BIN)

check: setup  ## ruff, ruff format, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup  ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what the commands above made (never data/ or results/runs/)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
