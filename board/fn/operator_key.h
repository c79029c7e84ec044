/* What lets the debug FN believe the debug operator: one published master key and the signing
 * rules.
 *
 * A real FN and its operator share secrets that are put in at the factory. Here anybody may know
 * the master key, because nothing is protected by it: it only lets tests tell a right confirmation
 * from a wrong one.
 *
 *   operator key = CMAC(master, OFD INN (12, spaces right) || FN number (16))
 *   FPO (1078)   = CMAC(operator key, FN number 16 || FD number u32 LE ||
 *                       reception time u32 LE || answer code u8)
 *   FPP          = first 8 bytes of CMAC(operator key, the confirmation's STLV:
 *                       07 00, length, TLVs, 1078 included)
 *
 * CMAC is AES-128-CMAC (RFC 4493). The container body of a confirmation is STLV || FPP. The answer
 * code is 1022 inside 1068 when that is present, else 0; a confirmation of FFD 1.1/1.2 has 1206
 * instead, and code 0.
 */
#ifndef BOARD_FN_OPERATOR_KEY_H
#define BOARD_FN_OPERATOR_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/calendar.h"

#define OPERATOR_KEY_SIZE 16u
#define OPERATOR_FPO_SIZE 16u
#define OPERATOR_FPP_SIZE 8u

/* The ASCII text "OpenKKT debugofd". */
#define OPERATOR_DEBUG_MASTER                                                                      \
    {                                                                                              \
        'O', 'p', 'e', 'n', 'K', 'K', 'T', ' ', 'd', 'e', 'b', 'u', 'g', 'o', 'f', 'd'             \
    }

/* ofd_inn: 10 or 12 digits, trailing spaces allowed; fn_number: up to 16 digits. False when either
 * is empty or too long. */
bool operator_key(const char *ofd_inn, const char *fn_number, uint8_t out[OPERATOR_KEY_SIZE]);
/* The operator's fiscal sign of the reception, value of tag 1078. received: 1012 of the
 * confirmation. */
bool operator_sign_receipt(const char *ofd_inn, const char *fn_number, uint32_t document,
                           unix_s received, uint8_t answer_code, uint8_t fpo[OPERATOR_FPO_SIZE]);
/* The sign of the whole confirmation, to be appended after it. stlv includes the form 7 header. */
bool operator_sign(const char *ofd_inn, const char *fn_number, const uint8_t *stlv, size_t size,
                   uint8_t fpp[OPERATOR_FPP_SIZE]);

#endif
