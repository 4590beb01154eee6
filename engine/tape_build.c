/* SPDX-License-Identifier: MIT
 *
 * The planning and building of tapes.
 */
#include "engine/compile.h"
#include "engine/plan.h"
#include "engine/profile_state.h"
#include "engine/tape_state.h"

#include <stdlib.h>
#include <string.h>

/* Transient buffers start at multiples of this: the widest vector is 64 bytes, a line of the
 * widest cache 128. */
#define ARENA_ALIGNMENT 128

void nt_tape_release(struct nt_tape *tape)
{
    for (int i = 0; i < tape->launches; i++) {
        struct nt_tape_launch *l = &tape->launch[i];
        if (l->kernel)
            clReleaseKernel(l->kernel);
        free(l->memory);
        l->kernel = NULL;
        l->memory = NULL;
    }
    for (int i = 0; i < tape->buffers; i++) {
        if (tape->buffer[i].mem)
            clReleaseMemObject(tape->buffer[i].mem);
        tape->buffer[i].mem = NULL;
    }
    for (int i = 0; tape->arena && i < tape->info.arenas; i++)
        if (tape->arena[i])
            clReleaseMemObject(tape->arena[i]);
    free(tape->arena);
    tape->arena = NULL;
    for (int i = 0; tape->small && i < NT_SMALL_SLOTS; i++)
        if (tape->small[i].event)
            clReleaseEvent(tape->small[i].event);
    free(tape->small);
    tape->small = NULL;
    tape->built = tape->derived = false;
}

/* The span of launches in which each transient buffer lives. */
static enum nt_status find_spans(struct nt_tape *tape, struct nt_plan_item *items)
{
    for (int i = 0; i < tape->buffers; i++)
        items[i] = (struct nt_plan_item){.first = -1, .last = -1};
    for (int i = 0; i < tape->launches; i++) {
        const struct nt_tape_launch *l = &tape->launch[i];
        for (int pass = 0; pass < 2; pass++)
            for (int a = 0; a < l->arg_count; a++) {
                int32_t id = l->arg[a].buffer;
                if (id < 0 || tape->buffer[id].kind != NT_BUFFER_TRANSIENT)
                    continue;
                const struct nt_tape_buffer *buffer = &tape->buffer[id];
                bool reads = l->arg[a].access & NT_ACCESS_READ;
                if (pass == 0 && reads && items[id].first < 0 && buffer->bytes)
                    return nt_fail(tape->dev->ctx, NT_ERR_ARGUMENT,
                        "%s: %s%sreads buffer \"%s\" before anything wrote it", l->entry, l->label,
                        *l->label ? ": " : "", buffer->name);
                if (pass == 1) {
                    if (items[id].first < 0)
                        items[id].first = i;
                    items[id].last = i;
                    items[id].bytes = buffer->derived ? 0 : buffer->bytes;
                }
            }
    }
    return NT_OK;
}

static enum nt_status check_sizes(struct nt_tape *tape)
{
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < tape->buffers; i++)
        status = nt_memory_check(tape->dev, tape->buffer[i].bytes, tape->buffer[i].name);
    return status;
}

static int count_kernels(const struct nt_tape *tape)
{
    int kernels = 0;
    for (int i = 0; i < tape->launches; i++) {
        bool seen = false;
        for (int j = 0; j < i && !seen; j++)
            seen = tape->launch[i].unit == tape->launch[j].unit &&
                   strcmp(tape->launch[i].entry, tape->launch[j].entry) == 0;
        kernels += !seen;
    }
    return kernels;
}

static void fill_info(struct nt_tape *tape, const struct nt_plan_arenas *arenas)
{
    struct nt_plan_info info = {.arenas = arenas->count,
        .launches = tape->launches,
        .kernels = count_kernels(tape),
        .derivations = tape->derivations};
    for (int i = 0; i < arenas->count; i++)
        info.arena_bytes += arenas->bytes[i];
    for (int i = 0; i < tape->buffers; i++) {
        const struct nt_tape_buffer *b = &tape->buffer[i];
        info.derived_bytes += b->derived ? b->bytes : 0;
        if (b->memory)
            info.external_bytes += b->bytes;
        else if (b->kind == NT_BUFFER_KEPT || b->derived)
            info.kept_bytes += b->bytes;
        else if (b->arena >= 0)
            info.transient_bytes += b->bytes;
    }
    tape->info = info;
}

static size_t arena_alignment(const struct nt_device *dev)
{
    size_t base = dev->info.base_alignment;
    return base > ARENA_ALIGNMENT ? base : ARENA_ALIGNMENT;
}

static enum nt_status assign(struct nt_tape *tape, struct nt_plan_item *items)
{
    struct nt_plan_arenas arenas;
    enum nt_status status = nt_tape_find_derivations(tape);
    if (status == NT_OK)
        status = find_spans(tape, items);
    if (status == NT_OK)
        status = check_sizes(tape);
    if (status == NT_OK)
        status = nt_plan_assign(tape->dev->ctx, tape->buffers, items, arena_alignment(tape->dev),
            tape->dev->info.max_allocation, &arenas);
    if (status != NT_OK)
        return status;
    for (int i = 0; i < tape->buffers; i++)
        if (tape->buffer[i].kind == NT_BUFFER_TRANSIENT) {
            tape->buffer[i].arena = items[i].arena;
            tape->buffer[i].offset = items[i].offset;
        }
    free(tape->arena_bytes);
    tape->arena_bytes = arenas.bytes;
    fill_info(tape, &arenas);
    tape->planned = true;
    return NT_OK;
}

enum nt_status nt_tape_plan(struct nt_tape *tape, struct nt_plan_info *info)
{
    struct nt_context *ctx = tape->dev->ctx;
    if (tape->status != NT_OK)
        return nt_fail(ctx, tape->status, "%s", tape->message);
    if (!tape->planned) {
        struct nt_plan_item *items = calloc((size_t)tape->buffers + 1, sizeof *items);
        if (!items)
            return nt_fail(ctx, NT_ERR_MEMORY, "plan: out of memory");
        enum nt_status status = assign(tape, items);
        free(items);
        if (status != NT_OK)
            return status;
    }
    if (info)
        *info = tape->info;
    return NT_OK;
}

static enum nt_status build_kernels(struct nt_tape *tape)
{
    struct nt_kernel_request *requests = calloc((size_t)tape->launches + 1, sizeof *requests);
    if (!requests)
        return nt_fail(tape->dev->ctx, NT_ERR_MEMORY, "tape: out of memory");
    int count = 0;
    for (int i = 0; i < tape->launches; i++)
        if (tape->launch[i].unit)
            requests[count++] =
                (struct nt_kernel_request){tape->launch[i].unit, tape->launch[i].entry};
    enum nt_status status = nt_program_build(tape->dev, count, requests);
    free(requests);
    for (int i = 0; status == NT_OK && i < tape->launches; i++) {
        struct nt_tape_launch *l = &tape->launch[i];
        struct nt_kernel_request request = {l->unit, l->entry};
        if (l->unit)
            status = nt_program_kernel(tape->dev, &request, &l->kernel);
        if (status != NT_OK && *l->label)
            nt_fail_prefix(tape->dev->ctx, status, "%s", l->label);
    }
    return status;
}

static enum nt_status check_total(struct nt_tape *tape)
{
    char needed[16], there[16];
    size_t own = tape->info.arena_bytes + tape->info.kept_bytes;
    if (own <= tape->dev->info.global_memory)
        return NT_OK;
    return nt_fail(tape->dev->ctx, NT_ERR_MEMORY, "tape: needs %s: %s has %s",
        nt_bytes_text((double)own, needed, sizeof needed), tape->dev->info.name,
        nt_bytes_text((double)tape->dev->info.global_memory, there, sizeof there));
}

static enum nt_status slice(
    struct nt_tape *tape, struct nt_tape_buffer *buffer, cl_mem of, size_t size)
{
    if (buffer->offset == 0 && buffer->bytes == size) {
        buffer->mem = of;
        clRetainMemObject(of);
        return NT_OK;
    }
    cl_buffer_region region = {buffer->offset, buffer->bytes};
    cl_int code;
    cl_mem mem =
        clCreateSubBuffer(of, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
    if (!mem || code != CL_SUCCESS)
        return nt_fail_cl(tape->dev->ctx, code, "buffer \"%s\": %zu bytes at offset %zu",
            buffer->name, buffer->bytes, buffer->offset);
    buffer->mem = mem;
    return NT_OK;
}

static enum nt_status place_buffer(struct nt_tape *tape, struct nt_tape_buffer *b)
{
    if (b->bytes == 0) {
        b->mem = tape->dev->nothing;
        clRetainMemObject(b->mem);
        return NT_OK;
    }
    if (b->memory)
        return slice(tape, b, b->memory->mem, b->memory->bytes);
    if (b->kind == NT_BUFFER_TRANSIENT && !b->derived)
        return b->arena < 0 ? NT_OK
                            : slice(tape, b, tape->arena[b->arena], tape->arena_bytes[b->arena]);
    enum nt_status status =
        nt_memory_allocate(tape->dev, CL_MEM_READ_WRITE, b->bytes, b->name, &b->mem);
    if (status == NT_OK && b->content)
        return nt_memory_copy_in(tape->dev, b->mem, b->bytes, b->name, 0, b->content, b->bytes);
    return status == NT_OK && !b->derived ? nt_memory_zero(tape->dev, b->mem, b->bytes, b->name)
                                          : status;
}

static enum nt_status allocate(struct nt_tape *tape)
{
    enum nt_status status = check_total(tape);
    if (status != NT_OK)
        return status;
    tape->arena = calloc((size_t)tape->info.arenas + 1, sizeof *tape->arena);
    tape->small = calloc(NT_SMALL_SLOTS, sizeof *tape->small);
    if (!tape->arena || !tape->small)
        return nt_fail(tape->dev->ctx, NT_ERR_MEMORY, "tape: out of memory");
    for (int i = 0; status == NT_OK && i < tape->info.arenas; i++)
        status = nt_memory_allocate(
            tape->dev, CL_MEM_READ_WRITE, tape->arena_bytes[i], "arena", &tape->arena[i]);
    for (int i = 0; status == NT_OK && i < tape->buffers; i++)
        status = place_buffer(tape, &tape->buffer[i]);
    return status;
}

static enum nt_status bind_call(struct nt_tape *tape, struct nt_tape_launch *l)
{
    int n = 0;
    l->memory = calloc((size_t)l->arg_count + 1, sizeof *l->memory);
    if (!l->memory)
        return nt_fail(tape->dev->ctx, NT_ERR_MEMORY, "tape: out of memory");
    for (int a = 0; a < l->arg_count; a++)
        if (l->arg[a].buffer >= 0)
            l->memory[n++] = tape->buffer[l->arg[a].buffer].mem;
    return NT_OK;
}

static enum nt_status bind(struct nt_tape *tape, struct nt_tape_launch *l)
{
    l->row = nt_profile_row(tape->dev->profile, l->entry, l->variant, l->label);
    if (l->call)
        return bind_call(tape, l);
    /* CL_KERNEL_WORK_GROUP_SIZE is not asked: rusticl gives its SIMD width there. A group too
     * large for a kernel is refused when it is enqueued. */
    for (int a = 0; a < l->arg_count; a++) {
        const struct nt_launch_arg *arg = &l->arg[a];
        cl_int code = arg->buffer >= 0
                          ? clSetKernelArg(l->kernel, (cl_uint)a, sizeof(cl_mem),
                                &tape->buffer[arg->buffer].mem)
                          : clSetKernelArg(l->kernel, (cl_uint)a, arg->size, arg->value);
        if (code != CL_SUCCESS)
            return nt_fail_cl(tape->dev->ctx, code, "%s: argument %d", l->entry, a);
    }
    return NT_OK;
}

static enum nt_status build(struct nt_tape *tape)
{
    enum nt_status status = nt_tape_plan(tape, NULL);
    if (status == NT_OK) {
        nt_compile_ahead(tape);
        status = build_kernels(tape);
    }
    if (status == NT_OK)
        status = allocate(tape);
    for (int i = 0; status == NT_OK && i < tape->launches; i++)
        status = bind(tape, &tape->launch[i]);
    if (status != NT_OK)
        nt_tape_release(tape);
    return status;
}

enum nt_status nt_tape_build(struct nt_tape *tape)
{
    if (tape->built)
        return NT_OK;
    enum nt_status status = build(tape);
    if (status == NT_ERR_MEMORY && tape->planned && tape->info.derived_bytes) {
        nt_log(tape->dev->ctx, NT_LOG_INFO,
            "memory: no room for %zu bytes of prepared weights: they are prepared at each run",
            tape->info.derived_bytes);
        nt_tape_derive(tape, 0);
        status = build(tape);
    }
    tape->built = status == NT_OK;
    return status;
}
