/* SPDX-License-Identifier: MIT
 *
 * Step by step: a matrix product with the recurrent weight and a launch for the gates.
 */
#include "engine/op/group.h"
#include "engine/op/recurrent.h"

/* Kernel arguments count the offsets of all slots from the buffer's start. */
static int64_t slot(const struct nt_tensor *t, int64_t step)
{
    return t->offset + step * t->stride[0];
}

/* A matrix inside one step of a tensor: columns first .. first + count - 1. */
static struct nt_tensor matrix(
    const struct nt_tensor *t, int64_t step, int64_t first, int64_t columns)
{
    struct nt_tensor view = {.buffer = t->buffer, .dtype = NT_F32};
    int64_t lead = t->shape.rank - 2;
    view.shape = (struct nt_shape){2, {t->shape.dim[lead], columns}};
    view.stride[0] = t->stride[lead];
    view.stride[1] = 1;
    view.offset = (lead ? slot(t, step) : t->offset) + first;
    return view;
}

/* Rows first .. first + rows - 1 of the weight. */
static struct nt_tensor weight_rows(
    const struct nt_tensor *weight, int64_t first, int64_t rows, bool transposed)
{
    int64_t units = weight->shape.dim[1];
    struct nt_tensor view = *weight;
    view.offset += first * units;
    view.shape = (struct nt_shape){2, {transposed ? units : rows, transposed ? rows : units}};
    view.stride[0] = transposed ? 1 : units;
    view.stride[1] = transposed ? units : 1;
    return view;
}

/* c = a b + in; in may be NULL, and may be c. */
static enum nt_status product_sum(struct nt_tape *tape, const struct nt_tensor *a,
    const struct nt_tensor *b, const struct nt_tensor *in, const struct nt_tensor *c)
{
    if (!in)
        return nt_gemm(tape, a, b, c, NULL);
    struct nt_expr *expr = nt_expr_create();
    if (!expr)
        return nt_fail(nt_device_context(nt_tape_device(tape)), NT_ERR_MEMORY,
            "recurrent: host memory is exhausted");
    int term = nt_expr_call(expr, NT_FN_add, nt_expr_input(expr, 0), nt_expr_input(expr, 1), -1);
    struct nt_epilogue epilogue = {.expr = expr, .term = term, .inputs = 1, .in = in};
    enum nt_status status = nt_gemm(tape, a, b, c, &epilogue);
    nt_expr_destroy(expr);
    return status;
}

static void start(struct nt_launch *l, struct nt_tape *tape, const struct nt_recurrent_problem *p,
    const char *entry, int phase)
{
    nt_launch_init(l, tape, "recurrent_gates", entry, "steps", p->reason);
    nt_launch_define(l, "NT_CELL", "%d", (int)p->layer->cell);
    nt_launch_define(l, "NT_PHASE", "%d", phase);
}

static enum nt_status finish(
    struct nt_launch *l, const struct nt_recurrent_problem *p, int64_t step)
{
    double count = (double)p->items * (double)p->units;
    nt_launch_int(l, p->items);
    nt_launch_int(l, p->units);
    nt_launch_int(l, step);
    nt_recurrent_optional(l, p->layer->lengths, p->layer->h, NT_ACCESS_READ);
    nt_group_line(l, p->items * p->units, 64);
    l->bytes = 4 * count * (double)(3 * p->gates + 4);
    return nt_launch_append(l);
}

static bool is_phased(const struct nt_recurrent_problem *p)
{
    return p->layer->cell == NT_CELL_GRU_RESET_FIRST;
}

static enum nt_status forward_gates(struct nt_tape *tape, const struct nt_recurrent_problem *p,
    const struct nt_tensor *sum, int64_t t, int phase)
{
    const struct nt_recurrent *layer = p->layer;
    const struct nt_tensor *s = layer->s ? layer->s : layer->h;
    int64_t old = layer->reverse ? t + 1 : t, new = layer->reverse ? t : t + 1;
    bool lstm = layer->cell == NT_CELL_LSTM;
    struct nt_tensor a = matrix(p->a, t, 0, p->gates * p->units);
    struct nt_tensor gates = matrix(layer->gates, t, 0, p->gates * p->units), y;
    if (p->y)
        y = matrix(p->y, t, 0, p->units);
    struct nt_launch l;
    start(&l, tape, p, "recurrent_gates_forward", phase);
    nt_launch_tensor(&l, &a, NT_ACCESS_READ);
    nt_launch_tensor(&l, sum, NT_ACCESS_READ);
    nt_launch_tensor(&l, &gates, phase ? NT_ACCESS_READ_WRITE : NT_ACCESS_WRITE);
    nt_launch_buffer(&l, layer->h->buffer, NT_ACCESS_READ_WRITE);
    nt_launch_int(&l, slot(layer->h, old));
    nt_launch_int(&l, slot(layer->h, new));
    nt_launch_buffer(&l, s->buffer, lstm ? NT_ACCESS_READ_WRITE : NT_ACCESS_WRITE);
    nt_launch_int(&l, slot(s, lstm ? old : t));
    nt_launch_int(&l, slot(s, lstm ? new : t));
    nt_recurrent_optional(&l, p->y ? &y : NULL, layer->h, NT_ACCESS_WRITE);
    return finish(&l, p, t);
}

/* sum = state W^T + bias for some of the gates. */
static enum nt_status recurrent_sum(struct nt_tape *tape, const struct nt_recurrent_problem *p,
    const struct nt_tensor *state, int64_t step, const struct nt_tensor *sum, int64_t first,
    int64_t count)
{
    const struct nt_recurrent *layer = p->layer;
    struct nt_tensor h = matrix(state, step, 0, p->units);
    struct nt_tensor w = weight_rows(layer->weight, first * p->units, count * p->units, true);
    struct nt_tensor to = matrix(sum, 0, first * p->units, count * p->units), bias;
    if (layer->bias) {
        bias = *layer->bias;
        bias.offset += first * p->units;
        bias.shape = (struct nt_shape){2, {1, count * p->units}};
        bias.stride[0] = 0;
        bias.stride[1] = 1;
    }
    return product_sum(tape, &h, &w, layer->bias ? &bias : NULL, &to);
}

enum nt_status nt_recurrent_steps_forward(
    struct nt_tape *tape, const struct nt_recurrent_problem *p)
{
    const struct nt_recurrent *layer = p->layer;
    struct nt_shape wide = {2, {p->items, p->gates * p->units}};
    int32_t buffer = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)nt_shape_count(&wide) * sizeof(float), "recurrent sums");
    struct nt_tensor sum = nt_tensor_make(buffer, NT_F32, &wide, NT_ROW_MAJOR);
    enum nt_status status = NT_OK;
    for (int64_t k = 0; status == NT_OK && k < p->steps; k++) {
        int64_t t = layer->reverse ? p->steps - 1 - k : k, old = layer->reverse ? t + 1 : t;
        status = recurrent_sum(tape, p, layer->h, old, &sum, 0, p->gates - is_phased(p));
        if (status == NT_OK)
            status = forward_gates(tape, p, &sum, t, 0);
        if (status == NT_OK && is_phased(p))
            status = recurrent_sum(tape, p, layer->s, t, &sum, 2, 1);
        if (status == NT_OK && is_phased(p))
            status = forward_gates(tape, p, &sum, t, 1);
    }
    return status;
}

static enum nt_status backward_gates(struct nt_tape *tape, const struct nt_recurrent_problem *p,
    const struct nt_tensor *ds, int64_t t, int phase)
{
    const struct nt_recurrent *layer = p->layer;
    const struct nt_tensor *s = layer->s ? layer->s : layer->h;
    int64_t old = layer->reverse ? t + 1 : t;
    struct nt_tensor gates = matrix(layer->gates, t, 0, p->gates * p->units), dy;
    struct nt_tensor da = matrix(p->da, t, 0, p->gates * p->units);
    struct nt_tensor dr = matrix(p->dr, t, 0, p->gates * p->units);
    if (p->dy)
        dy = matrix(p->dy, t, 0, p->units);
    struct nt_launch l;
    start(&l, tape, p, "recurrent_gates_backward", phase);
    nt_launch_tensor(&l, &gates, NT_ACCESS_READ);
    nt_launch_buffer(&l, layer->h->buffer, NT_ACCESS_READ);
    nt_launch_int(&l, slot(layer->h, old));
    nt_launch_buffer(&l, s->buffer, NT_ACCESS_READ);
    nt_launch_int(&l, slot(s, layer->cell == NT_CELL_LSTM ? old : t));
    nt_recurrent_optional(&l, p->dy ? &dy : NULL, layer->h, NT_ACCESS_READ);
    nt_launch_tensor(&l, &da, NT_ACCESS_WRITE);
    nt_launch_tensor(&l, &dr, NT_ACCESS_WRITE);
    nt_launch_tensor(&l, p->dh, NT_ACCESS_READ_WRITE);
    nt_launch_tensor(&l, ds ? ds : p->dh, NT_ACCESS_READ_WRITE);
    return finish(&l, p, t);
}

/* to = dr W for some of the gates, added to what is there or instead of it. */
static enum nt_status state_gradient(struct nt_tape *tape, const struct nt_recurrent_problem *p,
    int64_t t, int64_t first, int64_t count, bool add, const struct nt_tensor *to)
{
    struct nt_tensor dr = matrix(p->dr, t, first * p->units, count * p->units);
    struct nt_tensor w = weight_rows(p->layer->weight, first * p->units, count * p->units, false);
    return product_sum(tape, &dr, &w, add ? to : NULL, to);
}

enum nt_status nt_recurrent_steps_backward(
    struct nt_tape *tape, const struct nt_recurrent_problem *p)
{
    const struct nt_recurrent *layer = p->layer;
    struct nt_tensor through, *ds = NULL;
    if (is_phased(p)) {
        through = *p->dh;
        through.offset = 0;
        through.buffer = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
            (size_t)(p->items * p->units) * sizeof(float), "gradient through the reset gate");
        ds = &through;
    }
    enum nt_status status = NT_OK;
    for (int64_t k = p->steps - 1; status == NT_OK && k >= 0; k--) {
        int64_t t = layer->reverse ? p->steps - 1 - k : k;
        status = backward_gates(tape, p, is_phased(p) ? NULL : p->ds, t, 0);
        if (status == NT_OK && is_phased(p))
            status = state_gradient(tape, p, t, 2, 1, false, ds);
        if (status == NT_OK && is_phased(p))
            status = backward_gates(tape, p, ds, t, 1);
        if (status == NT_OK)
            status = state_gradient(tape, p, t, 0, p->gates - is_phased(p), true, p->dh);
    }
    return status;
}
