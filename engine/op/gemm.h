/* SPDX-License-Identifier: MIT
 *
 * A checked matrix product, as the variants of gemm receive it. Private to engine/op/.
 */
#ifndef NT_ENGINE_OP_GEMM_H
#define NT_ENGINE_OP_GEMM_H

#include "engine/launch.h"
#include "engine/primitives.h"

struct nt_gemm_problem {
    const struct nt_tensor *a, *b, *c;
    const struct nt_epilogue *epilogue;
    int64_t m, n, k, batch;
    bool a_columns, b_columns;      /* stride 1 lies in the first of the two last dimensions */
    int64_t a_step, b_step, c_step; /* the other stride */
    int64_t a_batch, b_batch, c_batch;
};

/* For CPU devices: B is read once, as it lies. Whether that is faster than packing it. */
bool nt_gemm_few_pays(const struct nt_device *dev, const struct nt_gemm_problem *g);
enum nt_status nt_gemm_few(
    struct nt_tape *tape, const struct nt_gemm_problem *g, const char *reason);

/* For GPUs that are better off without local memory. */
enum nt_status nt_gemm_registers(
    struct nt_tape *tape, const struct nt_gemm_problem *g, const char *reason);

/* With NT_HAVE_CLBLAST. The rule that a product breaks, NULL when CLBlast can compute it. */
const char *nt_gemm_clblast_rule(const struct nt_gemm_problem *g);
enum nt_status nt_gemm_clblast(
    struct nt_tape *tape, const struct nt_gemm_problem *g, const char *reason);

#endif
