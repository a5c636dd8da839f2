# Needs python3 (3.11 or later) and make; everything else goes to .venv.
PYTHON ?= python3
PORT ?= 8000
PIP_ARGS ?=
# Parameters of the book: params/<chapter>/$(SCALE).yml. The chapters to execute: all,
# or those that are named.
SCALE ?=
CHAPTERS ?=
SCALE_ARGS := $(if $(SCALE),--scale $(SCALE)) $(if $(CHAPTERS),--chapters $(CHAPTERS))
# On Linux, plain torch brings CUDA (gigabytes). For the CPU wheels:
#   make book TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
INDEX_ARGS := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
BIN := .venv/bin
# Python does not start in another locale where a path has letters beyond ASCII.
ifneq ($(shell locale charmap 2>/dev/null),UTF-8)
export LC_ALL := C.UTF-8
endif
STAMP := .venv/.installed
# The scripts in .venv know where it was made, and so does this file. Where a checkout
# was moved or copied, it is made again.
MADE_IN := $(shell cat $(STAMP) 2>/dev/null)
PRESS := $(BIN)/python -m flatminima_book
# Whole files to a worker, in the order of tests/conftest.py: what the tests of a file
# share is made once.
# A copy of the sources with an environment of its own, for `make lowest`.
LOWEST := _build/lowest
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: FORCE help install book fresh pages chapter test fast lowest mutants wheel pdf check elsewhere serve bench scale speed results quick-results verify-results pair kernel lock clean distclean

help: ## Say what there is to make
	@echo "Make one of:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
	  awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'
	@echo 'Rerun one chapter: make chapter CHAPTER=scenario-2 PARAMS="-p d 40"'
	@echo "CPU wheels of torch on Linux: add TORCH_INDEX=https://download.pytorch.org/whl/cpu"

ifneq ($(MADE_IN),$(CURDIR))
$(STAMP): FORCE
CLEAR := --clear
endif

$(STAMP): pyproject.toml requirements.lock
	@test ! -L .venv || { echo ".venv is a link, so it belongs to another checkout;" \
	  "remove the link, then run: make install"; exit 1; }
	@echo "Installing into .venv (minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; set PYTHON=python3.x"; exit 1; }
	@test -z "$(CLEAR)" || test ! -e .venv || \
	  echo "The one that is here was made elsewhere, or not to its end: it goes"
	$(PYTHON) -m venv $(CLEAR) .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check $(INDEX_ARGS) \
	  $(PIP_ARGS) -c requirements.lock -e ".[book,dev]"
	@pwd -P >$@
	@echo "Installed: .venv"

install: $(STAMP) ## Create .venv with everything that the book needs

book: $(STAMP) ## Execute every chapter and build the pages
	@$(PRESS) build $(SCALE_ARGS)

fresh: $(STAMP) ## Run the claims of ours on fresh seeds: results/fresh.json
	@$(PRESS) fresh $(if $(CHAPTERS),--chapters $(CHAPTERS))

pages: $(STAMP) ## Typeset again what was last executed (after an edit of styles)
	@$(PRESS) pages

chapter: $(STAMP) ## Execute one chapter: CHAPTER=name PARAMS="-p name value"
	@test -n "$(CHAPTER)" || { echo 'Say which: make chapter CHAPTER=scenario-2'; exit 1; }
	@$(PRESS) chapter $(CHAPTER) $(PARAMS)

# Three at a time, whatever `make` was told: the types and the second run of pytest take
# one core each, and would leave the others idle. That run makes coverage see the
# kernels, as plain Python; its lines are shown if it fails.
test: $(STAMP) ## Lint, types and tests; needs no built book
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@mkdir -p _build/coverage
	@$(MAKE) --no-print-directory -j 3 tests.types tests.uncompiled tests.compiled
	$(BIN)/python -m coverage combine -q --append _build/coverage
	$(BIN)/python -m coverage report --fail-under=90
	@echo "Tested: lint, types, tests (_build/tests.xml, uncompiled.xml)"

# Parts of `make test`.
.PHONY: tests.types tests.uncompiled tests.compiled
tests.types:
	$(BIN)/mypy

tests.uncompiled:
	@COVERAGE_FILE=_build/coverage/.coverage.uncompiled NUMBA_DISABLE_JIT=1 \
	  $(BIN)/python -m pytest -q -m uncompiled \
	  $$(grep -rl mark.uncompiled tests --include="test_*.py") --cov --cov-report= \
	  --junitxml=_build/uncompiled.xml >_build/uncompiled.log 2>&1 || \
	  { cat _build/uncompiled.log; exit 1; }
	@tail -n 1 _build/uncompiled.log

tests.compiled:
	$(BIN)/python -m pytest tests src --ignore=tests/browser $(PARALLEL) -q \
	  --cov --cov-report= --junitxml=_build/tests.xml

fast: $(STAMP) ## The tests that take little, for between two edits
	$(BIN)/python -m pytest tests src $(PARALLEL) -q -m "not slow"

# Everything is as in `make install`, but for the pins: the lowest release of all that
# pyproject.toml names. One that it names but that nobody can get is an error.
lowest: ## The smoke book and the fast tests with the lowest versions that are allowed
	@mkdir -p $(LOWEST)
	@find $(LOWEST) -mindepth 1 -maxdepth 1 ! -name .venv ! -name _build -exec rm -rf {} +
	@git ls-files -z --cached --others --exclude-standard | \
	  tar -c --null -T - | tar -x -C $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)/.venv
	$(LOWEST)/$(BIN)/python -m pip install -q --disable-pip-version-check uv
	cd $(LOWEST) && $(BIN)/uv pip compile -q --resolution lowest-direct --all-extras \
	  --python $(BIN)/python --no-header pyproject.toml -o lowest.lock
	@sed -E -e '/^(nvidia-|triton)/d' -e '/^ +#/d' $(LOWEST)/lowest.lock \
	  > $(LOWEST)/requirements.lock
	$(MAKE) -C $(LOWEST) install
	cd $(LOWEST) && $(BIN)/python -m tests.floors
	$(MAKE) -C $(LOWEST) book SCALE=smoke
	$(MAKE) -C $(LOWEST) fast
	cd $(LOWEST) && $(BIN)/python -m pytest -q tests/test_wheel.py \
	  tests/test_benchmarks.py tests/faults/test_cluster.py
	@echo "Tested: the smoke book and the fast tests ($(LOWEST)/requirements.lock)"

mutants: $(STAMP) ## Draw faults of a part of the engine, and see which are noticed: ROOM=theory
	@$(BIN)/python -m mutants $(ROOM)

# As a user would: from the registry, into an environment that has nothing yet.
wheel: $(STAMP) ## Install the wheel into an empty environment and run the README's examples
	@rm -rf _build/wheel
	$(BIN)/python -m build -q --wheel --outdir _build/wheel .
	$(PYTHON) -m venv _build/wheel/.venv
	_build/wheel/.venv/bin/python -m pip install -q --disable-pip-version-check \
	  $(INDEX_ARGS) $(PIP_ARGS) _build/wheel/*.whl
	$(BIN)/python -m tests.examples _build/wheel/examples
	@cd _build/wheel && for example in examples/*.py; do \
	  echo "$$example:"; .venv/bin/python -I "$$example" || exit 1; done
	@echo "Ran: the README's examples, from the wheel"

pdf: $(STAMP) ## Print the built pages as one PDF, and look at every page of it
	@$(PRESS) pdf

check: $(STAMP) ## Test the built pages in a browser
	@test -f _build/html/index.html || { echo "No pages yet; run: make book"; exit 1; }
	$(BIN)/python -m pytest tests/browser -n auto -q --junitxml=_build/check.xml
	@echo "Checked: every page of _build/html (_build/check.xml)"

elsewhere: $(STAMP) ## Build a chapter in a clone in a hostile place, and compare
	@$(BIN)/python -m tests.elsewhere

serve: $(STAMP) ## Show the built pages on localhost
	@$(PRESS) serve --port $(PORT)

bench: $(STAMP) ## Time the engine against what a user would otherwise pick
	@$(BIN)/python -m benchmarks

scale: $(STAMP) ## Measure again what a sweep costs, for the chapter on scale
	@$(BIN)/python -m benchmarks scale

speed: $(STAMP) ## Race the kernels again, for the chapter on speed
	@$(BIN)/python -m benchmarks.kernels
	@$(BIN)/python -m benchmarks.architectures

# With SCALE: as many whole runs of a grid as fit into BUDGET seconds, for the chapters
# that have one; the next call goes on. DEVICE=cuda for a GPU, WORKERS processes.
BUDGET ?= 600
DEVICE ?= cpu
results: $(STAMP) ## Commit paper-scale runs to results/: CHAPTERS="scenario-1"
	@test -n "$(CHAPTERS)" || { echo 'Say which: make results CHAPTERS=scenario-1'; exit 1; }
ifneq ($(SCALE),)
	@for chapter in $(CHAPTERS); do \
	  $(BIN)/python -m flatminima.results go-on $$chapter --scale $(SCALE) \
	    --budget $(BUDGET) --device $(DEVICE) $(if $(WORKERS),--workers $(WORKERS)) \
	    || exit 1; \
	done
else
	@mkdir -p _build/record
	@for chapter in $(CHAPTERS); do \
	  record="$$(pwd -P)/_build/record/$$chapter.jsonl"; rm -f "$$record"; \
	  FLATMINIMA_RECORD="$$record" \
	    $(PRESS) chapter $$chapter -f params/$$chapter/paper.yml && \
	  $(BIN)/python -m flatminima.results collect "$$record" results/$$chapter.jsonl || exit 1; \
	done
endif

quick-results: $(STAMP) ## Commit the runs of chapters as they are: CHAPTERS="hinge"
	@test -n "$(CHAPTERS)" || { echo 'Say which: make quick-results CHAPTERS=hinge'; exit 1; }
	@mkdir -p _build/record
	@for chapter in $(CHAPTERS); do \
	  record="$$(pwd -P)/_build/record/$$chapter.jsonl"; \
	  own="$${record%.jsonl}-quick.jsonl"; rm -f "$$record" "$$own"; \
	  FLATMINIMA_RECORD="$$record" $(PRESS) chapter $$chapter && \
	  $(BIN)/python -m flatminima.results collect "$$own" results/$$chapter-quick.jsonl || exit 1; \
	done

verify-results: $(STAMP) ## Check results/ and run cheap ones and a sample again
	@$(BIN)/python -m flatminima.results verify

pair: $(STAMP) ## Update the notebooks from the chapters' texts
	@$(PRESS) pair

# The compiler has a place of its own, since a build of the book needs none.
KERNEL := _build/kernel
kernel: ## Compile again what the page `play` trains with, after an edit of kernel.c
	$(PYTHON) -m venv $(KERNEL)
	$(KERNEL)/bin/python -m pip install -q --disable-pip-version-check --no-deps \
	  $$(sed -n 's/^COMPILER = "\(.*\)"/\1/p' src/flatminima_book/live/compile.py)
	@PYTHONPATH=src $(KERNEL)/bin/python -m flatminima_book.live.compile

lock: $(STAMP) ## Pin the dependencies again
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --all-extras \
	  --no-header pyproject.toml -o requirements.lock
	sed -i -E -e '/^(nvidia-|triton|cuda-)/d' -e 's/^torch==([0-9.]+).*/torch==\1/' \
	  -e '/^ +#/d' requirements.lock
	@echo "Pinned: requirements.lock"

clean: ## Remove the pages; finished runs are kept
	@rm -rf _build/html _build/stage _build/executed _build/chapters _build/fresh \
	  _build/.doctrees
	@echo "Removed the pages; kept _build/store"

distclean: ## Remove everything that was made, finished runs and .venv included
	@rm -rf _build .venv .mypy_cache .ruff_cache .pytest_cache .coverage
	@echo "Removed _build and .venv"
