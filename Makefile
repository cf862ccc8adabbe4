# Everything from a fresh clone: `make demo`, `make check`, `make test`. The environment is .venv in the checkout.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.demo-installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONDONTWRITEBYTECODE :=# compiled tests are kept: compiling them takes each test process 5 seconds

# Two processes of one thread each share the cores. Each begins with half of the files, so that a file's fixtures and
# imports are made once: a fifth less CPU than handing out single tests.
TWO := -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help install demo check test nightly golden golden-check coverage docs dist bench bench-gpu bench-tables bench-scale clean soak sbom

help:
	@echo "make demo     install what it needs, learn the knot signature from geometry; the report is demo/report.html"
	@echo "make check    the quick round: style, types, the fast tests; under 90 seconds"
	@echo "make test     install, check style and types, run the tests but those of the night; about six minutes"
	@echo "make nightly  all tests, those of the experiments too, and four kinds of installs"
	@echo "make golden   results of the whole library on fixed problems, stored in tests/golden; golden-check compares with them,"
	@echo "              with QUICK=1 only the quick ones, with BASE=commit bits with those of that commit on this machine"
	@echo "make coverage all tests, with the lines of src that none of them reaches"
	@echo "make docs     build the site, with its tutorials run, into build/site; any warning is an error"
	@echo "make dist     the source distribution and the wheel made from it, checked, into dist"
	@echo "make bench    time Edgewise beside nn.Linear and other KAN packages, in an environment of its own; three quarters of an hour"
	@echo "make bench-gpu   layers on a GPU beside nn.Linear and peers, and a step of Levenberg-Marquardt; without a GPU it says so"
	@echo "make bench-tables   Edgewise and other models on 48 tables that packages ship; BENCH='--quick' for some, '--summary' for the results"
	@echo "make bench-scale   seconds and memory of fits of tables in batches against rows, columns and processes; BENCH='--quick' for a minute"
	@echo "make soak     attacks on runs and files, about an hour; make sbom writes the list of all installed packages"
	@echo "make install  make $(VENV) with Edgewise and all that its tests need"
	@echo "make clean    remove what the other targets made"

install: $(STAMP)

# The C++ sources too: an editable install is built anew when they change.
$(STAMP): pyproject.toml experiments/pyproject.toml CMakeLists.txt $(wildcard src/edgewise/csrc/*)
	$(new_environment)
	@echo "Installing torch into $(VENV) (1 of 2, the large one) ..."
	@$(BIN)/python -m pip install torch
	@echo "Installing Edgewise and what its tests need (2 of 2) ..."
	@$(BIN)/python -m pip install --quiet --editable '.[test]'
	@$(BIN)/python -m pip install --quiet --no-deps --editable ./experiments
	@touch $@

# The demo needs neither the developers' tools nor the experiments. Modules are compiled when they are imported, since
# pip would compile all of torch's, of which few are used.
$(DEMO_STAMP): pyproject.toml CMakeLists.txt $(wildcard src/edgewise/csrc/*)
	$(new_environment)
	@echo "Installing torch into $(VENV) (1 of 2, the large one) ..."
	@$(BIN)/python -m pip install --no-compile torch
	@echo "Installing Edgewise with its command line, the kernel is compiled for about a minute (2 of 2) ..."
	@$(BIN)/python -m pip install --no-compile --editable '.[cli]'
	@touch $@

define new_environment
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
  echo "Edgewise needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V 2>&1): make $(MAKECMDGOALS) PYTHON=python3.11" >&2; \
  exit 1; }
@echo "Making a Python environment in $(VENV) ..."
@$(PYTHON) -m venv $(VENV)
endef

# A developers' environment serves as well.
demo: $(if $(wildcard $(STAMP)),$(STAMP),$(DEMO_STAMP))
	@echo "Learning the signature of 8,000 knots from their geometry ..."
	@# Threads that wait for each other without turning: on a busy machine turning costs most of the CPU seconds.
	OMP_WAIT_POLICY=PASSIVE $(BIN)/edgewise fit knots --target signature --task regression --effort low --compare none --out demo
	@echo "Open demo/report.html in a browser."

# Types are checked beside the tests, since mypy keeps one core busy for about as long as the fast tests do.
check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(BIN)/mypy > $(VENV)/mypy.log 2>&1 & types=$$!; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TWO) -m "not slow"; tests=$$?; \
	wait $$types; typed=$$?; tail -n 30 $(VENV)/mypy.log; \
	exit $$((tests + typed))

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TWO)

nightly: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TWO) -m "" tests experiments/tests
	tools/check_install.sh

# Under ten CPU minutes. Rows change in a commit of their own that says why.
golden: install
	$(BIN)/python -m tests.golden.runner

golden-check: install
	$(BIN)/python -m tests.golden.runner --check $(if $(QUICK),--quick) $(if $(BASE),--base $(BASE))

coverage: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TWO) -m "" --cov --cov-report=term-missing:skip-covered

# A tutorial runs again only where its code changed. The words of the pages are checked by `make test`.
docs: $(VENV)/.docs-installed
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/site
	@echo "Open build/site/index.html in a browser."

$(VENV)/.docs-installed: $(STAMP)
	@$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

# The peers pin old packages, so they and a second Edgewise live in an environment of their own.
bench: benchmarks/.venv/.installed
	benchmarks/.venv/bin/python benchmarks/speed.py $(BENCH)
	benchmarks/.venv/bin/python benchmarks/memory.py

benchmarks/.venv/.installed: benchmarks/requirements.txt pyproject.toml CMakeLists.txt $(wildcard src/edgewise/csrc/*)
	@$(PYTHON) -m venv benchmarks/.venv
	@benchmarks/.venv/bin/python -m pip install torch
	@benchmarks/.venv/bin/python -m pip install --quiet -r benchmarks/requirements.txt
	@benchmarks/.venv/bin/python -m pip install --quiet --editable .
	@benchmarks/.venv/bin/python -m pip install --quiet --no-deps --editable ./experiments
	@touch $@

bench-gpu: benchmarks/.venv/.installed
	benchmarks/.venv/bin/python benchmarks/gpu.py $(BENCH)

bench-tables: benchmarks/.venv-tables/.installed
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 benchmarks/.venv-tables/bin/python benchmarks/tables.py $(BENCH)

benchmarks/.venv-tables/.installed: benchmarks/tables_requirements.txt pyproject.toml CMakeLists.txt $(wildcard src/edgewise/csrc/*)
	@$(PYTHON) -m venv benchmarks/.venv-tables
	@benchmarks/.venv-tables/bin/python -m pip install torch
	@benchmarks/.venv-tables/bin/python -m pip install --quiet -r benchmarks/tables_requirements.txt
	@benchmarks/.venv-tables/bin/python -m pip install --quiet --editable .
	@benchmarks/.venv-tables/bin/python -m pip install --quiet --no-deps --editable ./experiments
	@touch $@

# Tables in batches, up to 10 million rows: ten minutes of one core; BENCH='--rows 1e8' for more.
bench-scale: install
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/scale.py $(BENCH)

clean:
	rm -rf $(VENV) benchmarks/.venv benchmarks/.venv-tables demo build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage
	find src experiments tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# Signals at random moments, full disks, damaged files: about an hour; `make test` runs a short form.
soak: install
	OMP_NUM_THREADS=1 $(BIN)/python tests/reliability/soak.py

# Tools whose files have pinned hashes.
build/tools/.installed: .github/tools.txt
	@$(PYTHON) -m venv build/tools
	@build/tools/bin/python -m pip install --quiet --require-hashes -r .github/tools.txt
	@touch $@

# Files in the packages have the time of the commit, so that the same commit gives the same bytes.
dist: build/tools/.installed
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) build/tools/bin/python -m build
	build/tools/bin/twine check --strict dist/*
	build/tools/bin/check-wheel-contents dist/*.whl

# The software bill of materials of the environment, in the format CycloneDX.
sbom: install build/tools/.installed
	build/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file sbom.json $(BIN)/python
