/* SPDX-License-Identifier: MIT */
#include "frontend/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/loader.h"
#include "frontend/progress.h"

#define METRICS_EVERY 32 /* batches between reading sums, which the device keeps in float32 */
#define MAX_PORTS 16

struct nt_evaluator {
    struct nt_context *ctx;
    struct nt_device *dev;
    struct nt_model *model;
    struct nt_weights *weights;
    const struct nt_dataset *dataset;
    struct nt_evaluator_params params;
    struct nt_session *session; /* of whole batches */
    struct nt_session *rest;    /* of a batch that is not full */
    int64_t rest_batch;
    size_t item_bytes, target_bytes;
    float *scores; /* of a batch */
};

void nt_softmax_scores(int count, const float *scores, double *probability)
{
    double largest = -INFINITY, sum = 0;
    for (int i = 0; i < count; i++)
        largest = fmax(largest, scores[i]);
    for (int i = 0; i < count; i++)
        sum += probability[i] = exp(scores[i] - largest);
    for (int i = 0; i < count; i++)
        probability[i] /= sum;
}

/* The port's shape without the batch. */
static struct nt_shape item_of(const struct nt_port *port)
{
    struct nt_shape item = {.rank = port->shape.rank - 1};
    for (int i = 0; i < item.rank; i++)
        item.dim[i] = port->shape.dim[i + 1];
    return item;
}

static enum nt_status check_port(struct nt_context *ctx, const struct nt_port *port,
    enum nt_dtype dtype, const struct nt_shape *data)
{
    struct nt_shape item = item_of(port);
    char a[128], b[128];
    bool same = nt_shape_equal(&item, data) ||
                (nt_shape_count(&item) == nt_shape_count(data) && port->layout == NT_ROW_MAJOR);
    if (same && port->dtype == dtype)
        return NT_OK;
    return nt_fail(ctx, NT_ERR_SHAPE, "input %s: the data give %s %s, the model takes %s %s",
        port->name, nt_dtype_name(dtype), nt_shape_text(data, a, sizeof a),
        nt_dtype_name(port->dtype), nt_shape_text(&item, b, sizeof b));
}

enum nt_status nt_check_data(
    struct nt_context *ctx, const struct nt_session *session, const struct nt_dataset *dataset)
{
    const struct nt_dataset_info *info = nt_dataset_get_info(dataset);
    int inputs = nt_session_input_count(session);
    if (inputs != 1 && inputs != 2)
        return nt_fail(ctx, NT_ERR_SHAPE,
            "the model has %d inputs: data of items and targets need a model with 2, or 1 that "
            "does without targets",
            inputs);
    struct nt_port x = nt_session_input(session, 0), y = nt_session_input(session, inputs - 1);
    enum nt_status status = check_port(ctx, &x, info->item_dtype, &info->item);
    if (status == NT_OK && inputs == 2)
        status = check_port(ctx, &y, info->target_dtype, &info->target);
    if (status != NT_OK || info->classes == 0 || nt_session_output_count(session) == 0)
        return status;
    struct nt_port scores = nt_session_output(session, 0);
    if (nt_session_classifies(session) && scores.shape.dim[1] < info->classes)
        return nt_fail(ctx, NT_ERR_SHAPE, "output %s: %lld classes, the data have %d", scores.name,
            (long long)scores.shape.dim[1], info->classes);
    return NT_OK;
}

bool nt_has_accuracy(const struct nt_session *session, const struct nt_dataset *dataset)
{
    return nt_dataset_get_info(dataset)->classes > 0 && nt_session_classifies(session);
}

static enum nt_status open_session(
    struct nt_evaluator *e, int64_t batch, struct nt_session **session)
{
    const struct nt_session_params params = {.batch = batch, .lean = true};
    return nt_session_create(e->dev, e->model, e->weights, &params, session);
}

enum nt_status nt_evaluator_create(struct nt_device *dev, struct nt_model *model,
    struct nt_weights *weights, const struct nt_dataset *dataset,
    const struct nt_evaluator_params *params, struct nt_evaluator **out)
{
    struct nt_context *ctx = nt_device_context(dev);
    const struct nt_dataset_info *info = nt_dataset_get_info(dataset);
    struct nt_evaluator *e = calloc(1, sizeof *e);
    if (!e)
        return nt_fail(ctx, NT_ERR_MEMORY, "no memory to evaluate with");
    *e = (struct nt_evaluator){
        .ctx = ctx, .dev = dev, .model = model, .weights = weights, .dataset = dataset};
    if (params)
        e->params = *params;
    if (e->params.batch <= 0)
        e->params.batch = 64;
    if (info->count > 0 && e->params.batch > info->count)
        e->params.batch = info->count;
    e->item_bytes = (size_t)nt_shape_count(&info->item) * sizeof(float);
    e->target_bytes = (size_t)nt_shape_count(&info->target) * nt_dtype_size(info->target_dtype);
    enum nt_status status = open_session(e, e->params.batch, &e->session);
    if (status == NT_OK)
        status = nt_check_data(ctx, e->session, dataset);
    if (status == NT_OK && nt_session_output_count(e->session) > 0) {
        e->scores = malloc(nt_session_output(e->session, 0).bytes + 1);
        if (!e->scores)
            status = nt_fail(ctx, NT_ERR_MEMORY, "no memory for a batch of scores");
    }
    if (status != NT_OK) {
        nt_evaluator_destroy(e);
        return status;
    }
    *out = e;
    return NT_OK;
}

void nt_evaluator_destroy(struct nt_evaluator *e)
{
    if (!e)
        return;
    nt_session_destroy(e->rest);
    nt_session_destroy(e->session);
    free(e->scores);
    free(e);
}

/* Brings the items of a batch that are there (not its empty places) to x and y; item[i] is which
 * one the i-th is. */
static void gather(
    const struct nt_evaluator *e, const struct nt_batch *batch, char *x, char *y, int64_t *item)
{
    int64_t found = 0;
    for (int64_t i = 0; i < e->params.batch && found < batch->count; i++) {
        const char *target = (const char *)batch->y + (size_t)i * e->target_bytes;
        if (batch->item[i] == NT_NO_ITEM)
            continue;
        memcpy(x + (size_t)found * e->item_bytes,
            (const char *)batch->x + (size_t)i * e->item_bytes, e->item_bytes);
        memcpy(y + (size_t)found * e->target_bytes, target, e->target_bytes);
        item[found++] = batch->item[i];
    }
}

static enum nt_status choose_session(
    struct nt_evaluator *e, int64_t count, struct nt_session **session)
{
    *session = e->session;
    if (count == e->params.batch)
        return NT_OK;
    if (!e->rest || e->rest_batch != count) {
        nt_session_destroy(e->rest);
        e->rest = NULL;
        enum nt_status status = open_session(e, count, &e->rest);
        if (status != NT_OK)
            return status;
        e->rest_batch = count;
    }
    *session = e->rest;
    return NT_OK;
}

static enum nt_status tell_each(struct nt_evaluator *e, struct nt_session *session,
    const struct nt_batch *batch, const void *targets, const int64_t *item)
{
    enum nt_status status = nt_session_read(session, 0, e->scores);
    if (status != NT_OK)
        return status;
    struct nt_port port = nt_session_output(session, 0);
    bool classes = nt_dataset_get_info(e->dataset)->target_dtype == NT_I32 &&
                   e->target_bytes == sizeof(int32_t);
    size_t per_item = port.bytes / sizeof(float) / (size_t)batch->count;
    for (int64_t i = 0; i < batch->count; i++) {
        struct nt_prediction prediction = {
            .index = item[i],
            .target = classes ? ((const int32_t *)targets)[i] : -1,
            .count = (int)per_item,
            .scores = e->scores + (size_t)i * per_item,
            .targets = (const char *)targets + (size_t)i * e->target_bytes,
        };
        e->params.each(e->params.user, &prediction);
    }
    return NT_OK;
}

static enum nt_status run_batch(
    struct nt_evaluator *e, const struct nt_batch *batch, struct nt_session **used)
{
    void *ptr[MAX_PORTS];
    enum nt_status status = choose_session(e, batch->count, used);
    if (status == NT_OK && !nt_dataset_get_info(e->dataset)->continues)
        status = nt_session_reset(*used);
    if (status == NT_OK)
        status = nt_session_acquire(*used, ptr);
    if (status != NT_OK)
        return status;
    int64_t *item = malloc((size_t)batch->count * sizeof *item);
    void *targets = malloc((size_t)batch->count * e->target_bytes + 1);
    if (!item || !targets) {
        status = nt_fail(e->ctx, NT_ERR_MEMORY, "no memory for a batch's items");
    } else {
        gather(e, batch, ptr[0], targets, item);
        if (nt_session_input_count(*used) > 1)
            memcpy(ptr[1], targets, (size_t)batch->count * e->target_bytes);
        status = nt_session_submit(*used);
        if (status == NT_OK)
            status = nt_session_run(*used, NULL);
        if (status == NT_OK && e->params.each && e->scores)
            status = tell_each(e, *used, batch, targets, item);
    }
    free(item);
    free(targets);
    return status;
}

static enum nt_status add_metrics(struct nt_session *session, struct nt_metrics *sum)
{
    struct nt_metrics m;
    enum nt_status status = nt_session_metrics(session, &m);
    if (status == NT_OK) {
        sum->loss += m.loss;
        sum->correct += m.correct;
        sum->items += m.items;
    }
    return status;
}

static enum nt_status run_all(
    struct nt_evaluator *e, struct nt_loader *loader, struct nt_metrics *sum, int64_t *items)
{
    int64_t count = nt_dataset_get_info(e->dataset)->count, batches = nt_loader_batches(loader);
    for (int64_t done = 1; done <= batches; done++) {
        struct nt_batch batch;
        enum nt_status status = nt_loader_next(loader, &batch);
        if (status != NT_OK)
            return status;
        if (batch.count == 0) { /* nothing readable in it */
            nt_loader_release(loader);
            continue;
        }
        struct nt_session *used;
        status = run_batch(e, &batch, &used);
        nt_loader_release(loader);
        if (status == NT_OK && (used != e->session || done % METRICS_EVERY == 0))
            status = add_metrics(used, sum);
        if (status != NT_OK)
            return status;
        *items += batch.count;
        if (e->params.progress)
            e->params.progress(e->params.user, *items, count);
        if (e->params.stop && *e->params.stop)
            return nt_fail(e->ctx, NT_ERR_INTERRUPTED, "interrupted after %lld of %lld items",
                (long long)*items, (long long)count);
    }
    return add_metrics(e->session, sum);
}

enum nt_status nt_evaluate(struct nt_evaluator *e, struct nt_evaluation *out)
{
    double begin = nt_progress_now();
    struct nt_metrics sum = {0}, dropped;
    int64_t items = 0;
    struct nt_loader_params params = {.batch = e->params.batch,
        .workers = e->params.workers,
        .max_bad_share = e->params.max_unreadable,
        .layout = nt_session_input(e->session, 0).layout};
    struct nt_loader *loader;
    enum nt_status status = nt_session_metrics(e->session, &dropped);
    if (status == NT_OK)
        status = nt_session_reset(e->session);
    if (status == NT_OK)
        status = nt_loader_create(e->ctx, e->dataset, &params, &loader);
    if (status != NT_OK)
        return status;
    status = run_all(e, loader, &sum, &items);
    int64_t bad = nt_loader_bad(loader);
    nt_loader_destroy(loader);
    if (status != NT_OK)
        return status;
    if (sum.items == 0)
        return nt_fail(e->ctx, NT_ERR_ARGUMENT, "no item of the data could be evaluated");
    *out = (struct nt_evaluation){
        .loss = sum.loss / sum.items,
        .accuracy = nt_has_accuracy(e->session, e->dataset) ? sum.correct / sum.items : NAN,
        .items = items,
        .unreadable = bad,
        .seconds = nt_progress_now() - begin,
    };
    return NT_OK;
}
