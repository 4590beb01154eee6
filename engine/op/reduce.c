/* SPDX-License-Identifier: MIT */
#include "engine/op/group.h"
#include "engine/op/loop.h"
#include "engine/primitives.h"
#include "engine/text.h"
#include "engine/variant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_SIZE 256
#define GROUP_COLUMNS 32        /* neighbours that load side by side */
#define COLUMN_VECTORS 16       /* of a chunk: its sums stay in the first-level cache */
#define LANE_ELEMENTS 256       /* that one work-item adds up one after the other, at most */
#define FOLD_ELEMENTS 8192      /* below this, short rows are not worth a second launch */
#define JOIN_ELEMENTS (1 << 16) /* joining parts of fewer takes longer than they save */
#define FEW_ELEMENTS (1 << 20)  /* compiling another kernel takes longer than all these sums */

const char *const nt_reduce_variants[] = {"tile", "group", NULL};

static const char *const names[] = {"SUM", "MAX", "MIN", "PROD"};
static const double neutral[] = {0, -INFINITY, INFINITY, 1};

/* Operand 0 of the loops is the result, the others are the used inputs. */
struct reduction {
    struct nt_tape *tape;
    const char *variant, *reason;
    enum nt_reduction operation;
    const struct nt_expr *expr;
    int terms, term[2], inputs;
    const struct nt_tensor *in;
    bool used[NT_MAP_INPUTS];
    struct nt_loop kept, reduced;
    double scale, work;
    struct nt_tensor out[2]; /* with the same strides */
};

/* How a pass is launched: n is the vector dimension, kept (columns) or reduced (rows). */
struct pass {
    bool tile, columns;
    bool shared; /* small sums, for which one kernel does */
    int64_t n, inner[NT_LOOP_OPERANDS];
    struct nt_loop kept, reduced; /* without it */
    int64_t results, rows;        /* their counts */
    int64_t parts, chunk, block;  /* of n and of rows for a part */
    int64_t results_block;        /* tile */
    int vector;
    int items, lanes; /* group: work-items of a work-group, and of a result */
};

static double distinct(const struct nt_loop *kept, const struct nt_loop *reduced, int operand)
{
    double count = 1;
    for (int i = 0; i < kept->rank; i++)
        count *= kept->stride[operand][i] ? (double)kept->extent[i] : 1;
    for (int i = 0; i < reduced->rank; i++)
        count *= reduced->stride[operand][i] ? (double)reduced->extent[i] : 1;
    return count;
}

/* The input with most elements: its layout orders the loops. */
static int main_operand(const struct reduction *r)
{
    int best = r->kept.operands > 1 ? 1 : 0;
    for (int k = 2; k < r->kept.operands; k++)
        if (distinct(&r->kept, &r->reduced, k) > distinct(&r->kept, &r->reduced, best))
            best = k;
    return best;
}

/* Stride of the innermost dimension, as a rank of how well it suits vectors: lower is better. */
static int64_t step_of(const struct nt_loop *loop, int operand)
{
    int64_t stride = loop->rank ? llabs(loop->stride[operand][loop->rank - 1]) : 0;
    return stride ? stride : INT64_MAX;
}

static int64_t up(int64_t count, int64_t by)
{
    return (count + by - 1) / by;
}

/* Parts for CPU devices: none when the results alone make enough work-groups. */
static void plan_tile(const struct reduction *r, struct pass *p)
{
    int width = (int)nt_device_get_info(nt_tape_device(r->tape))->vector_width;
    int64_t groups = nt_loop_groups(r->tape, r->work);
    p->shared = p->columns && r->work <= FEW_ELEMENTS;
    p->vector = nt_loop_vector(width, p->shared ? 16 : p->n);
    p->chunk = p->n;
    p->block = p->rows;
    p->results_block = 1;
    if (p->columns && p->chunk > COLUMN_VECTORS * p->vector)
        p->chunk = COLUMN_VECTORS * p->vector;
    int64_t chunks = p->columns ? up(p->n, p->chunk) : 1;
    int64_t split = groups / (p->results * chunks);
    if (split < 2 || p->results * p->rows * p->n < JOIN_ELEMENTS)
        p->results_block = up(p->results * chunks, groups);
    else if (p->rows >= split)
        p->block = up(p->rows, split);
    else if (!p->columns) {
        p->chunk = up(up(p->n * p->rows, split), 4 * p->vector) * 4 * p->vector;
        p->block = 1;
    }
    p->parts = up(p->rows, p->block) * (p->columns ? 1 : up(p->n, p->chunk));
}

static int power_of_two(int64_t count, int64_t limit)
{
    int64_t power = 1;
    while (power < count && 2 * power <= limit)
        power *= 2;
    return (int)power;
}

/* Parts for GPUs: enough work-items, and none with too long a sum. chunk counts elements of all
 * rows in "rows" kernels. */
static void plan_group(const struct reduction *r, struct pass *p)
{
    const struct nt_device_info *info = nt_device_get_info(nt_tape_device(r->tape));
    int64_t count = p->columns ? p->rows : p->rows * p->n, shared;
    int width = p->columns ? power_of_two(p->n, GROUP_COLUMNS) : 1;
    p->vector = 1;
    p->items = (int)nt_group_items(nt_tape_device(r->tape), GROUP_SIZE);
    width = width < p->items ? width : p->items;
    p->lanes = power_of_two(count, p->items / width);
    shared = p->columns ? up(p->n, p->items / p->lanes) * p->items : p->lanes;
    int64_t wanted = 2048 * (int64_t)info->compute_units / (p->results * shared);
    if (wanted > count / (8 * p->lanes))
        wanted = count / (8 * p->lanes);
    if (wanted < up(count, (int64_t)p->lanes * LANE_ELEMENTS))
        wanted = up(count, (int64_t)p->lanes * LANE_ELEMENTS);
    p->block = p->chunk = up(count, wanted < 1 ? 1 : wanted);
    p->parts = up(count, p->block);
}

static struct pass plan(const struct reduction *r)
{
    struct pass p = {.tile = !strcmp(r->variant, "tile"), .kept = r->kept, .reduced = r->reduced};
    int main = main_operand(r);
    p.columns = step_of(&r->kept, main) < step_of(&r->reduced, main);
    p.n = nt_loop_pop(p.columns ? &p.kept : &p.reduced, p.inner);
    p.results = nt_loop_count(&p.kept);
    p.rows = nt_loop_count(&p.reduced);
    if (p.tile)
        plan_tile(r, &p);
    else
        plan_group(r, &p);
    return p;
}

/* How input i, operand k of the loops, is walked along the vector dimension. */
static const char *kind_of(const struct reduction *r, const struct pass *p, int i, int k)
{
    if (r->in[i].buffer == NT_BUFFER_NUMBER)
        return "V";
    return p->n == 1 ? "S" : nt_loop_kind(p->inner[k], false);
}

static void define_inputs(struct nt_launch *l, const struct reduction *r, const struct pass *p)
{
    struct nt_text text = {0};
    nt_text_string(&text, "");
    for (int i = 0, k = 1; i < r->inputs; i++)
        if (r->used[i])
            nt_text_format(
                &text, "X(%d, %s, %s) ", i, kind_of(r, p, i, k++), nt_loop_type(r->in[i].dtype));
    nt_launch_define(l, "NT_INPUTS(X)", "%s", text.data ? text.data : "");
    if (text.failed && l->status == NT_OK)
        l->status = NT_ERR_MEMORY;
    free(text.data);
}

/* The size of the first of two levels of a sum over so many vectors. */
static int64_t flush_of(const struct pass *p)
{
    double vectors = (double)p->block * (p->columns ? 1 : (double)up(p->chunk, p->vector));
    int64_t root = (int64_t)sqrt(vectors);
    return root < 16 ? 16 : root;
}

static void add_sizes(struct nt_launch *l, const struct reduction *r, const struct pass *p)
{
    int64_t chunk = p->chunk < p->n ? p->chunk : p->n;
    if (p->tile) {
        const int64_t sizes[] = {
            p->n, chunk, p->rows, p->block, p->results, p->results_block, flush_of(p)};
        for (int i = 0; i < 7; i++)
            nt_launch_int(l, sizes[i]);
        size_t grid[] = {(size_t)up(p->n, chunk), (size_t)up(p->rows, p->block),
            (size_t)up(p->results, p->results_block)};
        nt_launch_grid(l, 3, grid, NULL);
    } else {
        int64_t width = p->items / p->lanes, chunks = up(p->n, width);
        const int64_t columns[] = {p->n, chunks, p->rows, p->block, p->parts};
        const int64_t rows[] = {p->n, p->rows * p->n, p->chunk, p->parts, p->results};
        for (int i = 0; i < 5; i++)
            nt_launch_int(l, p->columns ? columns[i] : rows[i]);
        int64_t groups = p->parts * (p->columns ? chunks * p->results : up(p->results, width));
        nt_group_line(l, groups * p->items, (size_t)p->items);
    }
    nt_launch_float(l, (float)r->scale);
}

static enum nt_status launch(const struct reduction *r, const struct pass *p)
{
    static const char *const entries[2][2] = {
        {"reduce_rows_group", "reduce_columns_group"}, {"reduce_rows_tile", "reduce_columns_tile"}};
    static const char *const kernels[2][2] = {
        {"NT_ROWS_GROUP", "NT_COLUMNS_GROUP"}, {"NT_ROWS_TILE", "NT_COLUMNS_TILE"}};
    struct nt_launch l;
    const char *into = nt_loop_kind(p->n == 1 ? 1 : p->inner[0], true);
    nt_launch_init(&l, r->tape, "reduce", entries[p->tile][p->columns], r->variant, r->reason);
    nt_launch_define(&l, kernels[p->tile][p->columns], "1");
    nt_launch_define(&l, "NT_VEC", "%d", p->vector);
    nt_launch_define(&l, "NT_KEPT", "%d", p->kept.rank);
    nt_launch_define(&l, "NT_REDUCED", "%d", p->reduced.rank);
    nt_launch_define(&l, "NT_OPERATION", "%s", names[r->operation]);
    nt_launch_define(&l, "NT_TERMS", "%d", r->terms);
    if (p->n % p->vector || p->shared)
        nt_launch_define(&l, "NT_PARTS", "1");
    if (p->columns)
        nt_launch_define(&l, "NT_INTO", "%s", into);
    if (p->columns && p->tile)
        nt_launch_define(&l, "NT_COLUMNS", "%d", COLUMN_VECTORS);
    if (!p->tile)
        nt_launch_define(&l, "NT_LANES", "%d", p->lanes);
    define_inputs(&l, r, p);
    nt_loop_expression(&l, r->expr, r->terms, r->term);
    add_sizes(&l, r, p);
    nt_loop_extents(&l, &p->kept);
    nt_loop_extents(&l, &p->reduced);
    for (int i = 0; i < r->terms; i++)
        nt_launch_tensor(&l, &r->out[i], NT_ACCESS_WRITE);
    nt_launch_int(&l, p->parts > 1 ? nt_loop_count(&r->kept) : 0);
    nt_loop_strides(&l, &p->kept, 0);
    if (p->columns && !strcmp(into, "G"))
        nt_launch_int(&l, p->inner[0]);
    for (int i = 0, k = 1; i < r->inputs; i++) {
        if (!r->used[i])
            continue;
        if (r->in[i].buffer == NT_BUFFER_NUMBER) {
            nt_launch_float(&l, (float)nt_tensor_get_number(&r->in[i]));
            nt_launch_int(&l, 0);
        } else {
            nt_launch_tensor(&l, &r->in[i], NT_ACCESS_READ);
        }
        nt_loop_strides(&l, &p->kept, k);
        nt_loop_strides(&l, &p->reduced, k);
        if (!strcmp(kind_of(r, p, i, k), "G"))
            nt_launch_int(&l, p->inner[k]);
        l.bytes += distinct(&r->kept, &r->reduced, k) * (double)nt_dtype_size(r->in[i].dtype);
        k++;
    }
    l.flops = r->work;
    return nt_launch_append(&l);
}

/* Rows much shorter than a vector chunk, as in the gradient of a bias of few channels: as many
 * of them as divide their number are taken as one row, when all inputs allow it. Returns how
 * many. The result then has that many sums of each column, one after the other. */
static int64_t fold(struct reduction *r)
{
    int64_t c = r->kept.extent[0], rows = r->reduced.extent[0], best = 1;
    if (r->kept.rank != 1 || r->reduced.rank != 1 || c >= 64 || c * rows < FOLD_ELEMENTS)
        return 1;
    for (int k = 1; k < r->kept.operands; k++) {
        int64_t along = r->kept.stride[k][0], across = r->reduced.stride[k][0];
        if (!(along == 1 && across == c) && !(along == 0 && across == 0))
            return 1;
    }
    for (int64_t k = 2; k * c <= 256; k++)
        if (rows % k == 0 && (k * c % 16 == 0 || best * c % 16 != 0))
            best = k;
    r->kept.extent[0] = c * best;
    r->reduced.extent[0] = rows / best;
    for (int k = 1; k < r->kept.operands; k++)
        r->reduced.stride[k][0] *= best;
    return best;
}

static enum nt_status append(const struct reduction *r);

/* Partial results go to a workspace, and a second reduction joins them. */
static enum nt_status append_parts(
    const struct reduction *whole, struct reduction *first, const struct pass *planned)
{
    struct pass p = *planned;
    int64_t results = nt_loop_count(&first->kept), wanted = nt_loop_count(&whole->kept);
    int64_t count = p.parts * results, stride = 1;
    struct nt_shape shape = {1, {count}};
    int32_t buffer = nt_tape_buffer(whole->tape, NT_BUFFER_TRANSIENT,
        (size_t)(whole->terms * count) * sizeof(float), "partial results");
    for (int i = 0; i < whole->terms; i++) {
        first->out[i] = nt_tensor_make(buffer, NT_F32, &shape, NT_ROW_MAJOR);
        first->out[i].offset = i * count;
    }
    first->scale = 1;
    if (p.columns)
        p.inner[0] = stride, stride = p.n;
    for (int d = p.kept.rank - 1; d >= 0; d--) {
        p.kept.stride[0][d] = stride;
        stride *= p.kept.extent[d];
    }
    enum nt_status status = launch(first, &p);
    struct nt_expr *identity = nt_expr_create();
    if (!identity || status != NT_OK) {
        nt_expr_destroy(identity);
        return status != NT_OK ? status
                               : nt_fail(nt_device_context(nt_tape_device(whole->tape)),
                                     NT_ERR_MEMORY, "reduce: out of memory");
    }
    struct reduction last = *whole;
    last.expr = identity;
    last.inputs = whole->terms;
    last.in = first->out;
    last.work = (double)(whole->terms * count);
    last.kept.operands = last.reduced.operands = 1 + whole->terms;
    for (int i = 0; i < whole->terms; i++) {
        last.term[i] = nt_expr_input(identity, i);
        last.used[i] = true;
    }
    stride = 1;
    for (int d = last.kept.rank - 1; d >= 0; d--) {
        last.kept.stride[1][d] = last.kept.stride[2][d] = stride;
        stride *= last.kept.extent[d];
    }
    last.reduced.rank = 1;
    last.reduced.extent[0] = count / wanted;
    last.reduced.stride[0][0] = 0;
    last.reduced.stride[1][0] = last.reduced.stride[2][0] = wanted;
    status = append(&last);
    nt_expr_destroy(identity);
    return status;
}

static enum nt_status append(const struct reduction *r)
{
    struct reduction first = *r;
    int64_t folded = !strcmp(r->variant, "tile") ? fold(&first) : 1;
    struct pass p = plan(&first);
    if (r->terms > 1 && !(p.tile && p.columns)) { /* which have no kernel for several */
        enum nt_status status = NT_OK;
        for (int i = 0; status == NT_OK && i < r->terms; i++) {
            struct reduction one = *r;
            one.terms = 1;
            one.term[0] = r->term[i];
            one.out[0] = r->out[i];
            status = append(&one);
        }
        return status;
    }
    if (p.parts > 1 || folded > 1)
        return append_parts(r, &first, &p);
    return launch(r, &p);
}

static enum nt_status check_inputs(
    struct nt_context *ctx, struct reduction *r, struct nt_shape *shape)
{
    char a[128], b[128];
    if (r->inputs < 1 || r->inputs > NT_MAP_INPUTS)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "reduce: %d inputs: must be 1 to %d", r->inputs, NT_MAP_INPUTS);
    *shape = r->in[0].shape;
    for (int i = 0; i < r->inputs; i++) {
        if (!nt_loop_type(r->in[i].dtype) || r->in[i].buffer == NT_BUFFER_INDEX)
            return nt_fail(ctx, NT_ERR_UNSUPPORTED,
                "reduce: input %d is %s: must be float32, int32, uint8 or bool", i,
                nt_dtype_name(r->in[i].dtype));
        if (!nt_shape_broadcast(shape, &r->in[i].shape, shape))
            return nt_fail(ctx, NT_ERR_SHAPE,
                "reduce: input %d is %s, those before it %s: "
                "must broadcast",
                i, nt_shape_text(&r->in[i].shape, a, sizeof a), nt_shape_text(shape, b, sizeof b));
    }
    if (!nt_loop_uses(r->expr, r->terms, r->term, r->inputs, r->used))
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "reduce: the expression is incomplete or needs more than the %d inputs given",
            r->inputs);
    return NT_OK;
}

static enum nt_status check_out(
    struct nt_context *ctx, const struct nt_shape *shape, const struct nt_tensor *out)
{
    char a[128], b[128];
    int lead = shape->rank - out->shape.rank;
    bool fits = lead >= 0;
    if (out->dtype != NT_F32)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "reduce: result of %s: must be float32",
            nt_dtype_name(out->dtype));
    for (int i = 0; i < out->shape.rank && fits; i++)
        fits = out->shape.dim[i] == shape->dim[i + lead] || out->shape.dim[i] == 1;
    if (!fits)
        return nt_fail(ctx, NT_ERR_SHAPE,
            "reduce: from %s to %s: each extent of the result must be the same or 1",
            nt_shape_text(shape, a, sizeof a), nt_shape_text(&out->shape, b, sizeof b));
    return NT_OK;
}

/* Divides the dimensions into kept and reduced ones, with the strides of every operand. */
static void make_loops(
    struct reduction *r, const struct nt_shape *shape, const struct nt_tensor *out)
{
    struct nt_loop all = nt_loop_make(shape);
    int lead = shape->rank - out->shape.rank;
    nt_loop_add(&all, out);
    for (int i = 0; i < r->inputs; i++)
        if (r->used[i])
            nt_loop_add(&all, &r->in[i]);
    r->kept.operands = r->reduced.operands = all.operands;
    for (int i = 0; i < shape->rank; i++) {
        int64_t strides[NT_LOOP_OPERANDS];
        for (int k = 0; k < all.operands; k++)
            strides[k] = all.stride[k][i];
        bool kept = i >= lead && out->shape.dim[i - lead] == shape->dim[i];
        nt_loop_push(kept ? &r->kept : &r->reduced, shape->dim[i], strides);
    }
}

static enum nt_status reduce(struct reduction *r)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(r->tape));
    const struct nt_tensor *out = r->out;
    struct nt_shape shape;
    enum nt_status status = check_inputs(ctx, r, &shape);
    for (int i = 0; status == NT_OK && i < r->terms; i++)
        status = check_out(ctx, &shape, &out[i]);
    if (status == NT_OK)
        status = nt_choose(r->tape, "reduce", nt_reduce_variants, NULL, &r->variant, &r->reason);
    if (status != NT_OK || nt_shape_count(&out->shape) == 0)
        return status;
    if (nt_shape_count(&shape) == 0) {
        for (int i = 0; status == NT_OK && i < r->terms; i++)
            status = nt_fill(r->tape, neutral[r->operation], &out[i]);
        return status;
    }
    make_loops(r, &shape, out);
    double cost = r->kept.operands;
    for (int i = 0; i < r->terms; i++)
        cost += nt_expr_cost(r->expr, r->term[i]);
    r->work = (double)nt_shape_count(&shape) * cost;
    int main = main_operand(r);
    nt_loop_collapse(&r->kept, main);
    nt_loop_collapse(&r->reduced, main);
    return append(r);
}

enum nt_status nt_reduce(struct nt_tape *tape, enum nt_reduction reduction,
    const struct nt_expr *expr, int term, int inputs, const struct nt_tensor *in, double scale,
    const struct nt_tensor *out)
{
    struct reduction r = {.tape = tape,
        .operation = reduction,
        .expr = expr,
        .terms = 1,
        .term = {term},
        .inputs = inputs,
        .in = in,
        .scale = reduction == NT_REDUCE_SUM ? scale : 1,
        .out = {*out}};
    return reduce(&r);
}

enum nt_status nt_reduce_two(struct nt_tape *tape, enum nt_reduction reduction,
    const struct nt_expr *expr, const int term[2], int inputs, const struct nt_tensor *in,
    double scale, const struct nt_tensor out[2])
{
    bool same = nt_shape_equal(&out[0].shape, &out[1].shape);
    for (int i = 0; same && i < out[0].shape.rank; i++)
        same = out[0].shape.dim[i] == 1 || out[0].stride[i] == out[1].stride[i];
    if (same) {
        struct reduction r = {.tape = tape,
            .operation = reduction,
            .expr = expr,
            .terms = 2,
            .term = {term[0], term[1]},
            .inputs = inputs,
            .in = in,
            .scale = reduction == NT_REDUCE_SUM ? scale : 1,
            .out = {out[0], out[1]}};
        return reduce(&r);
    }
    enum nt_status status = nt_reduce(tape, reduction, expr, term[0], inputs, in, scale, &out[0]);
    return status == NT_OK ? nt_reduce(tape, reduction, expr, term[1], inputs, in, scale, &out[1])
                           : status;
}
