# lwIP and mbedTLS for the microcontroller boards, from Debian's source packages (tools/fetch-sources): build/mcu/BOARD/liblwip.a and
# libmbedtls.a, with our configurations (board/mcu/lwip, board/mcu/mbedtls_config.h) and the sizes of the board's profile.h.
# Included by board/mcu/firmware.mk. MCU_LIBRARY_FLAGS is for our own files that use the two: board/tls, mcu_net.c.

MCU_SRC           := build/src
MCU_LIBRARY_FLAGS := -isystem $(MCU_SRC)/mbedtls/include -isystem $(MCU_SRC)/lwip/src/include -isystem board/mcu/lwip \
                     -DMBEDTLS_CONFIG_FILE='"board/mcu/mbedtls_config.h"'

MCU_MBEDTLS := aes asn1parse asn1write bignum cipher cipher_wrap constant_time ctr_drbg ecdh ecdsa ecp ecp_curves gcm md \
               memory_buffer_alloc oid pk pk_wrap pkparse platform platform_util sha256 ssl_ciphersuites ssl_cli ssl_msg ssl_tls \
               x509 x509_crt
MCU_LWIP    := core/def core/dns core/inet_chksum core/init core/ip core/mem core/memp core/netif core/pbuf core/tcp core/tcp_in \
               core/tcp_out core/timeouts core/udp core/ipv4/dhcp core/ipv4/etharp core/ipv4/icmp core/ipv4/ip4 core/ipv4/ip4_addr \
               netif/ethernet

# The sources are there when this file is. Their names are known before they are fetched.
$(MCU_SRC)/ready: tools/fetch-sources tools/fetch-sources.sha256
	@tools/fetch-sources
	@touch $@
$(MCU_MBEDTLS:%=$(MCU_SRC)/mbedtls/library/%.c) $(MCU_LWIP:%=$(MCU_SRC)/lwip/src/%.c): | $(MCU_SRC)/ready ;

# Their warnings are theirs (-w); what they need of stack is ours to know.
MCU_LIBRARY_CFLAGS = -mcpu=cortex-m3 -mthumb -Os -ffunction-sections -fdata-sections -std=gnu11 -w -g -fstack-usage -fcallgraph-info=su \
                     -I. $(MCU_LIBRARY_FLAGS)

# $(1) board
define mcu_library_rules
build/mcu/$(1)/mbedtls/%.o: $(MCU_SRC)/mbedtls/library/%.c $(MCU_SRC)/ready board/mcu/mbedtls_config.h board/$(1)/profile.h
	@mkdir -p $$(@D)
	$$(CROSS)gcc $$(MCU_LIBRARY_CFLAGS) -include board/$(1)/profile.h -c $$< -o $$@
build/mcu/$(1)/lwip/%.o: $(MCU_SRC)/lwip/src/%.c $(MCU_SRC)/ready board/mcu/lwip/lwipopts.h board/mcu/lwip/arch/cc.h board/$(1)/profile.h
	@mkdir -p $$(@D)
	$$(CROSS)gcc $$(MCU_LIBRARY_CFLAGS) -include board/$(1)/profile.h -c $$< -o $$@
build/mcu/$(1)/libmbedtls.a: $(MCU_MBEDTLS:%=build/mcu/$(1)/mbedtls/%.o)
	@rm -f $$@
	$$(CROSS)ar rcs $$@ $$^
build/mcu/$(1)/liblwip.a: $(MCU_LWIP:%=build/mcu/$(1)/lwip/%.o)
	@rm -f $$@
	$$(CROSS)ar rcs $$@ $$^
endef
$(foreach board,mps2 lm3s,$(eval $(call mcu_library_rules,$(board))))
