/* SPDX-License-Identifier: MIT */
#include "frontend/op.h"
#include "tests/naive.h"

#include <string.h>

/* Geometry by the definitions, once more. */
struct geometry {
    int dims;
    const int64_t *kernel, *stride, *dilation;
    int64_t before[3], groups, taps;
};

/* Padding before dimension i; in: extent of what the window moves over. */
static int64_t padding_before(const struct naive_run *run, const struct geometry *g, int i,
    int64_t in, int64_t out, bool transposed)
{
    static const char *const words[] = {"valid", "same", "same_lower", "full"};
    const struct nt_attr *attr = &run->node->attr[nt_attr_index(run->node->op, "padding")];
    if (attr->count > 0)
        return attr->ints[attr->count == 1 ? 0 : i];
    const char *word = words[(int)attr->number];
    int64_t reach = g->dilation[i] * (g->kernel[i] - 1) + 1;
    int64_t total = (out - 1) * g->stride[i] + reach - in;
    if (transposed)
        total += nt_attr_ints(run->node, "output_padding")[i];
    total = total < 0 ? 0 : total;
    if (strcmp(word, "valid") == 0)
        return 0;
    if (strcmp(word, "full") == 0)
        return reach - 1;
    return strcmp(word, "same") == 0 ? total / 2 : total - total / 2;
}

/* over: what the window moves over; of: the other side. */
static struct geometry geometry(const struct naive_run *run, const struct nt_shape *over,
    const struct nt_shape *of, bool transposed)
{
    const struct nt_node *node = run->node;
    struct geometry g = {.dims = over->rank - 2,
        .kernel = nt_attr_ints(node, "kernel"),
        .stride = nt_attr_ints(node, "stride"),
        .dilation = nt_attr_ints(node, "dilation"),
        .groups = nt_attr_index(node->op, "groups") < 0 ? 1 : nt_attr_int(node, "groups"),
        .taps = 1};
    for (int i = 0; i < g.dims; i++) {
        g.taps *= g.kernel[i];
        g.before[i] = padding_before(run, &g, i, over->dim[2 + i], of->dim[2 + i], transposed);
    }
    return g;
}

/* Sets from[2..] to where a tap of the window at `at` lies; false outside. */
static bool locate(const struct geometry *g, const struct nt_shape *over, const int64_t *at,
    int64_t tap, int64_t *from)
{
    bool inside = true;
    for (int i = g->dims - 1; i >= 0; i--) {
        from[2 + i] = at[2 + i] * g->stride[i] - g->before[i] + tap % g->kernel[i] * g->dilation[i];
        tap /= g->kernel[i];
        inside &= from[2 + i] >= 0 && from[2 + i] < over->dim[2 + i];
    }
    return inside;
}

/* Which set of kernels an output position has. */
static int64_t kernel_set(const struct nt_node *node, const struct nt_shape *s, const int64_t *at)
{
    if (node->op == &nt_op_local_conv2d)
        return at[2] * s->dim[3] + at[3];
    if (node->op != &nt_op_tiled_conv2d)
        return 0;
    const int64_t *tile = nt_attr_ints(node, "tile");
    return at[2] % tile[0] * tile[1] + at[3] % tile[1];
}

static void run_conv(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *xs = naive_shape(run, node->input[0]);
    const double *x = run->data[node->input[0]], *w = run->data[node->input[1]];
    const double *b = node->inputs > 2 ? run->data[node->input[2]] : NULL;
    struct geometry g = geometry(run, xs, s, false);
    int64_t channels = s->dim[1], in = xs->dim[1] / g.groups, out = channels / g.groups;
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[5], from[5];
        naive_unflat(s, e, at);
        int64_t set = kernel_set(node, s, at), k = set * channels + at[1];
        bool local = node->op == &nt_op_local_conv2d;
        y[e] = !b ? 0 : b[local ? at[1] * s->dim[2] * s->dim[3] + set : k];
        from[0] = at[0];
        for (int64_t tap = 0; tap < g.taps; tap++)
            for (int64_t c = 0; c < in && locate(&g, xs, at, tap, from); c++) {
                from[1] = at[1] / out * in + c;
                y[e] += x[naive_flat(xs, from)] * w[(k * in + c) * g.taps + tap];
            }
    }
}

static void run_conv_transpose(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *xs = naive_shape(run, node->input[0]);
    const double *x = run->data[node->input[0]], *w = run->data[node->input[1]];
    const double *b = node->inputs > 2 ? run->data[node->input[2]] : NULL;
    struct geometry g = geometry(run, s, xs, true);
    int64_t in = xs->dim[1] / g.groups, out = s->dim[1] / g.groups, at[5], to[5];
    for (int64_t e = 0; b && e < nt_shape_count(s); e++) {
        naive_unflat(s, e, at);
        y[e] = b[at[1]];
    }
    for (int64_t e = 0; e < nt_shape_count(xs); e++) {
        naive_unflat(xs, e, at);
        to[0] = at[0];
        for (int64_t tap = 0; tap < g.taps; tap++)
            for (int64_t k = 0; k < out && locate(&g, s, at, tap, to); k++) {
                to[1] = at[1] / in * out + k;
                y[naive_flat(s, to)] += x[e] * w[(at[1] * out + k) * g.taps + tap];
            }
    }
}

const struct naive_op naive_conv[] = {
    {&nt_op_conv1d, run_conv},
    {&nt_op_conv2d, run_conv},
    {&nt_op_conv3d, run_conv},
    {&nt_op_conv_transpose1d, run_conv_transpose},
    {&nt_op_conv_transpose2d, run_conv_transpose},
    {&nt_op_conv_transpose3d, run_conv_transpose},
    {&nt_op_local_conv2d, run_conv},
    {&nt_op_tiled_conv2d, run_conv},
    {0},
};
