/* SPDX-License-Identifier: MIT
 *
 * Attention (Vaswani et al., Attention is all you need, 2017), with query heads in groups that
 * share keys and values: batch by key heads, the queries of a group are rows of one matrix.
 */
#include <math.h>
#include <string.h>

#include "frontend/onnx/table.h"
#include "frontend/op/compose.h"

struct attention {
    struct nt_onnx_node *node;
    int q, k, v;                            /* batch, heads, steps, size; -1: failed */
    int64_t batch, heads, own_heads, steps; /* of queries; own_heads: of keys */
    int64_t keys, past;                     /* steps of keys, with those of before */
    int valid;                              /* batch,1,1,1: how many keys count; -1: all */
    int rows, columns;                      /* steps,1 and keys: index values */
    bool packed;                            /* batch, steps, heads * size */
};

static struct nt_shape shape_of(const struct attention *a, int value)
{
    return value < 0 ? (struct nt_shape){0} : a->node->graph->value[value].shape;
}

/* An operand as batch, heads, steps, size. */
static int unpack(struct attention *a, int input, const char *heads)
{
    int value = nt_onnx_in(a->node, input);
    struct nt_shape shape = shape_of(a, value);
    int64_t count = nt_onnx_int(a->node, heads, 0);
    if (value < 0 || shape.rank == 4)
        return value;
    if (shape.rank != 3 || count < 1 || shape.dim[2] % count != 0) {
        nt_onnx_fail(a->node, NT_ERR_SHAPE,
            "input %d: must be of rank 4, or of rank 3 with a multiple of %s elements", input,
            heads);
        return -1;
    }
    struct nt_shape split = {4, {shape.dim[0], shape.dim[1], count, shape.dim[2] / count}};
    a->packed = true;
    value = nt_compose_reshape(a->node->graph, value, &split);
    return nt_compose_transpose(a->node->graph, value, (int[]){0, 2, 1, 3});
}

/* Those of earlier steps before these; input -1 or without elements: none. */
static int with_past(struct attention *a, int value, int input)
{
    if (!nt_onnx_has(a->node, input) || nt_onnx_is_empty(a->node, input))
        return value;
    int past = nt_onnx_in(a->node, input);
    a->past = past < 0 ? 0 : shape_of(a, past).dim[2];
    return past < 0 ? -1 : nt_compose_concat(a->node->graph, 2, (int[]){past, value}, 2);
}

static enum nt_status take_operands(struct attention *a)
{
    struct nt_onnx_node *node = a->node;
    a->q = unpack(a, 0, "q_num_heads");
    a->k = a->q < 0 ? -1 : unpack(a, 1, "kv_num_heads");
    a->v = a->k < 0 ? -1 : unpack(a, 2, "kv_num_heads");
    a->k = a->v < 0 ? -1 : with_past(a, a->k, 4);
    a->v = a->k < 0 ? -1 : with_past(a, a->v, 5);
    if (a->v < 0)
        return node->graph->failure;
    struct nt_shape q = shape_of(a, a->q), k = shape_of(a, a->k), v = shape_of(a, a->v);
    if (q.dim[0] != k.dim[0] || v.dim[0] != k.dim[0] || v.dim[1] != k.dim[1] ||
        v.dim[2] != k.dim[2] || q.dim[3] != k.dim[3] || q.dim[1] % k.dim[1] != 0)
        return nt_onnx_fail(node, NT_ERR_SHAPE, "Q, K, V: do not fit together");
    a->batch = q.dim[0];
    a->heads = q.dim[1];
    a->own_heads = k.dim[1];
    a->steps = q.dim[2];
    a->keys = k.dim[2];
    a->rows = nt_graph_index(node->graph, &(struct nt_shape){2, {a->steps, 1}}, 0);
    a->columns = nt_graph_index(node->graph, &(struct nt_shape){1, {a->keys}}, 0);
    a->valid = -1;
    if (nt_onnx_has(node, 6)) {
        int valid = nt_onnx_in(node, 6);
        a->valid =
            nt_compose_reshape(node->graph, valid, &(struct nt_shape){4, {a->batch, 1, 1, 1}});
        return a->valid < 0 ? node->graph->failure : NT_OK;
    }
    return NT_OK;
}

/* ---- what is added to the scores: 0, the mask's numbers, -infinity where it forbids ---- */

static int forbid(struct attention *a, const char *allowed, int inputs, const int *input)
{
    int list[3], ok = nt_onnx_formula(a->node, allowed, inputs, input);
    list[0] = ok;
    list[1] = nt_onnx_constant(a->node, -INFINITY);
    return nt_onnx_formula(a->node, "select(a, 0, b)", 2, list);
}

/* bias -1: nothing so far. */
static int plus(struct attention *a, int bias, int more)
{
    return bias < 0 || more < 0 ? more : nt_onnx_formula(a->node, "a + b", 2, (int[]){bias, more});
}

static int mask_bias(struct attention *a)
{
    struct nt_onnx_node *node = a->node;
    int mask = nt_onnx_in(node, 3);
    bool boolean = nt_onnx_type(node, 3) == NT_ONNX_BOOL;
    struct nt_shape shape = shape_of(a, mask);
    if (mask < 0)
        return -1;
    if (boolean)
        mask = forbid(a, "a != 0", 1, &mask);
    int64_t last = shape.rank > 0 ? shape.dim[shape.rank - 1] : 1;
    if (last >= a->keys || (last == 1 && node->opset < 24))
        return mask;
    struct nt_onnx_call call = nt_onnx_begin("pad");
    nt_onnx_numbers_of(&call, "before", 1, &(int64_t){0});
    nt_onnx_numbers_of(&call, "after", 1, &(int64_t){a->keys - last});
    nt_onnx_numbers_of(&call, "axes", 1, &(int64_t){shape.rank - 1});
    nt_onnx_number(&call, "value", -INFINITY);
    return nt_onnx_add(node, &call, 1, &mask);
}

/* Where a query stands among the keys: its row, moved by what came before. */
static int position(struct attention *a)
{
    if (a->valid < 0 || a->past > 0) {
        int past = nt_onnx_constant(a->node, (double)a->past);
        return nt_onnx_formula(a->node, "number(a) + b", 2, (int[]){a->rows, past});
    }
    int steps = nt_onnx_constant(a->node, (double)a->steps);
    return nt_onnx_formula(a->node, "number(a) + b - c", 3, (int[]){a->rows, a->valid, steps});
}

static enum nt_status make_bias(struct attention *a, int *bias)
{
    struct nt_onnx_node *node = a->node;
    int64_t left = nt_onnx_int(node, "left_window_size", -1);
    int64_t right = nt_onnx_int(node, "right_window_size", -1);
    bool causal = nt_onnx_int(node, "is_causal", 0) != 0, wanted = false;
    right = causal && (right < 0 || right > 0) ? 0 : right;
    *bias = -1;
    if (nt_onnx_has(node, 3)) {
        *bias = mask_bias(a);
        wanted = true;
    }
    if (left >= 0 || right >= 0) {
        const int in[] = {a->columns, position(a), nt_onnx_constant(node, (double)left),
            nt_onnx_constant(node, (double)right)};
        const char *text = left < 0    ? "number(a) <= b + d"
                           : right < 0 ? "number(a) >= b - c"
                                       : "(number(a) >= b - c) * (number(a) <= b + d)";
        *bias = wanted && *bias < 0 ? -1 : plus(a, *bias, forbid(a, text, 4, in));
        wanted = true;
    }
    if (a->valid >= 0) {
        const int in[] = {a->columns, a->valid};
        *bias = wanted && *bias < 0 ? -1 : plus(a, *bias, forbid(a, "number(a) < b", 2, in));
        wanted = true;
    }
    return wanted && *bias < 0 ? node->graph->failure : NT_OK;
}

/* ---- the products ---- */

/* q k^T, of all queries of a group at once. */
static int score(struct attention *a)
{
    struct nt_shape q = shape_of(a, a->q);
    struct nt_shape grouped = {
        4, {a->batch, a->own_heads, a->heads / a->own_heads * a->steps, q.dim[3]}};
    struct nt_shape each = {4, {a->batch, a->heads, a->steps, a->keys}};
    double scale = nt_onnx_float(a->node, "scale", 1 / sqrt((double)q.dim[3]));
    struct nt_onnx_call call = nt_onnx_begin("matmul");
    nt_onnx_number(&call, "transpose_b", 1);
    int rows = nt_compose_reshape(a->node->graph, a->q, &grouped);
    int y = nt_onnx_add(a->node, &call, 2, (int[]){rows, a->k});
    y = nt_onnx_formula(a->node, "a * b", 2, (int[]){y, nt_onnx_constant(a->node, scale)});
    return nt_compose_reshape(a->node->graph, y, &each);
}

/* The softmax; a row in which everything is forbidden is one of zeros. */
static int probabilities(struct attention *a, int scores, int bias)
{
    struct nt_onnx_call call = nt_onnx_begin("softmax");
    nt_onnx_number(&call, "axis", 3);
    int y = nt_onnx_add(a->node, &call, 1, &scores);
    if (bias < 0)
        return y;
    int rank = shape_of(a, bias).rank;
    if (rank < 1)
        return y;
    int most = nt_compose_reduce(a->node->graph, &nt_op_max, bias, 1u << (rank - 1), true);
    const int in[] = {most, nt_onnx_constant(a->node, -INFINITY), y};
    return nt_onnx_formula(a->node, "select(a == b, 0, c)", 3, in);
}

static enum nt_status give(struct attention *a, int weights, const int *modes)
{
    struct nt_onnx_node *node = a->node;
    struct nt_shape v = shape_of(a, a->v);
    struct nt_shape grouped = {
        4, {a->batch, a->own_heads, a->heads / a->own_heads * a->steps, a->keys}};
    struct nt_shape each = {4, {a->batch, a->heads, a->steps, v.dim[3]}};
    struct nt_shape packed = {3, {a->batch, a->steps, a->heads * v.dim[3]}};
    int64_t mode = nt_onnx_int(node, "qk_matmul_output_mode", 0);
    int rows = nt_compose_reshape(node->graph, weights, &grouped);
    int y = nt_onnx_simple(node, "matmul", 2, (int[]){rows, a->v});
    y = nt_compose_reshape(node->graph, y, &each);
    if (a->packed) {
        y = nt_compose_transpose(node->graph, y, (int[]){0, 2, 1, 3});
        y = nt_compose_reshape(node->graph, y, &packed);
    }
    if (mode < 0 || mode > 3)
        return nt_onnx_fail(node, NT_ERR_FORMAT, "qk_matmul_output_mode %lld: must be from 0 to 3",
            (long long)mode);
    enum nt_status status = nt_onnx_out(node, 0, y);
    if (status == NT_OK)
        status = nt_onnx_out(node, 1, a->k);
    if (status == NT_OK)
        status = nt_onnx_out(node, 2, a->v);
    return status == NT_OK ? nt_onnx_out(node, 3, modes[mode]) : status;
}

enum nt_status nt_onnx_attention(struct nt_onnx_node *node)
{
    struct attention a = {.node = node};
    double cap = nt_onnx_float(node, "softcap", 0);
    int bias, modes[4]; /* products, capped, with the bias, probabilities */
    enum nt_status status = take_operands(&a);
    if (status == NT_OK)
        status = make_bias(&a, &bias);
    if (status != NT_OK)
        return status;
    modes[0] = modes[1] = score(&a);
    if (cap > 0)
        modes[1] = nt_onnx_formula(
            node, "b * tanh(a / b)", 2, (int[]){modes[0], nt_onnx_constant(node, cap)});
    modes[2] = bias < 0 ? modes[1] : plus(&a, modes[1], bias);
    modes[3] = modes[2] < 0 ? -1 : probabilities(&a, modes[2], bias);
    return modes[3] < 0 ? node->graph->failure : give(&a, modes[3], modes);
}

/* ---- RotaryEmbedding ---- */

struct rotary {
    struct nt_onnx_node *node;
    int x; /* batch, steps, heads, size */
    int64_t rotated;
    bool interleaved;
};

/* cos or sin as batch, steps, 1, half. */
static int angles(struct rotary *r, int input)
{
    struct nt_onnx_node *node = r->node;
    int table = nt_onnx_in(node, input);
    if (table < 0)
        return -1;
    if (nt_onnx_has(node, 3)) {
        struct nt_onnx_call call = nt_onnx_begin("gather");
        table = nt_onnx_add(node, &call, 2, (int[]){table, nt_onnx_in_int(node, 3)});
    }
    struct nt_shape shape = table < 0 ? (struct nt_shape){0} : node->graph->value[table].shape;
    if (shape.rank != 3 || shape.dim[2] != r->rotated / 2) {
        nt_onnx_fail(node, NT_ERR_SHAPE, "input %d: must have %lld elements for each step", input,
            (long long)r->rotated / 2);
        return -1;
    }
    struct nt_shape wide = {4, {shape.dim[0], shape.dim[1], 1, shape.dim[2]}};
    return nt_compose_reshape(node->graph, table, &wide);
}

static int rotate(struct rotary *r)
{
    struct nt_graph *graph = r->node->graph;
    struct nt_shape shape = graph->value[r->x].shape, wide = {5};
    int64_t half = r->rotated / 2, step = r->interleaved ? 2 : 1;
    int cosine = angles(r, 1), sine = cosine < 0 ? -1 : angles(r, 2);
    int a = nt_compose_slice(graph, r->x, 3, 0, half, step);
    int b = nt_compose_slice(graph, r->x, 3, r->interleaved ? 1 : half, half, step);
    const int in[] = {a, b, cosine, sine};
    int part[2] = {nt_onnx_formula(r->node, "c * a - d * b", 4, in),
        nt_onnx_formula(r->node, "d * a + c * b", 4, in)};
    if (!r->interleaved)
        return nt_compose_concat(graph, 2, part, 3);
    memcpy(wide.dim, shape.dim, 3 * sizeof *wide.dim);
    wide.dim[3] = half;
    wide.dim[4] = 1;
    for (int i = 0; i < 2; i++)
        part[i] = nt_compose_reshape(graph, part[i], &wide);
    shape.dim[3] = r->rotated;
    return nt_compose_reshape(graph, nt_compose_concat(graph, 2, part, 4), &shape);
}

enum nt_status nt_onnx_rotary_embedding(struct nt_onnx_node *node)
{
    struct rotary r = {node, nt_onnx_in(node, 0), nt_onnx_int(node, "rotary_embedding_dim", 0),
        nt_onnx_int(node, "interleaved", 0) != 0};
    int64_t heads = nt_onnx_int(node, "num_heads", 0);
    struct nt_graph *graph = node->graph;
    if (r.x < 0)
        return graph->failure;
    struct nt_shape from = graph->value[r.x].shape;
    if (from.rank == 4)
        r.x = nt_compose_transpose(graph, r.x, (int[]){0, 2, 1, 3});
    else if (from.rank == 3 && heads > 0 && from.dim[2] % heads == 0)
        r.x = nt_compose_reshape(graph, r.x,
            &(struct nt_shape){4, {from.dim[0], from.dim[1], heads, from.dim[2] / heads}});
    else
        return nt_onnx_fail(node, NT_ERR_SHAPE,
            "X: must be of rank 4, or of rank 3 with a multiple of num_heads elements");
    int64_t size = r.x < 0 ? 0 : graph->value[r.x].shape.dim[3];
    r.rotated = r.rotated ? r.rotated : size;
    if (r.rotated < 2 || r.rotated > size || r.rotated % 2 != 0)
        return nt_onnx_fail(node, NT_ERR_SHAPE,
            "rotary_embedding_dim %lld: must be even, at most %lld", (long long)r.rotated,
            (long long)size);
    int y = rotate(&r);
    if (r.rotated < size) {
        int rest = nt_compose_slice(graph, r.x, 3, r.rotated, size - r.rotated, 1);
        y = nt_compose_concat(graph, 2, (int[]){y, rest}, 3);
    }
    y = from.rank == 4 ? nt_compose_transpose(graph, y, (int[]){0, 2, 1, 3})
                       : nt_compose_reshape(graph, y, &from);
    return nt_onnx_out(node, 0, y);
}
