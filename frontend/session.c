/* SPDX-License-Identifier: MIT */
#include "frontend/session_state.h"

#include <stdlib.h>
#include <string.h>

#include "engine/random.h"
#include "frontend/metrics.h"

#define MIB ((size_t)1 << 20)
#define RANDOM_STREAM 0x6b657973 /* of the random numbers that name a run's */

static enum nt_status start_session(struct nt_session *session)
{
    enum nt_status status = nt_tape_build(session->tape);
    if (status == NT_OK) /* it may keep less than was planned */
        status = nt_tape_plan(session->tape, &session->plan);
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
    for (int i = 0; i < NT_SESSION_MAX_INPUTS; i++)
        session->input_gradient[i] = -1;
    enum nt_status status = nt_session_build(session, dev, model, params, parts);
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
        "memory limit %zu bytes: with batch %lld %s needs at least %zu bytes (%zu MiB)",
        params->memory_limit, (long long)(params->batch > 0 ? params->batch : 1),
        again ? "a training step" : "a run", least, (least + MIB - 1) / MIB);
}

/* Before the first allocation: an operating system that gives what it does not have ends the
 * program later instead. */
static enum nt_status check_memory(
    const struct nt_session *session, struct nt_device *dev, const struct nt_session_params *params)
{
    char needed[16], there[16];
    /* What is derived from the weights gives way. */
    size_t bytes = nt_session_bytes(session) - session->plan.derived_bytes;
    const struct nt_device_info *info = nt_device_get_info(dev);
    bool again = params->training || params->gradients;
    if (bytes <= info->global_memory)
        return NT_OK;
    return nt_fail(session->ctx, NT_ERR_MEMORY,
        "memory: with batch %lld %s needs %s: %s has %s: a smaller batch%s needs less",
        (long long)(params->batch > 0 ? params->batch : 1), again ? "a training step" : "a run",
        nt_bytes_text((double)bytes, needed, sizeof needed), info->name,
        nt_bytes_text((double)info->global_memory, there, sizeof there),
        again ? " or a memory limit" : "");
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
        status = check_memory(session, dev, params);
        if (status == NT_OK)
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
    return (struct nt_port){name, v->dtype, v->shape, v->layout, nt_value_bytes(v)};
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

bool nt_session_reads(const struct nt_session *session, int input)
{
    const struct nt_graph *graph = session->graph;
    int value = session->input[input];
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->node[i]->inputs; j++)
            if (graph->node[i]->input[j] == value)
                return true;
    for (int i = 0; i < graph->output_count; i++)
        if (graph->output[i].value == value)
            return true;
    for (int v = 0; v < graph->value_count; v++)
        if (graph->value[v].update == value)
            return true;
    return false;
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

static enum nt_status check_index(
    const struct nt_session *session, const char *what, int index, int count)
{
    if (index >= 0 && index < count)
        return NT_OK;
    return nt_fail(
        session->ctx, NT_ERR_ARGUMENT, "session: %s %d: there are %d", what, index, count);
}

enum nt_status nt_session_write(struct nt_session *session, int input, const void *data)
{
    enum nt_status status = check_index(session, "input", input, session->inputs);
    if (status != NT_OK)
        return status;
    return nt_tape_write(session->tape, session->input_buffer[input], 0, data,
        nt_session_input(session, input).bytes);
}

enum nt_status nt_session_read(struct nt_session *session, int output, void *data)
{
    enum nt_status status = check_index(session, "output", output, session->graph->output_count);
    if (status != NT_OK)
        return status;
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
    if (!session->feed)
        return nt_fail(session->ctx, NT_ERR_ARGUMENT, "session: submit without acquire");
    return nt_feed_submit(session->feed);
}

enum nt_status nt_session_reset(struct nt_session *session)
{
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < session->carried; i++) {
        const struct nt_value *value = &session->graph->value[session->carry[i].value];
        size_t bytes = nt_value_bytes(value);
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

static enum nt_status no_loss(const struct nt_session *session)
{
    return nt_fail(session->ctx, NT_ERR_ARGUMENT,
        "session: no loss: the model declares none, or the session runs outputs only");
}

enum nt_status nt_session_metrics(struct nt_session *session, struct nt_metrics *metrics)
{
    static const float zeros[3];
    float sums[3];
    if (session->metrics < 0)
        return no_loss(session);
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
        return no_loss(session);
    return nt_tape_read(session->tape, session->loss, 0, loss, sizeof *loss);
}

enum nt_status nt_session_gradient(struct nt_session *session, int weight, float *data)
{
    int count = session->weights ? nt_weights_count(session->weights) : 0;
    enum nt_status status = check_index(session, "tensor", weight, count);
    if (status != NT_OK)
        return status;
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
    enum nt_status status = check_index(session, "input", input, session->inputs);
    if (status != NT_OK)
        return status;
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
