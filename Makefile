# OpenKKT. `make help` lists the targets.
#
# A folder's main.c is a program; every other .c of the folder goes into the folder's archive.
# BUILD and MODE choose where and how: MODE= plain, MODE=asan with the sanitizers.

SHELL    := /bin/bash
VERSION  := $(shell cat VERSION)
BUILD    ?= build$(if $(MODE),/$(MODE))
CC       ?= gcc
PREFIX   ?= /usr/local
CROSS    ?= arm-none-eabi-
PKGS     := libserialport libusb-1.0 sqlite3 json-c cairo libqrencode

WARN     := -Wall -Wextra -Wconversion -Wshadow -Werror
CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=c11 $(WARN) $(CFLAGS) -fPIC -I. -D_GNU_SOURCE -DOPENKKT_VERSION='"$(VERSION)"' \
             $(if $(filter asan,$(MODE)),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
comma    := ,
LDFLAGS_ALL = $(LDFLAGS) $(if $(filter asan,$(MODE)),-fsanitize=address$(comma)undefined)
LIBS      = $(shell pkg-config --libs $(PKGS)) -lmbedtls -lmbedx509 -lmbedcrypto -lpthread

sources   = $(filter-out %/main.c,$(wildcard $(1)/*.c))
objects   = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
ARCHIVES := proto firmware board/fn board/printer board/tls board/posix hostdrv tools/common tools/kkt tools/ofd
# Link order: users before what they use.
LINK_ARCHIVES = $(foreach a,tools/kkt tools/ofd tools/common hostdrv board/posix board/fn board/printer board/tls firmware proto,\
                $(if $(call sources,$(a)),$(BUILD)/$(a).a))
PROGRAMS := kkt kkt-board kkt-fn kkt-ofd
main_kkt       := tools/kkt/main.c
main_kkt-board := board/posix/main.c
main_kkt-fn    := board/fn/main.c
main_kkt-ofd   := tools/ofd/main.c
present_programs := $(foreach p,$(PROGRAMS),$(if $(wildcard $(main_$(p))),$(p)))
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*_test.c))

.PHONY: all help tests clean
all: $(addprefix $(BUILD)/,$(present_programs)) ## Build the PC side (default)

help: ## List the targets
	@awk -F':.*## ' '/^[a-zA-Z_-]+:.*## /{printf "  make %-14s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

define archive_rule
$(BUILD)/$(1).a: $(call objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach a,$(ARCHIVES),$(if $(call sources,$(a)),$(eval $(call archive_rule,$(a)))))

define program_rule
$(BUILD)/$(1): $(BUILD)/$(main_$(1):.c=.o) $(LINK_ARCHIVES)
	$(CC) $(LDFLAGS_ALL) $$< -Wl,--start-group $(LINK_ARCHIVES) -Wl,--end-group $(LIBS) -o $$@
endef
$(foreach p,$(present_programs),$(eval $(call program_rule,$(p))))

$(BUILD)/tests/unit/%_test: $(BUILD)/tests/unit/%_test.o $(LINK_ARCHIVES)
	$(CC) $(LDFLAGS_ALL) $< -Wl,--start-group $(LINK_ARCHIVES) -Wl,--end-group -lcmocka $(LIBS) $(shell pkg-config --libs umockdev-1.0 2>/dev/null) -o $@
$(BUILD)/tests/unit/serial_test.o: ALL_CFLAGS += $(shell pkg-config --cflags umockdev-1.0 2>/dev/null)

tests: $(addprefix $(BUILD)/tests/unit/,$(UNIT_TESTS)) ## Build the unit tests

# `make unit-NAME` builds and runs tests/unit/NAME_test.c
unit-%: $(BUILD)/tests/unit/%_test
	$<

clean: ## Remove what was built
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
