/* SPDX-License-Identifier: MIT
 *
 * neutra-compile: has a driver compile the kernels of one program by launching them, see
 * engine/compile.h. A process of its own: it compiles beside other processes where a driver does
 * not beside other threads, and it may crash.
 */
#include "engine/compile.h"

#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_ARGS 256
#define ALIGNMENT 4096

struct reader {
    const char *at, *end;
    bool failed;
};

struct target {
    cl_device_id device;
    cl_context context;
    cl_command_queue queue;
    cl_program program;
};

struct buffer {
    char *block;
    cl_mem mem;
};

static void say(const char *text)
{
    size_t length = strlen(text);
    while (length) {
        ssize_t n = write(STDOUT_FILENO, text, length);
        if (n <= 0)
            return;
        text += n;
        length -= (size_t)n;
    }
}

static int fail(const char *what, cl_int code)
{
    char text[256];
    snprintf(text, sizeof text, "%s: code %d", what, (int)code);
    say(text);
    return EXIT_FAILURE;
}

static const void *take(struct reader *in, size_t bytes)
{
    if (in->failed || bytes > (size_t)(in->end - in->at)) {
        in->failed = true;
        return NULL;
    }
    const void *data = in->at;
    in->at += bytes;
    return data;
}

static uint32_t take_u32(struct reader *in)
{
    uint32_t value = 0;
    const void *data = take(in, sizeof value);
    if (data)
        memcpy(&value, data, sizeof value);
    return value;
}

static uint64_t take_u64(struct reader *in)
{
    uint64_t value = 0;
    const void *data = take(in, sizeof value);
    if (data)
        memcpy(&value, data, sizeof value);
    return value;
}

/* A copy that ends with a null; lives as long as the process. */
static char *take_string(struct reader *in)
{
    uint32_t length = take_u32(in);
    const void *data = take(in, length);
    char *text = calloc((size_t)(data ? length : 0) + 1, 1);
    if (!text)
        in->failed = true;
    else if (data)
        memcpy(text, data, length);
    return text;
}

static bool read_all(struct reader *in)
{
    size_t size = 0, capacity = 1 << 16;
    char *data = malloc(capacity);
    while (data) {
        size_t n = fread(data + size, 1, capacity - size, stdin);
        size += n;
        if (n == 0)
            break;
        if (size == capacity) {
            char *grown = realloc(data, capacity *= 2);
            if (!grown)
                free(data);
            data = grown;
        }
    }
    *in = (struct reader){data, data ? data + size : NULL, !data};
    return data && !ferror(stdin);
}

static bool named(cl_device_id device, const char *name)
{
    char text[128] = "";
    return clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof text - 1, text, NULL) == CL_SUCCESS &&
           strcmp(text, name) == 0;
}

static cl_device_id find_device(const char *platform, const char *name)
{
    cl_platform_id platforms[32];
    cl_device_id devices[64];
    cl_uint count = 0, found;
    clGetPlatformIDs(32, platforms, &count);
    for (cl_uint p = 0; p < count && p < 32; p++) {
        char text[128] = "";
        if (clGetPlatformInfo(platforms[p], CL_PLATFORM_NAME, sizeof text - 1, text, NULL) !=
                CL_SUCCESS ||
            strcmp(text, platform) != 0 ||
            clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, 64, devices, &found) != CL_SUCCESS)
            continue;
        for (cl_uint d = 0; d < found && d < 64; d++)
            if (named(devices[d], name))
                return devices[d];
    }
    return NULL;
}

/* Zeros that take no memory until they are touched. */
static cl_int set_buffer(
    struct target *t, cl_kernel kernel, cl_uint index, uint64_t size, struct buffer *buffer)
{
    cl_int code;
    buffer->block = calloc((size_t)size + 2 * ALIGNMENT, 1);
    if (!buffer->block)
        return CL_OUT_OF_HOST_MEMORY;
    char *start = buffer->block + (ALIGNMENT - (uintptr_t)buffer->block % ALIGNMENT);
    buffer->mem = clCreateBuffer(
        t->context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, size ? (size_t)size : 1, start, &code);
    return buffer->mem ? clSetKernelArg(kernel, index, sizeof(cl_mem), &buffer->mem) : code;
}

/* Reads a launch and does it; a kernel that does not run is the caller's to find out. */
static void launch(struct target *t, struct reader *in)
{
    static struct buffer buffers[MAX_ARGS];
    size_t global[3], local[3];
    cl_int code;
    char *name = take_string(in);
    cl_uint dims = take_u32(in);
    for (int i = 0; i < 3; i++)
        global[i] = (size_t)take_u64(in);
    for (int i = 0; i < 3; i++)
        local[i] = (size_t)take_u64(in);
    uint32_t count = take_u32(in);
    if (in->failed || dims < 1 || dims > 3 || count > MAX_ARGS) {
        in->failed = true;
        free(name);
        return;
    }
    cl_kernel kernel = clCreateKernel(t->program, name, &code);
    free(name);
    for (uint32_t a = 0; a < count; a++) {
        uint64_t bytes = take_u64(in);
        uint32_t size = take_u32(in);
        const void *value = take(in, size);
        buffers[a] = (struct buffer){0};
        if (kernel && code == CL_SUCCESS)
            code = size ? clSetKernelArg(kernel, a, size, value)
                        : set_buffer(t, kernel, a, bytes, &buffers[a]);
    }
    if (kernel && code == CL_SUCCESS && !in->failed)
        code = clEnqueueNDRangeKernel(t->queue, kernel, dims, NULL, global, local, 0, NULL, NULL);
    clFinish(t->queue);
    for (uint32_t a = 0; a < count; a++) {
        if (buffers[a].mem)
            clReleaseMemObject(buffers[a].mem);
        free(buffers[a].block);
    }
    if (kernel)
        clReleaseKernel(kernel);
}

static int compile(struct target *t, struct reader *in)
{
    cl_int code = CL_SUCCESS;
    char *options = take_string(in), *source = take_string(in);
    uint32_t launches = take_u32(in);
    if (in->failed)
        return fail("the message is cut", 0);
    const char *text = source;
    t->program = clCreateProgramWithSource(t->context, 1, &text, NULL, &code);
    if (t->program && code == CL_SUCCESS)
        code = clBuildProgram(t->program, 1, &t->device, options, NULL, NULL);
    free(options);
    free(source);
    if (code != CL_SUCCESS)
        return fail("the program does not build", code);
    for (uint32_t i = 0; i < launches && !in->failed; i++) {
        launch(t, in);
        say((char[]){NT_COMPILE_STEP, 0});
    }
    if (in->failed)
        return fail("the message is cut", 0);
    return EXIT_SUCCESS;
}

static int run(struct target *t, struct reader *in)
{
    cl_int code = CL_SUCCESS;
    char *magic = take_string(in), *platform = take_string(in), *device = take_string(in);
    bool known = !in->failed && strcmp(magic, NT_COMPILE_MAGIC) == 0;
    if (known)
        t->device = find_device(platform, device);
    free(magic);
    free(platform);
    free(device);
    if (!known)
        return fail("the message is of another version", 0);
    if (!t->device)
        return fail("there is no such device", 0);
    t->context = clCreateContext(NULL, 1, &t->device, NULL, NULL, &code);
    if (!t->context)
        return fail("context", code);
    t->queue = clCreateCommandQueue(t->context, t->device, 0, &code);
    if (!t->queue)
        return fail("queue", code);
    return compile(t, in);
}

int main(void)
{
    struct target target = {0};
    struct reader in;
    if (!read_all(&in))
        return fail("standard input", 0);
    char *message = (char *)in.at;
    int status = run(&target, &in);
    free(message);
    if (status == EXIT_SUCCESS)
        say((char[]){NT_COMPILE_DONE, 0});
    _exit(status); /* taking the driver's data apart would take it 0.15 s */
}
