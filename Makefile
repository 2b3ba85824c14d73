# make setup   install into .venv and .venv-label-studio, fetch the weights
# make demo    see it work on coins      (ONCE=1: end by itself; IMAGES=folder: your own images)
# make up      web, worker and queue for your own Label Studio (LABEL_STUDIO_URL=… LABEL_STUDIO_API_KEY=…)
# make test    everything above installed, then all tests

PYTHON ?= python3
EXTRAS := web,worker,embedded,evaluation,dev
LABEL_STUDIO_VERSION := 1.23.2
PYTEST_ARGS ?=
# What is given as `make NAME=value` reaches the commands as an environment variable.

.DEFAULT_GOAL := help
.PHONY: help setup weights demo up test chromium python clean

help:
	@sed -n 's/^# make/make/p' Makefile

setup: .venv/.installed .venv-label-studio/.installed weights

.venv/.installed: pyproject.toml constraints.txt | python
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

.venv-label-studio/.installed: constraints-label-studio.txt | python
	$(PYTHON) -m venv .venv-label-studio
	.venv-label-studio/bin/python -m pip install --constraint constraints-label-studio.txt label-studio==$(LABEL_STUDIO_VERSION)
	@touch $@

weights: .venv/.installed
	@if [ "$${ONESHOT_SAM:-mobilesam}" = mobilesam ]; then .venv/bin/oneshot checkpoints fetch; fi

demo: setup
	@exec .venv/bin/oneshot demo $(if $(ONCE),--once) $(if $(IMAGES),--images "$$IMAGES") $(if $(LABEL),--label "$$LABEL")

up: .venv/.installed weights
	@exec .venv/bin/oneshot up

# The tests of the face for label-studio-ml serve it from an environment of its own: its pins exclude ours.
.venv-label-studio-ml/.installed: pyproject.toml constraints-label-studio-ml.txt | python
	$(PYTHON) -m venv .venv-label-studio-ml
	.venv-label-studio-ml/bin/python -m pip install --constraint constraints-label-studio-ml.txt --editable '.[label-studio-ml]'
	@touch $@

test: setup chromium .venv-label-studio-ml/.installed
	.venv/bin/python -m pytest $(PYTEST_ARGS)

# The browser tests drive Debian's Chromium. Without it they are skipped, with the reason; where CI is set they fail.
chromium:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -q && apt-get install -qy --no-install-recommends chromium; \
	else echo "No chromium: the browser tests will be skipped. To run them: apt-get install chromium (as root)."; fi

python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11 or later, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"$(PYTHON) is Python {sys.version.split()[0]}, and 3.11 or later is needed: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make environments: install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }

clean:
	rm -rf .venv .venv-label-studio .venv-label-studio-ml .demo .artefacts
