/* SPDX-License-Identifier: MIT
 *
 * In training: statistics of the batch (one node), one elementwise map that fuses with what
 * follows, and the new running statistics as updates of states. Otherwise: a map x scale + shift
 * with two numbers per channel, which fuses into the convolution before it.
 */
#include "frontend/op/layer.h"
#include "frontend/op/norm.h"

static const struct nt_attr_spec attrs[] = {
    {"eps", NT_ATTR_FLOAT, "added to the variance", .fallback = 1e-5, .min = 1e-30, .max = 1e6},
    {"momentum", NT_ATTR_FLOAT, "weight of a batch in the running statistics", .fallback = 0.1,
        .min = 0, .max = 1},
    {"cumulative", NT_ATTR_BOOL,
        "running statistics are the mean over all batches; PyTorch's momentum=None"},
    {"affine", NT_ATTR_BOOL, "multiply by a weight and add a bias", .fallback = 1},
    {"track_running_stats", NT_ATTR_BOOL,
        "keep running statistics; without, evaluation takes the batch's too", .fallback = 1},
};

enum { X, WEIGHT, BIAS, MEAN, VAR };

static enum nt_status add_state(struct nt_graph *graph, struct nt_node *node, const char *name,
    const struct nt_shape *shape, double start, int *value)
{
    if (*value < 0)
        return nt_graph_parameter(graph,
            nt_graph_string(graph, "%s.%s", nt_layer_name(graph, node), name), NT_VALUE_STATE,
            shape, (struct nt_init){NT_INIT_CONSTANT, start}, value);
    char a[128], b[128];
    if (!nt_shape_equal(&graph->value[*value].shape, shape))
        return nt_graph_fail(graph, NT_ERR_SHAPE, "batch_norm: %s of shape %s: must be %s", name,
            nt_shape_text(&graph->value[*value].shape, a, sizeof a),
            nt_shape_text(shape, b, sizeof b));
    return NT_OK;
}

static enum nt_status parameters(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_shape *x = &graph->value[node->input[X]].shape;
    char text[128];
    if (x->rank < 2)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "batch_norm: input of shape %s (with the batch): must have rank 2 to 5",
            nt_shape_text(x, text, sizeof text));
    struct nt_shape channels = {1, {x->dim[1]}};
    bool given = node->input[MEAN] >= 0, tracks = nt_attr_bool(node, "track_running_stats");
    enum nt_status status = NT_OK;
    if (nt_attr_bool(node, "affine") || node->input[WEIGHT] >= 0)
        status = nt_norm_parameters(graph, node, &channels, true);
    else if (node->input[BIAS] >= 0)
        status = nt_graph_fail(graph, NT_ERR_ARGUMENT, "batch_norm: a bias without a weight");
    if (status == NT_OK && given && node->input[VAR] < 0)
        status = nt_graph_fail(
            graph, NT_ERR_ARGUMENT, "batch_norm: a running mean without a running variance");
    if (status == NT_OK && (tracks || given))
        status = add_state(graph, node, "running_mean", &channels, 0, &node->input[MEAN]);
    if (status == NT_OK && (tracks || given))
        status = add_state(graph, node, "running_var", &channels, 1, &node->input[VAR]);
    return status;
}

/* A state that two layers share takes part in both, one after the other, as in PyTorch. */
static int latest(const struct nt_graph *graph, int state)
{
    int update = graph->value[state].update;
    return update >= 0 ? update : state;
}

/* The weight of this batch in the running statistics, and the count of batches one higher. */
static enum nt_status count_batches(struct nt_graph *graph, struct nt_node *node, int *weight)
{
    int count = -1, more;
    enum nt_status status =
        add_state(graph, node, "num_batches_tracked", &(struct nt_shape){0}, 0, &count);
    if (status != NT_OK)
        return status;
    more = nt_graph_formula(graph, "a + 1", 1, (int[]){latest(graph, count)});
    if (more < 0)
        return NT_ERR_MEMORY;
    *weight = nt_attr_bool(node, "cumulative")
                  ? nt_graph_formula(graph, "1 / a", 1, &more)
                  : nt_graph_number(graph, nt_attr_float(node, "momentum"));
    return *weight < 0 ? NT_ERR_MEMORY : nt_graph_update(graph, count, more);
}

static enum nt_status by_batch(struct nt_graph *graph, struct nt_node *node, int weight, int bias)
{
    int rank = graph->value[node->input[X]].shape.rank;
    struct nt_norm norm = {.epsilon = nt_attr_float(node, "eps")};
    struct nt_norm_statistics statistics;
    for (int i = 0; i < rank; i++)
        if (i != 1)
            norm.axis[norm.axes++] = i;
    int running[3] = {node->input[MEAN], node->input[VAR], -1};
    bool tracks = graph->training && running[0] >= 0 && running[1] >= 0 &&
                  graph->value[running[0]].kind == NT_VALUE_STATE &&
                  graph->value[running[1]].kind == NT_VALUE_STATE;
    enum nt_status status = tracks ? count_batches(graph, node, &running[2]) : NT_OK;
    for (int i = 0; tracks && i < 2; i++)
        running[i] = latest(graph, running[i]);
    if (status == NT_OK)
        status =
            nt_norm_statistics(graph, &norm, node->input[X], tracks ? running : NULL, &statistics);
    if (status == NT_OK && tracks)
        status = nt_graph_update(graph, node->input[MEAN], statistics.running_mean);
    if (status == NT_OK && tracks)
        status = nt_graph_update(graph, node->input[VAR], statistics.running_var);
    if (status == NT_OK)
        status = nt_norm_apply(
            graph, &norm, node->input[X], &statistics, weight, bias, &node->output[0]);
    return status;
}

/* x scale + shift; the numbers of a channel are made once, not for each element. */
static enum nt_status by_running(struct nt_graph *graph, struct nt_node *node)
{
    int rank = graph->value[node->input[X]].shape.rank;
    int eps = nt_graph_number(graph, nt_attr_float(node, "eps"));
    int in[5] = {node->input[MEAN], node->input[VAR], eps, node->input[WEIGHT], node->input[BIAS]};
    bool weight = in[3] >= 0;
    if (eps < 0)
        return NT_ERR_MEMORY;
    int scale = weight ? nt_graph_formula(graph, "d / sqrt(b + c)", 4, in)
                       : nt_graph_formula(graph, "1 / sqrt(a + b)", 2, in + 1);
    int shift = weight ? nt_graph_formula(graph, "e - a * d / sqrt(b + c)", 5, in)
                       : nt_graph_formula(graph, "-a / sqrt(b + c)", 3, in);
    if (scale < 0 || shift < 0)
        return NT_ERR_MEMORY;
    scale = nt_norm_by_channel(graph, scale, rank);
    shift = scale < 0 ? -1 : nt_norm_by_channel(graph, shift, rank);
    if (shift < 0)
        return NT_ERR_MEMORY;
    node->output[0] =
        nt_graph_formula(graph, "a * b + c", 3, (int[]){node->input[X], scale, shift});
    return node->output[0] < 0 ? NT_ERR_MEMORY : NT_OK;
}

static enum nt_status expand(struct nt_graph *graph, struct nt_node *node)
{
    int rank = graph->value[node->input[X]].shape.rank, part[2] = {-1, -1};
    /* In training the count of batches is a state too; name it where the weights are made. */
    if (!graph->training && node->input[MEAN] >= 0)
        return by_running(graph, node);
    for (int i = 0; i < 2; i++)
        if (node->input[WEIGHT + i] >= 0) {
            part[i] = nt_norm_by_channel(graph, node->input[WEIGHT + i], rank);
            if (part[i] < 0)
                return NT_ERR_MEMORY;
        }
    return by_batch(graph, node, part[0], part[1]);
}

const struct nt_op nt_op_batch_norm = {
    .name = "batch_norm",
    .summary = "(x - mean) / sqrt(var + eps) weight + bias by channel: mean and variance of the "
               "batch in training, running ones otherwise",
    .source =
        "Ioffe & Szegedy, Batch normalization: accelerating deep network training by reducing "
        "internal covariate shift, ICML 2015",
    .inputs = "x weight? bias? running_mean? running_var?",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "a>a",
    .parameters = parameters,
    .expand = expand,
};
