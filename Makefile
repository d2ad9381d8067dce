# Headrace. Each target works on a clean clone: the environment in .venv is made first, and again when its list changes.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made
CODE := src tests docs $(wildcard bench examples)

help: ## say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/\1|\2/' | \
		while IFS='|' read -r name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done

env: $(STAMP) ## make .venv, the environment that all else runs in

$(STAMP): pyproject.toml constraints.txt .ci/environment
	@PYTHON=$(PYTHON) bash .ci/environment $(VENV)
	@echo '$(CURDIR)' > $@

# An environment holds its own place in every script: in a clone that was moved or copied it is made anew.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
$(STAMP): ALWAYS
endif

demo: $(STAMP) ## the whole road on generated card payments, from raw files to decisions and parity
	@$(BIN)/headrace demo

check: $(STAMP) ## format, lint, types, layers
	@failed=0; for step in "ruff format --check --quiet --diff $(CODE)" "ruff check --quiet $(CODE)" \
		"mypy --strict" "lint-imports --no-logo"; do echo "$$step"; $(BIN)/$$step || failed=1; done; exit $$failed

test: check ## everything that check says, and all tests
	@$(BIN)/python -m tests.docs.blocks
	@$(BIN)/python -m pytest -q -n 2 --timeout 300

coverage: $(STAMP) ## all tests, and which lines they do not reach; takes longer
	@$(BIN)/python -m pytest -q -n 2 --timeout 600 --cov --cov-report=term --cov-report=xml

bench: $(STAMP) ## compare speed with the best alternatives, results first, and write docs/benchmarks.md
	@$(BIN)/python -m bench --write

docs: $(STAMP) ## build the pages into docs/_build
	@$(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build
	@echo "docs/_build/index.html"

format: $(STAMP) ## put the code in its form and mend what a tool can mend
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

clean: ## remove all that was made here, the environment too
	rm -rf $(VENV) .cache build dist demo docs/_build coverage.xml .coverage .coverage.* htmlcov \
		.mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests $(wildcard bench) -name __pycache__ -type d -prune -exec rm -rf {} +

ALWAYS:

.PHONY: ALWAYS help env demo check test coverage bench docs format clean
