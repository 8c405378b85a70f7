# The commands of this repository; `make` lists them. Every one sets up what it needs.
.POSIX:
PORT ?= 8000
PY = .venv/bin/python
UV_COMPILE = $(PY) -m uv pip compile --universal --generate-hashes --no-header --quiet $(UPGRADE) pyproject.toml

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 22

run: .base ## serve PictureGram with demo data on http://127.0.0.1:8000 (PORT= another)
	@DEBUG=1 exec $(PY) manage.py start --port $(PORT)

test: .dev ## run all tests against a real Redis, PostgreSQL and Chromium (ONLY="unit live" for some)
	@exec $(PY) -m tests.check $${ONLY:-tests}

check: .dev ## what CI runs: format, lint, types, imports, migrations, schema, tests, scenario, fuzz
	@exec $(PY) -m tests.check static tests scenario fuzz

lint: .dev ## the part of check that runs no tests
	@exec $(PY) -m tests.check static

format: .dev ## put the Python files into the one format and repair what the linter can
	@$(PY) -m ruff format . && $(PY) -m ruff check --fix .

contract: .dev ## note what was added to the socket's and REST's contract; refuses to take anything back
	@DEBUG=1 exec $(PY) -m tests.contract write

scenario: .dev ## posts under faults: Redis away, a process killed, PostgreSQL restarted
	@exec $(PY) -m tests.scenarios.soak

scenario-short: .dev ## the same, shortened for CI
	@exec $(PY) -m tests.check scenario

fuzz: .dev ## frames that nobody should send, for some minutes (FOR= other seconds)
	@exec $(PY) -m tests.fuzz $${FOR:+--seconds "$$FOR"}

fuzz-short: .dev ## the same, shortened for CI
	@exec $(PY) -m tests.check fuzz

producers: .dev ## 1,000 sockets with 50 filters, 500 events per second: exactly the right ones come
	@exec $(PY) -m tests.scenarios.producers

lock: .dev ## compile requirements/*.txt from pyproject.toml (UPGRADE=-U for newer versions)
	$(UV_COMPILE) -o requirements/base.txt
	$(UV_COMPILE) --all-extras --group test --group check -o requirements/dev.txt

clients: .dev ## pack the clients for Python and JavaScript into dist/ (needs npm)
	@mkdir -p dist && $(PY) -m uv build --quiet --out-dir dist clients/python
	@$(PY) -c 'from tests import node; node.packages()'
	@cd clients/javascript && npm pack --silent --pack-destination ../../dist

clean: ## remove the environment and all caches; keeps var/, the data of `make run`
	rm -rf .venv node_modules dist clients/javascript/dist staticfiles test-results .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.base:
	@PYTHON='$(PYTHON)' requirements/install base

.dev:
	@PYTHON='$(PYTHON)' requirements/install dev

.PHONY: help run test check lint format contract scenario scenario-short fuzz fuzz-short lock clean .base .dev
