/* SPDX-License-Identifier: MIT */
#include "engine/op/loop.h"

#include "engine/expr_terms.h"

#include <stdlib.h>

/* A work-group that does less than this takes about as long to start as to run. */
#define WORK_PER_GROUP 16384
#define GROUPS_PER_UNIT 8

struct nt_loop nt_loop_make(const struct nt_shape *shape)
{
    struct nt_loop loop = {.rank = shape->rank};
    for (int i = 0; i < shape->rank; i++)
        loop.extent[i] = shape->dim[i];
    return loop;
}

void nt_loop_add(struct nt_loop *loop, const struct nt_tensor *tensor)
{
    struct nt_shape shape = {.rank = loop->rank};
    for (int i = 0; i < loop->rank; i++)
        shape.dim[i] = loop->extent[i];
    struct nt_tensor t = nt_tensor_broadcast(tensor, &shape);
    for (int i = 0; i < loop->rank; i++)
        loop->stride[loop->operands][i] = t.stride[i];
    loop->operands++;
}

void nt_loop_push(struct nt_loop *loop, int64_t extent, const int64_t *stride)
{
    loop->extent[loop->rank] = extent;
    for (int k = 0; k < loop->operands; k++)
        loop->stride[k][loop->rank] = stride[k];
    loop->rank++;
}

static void copy_dim(struct nt_loop *loop, int to, int from)
{
    loop->extent[to] = loop->extent[from];
    for (int k = 0; k < loop->operands; k++)
        loop->stride[k][to] = loop->stride[k][from];
}

static void swap_dims(struct nt_loop *loop, int i, int j)
{
    struct nt_loop old = *loop;
    loop->extent[i] = old.extent[j];
    loop->extent[j] = old.extent[i];
    for (int k = 0; k < loop->operands; k++) {
        loop->stride[k][i] = old.stride[k][j];
        loop->stride[k][j] = old.stride[k][i];
    }
}

static bool is_slower(int64_t a, int64_t b)
{
    return b != 0 && (a == 0 || llabs(a) > llabs(b));
}

/* Whether every operand walks dimension i and then j as one. */
static bool joins(const struct nt_loop *loop, int i, int j)
{
    for (int k = 0; k < loop->operands; k++)
        if (loop->stride[k][i] != loop->stride[k][j] * loop->extent[j])
            return false;
    return true;
}

void nt_loop_collapse(struct nt_loop *loop, int by)
{
    int rank = 0;
    for (int i = 0; i < loop->rank; i++)
        if (loop->extent[i] != 1)
            copy_dim(loop, rank++, i);
    loop->rank = rank;
    for (int i = 1; i < rank && by < loop->operands; i++)
        for (int j = i; j > 0 && is_slower(loop->stride[by][j], loop->stride[by][j - 1]); j--)
            swap_dims(loop, j, j - 1);
    int last = 0;
    for (int i = 1; i < rank; i++) {
        if (joins(loop, last, i)) {
            int64_t extent = loop->extent[last] * loop->extent[i];
            copy_dim(loop, last, i);
            loop->extent[last] = extent;
        } else {
            copy_dim(loop, ++last, i);
        }
    }
    loop->rank = rank ? last + 1 : 0;
}

int64_t nt_loop_pop(struct nt_loop *loop, int64_t stride[NT_LOOP_OPERANDS])
{
    for (int k = 0; k < loop->operands; k++)
        stride[k] = loop->rank ? loop->stride[k][loop->rank - 1] : 0;
    return loop->rank ? loop->extent[--loop->rank] : 1;
}

void nt_loop_remove(struct nt_loop *loop, int dim)
{
    for (int i = dim; i + 1 < loop->rank; i++)
        copy_dim(loop, i, i + 1);
    loop->rank--;
}

int64_t nt_loop_count(const struct nt_loop *loop)
{
    int64_t count = 1;
    for (int i = 0; i < loop->rank; i++)
        count *= loop->extent[i];
    return count;
}

const char *nt_loop_kind(int64_t inner_stride, bool output)
{
    if (inner_stride == 1)
        return "D";
    return inner_stride == 0 && !output ? "S" : "G";
}

const char *nt_loop_type(enum nt_dtype dtype)
{
    switch (dtype) {
    case NT_F32:
        return "f32";
    case NT_I32:
        return "i32";
    case NT_U8:
        return "u8";
    case NT_BOOL:
        return "bool";
    default:
        return NULL;
    }
}

void nt_loop_extents(struct nt_launch *launch, const struct nt_loop *loop)
{
    for (int i = 1; i < loop->rank; i++)
        nt_launch_int(launch, loop->extent[i]);
}

void nt_loop_strides(struct nt_launch *launch, const struct nt_loop *loop, int operand)
{
    for (int i = 0; i < loop->rank; i++)
        nt_launch_int(launch, loop->stride[operand][i]);
}

bool nt_loop_uses(const struct nt_expr *expr, int count, const int *terms, int inputs, bool *used)
{
    bool *needed = calloc((size_t)expr->count + 1, sizeof *needed), fits = needed != NULL;
    for (int i = 0; i < inputs; i++)
        used[i] = false;
    for (int i = 0; i < count && fits; i++) {
        fits = nt_expr_ok(expr) && terms[i] >= 0 && terms[i] < expr->count;
        if (fits)
            nt_expr_mark(expr, terms[i], needed);
    }
    for (int i = 0; i < expr->count && fits; i++) {
        if (!needed[i] || expr->terms[i].fn != NT_TERM_INPUT)
            continue;
        fits = expr->terms[i].arg[0] < inputs;
        if (fits)
            used[expr->terms[i].arg[0]] = true;
    }
    free(needed);
    return fits;
}

void nt_loop_expression(
    struct nt_launch *launch, const struct nt_expr *expr, int count, const int *terms)
{
    char *source = nt_expr_source(expr, count, terms);
    for (char *s = source; s && *s; s++)
        if (*s == '\n')
            *s = ' ';
    if (source)
        nt_launch_define(launch, "NT_EXPRESSION", "%s", source);
    else if (launch->status == NT_OK)
        launch->status = nt_fail(nt_device_context(nt_tape_device(launch->tape)), NT_ERR_MEMORY,
            "%s: out of memory", launch->entry);
    free(source);
}

int nt_loop_vector(int64_t width, int64_t count)
{
    int limit = 1, whole = 1;
    while (limit < 16 && 2 * limit <= width)
        limit *= 2;
    while (whole < limit && count % (2 * whole) == 0)
        whole *= 2;
    bool is_short = count <= limit || (4 * whole >= limit && count <= 8 * limit);
    return is_short ? whole : limit;
}

int64_t nt_loop_groups(struct nt_tape *tape, double work)
{
    unsigned units = nt_device_get_info(nt_tape_device(tape))->compute_units;
    int64_t most = GROUPS_PER_UNIT * (int64_t)(units ? units : 1);
    if (work >= (double)WORK_PER_GROUP * (double)most)
        return most;
    return work < 2.0 * WORK_PER_GROUP ? 1 : (int64_t)(work / WORK_PER_GROUP);
}

void nt_loop_divide(struct nt_launch *launch, int64_t rows, int64_t n, int vector, int64_t groups)
{
    int64_t chunk = n, block = 1, align = 4 * vector;
    if (rows >= groups)
        block = (rows + groups - 1) / groups;
    else
        chunk = (n * rows / groups + align - 1) / align * align;
    if (chunk < align)
        chunk = align;
    if (chunk > n)
        chunk = n;
    nt_launch_int(launch, n);
    nt_launch_int(launch, chunk);
    nt_launch_int(launch, rows);
    nt_launch_int(launch, block);
    size_t grid[2] = {(size_t)((n + chunk - 1) / chunk), (size_t)((rows + block - 1) / block)};
    nt_launch_grid(launch, 2, grid, NULL);
}
