/* SPDX-License-Identifier: MIT
 *
 * What the tests against PyTorch share: running a script of tests/reference that writes cases into
 * the build folder, and comparing with the files that it wrote.
 */
#ifndef NT_TESTS_PYTORCH_H
#define NT_TESTS_PYTORCH_H

#include "frontend/safetensors.h"
#include "frontend/session.h"
#include "tests/testing.h"

/* Runs tests/reference/SCRIPT FOLDER SEED ARGUMENT with Debian's python3; the folder is made anew
 * beside the test program and stays there. The seed is $NT_SEED, set when it is not.
 * Returns the folder, NULL when PyTorch is not installed; ends the program when the script fails.
 */
const char *pytorch_run(const char *program, const char *script, const char *argument);

extern const char pytorch_missing[]; /* the reason to skip */

/* A tensor of the file as doubles; fails the test when it is not there. */
double *pytorch_tensor(const struct nt_safetensors *file, const char *name, size_t count);

/* Fails unless got is NAME of the file within a relative error of the largest magnitude. */
void pytorch_compare(const struct nt_safetensors *file, const char *name, size_t count,
    const float *got, double tolerance);

/* Row-major data as a session's port wants it. */
void pytorch_lay_out(const struct nt_port *port, const uint32_t *data, uint32_t *laid);

#endif
