/* SPDX-License-Identifier: MIT */
#include "engine/context.h"

#include <CL/cl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_SIZE 4096

struct nt_context {
    pthread_mutex_t lock;
    char message[MESSAGE_SIZE];
    char cache_dir[1024];
    void (*log)(void *user, enum nt_log_level level, const char *text);
    void *log_user;
};

static void find_cache_dir(const char *given, char *dir, size_t size)
{
    const char *own = getenv("NEUTRA_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (given)
        snprintf(dir, size, "%s", given);
    else if (own)
        snprintf(dir, size, "%s", own);
    else if (xdg && *xdg)
        snprintf(dir, size, "%s/neutra", xdg);
    else if (home && *home)
        snprintf(dir, size, "%s/.cache/neutra", home);
    else
        dir[0] = 0;
}

enum nt_status nt_context_create(const struct nt_context_params *params, struct nt_context **out)
{
    struct nt_context *ctx = calloc(1, sizeof *ctx);
    if (!ctx)
        return NT_ERR_MEMORY;
    pthread_mutex_init(&ctx->lock, NULL);
    if (params) {
        ctx->log = params->log;
        ctx->log_user = params->log_user;
    }
    find_cache_dir(params ? params->cache_dir : NULL, ctx->cache_dir, sizeof ctx->cache_dir);
    *out = ctx;
    return NT_OK;
}

void nt_context_destroy(struct nt_context *ctx)
{
    if (!ctx)
        return;
    pthread_mutex_destroy(&ctx->lock);
    free(ctx);
}

const char *nt_error_message(const struct nt_context *ctx)
{
    return ctx->message;
}

const char *nt_cache_dir(const struct nt_context *ctx)
{
    return ctx->cache_dir;
}

enum nt_status nt_fail(struct nt_context *ctx, enum nt_status status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    pthread_mutex_lock(&ctx->lock);
    vsnprintf(ctx->message, sizeof ctx->message, fmt, ap);
    pthread_mutex_unlock(&ctx->lock);
    va_end(ap);
    return status;
}

const char *nt_bytes_text(double bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int unit = 0;
    for (; bytes >= 1024 && unit < 4; unit++)
        bytes /= 1024;
    snprintf(text, size, unit && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return text;
}

static const char *code_name(int code)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {
#define CODE(name) {name, #name}
        CODE(CL_DEVICE_NOT_FOUND),
        CODE(CL_DEVICE_NOT_AVAILABLE),
        CODE(CL_COMPILER_NOT_AVAILABLE),
        CODE(CL_MEM_OBJECT_ALLOCATION_FAILURE),
        CODE(CL_OUT_OF_RESOURCES),
        CODE(CL_OUT_OF_HOST_MEMORY),
        CODE(CL_PROFILING_INFO_NOT_AVAILABLE),
        CODE(CL_MEM_COPY_OVERLAP),
        CODE(CL_BUILD_PROGRAM_FAILURE),
        CODE(CL_MAP_FAILURE),
        CODE(CL_MISALIGNED_SUB_BUFFER_OFFSET),
        CODE(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
        CODE(CL_INVALID_VALUE),
        CODE(CL_INVALID_DEVICE),
        CODE(CL_INVALID_CONTEXT),
        CODE(CL_INVALID_COMMAND_QUEUE),
        CODE(CL_INVALID_HOST_PTR),
        CODE(CL_INVALID_MEM_OBJECT),
        CODE(CL_INVALID_BINARY),
        CODE(CL_INVALID_BUILD_OPTIONS),
        CODE(CL_INVALID_PROGRAM),
        CODE(CL_INVALID_PROGRAM_EXECUTABLE),
        CODE(CL_INVALID_KERNEL_NAME),
        CODE(CL_INVALID_KERNEL_DEFINITION),
        CODE(CL_INVALID_KERNEL),
        CODE(CL_INVALID_ARG_INDEX),
        CODE(CL_INVALID_ARG_VALUE),
        CODE(CL_INVALID_ARG_SIZE),
        CODE(CL_INVALID_KERNEL_ARGS),
        CODE(CL_INVALID_WORK_DIMENSION),
        CODE(CL_INVALID_WORK_GROUP_SIZE),
        CODE(CL_INVALID_WORK_ITEM_SIZE),
        CODE(CL_INVALID_GLOBAL_OFFSET),
        CODE(CL_INVALID_EVENT_WAIT_LIST),
        CODE(CL_INVALID_EVENT),
        CODE(CL_INVALID_OPERATION),
        CODE(CL_INVALID_BUFFER_SIZE),
        CODE(CL_INVALID_GLOBAL_WORK_SIZE),
        CODE(CL_INVALID_PROPERTY),
#undef CODE
        {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            return names[i].name;
    return "unknown OpenCL error";
}

enum nt_status nt_fail_cl(struct nt_context *ctx, int cl_code, const char *fmt, ...)
{
    char text[MESSAGE_SIZE / 2];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    bool memory = cl_code == CL_MEM_OBJECT_ALLOCATION_FAILURE || cl_code == CL_OUT_OF_HOST_MEMORY;
    return nt_fail(ctx, memory ? NT_ERR_MEMORY : NT_ERR_DEVICE, "%s: %s (%d)", text,
        code_name(cl_code), cl_code);
}

enum nt_status nt_fail_prefix(struct nt_context *ctx, enum nt_status status, const char *fmt, ...)
{
    char prefix[512], rest[MESSAGE_SIZE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&ctx->lock);
    memcpy(rest, ctx->message, sizeof rest);
    snprintf(ctx->message, sizeof ctx->message, "%s: %.*s", prefix,
        (int)(sizeof rest - strlen(prefix) - 3), rest);
    pthread_mutex_unlock(&ctx->lock);
    return status;
}

void nt_log(struct nt_context *ctx, enum nt_log_level level, const char *fmt, ...)
{
    if (!ctx->log)
        return;
    char text[MESSAGE_SIZE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&ctx->lock);
    ctx->log(ctx->log_user, level, text);
    pthread_mutex_unlock(&ctx->lock);
}
