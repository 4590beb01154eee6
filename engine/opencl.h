/* SPDX-License-Identifier: MIT
 *
 * What an opened device holds. Private to engine/.
 */
#ifndef NT_ENGINE_OPENCL_H
#define NT_ENGINE_OPENCL_H

#include "engine/device.h"

#include <CL/cl.h>

struct nt_cache;
struct nt_profile;
struct nt_programs;
struct nt_tuning;

struct nt_device {
    struct nt_context *ctx;
    struct nt_device_info info;
    char platform_version[128];
    cl_device_id id;
    cl_context cl;
    cl_command_queue queue;  /* in order: kernels, blocking copies */
    cl_command_queue upload; /* in order: input for the next runs */
    cl_mem nothing;          /* stands for buffers of 0 bytes */
    struct nt_programs *programs;
    struct nt_cache *cache;
    struct nt_tuning *tuning;
    const char *options; /* of every program */
    /* What one enqueue of a kernel of work-groups may be; 0: anything. */
    struct {
        size_t groups; /* along the second and third dimension */
        double flops;
    } most;
    bool compiled;              /* programs were compiled in this process */
    struct nt_profile *profile; /* NULL: not profiling, the queues give no times */
};

struct nt_memory {
    struct nt_device *dev;
    cl_mem mem;
    size_t bytes;
    uint64_t changes; /* how often the content was written, for the tapes that derive from it */
    char name[64];
};

/* Replaces the compute queue, with or without times of commands. */
enum nt_status nt_device_set_queue(struct nt_device *dev, bool profiling);

/* clFinish that waits: with rusticl of Mesa 22.3 clFinish does not wait for commands that
 * clFlush has sent off before. */
cl_int nt_device_wait(cl_command_queue queue);

/* Zeroes a buffer in order with the compute queue, without waiting. */
enum nt_status nt_memory_zero(struct nt_device *dev, cl_mem mem, size_t bytes, const char *name);

/* Blocking copies in order with the compute queue; range checked against size. */
enum nt_status nt_memory_copy_in(struct nt_device *dev, cl_mem mem, size_t size, const char *name,
    size_t offset, const void *data, size_t bytes);
enum nt_status nt_memory_copy_out(struct nt_device *dev, cl_mem mem, size_t size, const char *name,
    size_t offset, void *data, size_t bytes);

/* Whether the device has buffers of that size: NT_ERR_MEMORY tells how large they may be. */
enum nt_status nt_memory_check(struct nt_device *dev, size_t bytes, const char *name);

/* A buffer of at least 1 byte on the device. */
enum nt_status nt_memory_allocate(
    struct nt_device *dev, cl_mem_flags flags, size_t bytes, const char *name, cl_mem *out);

#endif
