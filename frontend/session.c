/* SPDX-License-Identifier: MIT */
#include "frontend/session.h"

#include <stdlib.h>
#include <string.h>

#include "engine/random.h"
#include "frontend/descent.h"
#include "frontend/graph.h"
#include "frontend/metrics.h"
#include "frontend/op.h"
#include "frontend/update.h"

#define MAX_INPUTS 16
#define RANDOM_STREAM 0x6b657973 /* of the random numbers that name a run's */

struct nt_session {
    struct nt_context *ctx;
    struct nt_graph *graph;
    struct nt_weights *weights;
    struct nt_tape *tape;
    struct nt_feed *feed;
    struct nt_plan_info plan;
    struct nt_descent descent;
    bool training, gradients;
    int inputs, input[MAX_INPUTS];      /* graph values */
    int32_t input_buffer[MAX_INPUTS];   /* their tape buffers */
    int32_t output_buffer[MAX_INPUTS];  /* row-major copies of graph->output */
    int32_t input_gradient[MAX_INPUTS]; /* row-major, -1: none */
    int32_t loss, metrics, grads, key;  /* tape buffers, -1: none */
    int carried;                        /* states that live here */
    struct carried {
        int value;
        int32_t buffer;
    } * carry;
    const int *grad; /* gradient values by value */
};

static size_t value_bytes(const struct nt_value *value)
{
    return (size_t)nt_shape_count(&value->shape) * nt_dtype_size(value->dtype);
}

/* ---- building ---- */

static enum nt_status find_inputs(struct nt_session *session)
{
    for (int v = 0; v < session->graph->value_count; v++) {
        if (session->graph->value[v].kind != NT_VALUE_INPUT)
            continue;
        if (session->inputs == MAX_INPUTS)
            return nt_fail(
                session->ctx, NT_ERR_UNSUPPORTED, "model: at most %d inputs", MAX_INPUTS);
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
    int wanted[MAX_INPUTS], count = 0;
    for (int i = 0; i < session->inputs; i++)
        if (session->gradients && graph->value[session->input[i]].dtype == NT_F32)
            wanted[count++] = session->input[i];
    int before = graph->value_count;
    if (status == NT_OK && (session->training || session->gradients))
        status = nt_gradient(graph, count, wanted, &session->grad);
    if (status == NT_OK && session->grad)
        status = nt_recompute(graph, forward, parts);
    int *roots = malloc(((size_t)before + MAX_INPUTS + 1) * sizeof *roots), roots_count = 0;
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
    size_t bytes = value_bytes(v);
    int32_t buffer =
        nt_tape_buffer(build->session->tape, NT_BUFFER_KEPT, bytes ? bytes : sizeof(float), name);
    if (bytes == 0) /* an output of a model that came without elements */
        return buffer;
    add_place(build, value, nt_tensor_make(buffer, v->dtype, &v->shape, NT_ROW_MAJOR));
    return buffer;
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
    }
    for (int v = 0; v < graph->value_count; v++) {
        const struct nt_value *value = &graph->value[v];
        if (value->kind != NT_VALUE_PARAMETER && value->kind != NT_VALUE_STATE)
            continue;
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
                nt_tape_buffer(session->tape, NT_BUFFER_KEPT, value_bytes(value), value->name);
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
        int32_t buffer = nt_tape_buffer(session->tape, NT_BUFFER_KEPT, value_bytes(value),
            *value->name ? value->name : "random key");
        struct nt_tensor tensor = nt_tensor_make(buffer, value->dtype, &value->shape, NT_ROW_MAJOR);
        nt_lower_bind(&build->lowering, v, &tensor);
        if (value->kind == NT_VALUE_KEY)
            session->key = buffer;
        else
            session->carry[session->carried++] = (struct carried){v, buffer};
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
            nt_tape_buffer(session->tape, NT_BUFFER_KEPT, value_bytes(v), v->name);
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
    build.place = malloc(((size_t)graph->value_count + 2 * MAX_INPUTS + 1) * sizeof *build.place);
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

static enum nt_status plan_session(struct nt_session *session, struct nt_device *dev,
    struct nt_model *model, const struct nt_session_params *params, int parts)
{
    enum nt_status status = nt_model_build(
        model, params->batch > 0 ? params->batch : 1, params->training, &session->graph);
    if (status == NT_OK && params->training && !params->dry && !params->gradients &&
        nt_weights_state_slots(session->weights) < nt_optimizer_slots(params->optimizer))
        return nt_fail(session->ctx, NT_ERR_ARGUMENT,
            "session: %s needs %d state slots: the weights have %d",
            nt_optimizer_name(params->optimizer), nt_optimizer_slots(params->optimizer),
            nt_weights_state_slots(session->weights));
    if (status == NT_OK)
        status = nt_descent_check_patterns(session->graph, "freeze", params->freeze);
    if (status == NT_OK)
        status = nt_descent_check_patterns(session->graph, "no_decay", params->no_decay);
    if (status != NT_OK)
        return status;
    nt_descent_freeze(session->graph, params->freeze);
    status = rewrite(session, parts);
    if (status == NT_OK)
        status = nt_tape_create(dev, &session->tape);
    if (status == NT_OK)
        status = lower_all(session, params);
    if (status == NT_OK)
        status = nt_tape_plan(session->tape, &session->plan);
    return status;
}

static enum nt_status start_session(struct nt_session *session)
{
    enum nt_status status = nt_tape_build(session->tape);
    if (status == NT_OK)
        status = nt_session_reset(session);
    if (status == NT_OK)
        status = nt_descent_start(&session->descent, session->tape);
    return status;
}

static enum nt_status create_planned(struct nt_device *dev, struct nt_model *model,
    struct nt_weights *weights, const struct nt_session_params *params, int parts,
    struct nt_session **out)
{
    struct nt_context *ctx = nt_device_context(dev);
    struct nt_session *session = calloc(1, sizeof *session);
    if (!session)
        return nt_fail(ctx, NT_ERR_MEMORY, "session: host memory is exhausted");
    *session = (struct nt_session){.ctx = ctx,
        .weights = weights,
        .descent = {.numbers = -1, .mask = -1},
        .training = params->training,
        .gradients = params->gradients,
        .loss = -1,
        .metrics = -1,
        .grads = -1,
        .key = -1};
    for (int i = 0; i < MAX_INPUTS; i++)
        session->input_gradient[i] = -1;
    enum nt_status status = plan_session(session, dev, model, params, parts);
    if (status != NT_OK) {
        nt_session_destroy(session);
        return status;
    }
    *out = session;
    return NT_OK;
}

size_t nt_session_bytes(const struct nt_session *session)
{
    size_t bytes = session->plan.arena_bytes + session->plan.kept_bytes;
    int slots = session->weights ? nt_weights_state_slots(session->weights) : -1;
    for (int i = -1; i < slots; i++)
        bytes += nt_memory_size(nt_weights_memory(session->weights, i));
    return bytes;
}

/* The session that computes least again of those that keep to the limit. */
static enum nt_status create_within(struct nt_device *dev, struct nt_model *model,
    struct nt_weights *weights, const struct nt_session_params *params, struct nt_session **out)
{
    static const int parts[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48};
    struct nt_context *ctx = nt_device_context(dev);
    size_t least = SIZE_MAX;
    bool again = params->training || params->gradients;
    for (size_t i = 0; i < (again ? sizeof parts / sizeof *parts : 1); i++) {
        struct nt_session *session;
        enum nt_status status = create_planned(dev, model, weights, params, parts[i], &session);
        if (status != NT_OK)
            return status;
        size_t bytes = nt_session_bytes(session);
        if (bytes <= params->memory_limit) {
            nt_log(ctx, NT_LOG_INFO,
                parts[i] > 1 ? "memory: %zu of %zu bytes: activations are computed again in the "
                               "backward pass, in %d parts"
                             : "memory: %zu of %zu bytes",
                bytes, params->memory_limit, parts[i]);
            *out = session;
            return NT_OK;
        }
        least = bytes < least ? bytes : least;
        nt_session_destroy(session);
    }
    return nt_fail(ctx, NT_ERR_MEMORY,
        "memory limit %zu bytes: with batch %lld %s needs at least %zu bytes", params->memory_limit,
        (long long)(params->batch > 0 ? params->batch : 1), again ? "a training step" : "a run",
        least);
}

enum nt_status nt_session_create(struct nt_device *dev, struct nt_model *model,
    struct nt_weights *weights, const struct nt_session_params *params, struct nt_session **out)
{
    static const struct nt_session_params defaults;
    struct nt_session *session;
    params = params ? params : &defaults;
    if (!weights && !params->dry)
        return nt_fail(nt_device_context(dev), NT_ERR_ARGUMENT, "session: weights must be given");
    enum nt_status status = params->memory_limit
                                ? create_within(dev, model, weights, params, &session)
                                : create_planned(dev, model, weights, params, 1, &session);
    if (status == NT_OK && !params->dry) {
        status = start_session(session);
        if (status != NT_OK)
            nt_session_destroy(session);
    }
    if (status == NT_OK)
        *out = session;
    return status;
}

void nt_session_destroy(struct nt_session *session)
{
    if (!session)
        return;
    nt_descent_finish(&session->descent);
    nt_feed_destroy(session->feed);
    nt_tape_destroy(session->tape);
    nt_graph_destroy(session->graph);
    free(session->carry);
    free(session);
}

/* ---- use ---- */

struct nt_tape *nt_session_tape(struct nt_session *session)
{
    return session->tape;
}

const struct nt_plan_info *nt_session_plan(const struct nt_session *session)
{
    return &session->plan;
}

struct nt_graph *nt_session_graph(struct nt_session *session)
{
    return session->graph;
}

static struct nt_port port(const struct nt_session *session, int value, const char *name)
{
    const struct nt_value *v = &session->graph->value[value];
    return (struct nt_port){name, v->dtype, v->shape, v->layout, value_bytes(v)};
}

int nt_session_input_count(const struct nt_session *session)
{
    return session->inputs;
}

struct nt_port nt_session_input(const struct nt_session *session, int index)
{
    int value = session->input[index];
    return port(session, value, session->graph->value[value].name);
}

int nt_session_output_count(const struct nt_session *session)
{
    return session->graph->output_count;
}

struct nt_port nt_session_output(const struct nt_session *session, int index)
{
    const struct nt_graph_output *output = &session->graph->output[index];
    struct nt_port p = port(session, output->value, output->name);
    p.layout = NT_ROW_MAJOR;
    p.exact = output->exact;
    return p;
}

enum nt_status nt_session_write(struct nt_session *session, int input, const void *data)
{
    return nt_tape_write(session->tape, session->input_buffer[input], 0, data,
        nt_session_input(session, input).bytes);
}

enum nt_status nt_session_read(struct nt_session *session, int output, void *data)
{
    size_t bytes = nt_session_output(session, output).bytes;
    if (bytes == 0)
        return NT_OK;
    return nt_tape_read(session->tape, session->output_buffer[output], 0, data, bytes);
}

enum nt_status nt_session_acquire(struct nt_session *session, void **ptr)
{
    enum nt_status status = NT_OK;
    if (!session->feed)
        status =
            nt_feed_create(session->tape, session->inputs, session->input_buffer, &session->feed);
    return status == NT_OK ? nt_feed_acquire(session->feed, ptr) : status;
}

enum nt_status nt_session_submit(struct nt_session *session)
{
    return nt_feed_submit(session->feed);
}

enum nt_status nt_session_reset(struct nt_session *session)
{
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < session->carried; i++) {
        const struct nt_value *value = &session->graph->value[session->carry[i].value];
        size_t bytes = value_bytes(value);
        float *data = malloc(bytes);
        if (!data)
            return nt_fail(session->ctx, NT_ERR_MEMORY, "session: host memory is exhausted");
        for (size_t j = 0; j < bytes / sizeof *data; j++)
            data[j] = (float)value->init.a;
        status = nt_tape_write(session->tape, session->carry[i].buffer, 0, data, bytes);
        free(data);
    }
    return status;
}

/* The numbers of a step are named by the seed and the step; runs that are no steps, and those of
 * gradient checks, all have the same. 52 bits: nt_uniform takes the key as a double. */
static enum nt_status write_key(struct nt_session *session, const struct nt_step_params *step)
{
    bool fixed = session->gradients || !step;
    uint32_t words[4];
    nt_philox(fixed ? 0 : step->seed, fixed ? 0 : (uint64_t)step->step, RANDOM_STREAM, words);
    uint64_t key = (uint64_t)(words[1] & 0xfffffu) << 32 | words[0];
    return nt_tape_write_small(session->tape, session->key, 0, &key, sizeof key);
}

enum nt_status nt_session_run(struct nt_session *session, const struct nt_step_params *step)
{
    enum nt_status status = nt_descent_write(&session->descent, session->tape, step);
    if (status == NT_OK && session->key >= 0)
        status = write_key(session, step);
    return status == NT_OK ? nt_tape_run(session->tape) : status;
}

enum nt_status nt_session_metrics(struct nt_session *session, struct nt_metrics *metrics)
{
    static const float zeros[3];
    float sums[3];
    if (session->metrics < 0)
        return nt_fail(session->ctx, NT_ERR_ARGUMENT, "session: the model declares no loss");
    enum nt_status status = nt_tape_read(session->tape, session->metrics, 0, sums, sizeof sums);
    if (status == NT_OK)
        status = nt_tape_write_small(session->tape, session->metrics, 0, zeros, sizeof zeros);
    if (status == NT_OK)
        *metrics = (struct nt_metrics){sums[0], sums[1], sums[2]};
    return status;
}

bool nt_session_classifies(const struct nt_session *session)
{
    return nt_metrics_target(session->graph) >= 0;
}

enum nt_status nt_session_loss(struct nt_session *session, float *loss)
{
    if (session->loss < 0)
        return nt_fail(session->ctx, NT_ERR_ARGUMENT, "session: the model declares no loss");
    return nt_tape_read(session->tape, session->loss, 0, loss, sizeof *loss);
}

enum nt_status nt_session_gradient(struct nt_session *session, int weight, float *data)
{
    const struct nt_weight_info *info = nt_weights_get(session->weights, weight);
    if (!session->gradients || !info->trained)
        return nt_fail(session->ctx, NT_ERR_ARGUMENT,
            "session: no gradient of '%s': it is not trained, or gradients were not asked for",
            info->name);
    return nt_tape_read(session->tape, session->grads, info->offset * sizeof *data, data,
        (size_t)nt_shape_count(&info->shape) * sizeof *data);
}

enum nt_status nt_session_input_gradient(struct nt_session *session, int input, float *data)
{
    struct nt_port port = nt_session_input(session, input);
    if (!session->gradients || port.dtype != NT_F32)
        return nt_fail(
            session->ctx, NT_ERR_ARGUMENT, "session: no gradient of input '%s'", port.name);
    if (session->input_gradient[input] < 0) { /* the loss does not depend on it */
        memset(data, 0, port.bytes);
        return NT_OK;
    }
    return nt_tape_read(session->tape, session->input_gradient[input], 0, data, port.bytes);
}
