/* SPDX-License-Identifier: MIT
 *
 * Matrix products by CLBlast, which has kernels tuned for many GPUs. It knows no epilogue: that
 * is a map launch after the product, in place.
 */
#include "engine/op/gemm.h"

#ifdef NT_HAVE_CLBLAST
#include "engine/op/epilogue.h"
#include "engine/opencl.h"

#include <clblast_c.h>
#include <stdlib.h>

struct product {
    CLBlastTranspose a_transpose, b_transpose;
    size_t m, n, k, a_offset, a_ld, b_offset, b_ld, c_offset, c_ld;
    bool temporary; /* memory[3] is CLBlast's workspace */
};

static int enqueue(const void *user, void *queue, void *const *memory, void *event)
{
    const struct product *p = user;
    cl_command_queue q = queue;
    return CLBlastSgemmWithTempBuffer(CLBlastLayoutRowMajor, p->a_transpose, p->b_transpose, p->m,
        p->n, p->k, 1.0f, memory[0], p->a_offset, p->a_ld, memory[1], p->b_offset, p->b_ld, 0.0f,
        memory[2], p->c_offset, p->c_ld, &q, event, p->temporary ? memory[3] : NULL);
}

/* The distance of rows; of a single row it does not matter, but CLBlast checks it. */
static size_t leading(int64_t step, int64_t rows, int64_t columns)
{
    return (size_t)(rows > 1 && step > columns ? step : columns);
}

const char *nt_gemm_clblast_rule(const struct nt_gemm_problem *g)
{
    int64_t a_rows = g->a_columns ? g->k : g->m, a_columns = g->a_columns ? g->m : g->k;
    int64_t b_rows = g->b_columns ? g->n : g->k, b_columns = g->b_columns ? g->k : g->n;
    if (g->c->shape.rank != 2 || g->k == 0)
        return "CLBlast takes products of rank 2 with k above 0";
    if ((a_rows > 1 && g->a_step < a_columns) || (b_rows > 1 && g->b_step < b_columns) ||
        (g->m > 1 && g->c_step < g->n))
        return "CLBlast takes no overlapping rows";
    return NULL;
}

enum nt_status nt_gemm_clblast(
    struct nt_tape *tape, const struct nt_gemm_problem *g, const char *reason)
{
    struct nt_device *dev = nt_tape_device(tape);
    bool after = g->epilogue && g->epilogue->expr;
    struct nt_tensor product = *g->c;
    if (after && nt_epilogue_reads(g->epilogue, g->c))
        product = nt_tensor_make(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
                                     (size_t)(g->m * g->n) * sizeof(float), "product"),
            NT_F32, &g->c->shape, NT_ROW_MAJOR);
    struct product p = {.a_transpose = g->a_columns ? CLBlastTransposeYes : CLBlastTransposeNo,
        .b_transpose = g->b_columns ? CLBlastTransposeYes : CLBlastTransposeNo,
        .m = (size_t)g->m,
        .n = (size_t)g->n,
        .k = (size_t)g->k,
        .a_offset = (size_t)g->a->offset,
        .b_offset = (size_t)g->b->offset,
        .c_offset = (size_t)product.offset};
    p.a_ld = g->a_columns ? leading(g->a_step, g->k, g->m) : leading(g->a_step, g->m, g->k);
    p.b_ld = g->b_columns ? leading(g->b_step, g->n, g->k) : leading(g->b_step, g->k, g->n);
    p.c_ld = leading(product.stride[0], g->m, g->n);
    size_t bytes = 0;
    int code = CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, p.a_transpose, p.b_transpose, p.m,
        p.n, p.k, p.a_offset, p.a_ld, p.b_offset, p.b_ld, p.c_offset, p.c_ld, &dev->queue, &bytes);
    if (code != CLBlastSuccess)
        return nt_fail(dev->ctx, NT_ERR_DEVICE, "gemm: CLBlast refuses %lldx%lldx%lld: code %d",
            (long long)g->m, (long long)g->n, (long long)g->k, code);
    struct nt_launch l;
    nt_launch_init(&l, tape, "gemm_clblast", "gemm_clblast", "clblast", reason);
    nt_launch_tensor(&l, g->a, NT_ACCESS_READ);
    nt_launch_tensor(&l, g->b, NT_ACCESS_READ);
    nt_launch_tensor(&l, &product, NT_ACCESS_WRITE);
    p.temporary = bytes > 0;
    if (p.temporary)
        nt_launch_buffer(&l, nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, bytes, "CLBlast workspace"),
            NT_ACCESS_WRITE);
    struct product *user = malloc(sizeof *user);
    if (!user)
        l.status = nt_fail(dev->ctx, NT_ERR_MEMORY, "gemm: out of memory");
    else
        *user = p;
    l.user = user;
    l.call = enqueue;
    l.flops = 2.0 * (double)g->m * (double)g->n * (double)g->k;
    l.bytes = 4.0 * (double)(g->m * g->k + g->k * g->n + g->m * g->n);
    enum nt_status status = nt_launch_append(&l);
    return status == NT_OK && after ? nt_epilogue_after(tape, g->epilogue, &product, g->c) : status;
}
#endif
