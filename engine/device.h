/* SPDX-License-Identifier: MIT
 *
 * OpenCL devices: listing them, choosing one, opening it. Devices are listed in
 * order of preference: discrete GPU, integrated GPU, accelerator, CPU, other;
 * the first one is the default.
 */
#ifndef NT_ENGINE_DEVICE_H
#define NT_ENGINE_DEVICE_H

#include "engine/context.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum nt_device_type {
    NT_DEVICE_GPU_DISCRETE,
    NT_DEVICE_GPU_INTEGRATED, /* shares the host's memory */
    NT_DEVICE_ACCELERATOR,
    NT_DEVICE_CPU,
    NT_DEVICE_OTHER
};

struct nt_device_info {
    int index; /* place in the list; what --device N names */
    enum nt_device_type type;
    char name[128], vendor[128], platform[128], driver[128], version[128];
    unsigned compute_units;
    unsigned clock_mhz;
    unsigned vector_width;   /* floats in the native vector: 4, 8 or 16 on CPUs */
    uint64_t global_memory;  /* bytes */
    uint64_t max_allocation; /* bytes of the largest single buffer */
    uint64_t local_memory;   /* bytes per work-group */
    bool local_memory_real;  /* false: it is a part of global memory */
    size_t max_work_group;
    size_t base_alignment; /* bytes a sub-buffer's origin is aligned to */
    bool unified_memory;
    bool sub_groups; /* kernels may have sub-groups of 16 that shuffle, by Intel's extensions */
    bool images;     /* unused by Neutra, shown for orientation */
    /* The driver ends every loop once a work-item has gone round loops 65535 times, without a word:
     * Mesa's llvmpipe. Kernels of many short work-items are taken there. */
    bool short_loops;
};

/* "discrete GPU", "integrated GPU", "accelerator", "CPU", "other". */
NT_API const char *nt_device_type_name(enum nt_device_type type);

/* Lists every usable device of every platform; platforms without devices and
 * devices that answer with errors are passed over (logged at NT_LOG_DEBUG).
 * *list is freed with free(). Having none is not an error: *count is 0. */
NT_API enum nt_status nt_device_list(
    struct nt_context *ctx, struct nt_device_info **list, int *count);

/* An opened device: an OpenCL context, a compute queue and an upload queue.
 * Thread-safety: one thread at a time; threads may each open one, at once, also of the same
 * hardware. Lifetime: outlives its tapes and memory. */
struct nt_device;

/* selector: an index, "gpu", "cpu", "accelerator", or part of the name or platform
 * (case ignored); NULL or "": $NEUTRA_DEVICE, else the first of the list.
 * Errors: NT_ERR_DEVICE when there is no device (the message says which package to
 * install) or none matches (the message lists what there is). */
NT_API enum nt_status nt_device_open(
    struct nt_context *ctx, const char *selector, struct nt_device **out);
NT_API void nt_device_close(struct nt_device *dev);

NT_API const struct nt_device_info *nt_device_get_info(const struct nt_device *dev);
NT_API struct nt_context *nt_device_context(struct nt_device *dev);

/* Waits until everything enqueued has finished. */
NT_API enum nt_status nt_device_finish(struct nt_device *dev);

/* Device memory that outlives tapes: parameters, optimizer state. Zeroed.
 * Larger than max_allocation is NT_ERR_MEMORY with both figures. */
struct nt_memory;
NT_API enum nt_status nt_memory_create(
    struct nt_device *dev, size_t bytes, const char *name, struct nt_memory **out);
/* The same with contents: `fill` writes all of `data`, on the host; its error is the result. */
typedef enum nt_status nt_memory_fill(void *data, void *user);
NT_API enum nt_status nt_memory_create_filled(struct nt_device *dev, size_t bytes, const char *name,
    nt_memory_fill *fill, void *user, struct nt_memory **out);
NT_API void nt_memory_destroy(struct nt_memory *memory);
NT_API size_t nt_memory_size(const struct nt_memory *memory);

/* Blocking copies, in order with the compute queue. */
NT_API enum nt_status nt_memory_write(
    struct nt_memory *memory, size_t offset, const void *data, size_t bytes);
NT_API enum nt_status nt_memory_read(
    struct nt_memory *memory, size_t offset, void *data, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
