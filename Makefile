# What people type. Everything that is needed is installed and built on the way, and nothing twice.
NODE := scripts/node.sh
KNIT := bin/knit
# Tests and clusters need root: a person's own shell asks for it once.
ROOT := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env=ONLY,CI)

.PHONY: deps build up down test unit e2e bench check
deps:
	@scripts/deps.sh

build: deps
	@$(NODE) scripts/build.ts

up: build
	@$(ROOT) $(KNIT) up

down:
	@$(ROOT) $(KNIT) down

check: deps
	npx tsc --noEmit
	npx biome check --error-on-warnings .
	$(NODE) --test --test-reporter=dot 'src/**/*.test.ts'

test:
	@scripts/deps.sh test
	@$(NODE) scripts/build.ts
	npx tsc --noEmit
	npx biome check --error-on-warnings .
	$(ROOT) $(NODE) --test 'src/**/*.test.ts' 'test/**/*.test.ts'

bench: build
	@$(ROOT) $(NODE) bench/run.ts $(ONLY)
