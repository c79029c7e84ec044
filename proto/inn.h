/* Check digits of the taxpayer number (INN) and of the register's registration number (RNM). */
#ifndef PROTO_INN_H
#define PROTO_INN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 10 or 12 ASCII digits, trailing spaces allowed; both check digits of the 12-digit form are
 * verified. */
bool inn_valid(const uint8_t *inn, size_t length);

#define RNM_DIGITS 16
/* Writes the 16 digits of the registration number: sequence (10 digits, ASCII) and its CRC-16 over
 * sequence, INN and serial, the two latter padded with zeros on the left to 12 and 20 (FFD §63).
 * inn and serial without padding. */
void rnm_make(const char sequence[10], const char *inn, const char *serial, char out[RNM_DIGITS]);
/* rnm: 16 digits, trailing spaces allowed. */
bool rnm_valid(const uint8_t *rnm, size_t length, const char *inn, const char *serial);

#endif
