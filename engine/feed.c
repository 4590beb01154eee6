/* SPDX-License-Identifier: MIT */
#include "engine/profile.h"
#include "engine/profile_state.h"
#include "engine/tape_state.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 2

/* The way of one batch: the host fills host[]; on a device with its own memory submit uploads
 * them to stage[] on the second queue, and the run copies stage[] to the buffers; where memory
 * is shared the run copies host[] itself. */
struct slot {
    void **host;
    cl_mem *pinned; /* whose mapping host[] is */
    cl_mem *stage;
    cl_event uploaded, copied; /* of the last use; NULL: never used, or not needed */
};

struct nt_feed {
    struct nt_feed *next;
    struct nt_tape *tape;
    int count;
    int32_t *buffer;
    bool shared_memory;
    bool acquired;
    unsigned submitted, consumed; /* batches so far; their slot is the number modulo SLOTS */
    int row;                      /* in the profile */
    struct slot slot[SLOTS];
};

static struct nt_tape_buffer *target(const struct nt_feed *feed, int i)
{
    return &feed->tape->buffer[feed->buffer[i]];
}

static void drop_event(cl_event *event)
{
    if (*event)
        clReleaseEvent(*event);
    *event = NULL;
}

static void free_slot(struct nt_feed *feed, struct slot *slot)
{
    struct nt_device *dev = feed->tape->dev;
    for (int i = 0; i < feed->count; i++) {
        if (slot->pinned && slot->pinned[i]) {
            if (slot->host[i])
                clEnqueueUnmapMemObject(dev->upload, slot->pinned[i], slot->host[i], 0, NULL, NULL);
            clReleaseMemObject(slot->pinned[i]);
        } else if (slot->host)
            free(slot->host[i]);
        if (slot->stage && slot->stage[i])
            clReleaseMemObject(slot->stage[i]);
    }
    drop_event(&slot->uploaded);
    drop_event(&slot->copied);
    free(slot->host);
    free(slot->pinned);
    free(slot->stage);
}

void nt_feed_destroy(struct nt_feed *feed)
{
    if (!feed)
        return;
    struct nt_device *dev = feed->tape->dev;
    nt_device_wait(dev->upload);
    nt_device_wait(dev->queue);
    for (struct nt_feed **p = &feed->tape->feeds; *p; p = &(*p)->next)
        if (*p == feed) {
            *p = feed->next;
            break;
        }
    for (int s = 0; s < SLOTS; s++)
        free_slot(feed, &feed->slot[s]);
    nt_device_wait(dev->upload);
    free(feed->buffer);
    free(feed);
}

/* Memory the driver can copy from without staging it again. */
static void *pin(struct nt_device *dev, size_t bytes, cl_mem *pinned)
{
    cl_int code;
    cl_mem mem = clCreateBuffer(
        dev->cl, CL_MEM_READ_ONLY | CL_MEM_ALLOC_HOST_PTR, bytes ? bytes : 1, NULL, &code);
    if (!mem || code != CL_SUCCESS)
        return NULL;
    void *host = clEnqueueMapBuffer(dev->upload, mem, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0,
        bytes ? bytes : 1, 0, NULL, NULL, &code);
    if (!host || code != CL_SUCCESS) {
        clReleaseMemObject(mem);
        return NULL;
    }
    *pinned = mem;
    return host;
}

static enum nt_status make_slot(struct nt_feed *feed, struct slot *slot)
{
    struct nt_device *dev = feed->tape->dev;
    size_t count = (size_t)feed->count + 1;
    slot->host = calloc(count, sizeof *slot->host);
    slot->pinned = calloc(count, sizeof(cl_mem));
    slot->stage = calloc(count, sizeof(cl_mem));
    if (!slot->host || !slot->pinned || !slot->stage)
        return nt_fail(dev->ctx, NT_ERR_MEMORY, "feed: out of memory");
    for (int i = 0; i < feed->count; i++) {
        const struct nt_tape_buffer *b = target(feed, i);
        if (!feed->shared_memory)
            slot->host[i] = pin(dev, b->bytes, &slot->pinned[i]);
        if (!slot->host[i])
            slot->host[i] = aligned_alloc(128, (b->bytes + 128) / 128 * 128);
        if (!slot->host[i])
            return nt_fail(
                dev->ctx, NT_ERR_MEMORY, "feed of %s: %zu bytes of host memory", b->name, b->bytes);
        if (feed->shared_memory)
            continue;
        enum nt_status status =
            nt_memory_allocate(dev, CL_MEM_READ_WRITE, b->bytes, b->name, &slot->stage[i]);
        if (status != NT_OK)
            return nt_fail_prefix(dev->ctx, status, "feed");
    }
    return NT_OK;
}

enum nt_status nt_feed_create(
    struct nt_tape *tape, int count, const int32_t *buffers, struct nt_feed **out)
{
    struct nt_tape_buffer *b = NULL;
    for (int i = 0; i < count; i++) {
        enum nt_status status = nt_tape_host_buffer(tape, buffers[i], &b);
        if (status != NT_OK)
            return nt_fail_prefix(tape->dev->ctx, status, "feed");
    }
    struct nt_feed *feed = calloc(1, sizeof *feed);
    int32_t *copy = calloc((size_t)count + 1, sizeof *copy);
    if (!feed || !copy) {
        free(feed);
        free(copy);
        return nt_fail(tape->dev->ctx, NT_ERR_MEMORY, "feed: out of memory");
    }
    memcpy(copy, buffers, (size_t)count * sizeof *copy);
    feed->tape = tape;
    feed->count = count;
    feed->buffer = copy;
    feed->shared_memory = tape->dev->info.unified_memory;
    feed->row = nt_profile_row(tape->dev->profile, "feed", "copy", "input");
    feed->next = tape->feeds;
    tape->feeds = feed;
    for (int s = 0; s < SLOTS; s++) {
        enum nt_status status = make_slot(feed, &feed->slot[s]);
        if (status != NT_OK) {
            nt_feed_destroy(feed);
            return status;
        }
    }
    *out = feed;
    return NT_OK;
}

enum nt_status nt_feed_acquire(struct nt_feed *feed, void **ptr)
{
    struct nt_context *ctx = feed->tape->dev->ctx;
    if (feed->submitted - feed->consumed == SLOTS)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "feed: both slots wait for a run of the tape");
    struct slot *slot = &feed->slot[feed->submitted % SLOTS];
    if (slot->copied) {
        cl_int code = clWaitForEvents(1, &slot->copied);
        drop_event(&slot->copied);
        if (code != CL_SUCCESS)
            return nt_fail_cl(ctx, code, "feed: waiting for a slot");
    }
    feed->acquired = true;
    for (int i = 0; i < feed->count; i++)
        ptr[i] = slot->host[i];
    return NT_OK;
}

enum nt_status nt_feed_submit(struct nt_feed *feed)
{
    struct nt_device *dev = feed->tape->dev;
    if (!feed->acquired)
        return nt_fail(dev->ctx, NT_ERR_ARGUMENT, "feed: submit without acquire");
    struct slot *slot = &feed->slot[feed->submitted % SLOTS];
    for (int i = 0; !feed->shared_memory && i < feed->count; i++) {
        const struct nt_tape_buffer *b = target(feed, i);
        if (b->bytes == 0)
            continue;
        drop_event(&slot->uploaded);
        cl_int sent = clEnqueueWriteBuffer(dev->upload, slot->stage[i], CL_FALSE, 0, b->bytes,
            slot->host[i], 0, NULL, &slot->uploaded);
        if (sent != CL_SUCCESS)
            return nt_fail_cl(dev->ctx, sent, "feed of %s: upload", b->name);
    }
    /* Unflushed, the run would wait for the upload for ever. */
    cl_int code = feed->shared_memory ? CL_SUCCESS : clFlush(dev->upload);
    if (code != CL_SUCCESS)
        return nt_fail_cl(dev->ctx, code, "feed: upload");
    feed->acquired = false;
    feed->submitted++;
    return NT_OK;
}

static enum nt_status copy_slot(struct nt_feed *feed, struct slot *slot)
{
    struct nt_device *dev = feed->tape->dev;
    for (int i = 0; i < feed->count; i++) {
        struct nt_tape_buffer *b = target(feed, i);
        if (b->bytes == 0)
            continue;
        nt_tape_was_written(b);
        drop_event(&slot->copied);
        cl_int code = feed->shared_memory
                          ? clEnqueueWriteBuffer(dev->queue, b->mem, CL_FALSE, 0, b->bytes,
                                slot->host[i], 0, NULL, &slot->copied)
                          : clEnqueueCopyBuffer(dev->queue, slot->stage[i], b->mem, 0, 0, b->bytes,
                                slot->uploaded ? 1 : 0, slot->uploaded ? &slot->uploaded : NULL,
                                &slot->copied);
        if (code != CL_SUCCESS)
            return nt_fail_cl(dev->ctx, code, "feed of %s: copy", b->name);
        nt_profile_record(dev->profile, feed->row, slot->copied, 0, 2.0 * (double)b->bytes);
    }
    return NT_OK;
}

enum nt_status nt_feed_before_run(struct nt_feed *feeds)
{
    for (struct nt_feed *feed = feeds; feed; feed = feed->next) {
        if (feed->consumed == feed->submitted)
            continue;
        enum nt_status status = copy_slot(feed, &feed->slot[feed->consumed % SLOTS]);
        if (status != NT_OK)
            return status;
        feed->consumed++;
    }
    return NT_OK;
}
