# What the targets do is written in deploy/ and tests/; here is only what they need.
.DEFAULT_GOAL := help
.PHONY: help run serve chain keys usage ledger simulator up down alert-test test test-unit test-stack check fix lock clean loadtest bench capacity crashtest drill pictures attack audit sbom
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
RUN_LOCKS := requirements.txt requirements-llm.txt requirements-data.txt
# packages of other providers' models; .env may name them, where docker compose reads them, too
EXTRAS ?= $(shell sed -n 's/^ *EXTRAS *= *//p' .env 2>/dev/null | tr -d "'\"")
RUN_LOCKS += $(EXTRAS:%=requirements-%.txt)
empty :=
RUN := .venv/.run$(subst $(empty) $(empty),,$(EXTRAS:%=-%))
EXTRA_LOCKS := requirements-anthropic.txt requirements-google.txt requirements-ollama.txt
SETUP := deploy/local/setup.sh deploy/local/setup.py deploy/local/data_files.py

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUN) ## set up, start a local language model (or use OPENAI_API_KEY) and the service on port 8000
	@exec $(PYTHON) -m deploy.local.run

serve: $(RUN) ## start the service alone; the environment names its model
	@exec $(PYTHON) -m deploy.local.serve

chain: $(RUN) ## run a chain once, explained: QUESTION="hi", CHAIN=name, SESSION=id, SYSTEM="be brief"
	@exec $(PYTHON) -m deploy.local.chain

keys: $(RUN) ## manage API keys, such as ARGS="create --name team-a --budget-usd-month 50"; without ARGS, list them
	@exec $(PYTHON) -m deploy.local.command keys $(or $(ARGS),list)

usage: $(RUN) ## show what was used, such as ARGS="--since 30d --by key"
	@exec $(PYTHON) -m deploy.local.command usage $(ARGS)

ledger: $(RUN) ## show the ledger, such as ARGS="show REQUEST_ID"
	@exec $(PYTHON) -m deploy.local.command ledger $(or $(ARGS),--help)

simulator: $(RUN) ## start the LLM simulator on SIMULATOR_PORT
	@exec $(PYTHON) -m tests.simulator

up: ## start the whole stack in containers; COMPOSE_UP_FLAGS is added
	@sh deploy/check-env.sh
	@docker compose up --build --wait $(COMPOSE_UP_FLAGS) || { \
		echo "up: failed; docker compose ps --all shows what does not run, docker compose logs service why."; exit 1; } >&2
	@echo "up: open http://localhost:8080 in a browser; make down stops it."

down: ## stop the whole stack; its data stays
	@docker compose --profile '*' down --remove-orphans

alert-test: ## send one test alert through the stack's Alertmanager, and check that the receiver accepted it
	@exec sh deploy/alert-test.sh

# most tests wait for a process, so one more of them than cores
test: .venv/.test .venv/.clients .venv/.kubernetes ## run every test that needs no container engine
	@exec $(PYTHON) -m pytest --numprocesses 3 --dist loadfile $(PYTEST_FLAGS)

test-unit: .venv/.test ## run the tests that take seconds
	@exec $(PYTHON) -m pytest tests/unit --hypothesis-profile=quick $(PYTEST_FLAGS)

test-stack: .venv/.test ## test the stack end to end on a real container engine
	@exec $(PYTHON) -m pytest tests/stack $(PYTEST_FLAGS)

check: .venv/.test ## check format, lint, types, import rules, scripts and configuration files
	@exec $(PYTHON) -m tests.tools.check

fix: .venv/.test ## fix what can be fixed automatically: format, lint, generated files
	@$(PYTHON) -m tests.tools.generated_files
	@.venv/bin/ruff check --quiet --fix --exit-zero
	@.venv/bin/ruff format --quiet

loadtest: .venv/.load ## put load on HOST (or the stack) with locust, in the shape LOAD_SHAPE
	@exec .venv/load/bin/python -m tests.load

crashtest: .venv/.test ## inject every fault, through nginx and gunicorn to the simulator, and score the result
	@exec $(PYTHON) -m tests.crash $(CRASH_FLAGS)

attack: .venv/.test ## attack the service from loopback and measure its other callers meanwhile; ATTACK_FLAGS=--long takes more of each
	@exec $(PYTHON) -m tests.attack $(ATTACK_FLAGS)

drill: .venv/.test ## inject real faults and check that the right alerts fire; draws the dashboards into build/dashboards
	@exec $(PYTHON) -m tests.drill $(DRILL_FLAGS)

pictures: .venv/.test ## draw the page, the terminal and the dashboards into build/pictures, and the picture of the README
	@exec $(PYTHON) -m tests.pictures $(PICTURES)

bench: .venv/.test ## compare our service with the stock code against the same simulated model
	@$(PYTHON) -m tests.bench.workers
	@exec $(PYTHON) -m tests.bench $(BENCH_FLAGS)

capacity: .venv/.test ## find what this machine can serve within the service level, and matching settings
	@exec $(PYTHON) -m tests.bench.capacity $(CAPACITY_FLAGS)

lock: .venv/.test ## regenerate the hash-locked requirements
	@exec $(PYTHON) -m tests.tools.lock $(LOCK_FLAGS)

audit: .venv/.audit ## check the locked Python packages for known vulnerabilities
	@exec $(PYTHON) -m tests.tools.audit

sbom: .venv/.test ## list the image's Python packages (CycloneDX), in build/sbom.cdx.json
	@exec $(PYTHON) -m tests.tools.sbom $(EXTRAS)

clean: ## delete everything the build created; .env and data/ stay
	@exec sh tests/tools/clean.sh

$(RUN): $(RUN_LOCKS) $(SETUP)
	@exec sh deploy/local/setup.sh $(RUN_LOCKS) $@

# a separate environment: the load generator's libraries do not belong in the service's
.venv/.load: $(RUN) requirements-load.txt
	@$(PYTHON) -m venv .venv/load
	@.venv/load/bin/pip install --quiet --require-hashes --requirement requirements-load.txt
	@touch $@

# OpenAI's clients for Python and Node, which the tests start as users do
CLIENTS := tests/integration/openai/clients
.venv/.clients: $(RUN) requirements-clients.txt $(CLIENTS)/package-lock.json
	@$(PYTHON) -m venv --clear .venv/clients
	@.venv/clients/bin/pip install --quiet --require-hashes --requirement requirements-clients.txt
	@cp $(CLIENTS)/package.json $(CLIENTS)/package-lock.json .venv/clients
	@cd .venv/clients && npm ci --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# 20 MB of schemas, which only a test reads
.venv/.kubernetes: $(RUN) requirements-kubernetes.txt
	@$(PYTHON) -m venv --clear .venv/kubernetes
	@.venv/kubernetes/bin/pip install --quiet --require-hashes --requirement requirements-kubernetes.txt
	@touch $@

.venv/.audit: $(RUN) requirements-audit.txt
	@$(PYTHON) -m venv .venv/audit
	@.venv/audit/bin/pip install --quiet --require-hashes --requirement requirements-audit.txt
	@touch $@

.venv/.test: $(RUN) $(EXTRA_LOCKS) requirements-dev.txt
	@exec sh deploy/local/setup.sh $(sort $(RUN_LOCKS) $(EXTRA_LOCKS)) requirements-dev.txt $@
