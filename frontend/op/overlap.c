/* SPDX-License-Identifier: MIT
 *
 * How much two tensors have in common: cosine similarity, and losses of it; the Dice loss.
 */
#include <string.h>

#include "frontend/op/loss.h"

#define EPS_ATTR                                                                                   \
    {                                                                                              \
        "eps", NT_ATTR_FLOAT, "least product of the norms", .fallback = 1e-8, .min = 1e-18,        \
                                                            .max = 1                               \
    }

static int product(struct nt_graph *graph, int a, int b, unsigned mask)
{
    int each = nt_graph_formula(graph, "a * b", 2, (int[]){a, b});
    return each < 0 ? -1 : nt_compose_reduce(graph, &nt_op_sum, each, mask, false);
}

static int cosine(struct nt_graph *graph, const struct nt_node *node, int axis)
{
    static const char *const names[] = {"ab", "aa", "bb"};
    int a = node->input[0], b = node->input[1];
    unsigned mask = 1u << axis;
    int sums[3] = {
        product(graph, a, b, mask), product(graph, a, a, mask), product(graph, b, b, mask)};
    if (sums[0] < 0 || sums[1] < 0 || sums[2] < 0)
        return -1;
    return nt_loss_formula(graph, node, "ab / sqrt(max(aa * bb, eps * eps))", 3, names, sums);
}

static enum nt_status check_pair(struct nt_graph *graph, const struct nt_node *node)
{
    char a[128], b[128];
    const struct nt_shape *x = &graph->value[node->input[0]].shape;
    const struct nt_shape *y = &graph->value[node->input[1]].shape;
    if (nt_shape_equal(x, y) && x->rank > 0)
        return NT_OK;
    return nt_graph_fail(graph, NT_ERR_SHAPE,
        "%s: shapes %s and %s: must be equal, of rank 1 or more", node->op->name,
        nt_shape_text(x, a, sizeof a), nt_shape_text(y, b, sizeof b));
}

static enum nt_status similarity_expand(struct nt_graph *graph, struct nt_node *node)
{
    int axis = 0;
    enum nt_status status = check_pair(graph, node);
    if (status == NT_OK)
        status = nt_compose_axis(
            graph, node, nt_attr_int(node, "axis"), graph->value[node->input[0]].shape.rank, &axis);
    return status == NT_OK ? nt_compose_end(graph, node, cosine(graph, node, axis)) : status;
}

static const struct nt_attr_spec similarity_attrs[] = {
    {"axis", NT_ATTR_INT, "along which vectors lie", .fallback = 1, .min = -5, .max = 4},
    EPS_ATTR,
};

const struct nt_op nt_op_cosine_similarity = {
    .name = "cosine_similarity",
    .summary = "sum a b / sqrt(sum a a sum b b) along an axis",
    .shapes = "a and b of one shape; result without the axis",
    .inputs = "a b",
    .outputs = 1,
    .attrs = similarity_attrs,
    .attr_count = sizeof similarity_attrs / sizeof *similarity_attrs,
    .layouts = "r>r",
    .expand = similarity_expand,
};

static enum nt_status embedding_expand(struct nt_graph *graph, struct nt_node *node)
{
    static const char *const names[] = {"y", "target"};
    int values[2], rank = graph->value[node->input[0]].shape.rank;
    enum nt_status status = check_pair(graph, node);
    if (status != NT_OK)
        return status;
    values[0] = cosine(graph, node, rank - 1);
    if (values[0] < 0)
        return NT_ERR_MEMORY;
    struct nt_shape items = graph->value[values[0]].shape;
    status = nt_loss_fit(graph, node, 2, &items, &values[1]);
    if (status != NT_OK)
        return status;
    int losses = nt_loss_formula(
        graph, node, "select(target > 0, 1 - y, relu(y - margin))", 2, names, values);
    return nt_compose_end(graph, node, nt_loss_reduce(graph, node, losses, -1));
}

static const struct nt_attr_spec embedding_attrs[] = {
    NT_LOSS_REDUCTION,
    {"margin", NT_ATTR_FLOAT, "similarity up to which different items may go", .min = -1, .max = 1},
    EPS_ATTR,
};

const struct nt_op nt_op_cosine_embedding_loss = {
    .name = "cosine_embedding_loss",
    .summary = "1 - cosine similarity of a and b where target is 1, max(0, similarity - margin) "
               "where it is -1",
    .shapes = "a and b N,C, target N; result: a scalar or N",
    .inputs = "a b target",
    .outputs = 1,
    .attrs = embedding_attrs,
    .attr_count = sizeof embedding_attrs / sizeof *embedding_attrs,
    .layouts = "r>r",
    .expand = embedding_expand,
};

/* ---- dice ---- */

/* The target with the shape of x: as it is, with extents of 1 left out, or from classes. */
static enum nt_status dice_target(
    struct nt_graph *graph, const struct nt_node *node, const struct nt_shape *x, int *target)
{
    struct nt_shape wide = *x;
    wide.dim[1] = 1;
    if (graph->value[node->input[1]].dtype != NT_I32 || x->dim[1] == 1 ||
        graph->value[node->input[1]].shape.rank == x->rank)
        return nt_loss_fit(graph, node, 1, x, target);
    enum nt_status status = nt_loss_fit(graph, node, 1, &wide, target);
    struct nt_shape per_class = {.rank = x->rank - 1, .dim = {x->dim[1], 1, 1, 1, 1}};
    int class = nt_graph_index(graph, &per_class, 0);
    if (status != NT_OK || class < 0)
        return status == NT_OK ? NT_ERR_MEMORY : status;
    *target = nt_graph_formula(graph, "a == number(b)", 2, (int[]){*target, class});
    return *target < 0 ? NT_ERR_MEMORY : NT_OK;
}

static enum nt_status dice_expand(struct nt_graph *graph, struct nt_node *node)
{
    static const char *const names[] = {"xt", "x", "t"};
    struct nt_shape shape = graph->value[node->input[0]].shape;
    char text[128];
    int x = node->input[0], t;
    if (shape.rank < 2)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "dice_loss: shape %s: needs a batch and a class dimension",
            nt_shape_text(&shape, text, sizeof text));
    enum nt_status status = dice_target(graph, node, &shape, &t);
    if (status != NT_OK)
        return status;
    unsigned mask = shape.rank > 2 ? ((1u << shape.rank) - 1) & ~3u : 2u;
    if (nt_attr_bool(node, "batch"))
        mask |= 1u;
    bool square = nt_attr_bool(node, "square");
    int sums[3] = {product(graph, x, t, mask),
        square ? product(graph, x, x, mask) : nt_compose_reduce(graph, &nt_op_sum, x, mask, false),
        square ? product(graph, t, t, mask) : nt_compose_reduce(graph, &nt_op_sum, t, mask, false)};
    if (sums[0] < 0 || sums[1] < 0 || sums[2] < 0)
        return NT_ERR_MEMORY;
    int losses =
        nt_loss_formula(graph, node, "1 - (2 * xt + smooth) / (x + t + smooth)", 3, names, sums);
    return nt_compose_end(graph, node, nt_loss_reduce(graph, node, losses, -1));
}

static const struct nt_attr_spec dice_attrs[] = {
    NT_LOSS_REDUCTION,
    {"smooth", NT_ATTR_FLOAT, "added above and below, so that empty ones agree", .fallback = 1,
        .min = 1e-12, .max = 1e12},
    {"square", NT_ATTR_BOOL, "sums of squares below"},
    {"batch", NT_ATTR_BOOL, "sums over the items too"},
};

const struct nt_op nt_op_dice_loss = {
    .name = "dice_loss",
    .summary = "1 - (2 sum x target + smooth) / (sum x + sum target + smooth) of each item and "
               "class; x: probabilities; target: of x's shape, or int32 classes",
    .source = "Milletari, Navab & Ahmadi, V-Net, 3DV 2016",
    .shapes = "x N,C or N,C,..., target as x or N,... (int32); result: a scalar, N,C or C",
    .inputs = "x target",
    .outputs = 1,
    .attrs = dice_attrs,
    .attr_count = sizeof dice_attrs / sizeof *dice_attrs,
    .layouts = "a>r",
    .expand = dice_expand,
};
