/* SPDX-License-Identifier: MIT
 *
 * What libFuzzer calls, and what tests/fuzz/replay.c calls for files.
 */
#ifndef NT_TESTS_FUZZ_FUZZ_H
#define NT_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#define NT_FUZZ_MOST_BYTES ((size_t)64 << 20) /* of one allocation, for inputs of up to 64 KiB */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
