/* SPDX-License-Identifier: MIT */
#include "engine/launch.h"
#include "engine/tape_state.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAIL(launch, code, ...) fail(launch, nt_fail((launch)->tape->dev->ctx, code, __VA_ARGS__))

static void fail(struct nt_launch *launch, enum nt_status status)
{
    if (launch->status == NT_OK)
        launch->status = status;
}

void nt_launch_init(struct nt_launch *launch, struct nt_tape *tape, const char *stem,
    const char *entry, const char *variant, const char *reason)
{
    *launch = (struct nt_launch){
        .tape = tape, .stem = stem, .entry = entry, .variant = variant ? variant : ""};
    snprintf(launch->reason, sizeof launch->reason, "%s", reason ? reason : "");
}

void nt_launch_text(struct nt_launch *launch, const char *text)
{
    struct nt_text all = {.data = launch->defines,
        .length = launch->defines_length,
        .capacity = launch->defines ? launch->defines_length + 1 : 0};
    nt_text_string(&all, text);
    launch->defines = all.data;
    launch->defines_length = all.length;
    if (all.failed)
        FAIL(launch, NT_ERR_MEMORY, "%s: out of memory", launch->entry);
}

void nt_launch_define(struct nt_launch *launch, const char *name, const char *fmt, ...)
{
    struct nt_text line = {0};
    va_list ap;
    va_start(ap, fmt);
    nt_text_format(&line, "#define %s ", name);
    nt_text_vformat(&line, fmt, ap);
    nt_text_string(&line, "\n");
    va_end(ap);
    if (line.failed)
        FAIL(launch, NT_ERR_MEMORY, "%s: out of memory", launch->entry);
    else
        nt_launch_text(launch, line.data);
    free(line.data);
}

static struct nt_launch_arg *add_arg(struct nt_launch *launch)
{
    if (launch->arg_count == NT_MAX_ARGS) {
        FAIL(launch, NT_ERR_UNSUPPORTED, "%s: more than %d kernel arguments", launch->entry,
            NT_MAX_ARGS);
        return NULL;
    }
    struct nt_launch_arg *arg = &launch->arg[launch->arg_count++];
    *arg = (struct nt_launch_arg){.buffer = -1};
    return arg;
}

static void add_scalar(struct nt_launch *launch, const void *value, unsigned size)
{
    struct nt_launch_arg *arg = add_arg(launch);
    if (!arg)
        return;
    arg->size = size;
    memcpy(arg->value, value, size);
}

void nt_launch_buffer(struct nt_launch *launch, int32_t buffer, enum nt_access access)
{
    if (buffer < 0 || buffer >= launch->tape->buffers) {
        FAIL(launch, NT_ERR_ARGUMENT, "%s: buffer %d: the tape has no such buffer", launch->entry,
            (int)buffer);
        return;
    }
    struct nt_launch_arg *arg = add_arg(launch);
    if (!arg)
        return;
    arg->buffer = buffer;
    arg->access = access;
}

/* Whether every element of a tensor lies in its buffer and is reachable with an int. */
static bool check_tensor(struct nt_launch *launch, const struct nt_tensor *tensor)
{
    const struct nt_tape_buffer *buffer = &launch->tape->buffer[tensor->buffer];
    __int128 low = tensor->offset, high = tensor->offset, count = 1;
    char shape[128];
    for (int i = 0; i < tensor->shape.rank; i++) {
        __int128 reach = ((__int128)tensor->shape.dim[i] - 1) * tensor->stride[i];
        count *= tensor->shape.dim[i];
        *(reach < 0 ? &low : &high) += reach;
    }
    if (count == 0)
        return true;
    nt_shape_text(&tensor->shape, shape, sizeof shape);
    if (count > INT_MAX || high > INT_MAX) {
        FAIL(launch, NT_ERR_UNSUPPORTED, "%s: tensor %s of %s: 2^31 elements and more",
            launch->entry, buffer->name, shape);
        return false;
    }
    if (low < 0 || (high + 1) * (__int128)nt_dtype_size(tensor->dtype) > (__int128)buffer->bytes) {
        FAIL(launch, NT_ERR_SHAPE, "%s: tensor %s of %s at offset %lld: exceeds its %zu bytes",
            launch->entry, buffer->name, shape, (long long)tensor->offset, buffer->bytes);
        return false;
    }
    return true;
}

void nt_launch_tensor(
    struct nt_launch *launch, const struct nt_tensor *tensor, enum nt_access access)
{
    nt_launch_buffer(launch, tensor->buffer, access);
    if (launch->status == NT_OK && check_tensor(launch, tensor))
        nt_launch_int(launch, tensor->offset);
}

void nt_launch_int(struct nt_launch *launch, int64_t value)
{
    int32_t narrow = (int32_t)value;
    if (narrow != value)
        FAIL(launch, NT_ERR_UNSUPPORTED, "%s: argument %d: %lld does not fit an int", launch->entry,
            launch->arg_count, (long long)value);
    else
        add_scalar(launch, &narrow, sizeof narrow);
}

void nt_launch_ints(struct nt_launch *launch, int count, const int64_t *values)
{
    for (int i = 0; i < count; i++)
        nt_launch_int(launch, values[i]);
}

void nt_launch_float(struct nt_launch *launch, float value)
{
    add_scalar(launch, &value, sizeof value);
}

void nt_launch_grid(struct nt_launch *launch, int dims, const size_t *global, const size_t *local)
{
    size_t group = 1, limit = launch->tape->dev->info.max_work_group;
    if (dims < 1 || dims > 3) {
        FAIL(
            launch, NT_ERR_ARGUMENT, "%s: %d grid dimensions: must be 1 to 3", launch->entry, dims);
        return;
    }
    launch->dims = dims;
    for (int i = 0; i < dims; i++) {
        size_t l = local && local[i] ? local[i] : 1;
        launch->local[i] = l;
        launch->global[i] = (global[i] + l - 1) / l * l;
        group *= l;
    }
    if (group > limit)
        FAIL(launch, NT_ERR_UNSUPPORTED, "%s: work-groups of %zu: %s allows at most %zu",
            launch->entry, group, launch->tape->dev->info.name, limit);
}

static bool is_empty(const struct nt_launch *launch)
{
    for (int i = 0; i < launch->dims; i++)
        if (launch->global[i] == 0)
            return true;
    return false;
}

static size_t divide_up(size_t count, size_t by)
{
    return (count + by - 1) / by;
}

/* Divides the grid of a kernel of work-groups into parts that the device takes. Work-items of such
 * kernels know their place by get_global_id alone; a kernel of single work-items is not divided. */
static void divide(const struct nt_device *dev, struct nt_tape_launch *l)
{
    size_t items = 1, wanted = dev->most.flops > 0 ? (size_t)(l->flops / dev->most.flops) + 1 : 1;
    l->parts = 1;
    for (int i = 0; i < l->dims; i++) {
        items *= l->local[i];
        l->part[i] = l->global[i];
    }
    for (int i = l->dims - 1; items > 1 && i >= 0; i--) {
        size_t groups = l->global[i] / l->local[i], parts = wanted < groups ? wanted : groups;
        if (i > 0 && dev->most.groups && divide_up(groups, parts) > dev->most.groups)
            parts = divide_up(groups, dev->most.groups);
        l->part[i] = divide_up(groups, parts) * l->local[i];
        parts = divide_up(l->global[i], l->part[i]);
        wanted = divide_up(wanted, parts);
        l->parts *= (int)parts;
    }
}

static enum nt_status append(struct nt_launch *launch)
{
    struct nt_tape *tape = launch->tape;
    struct nt_context *ctx = tape->dev->ctx;
    struct nt_unit *unit = NULL;
    if (tape->built)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: the tape is built already", launch->entry);
    if (!launch->call && !launch->dims)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: a launch without a grid", launch->entry);
    if (is_empty(launch))
        return NT_OK;
    if (!launch->call) {
        enum nt_status status =
            nt_unit_get(tape->dev, launch->stem, launch->defines ? launch->defines : "", &unit);
        if (status != NT_OK)
            return status;
    }
    size_t bytes = (size_t)launch->arg_count * sizeof *launch->arg;
    struct nt_launch_arg *arg = malloc(bytes + 1);
    if (!arg || !nt_tape_grow((void **)&tape->launch, tape->launches, &tape->launch_capacity,
                    sizeof *tape->launch)) {
        free(arg);
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: out of memory", launch->entry);
    }
    memcpy(arg, launch->arg, bytes);
    struct nt_tape_launch *l = &tape->launch[tape->launches];
    *l = (struct nt_tape_launch){.label = tape->label,
        .order = tape->launches++,
        .stem = launch->stem,
        .entry = launch->entry,
        .variant = launch->variant,
        .unit = unit,
        .arg_count = launch->arg_count,
        .arg = arg,
        .dims = launch->dims,
        .flops = launch->flops,
        .bytes = launch->bytes,
        .call = launch->call,
        .user = launch->user};
    memcpy(l->reason, launch->reason, sizeof l->reason);
    memcpy(l->global, launch->global, sizeof l->global);
    memcpy(l->local, launch->local, sizeof l->local);
    divide(tape->dev, l);
    launch->user = NULL;
    tape->planned = false;
    nt_tape_note_results(tape, l);
    return NT_OK;
}

enum nt_status nt_launch_append(struct nt_launch *launch)
{
    enum nt_status status = launch->status == NT_OK ? append(launch) : launch->status;
    free(launch->defines);
    free(launch->user);
    launch->defines = NULL;
    launch->user = NULL;
    return status;
}
