# One build profile everywhere (--release), and the whole workspace each time, so that run, test, bench and
# CI share what is compiled.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
CARGO ?= cargo
ARGS ?=
APP ?=
VENV := .venv/.made
DENY := cargo-deny@0.20.2

MODELS := target/release/hippocamp-models
MADE := $(addprefix model_repository/,text_tokenizer/1 plot_encoder/1 film_index/1 film_index_bow/1)

.PHONY: help build models run test fuzz lint fmt bench clean

help: ## Print this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | \
		while IFS='|' read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

build: ## Build the server, the backends, the application and the tools
	$(CARGO) build --release --workspace --locked

models: build ## Fetch the text encoder and index the films; what is up to date is left alone
	@$(MODELS) index --suffix _bow
	@PYTHON=$(PYTHON) $(MODELS) minilm
	@$(MODELS) index

# Without network, or without Python, the encoder that is in the repository serves alone.
run: build ## Serve the films on port 8080, models on 8000 (HTTP), 8001 (gRPC), 8002 (metrics); more flags of the server in ARGS="...", of the application in APP="..."
	@$(MODELS) index --suffix _bow
	@PYTHON=$(PYTHON) $(MODELS) minilm || echo "make: looking for the text encoder of an earlier run" >&2
	@flags=; if ! $(MODELS) index; then \
		echo "make: serving without recommend_by_plot; recommend_by_plot_bow needs no download" >&2; \
		flags="--exit-on-error=false --strict-readiness=false"; \
	fi; \
	APP='$(APP)' exec tools/run.sh $$flags $(ARGS)

test: build ## Run every test: Rust, end to end, Python clients; prints the counts
	@$(MODELS) index --suffix _bow
	@PYTHON=$(PYTHON) $(MODELS) minilm || true
	@$(MAKE) --no-print-directory $(VENV) || true
	@tests/run.sh .venv/bin/python

fuzz: ## Feed a million generated inputs to each parser; CASES=n for another number
	HIPPOCAMP_FUZZ_CASES=$${CASES:-1000000} $(CARGO) test --release --workspace --locked --lib

lint: ## Check formatting, clippy, and what may enter the tree (bans, licenses, sources)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets --locked -- -D warnings
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked $(DENY)
	$(CARGO) deny --all-features check bans licenses sources

fmt: ## Format every crate
	$(CARGO) fmt --all

bench: ## Run the benches of benches/PROMISES.md; BENCH=lookup for the vector search, NAME=filter for some of them
	$(CARGO) bench --workspace --locked --bench $(or $(BENCH),hops) -- $(NAME)

clean: ## Remove what was built or downloaded
	rm -rf target .venv .cache $(MADE)

$(VENV): tests/requirements.txt
	$(PYTHON) -m venv --clear .venv || { echo "make: no virtual environment: install Python 3.11 or later with its venv module (Debian: python3-venv)" >&2; exit 1; }
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps -r tests/requirements.txt
	touch $@
