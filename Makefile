# Every step of CI is a target here. PYTHON is the interpreter the targets use: one with `pip install -e .[check]`.
PYTHON ?= python3

.PHONY: help develop check lint types stubs unit stress c-test c-test-tsan c-test-asan c-test-alloc test libraries interpreters matrix matrix-full numa-vm fuzz fuzz-quick bench bench-check bench-check-quick bench-quick bench-linear ci clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

develop: ## install conc for work on it, in place, with what the checks need
	CONC_WERROR=1 $(PYTHON) -m pip install -q -e '.[check]'

check: lint types unit ## what must pass before every commit

lint: ## ruff: rules and format
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types: stubs ## mypy --strict
	$(PYTHON) -m mypy

stubs: ## the C module's stub against the C module
	$(PYTHON) -m mypy.stubtest conc._core

unit: ## the tests, without those that build C programs
	$(PYTHON) -m pytest -q --ignore tests/test_c_core.py --ignore tests/test_fuzz.py

stress: ## ten million tasks at random, every one accounted for; four times the races of the others
	CONC_STRESS_TASKS=10000000 CONC_STRESS_SCALE=4 $(PYTHON) -m pytest -q -o timeout=450 -o faulthandler_timeout=1700 tests/stress

c-test: ## the C core's own tests
	$(PYTHON) tools/ctest.py

c-test-tsan: ## the same under ThreadSanitizer
	$(PYTHON) tools/ctest.py --sanitizer thread

c-test-asan: ## the same under AddressSanitizer and UndefinedBehaviourSanitizer
	$(PYTHON) tools/ctest.py --sanitizer address

c-test-alloc: ## every C test with each of its allocations failing, plain and under AddressSanitizer
	$(PYTHON) tools/ctest.py --fail-allocations
	$(PYTHON) tools/ctest.py --fail-allocations --sanitizer address

libraries: ## the tests that need libraries which [check] brings and [test] does not: those that conc works with
	$(PYTHON) -m pytest -q $(addprefix tests/test_,engines.py natives.py natives_foreign.py comparison_gil_waits.py watching_exports.py watching_timeline.py)

test: ## all tests
	$(PYTHON) -m pytest

interpreters: ## find or get CPython 3.11 to 3.15, a free-threaded and a debug build, outside the checkout
	$(PYTHON) tools/interpreters

matrix: ## the core of the tests on each, the quick ones on the newest and without the GIL, and in subinterpreters
	$(PYTHON) tools/matrix.py --whole "$(WHOLE)" --done "$(DONE)"

matrix-full: ## the quick tests on each of them and in each one's subinterpreters; the whole suite too: WHOLE=all
	$(PYTHON) tools/matrix.py --full --whole "$(WHOLE)"

numa-vm: ## the tests on a machine with four NUMA nodes (qemu; fetches a kernel once, see tests/numa_vm/vm.py)
	CONC_NUMA_VM=1 $(PYTHON) -m pytest -q tests/numa_vm

fuzz: ## the parsers of the C core, 5,000,000 inputs each; by coverage where clang has libFuzzer
	$(PYTHON) tools/fuzz.py --runs 5000000

fuzz-quick: ## the same with 100,000 inputs each
	$(PYTHON) tools/fuzz.py

bench: ## the figures, as ratios against their peers in one run; three passes, kept in benchmarks/results
	$(PYTHON) tools/bench.py

bench-check: ## measure again and compare with the last results of this kind of machine; a loss fails
	$(PYTHON) tools/bench_check.py

bench-check-quick: ## the same with five rounds a figure
	$(PYTHON) tools/bench_check.py --quick

bench-quick: ## the same with few rounds: to see that they run, not for figures
	CONC_BENCH_QUICK=1 $(PYTHON) -m pytest benchmarks -q -s --benchmark-enable --benchmark-min-rounds=1 \
		--benchmark-max-time=0.2 --benchmark-warmup=off

bench-linear: ## what a task costs from a thousand to ten million of them; results and picture in benchmarks/results/linear
	$(PYTHON) benchmarks/linear_cost.py

ci: ## everything, as on a fresh machine (.ci/run)
	.ci/run

clean: ## remove what was built
	rm -rf build dist *.egg-info conc/*.so
