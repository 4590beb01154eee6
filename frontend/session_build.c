/* SPDX-License-Identifier: MIT
 *
 * From a model to a planned tape: gradient, fusion, layouts, places of the values, launches.
 */
#include <stdlib.h>

#include "frontend/metrics.h"
#include "frontend/op.h"
#include "frontend/session_state.h"
#include "frontend/update.h"

/* What is derived from the weights may take this part of the device's memory. */
#define DERIVED_SHARE 4

static enum nt_status find_inputs(struct nt_session *session)
{
    for (int v = 0; v < session->graph->value_count; v++) {
        if (session->graph->value[v].kind != NT_VALUE_INPUT)
            continue;
        if (session->inputs == NT_SESSION_MAX_INPUTS)
            return nt_fail(session->ctx, NT_ERR_UNSUPPORTED, "model: at most %d inputs",
                NT_SESSION_MAX_INPUTS);
        session->input[session->inputs++] = v;
    }
    return NT_OK;
}

/* Differentiates, fuses and decides layouts; of `parts` parts all but one are computed again. */
static enum nt_status rewrite(struct nt_session *session, int parts)
{
    struct nt_graph *graph = session->graph;
    int forward = graph->node_count;
    enum nt_status status = find_inputs(session);
    int wanted[NT_SESSION_MAX_INPUTS], count = 0;
    for (int i = 0; i < session->inputs; i++)
        if (session->gradients && graph->value[session->input[i]].dtype == NT_F32)
            wanted[count++] = session->input[i];
    int before = graph->value_count;
    if (status == NT_OK && (session->training || session->gradients))
        status = nt_gradient(graph, count, wanted, &session->grad);
    if (status == NT_OK && session->grad)
        status = nt_recompute(graph, forward, parts);
    int *roots = malloc(((size_t)before + NT_SESSION_MAX_INPUTS + 1) * sizeof *roots),
        roots_count = 0;
    if (!roots)
        return nt_fail(session->ctx, NT_ERR_MEMORY, "session: host memory is exhausted");
    for (int i = 0; i < graph->output_count; i++)
        roots[roots_count++] = graph->output[i].value;
    if (graph->loss >= 0)
        roots[roots_count++] = graph->loss;
    for (int v = 0; session->grad && v < before; v++) {
        bool trained = graph->value[v].kind == NT_VALUE_PARAMETER;
        bool input = session->gradients && graph->value[v].kind == NT_VALUE_INPUT;
        if ((trained || input) && session->grad[v] >= 0)
            roots[roots_count++] = session->grad[v];
    }
    for (int v = 0; v < before; v++) {
        if (session->gradients) /* the next run must find the same states */
            graph->value[v].update = -1;
        if (graph->value[v].update >= 0)
            roots[roots_count++] = graph->value[v].update;
    }
    if (status == NT_OK)
        status = nt_fuse(graph, roots_count, roots);
    if (status == NT_OK)
        status = nt_assign_layouts(graph);
    free(roots);
    return status;
}

/* A place that a value's result must end up in: bound before lowering where that works, copied to
 * after it otherwise. */
struct place {
    int value;
    struct nt_tensor tensor;
    bool copy;
};

struct build {
    struct nt_session *session;
    struct nt_lowering lowering;
    struct place *place;
    int places;
};

static void add_place(struct build *build, int value, struct nt_tensor tensor)
{
    const struct nt_value *v = &build->session->graph->value[value];
    struct nt_tensor *bound = &build->lowering.tensor[value];
    bool direct = bound->buffer < 0 && v->kind == NT_VALUE_RESULT && v->layout == NT_ROW_MAJOR;
    build->place[build->places++] = (struct place){value, tensor, !direct};
    if (direct)
        *bound = tensor;
}

static int32_t place_kept(struct build *build, int value, const char *name)
{
    const struct nt_value *v = &build->session->graph->value[value];
    size_t bytes = nt_value_bytes(v);
    int32_t buffer =
        nt_tape_buffer(build->session->tape, NT_BUFFER_KEPT, bytes ? bytes : sizeof(float), name);
    if (bytes == 0) /* an output of a model that came without elements */
        return buffer;
    add_place(build, value, nt_tensor_make(buffer, v->dtype, &v->shape, NT_ROW_MAJOR));
    return buffer;
}

static enum nt_status bind_computed(struct build *build, int v)
{
    struct nt_session *session = build->session;
    const struct nt_value *value = &session->graph->value[v];
    size_t bytes = nt_value_bytes(value);
    void *data = malloc(bytes + 1);
    if (!data)
        return nt_fail(session->ctx, NT_ERR_MEMORY, "session: host memory is exhausted");
    enum nt_status status = value->init.read(session->ctx, value->init.source, data);
    if (status == NT_OK) {
        int32_t buffer = nt_tape_constant(session->tape, data, bytes, value->name);
        struct nt_tensor tensor = nt_tensor_make(buffer, value->dtype, &value->shape, NT_ROW_MAJOR);
        nt_lower_bind(&build->lowering, v, &tensor);
    }
    free(data);
    return status;
}

/* Parameters and state are views of the weights. */
static enum nt_status bind_weights(struct build *build)
{
    struct nt_session *session = build->session;
    struct nt_graph *graph = session->graph;
    int32_t arena = -1;
    if (session->weights) {
        struct nt_memory *memory = nt_weights_memory(session->weights, -1);
        arena = nt_tape_external(session->tape, memory, 0, nt_memory_size(memory), "weights");
        nt_tape_steady(session->tape, arena);
    }
    for (int v = 0; v < graph->value_count; v++) {
        const struct nt_value *value = &graph->value[v];
        if (value->kind != NT_VALUE_PARAMETER && value->kind != NT_VALUE_STATE)
            continue;
        if (value->init.kind == NT_INIT_COMPUTED) {
            enum nt_status status = bind_computed(build, v);
            if (status != NT_OK)
                return status;
            continue;
        }
        struct nt_tensor tensor = nt_tensor_make(arena, value->dtype, &value->shape, NT_ROW_MAJOR);
        if (session->weights) {
            int index = nt_weights_find(session->weights, value->name);
            const struct nt_weight_info *info =
                index >= 0 ? nt_weights_get(session->weights, index) : NULL;
            if (!info || !nt_shape_equal(&info->shape, &value->shape))
                return nt_fail(session->ctx, NT_ERR_ARGUMENT,
                    "session: the weights are another model's: '%s' does not fit", value->name);
            tensor.offset = (int64_t)info->offset;
        } else { /* a dry session plans with buffers of its own */
            tensor.buffer =
                nt_tape_buffer(session->tape, NT_BUFFER_KEPT, nt_value_bytes(value), value->name);
            nt_tape_steady(session->tape, tensor.buffer);
        }
        nt_lower_bind(&build->lowering, v, &tensor);
    }
    return NT_OK;
}

/* States per item and the key of random numbers. */
static enum nt_status bind_own(struct build *build)
{
    struct nt_session *session = build->session;
    const struct nt_graph *graph = session->graph;
    session->carry = calloc((size_t)graph->value_count + 1, sizeof *session->carry);
    if (!session->carry)
        return nt_fail(session->ctx, NT_ERR_MEMORY, "session: host memory is exhausted");
    for (int v = 0; v < graph->value_count; v++) {
        const struct nt_value *value = &graph->value[v];
        if (value->kind != NT_VALUE_CARRIED && value->kind != NT_VALUE_KEY)
            continue;
        int32_t buffer = nt_tape_buffer(session->tape, NT_BUFFER_KEPT, nt_value_bytes(value),
            *value->name ? value->name : "random key");
        struct nt_tensor tensor = nt_tensor_make(buffer, value->dtype, &value->shape, NT_ROW_MAJOR);
        nt_lower_bind(&build->lowering, v, &tensor);
        if (value->kind == NT_VALUE_KEY)
            session->key = buffer;
        else
            session->carry[session->carried++] = (struct nt_session_carried){v, buffer};
    }
    return NT_OK;
}

static void bind_ports(struct build *build)
{
    struct nt_session *session = build->session;
    struct nt_graph *graph = session->graph;
    for (int i = 0; i < session->inputs; i++) {
        const struct nt_value *v = &graph->value[session->input[i]];
        session->input_buffer[i] =
            nt_tape_buffer(session->tape, NT_BUFFER_KEPT, nt_value_bytes(v), v->name);
        struct nt_tensor tensor =
            nt_tensor_make(session->input_buffer[i], v->dtype, &v->shape, v->layout);
        nt_lower_bind(&build->lowering, session->input[i], &tensor);
    }
    for (int i = 0; i < graph->output_count; i++)
        session->output_buffer[i] =
            place_kept(build, graph->output[i].value, graph->output[i].name);
    if (graph->loss >= 0)
        session->loss = place_kept(build, graph->loss, "loss");
    for (int i = 0; session->gradients && i < session->inputs; i++)
        if (session->grad[session->input[i]] >= 0)
            session->input_gradient[i] =
                place_kept(build, session->grad[session->input[i]], "input gradient");
}

static size_t gradient_offset(
    const struct nt_session *session, const char *name, size_t *next, const struct nt_shape *shape)
{
    if (session->weights)
        return nt_weights_get(session->weights, nt_weights_find(session->weights, name))->offset;
    size_t offset = *next;
    *next += (size_t)nt_shape_count(shape);
    return offset;
}

/* All gradients are slices of one buffer, in the order of the weights. */
static enum nt_status bind_gradients(struct build *build)
{
    struct nt_session *session = build->session;
    struct nt_graph *graph = session->graph;
    size_t elements = 0, next = 0;
    for (int v = 0; v < graph->value_count; v++)
        if (graph->value[v].kind == NT_VALUE_PARAMETER)
            elements += (size_t)nt_shape_count(&graph->value[v].shape);
    if (session->weights && nt_weights_trained_elements(session->weights) > elements)
        elements = nt_weights_trained_elements(session->weights);
    session->grads =
        nt_tape_buffer(session->tape, session->gradients ? NT_BUFFER_KEPT : NT_BUFFER_TRANSIENT,
            (elements + 1) * sizeof(float), "gradients");
    for (int v = 0, before = graph->value_count; v < before; v++) {
        const struct nt_value *value = &graph->value[v];
        if (value->kind != NT_VALUE_PARAMETER)
            continue;
        struct nt_tensor slice =
            nt_tensor_make(session->grads, NT_F32, &value->shape, NT_ROW_MAJOR);
        slice.offset = (int64_t)gradient_offset(session, value->name, &next, &value->shape);
        if (session->grad[v] >= 0) {
            add_place(build, session->grad[v], slice);
            continue;
        }
        nt_tape_label(session->tape, value->name); /* the loss does not depend on it */
        if (value->frozen)                         /* nothing reads it */
            continue;
        enum nt_status status = nt_fill(session->tape, 0, &slice);
        if (status != NT_OK)
            return status;
    }
    return NT_OK;
}

static enum nt_status copy_places(struct build *build)
{
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < build->places; i++) {
        const struct place *place = &build->place[i];
        struct nt_tensor from = nt_lower_tensor(&build->lowering, place->value);
        if (build->session->graph->value[place->value].kind == NT_VALUE_CONSTANT)
            status = nt_fill(build->session->tape,
                build->session->graph->value[place->value].constant, &place->tensor);
        else if (place->copy)
            status = nt_move(build->session->tape, &from, &place->tensor);
    }
    return status;
}

static enum nt_status lower_all(struct nt_session *session, const struct nt_session_params *params)
{
    struct nt_graph *graph = session->graph;
    struct build build = {.session = session};
    struct nt_updates updates = {0};
    build.lowering = (struct nt_lowering){graph, session->tape,
        malloc(((size_t)graph->value_count + 1) * sizeof *build.lowering.tensor)};
    build.place =
        malloc(((size_t)graph->value_count + 2 * NT_SESSION_MAX_INPUTS + 1) * sizeof *build.place);
    enum nt_status status = NT_OK;
    if (!build.lowering.tensor || !build.place)
        status = nt_fail(session->ctx, NT_ERR_MEMORY, "session: host memory is exhausted");
    for (int v = 0; status == NT_OK && v < graph->value_count; v++)
        build.lowering.tensor[v].buffer = -1;
    if (status == NT_OK)
        status = bind_weights(&build);
    if (status == NT_OK)
        status = bind_own(&build);
    if (status == NT_OK)
        bind_ports(&build);
    if (status == NT_OK && session->grad)
        status = bind_gradients(&build);
    if (status == NT_OK)
        status = nt_updates_bind(&build.lowering, &updates);
    if (status == NT_OK)
        status = nt_lower(&build.lowering);
    if (status == NT_OK)
        status = copy_places(&build);
    if (status == NT_OK)
        status = nt_metrics_append(&build.lowering, session->loss, &session->metrics);
    if (status == NT_OK)
        status = nt_updates_append(&build.lowering, &updates);
    if (status == NT_OK && session->training && !session->gradients)
        status = nt_descent_append(
            &session->descent, session->tape, graph, session->weights, params, session->grads);
    nt_tape_label(session->tape, NULL);
    nt_updates_release(&updates);
    free(build.lowering.tensor);
    free(build.place);
    return status;
}

enum nt_status nt_session_build(struct nt_session *session, struct nt_device *dev,
    struct nt_model *model, const struct nt_session_params *params, int parts)
{
    if (params->batch < 0)
        return nt_fail(session->ctx, NT_ERR_ARGUMENT, "session: batch %lld: must not be negative",
            (long long)params->batch);
    enum nt_status status = nt_model_build(
        model, params->batch > 0 ? params->batch : 1, params->training, &session->graph);
    if (status == NT_OK && params->training && !params->dry && !params->gradients &&
        nt_weights_state_slots(session->weights) < nt_optimizer_slots(params->optimizer))
        return nt_fail(session->ctx, NT_ERR_ARGUMENT,
            "session: %s needs %d state slots: the weights have %d",
            nt_optimizer_name(params->optimizer), nt_optimizer_slots(params->optimizer),
            nt_weights_state_slots(session->weights));
    if (status == NT_OK && params->outputs_only && (params->training || params->gradients))
        return nt_fail(session->ctx, NT_ERR_ARGUMENT,
            "session: outputs_only: training and gradients need the loss");
    if (status == NT_OK && params->outputs_only)
        session->graph->loss = -1;
    if (status == NT_OK)
        status = nt_descent_check_patterns(session->graph, "freeze", params->freeze);
    if (status == NT_OK)
        status = nt_descent_check_patterns(session->graph, "no_decay", params->no_decay);
    if (status == NT_OK)
        status = nt_descent_freeze(session->graph, params->freeze);
    if (status == NT_OK)
        status = rewrite(session, parts);
    if (status == NT_OK)
        status = nt_tape_create(dev, &session->tape);
    if (status == NT_OK && !params->training && !params->gradients && !params->lean &&
        !params->memory_limit)
        nt_tape_derive(session->tape, nt_device_get_info(dev)->global_memory / DERIVED_SHARE);
    if (status == NT_OK)
        status = lower_all(session, params);
    if (status == NT_OK)
        status = nt_tape_plan(session->tape, &session->plan);
    return status;
}
