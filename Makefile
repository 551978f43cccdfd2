# Everything a fresh machine needs: `make quickstart` and `make test`.

# The first interpreter that runs and that all dependencies have wheels for.
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: quickstart test fault-test lint audit fuzz memory clean

SECONDS ?= 600

# Seven ideas, in some minutes; `bench run diagnostic` has all algorithms.
quickstart: .venv/installed
	$(BIN)/bench run diagnostic bc td3_bc iql cql rebrac diffusion_ql sorl
	$(BIN)/bench report diagnostic
	$(BIN)/bench leaderboard

test: .venv/installed
	$(BIN)/python -m pytest -n auto --dist loadgroup

# Kills runs, fills disks, flips bits and more, for some minutes; ends with a table of what was lost.
fault-test: .venv/installed
	$(BIN)/python -m pytest -p no:cacheprovider tests/faults --whole

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Known weaknesses of the pinned packages; asks pypi.org.
audit: .venv/installed
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

# Random input for everything that reads files of strangers, for SECONDS altogether.
fuzz: .venv/installed
	$(BIN)/python -m pip install --quiet atheris
	PYTHONPATH=. $(BIN)/python tests/fuzz/fuzz_files.py --seconds $(SECONDS)

# Peak memory of a million transitions and 8 seeds, by the size of the data.
memory: .venv/installed
	$(BIN)/python tests/memory/peak.py

clean:
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .mypy_cache

# torch comes first and pinned: a build of it that is already at hand is used, and no other is fetched.
.venv/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed; give PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,ogbench,d4rl,d3rlpy,ray,slurm,sweep]'
	touch $@
