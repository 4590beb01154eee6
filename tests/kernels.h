/* SPDX-License-Identifier: MIT
 *
 * Kernel sources that exist for tests alone, in a folder of their own that $NEUTRA_CL_DIR
 * names while the test runs.
 */
#ifndef NT_TESTS_KERNELS_H
#define NT_TESTS_KERNELS_H

#include "engine/launch.h"

/* Makes the folder with affine.cl; called before a device is opened. The folder and what was
 * put there with test_kernel_file are removed at exit. Returns its path. */
const char *test_kernels(void);

/* Writes one more file into the folder. */
void test_kernel_file(const char *name, const char *text);

/* A float32 row-major tensor of rank 1 over a buffer. */
struct nt_tensor test_vector(int32_t buffer, int64_t count);

/* Appends out = a * in + b; b is a define ("0.5f"), so it makes the unit. */
enum nt_status test_affine(
    struct nt_tape *tape, float a, const char *b, int32_t in, int32_t out, int64_t count);

/* Appends one launch of an entry of a stem with arguments (in, out, count), without checks. */
enum nt_status test_launch(struct nt_tape *tape, const char *stem, const char *entry, int32_t in,
    int32_t out, int64_t count);

/* A folder that is removed with the plain files in it at exit, in a static buffer. */
const char *test_folder(void);

#endif
