# The two commands a newcomer needs: `make demo` and `make test`. Each sets up first.
PYTHON_VENV := .venv/bin/python
DEMO := outputs/demo

.PHONY: setup demo test lint bench clean

setup:
	@.ci/setup

demo: setup
	@$(PYTHON_VENV) -m scans.people out=$(DEMO)/people count=24 seed=1 quality=draft texture=512
	@$(PYTHON_VENV) -m render scans=$(DEMO)/people out=$(DEMO)/train split=train count=176 height=384 width=288 samples=8 shard_size=8
	@$(PYTHON_VENV) -m render scans=$(DEMO)/people out=$(DEMO)/test split=test count=40 height=384 width=288 samples=8 shard_size=8
	@$(PYTHON_VENV) -m train experiment=demo data=$(DEMO)/train out=$(DEMO)/model
	@$(PYTHON_VENV) -m train.evaluate benchmark=$(DEMO)/test checkpoint=$(DEMO)/model out=$(DEMO)/evaluation
	@$(PYTHON_VENV) -m train.evaluate benchmark=$(DEMO)/test baseline=trivial out=$(DEMO)/baseline
	@$(PYTHON_VENV) -m train.report run=$(DEMO)/model test=$(DEMO)/test out=$(DEMO)/report.html

test: setup lint
	@$(PYTHON_VENV) -m pytest

lint: setup
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy

bench: setup
	@for script in benchmarks/bench_*.py; do $(PYTHON_VENV) -m benchmarks.$$(basename $$script .py) || exit 1; done

clean:
	rm -rf outputs/demo outputs/bench .pytest_cache .mypy_cache .ruff_cache .hypothesis
