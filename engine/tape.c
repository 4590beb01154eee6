/* SPDX-License-Identifier: MIT */
#include "engine/cache.h"
#include "engine/profile_state.h"
#include "engine/tape_state.h"
#include "engine/variant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool nt_tape_grow(void **array, int count, int *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    int more = *capacity ? 2 * *capacity : 32;
    void *grown = realloc(*array, (size_t)more * size);
    if (!grown)
        return false;
    *array = grown;
    *capacity = more;
    return true;
}

static enum nt_status parse_forced(
    struct nt_context *ctx, const char *variants, struct nt_forced *forced)
{
    struct nt_forced f = {.text = strdup(variants)};
    if (!f.text)
        return nt_fail(ctx, NT_ERR_MEMORY, "variants: out of memory");
    char *rest = NULL;
    for (char *word = strtok_r(f.text, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest)) {
        char *equals = strchr(word, '=');
        if (!equals || equals == word || !equals[1] || f.count == NT_MAX_FORCED) {
            free(f.text);
            return nt_fail(ctx, NT_ERR_ARGUMENT,
                "variants \"%s\": must be primitive=variant, with commas between", variants);
        }
        *equals = 0;
        enum nt_status status = nt_variant_check(ctx, word);
        if (status != NT_OK) {
            free(f.text);
            return status;
        }
        f.name[f.count] = word;
        f.variant[f.count++] = equals + 1;
    }
    free(forced->text);
    *forced = f;
    return NT_OK;
}

enum nt_status nt_tape_create(struct nt_device *dev, struct nt_tape **out)
{
    struct nt_tape *tape = calloc(1, sizeof *tape);
    const char *environment = getenv("NEUTRA_VARIANT");
    if (!tape)
        return nt_fail(dev->ctx, NT_ERR_MEMORY, "tape: out of memory");
    tape->dev = dev;
    tape->label = "";
    if (environment) {
        enum nt_status status = parse_forced(dev->ctx, environment, &tape->environment);
        if (status != NT_OK) {
            free(tape);
            return nt_fail_prefix(dev->ctx, status, "$NEUTRA_VARIANT");
        }
    }
    *out = tape;
    return NT_OK;
}

void nt_tape_destroy(struct nt_tape *tape)
{
    if (!tape)
        return;
    if (tape->built)
        nt_device_wait(tape->dev->queue);
    nt_tape_release(tape);
    for (int i = 0; i < tape->launches; i++) {
        free(tape->launch[i].arg);
        free(tape->launch[i].user);
    }
    for (int i = 0; i < tape->buffers; i++) {
        free(tape->buffer[i].name);
        free(tape->buffer[i].content);
    }
    for (int i = 0; i < tape->label_count; i++)
        free(tape->labels[i]);
    free(tape->labels);
    free(tape->launch);
    free(tape->buffer);
    free(tape->arena_bytes);
    free(tape->source);
    free(tape->changed);
    free(tape->forced.text);
    free(tape->environment.text);
    free(tape);
}

struct nt_device *nt_tape_device(struct nt_tape *tape)
{
    return tape->dev;
}

/* Keeps the context's message of the first failure for plan. */
static int32_t remember(struct nt_tape *tape, enum nt_status status)
{
    if (tape->status == NT_OK) {
        tape->status = status;
        snprintf(tape->message, sizeof tape->message, "%.255s", nt_error_message(tape->dev->ctx));
    }
    return -1;
}

static int32_t add_buffer(struct nt_tape *tape, struct nt_tape_buffer buffer, const char *name)
{
    struct nt_context *ctx = tape->dev->ctx;
    if (tape->built)
        return remember(tape,
            nt_fail(ctx, NT_ERR_ARGUMENT, "%s: the tape is built already", name ? name : "buffer"));
    buffer.name = strdup(name ? name : "buffer");
    if (!buffer.name || !nt_tape_grow((void **)&tape->buffer, tape->buffers, &tape->buffer_capacity,
                            sizeof *tape->buffer)) {
        free(buffer.name);
        return remember(tape, nt_fail(ctx, NT_ERR_MEMORY, "tape: out of memory"));
    }
    tape->planned = false;
    tape->buffer[tape->buffers] = buffer;
    return tape->buffers++;
}

int32_t nt_tape_buffer(
    struct nt_tape *tape, enum nt_buffer_kind kind, size_t bytes, const char *name)
{
    return add_buffer(
        tape, (struct nt_tape_buffer){.kind = kind, .bytes = bytes, .arena = -1}, name);
}

int32_t nt_tape_constant(struct nt_tape *tape, const void *data, size_t bytes, const char *name)
{
    void *content = malloc(bytes + 1);
    if (!content)
        return remember(
            tape, nt_fail(tape->dev->ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", name));
    memcpy(content, data, bytes);
    int32_t id = nt_tape_buffer(tape, NT_BUFFER_KEPT, bytes, name);
    if (id < 0) {
        free(content);
        return id;
    }
    tape->buffer[id].content = content;
    tape->buffer[id].steady = true;
    return id;
}

int32_t nt_tape_external(
    struct nt_tape *tape, struct nt_memory *memory, size_t offset, size_t bytes, const char *name)
{
    struct nt_context *ctx = tape->dev->ctx;
    if (offset % tape->dev->info.base_alignment)
        return remember(
            tape, nt_fail(ctx, NT_ERR_ARGUMENT, "%s: offset %zu: must be a multiple of %zu", name,
                      offset, tape->dev->info.base_alignment));
    if (offset > memory->bytes || bytes > memory->bytes - offset)
        return remember(
            tape, nt_fail(ctx, NT_ERR_ARGUMENT, "%s: %zu bytes at offset %zu: %s has %zu bytes",
                      name, bytes, offset, memory->name, memory->bytes));
    return add_buffer(tape,
        (struct nt_tape_buffer){.kind = NT_BUFFER_KEPT,
            .memory = memory,
            .offset = offset,
            .bytes = bytes,
            .arena = -1},
        name);
}

void nt_tape_label(struct nt_tape *tape, const char *label)
{
    tape->label = "";
    if (!label || !*label)
        return;
    if (tape->label_count && strcmp(tape->labels[tape->label_count - 1], label) == 0) {
        tape->label = tape->labels[tape->label_count - 1];
        return;
    }
    char *copy = strdup(label);
    char **labels = realloc(tape->labels, ((size_t)tape->label_count + 1) * sizeof *labels);
    if (labels)
        tape->labels = labels;
    if (!copy || !labels) {
        free(copy);
        remember(tape, nt_fail(tape->dev->ctx, NT_ERR_MEMORY, "tape: out of memory"));
        return;
    }
    tape->label = labels[tape->label_count++] = copy;
}

enum nt_status nt_tape_force(struct nt_tape *tape, const char *variants)
{
    return parse_forced(tape->dev->ctx, variants ? variants : "", &tape->forced);
}

static const char *forced_in(const struct nt_forced *forced, const char *primitive)
{
    for (int i = 0; i < forced->count; i++)
        if (strcmp(forced->name[i], primitive) == 0)
            return forced->variant[i];
    return NULL;
}

const char *nt_tape_forced(const struct nt_tape *tape, const char *primitive)
{
    const char *variant = forced_in(&tape->forced, primitive);
    return variant ? variant : forced_in(&tape->environment, primitive);
}

static enum nt_status not_built(struct nt_tape *tape, const char *what)
{
    return nt_fail(tape->dev->ctx, NT_ERR_ARGUMENT, "%s: the tape is not built", what);
}

static cl_int enqueue(struct nt_tape *tape, const struct nt_tape_launch *l, const size_t *from,
    const size_t *items, cl_event *event)
{
    if (l->call)
        return l->call(l->user, tape->dev->queue, l->memory, event);
    return clEnqueueNDRangeKernel(
        tape->dev->queue, l->kernel, (cl_uint)l->dims, from, items, l->local, 0, NULL, event);
}

static enum nt_status run_part(
    struct nt_tape *tape, const struct nt_tape_launch *l, const size_t *from, const size_t *items)
{
    struct nt_profile *profile = l->row >= 0 ? tape->dev->profile : NULL;
    cl_event event = NULL;
    cl_int code = enqueue(tape, l, from, items, profile ? &event : NULL);
    if (code != CL_SUCCESS)
        return nt_fail_cl(tape->dev->ctx, code, "%s%s%s on %s", l->label, *l->label ? ": " : "",
            l->entry, tape->dev->info.name);
    if (event) {
        nt_profile_record(profile, l->row, event, l->flops / l->parts, l->bytes / l->parts);
        clReleaseEvent(event);
    }
    return NT_OK;
}

/* The grid part by part, each sent off of its own, so that others get the device between them. */
static enum nt_status run_parts(struct nt_tape *tape, const struct nt_tape_launch *l)
{
    size_t from[3] = {0}, items[3];
    enum nt_status status = NT_OK;
    for (int d = 0; status == NT_OK && d < l->dims;) {
        for (int i = 0; i < l->dims; i++)
            items[i] = l->part[i] < l->global[i] - from[i] ? l->part[i] : l->global[i] - from[i];
        status = run_part(tape, l, from, items);
        if (status == NT_OK)
            clFlush(tape->dev->queue);
        for (d = 0; d < l->dims && (from[d] += l->part[d]) >= l->global[d]; d++)
            from[d] = 0;
    }
    return status;
}

static enum nt_status run_launch(struct nt_tape *tape, const struct nt_tape_launch *l)
{
    return l->parts > 1 ? run_parts(tape, l) : run_part(tape, l, NULL, l->global);
}

enum nt_status nt_tape_run(struct nt_tape *tape)
{
    if (!tape->built)
        return not_built(tape, "run");
    enum nt_status status = nt_feed_before_run(tape->feeds);
    int first = nt_tape_first_launch(tape);
    for (int i = first; status == NT_OK && i < tape->launches; i++)
        status = run_launch(tape, &tape->launch[i]);
    if (status != NT_OK)
        return status;
    nt_tape_was_run(tape, first);
    cl_int code = clFlush(tape->dev->queue);
    if (code != CL_SUCCESS)
        return nt_fail_cl(tape->dev->ctx, code, "run");
    nt_cache_after_run(tape->dev->cache);
    return NT_OK;
}

enum nt_status nt_tape_host_buffer(
    struct nt_tape *tape, int32_t buffer, struct nt_tape_buffer **out)
{
    struct nt_context *ctx = tape->dev->ctx;
    if (buffer < 0 || buffer >= tape->buffers)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "buffer %d: the tape has no such buffer", (int)buffer);
    struct nt_tape_buffer *b = &tape->buffer[buffer];
    if (b->kind == NT_BUFFER_TRANSIENT)
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "buffer \"%s\": is transient: only kept and external buffers can be read and written",
            b->name);
    if (!tape->built)
        return not_built(tape, b->name);
    *out = b;
    return NT_OK;
}

enum nt_status nt_tape_write(
    struct nt_tape *tape, int32_t buffer, size_t offset, const void *data, size_t bytes)
{
    struct nt_tape_buffer *b = NULL;
    enum nt_status status = nt_tape_host_buffer(tape, buffer, &b);
    if (status != NT_OK)
        return status;
    nt_tape_was_written(b);
    return nt_memory_copy_in(tape->dev, b->mem, b->bytes, b->name, offset, data, bytes);
}

enum nt_status nt_tape_read(
    struct nt_tape *tape, int32_t buffer, size_t offset, void *data, size_t bytes)
{
    struct nt_tape_buffer *b = NULL;
    enum nt_status status = nt_tape_host_buffer(tape, buffer, &b);
    if (status != NT_OK)
        return status;
    return nt_memory_copy_out(tape->dev, b->mem, b->bytes, b->name, offset, data, bytes);
}

enum nt_status nt_tape_write_small(
    struct nt_tape *tape, int32_t buffer, size_t offset, const void *data, size_t bytes)
{
    struct nt_tape_buffer *b = NULL;
    enum nt_status status = nt_tape_host_buffer(tape, buffer, &b);
    if (status != NT_OK)
        return status;
    struct nt_context *ctx = tape->dev->ctx;
    if (bytes > NT_SMALL_BYTES || offset > b->bytes || bytes > b->bytes - offset)
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "%s: small write of %zu bytes at offset %zu: at most %d, inside %zu bytes", b->name,
            bytes, offset, NT_SMALL_BYTES, b->bytes);
    if (bytes == 0)
        return NT_OK;
    struct nt_small_slot *slot = &tape->small[tape->next_small];
    tape->next_small = (tape->next_small + 1) % NT_SMALL_SLOTS;
    if (slot->event) {
        clWaitForEvents(1, &slot->event);
        clReleaseEvent(slot->event);
        slot->event = NULL;
    }
    memcpy(slot->data, data, bytes);
    nt_tape_was_written(b);
    cl_int code = clEnqueueWriteBuffer(
        tape->dev->queue, b->mem, CL_FALSE, offset, bytes, slot->data, 0, NULL, &slot->event);
    return code == CL_SUCCESS ? NT_OK : nt_fail_cl(ctx, code, "%s: small write", b->name);
}

int nt_tape_launch_count(const struct nt_tape *tape)
{
    return tape->launches;
}

struct nt_launch_info nt_tape_launch_info(const struct nt_tape *tape, int index)
{
    struct nt_launch_info info = {.label = "", .kernel = "", .variant = "", .reason = ""};
    if (index < 0 || index >= tape->launches)
        return info;
    const struct nt_tape_launch *l = &tape->launch[index];
    info = (struct nt_launch_info){.label = l->label,
        .kernel = l->entry,
        .variant = l->variant,
        .reason = l->reason,
        .flops = l->flops,
        .bytes = l->bytes};
    memcpy(info.global, l->global, sizeof info.global);
    memcpy(info.local, l->local, sizeof info.local);
    return info;
}
