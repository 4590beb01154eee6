/* SPDX-License-Identifier: MIT
 *
 * A tape is the kernel command queue: a list of kernel launches over virtual
 * buffers, built once and replayed many times. Life of a tape:
 *
 *   create -> buffers and primitives (engine/primitives.h) -> plan -> build -> run, run, ...
 *
 * What follows from buffers that seldom change (nt_tape_derive) is computed when they have.
 *
 * plan assigns every transient buffer an offset in few arenas by liveness, and
 * allocates nothing. build compiles the kernels that are not in the cache, allocates
 * the arenas and binds all kernel arguments. run only enqueues: no allocation, no
 * compilation, no argument setting, no waiting.
 */
#ifndef NT_ENGINE_TAPE_H
#define NT_ENGINE_TAPE_H

#include "engine/device.h"
#include "engine/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Thread-safety: one thread at a time, the same as the device's.
 * Lifetime: destroyed before its device and before memory given to it. */
struct nt_tape;

/* An empty tape. NT_ERR_MEMORY only. */
NT_API enum nt_status nt_tape_create(struct nt_device *dev, struct nt_tape **out);
NT_API void nt_tape_destroy(struct nt_tape *tape);
NT_API struct nt_device *nt_tape_device(struct nt_tape *tape);

enum nt_buffer_kind {
    NT_BUFFER_TRANSIENT, /* lives from its first writer to its last reader; shares memory */
    NT_BUFFER_KEPT,      /* own memory for the whole life of the tape: inputs and outputs
                            that the host writes or reads between runs. Zeroed by build */
};

/* Declares a virtual buffer; name (copied) is for messages and the plan. On exhausted
 * host memory the tape remembers the failure and plan reports it, so callers need not
 * check every id. bytes of 0 is allowed. */
NT_API int32_t nt_tape_buffer(
    struct nt_tape *tape, enum nt_buffer_kind kind, size_t bytes, const char *name);

/* Declares a buffer that is a slice of device memory owned by the caller.
 * offset must be a multiple of base_alignment. */
NT_API int32_t nt_tape_external(
    struct nt_tape *tape, struct nt_memory *memory, size_t offset, size_t bytes, const char *name);

/* Declares a kept buffer that holds a copy of data from build on: a table that kernels read. */
NT_API int32_t nt_tape_constant(
    struct nt_tape *tape, const void *data, size_t bytes, const char *name);

/* Has results that follow from steady buffers alone, weights that are packed or transformed,
 * computed only when one of these has changed since the last run, instead of at each run. They then
 * take memory of their own, at most limit bytes: plan tells how many. Without this call: none, nor
 * where the device has no room for them. */
NT_API void nt_tape_derive(struct nt_tape *tape, size_t limit);

/* Declares a kept or external buffer as steady: the host and other tapes write it seldom. Of one
 * that the tape itself writes nothing is derived; constants need no call. */
NT_API void nt_tape_steady(struct nt_tape *tape, int32_t buffer);

/* Names what the launches appended from now on belong to (copied): profiles and error
 * messages show it. NULL: nothing. */
NT_API void nt_tape_label(struct nt_tape *tape, const char *label);

/* Forces a variant for the primitives appended from now on: "gemm=group,conv_forward=tile".
 * NULL: the engine chooses. $NEUTRA_VARIANT does the same for all tapes. A variant that is
 * not usable for a launch is an error of that primitive. */
NT_API enum nt_status nt_tape_force(struct nt_tape *tape, const char *variants);

struct nt_plan_info {
    size_t transient_bytes; /* sum of all transient buffers, without sharing */
    size_t arena_bytes;     /* what they take with sharing */
    size_t kept_bytes;      /* with what is derived */
    size_t derived_bytes;
    size_t external_bytes;
    int arenas;
    int launches;
    int derivations; /* launches among them that run only when a steady buffer has changed */
    int kernels;     /* distinct kernels among the launches */
};

/* Gives every transient buffer its place; nothing is allocated yet. An error of an append before is
 * reported here, as is a buffer larger than the device's largest (NT_ERR_MEMORY) or one that is
 * read before it is written. info may be NULL. */
NT_API enum nt_status nt_tape_plan(struct nt_tape *tape, struct nt_plan_info *info);
/* Plans, compiles what no cache has, and allocates: NT_ERR_COMPILE, NT_ERR_MEMORY. The tape takes
 * no launches afterwards. */
NT_API enum nt_status nt_tape_build(struct nt_tape *tape);
/* Enqueues all launches, of a tape that is built; does not wait for them. */
NT_API enum nt_status nt_tape_run(struct nt_tape *tape);

/* Blocking copies between the host and a kept or external buffer (a transient one is
 * NT_ERR_ARGUMENT), in order with the runs. */
NT_API enum nt_status nt_tape_write(
    struct nt_tape *tape, int32_t buffer, size_t offset, const void *data, size_t bytes);
NT_API enum nt_status nt_tape_read(
    struct nt_tape *tape, int32_t buffer, size_t offset, void *data, size_t bytes);

/* Like nt_tape_write for a few bytes, without waiting: data is copied before the call
 * returns. For per-step numbers such as the learning rate. At most 256 bytes. */
NT_API enum nt_status nt_tape_write_small(
    struct nt_tape *tape, int32_t buffer, size_t offset, const void *data, size_t bytes);

/* One launch of the planned tape, for inspection; derivations come first. */
struct nt_launch_info {
    const char *label;   /* what it belongs to, "" when nothing */
    const char *kernel;  /* "conv_forward_tile" */
    const char *variant; /* "tile", "group", "clblast", ... */
    const char *reason;  /* why this variant: "CPU device", "forced", ... */
    size_t global[3], local[3];
    double flops, bytes;
};
NT_API int nt_tape_launch_count(const struct nt_tape *tape);
NT_API struct nt_launch_info nt_tape_launch_info(const struct nt_tape *tape, int index);

/* Double-buffered input: the host fills one slot while the device works on the other.
 *
 *   nt_feed_acquire(feed, ptr)   waits until a slot is free; ptr[i] is where to put the
 *                                content of buffers[i]
 *   nt_feed_submit(feed)         starts the upload on the second queue; the next run of the
 *                                tape sees it
 *
 * Two submitted batches may wait; each run takes one, in order, and a run that finds none
 * keeps the last. Lifetime: made from a built tape, destroyed before it.
 * Thread-safety: one thread at a time, the same as the tape's. */
struct nt_feed;
NT_API enum nt_status nt_feed_create(
    struct nt_tape *tape, int count, const int32_t *buffers, struct nt_feed **out);
NT_API void nt_feed_destroy(struct nt_feed *feed);
NT_API enum nt_status nt_feed_acquire(struct nt_feed *feed, void **ptr);
NT_API enum nt_status nt_feed_submit(struct nt_feed *feed);

#ifdef __cplusplus
}
#endif
#endif
