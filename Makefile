# Two commands are enough: `make up` starts Deskhand, `make test` proves it. `make help` lists the rest.
# Settings are variables: make up PORT=9000 WORKERS=2 (docs/settings.md has them all).
.DEFAULT_GOAL := help
.PHONY: help up test check format lock css bench chaos mutations clean

PYTHON ?= python3
ifeq ($(shell command -v $(PYTHON) 2>/dev/null),)
$(error Deskhand needs Python 3.11 or newer and there is no $(PYTHON) on this machine: install it and run make again)
endif

# Plain commands without shell syntax: make starts them itself, so that they notice when make is killed.
up: ## Start Deskhand on http://127.0.0.1:8000 (PORT=, WEB=, WORKERS=, DESKHAND_VAR=)
	@$(PYTHON) config/bootstrap.py local -m config.up

test: ## Run the tests on every core (PART=tests/tasks narrows, DESKHAND_TEST_PROCESSES=1 takes one process)
	@$(PYTHON) config/bootstrap.py dev scripts/test.py $(PART)

check: ## Formatting, lint, types, layers, templates, migrations, OpenAPI: what CI runs
	@$(PYTHON) config/bootstrap.py dev scripts/check.py

format: ## Format and fix what can be fixed
	@$(PYTHON) config/bootstrap.py dev -m ruff check --fix --quiet .
	@$(PYTHON) config/bootstrap.py dev -m ruff format --quiet .

lock: ## Write the hash-locked requirements anew from requirements/*.in
	@$(PYTHON) config/bootstrap.py dev scripts/lock.py

css: ## Build the style sheet from static/src
	@$(PYTHON) config/bootstrap.py dev -c ""
	@sh static/build.sh

bench: ## Measure latency and throughput beside DBOS and a bare Celery no-op (PART="web growth" narrows, SHORT=1 tries it)
	@$(PYTHON) config/bootstrap.py dev -m tests.bench $(PART)

chaos: ## Break every part while runs are going, then check every promise (SECONDS=600, SEED= repeats a storm)
	@$(PYTHON) config/bootstrap.py dev -m tests.chaos

mutations: ## Take each promise's mechanism out of a copy and see its tests fail (PART="G3 G7" narrows)
	@$(PYTHON) config/bootstrap.py dev -m tests.mutations $(PART)

clean: ## Remove what was installed and built; data in var/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/e2e/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## Show this list
	@$(PYTHON) -c "import re; [print(f'make {name:9} {says}') for name, says in re.findall(r'(?m)^([a-z]+):.*?## (.*)', open('Makefile').read())]"
