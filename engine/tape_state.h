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
    void *content; /* what build puts there, NULL: zeros */
    int arena;     /* transient: -1 when no launch uses it */
    size_t offset; /* in the arena or in the external memory */
    cl_mem mem;    /* of a built tape */
};

struct nt_tape_launch {
    const char *label, *stem, *entry, *variant;
    char reason[64];
    struct nt_unit *unit; /* NULL: a library's call */
    int arg_count;
    struct nt_launch_arg *arg;
    int dims;
    size_t global[3], local[3];
    double flops, bytes;
    int (*call)(const void *user, void *queue, void *const *memory, void *event);
    void *user;
    cl_kernel kernel;
    void **memory; /* of a call */
    int row;       /* in the profile */
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

/* Makes room for one more element in a growing array. */
bool nt_tape_grow(void **array, int count, int *capacity, size_t size);

/* Enqueues the copy of each feed's next slot into its buffers. */
enum nt_status nt_feed_before_run(struct nt_feed *feeds);

#endif
