# Everything starts from a bare checkout: the first target that needs it makes .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-all lint bench wheel clean

demo: $(READY)
	$(BIN)/python -m mlc.demo

# The everyday suite: whole models included, minutes on two cores. Random examples repeat.
test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" --hypothesis-profile=repeatable

# All of it, the heavy combinations of model, threads and batch too; new random examples each time.
test-all: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m bench.models

wheel: $(READY)
	$(BIN)/pip wheel --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The tests of the ARM target run aarch64 code under qemu-user. Without it they skip, and say so.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	    || { echo "error: mlc needs Python 3.10 or newer: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	    || { echo "error: this Python has no venv module: apt-get install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,demo,arm]'
	@command -v qemu-aarch64 qemu-aarch64-static >/dev/null \
	    || echo "note: no qemu-aarch64: the tests that run ARM code will be skipped" \
	            "(apt-get install qemu-user)"
	@touch $@
