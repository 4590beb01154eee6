/* SPDX-License-Identifier: MIT
 *
 * What a tape holds; shared by tape.c, tape_build.c, launch.c and feed.c.
 */
#ifndef NT_ENGINE_TAPE_STATE_H
#define NT_ENGINE_TAPE_STATE_H

#include "engine/launch.h"
#include "engine/opencl.h"
#include "engine/program.h"

#define NT_SMALL_BYTES 256
#define NT_SMALL_SLOTS 64
#define NT_MAX_FORCED 32

struct nt_tape_buffer {
    enum nt_buffer_kind kind;
    struct nt_memory *memory; /* not NULL: external */
    size_t bytes;
    char *name;
    void *content;    /* what build puts there, NULL: zeros */
    bool steady;      /* constants, and what nt_tape_steady names */
    bool follows;     /* transient, and written from steady ones so far */
    bool derived;     /* transient, but kept from run to run: it follows from steady ones */
    uint64_t changes; /* how often the host wrote it; the memory's own count when external */
    uint64_t seen;    /* the changes that the last derivation has seen */
    int arena;        /* transient: -1 when no launch uses it */
    size_t offset;    /* in the arena or in the external memory */
    cl_mem mem;       /* of a built tape */
};

struct nt_tape_launch {
    const char *label, *stem, *entry, *variant;
    char reason[64];
    struct nt_unit *unit; /* NULL: a library's call */
    int arg_count;
    struct nt_launch_arg *arg;
    int dims;
    size_t global[3], local[3];
    size_t part[3]; /* work-items of one enqueue, most of the time all */
    int parts;
    double flops, bytes;
    int (*call)(const void *user, void *queue, void *const *memory, void *event);
    void *user;
    cl_kernel kernel;
    void **memory; /* of a call */
    int row;       /* in the profile */
    int order;     /* in which it was appended */
};

struct nt_small_slot {
    unsigned char data[NT_SMALL_BYTES];
    cl_event event; /* NULL: free */
};

struct nt_tape {
    struct nt_device *dev;
    struct nt_tape_buffer *buffer;
    int buffers, buffer_capacity;
    struct nt_tape_launch *launch;
    int launches, launch_capacity;
    char **labels;
    int label_count;
    const char *label; /* of the launches to come */
    struct nt_forced {
        char *text;
        int count;
        const char *name[NT_MAX_FORCED], *variant[NT_MAX_FORCED];
    } forced, environment;
    enum nt_status status; /* of the first failed declaration, told by plan */
    char message[256];
    bool planned, built;
    struct nt_plan_info info;
    size_t derive_limit;
    int derivations; /* the first launches, which run when a steady buffer has changed */
    bool derived;    /* they ran since build */
    int sources;     /* steady buffers that they read, as ids */
    int32_t *source;
    int changed_count; /* memory that the launches write */
    struct nt_memory **changed;
    size_t *arena_bytes;
    cl_mem *arena;
    struct nt_small_slot *small;
    int next_small;
    struct nt_feed *feeds;
};

/* Undoes build, whole or half done. */
void nt_tape_release(struct nt_tape *tape);

/* Fails unless buffer is a kept or external buffer of a built tape. */
enum nt_status nt_tape_host_buffer(
    struct nt_tape *tape, int32_t buffer, struct nt_tape_buffer **out);

/* Notes whether the results of an appended launch follow from steady buffers. */
void nt_tape_note_results(struct nt_tape *tape, const struct nt_tape_launch *launch);

/* Finds the launches that follow from steady buffers alone, puts them first and marks what they
 * keep for the others. */
enum nt_status nt_tape_find_derivations(struct nt_tape *tape);

/* The first launch of the next run: 0 when what is derived must be derived again. */
int nt_tape_first_launch(const struct nt_tape *tape);

/* Notes that the launches from `first` on were enqueued. */
void nt_tape_was_run(struct nt_tape *tape, int first);

/* Notes that the host writes a buffer. */
void nt_tape_was_written(struct nt_tape_buffer *buffer);

/* Makes room for one more element in a growing array. */
bool nt_tape_grow(void **array, int count, int *capacity, size_t size);

/* Enqueues the copy of each feed's next slot into its buffers. */
enum nt_status nt_feed_before_run(struct nt_feed *feeds);

#endif
