# Firmware images of the microcontroller boards, into build/mcu/BOARD. lwIP and mbedTLS come from
# libraries.mk.

MCU_FLAGS  = -mcpu=cortex-m3 -mthumb -Os -g -ffreestanding -ffunction-sections -fdata-sections -fstack-usage -fcallgraph-info=su \
             -std=c11 $(WARN) -DOPENKKT_VERSION='"$(VERSION)"' -Iboard/mcu/include -I. -include board/$(1)/profile.h $(MCU_LIBRARY_FLAGS)
MCU_LINK   = -mcpu=cortex-m3 -mthumb -nostartfiles --specs=nano.specs --specs=nosys.specs -Wl,--gc-sections -Wl,--no-warn-rwx-segments
include board/mcu/libraries.mk
# Where our own objects and the images go; a test that wants other ones has another folder and MCU_EXTRA flags.
MCU       ?= build/mcu
MCU_EXTRA ?=

# The maker's key. This one is for development: whoever builds the tree has it.
MCU_KEY = build/mcu/development-key.pem
$(MCU_KEY): | $(BUILD)/kkt-image
	@mkdir -p $(@D)
	$(BUILD)/kkt-image keygen $@
build/mcu/public_key.c: $(MCU_KEY)
	{ echo "/* Made from $(MCU_KEY). */"; echo "extern const unsigned char image_public_key[64];"; \
	  echo "const unsigned char image_public_key[64] = {"; $(BUILD)/kkt-image public $<; echo "};"; } >$@

mcu_sources = $(call sources,firmware) $(call sources,proto) $(wildcard board/mcu/*.c) $(wildcard board/tls/*.c) $(wildcard board/$(1)/*.c)
mcu_objects = $(patsubst %.c,$(MCU)/$(1)/%.o,$(call mcu_sources,$(1)))
mcu_libraries = build/mcu/$(1)/liblwip.a build/mcu/$(1)/libmbedtls.a

define mcu_board_rule
$$(MCU)/$(1)/%.o: %.c | $$(MCU_SRC)/ready
	@mkdir -p $$(@D)
	$$(CROSS)gcc $$(call MCU_FLAGS,$(1)) $$(MCU_EXTRA) -MMD -MP -c $$< -o $$@
endef
$(foreach b,mps2 lm3s,$(eval $(call mcu_board_rule,$(b))))

define mps2_image_rule
$$(MCU)/mps2/image-$(1).ld: board/mcu/image.ld board/mps2/memory.h
	@mkdir -p $$(@D)
	$$(CROSS)gcc -E -P -x c -I. -include board/mps2/memory.h '-DIMAGE_AT=$(2) + IMAGE_HEADER_SIZE' '-DIMAGE_BYTES=SLOT_SIZE - IMAGE_HEADER_SIZE' $$< -o $$@
$$(MCU)/mps2/image-$(1).elf: $$(MCU)/mps2/image-$(1).ld $$(call mcu_objects,mps2) build/mcu/public_key.o $$(call mcu_libraries,mps2)
	$$(CROSS)gcc $$(MCU_LINK) -T $$< -Wl,-Map=$$(@:.elf=.map) $$(call mcu_objects,mps2) build/mcu/public_key.o -Wl,--start-group $$(call mcu_libraries,mps2) -lc -lgcc -Wl,--end-group -o $$@
$$(MCU)/mps2/image-$(1).raw: $$(MCU)/mps2/image-$(1).elf
	$$(CROSS)objcopy -O binary $$< $$@
$$(MCU)/mps2/image-$(1).bin: $$(MCU)/mps2/image-$(1).raw $(MCU_KEY) $(BUILD)/kkt-image
	$(BUILD)/kkt-image make --board mps2 --address $(3) --version $(VERSION) --key $(MCU_KEY) -o $$@ $$<
endef
$(eval $(call mps2_image_rule,a,SLOT_A_BASE,0x21F80000))
$(eval $(call mps2_image_rule,b,SLOT_B_BASE,0x21FBA000))

# What people hand round: both slots' images.
MCU_UPDATE = $(MCU)/openkkt-mps2-$(VERSION).kktfw
$(MCU_UPDATE): $(MCU)/mps2/image-a.bin $(MCU)/mps2/image-b.bin
	cat $^ >$@

# The lm3s6965 starts its one image by itself.
$(MCU)/lm3s/image.ld: board/mcu/image.ld board/lm3s/memory.h
	@mkdir -p $(@D)
	$(CROSS)gcc -E -P -x c -I. -include board/lm3s/memory.h -DIMAGE_AT=IMAGE_BASE -DIMAGE_BYTES=IMAGE_SIZE $< -o $@
$(MCU)/lm3s/image.elf: $(MCU)/lm3s/image.ld $(call mcu_objects,lm3s) $(call mcu_libraries,lm3s)
	$(CROSS)gcc $(MCU_LINK) -T $< -Wl,-Map=$(@:.elf=.map) $(call mcu_objects,lm3s) -Wl,--start-group $(call mcu_libraries,lm3s) -lc -lgcc -Wl,--end-group -o $@

# ---- first stage -----------------------------------------------------------------------------------

BOOT_OBJECTS = $(patsubst %.c,$(MCU)/mps2/%.o,board/boot/boot.c board/boot/vectors.c board/mcu/mcu_signature.c \
               board/mcu/mcu_slots.c board/mps2/mps2_slots.c board/mps2/mps2_time.c board/mcu/mcu_store.c board/mcu/mcu_start.c \
               board/mcu/mcu_fault.c board/mcu/mcu_mpu.c board/mps2/psram_flash.c \
               proto/firmware_image.c proto/sha256.c proto/crc.c proto/bytes.c) build/mcu/public_key.o
build/mcu/public_key.o: build/mcu/public_key.c
	$(CROSS)gcc $(call MCU_FLAGS,mps2) -c $< -o $@
$(MCU)/mps2/boot.ld: board/boot/boot.ld board/mps2/memory.h
	@mkdir -p $(@D)
	$(CROSS)gcc -E -P -x c -I. $< -o $@
$(MCU)/mps2/boot.elf: $(MCU)/mps2/boot.ld $(BOOT_OBJECTS) build/mcu/mps2/libmbedtls.a
	$(CROSS)gcc $(MCU_LINK) -T $< -Wl,-Map=$(@:.elf=.map) $(BOOT_OBJECTS) -Wl,--start-group build/mcu/mps2/libmbedtls.a -lc -lgcc -Wl,--end-group -o $@

.PHONY: firmware
firmware: ## Build the images of the microcontroller boards and compare their size with the limits
	@echo "building the images for $(CROSS:%-=%)"
	@$(MAKE) --no-print-directory -s -j2 $(MCU_UPDATE) $(MCU)/mps2/boot.elf $(MCU)/lm3s/image.elf
	@CROSS=$(CROSS) tests/mcu/sizes mps2 $(MCU)/mps2/image-a.elf $(MCU)/mps2/image-a.map $(MCU)/mps2/boot.elf
	@CROSS=$(CROSS) tests/mcu/stack mps2 $(MCU)/mps2/image-a.elf $(call mcu_objects,mps2) \
	    $(MCU_MBEDTLS:%=build/mcu/mps2/mbedtls/%.o) $(MCU_LWIP:%=build/mcu/mps2/lwip/%.o)
	@CROSS=$(CROSS) tests/mcu/sizes lm3s $(MCU)/lm3s/image.elf $(MCU)/lm3s/image.map
	@CROSS=$(CROSS) tests/mcu/stack lm3s $(MCU)/lm3s/image.elf $(call mcu_objects,lm3s) \
	    $(MCU_MBEDTLS:%=build/mcu/lm3s/mbedtls/%.o) $(MCU_LWIP:%=build/mcu/lm3s/lwip/%.o)
