/* SPDX-License-Identifier: MIT
 *
 * Texts in UTF-8, which is what JSON and the heads of weight files hold. Names of files need not
 * be.
 */
#ifndef NT_FRONTEND_UTF8_H
#define NT_FRONTEND_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NT_UTF8_SIZE 5 /* bytes of a character and a zero */

/* The character at *p, which moves behind it; -1 when it is not UTF-8, or a zero. */
int32_t nt_utf8_decode(const uint8_t **p, const uint8_t *end);
void nt_utf8_encode(uint32_t code, char text[NT_UTF8_SIZE]);

/* Whether all of it is; a zero is not. */
bool nt_utf8_is(const char *text, size_t size);

/* Puts '?' in place of each byte that is not part of a character; returns text. */
char *nt_utf8_mend(char *text);

#endif
