# Two commands on a fresh machine: `make demo` and `make test`. Each makes .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TENSORFLOW := .venv-tensorflow

.PHONY: demo test test-armvm test-android test-tensorflow test-litert-torch check docs bench clean

demo: $(STAMP)  ## the whole job on the synthetic data set; results in demo/
	$(BIN)/recpress-edge demo --work demo --force

test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest

test-armvm: $(STAMP)  ## an emulated Arm machine (Debian): instructions per query against the committed figure
	$(BIN)/python -m pytest -m armvm tests/test_armvm_machine.py

test-android: $(STAMP)  ## the Android stub: Java library on a JVM, app compiled and signed (Debian, JDK 17)
	$(BIN)/python -m pytest examples/android_stub/tests

test-tensorflow: $(TENSORFLOW)/.installed  ## TFLite files against TensorFlow's own converter (1.3 GB)
	$(TENSORFLOW)/bin/python -m pytest tests/oracle/test_tensorflow.py

test-litert-torch:  ## networks as TFLite, in an environment of its own (1.3 GB, x86-64 Linux)
	$(PYTHON) -m venv .venv-litert
	.venv-litert/bin/python -m pip install --quiet --constraint constraints.txt torch
	.venv-litert/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[litert]' pytest
	.venv-litert/bin/python -m pytest tests/unit/test_network_litert.py

check: $(STAMP)  ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)  ## the site in docs/_build/html, offline, warnings as errors
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

bench: $(STAMP)  ## speed of the exact fast forms against the plain definitions (needs RECPRESS_DATA_DIR)
	$(BIN)/python benchmarks/topology_speed.py

clean:
	rm -rf $(VENV) $(TENSORFLOW) demo docs/_build

# torch first and from the constraints file: without it pip takes gigabytes of CUDA packages.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Apart: TensorFlow is larger than all the rest, and judges from outside.
$(TENSORFLOW)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(TENSORFLOW)
	$(TENSORFLOW)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[tensorflow]' 'pytest>=8.3'
	@touch $@
