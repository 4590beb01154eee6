/* SPDX-License-Identifier: MIT */
#include "engine/opencl.h"

#include <stdio.h>
#include <stdlib.h>

enum nt_status nt_memory_check(struct nt_device *dev, size_t bytes, const char *name)
{
    char text[16];
    if (bytes <= dev->info.max_allocation)
        return NT_OK;
    return nt_fail(dev->ctx, NT_ERR_MEMORY,
        "%s: %zu bytes (%s): the largest single buffer of %s is %llu bytes", name, bytes,
        nt_bytes_text((double)bytes, text, sizeof text), dev->info.name,
        (unsigned long long)dev->info.max_allocation);
}

enum nt_status nt_memory_allocate(
    struct nt_device *dev, cl_mem_flags flags, size_t bytes, const char *name, cl_mem *out)
{
    enum nt_status status = nt_memory_check(dev, bytes, name);
    if (status != NT_OK)
        return status;
    char text[16];
    cl_int code = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(dev->cl, flags, bytes ? bytes : 1, NULL, &code);
    if (!mem || code != CL_SUCCESS)
        return nt_fail_cl(dev->ctx, code ? code : CL_MEM_OBJECT_ALLOCATION_FAILURE, "%s: %s on %s",
            name, nt_bytes_text((double)bytes, text, sizeof text), dev->info.name);
    *out = mem;
    return NT_OK;
}

enum nt_status nt_memory_zero(struct nt_device *dev, cl_mem mem, size_t bytes, const char *name)
{
    if (bytes == 0)
        return NT_OK;
    cl_uint zero = 0;
    cl_uchar zero_byte = 0;
    cl_int code = bytes % sizeof zero == 0 ? clEnqueueFillBuffer(dev->queue, mem, &zero,
                                                 sizeof zero, 0, bytes, 0, NULL, NULL)
                                           : clEnqueueFillBuffer(dev->queue, mem, &zero_byte,
                                                 sizeof zero_byte, 0, bytes, 0, NULL, NULL);
    return code == CL_SUCCESS ? NT_OK : nt_fail_cl(dev->ctx, code, "%s: zeroing", name);
}

static enum nt_status check_range(
    struct nt_device *dev, const char *name, size_t size, size_t offset, size_t bytes)
{
    if (offset > size || bytes > size - offset)
        return nt_fail(dev->ctx, NT_ERR_ARGUMENT,
            "%s: %zu bytes at offset %zu: the buffer has %zu bytes", name, bytes, offset, size);
    return NT_OK;
}

enum nt_status nt_memory_copy_in(struct nt_device *dev, cl_mem mem, size_t size, const char *name,
    size_t offset, const void *data, size_t bytes)
{
    enum nt_status status = check_range(dev, name, size, offset, bytes);
    if (status != NT_OK || bytes == 0)
        return status;
    cl_int code =
        clEnqueueWriteBuffer(dev->queue, mem, CL_TRUE, offset, bytes, data, 0, NULL, NULL);
    return code == CL_SUCCESS ? NT_OK : nt_fail_cl(dev->ctx, code, "%s: write", name);
}

enum nt_status nt_memory_copy_out(struct nt_device *dev, cl_mem mem, size_t size, const char *name,
    size_t offset, void *data, size_t bytes)
{
    enum nt_status status = check_range(dev, name, size, offset, bytes);
    if (status != NT_OK || bytes == 0)
        return status;
    cl_int code = clEnqueueReadBuffer(dev->queue, mem, CL_TRUE, offset, bytes, data, 0, NULL, NULL);
    return code == CL_SUCCESS ? NT_OK : nt_fail_cl(dev->ctx, code, "%s: read", name);
}

/* Has `fill` write into the buffer where it lies, or where the driver lets the host write it. */
static enum nt_status fill_mapped(struct nt_memory *memory, nt_memory_fill *fill, void *user)
{
    struct nt_device *dev = memory->dev;
    cl_int code = CL_SUCCESS;
    void *data = clEnqueueMapBuffer(dev->queue, memory->mem, CL_TRUE,
        CL_MAP_WRITE_INVALIDATE_REGION, 0, memory->bytes, 0, NULL, NULL, &code);
    if (!data || code != CL_SUCCESS)
        return nt_fail_cl(
            dev->ctx, code ? code : CL_MAP_FAILURE, "%s: access by the host", memory->name);
    enum nt_status status = fill(data, user);
    code = clEnqueueUnmapMemObject(dev->queue, memory->mem, data, 0, NULL, NULL);
    return status != NT_OK || code == CL_SUCCESS
               ? status
               : nt_fail_cl(dev->ctx, code, "%s: end of access by the host", memory->name);
}

enum nt_status nt_memory_create_filled(struct nt_device *dev, size_t bytes, const char *name,
    nt_memory_fill *fill, void *user, struct nt_memory **out)
{
    struct nt_memory *memory = calloc(1, sizeof *memory);
    if (!memory)
        return nt_fail(dev->ctx, NT_ERR_MEMORY, "%s: out of host memory", name ? name : "memory");
    memory->dev = dev;
    memory->bytes = bytes;
    snprintf(memory->name, sizeof memory->name, "%s", name ? name : "memory");
    enum nt_status status =
        nt_memory_allocate(dev, CL_MEM_READ_WRITE, bytes, memory->name, &memory->mem);
    if (status == NT_OK && fill && bytes)
        status = fill_mapped(memory, fill, user);
    else if (status == NT_OK)
        status = nt_memory_zero(dev, memory->mem, bytes, memory->name);
    if (status != NT_OK) {
        nt_memory_destroy(memory);
        return status;
    }
    *out = memory;
    return NT_OK;
}

enum nt_status nt_memory_create(
    struct nt_device *dev, size_t bytes, const char *name, struct nt_memory **out)
{
    return nt_memory_create_filled(dev, bytes, name, NULL, NULL, out);
}

void nt_memory_destroy(struct nt_memory *memory)
{
    if (!memory)
        return;
    if (memory->mem)
        clReleaseMemObject(memory->mem);
    free(memory);
}

size_t nt_memory_size(const struct nt_memory *memory)
{
    return memory->bytes;
}

enum nt_status nt_memory_write(
    struct nt_memory *memory, size_t offset, const void *data, size_t bytes)
{
    memory->changes++;
    return nt_memory_copy_in(
        memory->dev, memory->mem, memory->bytes, memory->name, offset, data, bytes);
}

enum nt_status nt_memory_read(struct nt_memory *memory, size_t offset, void *data, size_t bytes)
{
    return nt_memory_copy_out(
        memory->dev, memory->mem, memory->bytes, memory->name, offset, data, bytes);
}
