# OpenKKT. `make help` lists the targets.
#
# A folder's main.c is a program; every other .c of the folder goes into the folder's archive.
# MODE=asan builds with the sanitizers, MODE=tsan with the one for threads, into folders of their own.

SHELL    := /bin/bash
VERSION  := $(shell cat VERSION)
BUILD    ?= build$(if $(MODE),/$(MODE))
PREFIX   ?= /usr/local
CROSS    ?= arm-none-eabi-
PKGS     := libserialport libusb-1.0 sqlite3 json-c cairo libqrencode
comma    := ,

WARN     := -Wall -Wextra -Wconversion -Wshadow -Werror
CFLAGS   ?= -O2 -g
SANITIZE  = $(if $(filter asan,$(MODE)),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)$(if $(filter tsan,$(MODE)),-fsanitize=thread)
ALL_CFLAGS = -std=c11 $(WARN) $(CFLAGS) $(SANITIZE) -fPIC -I. -D_GNU_SOURCE -DOPENKKT_VERSION='"$(VERSION)"' $(PKG_CFLAGS)
# Quiet before the packages are there: `make deps` still has to bring pkg-config.
pkg       = $(shell { pkg-config $(1); } 2>/dev/null)
PKG_CFLAGS := $(call pkg,--cflags $(PKGS))
LIBS      = $(call pkg,--libs $(PKGS)) -lmbedtls -lmbedx509 -lmbedcrypto -lpthread

# Of board/mcu only what needs no microcontroller is built on the PC, for its tests.
MCU_ONLY := $(addprefix board/mcu/mcu_,fault.c mpu.c net.c signature_step.c start.c time.c)
sources   = $(filter-out %/main.c $(MCU_ONLY),$(wildcard $(1)/*.c))
objects   = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
# Users before what they use.
ARCHIVES := $(foreach a,tools/kkt tools/ofd hostdrv board/posix board/usbip board/null board/mcu board/fn board/printer board/panel board/tls firmware proto,$(if $(call sources,$(a)),$(a)))
LINK_ARCHIVES = $(ARCHIVES:%=$(BUILD)/%.a)
# The simulated world stands before the product: what it replaces is taken from it. Tests only.
WORLD_ARCHIVE = $(BUILD)/tests/world.a
main_kkt       := tools/kkt/main.c
main_kkt-board := board/posix/main.c
main_kkt-fn    := board/fn/main.c
main_kkt-printer := board/printer/main.c
main_kkt-ofd   := tools/ofd/main.c
main_kkt-image := tools/image/main.c
PROGRAMS := $(foreach p,kkt kkt-board kkt-fn kkt-printer kkt-ofd kkt-image,$(if $(wildcard $(main_$(p))),$(p)))
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*_test.c))

.PHONY: all help deps programs library tests test demo demo-mcu bench lint format install clean cortex-m3 kills
all: programs library ## Build the PC side: programs and libkkt (default)
programs: $(addprefix $(BUILD)/,$(PROGRAMS))
library: $(BUILD)/libkkt.a $(BUILD)/libkkt.so

help: ## List the targets
	@awk -F':.*## ' '/^[a-zA-Z_0-9-]+:.*## /{printf "  make %-10s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

deps: ## Install the Debian packages of packages.txt that are missing
	@tools/install-packages

demo: deps ## A shop's day with every failure, and the five-way comparison
	@echo "building (about a minute the first time)"
	@$(MAKE) --no-print-directory -s -j2 programs
	@python3 tests/e2e/demo.py --build $(BUILD)

.PHONY: guest
guest: deps ## The board's USB in a whole PC: Debian's kernel in QEMU, vhci-hcd, libusb, cdc-acm, udev
	@$(MAKE) --no-print-directory -s -j2 programs $(addprefix $(BUILD)/tests/usb/,usb-sim-vhci usb_suite)
	@tests/guest/run $(BUILD)

.PHONY: usb test-slow
usb: deps ## The driver's USB suite below umockdev: plain, ASan, TSan, faults of a board by lane, figures
	@$(MAKE) --no-print-directory -s -j2 programs
	@tests/usb/run $(BUILD)
test-slow: deps ## What takes longer than `make test` may: 10,000 echoes, 100 replugs, the guest with ASan+UBSan, usbip over TCP
	@$(MAKE) --no-print-directory -s -j2 programs $(addprefix $(BUILD)/tests/usb/,usb-sim usb-sim-vhci usb_suite)
	umockdev-wrapper $(BUILD)/tests/usb/usb-sim --program mixed --boards 4 -- $(BUILD)/tests/usb/usb_suite soak
	@$(MAKE) --no-print-directory -s -j2 MODE=asan programs $(addprefix build/asan/tests/usb/,usb-sim-vhci usb_suite)
	tests/guest/run build/asan
	tests/guest/run-away $(BUILD)

.PHONY: bench-mcu world-mcu
MCU_TESTS = $(addprefix $(BUILD)/tests/mcu/,probe.so full_journal)
bench-mcu: deps ## What the microcontroller's image costs: sizes, stack, instructions, with limits
	@$(MAKE) --no-print-directory -s -j2 programs $(MCU_TESTS)
	@$(MAKE) --no-print-directory -s firmware
	@tests/mcu/bench $(BUILD) mps2
	@tests/mcu/bench $(BUILD) lm3s

CUTS ?= 1000
world-mcu: deps ## CUTS (1000) power cuts at chosen instructions of the microcontroller's image, SEED (1); five places compared
	@$(MAKE) --no-print-directory -s -j2 programs $(MCU_TESTS)
	@$(MAKE) --no-print-directory -s firmware
	@tests/mcu/world $(BUILD) --cuts $(CUTS) --seed $(SEED)
	@tests/mcu/canary $(BUILD)

BOARD ?= mps2
demo-mcu: deps ## The same day with BOARD's image (mps2, or lm3s) in QEMU in place of kkt-board
	@echo "building (two minutes the first time)"
	@$(MAKE) --no-print-directory -s -j2 programs
	@$(MAKE) --no-print-directory -s firmware
	@python3 tests/e2e/demo.py --build $(BUILD) --board $(BOARD)

test: deps ## All tests, plain and with ASan+UBSan; ends with "N passed, N failed"
	@tests/run

bench: deps ## Counted figures with their limits
	@$(MAKE) --no-print-directory -s -j2 programs $(BUILD)/tests/bench/bench
	@tests/bench/run $(BUILD)

.PHONY: board-costs
board-costs: deps ## How often firmware calls each function of board.h
	@$(MAKE) --no-print-directory -s -j2 $(BUILD)/tests/bench/board_costs
	@$(BUILD)/tests/bench/board_costs

.PHONY: coverage
coverage: deps ## Branch coverage by the unit tests, with limits
	@tests/coverage

KILLS ?= 1000
SEED  ?= 1
kills: deps ## KILLS (1000) SIGKILLs at every system call of a sale and at random, SEED (1); five places compared
	@$(MAKE) --no-print-directory -s -j2 programs $(BUILD)/tests/e2e/kill_at.so
	@python3 tests/e2e/kills.py --build $(BUILD) --kills $(KILLS) --seed $(SEED)

.PHONY: world soak
world: deps ## The whole proof: every campaign of the simulated world, canaries, branches (under 25 minutes on 2 cores)
	@tests/world/run $(SEED)
HOURS ?= 1
soak: deps ## The simulated world with new seeds for HOURS (1)
	@tests/world/soak $(HOURS)

lint: deps ## clang-format, clang-tidy, cppcheck, dependency directions, size ratchet
	@tests/lint

format: deps ## clang-format over the tree
	@git ls-files '*.[ch]' | xargs clang-format -i

install: all ## Install programs, libkkt, kkt.h, pkg-config file and man page under PREFIX
	install -d $(DESTDIR)$(PREFIX)/{bin,lib/pkgconfig,include,share/man/man1}
	install -m 755 $(addprefix $(BUILD)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(BUILD)/libkkt.a $(DESTDIR)$(PREFIX)/lib
	install -m 755 $(BUILD)/libkkt.so $(DESTDIR)$(PREFIX)/lib/libkkt.so.$(VERSION)
	ln -sf libkkt.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libkkt.so.0
	ln -sf libkkt.so.0 $(DESTDIR)$(PREFIX)/lib/libkkt.so
	install -m 644 hostdrv/kkt.h $(DESTDIR)$(PREFIX)/include
	install -m 644 tools/kkt/kkt.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -d $(DESTDIR)$(PREFIX)/lib/udev/rules.d
	install -m 644 tools/udev/70-openkkt.rules $(DESTDIR)$(PREFIX)/lib/udev/rules.d
	sed 's|@PREFIX@|$(PREFIX)|;s|@VERSION@|$(VERSION)|' hostdrv/libkkt.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/libkkt.pc

clean: ## Remove what was built
	rm -rf build

# ---- PC side ----------------------------------------------------------------------------------

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c $< -o $@

# In the shared library only what kkt.h exports is visible.
$(BUILD)/hostdrv/%.o $(BUILD)/proto/%.o: EXTRA_CFLAGS += -fvisibility=hidden

define archive_rule
$(BUILD)/$(1).a: $(call objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach a,$(ARCHIVES) tests/world,$(eval $(call archive_rule,$(a))))

define program_rule
$(BUILD)/$(1): $(BUILD)/$(main_$(1):.c=.o) $(LINK_ARCHIVES)
	$(CC) $(LDFLAGS) $(SANITIZE) $$< -Wl,--start-group $(LINK_ARCHIVES) -Wl,--end-group $(LIBS) -o $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

$(BUILD)/libkkt.a: $(call objects,hostdrv) $(call objects,proto)
	@rm -f $@
	ar rcs $@ $^
$(BUILD)/libkkt.so: $(call objects,hostdrv) $(call objects,proto)
	$(CC) $(LDFLAGS) $(SANITIZE) -shared -Wl,-soname,libkkt.so.0 $^ $(call pkg,--libs libserialport libusb-1.0 sqlite3) -o $@
	@ln -sf libkkt.so $@.0

# ---- Tests -------------------------------------------------------------------------------------

$(BUILD)/tests/unit/%_test: $(BUILD)/tests/unit/%_test.o $(LINK_ARCHIVES)
	$(CC) $(LDFLAGS) $(SANITIZE) $< -Wl,--start-group $(LINK_ARCHIVES) -Wl,--end-group -lcmocka $(LIBS) $(call pkg,--libs umockdev-1.0) -o $@
# Tests of the simulated world are named world_*.
$(BUILD)/tests/unit/world_%_test: $(BUILD)/tests/unit/world_%_test.o $(WORLD_ARCHIVE) $(LINK_ARCHIVES)
	$(CC) $(LDFLAGS) $(SANITIZE) $< -Wl,--start-group $(WORLD_ARCHIVE) $(LINK_ARCHIVES) -Wl,--end-group -lcmocka $(LIBS) -o $@
$(BUILD)/tests/world/world: $(BUILD)/tests/world/main.o $(WORLD_ARCHIVE) $(LINK_ARCHIVES)
	$(CC) $(LDFLAGS) $(SANITIZE) $< -Wl,--start-group $(WORLD_ARCHIVE) $(LINK_ARCHIVES) -Wl,--end-group $(LIBS) -o $@
# With the marks of proto/rare.h, in a folder of its own; what tests/world/canaries builds on.
WORLD_BUILD = BUILD=build/world CFLAGS="-O2 -g -DOPENKKT_RARE"
.PHONY: world-build
world-build:
	@$(MAKE) --no-print-directory -s $(WORLD_BUILD) build/world/tests/world/world
# These functions fail there when the test wants it.
$(BUILD)/tests/unit/queue_branch_test: override LDFLAGS += $(addprefix -Wl$(comma)--wrap=,malloc calloc getrandom host_clock_boot_id host_clock_ms statx \
    sqlite3_create_function sqlite3_exec sqlite3_prepare_v2 sqlite3_prepare_v3 sqlite3_step sqlite3_column_text sqlite3_column_blob)
$(BUILD)/tests/unit/serial_test.o: EXTRA_CFLAGS += $(call pkg,--cflags umockdev-1.0)
# ---- USB without USB: simulated boards below umockdev, and the programs that run above them (tests/usb/run)
USB_WRAPPED := $(addprefix usb_device_,reset setup out in read write generation waiting)
USB_WRAPS := $(addprefix -Wl$(comma)--wrap=,$(USB_WRAPPED))
# The driver behind the model of a controller: what it calls is the device itself.
USB_BEHIND := $(BUILD)/tests/usb/sim_fault.o $(BUILD)/tests/usb/sim_controller.o $(BUILD)/tests/usb/udc_model.o $(BUILD)/tests/usb/mcu_usb_behind.o
$(BUILD)/tests/usb/mcu_usb_behind.o: board/mcu/mcu_usb.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(foreach f,$(USB_WRAPPED),-D$(f)=__real_$(f)) -MMD -MP -c $< -o $@
$(BUILD)/tests/unit/mcu_usb_test: $(BUILD)/tests/usb/udc_model.o
$(BUILD)/tests/unit/mcu_usb_test: override LDFLAGS += $(BUILD)/tests/usb/udc_model.o
$(patsubst tests/usb/%.c,$(BUILD)/tests/usb/%.o,$(wildcard tests/usb/*.c)): EXTRA_CFLAGS += $(call pkg,--cflags umockdev-1.0)
$(BUILD)/tests/usb/usb-sim: $(patsubst %,$(BUILD)/tests/usb/sim_%.o,main usbfs words board) $(USB_BEHIND) $(LINK_ARCHIVES)
	$(CC) $(LDFLAGS) $(SANITIZE) $(filter %.o,$^) $(USB_WRAPS) -Wl,--start-group $(LINK_ARCHIVES) -Wl,--end-group $(LIBS) $(call pkg,--libs umockdev-1.0) -o $@
$(BUILD)/tests/usb/usb-sim-vhci: $(patsubst %,$(BUILD)/tests/usb/sim_%.o,vhci words board) $(USB_BEHIND) $(LINK_ARCHIVES)
	$(CC) $(LDFLAGS) $(SANITIZE) $(filter %.o,$^) $(USB_WRAPS) -Wl,--start-group $(LINK_ARCHIVES) -Wl,--end-group $(LIBS) -o $@
$(BUILD)/tests/usb/usb_suite $(BUILD)/tests/usb/usb_speed: $(BUILD)/tests/usb/usb_%: $(BUILD)/tests/usb/usb_%.o $(BUILD)/hostdrv.a $(BUILD)/proto.a
	$(CC) $(LDFLAGS) $(SANITIZE) $^ -lcmocka $(call pkg,--libs libserialport libusb-1.0 sqlite3) -lpthread -o $@
# The unit test of the USB device with the faults between.
$(BUILD)/tests/usb/usb_device_faults: $(BUILD)/tests/unit/usb_device_test.o $(USB_BEHIND) $(LINK_ARCHIVES)
	$(CC) $(LDFLAGS) $(SANITIZE) $(filter %.o,$^) $(USB_WRAPS) -Wl,--start-group $(LINK_ARCHIVES) -Wl,--end-group -lcmocka $(LIBS) -o $@

$(BUILD)/tests/bench/bench: $(BUILD)/tests/bench/bench.o $(LINK_ARCHIVES)
	$(CC) $(LDFLAGS) $(SANITIZE) $< -Wl,--start-group $(LINK_ARCHIVES) -Wl,--end-group $(LIBS) -o $@
$(BUILD)/tests/bench/journal_bench: $(BUILD)/tests/bench/journal_bench.o $(BUILD)/firmware.a $(BUILD)/proto.a
	$(CC) $(LDFLAGS) $(SANITIZE) $^ $(call pkg,--libs sqlite3) -o $@
$(BUILD)/tests/oracle/journal_images: $(BUILD)/tests/oracle/journal_images.o $(BUILD)/firmware.a $(BUILD)/proto.a
	$(CC) $(LDFLAGS) $(SANITIZE) $^ -o $@
$(BUILD)/tests/bench/board_costs: $(BUILD)/tests/bench/board_costs.o $(LINK_ARCHIVES)
	$(CC) $(LDFLAGS) $(SANITIZE) $< -Wl,--start-group $(LINK_ARCHIVES) -Wl,--end-group -lcmocka $(LIBS) -o $@
$(BUILD)/tests/mcu/full_journal: $(BUILD)/tests/mcu/full_journal.o $(BUILD)/firmware.a $(BUILD)/proto.a
	$(CC) $(LDFLAGS) $(SANITIZE) $^ -o $@
# Loaded into QEMU.
$(BUILD)/tests/mcu/probe.so: tests/mcu/plugins/probe.c tests/mcu/plugins/qemu_plugin.h
	@mkdir -p $(@D)
	$(CC) -std=c11 $(WARN) -O2 -fPIC -D_GNU_SOURCE -fvisibility=hidden -shared -I. $< -o $@
# Preloaded into a program, so linked with nothing of ours; without sanitizers, which want to be first.
$(BUILD)/tests/e2e/kill_at.so: tests/e2e/kill_at.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(WARN) -O2 -g -fPIC -D_GNU_SOURCE -fvisibility=hidden -shared $< -ldl -o $@
tests: $(UNIT_TESTS:%=$(BUILD)/tests/unit/%)
# Builds and runs tests/unit/NAME_test.c
unit-%: $(BUILD)/tests/unit/%_test
	$<

include board/mcu/firmware.mk

# ---- firmware and proto for a Cortex-M3: no PC headers, no heap ----------------------------------

CM3       = build/cm3
CM3_FLAGS = -mcpu=cortex-m3 -mthumb -Os -ffreestanding -ffunction-sections -fdata-sections -std=c11 $(WARN) -I. \
            -DOPENKKT_VERSION='"$(VERSION)"'
CM3_OBJS  = $(patsubst %.c,$(CM3)/%.o,$(call sources,firmware) $(call sources,proto) tests/bench/cm3_instance.c)
$(CM3)/%.o: %.c
	@mkdir -p $(@D)
	$(CROSS)gcc $(CM3_FLAGS) -MMD -MP -c $< -o $@
$(CM3)/firmware.elf: $(CM3_OBJS)
	$(CROSS)gcc $(CM3_FLAGS) -nostartfiles --specs=nano.specs -Wl,--gc-sections -Wl,-e,cm3_entry -Wl,-Map=$(CM3)/firmware.map $^ -o $@
cortex-m3: $(CM3)/firmware.elf ## Compile firmware and proto for a Cortex-M3 and print their size
	@tests/bench/cm3_size $(CM3) $(CROSS)

# ---- Fuzzing: tests/fuzz/NAME_fuzz.c, all of it built by clang into build/fuzz ------------------

FUZZ_TARGETS := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_LINK    ?= -fsanitize=fuzzer$(comma)address$(comma)undefined
FUZZ_FLAGS    = -fsanitize=fuzzer-no-link$(comma)address$(comma)undefined -fno-sanitize-recover=all
FUZZ_ARCHIVES = $(filter-out $(BUILD)/board/posix.a $(BUILD)/board/null.a $(BUILD)/board/tls.a,$(LINK_ARCHIVES))
FUZZ_LIBS     = -Wl,--start-group $(FUZZ_ARCHIVES) -Wl,--end-group -lcmocka $(LIBS)
FUZZ_MAKE     = $(MAKE) --no-print-directory -s BUILD=build/fuzz CC=clang CFLAGS="-O1 -g $(FUZZ_FLAGS)"
SECONDS      ?= 10
.PHONY: fuzz fuzz-build fuzz-targets fuzz-canaries
# A function __wrap_NAME of a target stands in the place of the product's NAME.
FUZZ_WRAPS    = $$(nm $< | sed -n 's/.* T __wrap_/-Wl,--wrap=/p')
$(BUILD)/tests/fuzz/%_fuzz: $(BUILD)/tests/fuzz/%_fuzz.o $(FUZZ_ARCHIVES)
	$(CC) $(FUZZ_LINK) $(FUZZ_WRAPS) $< $(FUZZ_LIBS) -o $@
# A canary is the target with one bug: such a function that errs.
$(BUILD)/tests/fuzz/%_canary.o: tests/fuzz/%_fuzz.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DFUZZ_CANARY -MMD -MP -c $< -o $@
$(BUILD)/tests/fuzz/%_canary: $(BUILD)/tests/fuzz/%_canary.o $(FUZZ_ARCHIVES)
	$(CC) $(FUZZ_LINK) $(FUZZ_WRAPS) $< $(FUZZ_LIBS) -o $@
fuzz-targets: $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%_fuzz)
fuzz-canaries: $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%_canary)
fuzz-build: # Targets and canaries, into build/fuzz
	@+$(FUZZ_MAKE) fuzz-targets fuzz-canaries
fuzz: deps ## Fuzz every parser for SECONDS (10) each
	@+$(FUZZ_MAKE) fuzz-targets
	@tests/fuzz/run $(SECONDS)

-include $(shell find build -path build/src -prune -o -type f -name '*.d' -print 2>/dev/null)
