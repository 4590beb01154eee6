/* SPDX-License-Identifier: MIT */
#include "frontend/op/norm.h"

#include <string.h>

#include "frontend/op/layer.h"

static const struct nt_attr_spec attrs[] = {
    {"axes", NT_ATTR_INTS, "reduced dimensions", .required = true, .count = 8},
    {"groups", NT_ATTR_INT, "groups that dimension 1 is reduced in; 0: none"},
    {"epsilon", NT_ATTR_FLOAT, "added to the variance"},
};
enum { AXES, GROUPS, EPSILON, ATTRS };

static void set_attrs(const struct nt_norm *norm, struct nt_attr attr[ATTRS])
{
    memset(attr, 0, ATTRS * sizeof *attr);
    for (int i = 0; i < ATTRS; i++)
        attr[i].set = true;
    attr[AXES].count = norm->axes;
    for (int i = 0; i < norm->axes; i++)
        attr[AXES].ints[i] = norm->axis[i];
    attr[GROUPS].number = (double)norm->groups;
    attr[EPSILON].number = norm->epsilon;
}

static struct nt_shape statistics_shape(
    const struct nt_graph *graph, const struct nt_node *node, int x)
{
    struct nt_shape shape = graph->value[x].shape;
    for (int i = 0; i < node->attr[AXES].count; i++)
        shape.dim[node->attr[AXES].ints[i]] = 1;
    return shape;
}

/* ---- the statistics ---- */

static enum nt_status statistics_infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape shape = statistics_shape(graph, node, node->input[0]);
    for (int i = 0; i < 4; i++)
        graph->value[node->output[i]].shape =
            i < 2 || node->inputs < 4 ? shape : graph->value[node->input[1]].shape;
    return NT_OK;
}

/* A view of full rank in which dimension 1 is divided into groups and channels of a group. */
static struct nt_tensor divide(
    const struct nt_tensor *tensor, const struct nt_shape *shape, int64_t groups)
{
    struct nt_tensor t = nt_tensor_broadcast(tensor, shape);
    if (groups == 0)
        return t;
    for (int i = t.shape.rank; i > 2; i--) {
        t.shape.dim[i] = t.shape.dim[i - 1];
        t.stride[i] = t.stride[i - 1];
    }
    t.shape.rank++;
    t.shape.dim[2] = t.shape.dim[1] / groups;
    t.shape.dim[1] = groups;
    t.stride[2] = t.stride[1];
    t.stride[1] *= t.shape.dim[2];
    return t;
}

/* The shape of what remains of a divided tensor. */
static struct nt_shape reduced_shape(const struct nt_node *node, const struct nt_shape *divided)
{
    struct nt_shape shape = *divided;
    bool groups = nt_attr_int(node, "groups") > 0;
    for (int i = 0; i < node->attr[AXES].count; i++) {
        int64_t axis = node->attr[AXES].ints[i];
        shape.dim[axis + (groups && axis > 1)] = 1;
    }
    if (groups)
        shape.dim[2] = 1;
    return shape;
}

static struct nt_tensor transient(
    struct nt_lowering *lowering, const struct nt_shape *shape, const char *name)
{
    size_t bytes = (size_t)nt_shape_count(shape) * sizeof(float);
    int32_t buffer = nt_tape_buffer(lowering->tape, NT_BUFFER_TRANSIENT, bytes, name);
    return nt_tensor_make(buffer, NT_F32, shape, NT_ROW_MAJOR);
}

/* The same numbers in row-major order as a list. */
static struct nt_tensor as_list(const struct nt_tensor *tensor)
{
    struct nt_shape flat = {1, {nt_shape_count(&tensor->shape)}};
    struct nt_tensor list = nt_tensor_make(tensor->buffer, NT_F32, &flat, NT_ROW_MAJOR);
    list.offset = tensor->offset;
    return list;
}

/* Parses terms over inputs named a, b, c, ... */
static enum nt_status parse(struct nt_context *ctx, struct nt_expr **expr, int inputs, int count,
    const char *const *texts, int *terms)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    int input[8];
    enum nt_status status = NT_OK;
    *expr = nt_expr_create();
    if (!*expr)
        return nt_fail(ctx, NT_ERR_MEMORY, "norm: host memory is exhausted");
    for (int i = 0; i < inputs; i++)
        input[i] = nt_expr_input(*expr, i);
    for (int i = 0; status == NT_OK && i < count; i++)
        status = nt_expr_parse(ctx, *expr, texts[i], inputs, names, input, &terms[i]);
    return status;
}

/* What one_pass sums up, or two_passes: with `shift` mean and variance follow from the mean of the
 * differences from it and that of their squares, else they are known. */
struct moments {
    const struct nt_tensor *shift, *first, *second;
};

/* The mean where it is not known yet, rstd and the running statistics: one launch. */
static enum nt_status finish(struct nt_lowering *lowering, const struct nt_node *node,
    const struct moments *m, const struct nt_tensor *mean, const struct nt_tensor *rstd,
    double count)
{
    static const char *const shifted[] = {"b + c", "1 / sqrt(max(d - c * c, 0) + a)",
        "e + f * (b + c - e)", "g + f * (max(d - c * c, 0) * h - g)"};
    static const char *const known[] = {
        "1 / sqrt(d + a)", "e + f * (c - e)", "g + f * (d * h - g)"};
    struct nt_tape *tape = lowering->tape;
    bool running = node->inputs == 4;
    int outputs = 0, inputs = running ? 8 : 4;
    struct nt_tensor out[4],
        in[8] = {nt_tensor_number(nt_attr_float(node, "epsilon")),
            as_list(m->shift ? m->shift : m->first), as_list(m->first), as_list(m->second)};
    if (m->shift)
        out[outputs++] = as_list(mean);
    out[outputs++] = as_list(rstd);
    if (running) {
        struct nt_tensor old[3];
        for (int i = 0; i < 3; i++)
            old[i] = nt_lower_tensor(lowering, node->input[1 + i]);
        for (int i = 0; i < 2; i++) {
            struct nt_tensor fresh = nt_lower_tensor(lowering, node->output[2 + i]);
            out[outputs++] = as_list(&fresh);
        }
        in[4] = as_list(&old[0]);
        in[5] = old[2];
        in[6] = as_list(&old[1]);
        in[7] = nt_tensor_number(count > 1 ? count / (count - 1) : 1);
    }
    struct nt_expr *expr;
    int terms[4];
    enum nt_status status = parse(nt_device_context(nt_tape_device(tape)), &expr, inputs, outputs,
        m->shift ? shifted : known, terms);
    if (status == NT_OK)
        status = nt_map(tape, expr, outputs, terms, out, inputs, in);
    nt_expr_destroy(expr);
    return status;
}

/* The variance as the mean square of the differences from the mean. */
static enum nt_status two_passes(struct nt_tape *tape, const struct nt_tensor *x,
    const struct nt_tensor *mean, const struct nt_tensor *var, double count)
{
    static const char *const texts[] = {"a", "(a - b) * (a - b)"};
    struct nt_expr *expr;
    int terms[2];
    struct nt_tensor in[2] = {*x, nt_tensor_broadcast(mean, &x->shape)};
    enum nt_status status =
        parse(nt_device_context(nt_tape_device(tape)), &expr, 2, 2, texts, terms);
    if (status == NT_OK)
        status = nt_reduce(tape, NT_REDUCE_SUM, expr, terms[0], 1, in, 1 / count, mean);
    if (status == NT_OK)
        status = nt_reduce(tape, NT_REDUCE_SUM, expr, terms[1], 2, in, 1 / count, var);
    nt_expr_destroy(expr);
    return status;
}

/* The dimension of which one_pass takes the first index alone: a reduced one of pixels, else of
 * images; -1 where kernels do not add up two terms in one pass. */
static int sampled_axis(const struct nt_node *node, const struct nt_tensor *x)
{
    int axis = -1;
    for (int i = 0; i < node->attr[AXES].count; i++) {
        int64_t other = node->attr[AXES].ints[i];
        if (other == 1)
            return -1;
        axis = axis < 1 ? (int)other : axis;
    }
    return nt_attr_int(node, "groups") > 0 || x->stride[1] != 1 ? -1 : axis;
}

/* With d = x - shift: mean = shift + sum d / n, variance = sum d^2 / n - (sum d / n)^2, which loses
 * few digits where the shift is near the mean (Chan, Golub, LeVeque 1983, section 2): here it is
 * the mean of the first index of dimension `axis`. */
static enum nt_status one_pass(struct nt_tape *tape, const struct nt_tensor *x, int axis,
    const struct nt_tensor *shift, const struct nt_tensor sums[2], double count)
{
    static const char *const texts[] = {"a", "a - b", "(a - b) * (a - b)"};
    struct nt_tensor sample = *x, all[2] = {*x, nt_tensor_broadcast(shift, &x->shape)};
    struct nt_expr *expr;
    int terms[3];
    enum nt_status status =
        parse(nt_device_context(nt_tape_device(tape)), &expr, 2, 3, texts, terms);
    sample.shape.dim[axis] = 1;
    if (status == NT_OK)
        status = nt_reduce(tape, NT_REDUCE_SUM, expr, terms[0], 1, &sample,
            (double)x->shape.dim[axis] / count, shift);
    if (status == NT_OK)
        status = nt_reduce_two(tape, NT_REDUCE_SUM, expr, terms + 1, 2, all, 1 / count, sums);
    nt_expr_destroy(expr);
    return status;
}

/* Repeats what belongs to a group for its channels. */
static enum nt_status repeat(struct nt_lowering *lowering, const struct nt_node *node,
    const struct nt_tensor *part, int output)
{
    struct nt_tensor out = nt_lower_tensor(lowering, node->output[output]);
    struct nt_tensor to = divide(&out, &out.shape, nt_attr_int(node, "groups"));
    struct nt_tensor from = nt_tensor_broadcast(part, &to.shape);
    return nt_move(lowering->tape, &from, &to);
}

static enum nt_status statistics_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    int64_t groups = nt_attr_int(node, "groups");
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    x = divide(&x, &x.shape, groups);
    struct nt_shape shape = reduced_shape(node, &x.shape);
    double count = (double)nt_shape_count(&x.shape) / (double)nt_shape_count(&shape);
    struct nt_tensor mean, rstd, shift, sums[2];
    if (groups > 0) {
        mean = transient(lowering, &shape, "mean");
        rstd = transient(lowering, &shape, "1 / deviation");
    } else {
        mean = nt_lower_tensor(lowering, node->output[0]);
        rstd = nt_lower_tensor(lowering, node->output[1]);
    }
    int axis = sampled_axis(node, &x);
    struct moments moments = {NULL, &mean, &sums[1]};
    sums[1] = transient(lowering, &shape, axis < 0 ? "variance" : "mean square");
    if (axis >= 0) {
        sums[0] = transient(lowering, &shape, "mean difference");
        shift = transient(lowering, &shape, "shift");
        moments.shift = &shift;
        moments.first = &sums[0];
    }
    enum nt_status status = axis < 0 ? two_passes(lowering->tape, &x, &mean, &sums[1], count)
                                     : one_pass(lowering->tape, &x, axis, &shift, sums, count);
    if (status == NT_OK)
        status = finish(lowering, node, &moments, &mean, &rstd, count);
    if (status == NT_OK && groups > 0)
        status = repeat(lowering, node, &mean, 0);
    if (status == NT_OK && groups > 0)
        status = repeat(lowering, node, &rstd, 1);
    return status;
}

const struct nt_op nt_op_norm_statistics = {
    .name = "norm_statistics",
    .summary = "mean, 1 / sqrt(variance + epsilon), new running mean and variance",
    .inputs = "x running_mean? running_var? momentum?",
    .outputs = 4,
    .attrs = attrs,
    .attr_count = ATTRS,
    .internal = true,
    .layouts = "ar>r",
    .infer = statistics_infer,
    .lower = statistics_lower,
};

enum nt_status nt_norm_statistics(struct nt_graph *graph, const struct nt_norm *norm, int x,
    const int running[3], struct nt_norm_statistics *out)
{
    struct nt_attr attr[ATTRS];
    int input[4] = {x}, output[4];
    set_attrs(norm, attr);
    for (int i = 0; running && i < 3; i++)
        input[1 + i] = running[i];
    enum nt_status status =
        nt_graph_add(graph, &nt_op_norm_statistics, NULL, running ? 4 : 1, input, attr, output);
    if (status == NT_OK)
        *out = (struct nt_norm_statistics){output[0], output[1], output[2], output[3]};
    return status;
}

/* ---- sums for the gradient ---- */

static enum nt_status sums_infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape shape = statistics_shape(graph, node, node->input[0]);
    graph->value[node->output[0]].shape = graph->value[node->output[1]].shape = shape;
    return NT_OK;
}

static enum nt_status sums_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    static const char *const plain[] = {"a", "a * (b - c) * d"};
    static const char *const scaled[] = {"a * e", "a * e * (b - c) * d"};
    int64_t groups = nt_attr_int(node, "groups");
    const struct nt_shape *full = &lowering->graph->value[node->input[0]].shape;
    struct nt_tensor in[5], out[2];
    struct nt_expr *expr;
    int terms[2];
    for (int i = 0; i < node->inputs; i++) {
        struct nt_tensor tensor = nt_lower_tensor(lowering, node->input[i]);
        in[i] = divide(&tensor, full, groups);
    }
    struct nt_shape shape = reduced_shape(node, &in[0].shape);
    for (int i = 0; i < 2; i++)
        out[i] = groups > 0 ? transient(lowering, &shape, "sums of groups")
                            : nt_lower_tensor(lowering, node->output[i]);
    enum nt_status status = parse(
        lowering->graph->ctx, &expr, node->inputs, 2, node->inputs == 5 ? scaled : plain, terms);
    if (status == NT_OK)
        status =
            nt_reduce_two(lowering->tape, NT_REDUCE_SUM, expr, terms, node->inputs, in, 1, out);
    for (int i = 0; status == NT_OK && groups > 0 && i < 2; i++)
        status = repeat(lowering, node, &out[i], i);
    nt_expr_destroy(expr);
    return status;
}

const struct nt_op nt_op_norm_sums = {
    .name = "norm_sums",
    .summary = "sums of dy and of dy (x - mean) rstd, dy times a weight",
    .inputs = "dy x mean rstd weight?",
    .outputs = 2,
    .attrs = attrs,
    .attr_count = ATTRS,
    .internal = true,
    .layouts = "aar>r",
    .infer = sums_infer,
    .lower = sums_lower,
};

/* ---- the map ---- */

static enum nt_status apply_infer(struct nt_graph *graph, struct nt_node *node)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    static const char *const texts[] = {"(a - b) * c", "(a - b) * c * d", "(a - b) * c * d + e"};
    int terms[5];
    node->expr = nt_expr_create();
    if (!node->expr)
        return nt_graph_fail(graph, NT_ERR_MEMORY, "norm: host memory is exhausted");
    for (int i = 0; i < node->inputs; i++)
        terms[i] = nt_expr_input(node->expr, i);
    graph->value[node->output[0]].shape = graph->value[node->input[0]].shape;
    return nt_expr_parse(
        graph->ctx, node->expr, texts[node->inputs - 3], node->inputs, names, terms, &node->term);
}

static enum nt_status add_sums(
    struct nt_graph *graph, const struct nt_norm *norm, int inputs, const int *input, int sums[2])
{
    struct nt_attr attr[ATTRS];
    set_attrs(norm, attr);
    return nt_graph_add(graph, &nt_op_norm_sums, NULL, inputs, input, attr, sums);
}

static int reshape_like(struct nt_graph *graph, int value, int like)
{
    const struct nt_shape *shape = &graph->value[like].shape;
    struct nt_attr to = {.set = true, .count = shape->rank};
    memcpy(to.ints, shape->dim, sizeof *shape->dim * (size_t)shape->rank);
    int out;
    return nt_graph_add(graph, &nt_op_reshape, NULL, 1, &value, &to, &out) == NT_OK ? out : -1;
}

/* The dimensions of x along which a value is repeated. */
static struct nt_norm repeated(const struct nt_graph *graph, int x, int value)
{
    struct nt_norm norm = {0};
    const struct nt_shape *full = &graph->value[x].shape, *own = &graph->value[value].shape;
    int lead = full->rank - own->rank;
    for (int i = 0; i < full->rank; i++)
        if (i < lead || (own->dim[i - lead] == 1 && full->dim[i] != 1))
            norm.axis[norm.axes++] = i;
    return norm;
}

/* Whether both reduce the same dimensions of x, those of one element aside. */
static bool reduce_same(
    const struct nt_graph *graph, int x, const struct nt_norm *a, const struct nt_norm *b)
{
    bool differ[NT_MAX_RANK] = {false};
    for (int i = 0; i < a->axes; i++)
        differ[a->axis[i]] ^= true;
    for (int i = 0; i < b->axes; i++)
        differ[b->axis[i]] ^= true;
    for (int i = 0; i < graph->value[x].shape.rank; i++)
        if (differ[i] && graph->value[x].shape.dim[i] != 1)
            return false;
    return true;
}

/* With g = dy weight, n elements per statistic and xhat = (x - mean) rstd:
 * dx = rstd (g - (sum g + xhat sum(g xhat)) / n), dweight = sum(dy xhat), dbias = sum dy, the first
 * sums over what is normalised, the last two over what shares a weight: for batch normalisation
 * they are the same. (Ioffe & Szegedy 2015, section 3.) */
static enum nt_status apply_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    const struct nt_attr *axes = &node->attr[AXES];
    struct nt_norm norm = {.axes = axes->count, .groups = nt_attr_int(node, "groups")};
    for (int i = 0; i < norm.axes; i++)
        norm.axis[i] = (int)axes->ints[i];
    int x = node->input[0], weight = node->inputs > 3 ? node->input[3] : -1;
    int in[5] = {dy[0], x, node->input[1], node->input[2], weight}, sums[2] = {-1, -1};
    int64_t total = nt_shape_count(&graph->value[x].shape);
    int64_t parts = nt_shape_count(&graph->value[node->input[1]].shape);
    if (norm.groups > 0)
        parts = parts / graph->value[x].shape.dim[1] * norm.groups;
    struct nt_norm over = {0};
    if (weight >= 0)
        over = repeated(graph, x, weight);
    bool same = weight >= 0 && norm.groups == 0 && reduce_same(graph, x, &norm, &over);
    enum nt_status status = NT_OK;
    if (weight >= 0 && (want[3] || (node->inputs > 4 && want[4]) || same)) {
        status = add_sums(graph, same ? &norm : &over, 4, in, sums);
        if (status == NT_OK && want[3])
            dx[3] = reshape_like(graph, sums[1], weight);
        if (status == NT_OK && node->inputs > 4 && want[4])
            dx[4] = reshape_like(graph, sums[0], node->input[4]);
    }
    if (status != NT_OK || !want[0])
        return status;
    if (!same)
        status = add_sums(graph, &norm, weight >= 0 ? 5 : 4, in, sums);
    if (status != NT_OK)
        return status;
    int share = nt_graph_number(graph, (double)parts / (double)total);
    int all[8] = {dy[0], x, node->input[1], node->input[2], sums[0], sums[1], share, weight};
    const char *text = weight < 0 ? "d * (a - g * (e + (b - c) * d * f))"
                       : same     ? "h * d * (a - g * (e + (b - c) * d * f))"
                                  : "d * (a * h - g * (e + (b - c) * d * f))";
    dx[0] = share < 0 ? -1 : nt_graph_formula(graph, text, weight < 0 ? 7 : 8, all);
    return dx[0] < 0 ? NT_ERR_MEMORY : NT_OK;
}

const struct nt_op nt_op_norm_apply = {
    .name = "norm_apply",
    .summary = "(x - mean) rstd weight + bias, mean and rstd being statistics of x",
    .inputs = "x mean rstd weight? bias?",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = ATTRS,
    .internal = true,
    .layouts = "a>a",
    .infer = apply_infer,
    .gradient = apply_gradient,
};

enum nt_status nt_norm_apply(struct nt_graph *graph, const struct nt_norm *norm, int x,
    const struct nt_norm_statistics *statistics, int weight, int bias, int *y)
{
    struct nt_attr attr[ATTRS];
    set_attrs(norm, attr);
    int inputs = weight < 0 ? 3 : bias < 0 ? 4 : 5;
    return nt_graph_add(graph, &nt_op_norm_apply, NULL, inputs,
        (int[]){x, statistics->mean, statistics->rstd, weight, bias}, attr, y);
}

/* ---- parameters ---- */

enum nt_status nt_norm_parameters(
    struct nt_graph *graph, struct nt_node *node, const struct nt_shape *shape, bool bias)
{
    static const char *const parts[] = {"weight", "bias"};
    const char *base = nt_layer_name(graph, node);
    char a[128], b[128];
    for (int i = 0; i < nt_op_max_inputs(node->op) - 1 && i < 2; i++) {
        int *input = &node->input[1 + i];
        if (*input < 0 && (i == 0 || bias)) {
            enum nt_status status =
                nt_graph_parameter(graph, nt_graph_string(graph, "%s.%s", base, parts[i]),
                    NT_VALUE_PARAMETER, shape, (struct nt_init){NT_INIT_CONSTANT, 1 - i}, input);
            if (status != NT_OK)
                return status;
        } else if (*input >= 0 && !nt_shape_equal(&graph->value[*input].shape, shape)) {
            return nt_graph_fail(graph, NT_ERR_SHAPE, "%s: %s of shape %s: must be %s",
                node->op->name, parts[i], nt_shape_text(&graph->value[*input].shape, a, sizeof a),
                nt_shape_text(shape, b, sizeof b));
        }
    }
    return NT_OK;
}

int nt_norm_by_channel(struct nt_graph *graph, int value, int rank)
{
    int64_t channels = nt_shape_count(&graph->value[value].shape);
    struct nt_attr to = {.set = true, .count = rank - 1, .ints = {channels}};
    int out;
    for (int i = 1; i < rank - 1; i++)
        to.ints[i] = 1;
    if (rank == 2)
        return value;
    return nt_graph_add(graph, &nt_op_reshape, NULL, 1, &value, &to, &out) == NT_OK ? out : -1;
}
