# `make book` and `make test` need Python 3.11 or newer, make and a package index, nothing else:
# each makes and keeps its own environment under .venv and never looks at one that is active.

PYTHON ?= python3
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
FULL := .venv
LIGHT := .venv-html
PINS := pyproject.toml constraints.txt
SITE := _build/html/index.html
PIP := -m pip --disable-pip-version-check --no-input install -c constraints.txt
# an environment of the caller must not leak into ours
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book test html check reference clean

help: ## say what can be made
	@echo "Astute: make one of"
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r target words; do \
	  printf '  make %-10s %s\n' "$$target" "$$words"; done
	@echo "PYTHON=python3.12 chooses another Python; JOBS=4 how many pages or tests run at a time."

book: $(FULL)/done ## execute the notebooks that changed and compile the book
	@echo "[2/3] pages: notebooks are executed where they changed"
	@$(FULL)/bin/python -m astute.pages --jobs $(JOBS)
	@echo "[3/3] book: warnings are errors"
	@$(call compile,$(FULL))

html: $(LIGHT)/done ## only compile the executed pages that are committed
	@echo "[2/2] book: warnings are errors"
	@$(call compile,$(LIGHT))

test: $(FULL)/done ## unit tests, doctests, structure, and the notebooks replayed
	@echo "[2/2] tests: $(JOBS) at a time"
	@$(FULL)/bin/python -m pytest -n $(JOBS) --dist loadfile
	@echo "The tests passed."

check: $(FULL)/done ## lint, and look whether everything is formatted
	@$(FULL)/bin/ruff check . && $(FULL)/bin/ruff format --check .

reference: $(FULL)/done ## renew the outputs that the tests replay, tests/reference
	@$(FULL)/bin/python -m astute.pages --scale smoke --out tests/reference --jobs $(JOBS)
	@echo "The reference outputs: $(CURDIR)/tests/reference; look at their difference before you commit."

clean: ## remove what was built, and the environments
	rm -rf _build $(FULL) $(LIGHT)

# what was said is shown if it matters; what was compiled goes, lest the next run skip a bad page
define compile
mkdir -p _build && start=$$(date +%s) && \
if $(1)/bin/jupyter-book build . -W -n --keep-going >_build/book.log 2>&1; then \
  echo "  compiled in $$(($$(date +%s) - start)) s"; \
  echo "The book: file://$(CURDIR)/$(SITE)"; \
else \
  grep -nE "WARNING|ERROR|rror:" _build/book.log | head -40; \
  rm -rf _build/.doctrees _build/html; \
  echo "The book was not compiled; all that was said is in $(CURDIR)/_build/book.log"; exit 1; \
fi
endef

# a stamp is made last: an install that was interrupted goes on, a changed pin installs again
$(FULL)/done: $(PINS)
	@$(call python-is-new-enough)
	@echo "[1/3] environment $(FULL): installing pinned packages (some minutes, a few gigabytes)"
	@$(call environment,$(FULL))
	@$(call install,$(FULL),-e ".[dev]")
	@touch $@ && echo "  environment $(FULL) is complete"

$(LIGHT)/done: $(PINS)
	@$(call python-is-new-enough)
	@echo "[1/2] environment $(LIGHT): installing pinned packages (about a minute)"
	@$(call environment,$(LIGHT))
	@$(call install,$(LIGHT),$(BOOK))
	@touch $@ && echo "  environment $(LIGHT) is complete"

# the extra "book" of pyproject.toml, without the library itself: compiling needs no torch
BOOK = $$($(PYTHON) -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
  print(*project['optional-dependencies']['book'])")

# a line every ten seconds says how far it is; what pip says is kept, and shown if it fails
define install
mkdir -p _build && log=_build/install$(1).log && start=$$(date +%s) && \
{ $(1)/bin/python $(PIP) $(2) >$$log 2>&1 & } && pip=$$! && last=0 && \
trap 'kill $$pip 2>/dev/null; exit 130' INT TERM HUP && \
while kill -0 $$pip 2>/dev/null; do \
  sleep 1; seconds=$$(($$(date +%s) - start)); \
  if [ $$((seconds - last)) -ge 10 ]; then \
    last=$$seconds; found=$$(grep -cE "^(Collecting|Processing|Requirement)" $$log || true); \
    if grep -q "^Installing collected" $$log; then doing="installing $$found packages"; \
    else doing="fetching package $$found"; fi; \
    echo "  $$doing, $$seconds s"; \
  fi; \
done; \
wait $$pip || { tail -n 25 $$log; echo "The installation failed; all that was said is in $(CURDIR)/$$log. The same command goes on."; exit 1; }
endef

define environment
test -x $(1)/bin/python && $(1)/bin/python -c "import pip" 2>/dev/null || { rm -rf $(1) && $(PYTHON) -m venv $(1); }
endef

define python-is-new-enough
command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Install Python 3.11 or newer, or say which: make book PYTHON=/path/to/python3"; exit 1; }; \
$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
  { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1); Astute needs Python 3.11 or newer: make book PYTHON=python3.12"; exit 1; }; \
$(PYTHON) -c "import venv, ensurepip" 2>/dev/null || \
  { echo "$(PYTHON) cannot make environments: its modules venv and ensurepip are missing. On Debian and Ubuntu install python3-venv."; exit 1; }
endef
