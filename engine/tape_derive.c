/* SPDX-License-Identifier: MIT
 *
 * What follows from steady buffers alone: weights that are packed or transformed, scales and
 * shifts made of statistics. It is computed when such a buffer has changed, by the launches that
 * come first in the tape, and keeps its memory.
 */
#include "engine/tape_state.h"

#include <stdlib.h>

void nt_tape_derive(struct nt_tape *tape, size_t limit)
{
    tape->derive_limit = limit;
    tape->planned = false;
}

void nt_tape_steady(struct nt_tape *tape, int32_t buffer)
{
    if (buffer >= 0 && buffer < tape->buffers)
        tape->buffer[buffer].steady = tape->buffer[buffer].kind == NT_BUFFER_KEPT;
    tape->planned = false;
}

bool nt_tape_follows(const struct nt_tape *tape, int32_t buffer)
{
    if (!tape->derive_limit || buffer < 0 || buffer >= tape->buffers)
        return false;
    return tape->buffer[buffer].steady || tape->buffer[buffer].follows;
}

void nt_tape_note_results(struct nt_tape *tape, const struct nt_tape_launch *launch)
{
    int reads = 0, follow = 0;
    for (int a = 0; a < launch->arg_count; a++)
        if (launch->arg[a].buffer >= 0 && launch->arg[a].access & NT_ACCESS_READ) {
            reads++;
            follow += nt_tape_follows(tape, launch->arg[a].buffer);
        }
    for (int a = 0; a < launch->arg_count; a++)
        if (launch->arg[a].buffer >= 0 && launch->arg[a].access & NT_ACCESS_WRITE)
            tape->buffer[launch->arg[a].buffer].follows = reads && follow == reads;
}

/* What is known of one buffer while launches are looked at. */
struct use {
    int writers;
    bool follows; /* from steady buffers, or is one */
    bool read;    /* by a launch that does not derive */
};

static bool same_memory(const struct nt_tape_buffer *a, const struct nt_tape_buffer *b)
{
    return a == b || (a->memory && a->memory == b->memory);
}

static void find_uses(const struct nt_tape *tape, struct use *use)
{
    for (int i = 0; i < tape->launches; i++) {
        const struct nt_tape_launch *l = &tape->launch[i];
        for (int a = 0; a < l->arg_count; a++)
            if (l->arg[a].buffer >= 0 && l->arg[a].access & NT_ACCESS_WRITE)
                use[l->arg[a].buffer].writers++;
    }
    for (int i = 0; i < tape->buffers; i++) {
        use[i].follows = tape->buffer[i].steady;
        for (int j = 0; use[i].follows && j < tape->buffers; j++)
            if (use[j].writers && same_memory(&tape->buffer[i], &tape->buffer[j]))
                use[i].follows = false;
    }
}

/* Whether a launch computes all that it writes from what follows from steady buffers. Adds the
 * bytes of its results. */
static bool derives(const struct nt_tape *tape, const struct nt_tape_launch *l,
    const struct use *use, size_t *bytes)
{
    bool reads = false;
    for (int a = 0; a < l->arg_count; a++) {
        int32_t id = l->arg[a].buffer;
        if (id < 0)
            continue;
        if (l->arg[a].access == NT_ACCESS_READ) {
            reads = true;
            if (!use[id].follows)
                return false;
        } else if (tape->buffer[id].kind != NT_BUFFER_TRANSIENT || use[id].writers != 1 ||
                   l->arg[a].access != NT_ACCESS_WRITE) {
            return false;
        } else {
            *bytes += tape->buffer[id].bytes;
        }
    }
    return reads;
}

/* Marks the launches that derive, in order, as far as the limit allows. */
static int mark(struct nt_tape *tape, struct use *use, bool *marked)
{
    size_t all = 0;
    int count = 0;
    for (int i = 0; i < tape->launches; i++) {
        const struct nt_tape_launch *l = &tape->launch[i];
        size_t bytes = 0;
        marked[i] = derives(tape, l, use, &bytes) && bytes <= tape->derive_limit - all;
        all += marked[i] ? bytes : 0;
        count += marked[i];
        for (int a = 0; a < l->arg_count; a++)
            if (l->arg[a].buffer >= 0) {
                struct use *u = &use[l->arg[a].buffer];
                if (l->arg[a].access == NT_ACCESS_WRITE && marked[i])
                    u->follows = true;
                if (l->arg[a].access & NT_ACCESS_READ && !marked[i])
                    u->read = true;
            }
    }
    return count;
}

static enum nt_status no_memory(struct nt_tape *tape)
{
    return nt_fail(tape->dev->ctx, NT_ERR_MEMORY, "plan: out of memory");
}

/* The marked launches first, each part in its order. */
static enum nt_status reorder(struct nt_tape *tape, const bool *marked)
{
    struct nt_tape_launch *rest = malloc(((size_t)tape->launches + 1) * sizeof *rest);
    if (!rest)
        return no_memory(tape);
    int first = 0, after = 0;
    for (int i = 0; i < tape->launches; i++)
        if (marked[i])
            tape->launch[first++] = tape->launch[i];
        else
            rest[after++] = tape->launch[i];
    for (int i = 0; i < after; i++)
        tape->launch[first + i] = rest[i];
    free(rest);
    return NT_OK;
}

static int by_order(const void *a, const void *b)
{
    return ((const struct nt_tape_launch *)a)->order - ((const struct nt_tape_launch *)b)->order;
}

/* The steady buffers that derivations read, and the memory that launches write. */
static enum nt_status note_changes(struct nt_tape *tape, const struct use *use)
{
    int32_t *source = realloc(tape->source, ((size_t)tape->buffers + 1) * sizeof *source);
    tape->source = source ? source : tape->source;
    struct nt_memory **changed =
        realloc(tape->changed, ((size_t)tape->buffers + 1) * sizeof(struct nt_memory *));
    tape->changed = changed ? changed : tape->changed;
    if (!source || !changed)
        return no_memory(tape);
    tape->sources = tape->changed_count = 0;
    for (int i = 0; i < tape->buffers; i++) {
        const struct nt_tape_buffer *b = &tape->buffer[i];
        if (tape->derivations && b->steady && use[i].follows)
            source[tape->sources++] = i;
        if (b->memory && use[i].writers)
            changed[tape->changed_count++] = b->memory;
    }
    return NT_OK;
}

enum nt_status nt_tape_find_derivations(struct nt_tape *tape)
{
    struct use *use = calloc((size_t)tape->buffers + 1, sizeof *use);
    bool *marked = calloc((size_t)tape->launches + 1, sizeof *marked);
    enum nt_status status = use && marked ? NT_OK : no_memory(tape);
    if (status == NT_OK) {
        if (tape->derivations) /* of a plan before */
            qsort(tape->launch, (size_t)tape->launches, sizeof *tape->launch, by_order);
        find_uses(tape, use);
        tape->derivations = tape->derive_limit ? mark(tape, use, marked) : 0;
        for (int i = 0; i < tape->buffers; i++) {
            struct nt_tape_buffer *b = &tape->buffer[i];
            b->derived = b->kind == NT_BUFFER_TRANSIENT && tape->derivations && use[i].follows &&
                         use[i].read;
        }
        status = note_changes(tape, use);
    }
    if (status == NT_OK && tape->derivations)
        status = reorder(tape, marked);
    free(use);
    free(marked);
    return status;
}

static uint64_t changes(const struct nt_tape_buffer *buffer)
{
    return buffer->memory ? buffer->memory->changes : buffer->changes;
}

int nt_tape_first_launch(const struct nt_tape *tape)
{
    bool fresh = tape->derived;
    for (int i = 0; fresh && i < tape->sources; i++) {
        const struct nt_tape_buffer *b = &tape->buffer[tape->source[i]];
        fresh = b->seen == changes(b);
    }
    return fresh ? tape->derivations : 0;
}

void nt_tape_was_run(struct nt_tape *tape, int first)
{
    tape->derived = true;
    for (int i = 0; first == 0 && i < tape->sources; i++) {
        struct nt_tape_buffer *b = &tape->buffer[tape->source[i]];
        b->seen = changes(b);
    }
    for (int i = 0; i < tape->changed_count; i++)
        tape->changed[i]->changes++;
}

void nt_tape_was_written(struct nt_tape_buffer *buffer)
{
    if (buffer->memory)
        buffer->memory->changes++;
    else
        buffer->changes++;
}
