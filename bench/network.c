/* SPDX-License-Identifier: MIT */
#include "bench/network.h"

#include "bench/loading.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/random.h"
#include "frontend/file.h"
#include "frontend/graph.h"
#include "frontend/op.h"
#include "frontend/progress.h"

/* Item 0 with two batch sizes: the largest difference, as a share of the largest number. Other
 * kernels may be taken, so sums differ in their order. */
#define TOLERANCE 1e-3

/* ---- making one ready ---- */

/* Beside the working folder, the built program, or the installed one. */
static enum nt_status find_zoo(
    struct nt_context *ctx, const struct bench_params *params, char *path, size_t size)
{
    static const char *const places[] = {"zoo", "../zoo", "../share/neutra/zoo"};
    char program[4096];
    if (params->zoo) {
        snprintf(path, size, "%s", params->zoo);
        return NT_OK;
    }
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = 0;
    char *slash = strrchr(program, '/');
    if (slash)
        *slash = 0;
    for (int i = 0; i < 3; i++) {
        int used = i == 0 ? snprintf(path, size, "%s", places[i])
                          : snprintf(path, size, "%s/%s", program, places[i]);
        if (used > 0 && (size_t)used < size && nt_file_is_folder(path))
            return NT_OK;
    }
    return nt_fail(ctx, NT_ERR_FILE,
        "the model definitions are neither in zoo, %s/../zoo nor %s/../share/neutra/zoo: --zoo "
        "names their folder",
        program, program);
}

static enum nt_status load_text(
    struct nt_context *ctx, const struct bench_network *network, struct nt_model **out)
{
    char folder[] = "/tmp/neutra_bench_XXXXXX", path[128];
    if (!mkdtemp(folder))
        return nt_fail(ctx, NT_ERR_FILE, "%s: cannot be made", folder);
    snprintf(path, sizeof path, "%s/%s.lua", folder, network->name);
    enum nt_status status = nt_file_replace(ctx, path, network->text, strlen(network->text));
    if (status == NT_OK)
        status = nt_model_load(ctx, path, 0, NULL, out);
    unlink(path);
    rmdir(folder);
    return status;
}

enum nt_status bench_network_load(struct nt_context *ctx, const struct bench_params *params,
    const struct bench_network *network, struct nt_model **out)
{
    char zoo[4200], path[4300];
    int settings = 0;
    if (network->text)
        return load_text(ctx, network, out);
    enum nt_status status = find_zoo(ctx, params, zoo, sizeof zoo);
    if (status != NT_OK)
        return status;
    snprintf(path, sizeof path, "%s/%s", zoo, network->file);
    while (settings < 3 && network->setting[settings])
        settings++;
    return nt_model_load(ctx, path, settings, network->setting, out);
}

static enum nt_status fill_input(
    struct nt_context *ctx, const struct bench_network *network, struct nt_session *session, int i)
{
    struct nt_port port = nt_session_input(session, i);
    struct nt_random random = {.key = 11, .stream = (uint64_t)i};
    size_t count = port.bytes / sizeof(float);
    void *data = malloc(port.bytes + 1);
    int32_t *class = data;
    if (!data)
        return nt_fail(ctx, NT_ERR_MEMORY, "bench: no memory for %zu bytes", port.bytes);
    if (port.dtype == NT_F32)
        nt_random_fill_uniform(random, 1, data, count);
    else
        for (size_t j = 0; j < count; j++)
            class[j] = (int32_t)nt_random_below(&random, (uint64_t)network->classes);
    enum nt_status status = nt_session_write(session, i, data);
    free(data);
    return status;
}

enum nt_status bench_network_open(struct nt_device *dev, const struct bench_network *network,
    struct nt_model *model, struct nt_weights *weights, bool training, int batch,
    struct nt_session **out)
{
    struct nt_session_params params = {
        .batch = batch, .training = training, .outputs_only = !training};
    struct nt_session *session;
    enum nt_status status = nt_session_create(dev, model, weights, &params, &session);
    if (status != NT_OK)
        return status;
    for (int i = 0; status == NT_OK && i < nt_session_input_count(session); i++)
        status = fill_input(nt_device_context(dev), network, session, i);
    if (status != NT_OK) {
        nt_session_destroy(session);
        return status;
    }
    *out = session;
    return NT_OK;
}

enum nt_status bench_network_step(struct nt_session *session, bool training, int64_t *step)
{
    struct nt_step_params params = {
        .learning_rate = 1e-3, .momentum = 0.9, .step = ++*step, .seed = 1};
    return nt_session_run(session, training ? &params : NULL);
}

/* ---- measuring ---- */

struct subject {
    const struct bench_network *network;
    struct nt_model *model;
    struct nt_weights *weights;
    double macs; /* of one item, forward */
};

static enum nt_status count_macs(struct subject *subject)
{
    struct nt_graph *graph;
    enum nt_status status = nt_model_build(subject->model, 1, false, &graph);
    for (int i = 0; status == NT_OK && i < graph->node_count; i++)
        subject->macs += nt_node_macs(graph, graph->node[i]);
    if (status == NT_OK)
        nt_graph_destroy(graph);
    return status;
}

static enum nt_status open_subject(struct bench *bench, struct subject *subject)
{
    enum nt_status status =
        bench_network_load(bench->ctx, bench->params, subject->network, &subject->model);
    if (status == NT_OK)
        status = nt_weights_create(
            bench->dev, subject->model, 1, nt_optimizer_slots(NT_OPTIMIZER_SGD), &subject->weights);
    return status == NT_OK ? count_macs(subject) : status;
}

static void close_subject(struct subject *subject)
{
    nt_weights_destroy(subject->weights);
    nt_model_destroy(subject->model);
}

struct running {
    struct nt_session *session;
    struct bench_loading *loading; /* NULL: the batch stays */
    bool training;
    int64_t step;
};

static enum nt_status run_step(void *user)
{
    struct running *running = user;
    enum nt_status status =
        running->loading ? bench_loading_next(running->loading, running->session) : NT_OK;
    if (status != NT_OK)
        return status;
    return bench_network_step(running->session, running->training, &running->step);
}

/* The first output of item 0; freed by the caller. */
static enum nt_status first_item(
    struct nt_context *ctx, struct nt_session *session, float **data, size_t *count)
{
    struct nt_port port = nt_session_output(session, 0);
    if (!(*data = malloc(port.bytes + 1)))
        return nt_fail(ctx, NT_ERR_MEMORY, "bench: no memory for %zu bytes", port.bytes);
    *count = port.bytes / sizeof(float) / (size_t)port.shape.dim[0];
    return nt_session_read(session, 0, *data);
}

/* The same item in a batch of another size must give the same output. */
static enum nt_status compare_batches(struct bench *bench, const struct subject *subject,
    struct nt_session *session, int batch, double *error)
{
    struct nt_session *other = NULL;
    float *a = NULL, *b = NULL;
    size_t count = 0;
    int64_t step = 0;
    double most = 0, difference = 0;
    enum nt_status status = bench_network_open(bench->dev, subject->network, subject->model,
        subject->weights, false, batch == 1 ? 2 : 1, &other);
    if (status == NT_OK)
        status = bench_network_step(other, false, &step);
    if (status == NT_OK)
        status = first_item(bench->ctx, session, &a, &count);
    if (status == NT_OK)
        status = first_item(bench->ctx, other, &b, &count);
    for (size_t i = 0; status == NT_OK && i < count; i++) {
        double d = fabs((double)a[i] - b[i]);
        difference = isfinite(d) ? fmax(difference, d) : INFINITY;
        most = fmax(most, fabs((double)a[i]));
    }
    *error = most > 0 ? difference / most : INFINITY;
    free(a);
    free(b);
    nt_session_destroy(other);
    return status;
}

static void describe_session(
    json_t *row, const struct running *running, const struct subject *subject, int batch)
{
    struct nt_session *session = running->session;
    const struct nt_plan_info *plan = nt_session_plan(session);
    json_object_set_new(row, "launches", json_integer(plan->launches - plan->derivations));
    json_object_set_new(row, "kernels", json_integer(plan->kernels));
    json_object_set_new(row, "arena_bytes", json_integer((json_int_t)plan->arena_bytes));
    json_object_set_new(row, "device_bytes",
        json_integer((json_int_t)(plan->arena_bytes + plan->kept_bytes + plan->external_bytes)));
    json_object_set_new(row, "work",
        json_pack("{ss sb sb si si}", "network", subject->network->name, "training",
            (int)running->training, "loaded", running->loading != NULL, "batch", batch, "side",
            subject->network->side));
}

/* Times a session; its results are looked at by the caller. */
static enum nt_status time_session(struct bench *bench, const struct subject *subject,
    struct running *running, int batch, json_t *row)
{
    struct bench_times times;
    struct bench_work work = {run_step, running, 0};
    double flops = 2 * subject->macs * batch * (running->training ? 3 : 1);
    bool quick = bench->params->quick;
    enum nt_status status = bench_measure(bench->dev, &work, quick ? 5 : 7, quick ? 2e-2 : 1e-1,
        bench_fma(bench->limits), flops, &times);
    if (status != NT_OK)
        return status;
    bench_set_times(row, &times);
    json_object_set_new(row, "items_per_second", json_real(batch / times.median));
    json_object_set_new(row, "flops", json_real(flops));
    json_object_set_new(row, "gflops", json_real(1e-9 * flops / times.median));
    json_object_set_new(row, "limit", json_real(1e-9 * times.limit_rate));
    json_object_set_new(row, "share", json_real(times.share));
    return NT_OK;
}

static enum nt_status open_loading(struct bench *bench, struct running *running, int batch)
{
    struct nt_port port = nt_session_input(running->session, 0);
    struct nt_shape item = {.rank = port.shape.rank - 1};
    for (int i = 0; i < item.rank; i++)
        item.dim[i] = port.shape.dim[i + 1];
    return bench_loading_create(bench->ctx, &item, port.layout, batch, &running->loading);
}

static enum nt_status measure(
    struct bench *bench, const struct subject *subject, int index, const char *name, json_t *row)
{
    struct bench_network_row want = subject->network->row[index];
    struct running running = {.training = want.training};
    float first = NAN, last = NAN;
    double error = INFINITY, start = nt_progress_now();
    enum nt_status status = bench_network_open(bench->dev, subject->network, subject->model,
        subject->weights, want.training, want.batch, &running.session);
    if (status == NT_OK && want.loaded)
        status = open_loading(bench, &running, want.batch);
    if (status == NT_OK)
        status = run_step(&running);
    if (status == NT_OK && want.training)
        status = nt_session_loss(running.session, &first);
    if (status == NT_OK)
        status = nt_device_finish(bench->dev);
    json_object_set_new(row, "build_ms", json_real(1e3 * (nt_progress_now() - start)));
    if (status == NT_OK && !want.training)
        status = compare_batches(bench, subject, running.session, want.batch, &error);
    if (status == NT_OK)
        status = time_session(bench, subject, &running, want.batch, row);
    if (status == NT_OK && want.training)
        status = nt_session_loss(running.session, &last);
    if (status == NT_OK)
        describe_session(row, &running, subject, want.batch);
    bench_loading_destroy(running.loading);
    nt_session_destroy(running.session);
    bool varies = subject->network->random || want.loaded; /* from step to step, by itself */
    bool learns = varies ? isfinite(last) : last < first;
    json_object_set_new(row, "right", json_boolean(want.training ? learns : error <= TOLERANCE));
    if (isfinite(error))
        json_object_set_new(row, "error", json_real(error));
    return status == NT_OK ? NT_OK : nt_fail_prefix(bench->ctx, status, "%s", name);
}

static bool wanted(
    const struct bench_params *params, bool exact, const struct bench_network *network, int row)
{
    char name[96];
    bench_network_row_name(network, row, name, sizeof name);
    return bench_wanted(params, exact, network->row[row].quick, name);
}

int bench_network_rows(const struct bench_params *params, bool exact, bool print)
{
    int count = 0;
    for (int i = 0; i < bench_network_count; i++)
        for (int row = 0; bench_networks[i].row[row].batch; row++) {
            char name[96];
            if (!wanted(params, exact, &bench_networks[i], row))
                continue;
            bench_network_row_name(&bench_networks[i], row, name, sizeof name);
            if (print)
                puts(name);
            count++;
        }
    return count;
}

bool bench_network_is(const char *name)
{
    const struct bench_network *network;
    int row;
    return bench_network_find(name, &network, &row);
}

static enum nt_status measure_network(
    struct bench *bench, bool exact, const struct bench_network *network, json_t *rows)
{
    struct subject subject = {.network = network};
    enum nt_status status = NT_OK;
    bool started = false;
    for (int i = 0; status == NT_OK && network->row[i].batch; i++) {
        char name[96];
        if (!wanted(bench->params, exact, network, i))
            continue;
        bench_network_row_name(network, i, name, sizeof name);
        if ((status = bench_next(bench, name)) != NT_OK)
            break;
        if (!subject.model)
            status = open_subject(bench, &subject);
        json_t *row = json_pack("{ss ss}", "name", name, "family", "network");
        if (status == NT_OK)
            status = measure(bench, &subject, i, name, row);
        if (status == NT_OK && !started && !bench->params->quick)
            status = bench_start(bench, name, row);
        started = true;
        if (status == NT_OK)
            json_array_append(rows, row);
        json_decref(row);
    }
    close_subject(&subject);
    return status;
}

enum nt_status bench_measure_networks(struct bench *bench, bool exact)
{
    json_t *rows = json_array();
    json_object_set_new(bench->out, "networks", rows);
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < bench_network_count; i++)
        status = measure_network(bench, exact, &bench_networks[i], rows);
    return status;
}
