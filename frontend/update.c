/* SPDX-License-Identifier: MIT */
#include "frontend/update.h"

#include <stdlib.h>

static int by_place(const void *a, const void *b)
{
    const struct nt_tensor *p = &((const struct nt_update *)a)->to;
    const struct nt_tensor *q = &((const struct nt_update *)b)->to;
    if (p->buffer != q->buffer)
        return p->buffer < q->buffer ? -1 : 1;
    return p->offset < q->offset ? -1 : p->offset > q->offset;
}

enum nt_status nt_updates_bind(struct nt_lowering *lowering, struct nt_updates *updates)
{
    const struct nt_graph *graph = lowering->graph;
    int64_t elements = 0;
    updates->count = 0;
    updates->update = calloc((size_t)graph->value_count + 1, sizeof *updates->update);
    if (!updates->update)
        return nt_fail(graph->ctx, NT_ERR_MEMORY, "session: host memory is exhausted");
    for (int v = 0; v < graph->value_count; v++)
        if (graph->value[v].update >= 0) {
            updates->update[updates->count++] = (struct nt_update){
                .state = v, .value = graph->value[v].update, .to = lowering->tensor[v]};
            elements += nt_shape_count(&graph->value[v].shape);
        }
    if (updates->count == 0)
        return NT_OK;
    qsort(updates->update, (size_t)updates->count, sizeof *updates->update, by_place);
    int32_t buffer = nt_tape_buffer(
        lowering->tape, NT_BUFFER_TRANSIENT, (size_t)elements * sizeof(float), "new states");
    int64_t offset = 0;
    for (int i = 0; i < updates->count; i++) {
        struct nt_update *u = &updates->update[i];
        const struct nt_value *value = &graph->value[u->value];
        u->fresh = nt_tensor_make(buffer, NT_F32, &value->shape, NT_ROW_MAJOR);
        u->fresh.offset = offset;
        offset += nt_shape_count(&value->shape);
        u->copy = lowering->tensor[u->value].buffer >= 0 || value->kind != NT_VALUE_RESULT ||
                  value->layout != NT_ROW_MAJOR;
        if (!u->copy)
            nt_lower_bind(lowering, u->value, &u->fresh);
    }
    return NT_OK;
}

/* Neighbours in both memories are copied in one launch. */
static int last_neighbour(const struct nt_updates *updates, int first, int64_t *elements)
{
    const struct nt_update *u = updates->update;
    int last = first;
    *elements = nt_shape_count(&u[first].to.shape);
    while (last + 1 < updates->count && u[last + 1].to.buffer == u[first].to.buffer &&
           u[last + 1].to.offset == u[first].to.offset + *elements)
        *elements += nt_shape_count(&u[++last].to.shape);
    return last;
}

enum nt_status nt_updates_append(struct nt_lowering *lowering, const struct nt_updates *updates)
{
    const struct nt_graph *graph = lowering->graph;
    enum nt_status status = NT_OK;
    nt_tape_label(lowering->tape, "states");
    for (int i = 0; status == NT_OK && i < updates->count; i++) {
        const struct nt_update *u = &updates->update[i];
        const struct nt_value *value = &graph->value[u->value];
        if (value->kind == NT_VALUE_CONSTANT) {
            status = nt_fill(lowering->tape, value->constant, &u->fresh);
        } else if (u->copy) {
            struct nt_tensor from = nt_lower_tensor(lowering, u->value);
            status = nt_move(lowering->tape, &from, &u->fresh);
        }
    }
    for (int i = 0; status == NT_OK && i < updates->count; i++) {
        struct nt_shape flat = {1};
        int first = i;
        i = last_neighbour(updates, i, &flat.dim[0]);
        struct nt_tensor from =
            nt_tensor_make(updates->update[first].fresh.buffer, NT_F32, &flat, NT_ROW_MAJOR);
        struct nt_tensor to =
            nt_tensor_make(updates->update[first].to.buffer, NT_F32, &flat, NT_ROW_MAJOR);
        from.offset = updates->update[first].fresh.offset;
        to.offset = updates->update[first].to.offset;
        status = nt_move(lowering->tape, &from, &to);
    }
    return status;
}

void nt_updates_release(struct nt_updates *updates)
{
    free(updates->update);
    *updates = (struct nt_updates){0};
}
