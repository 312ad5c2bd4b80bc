# Linekeep. `make help` lists what can be made; the bodies are in scripts/.

.DEFAULT_GOAL := help
.PHONY: help setup run test rig check bench clean

# Which lines `make run` records: sim (a demo site of recorded speech) or alsa (the devices in run/linekeep.toml).
# Only taken from the command line: some shells export LINES as the height of the terminal.
given = $(if $(filter command,$(word 1,$(origin $(1)))),$($(1)))
RUN_LINES := $(or $(call given,LINES),sim)

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: libraries, tools, Go modules
	@scripts/setup

run: ## run the box here on simulated lines, until Ctrl-C (LINES=alsa: on real ones)
	@scripts/run $(RUN_LINES)

test: ## all tests (LONG=1: their long forms)
	@scripts/test

rig: ## tests inside a machine with real kernel drivers: DAHDI, mISDN, sound, TPM, disks (RUN=TestName: some of them)
	@RUN='$(call given,RUN)' LIMIT='$(call given,LIMIT)' scripts/rig/run

check: ## what a change must pass: format, vet, lint, scripts, race tests, tests without cgo, a clean tree
	@scripts/check

bench: ## measure the recorder and the vault against ffmpeg and bare libopus
	@scripts/benchmark

clean: ## remove what was built, and the demo site in run/
	@scripts/clean
