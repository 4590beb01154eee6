/* SPDX-License-Identifier: MIT
 *
 * The 16-bit floating-point formats of files, widened exactly. Thread-safety: pure functions.
 */
#ifndef NT_FRONTEND_HALF_H
#define NT_FRONTEND_HALF_H

#include <stdint.h>

float nt_half_to_float(uint16_t bits);          /* IEEE 754 binary16 */
float nt_half_bfloat16_to_float(uint16_t bits); /* the upper half of a float */

#endif
