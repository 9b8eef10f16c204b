# The everyday commands. `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build test lint format demo bench clean distclean

PYTHON3 := $(or $(PYTHON),python3)
ENV := source scripts/env.sh
# Tracks whose figures are known. Its terms forbid copies in here; the tests skip without it.
KNOWN_TRACKS := .cache/motmetrics/motmetrics-1.4.0-py3-none-any.whl

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## build the environment (.venv, packages, messages); does nothing when it is up to date
	@command -v $(PYTHON3) >/dev/null || { echo 'make setup: no $(PYTHON3) on the path;' \
	  'install one: sudo apt-get update && sudo apt-get install -y python3 python3-venv python3-dev' >&2; exit 1; }
	@$(PYTHON3) scripts/setup_environment.py $(SETUP_OPTIONS)

build: setup ## the same: rebuilds the messages where needed

$(KNOWN_TRACKS): | setup
	@$(ENV) && python -m pip download --quiet --disable-pip-version-check --no-deps \
	  --dest $(@D) motmetrics==1.4.0 || echo 'make test: motmetrics cannot be downloaded;' \
	  'the test with its known figures will skip' >&2

test: setup $(KNOWN_TRACKS) ## run all tests, on up to 4 cores; TESTS="test/unit -k tracker" runs some
	@$(ENV) && python -m pytest -n auto --maxprocesses 4 --dist loadfile $(TESTS)

lint: setup ## check style and types
	@$(ENV) && ruff check . && ruff format --check . && mypy \
	  && MYPYPATH=scripts mypy --strict scripts/setup_environment.py

format: setup ## format the code
	@$(ENV) && ruff check --fix . && ruff format .

demo: setup ## track a street clip, or VIDEO=path|camera index|simulation, into demo_output/
	@$(ENV) && python -m pose_tracking_ros.demo $(if $(VIDEO),--video '$(VIDEO)') \
	  $(if $(DURATION),--duration-s '$(DURATION)') $(DEMO_OPTIONS)

bench: setup ## time each stage for 1, 5 and 20 people; TEACHERS=folder adds the two-network peer
	@$(ENV) && python -m pose_tracking_ros.benchmark --json bench_output/benchmark.json \
	  --peers torchvision $(if $(TEACHERS),two-network --teachers '$(TEACHERS)') $(BENCH_OPTIONS)

clean: ## remove what was built
	rm -rf build install log demo_output bench_output .pytest_cache .mypy_cache .ruff_cache

distclean: clean ## remove the environment too
	rm -rf .venv .cache
