# Two commands on a fresh machine: `make demo` and `make test`. Each makes .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TENSORFLOW := .venv-tensorflow
RELEASE := .venv-release
# PyTorch's own index of wheels without CUDA. Where it cannot be reached, torch comes from pip's usual index, which
# on PyPI is the one with 2.2 GB of CUDA; another index: make demo TORCH_INDEX=https://...
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# $(call torch,PYTHON): torch by the constraints file, saying from where.
define torch
$(1) -m pip install --quiet --retries 2 --timeout 30 --constraint constraints.txt --index-url $(TORCH_INDEX) torch \
	&& echo "torch: from $(TORCH_INDEX), or what pip's settings of this machine have of it" \
	|| { echo "torch: $(TORCH_INDEX) cannot be used here, taking pip's usual index"; \
		$(1) -m pip install --quiet --constraint constraints.txt torch; }; \
$(1) -c 'import importlib.metadata as m; print("torch: version", m.version("torch"))'
endef

.PHONY: demo test test-armvm test-android test-ray test-tensorflow test-litert-torch check docs bench mutation lock release clean

demo: $(STAMP)  ## the whole job on the synthetic data set; results in demo/
	$(BIN)/recpress-edge demo --work demo --force

test: $(STAMP)  ## all tests, a process a core
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

test-armvm: $(STAMP)  ## emulated Arm machines and microcontrollers (Debian): answers, and instructions per query
	$(BIN)/python -m pytest -m armvm tests/device_bench/test_armvm_machine.py tests/device_bench/test_mcu_machine.py \
		tests/device_bench/test_updates_on_a_board.py tests/engine/test_engine_start.py tests/export/test_c_build.py

test-android: $(STAMP)  ## the Android stub: Java library on a JVM, app compiled and signed (Debian, JDK 17)
	$(BIN)/python -m pytest examples/android_stub/tests

test-ray: $(STAMP)  ## a Ray cluster of two nodes on this machine, one of them killed in the middle
	$(BIN)/python -m pip install --quiet --constraint constraints.txt ray
	$(BIN)/python -m pytest -m ray tests/jobs/test_ray_cluster.py

test-tensorflow: $(TENSORFLOW)/.installed  ## TFLite files against TensorFlow's own converter (1.3 GB)
	$(TENSORFLOW)/bin/python -m pytest tests/oracle/test_tensorflow.py

test-litert-torch:  ## networks as TFLite, in an environment of its own (1.3 GB, x86-64 Linux)
	$(PYTHON) -m venv .venv-litert
	@$(call torch,.venv-litert/bin/python)
	.venv-litert/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[litert]' pytest
	.venv-litert/bin/python -m pytest tests/export/test_network_litert.py

check: $(STAMP)  ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)  ## the site in docs/_build/html, offline, warnings as errors
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

bench: $(STAMP)  ## speed of the exact fast forms against the plain definitions (needs RECPRESS_DATA_DIR)
	$(BIN)/python benchmarks/topology_speed.py

MINUTES ?= 15
mutation: $(STAMP)  ## how many wrong programs the tests notice; goes on where it stopped, for MINUTES=15
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[mutation]'
	$(BIN)/python benchmarks/mutation.py --minutes $(MINUTES)

LOCKS := configs/locks
# What every environment is locked by. torch is left out: on PyTorch's own index it is another file than on PyPI.
LOCKED = $(RELEASE)/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--constraint constraints.txt --excludes $(LOCKS)/left-out.txt --no-header
SBOM = $(RELEASE)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON

lock: $(RELEASE)/.installed  ## configs/locks: every package of an installation by version and SHA-256
	$(LOCKED) --upgrade --output-file $(LOCKS)/device.txt
	$(LOCKED) --upgrade --extra all --extra neural --extra tune --extra c --extra signed --output-file $(LOCKS)/workstation.txt

release: $(RELEASE)/.installed  ## release/: wheel, source, bills of materials (CycloneDX) of the locks, SHA256SUMS
	rm -rf release
	$(RELEASE)/bin/python -m build --outdir release
	$(SBOM) --output-file release/device.cdx.json $(LOCKS)/device.txt
	$(SBOM) --output-file release/workstation.cdx.json $(LOCKS)/workstation.txt
	cp $(LOCKS)/device.txt $(LOCKS)/workstation.txt release
	cd release && sha256sum * >../SHA256SUMS && mv ../SHA256SUMS .

clean:
	rm -rf $(VENV) $(TENSORFLOW) $(RELEASE) demo release docs/_build

# torch first: as a dependency of the rest it would come from PyPI, with gigabytes of CUDA packages.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	@$(call torch,$(BIN)/python)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Apart: TensorFlow is larger than all the rest, and judges from outside.
$(TENSORFLOW)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(TENSORFLOW)
	$(TENSORFLOW)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[tensorflow]' 'pytest>=8.3'
	@touch $@

# What makes a release, apart from what is in it.
$(RELEASE)/.installed: pyproject.toml
	$(PYTHON) -m venv $(RELEASE)
	$(RELEASE)/bin/python -m pip install --quiet 'build>=1.4' 'cyclonedx-bom>=7' 'uv>=0.9.17'
	@touch $@
