# Every target makes what it needs: the virtual environment, and where sandboxes run, a Docker engine.

MAKEFLAGS += --no-print-directory
export SIDEGATE_CASES ?= $(abspath ../shared/cases)

BIN    := .venv/bin
LAYERS := network authentication authorization isolation protection
PYTEST := $(BIN)/python -m pytest

.PHONY: help run test test-fast bench bench-peers check format docs lock engine clean bootstrap
.DEFAULT_GOAL := help

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; done

run: bootstrap ## Sidegate before a demo agent, with a tour (TOUR=only: the tour, then stop)
	@deploy/engine with $(BIN)/python deploy/tour.py $(if $(filter only,$(TOUR)),--only)

test: bootstrap ## every test, those in containers included, and the coverage of the five layers
	@deploy/servers
	@deploy/peers
	@deploy/engine with $(PYTEST) -n auto $(LAYERS:%=--cov=proxy/%) --cov-report=term $(ARGS)

test-fast: bootstrap ## the inner loop: no containers, nothing slow
	@$(PYTEST) -q -n auto -m "not docker and not slow" $(ARGS)

bench: bootstrap ## how fast it is, beside its peers, in about six minutes
	@deploy/engine with $(BIN)/python -m bench $(ARGS)

bench-peers: bootstrap ## what a call of an MCP tool takes through Sidegate, and through its peers
	@deploy/peers bench
	@$(BIN)/python -m bench peers $(ARGS)

check: bootstrap ## format, lint and types
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy

format: bootstrap ## rewrites what the formatter and the linter can
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

docs: bootstrap ## the tables of the documentation, and the schema, from the code
	@$(BIN)/python deploy/tables.py

lock: bootstrap ## the locks after a change of pyproject.toml (UPGRADE=1: newest versions)
	@deploy/lock $(if $(UPGRADE),--upgrade)

engine: ## starts a Docker engine, unless one runs, and makes the sandbox image
	@deploy/engine start
	@deploy/engine image

clean: ## stops our engine; removes what the other targets made
	@deploy/engine stop
	rm -rf .venv .tool .run .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

bootstrap:
	@deploy/bootstrap
