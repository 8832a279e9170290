# Everything a person does with the project.  Each target does the set-up it
# needs; "make help" lists them.
#
# SPDX-License-Identifier: GPL-2.0-or-later

ifdef SANITIZE
VARIANT := --sanitize
BUILD := build/qemu-san
# QEMU frees little of what it has when it ends.
export ASAN_OPTIONS ?= detect_leaks=0
# A report that nobody fails on is a report that nobody reads.
export UBSAN_OPTIONS ?= halt_on_error=1:print_stacktrace=1
else
BUILD := build/qemu
endif
export BUILD

STEPS := 3
demo demo-linux linux linux-source linux-selftests linux-history linux-boots \
    linux-devices check repro campaign bench dist: STEPS := 4

.PHONY: all packages tree build demo demo-linux linux linux-source linux-selftests \
        linux-history linux-boots linux-devices check repro campaign bench dist lint clean distclean help

all: build

packages:
	@scripts/step 1/$(STEPS) 'Debian packages' packages scripts/deps

tree: packages
	@scripts/step 2/$(STEPS) 'QEMU source, hooks, configure' tree \
	    scripts/qemu-tree $(VARIANT)

build: tree
	@scripts/step 3/$(STEPS) 'build' build ninja -C $(BUILD) lu-all
	@ln -sfn lu/tests/lu-vm $(BUILD)/lu-vm
	@ln -sfn lu/tests/lu-repro $(BUILD)/lu-repro

demo: build
	@echo '[4/4] demonstration'
	@scripts/demo

demo-linux: build
	@echo '[4/4] demonstration with Linux'
	@scripts/linux demo

linux: build
	@echo '[4/4] Linux on both architectures'
	@scripts/linux corpus

linux-source: build
	@echo '[4/4] Linux of our own on both architectures'
	@scripts/deps kernel
	@scripts/linux source
	@[ -n "$(CASE)" ] || scripts/linux-history
	@[ -n "$(CASE)" ] || scripts/linux-selftests

linux-boots: build
	@echo '[4/4] one boot after the other, on both architectures'
	@scripts/linux boots

linux-devices: build
	@echo '[4/4] devices behind the IOMMU, and Xen, on stock and on ours'
	@scripts/linux-devices

linux-history: build
	@echo '[4/4] what Linux does to the stock IOMMUs and to ours'
	@scripts/deps kernel
	@scripts/linux-history

linux-selftests: build
	@echo '[4/4] tests of the kernel itself on both architectures'
	@scripts/deps kernel
	@scripts/linux-selftests

check: build
	@echo '[4/4] tests'
	@scripts/check

repro: build
	@echo '[4/4] known bugs, and their repairs'
	@$(BUILD)/lu-repro run $(if $(NAME),$(NAME),--all)

campaign: build
	@echo '[4/4] random programs'
	@scripts/campaign

bench: build
	@echo '[4/4] measurement'
	@scripts/bench

dist: build
	@echo '[4/4] one tarball'
	@scripts/deps dist
	@tests/dist-test "$$(scripts/dist)"

lint: tree
	@scripts/lint

clean:
	@if [ -e $(BUILD)/build.ninja ]; then ninja -C $(BUILD) -t clean; fi
	@rm -rf build/report build/log

distclean:
	@if [ -e build/qemu ]; then scripts/qemu-tree --remove; fi
	@rm -rf build

help:
	@echo 'make              set up and build: packages, QEMU, the overlay'
	@echo 'make demo         a live update under DMA on both IOMMUs'
	@echo '                  BUG=<name> plants a bug, BUG=list names them'
	@echo '                  ARCH=aarch64|x86_64 and CASE=<name> narrow it'
	@echo '                  MAP=kho: memory is preserved as Linux does it'
	@echo '                  RECORD=<directory>: records, for lu-repro replay'
	@echo '                  CLAIMS=map: so, and the kernels announce nothing'
	@echo 'make demo-linux   crash and kexec of an unmodified Linux under DMA'
	@echo '                  ARCH=aarch64|x86_64 (default x86_64), CASE=<name>'
	@echo '                  TLB=strict,none,8: in each; so with linux and below'
	@echo 'make linux        what Debian kernels do without a live update, on both'
	@echo 'make linux-boots  COUNT=50 of them in a row; the same seed twice'
	@echo 'make linux-devices  nvme, igb, ... and Xen behind stock IOMMUs and ours'
	@echo 'make linux-source the same and LUO, with kernels built from source,'
	@echo '                  then the two that follow'
	@echo 'make linux-history  what they do to the stock IOMMUs and to ours'
	@echo 'make linux-selftests  their own tests of KHO, LUO and VFIO'
	@echo 'make check        every test, and lint'
	@echo 'make repro        every bug of the catalogue; NAME=<name> plays one'
	@echo 'make campaign     random programs against the naive reference; N=, SEED='
	@echo 'make bench        what a DMA access costs: no IOMMU, stock, ours'
	@echo 'make dist         one tarball that runs from anywhere, and a test of it'
	@echo 'make lint         style of our sources'
	@echo 'make clean        remove what was built'
	@echo 'make distclean    remove the QEMU tree as well'
	@echo 'SANITIZE=1 with any of them: the same, built with sanitizers'
	@echo 'QEMU_SRC=<directory or tarball> uses another source of QEMU 10.2.x'
