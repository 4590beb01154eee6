/* SPDX-License-Identifier: MIT */
#include "frontend/descent.h"

#include <stdlib.h>

#include "frontend/name_pattern.h"
#include "frontend/near_miss.h"

/* The parameters' names, for a suggestion; a pattern is mostly a name with stars. */
static enum nt_status no_match(struct nt_graph *graph, const char *what, const char *pattern)
{
    const char **names = calloc((size_t)graph->value_count + 1, sizeof *names), *near = NULL;
    int count = 0;
    for (int v = 0; names && v < graph->value_count; v++)
        if (graph->value[v].kind == NT_VALUE_PARAMETER)
            names[count++] = graph->value[v].name;
    if (names)
        near = nt_near_miss(pattern, count, names);
    free(names);
    return nt_fail(graph->ctx, NT_ERR_ARGUMENT, "%s '%s': no parameter has such a name%s%s%s", what,
        pattern, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

enum nt_status nt_descent_check_patterns(
    struct nt_graph *graph, const char *what, const char *patterns)
{
    char pattern[256];
    while ((patterns = nt_name_pattern_next(patterns, pattern, sizeof pattern))) {
        bool found = false;
        for (int v = 0; !found && v < graph->value_count; v++)
            found = graph->value[v].kind == NT_VALUE_PARAMETER &&
                    nt_name_pattern_matches(pattern, graph->value[v].name);
        if (!found)
            return no_match(graph, what, pattern);
    }
    return NT_OK;
}

enum nt_status nt_descent_freeze(struct nt_graph *graph, const char *patterns)
{
    int frozen = 0, trained = 0;
    for (int v = 0; v < graph->value_count; v++) {
        struct nt_value *value = &graph->value[v];
        if (value->kind != NT_VALUE_PARAMETER)
            continue;
        value->frozen = nt_name_pattern_matches(patterns, value->name);
        frozen += value->frozen;
        trained += !value->frozen;
    }
    if (frozen == 0 || trained > 0)
        return NT_OK;
    return nt_fail(
        graph->ctx, NT_ERR_ARGUMENT, "freeze '%s': leaves no parameter to be trained", patterns);
}

/* A range of the arena that is updated in one launch. */
struct run {
    size_t first, count;
};

static bool is_frozen(const struct nt_graph *graph, const char *name)
{
    int value = nt_graph_find(graph, name);
    return value >= 0 && graph->value[value].frozen;
}

/* The ranges between frozen parameters; at most one more than there are weights. */
static int find_runs(
    const struct nt_graph *graph, const struct nt_weights *weights, struct run *run)
{
    int runs = 0;
    for (int w = 0; w < nt_weights_count(weights); w++) {
        const struct nt_weight_info *info = nt_weights_get(weights, w);
        if (!info->trained || is_frozen(graph, info->name))
            continue;
        size_t count = (size_t)nt_shape_count(&info->shape);
        if (runs > 0 && run[runs - 1].first + run[runs - 1].count == info->offset)
            run[runs - 1].count += count;
        else
            run[runs++] = (struct run){info->offset, count};
    }
    return runs;
}

static enum nt_status make_mask(struct nt_descent *descent, struct nt_tape *tape,
    struct nt_context *ctx, const struct nt_weights *weights, const char *no_decay)
{
    if (!no_decay || !*no_decay)
        return NT_OK;
    descent->mask_values = malloc(descent->elements * sizeof *descent->mask_values);
    if (!descent->mask_values)
        return nt_fail(ctx, NT_ERR_MEMORY, "session: host memory is exhausted");
    for (int w = 0; w < nt_weights_count(weights); w++) {
        const struct nt_weight_info *info = nt_weights_get(weights, w);
        bool decays = !nt_name_pattern_matches(no_decay, info->name);
        size_t count = (size_t)nt_shape_count(&info->shape);
        for (size_t i = 0; info->trained && i < count; i++)
            descent->mask_values[info->offset + i] = decays;
    }
    descent->mask = nt_tape_buffer(
        tape, NT_BUFFER_KEPT, descent->elements * sizeof(float), "where weights decay");
    return NT_OK;
}

static struct nt_tensor part_of(int32_t buffer, const struct run *run)
{
    struct nt_shape shape = {1, {(int64_t)run->count}};
    struct nt_tensor tensor = nt_tensor_make(buffer, NT_F32, &shape, NT_ROW_MAJOR);
    tensor.offset = (int64_t)run->first;
    return tensor;
}

static int32_t outside(struct nt_tape *tape, struct nt_weights *weights, int slot)
{
    struct nt_memory *memory = nt_weights_memory(weights, slot);
    return nt_tape_external(tape, memory, 0, nt_memory_size(memory), "update");
}

static enum nt_status append_runs(struct nt_descent *descent, struct nt_tape *tape,
    struct nt_weights *weights, int32_t grads, int runs, const struct run *run)
{
    int32_t buffer[1 + NT_OPTIMIZER_SLOTS];
    int slots = nt_optimizer_slots(descent->optimizer);
    for (int i = 0; i < 1 + slots; i++)
        buffer[i] = outside(tape, weights, i - 1);
    struct nt_optimizer_tensors t = {.mask.buffer = -1, .factor.buffer = -1};
    enum nt_status status = NT_OK;
    if (descent->clips) {
        struct nt_tensor *gradients = malloc((size_t)runs * sizeof *gradients);
        if (!gradients)
            return nt_fail(nt_device_context(nt_tape_device(tape)), NT_ERR_MEMORY,
                "session: host memory is exhausted");
        for (int i = 0; i < runs; i++)
            gradients[i] = part_of(grads, &run[i]);
        t.factor = part_of(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, sizeof(float), "clipping"),
            &(struct run){0, 1});
        status = nt_optimizer_append_factor(tape, runs, gradients, descent->numbers, &t.factor);
        free(gradients);
    }
    for (int i = 0; status == NT_OK && i < runs; i++) {
        t.parameters = part_of(buffer[0], &run[i]);
        t.gradients = part_of(grads, &run[i]);
        for (int s = 0; s < slots; s++)
            t.slot[s] = part_of(buffer[1 + s], &run[i]);
        if (descent->mask >= 0)
            t.mask = part_of(descent->mask, &run[i]);
        status = nt_optimizer_append(tape, descent->optimizer, &t, descent->numbers);
    }
    return status;
}

enum nt_status nt_descent_append(struct nt_descent *descent, struct nt_tape *tape,
    const struct nt_graph *graph, struct nt_weights *weights,
    const struct nt_session_params *params, int32_t grads)
{
    descent->optimizer = params->optimizer;
    descent->clips = params->clip_norm;
    descent->elements = weights ? nt_weights_trained_elements(weights) : 0;
    if (descent->elements == 0)
        return NT_OK;
    struct run *run = malloc(((size_t)nt_weights_count(weights) + 1) * sizeof *run);
    if (!run)
        return nt_fail(graph->ctx, NT_ERR_MEMORY, "session: host memory is exhausted");
    nt_tape_label(tape, "update");
    descent->numbers = nt_tape_buffer(
        tape, NT_BUFFER_KEPT, NT_OPTIMIZER_NUMBERS * sizeof(float), "optimizer numbers");
    int runs = find_runs(graph, weights, run);
    enum nt_status status = make_mask(descent, tape, graph->ctx, weights, params->no_decay);
    if (status == NT_OK && runs > 0)
        status = append_runs(descent, tape, weights, grads, runs, run);
    free(run);
    return status;
}

enum nt_status nt_descent_start(struct nt_descent *descent, struct nt_tape *tape)
{
    if (!descent->mask_values)
        return NT_OK;
    enum nt_status status = nt_tape_write(
        tape, descent->mask, 0, descent->mask_values, descent->elements * sizeof(float));
    free(descent->mask_values);
    descent->mask_values = NULL;
    return status;
}

enum nt_status nt_descent_write(
    struct nt_descent *descent, struct nt_tape *tape, const struct nt_step_params *step)
{
    float numbers[NT_OPTIMIZER_NUMBERS];
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    if (descent->numbers < 0)
        return NT_OK;
    if (!step)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "session: a training run needs its step");
    if (step->clip_norm > 0 && !descent->clips)
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "session: clip_norm %g: the session was made without clip_norm", step->clip_norm);
    enum nt_status status = nt_optimizer_fill(ctx, descent->optimizer, step, numbers);
    if (status == NT_OK)
        status = nt_tape_write_small(tape, descent->numbers, 0, numbers, sizeof numbers);
    return status;
}

void nt_descent_finish(struct nt_descent *descent)
{
    free(descent->mask_values);
}
