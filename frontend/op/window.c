/* SPDX-License-Identifier: MIT */
#include "frontend/op/window.h"

enum nt_status nt_window_padding(struct nt_graph *graph, const struct nt_node *node, int dims,
    const int64_t *in, const int64_t *reach, const int64_t *stride, int64_t *before, int64_t *after)
{
    int count = node->attr[nt_attr_index(node->op, "padding")].count;
    if (count > 1 && count != dims && count != 2 * dims)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "%s: padding: %d numbers: must be 1, %d or %d",
            node->op->name, count, dims, 2 * dims);
    nt_window_get_padding(node, dims, in, reach, stride, before, after);
    return NT_OK;
}

void nt_window_get_padding(const struct nt_node *node, int dims, const int64_t *in,
    const int64_t *reach, const int64_t *stride, int64_t *before, int64_t *after)
{
    const struct nt_attr *attr = &node->attr[nt_attr_index(node->op, "padding")];
    const int64_t *p = attr->ints;
    for (int i = 0; i < dims; i++) {
        if (attr->count > 0) {
            before[i] = attr->count == 1 ? p[0] : p[i];
            after[i] = attr->count == 2 * dims ? p[dims + i] : before[i];
            continue;
        }
        int64_t windows = (in[i] + stride[i] - 1) / stride[i], total = 0;
        int word = (int)attr->number;
        if (word == NT_PADDING_FULL)
            total = 2 * (reach[i] - 1);
        else if (word != NT_PADDING_VALID)
            total = (windows - 1) * stride[i] + reach[i] - in[i];
        if (total < 0)
            total = 0;
        before[i] = (total + (word == NT_PADDING_SAME_LOWER)) / 2;
        after[i] = total - before[i];
    }
}
