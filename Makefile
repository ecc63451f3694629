# Every command a person needs. `make help` lists them; each works on a machine that has only Python and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
MEMBERS := libs/token_verification libs/service_chassis services/auth services/profile services/orders gateway cli playground comparison
BESIDE := services/orders gateway
PACKAGES := signet-auth:services/auth signet-profile:services/profile signet-orders:services/orders signet-gateway:gateway signet-comparison:comparison

.PHONY: help up demo test check lint bench compare system containers processes beside lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

up: .venv/.ready ## Run the four services; the door is http://localhost:8080. LABORATORY=1: and what they are compared with
	@$(BIN)/signet up $(if $(LABORATORY),--laboratory)

demo: .venv/.ready ## Start a fresh system and let it tell its story with real requests
	@$(BIN)/signet demo

test: .venv/.ready ## Run every test: packages, embedded system, and docker compose where an engine answers
	@$(BIN)/pytest -n 2 --dist worksteal libs services cli comparison benchmarks $(addprefix --ignore=,$(BESIDE))
	@$(MAKE) --no-print-directory --jobs=2 containers beside

check: lint ## What `make lint` holds, the tests of the packages, and that the verifier's reach every branch of it
	@$(BIN)/pytest libs/token_verification --cov=token_verification --cov-fail-under=100
	@$(BIN)/pytest libs/service_chassis services gateway cli comparison benchmarks

lint: .venv/.ready ## Formatting, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.ready ## Measure what is promised, beside peers, and write benchmarks/report.md; QUICK=1 is a first look
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

compare: .venv/.ready ## Measure sessions and JWTs side by side, and write comparison/report.html; QUICK=1 does less of each
	@$(BIN)/signet compare $(if $(QUICK),--quick)
	@$(if $(QUICK),,$(BIN)/python -m side_by_side.choosing)
	@$(if $(QUICK),,$(BIN)/python -m side_by_side.playground_table)

# Each test is in one of the two halves, which run at once: containers that start and stop leave the processors idle.
# A browser gives up what it is loading when a network interface comes or goes, so its tests are not beside those.
system: .venv/.ready ## Run only the tests of the running system
	@$(MAKE) --no-print-directory --jobs=2 containers processes

containers: .venv/.ready
	@$(BIN)/pytest tests -k "compose or postgres or overlay or browser"

processes: .venv/.ready
	@$(BIN)/pytest tests -k "not (compose or postgres or overlay or browser)"

beside: processes # packages whose tests fit beside the containers when the shorter half has ended
	@$(BIN)/pytest $(BESIDE)

lock: .venv/.ready ## Resolve all dependencies anew and write the hashed locks
	$(BIN)/uv lock --upgrade
	$(BIN)/uv export -q --no-header --all-packages --all-groups --no-emit-workspace -o requirements.lock
	$(BIN)/uv export -q --no-header --only-group build -o build-tools.lock
	@for entry in $(PACKAGES); do \
	  $(BIN)/uv export -q --no-header --package $${entry%%:*} --no-dev --no-emit-workspace -o $${entry##*:}/requirements.lock; done

clean: ## Remove the environment (data under .signet/ stays)
	rm -rf .venv

.venv/.ready: requirements.lock build-tools.lock $(addsuffix /pyproject.toml,$(MEMBERS))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Signet needs Python 3.11 or newer; this is {sys.version.split()[0]}. Name another: make PYTHON=python3.13 ...")'
	@test -x $(BIN)/python || { echo "Making .venv, once: half a minute or so ..."; $(PYTHON) -m venv .venv; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r build-tools.lock
	@$(BIN)/uv pip sync -q --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	@touch $@
