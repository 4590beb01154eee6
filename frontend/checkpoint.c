/* SPDX-License-Identifier: MIT */
#include "frontend/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/optimizer.h"

#define NAME_SIZE 256

/* The tensors of a checkpoint: the weights, then slot by slot those of trained ones. */
struct content {
    int count;
    struct nt_safetensors_entry *entry;
    struct source {
        int weight, slot; /* slot -1: the weight itself */
    } * source;
    char (*name)[NAME_SIZE];
    float *buffer; /* room for the largest one */
};

static void release(struct content *content)
{
    free(content->entry);
    free(content->source);
    free(content->name);
    free(content->buffer);
}

static enum nt_status add(struct nt_context *ctx, struct content *content,
    const struct nt_weight_info *info, enum nt_optimizer optimizer, int weight, int slot)
{
    int at = content->count;
    int length = slot < 0 ? snprintf(content->name[at], NAME_SIZE, "%s", info->name)
                          : snprintf(content->name[at], NAME_SIZE, "optimizer.%s.%s",
                                nt_optimizer_slot_name(optimizer, slot), info->name);
    if (length >= NAME_SIZE)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%.60s...: a weight's name of more than %d bytes",
            info->name, NAME_SIZE - 40);
    content->entry[at] = (struct nt_safetensors_entry){content->name[at], NT_F32, info->shape};
    content->source[at] = (struct source){weight, slot};
    content->count++;
    return NT_OK;
}

static enum nt_status list(struct nt_context *ctx, struct nt_weights *weights,
    enum nt_optimizer optimizer, struct content *content)
{
    int count = nt_weights_count(weights), slots = nt_weights_state_slots(weights);
    size_t room = (size_t)count * (size_t)(1 + slots) + 1;
    size_t largest = 1;
    memset(content, 0, sizeof *content);
    content->entry = calloc(room, sizeof *content->entry);
    content->source = calloc(room, sizeof *content->source);
    content->name = calloc(room, sizeof *content->name);
    enum nt_status status = NT_OK;
    if (!content->entry || !content->source || !content->name)
        status = nt_fail(ctx, NT_ERR_MEMORY, "no memory to list %d weights", count);
    for (int slot = -1; slot < slots && status == NT_OK; slot++)
        for (int i = 0; i < count && status == NT_OK; i++) {
            const struct nt_weight_info *info = nt_weights_get(weights, i);
            size_t elements = (size_t)nt_shape_count(&info->shape);
            largest = elements > largest ? elements : largest;
            if (slot < 0 || info->trained)
                status = add(ctx, content, info, optimizer, i, slot);
        }
    if (status == NT_OK) {
        content->buffer = malloc(largest * sizeof *content->buffer);
        if (!content->buffer)
            status = nt_fail(ctx, NT_ERR_MEMORY, "no memory for %zu floats", largest);
    }
    if (status != NT_OK)
        release(content);
    return status;
}

static enum nt_status put_all(
    struct nt_weights *weights, struct content *content, struct nt_safetensors_writer *writer)
{
    enum nt_status status = NT_OK;
    for (int i = 0; i < content->count && status == NT_OK; i++) {
        struct source source = content->source[i];
        if (source.slot < 0)
            status = nt_weights_read(weights, source.weight, content->buffer);
        else
            status = nt_weights_read_state(weights, source.weight, source.slot, content->buffer);
        if (status == NT_OK)
            status = nt_safetensors_put(writer, i, content->buffer);
    }
    return status;
}

enum nt_status nt_checkpoint_save(struct nt_context *ctx, struct nt_weights *weights,
    enum nt_optimizer optimizer, const char *path, const struct nt_safetensors_text *metadata,
    int metadata_count)
{
    struct content content;
    enum nt_status status = list(ctx, weights, optimizer, &content);
    if (status != NT_OK)
        return status;
    struct nt_safetensors_writer *writer;
    status = nt_safetensors_create(
        ctx, path, content.entry, content.count, metadata, metadata_count, &writer);
    if (status == NT_OK) {
        status = put_all(weights, &content, writer);
        if (status == NT_OK)
            status = nt_safetensors_commit(writer);
        else
            nt_safetensors_discard(writer);
    }
    release(&content);
    return status;
}

static enum nt_status find_all(struct nt_context *ctx, const char *path,
    const struct nt_safetensors *file, const struct content *content)
{
    for (int i = 0; i < content->count; i++) {
        const struct nt_safetensors_entry *want = &content->entry[i];
        int at = nt_safetensors_find(file, want->name);
        if (at < 0)
            return nt_fail(ctx, NT_ERR_FORMAT,
                "%s: has no tensor %s: not a checkpoint of this model and optimizer", path,
                want->name);
        const struct nt_safetensors_entry *got = nt_safetensors_get(file, at);
        char a[128], b[128];
        if (got->dtype != NT_F32 || !nt_shape_equal(&got->shape, &want->shape))
            return nt_fail(ctx, NT_ERR_FORMAT, "%s: %s is %s %s: must be float32 %s", path,
                want->name, nt_dtype_name(got->dtype), nt_shape_text(&got->shape, a, sizeof a),
                nt_shape_text(&want->shape, b, sizeof b));
    }
    return NT_OK;
}

static enum nt_status get_all(
    struct nt_weights *weights, const struct nt_safetensors *file, struct content *content)
{
    enum nt_status status = NT_OK;
    for (int i = 0; i < content->count && status == NT_OK; i++) {
        struct source source = content->source[i];
        int at = nt_safetensors_find(file, content->entry[i].name);
        status = nt_safetensors_read(file, at, content->buffer);
        if (status != NT_OK)
            break;
        if (source.slot < 0)
            status = nt_weights_write(weights, source.weight, content->buffer);
        else
            status = nt_weights_write_state(weights, source.weight, source.slot, content->buffer);
    }
    return status;
}

enum nt_status nt_checkpoint_load(struct nt_context *ctx, struct nt_weights *weights,
    enum nt_optimizer optimizer, const char *path)
{
    struct nt_safetensors *file;
    enum nt_status status = nt_safetensors_open(ctx, path, &file);
    if (status != NT_OK)
        return status;
    struct content content;
    status = list(ctx, weights, optimizer, &content);
    if (status == NT_OK) {
        status = find_all(ctx, path, file, &content);
        if (status == NT_OK)
            status = get_all(weights, file, &content);
        release(&content);
    }
    nt_safetensors_close(file);
    return status;
}

enum nt_status nt_checkpoint_text(
    struct nt_context *ctx, const char *path, const char *key, char **text)
{
    struct nt_safetensors *file;
    enum nt_status status = nt_safetensors_open(ctx, path, &file);
    if (status != NT_OK)
        return status;
    const char *found = nt_safetensors_metadata(file, key);
    char *copy = found ? strdup(found) : NULL;
    nt_safetensors_close(file);
    if (found && !copy)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for its %s", path, key);
    *text = copy;
    return NT_OK;
}
