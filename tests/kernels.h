/* SPDX-License-Identifier: MIT
 *
 * Kernel sources that exist for tests alone, in a folder of their own that $NEUTRA_CL_DIR
 * names while the test runs.
 */
#ifndef NT_TESTS_KERNELS_H
#define NT_TESTS_KERNELS_H

/* Makes the folder with affine.cl (out = a * in + NT_B); called before a device is opened.
 * The folder is removed at exit. Returns its path. */
const char *test_kernels(void);

/* Writes one more file into the folder. */
void test_kernel_file(const char *name, const char *text);

#endif
