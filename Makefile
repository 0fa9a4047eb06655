# What people type. Everything that is needed is installed and built on the way, and nothing twice.
NODE := scripts/node.sh
KNIT := bin/knit
# Tests and clusters need root: a person's own shell asks for it once. Without sudo, knit itself says what is needed.
SUDO := sudo --preserve-env=ONLY,CI
ROOT := $(if $(filter 0,$(shell id -u)),,$(if $(shell command -v sudo),$(SUDO)))

.PHONY: deps test-deps build up down check test bench
deps:
	@scripts/deps.sh

build: deps
	@$(NODE) scripts/build.ts

# A cluster that runs is shown; one that was stopped, or that a crash left, is started again.
up: build
	@if $(ROOT) $(KNIT) status -o json 2>/dev/null | grep -q '^  "running": true'; then $(ROOT) $(KNIT) status; else $(ROOT) $(KNIT) up; fi

down:
	@$(ROOT) $(KNIT) down

test-deps:
	@scripts/deps.sh test
	@$(NODE) scripts/build.ts

# Unit tests run against the kernel and containerd: they need root too.
check: test-deps
	npx tsc --noEmit
	npx biome check --error-on-warnings .
	$(ROOT) $(NODE) --test --test-concurrency=2 --test-reporter=dot 'src/**/*.test.ts'

# Two clusters are tested at a time, however many cores there are: most of the time they wait.
# Nothing hangs for ever: neither a test nor, with --test-force-exit, what a failed one left open.
test: test-deps
	npx tsc --noEmit
	npx biome check --error-on-warnings .
	$(ROOT) $(NODE) --test --test-force-exit --test-timeout=600000 --test-concurrency=2 'src/**/*.test.ts'
	$(ROOT) $(NODE) --test --test-force-exit --test-timeout=600000 --test-concurrency=2 'test/**/*.test.ts'

bench: build
	@scripts/deps.sh bench
	@$(ROOT) $(NODE) bench/run.ts $(ONLY)
