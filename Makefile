# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
PYTHON := .venv/bin/python
C_FILES = $(shell git ls-files '*.c' '*.h' '*.cpp' | grep -v -e '^drivers/spec/include/axl_[rfn]' -e '^drivers/spec/proof/' -e '^drivers/linux/axl_tracepoints')
TIDY_FILES = $(shell git ls-files "drivers/core/src/*.c" "userlib/src/*.c" "userlib/src/kernel/*.c" "userlib/src/rack/*.c")
PYTEST_ARGS ?=
# One process for the guest, one for all else: which test goes where, tests/conftest.py says.
PYTEST_PARALLEL ?= -n 2 --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help demo test test-torch check bench drivers gen lint setup clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the main job on an embedded rack, from nothing: out/demo/report.html
	@.ci/setup demo
	@$(PYTHON) -m diag.demo --out out/demo

test: setup lint ## every test that this machine can run; what was skipped and why
	@$(PYTHON) -m pytest $(PYTEST_PARALLEL) $(PYTEST_ARGS)

check: setup lint ## the fast subset
	@$(PYTHON) -m pytest -q -m "not slow and not guest" $(PYTEST_ARGS)

test-torch: setup ## suites of PyTorch and SciPy on axl (over an hour); their tables in docs/reference
	@$(PYTHON) -m tests.torch.suites.opinfo --out docs/reference/torch-operators.md
	@$(PYTHON) -m tests.torch.suites.generic --out docs/reference/torch-generic.md
	@$(PYTHON) -m tests.torch.suites.array_api --out docs/reference/torch-array-api.md

bench: setup ## benchmarks beside their peers, interleaved; out/bench.json
	@$(PYTHON) -m tests.bench --out out/bench.json

drivers: setup ## the Linux kernel driver, and the portable core in every configuration
	@$(MAKE) --no-print-directory -C drivers/linux every
	@$(PYTHON) -m pytest -q tests/core/test_core_build.py
	@echo "built: $$(ls build/linux/*/linux/axl.ko); drivers/windows does not exist yet"

gen: setup ## C, Python and documentation from drivers/spec
	@$(PYTHON) drivers/spec/generate.py

lint: setup ## generated files fresh, formatting, linters, types
	@$(PYTHON) drivers/spec/generate.py --check
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy
	@clang-tidy -p build/c --quiet $(TIDY_FILES) 2>/dev/null
	@clang-format --dry-run --Werror $(C_FILES)

setup:
	@.ci/setup dev

clean: ## remove what was built
	rm -rf build out .venv pyaccel/_lib pyaccel/_axl*.so *.egg-info
