/* SPDX-License-Identifier: MIT */
#include "frontend/loader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_BATCH 64
#define DEFAULT_SLOTS 3
#define MOST_DEFAULT_WORKERS 4
#define MAX_WORKERS 256
#define DEFAULT_BAD_SHARE 0.05
#define REPLACEMENT_TRIES 1000

/* Independent streams of one seed. The epoch lies in the upper half of the stream number. */
#define ORDER_KEY UINT64_C(0x6f72646572)
#define AUGMENT_KEY UINT64_C(0x6175676d656e74)
#define REPLACE_KEY UINT64_C(0x7265706c616365)

struct slot {
    uint8_t *x, *y;
    uint32_t *item; /* which item goes where; NT_NO_ITEM: padding */
    int64_t epoch, index;
    int64_t given, done;     /* places handed to workers, and finished */
    atomic_int_fast64_t bad; /* places left empty by unreadable items */
};

struct nt_loader {
    struct nt_context *ctx;
    const struct nt_dataset *dataset;
    struct nt_loader_params params;
    int64_t batches;               /* per epoch */
    size_t item_size, target_size; /* in bytes */
    int64_t chunk;                 /* places a worker takes at a time */
    double max_bad;
    atomic_uchar *is_bad;

    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    struct slot *slots;
    /* Batches are counted from the start: made or being made, handed out, released. */
    int64_t total, begun, taken, released;
    uint32_t *order;
    int64_t order_epoch;
    int64_t bad;
    char *first_bad; /* what was said of the first unreadable item */
    enum nt_status status;
    char *message;
    atomic_bool stop;
    int started;
    struct worker {
        struct nt_loader *loader;
        struct nt_context *ctx; /* its own: messages of different threads do not mix */
        pthread_t thread;
    } * workers;
};

static struct slot *slot_of(struct nt_loader *loader, int64_t batch)
{
    return &loader->slots[batch % loader->params.slots];
}

/* The order of an epoch; called with the lock held. */
static void make_order(struct nt_loader *loader, int64_t epoch)
{
    if (loader->order_epoch == epoch)
        return;
    uint32_t count = (uint32_t)nt_dataset_get_info(loader->dataset)->count;
    struct nt_random random = {
        .key = loader->params.seed ^ ORDER_KEY, .stream = (uint64_t)epoch << 32};
    if (nt_dataset_get_info(loader->dataset)->continues)
        for (uint32_t i = 0; i < count; i++) {
            uint32_t batch = (uint32_t)loader->params.batch, batches = (uint32_t)loader->batches;
            loader->order[i] = i < batch * batches ? i % batch * batches + i / batch : i;
        }
    else if (loader->params.training && !loader->params.ordered)
        nt_random_permutation(&random, loader->order, count);
    else
        for (uint32_t i = 0; i < count; i++)
            loader->order[i] = i;
    loader->order_epoch = epoch;
}

/* Opens the next batch in a free slot; called with the lock held. */
static void begin_batch(struct nt_loader *loader)
{
    struct slot *slot = slot_of(loader, loader->begun);
    int64_t count = nt_dataset_get_info(loader->dataset)->count, batch = loader->params.batch;
    int64_t number = loader->params.first_batch + loader->begun;
    slot->epoch = loader->params.first_epoch + number / loader->batches;
    slot->index = number % loader->batches;
    slot->given = slot->done = 0;
    atomic_store(&slot->bad, 0);
    make_order(loader, slot->epoch);
    for (int64_t i = 0; i < batch; i++) {
        int64_t at = slot->index * batch + i;
        slot->item[i] = at < count ? loader->order[at] : NT_NO_ITEM;
    }
    loader->begun++;
}

/* Counts an unreadable item; true while there are not too many. */
static bool report_bad(struct worker *worker, uint32_t item)
{
    struct nt_loader *loader = worker->loader;
    if (atomic_exchange(&loader->is_bad[item], 1))
        return true;
    char name[4096], text[8192];
    nt_dataset_item_name(loader->dataset, item, name, sizeof name);
    const char *message = nt_error_message(worker->ctx);
    bool named = strstr(message, name) != NULL;
    snprintf(text, sizeof text, "%s%s%s", named ? "" : name, named ? "" : ": ", message);
    nt_log(loader->ctx, NT_LOG_WARNING, "skipped %s", text);
    pthread_mutex_lock(&loader->lock);
    int64_t bad = ++loader->bad;
    if (!loader->first_bad)
        loader->first_bad = strdup(text);
    const char *first = loader->first_bad ? loader->first_bad : text;
    pthread_mutex_unlock(&loader->lock);
    if ((double)bad <= loader->max_bad)
        return true;
    int64_t count = nt_dataset_get_info(loader->dataset)->count;
    nt_fail(worker->ctx, NT_ERR_FORMAT,
        "%lld of %lld items cannot be read, more than %g %%: the first: %s", (long long)bad,
        (long long)count, 100 * loader->params.max_bad_share, first);
    return false;
}

static bool is_unreadable(enum nt_status status)
{
    return status == NT_ERR_FILE || status == NT_ERR_FORMAT || status == NT_ERR_UNSUPPORTED;
}

static enum nt_status load_item(
    struct worker *worker, const struct slot *slot, uint32_t item, void *x, void *y)
{
    struct nt_loader *loader = worker->loader;
    struct nt_random random = {
        .key = loader->params.seed ^ AUGMENT_KEY, .stream = (uint64_t)slot->epoch << 32 | item};
    return nt_dataset_item(worker->ctx, loader->dataset, item,
        loader->params.training ? &random : NULL, loader->params.layout, x, y);
}

/* Bytes of 255 are targets of -1. */
static void make_empty(struct nt_loader *loader, void *x, void *y)
{
    bool classes = nt_dataset_get_info(loader->dataset)->target_dtype == NT_I32;
    memset(x, 0, loader->item_size);
    memset(y, classes ? 255 : 0, loader->target_size);
}

static enum nt_status fill_place(struct worker *worker, struct slot *slot, int64_t place)
{
    struct nt_loader *loader = worker->loader;
    uint8_t *x = slot->x + (size_t)place * loader->item_size;
    uint8_t *y = slot->y + (size_t)place * loader->target_size;
    uint32_t item = slot->item[place];
    if (item == NT_NO_ITEM) {
        make_empty(loader, x, y);
        return NT_OK;
    }
    uint32_t count = (uint32_t)nt_dataset_get_info(loader->dataset)->count;
    struct nt_random random = {
        .key = loader->params.seed ^ REPLACE_KEY, .stream = (uint64_t)slot->epoch << 32 | item};
    for (int attempt = 0; attempt < REPLACEMENT_TRIES; attempt++) {
        if (!atomic_load(&loader->is_bad[item])) {
            enum nt_status status = load_item(worker, slot, item, x, y);
            slot->item[place] = item;
            if (!is_unreadable(status))
                return status;
            if (!report_bad(worker, item))
                return NT_ERR_FORMAT;
        }
        if (!loader->params.training) {
            make_empty(loader, x, y);
            slot->item[place] = NT_NO_ITEM;
            atomic_fetch_add(&slot->bad, 1);
            return NT_OK;
        }
        item = (uint32_t)nt_random_below(&random, count);
    }
    return nt_fail(worker->ctx, NT_ERR_FORMAT, "no readable item found in %d tries: %lld are bad",
        REPLACEMENT_TRIES, (long long)nt_loader_bad(loader));
}

/* The next places to fill: waits for them; false when the loader stops. */
static bool take_work(struct nt_loader *loader, struct slot **slot, int64_t *first, int64_t *count)
{
    for (;;) {
        if (atomic_load(&loader->stop) || loader->status != NT_OK)
            return false;
        struct slot *current = loader->begun ? slot_of(loader, loader->begun - 1) : NULL;
        int64_t batch = loader->params.batch;
        if (current && current->given < batch) {
            *slot = current;
            *first = current->given;
            *count = batch - *first < loader->chunk ? batch - *first : loader->chunk;
            current->given += *count;
            return true;
        }
        bool more = loader->total < 0 || loader->begun < loader->total;
        if (!more)
            return false;
        if (loader->begun < loader->released + loader->params.slots)
            begin_batch(loader);
        else
            pthread_cond_wait(&loader->work, &loader->lock);
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct nt_loader *loader = worker->loader;
    struct slot *slot;
    int64_t first, count;
    pthread_mutex_lock(&loader->lock);
    while (take_work(loader, &slot, &first, &count)) {
        pthread_mutex_unlock(&loader->lock);
        enum nt_status status = NT_OK;
        for (int64_t i = 0; i < count && status == NT_OK && !atomic_load(&loader->stop); i++)
            status = fill_place(worker, slot, first + i);
        pthread_mutex_lock(&loader->lock);
        if (status != NT_OK && loader->status == NT_OK) {
            loader->status = status;
            loader->message = strdup(nt_error_message(worker->ctx));
            pthread_cond_broadcast(&loader->work);
        }
        if (status == NT_OK)
            slot->done += count;
        if (slot->done == loader->params.batch || status != NT_OK)
            pthread_cond_signal(&loader->ready);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

static enum nt_status check_params(
    struct nt_context *ctx, const struct nt_dataset *dataset, struct nt_loader_params *p)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    p->batch = p->batch ? p->batch : DEFAULT_BATCH;
    p->slots = p->slots ? p->slots : DEFAULT_SLOTS;
    p->max_bad_share = p->max_bad_share != 0 ? p->max_bad_share : DEFAULT_BAD_SHARE;
    if (!p->workers)
        p->workers = processors < 1                      ? 1
                     : processors < MOST_DEFAULT_WORKERS ? (int)processors
                                                         : MOST_DEFAULT_WORKERS;
    if (!p->epochs && !p->training)
        p->epochs = 1;
    int64_t count = nt_dataset_get_info(dataset)->count;
    bool full = p->training || nt_dataset_get_info(dataset)->continues;
    if (p->batch < 1 || p->batch > UINT32_MAX)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "batch %lld: must be at least 1", (long long)p->batch);
    if (full && p->batch > count)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "batch %lld: more than the %lld items there are",
            (long long)p->batch, (long long)count);
    if (p->workers < 1 || p->workers > MAX_WORKERS)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "workers %d: must be 1 to %d", p->workers, MAX_WORKERS);
    if (p->slots < 2)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "slots %d: must be at least 2", p->slots);
    if (!(p->max_bad_share > 0 && p->max_bad_share <= 1))
        return nt_fail(ctx, NT_ERR_ARGUMENT, "max_bad_share %g: must be above 0 and at most 1",
            p->max_bad_share);
    if (p->epochs < 0 || p->first_epoch < 0 || p->first_batch < 0)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "epochs and the start position must not be negative");
    return NT_OK;
}

static bool allocate(struct nt_loader *loader)
{
    const struct nt_dataset_info *info = nt_dataset_get_info(loader->dataset);
    size_t batch = (size_t)loader->params.batch, count = (size_t)info->count;
    loader->item_size = (size_t)nt_shape_count(&info->item) * 4; /* int32 or float32 */
    loader->target_size = (size_t)nt_shape_count(&info->target) * 4;
    loader->is_bad = calloc(count, sizeof *loader->is_bad);
    loader->order = malloc(count * sizeof *loader->order);
    loader->slots = calloc((size_t)loader->params.slots, sizeof *loader->slots);
    loader->workers = calloc((size_t)loader->params.workers, sizeof *loader->workers);
    if (!loader->is_bad || !loader->order || !loader->slots || !loader->workers)
        return false;
    for (int i = 0; i < loader->params.slots; i++) {
        struct slot *slot = &loader->slots[i];
        slot->x = calloc(batch, loader->item_size);
        slot->y = calloc(batch, loader->target_size);
        slot->item = calloc(batch, sizeof *slot->item);
        if (!slot->x || !slot->y || !slot->item)
            return false;
    }
    return true;
}

static enum nt_status start_workers(struct nt_loader *loader)
{
    for (int i = 0; i < loader->params.workers; i++) {
        struct worker *worker = &loader->workers[i];
        worker->loader = loader;
        struct nt_context_params quiet = {.cache_dir = ""};
        if (nt_context_create(&quiet, &worker->ctx) != NT_OK)
            return nt_fail(loader->ctx, NT_ERR_MEMORY, "no memory for the loader");
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            nt_context_destroy(worker->ctx);
            return nt_fail(loader->ctx, NT_ERR_MEMORY, "cannot start thread %d of the loader", i);
        }
        loader->started++;
    }
    return NT_OK;
}

enum nt_status nt_loader_create(struct nt_context *ctx, const struct nt_dataset *dataset,
    const struct nt_loader_params *params, struct nt_loader **out)
{
    struct nt_loader_params p = params ? *params : (struct nt_loader_params){0};
    enum nt_status status = check_params(ctx, dataset, &p);
    if (status != NT_OK)
        return status;
    struct nt_loader *loader = calloc(1, sizeof *loader);
    if (!loader)
        return nt_fail(ctx, NT_ERR_MEMORY, "no memory for the loader");
    int64_t count = nt_dataset_get_info(dataset)->count;
    loader->ctx = ctx;
    loader->dataset = dataset;
    loader->params = p;
    bool full = p.training || nt_dataset_get_info(dataset)->continues;
    loader->batches = full ? count / p.batch : (count + p.batch - 1) / p.batch;
    loader->chunk = (p.batch + p.workers - 1) / p.workers;
    loader->max_bad = p.max_bad_share * (double)count;
    loader->order_epoch = -1;
    loader->total = p.epochs ? p.epochs * loader->batches - p.first_batch : -1;
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->work, NULL);
    pthread_cond_init(&loader->ready, NULL);
    if (p.first_batch > loader->batches)
        status = nt_fail(ctx, NT_ERR_ARGUMENT, "first batch %lld: an epoch has %lld",
            (long long)p.first_batch, (long long)loader->batches);
    else if (!allocate(loader))
        status = nt_fail(ctx, NT_ERR_MEMORY, "no memory for %d batches of %lld items", p.slots,
            (long long)p.batch);
    else
        status = start_workers(loader);
    if (status != NT_OK) {
        nt_loader_destroy(loader);
        return status;
    }
    *out = loader;
    return NT_OK;
}

void nt_loader_destroy(struct nt_loader *loader)
{
    if (!loader)
        return;
    pthread_mutex_lock(&loader->lock);
    atomic_store(&loader->stop, true);
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->started; i++) {
        pthread_join(loader->workers[i].thread, NULL);
        nt_context_destroy(loader->workers[i].ctx);
    }
    for (int i = 0; loader->slots && i < loader->params.slots; i++) {
        free(loader->slots[i].x);
        free(loader->slots[i].y);
        free(loader->slots[i].item);
    }
    pthread_cond_destroy(&loader->work);
    pthread_cond_destroy(&loader->ready);
    pthread_mutex_destroy(&loader->lock);
    free(loader->slots);
    free(loader->workers);
    free(loader->is_bad);
    free(loader->order);
    free(loader->first_bad);
    free(loader->message);
    free(loader);
}

int64_t nt_loader_batches(const struct nt_loader *loader)
{
    return loader->batches;
}

static int64_t count_items(const struct nt_loader *loader, struct slot *slot)
{
    int64_t count = nt_dataset_get_info(loader->dataset)->count;
    int64_t left = count - slot->index * loader->params.batch;
    int64_t there = left < loader->params.batch ? left : loader->params.batch;
    return there - atomic_load(&slot->bad);
}

enum nt_status nt_loader_next(struct nt_loader *loader, struct nt_batch *batch)
{
    int64_t number = loader->taken;
    if (loader->total >= 0 && number >= loader->total) {
        *batch = (struct nt_batch){0};
        return NT_OK;
    }
    if (number - loader->released >= loader->params.slots)
        return nt_fail(loader->ctx, NT_ERR_ARGUMENT,
            "loader: all %d batches are held: release one first", loader->params.slots);
    struct slot *slot = slot_of(loader, number);
    pthread_mutex_lock(&loader->lock);
    while (
        loader->status == NT_OK && (loader->begun <= number || slot->done < loader->params.batch))
        pthread_cond_wait(&loader->ready, &loader->lock);
    enum nt_status status = loader->status;
    bool filled = loader->begun > number && slot->done == loader->params.batch;
    pthread_mutex_unlock(&loader->lock);
    if (!filled && status != NT_OK)
        return nt_fail(
            loader->ctx, status, "%s", loader->message ? loader->message : "out of memory");
    loader->taken++;
    *batch = (struct nt_batch){.x = slot->x,
        .y = slot->y,
        .item = slot->item,
        .count = count_items(loader, slot),
        .epoch = slot->epoch,
        .index = slot->index,
        .last = slot->index == loader->batches - 1};
    return NT_OK;
}

void nt_loader_release(struct nt_loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    if (loader->released < loader->taken)
        loader->released++;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->lock);
}

int64_t nt_loader_bad(struct nt_loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    int64_t bad = loader->bad;
    pthread_mutex_unlock(&loader->lock);
    return bad;
}
