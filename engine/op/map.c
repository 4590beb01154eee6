/* SPDX-License-Identifier: MIT */
#include "engine/op/group.h"
#include "engine/op/loop.h"
#include "engine/primitives.h"
#include "engine/text.h"
#include "engine/variant.h"

#include <stdlib.h>
#include <string.h>

#define GROUP_SIZE 128

const char *const nt_map_variants[] = {"tile", "group", NULL};

struct operands {
    int outputs, inputs;
    const struct nt_tensor *out, *in;
    bool used[NT_MAP_INPUTS];
};

static bool is_index(const struct nt_tensor *tensor)
{
    return tensor->buffer == NT_BUFFER_INDEX;
}

static bool is_number(const struct nt_tensor *tensor)
{
    return tensor->buffer == NT_BUFFER_NUMBER;
}

static bool is_key(const struct nt_tensor *tensor)
{
    return tensor->dtype == NT_I64 && nt_shape_count(&tensor->shape) == 1;
}

static enum nt_status check_shapes(struct nt_context *ctx, const struct operands *o)
{
    char text[128], other[128];
    const struct nt_shape *shape = &o->out[0].shape;
    nt_shape_text(shape, text, sizeof text);
    bool empty = nt_shape_count(shape) == 0;
    for (int i = 0; i < o->outputs; i++) {
        if (is_index(&o->out[i]) || is_number(&o->out[i]))
            return nt_fail(ctx, NT_ERR_ARGUMENT, "map: output %d: has no memory", i);
        if (!nt_shape_equal(&o->out[i].shape, shape))
            return nt_fail(ctx, NT_ERR_SHAPE, "map: output %d is %s, output 0 is %s: must be equal",
                i, nt_shape_text(&o->out[i].shape, other, sizeof other), text);
        for (int d = 0; d < shape->rank && !empty; d++)
            if (shape->dim[d] > 1 && o->out[i].stride[d] == 0)
                return nt_fail(ctx, NT_ERR_SHAPE,
                    "map: output %d of %s repeats along dimension %d: cannot be written", i, text,
                    d);
    }
    for (int i = 0; i < o->inputs; i++) {
        struct nt_shape both;
        if (!nt_shape_broadcast(&o->in[i].shape, shape, &both) || !nt_shape_equal(&both, shape))
            return nt_fail(ctx, NT_ERR_SHAPE,
                "map: input %d is %s, the output %s: must broadcast to it", i,
                nt_shape_text(&o->in[i].shape, other, sizeof other), text);
    }
    return NT_OK;
}

static enum nt_status check(
    struct nt_context *ctx, const struct nt_expr *expr, const int *terms, struct operands *o)
{
    if (o->outputs < 1 || o->outputs > NT_MAP_OUTPUTS)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "map: %d outputs: must be 1 to %d", o->outputs, NT_MAP_OUTPUTS);
    if (o->inputs < 0 || o->inputs > NT_MAP_INPUTS)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "map: %d inputs: must be at most %d", o->inputs, NT_MAP_INPUTS);
    for (int i = 0; i < o->outputs + o->inputs; i++) {
        bool output = i < o->outputs;
        const struct nt_tensor *tensor = output ? &o->out[i] : &o->in[i - o->outputs];
        enum nt_dtype dtype = tensor->dtype;
        if (!nt_loop_type(dtype) && (output || !is_key(tensor)))
            return nt_fail(ctx, NT_ERR_UNSUPPORTED,
                "map: %s %d is %s: must be float32, int32, uint8 or bool",
                output ? "output" : "input", output ? i : i - o->outputs, nt_dtype_name(dtype));
    }
    if (!nt_loop_uses(expr, o->outputs, terms, o->inputs, o->used))
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "map: the expression is incomplete or needs more than the %d inputs given", o->inputs);
    return check_shapes(ctx, o);
}

static const char *kind_of(const struct nt_tensor *tensor, int64_t inner, bool output)
{
    if (is_index(tensor))
        return "I";
    if (is_number(tensor))
        return "V";
    return is_key(tensor) ? "K" : nt_loop_kind(inner, output);
}

/* "X(0, D, f32) X(2, S, u8)" for the operands of one side. */
static void define_list(struct nt_launch *launch, const char *name, int count,
    const struct nt_tensor *tensors, const bool *used, const int64_t *inner, bool output)
{
    struct nt_text text = {0};
    nt_text_string(&text, "");
    for (int i = 0, k = 0; i < count; i++)
        if (!used || used[i]) {
            const char *kind = kind_of(&tensors[i], inner[k++], output);
            const char *type = is_key(&tensors[i]) ? "i64" : nt_loop_type(tensors[i].dtype);
            nt_text_format(&text, "X(%d, %s, %s) ", i, kind, type);
        }
    nt_launch_define(launch, name, "%s", text.data ? text.data : "");
    if (text.failed && launch->status == NT_OK)
        launch->status = NT_ERR_MEMORY;
    free(text.data);
}

static void add_operand(struct nt_launch *launch, const struct nt_tensor *tensor,
    enum nt_access access, const struct nt_loop *outer, int operand, int64_t inner)
{
    char kind = *kind_of(tensor, inner, access == NT_ACCESS_WRITE);
    if (kind == 'V')
        nt_launch_float(launch, (float)nt_tensor_get_number(tensor));
    if (kind == 'I' || kind == 'V')
        nt_launch_int(launch, kind == 'I' ? tensor->offset : 0);
    else
        nt_launch_tensor(launch, tensor, access);
    nt_loop_strides(launch, outer, operand);
    if (kind == 'G' || kind == 'I')
        nt_launch_int(launch, inner);
}

/* Vectors of four when every dense operand's rows start at multiples of four. */
static int aligned_vector(
    const struct operands *o, const struct nt_loop *outer, int64_t n, const int64_t *inner)
{
    bool fits = n % 4 == 0;
    for (int i = 0, k = 0; i < o->outputs + o->inputs; i++) {
        if (i >= o->outputs && !o->used[i - o->outputs])
            continue;
        const struct nt_tensor *t = i < o->outputs ? &o->out[i] : &o->in[i - o->outputs];
        if (is_index(t) || is_key(t) || is_number(t)) {
            k++;
            continue;
        }
        bool gathers = inner[k] != 1 && (inner[k] != 0 || i < o->outputs);
        fits = fits && !gathers;
        for (int d = 0; d < outer->rank; d++)
            fits = fits && (inner[k] == 0 || outer->stride[k][d] % 4 == 0);
        fits = fits && (inner[k] == 0 || t->offset % 4 == 0);
        k++;
    }
    return fits ? 4 : 1;
}

static double bytes_of(const struct nt_tensor *tensor)
{
    double bytes = tensor->buffer < 0 ? 0 : (double)nt_dtype_size(tensor->dtype);
    for (int i = 0; i < tensor->shape.rank; i++)
        bytes *= tensor->stride[i] ? (double)tensor->shape.dim[i] : 1;
    return bytes;
}

/* Puts the operands that are used into the loop, and what they move and cost for one element into
 * the launch; true when one is a key of random numbers. */
static bool add_operands(struct nt_launch *l, struct nt_loop *loop, const struct operands *o,
    const struct nt_expr *expr, const int *terms)
{
    bool random = false;
    for (int i = 0; i < o->outputs; i++) {
        nt_loop_add(loop, &o->out[i]);
        l->bytes += bytes_of(&o->out[i]);
        l->flops += nt_expr_cost(expr, terms[i]);
    }
    for (int i = 0; i < o->inputs; i++)
        if (o->used[i]) {
            nt_loop_add(loop, &o->in[i]);
            l->bytes += bytes_of(&o->in[i]);
            random |= is_key(&o->in[i]);
        }
    return random;
}

enum nt_status nt_map(struct nt_tape *tape, const struct nt_expr *expr, int outputs,
    const int *terms, const struct nt_tensor *out, int inputs, const struct nt_tensor *in)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    struct operands o = {.outputs = outputs, .inputs = inputs, .out = out, .in = in};
    const char *variant, *reason;
    enum nt_status status = check(ctx, expr, terms, &o);
    if (status == NT_OK)
        status = nt_choose(tape, "map", nt_map_variants, NULL, &variant, &reason);
    if (status != NT_OK || nt_shape_count(&out[0].shape) == 0)
        return status;

    struct nt_loop loop = nt_loop_make(&out[0].shape);
    struct nt_launch l;
    bool tile = !strcmp(variant, "tile");
    nt_launch_init(&l, tape, "map", tile ? "map_tile" : "map_group", variant, reason);
    bool random = add_operands(&l, &loop, &o, expr, terms);
    l.flops *= (double)nt_loop_count(&loop);
    nt_loop_collapse(&loop, 0);
    int64_t inner[NT_LOOP_OPERANDS], n = nt_loop_pop(&loop, inner), rows = nt_loop_count(&loop);
    if (n == 1)
        for (int i = 0; i < loop.operands; i++)
            inner[i] = 1;

    int width = (int)nt_device_get_info(nt_tape_device(tape))->vector_width;
    int vector = tile ? nt_loop_vector(width, n) : aligned_vector(&o, &loop, n, inner);
    nt_launch_define(&l, tile ? "NT_TILE" : "NT_GROUP", "1");
    nt_launch_define(&l, "NT_VEC", "%d", vector);
    if (n % vector)
        nt_launch_define(&l, "NT_PARTS", "1");
    if (random)
        nt_launch_define(&l, "NT_RANDOM", "1");
    if (nt_expr_is_integers(expr))
        nt_launch_define(&l, "NT_INTEGERS", "1");
    nt_launch_define(&l, "NT_OUTER", "%d", loop.rank);
    define_list(&l, "NT_OUTPUTS(X)", outputs, out, NULL, inner, true);
    define_list(&l, "NT_INPUTS(X)", inputs, in, o.used, inner + outputs, false);
    nt_loop_expression(&l, expr, outputs, terms);
    if (tile) {
        double work = l.flops + l.bytes / 4;
        nt_loop_divide(&l, rows, n, vector, nt_loop_groups(tape, work));
    } else {
        int64_t count = rows * (n / vector);
        nt_launch_int(&l, n / vector);
        nt_launch_int(&l, count);
        nt_group_line(&l, count, GROUP_SIZE);
    }
    nt_loop_extents(&l, &loop);
    for (int i = 0; i < outputs; i++)
        add_operand(&l, &out[i], NT_ACCESS_WRITE, &loop, i, inner[i]);
    for (int i = 0, k = outputs; i < inputs; i++)
        if (o.used[i]) {
            add_operand(&l, &in[i], NT_ACCESS_READ, &loop, k, inner[k]);
            k++;
        }
    return nt_launch_append(&l);
}
