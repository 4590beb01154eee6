/* SPDX-License-Identifier: MIT */
#include "engine/device.h"
#include "engine/cache.h"
#include "engine/opencl.h"
#include "engine/profile.h"
#include "engine/profile_state.h"
#include "engine/program.h"
#include "engine/text.h"
#include "engine/tuning_state.h"

#include <CL/cl_ext.h>
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LEAST_LOCAL 16384 /* what kernels take at most; half of the full profile's least */
#define POCL "Portable Computing Language" /* the name of its platform */

struct found {
    cl_device_id id;
    char platform_version[128];
    struct nt_device_info info;
};

struct found_list {
    struct found *item;
    int count;
    bool bare; /* PoCL is there and has no device */
};

const char *nt_device_type_name(enum nt_device_type type)
{
    static const char *const names[] = {
        "discrete GPU", "integrated GPU", "accelerator", "CPU", "other"};
    return (unsigned)type < sizeof names / sizeof *names ? names[type] : "unknown";
}

/* Removes spaces at both ends and doubled ones: drivers pad their names. */
static void tidy(char *text)
{
    size_t n = 0;
    for (const char *p = text; *p; p++)
        if (!isspace((unsigned char)*p) || (n && text[n - 1] != ' '))
            text[n++] = isspace((unsigned char)*p) ? ' ' : *p;
    while (n && text[n - 1] == ' ')
        n--;
    text[n] = 0;
}

static bool device_text(cl_device_id id, cl_device_info what, char *text, size_t size)
{
    char full[1024] = "";
    text[0] = 0;
    if (clGetDeviceInfo(id, what, sizeof full - 1, full, NULL) != CL_SUCCESS)
        return false;
    tidy(full);
    snprintf(text, size, "%.*s", (int)size - 1, full);
    return true;
}

static void platform_text(cl_platform_id id, cl_platform_info what, char *text, size_t size)
{
    char full[1024] = "";
    clGetPlatformInfo(id, what, sizeof full - 1, full, NULL);
    tidy(full);
    snprintf(text, size, "%.*s", (int)size - 1, full);
}

static bool device_value(cl_device_id id, cl_device_info what, size_t size, void *value)
{
    return clGetDeviceInfo(id, what, size, value, NULL) == CL_SUCCESS;
}

/* Mesa's software rasterisers, whatever type they claim. */
static bool is_software(const char *name)
{
    return strstr(name, "llvmpipe") || strstr(name, "softpipe");
}

static enum nt_device_type classify(cl_device_type type, bool unified, const char *name)
{
    if (is_software(name) || (type & CL_DEVICE_TYPE_CPU))
        return NT_DEVICE_CPU;
    if (type & CL_DEVICE_TYPE_GPU)
        return unified ? NT_DEVICE_GPU_INTEGRATED : NT_DEVICE_GPU_DISCRETE;
    return type & CL_DEVICE_TYPE_ACCELERATOR ? NT_DEVICE_ACCELERATOR : NT_DEVICE_OTHER;
}

static unsigned vector_width(enum nt_device_type type, cl_uint native)
{
    if (type != NT_DEVICE_CPU)
        return native ? native : 1;
    return native >= 16 ? 16 : native >= 8 ? 8 : 4;
}

/* Drivers that do not know the question answer with an error. */
static bool has_sub_groups(cl_device_id id)
{
    size_t sizes[16] = {0};
    bool found = false;
    if (!device_value(id, CL_DEVICE_SUB_GROUP_SIZES_INTEL, sizeof sizes, sizes))
        return false;
    for (int i = 0; i < 16; i++)
        found = found || sizes[i] == 16;
    return found;
}

/* Why the device is of no use, or NULL. */
static const char *describe(cl_device_id id, struct nt_device_info *info)
{
    cl_device_type type = 0;
    cl_bool available = CL_FALSE, compiler = CL_FALSE, unified = CL_FALSE, images = CL_FALSE;
    cl_uint units = 0, clock = 0, native = 0, align = 0;
    cl_ulong global = 0, allocation = 0, local = 0;
    cl_device_local_mem_type kind = CL_GLOBAL;
    size_t group = 0;
    int major = 0, minor = 0;

    if (!device_text(id, CL_DEVICE_NAME, info->name, sizeof info->name) || !info->name[0])
        return "it has no name";
    device_text(id, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
    device_text(id, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    device_text(id, CL_DEVICE_VERSION, info->version, sizeof info->version);
    if (!device_value(id, CL_DEVICE_AVAILABLE, sizeof available, &available) || !available)
        return "it is not available";
    if (!device_value(id, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiler, &compiler) || !compiler)
        return "its driver has no compiler";
    if (sscanf(info->version, "OpenCL %d.%d", &major, &minor) != 2 || major * 10 + minor < 12)
        return "it is older than OpenCL 1.2";
    if (!device_value(id, CL_DEVICE_TYPE, sizeof type, &type) ||
        !device_value(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units) ||
        !device_value(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof global, &global) ||
        !device_value(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof allocation, &allocation) ||
        !device_value(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof group, &group))
        return "it does not answer questions";
    if (type & CL_DEVICE_TYPE_CUSTOM)
        return "it runs no kernels";
    device_value(id, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof clock, &clock);
    device_value(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof native, &native);
    device_value(id, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof align, &align);
    device_value(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local);
    device_value(id, CL_DEVICE_LOCAL_MEM_TYPE, sizeof kind, &kind);
    device_value(id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof unified, &unified);
    device_value(id, CL_DEVICE_IMAGE_SUPPORT, sizeof images, &images);

    if (local < LEAST_LOCAL)
        return "it has less than 16 KiB of local memory";

    info->type = classify(type, unified, info->name);
    info->compute_units = units;
    info->clock_mhz = clock;
    info->vector_width = vector_width(info->type, native);
    info->global_memory = global;
    info->max_allocation = allocation;
    info->local_memory = local;
    info->local_memory_real = kind == CL_LOCAL;
    info->max_work_group = group;
    info->base_alignment = align >= 8 ? align / 8 : 128;
    info->unified_memory = unified || info->type == NT_DEVICE_CPU;
    info->sub_groups = has_sub_groups(id);
    info->images = images;
    info->short_loops = is_software(info->name);
    return NULL;
}

static enum nt_status add_platform(
    struct nt_context *ctx, cl_platform_id platform, struct found_list *list)
{
    char name[128], version[128];
    platform_text(platform, CL_PLATFORM_NAME, name, sizeof name);
    platform_text(platform, CL_PLATFORM_VERSION, version, sizeof version);

    cl_uint count = 0;
    cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count);
    if (code != CL_SUCCESS || count == 0) {
        nt_log(ctx, NT_LOG_DEBUG, "platform %s: no devices (%d)", name, (int)code);
        list->bare = list->bare || !strcmp(name, POCL);
        return NT_OK;
    }
    cl_device_id *ids = calloc(count, sizeof *ids);
    struct found *item = realloc(list->item, ((size_t)list->count + count) * sizeof *item);
    if (item)
        list->item = item;
    if (!ids || !item) {
        free(ids);
        return nt_fail(ctx, NT_ERR_MEMORY, "device list: out of memory");
    }
    code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, ids, NULL);
    for (cl_uint i = 0; code == CL_SUCCESS && i < count; i++) {
        struct found f = {.id = ids[i]};
        const char *reason = describe(ids[i], &f.info);
        if (reason) {
            nt_log(ctx, NT_LOG_DEBUG, "device %s of platform %s: passed over: %s", f.info.name,
                name, reason);
            continue;
        }
        memcpy(f.info.platform, name, sizeof name);
        memcpy(f.platform_version, version, sizeof version);
        list->item[list->count++] = f;
    }
    free(ids);
    return NT_OK;
}

static int rank(const struct nt_device_info *info)
{
    return 2 * (int)info->type + is_software(info->name);
}

/* Drivers start when they are asked first, and PoCL 3.1 does not stand several threads then. */
static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;

static enum nt_status ask_platforms(struct nt_context *ctx, struct found_list *list)
{
    cl_uint count = 0;
    if (clGetPlatformIDs(0, NULL, &count) != CL_SUCCESS || count == 0)
        return NT_OK;
    cl_platform_id *platforms = calloc(count, sizeof *platforms);
    if (!platforms)
        return nt_fail(ctx, NT_ERR_MEMORY, "device list: out of memory");
    enum nt_status status = NT_OK;
    if (clGetPlatformIDs(count, platforms, NULL) == CL_SUCCESS)
        for (cl_uint i = 0; status == NT_OK && i < count; i++)
            status = add_platform(ctx, platforms[i], list);
    free(platforms);
    return status;
}

static enum nt_status find_devices(struct nt_context *ctx, struct found_list *list)
{
    *list = (struct found_list){0};
    pthread_mutex_lock(&asking);
    enum nt_status status = ask_platforms(ctx, list);
    pthread_mutex_unlock(&asking);
    if (status != NT_OK) {
        free(list->item);
        *list = (struct found_list){0};
        return status;
    }
    /* A stable sort: devices of one type keep the order of their platforms. */
    for (int i = 1; i < list->count; i++) {
        struct found f = list->item[i];
        int j = i;
        for (; j > 0 && rank(&list->item[j - 1].info) > rank(&f.info); j--)
            list->item[j] = list->item[j - 1];
        list->item[j] = f;
    }
    for (int i = 0; i < list->count; i++)
        list->item[i].info.index = i;
    return NT_OK;
}

enum nt_status nt_device_list(struct nt_context *ctx, struct nt_device_info **list, int *count)
{
    struct found_list found;
    enum nt_status status = find_devices(ctx, &found);
    if (status != NT_OK)
        return status;
    struct nt_device_info *info = calloc((size_t)found.count + 1, sizeof *info);
    if (!info) {
        free(found.item);
        return nt_fail(ctx, NT_ERR_MEMORY, "device list: out of memory");
    }
    for (int i = 0; i < found.count; i++)
        info[i] = found.item[i].info;
    *list = info;
    *count = found.count;
    free(found.item);
    return NT_OK;
}

static bool contains(const char *text, const char *part)
{
    size_t n = strlen(part);
    for (; *text; text++)
        if (strncasecmp(text, part, n) == 0)
            return true;
    return false;
}

static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

static bool matches(const struct nt_device_info *info, const char *selector)
{
    if (is_number(selector))
        return strtol(selector, NULL, 10) == info->index;
    if (strcasecmp(selector, "gpu") == 0)
        return info->type == NT_DEVICE_GPU_DISCRETE || info->type == NT_DEVICE_GPU_INTEGRATED;
    if (strcasecmp(selector, "cpu") == 0)
        return info->type == NT_DEVICE_CPU;
    if (strcasecmp(selector, "accelerator") == 0)
        return info->type == NT_DEVICE_ACCELERATOR;
    return contains(info->name, selector) || contains(info->platform, selector);
}

static enum nt_status none_matches(
    struct nt_context *ctx, const char *selector, const struct found_list *list)
{
    if (list->count == 0 && list->bare)
        return nt_fail(ctx, NT_ERR_DEVICE,
            "no OpenCL device: PoCL is installed and offers none: it needs a folder that it may "
            "write, ~/.cache/pocl, or the one that POCL_CACHE_DIR names");
    if (list->count == 0)
        return nt_fail(ctx, NT_ERR_DEVICE,
            "no OpenCL device: install the Debian package pocl-opencl-icd to run on the CPU; "
            "mesa-opencl-icd (AMD), intel-opencl-icd (Intel) or the vendor's driver for a GPU");
    struct nt_text text = {0};
    for (int i = 0; i < list->count; i++)
        nt_text_format(&text, "%s%d: %s (%s, %s)", i ? "; " : "", i, list->item[i].info.name,
            list->item[i].info.platform, nt_device_type_name(list->item[i].info.type));
    enum nt_status status = nt_fail(ctx, NT_ERR_DEVICE, "device \"%s\": matches none of %s",
        selector, text.data ? text.data : "the devices");
    free(text.data);
    return status;
}

cl_int nt_device_wait(cl_command_queue queue)
{
    cl_event marker = NULL;
    cl_int code = clEnqueueMarkerWithWaitList(queue, 0, NULL, &marker);
    if (code != CL_SUCCESS)
        return clFinish(queue);
    code = clWaitForEvents(1, &marker);
    clReleaseEvent(marker);
    return code == CL_SUCCESS ? clFinish(queue) : code;
}

enum nt_status nt_device_set_queue(struct nt_device *dev, bool profiling)
{
    cl_int code;
    cl_command_queue queue =
        clCreateCommandQueue(dev->cl, dev->id, profiling ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
    if (code != CL_SUCCESS)
        return nt_fail_cl(dev->ctx, code, "%s: command queue", dev->info.name);
    if (dev->queue) {
        nt_device_wait(dev->queue);
        clReleaseCommandQueue(dev->queue);
    }
    dev->queue = queue;
    return NT_OK;
}

/* Drivers for GPUs count work-groups along all dimensions but the first in 16 bits, and displays
 * that share the GPU reset a kernel after two seconds. A compute unit of the smallest ones does
 * four operations a cycle with these kernels: parts of a quarter of a second there. */
static void limit_enqueues(struct nt_device *dev)
{
    const struct nt_device_info *info = &dev->info;
    if (info->type == NT_DEVICE_CPU)
        return;
    dev->most.groups = 65535;
    dev->most.flops = info->compute_units * 1e6 * (info->clock_mhz ? info->clock_mhz : 500);
}

static enum nt_status start(struct nt_device *dev)
{
    cl_int code;
    cl_device_fp_config config = 0;
    device_value(dev->id, CL_DEVICE_SINGLE_FP_CONFIG, sizeof config, &config);
    dev->options = nt_program_options(dev->info.type, config & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT);
    limit_enqueues(dev);
    const char *profile = getenv("NEUTRA_PROFILE");
    dev->cl = clCreateContext(NULL, 1, &dev->id, NULL, NULL, &code);
    if (code != CL_SUCCESS)
        return nt_fail_cl(dev->ctx, code, "%s: OpenCL context", dev->info.name);
    enum nt_status status = nt_device_set_queue(dev, false);
    if (status != NT_OK)
        return status;
    dev->upload = clCreateCommandQueue(dev->cl, dev->id, 0, &code);
    if (code != CL_SUCCESS)
        return nt_fail_cl(dev->ctx, code, "%s: upload queue", dev->info.name);
    if ((status = nt_memory_allocate(dev, CL_MEM_READ_WRITE, 256, "nothing", &dev->nothing)))
        return status;
    if ((status = nt_programs_create(dev, &dev->programs)))
        return status;
    if ((status = nt_cache_create(dev, &dev->cache)))
        return status;
    if ((status = nt_tuning_create(dev, &dev->tuning)))
        return status;
    return profile && *profile && strcmp(profile, "0") != 0 ? nt_profile_enable(dev) : NT_OK;
}

static enum nt_status open_found(
    struct nt_context *ctx, const struct found *found, struct nt_device **out)
{
    struct nt_device *dev = calloc(1, sizeof *dev);
    if (!dev)
        return nt_fail(ctx, NT_ERR_MEMORY, "device: out of memory");
    dev->ctx = ctx;
    dev->id = found->id;
    dev->info = found->info;
    memcpy(dev->platform_version, found->platform_version, sizeof dev->platform_version);
    enum nt_status status = start(dev);
    if (status != NT_OK) {
        nt_device_close(dev);
        return status;
    }
    *out = dev;
    return NT_OK;
}

enum nt_status nt_device_open(struct nt_context *ctx, const char *selector, struct nt_device **out)
{
    struct found_list list;
    enum nt_status status = find_devices(ctx, &list);
    if (status != NT_OK)
        return status;
    if (!selector || !*selector)
        selector = getenv("NEUTRA_DEVICE");
    bool any = !selector || !*selector;
    status = NT_ERR_DEVICE;
    int tried = 0;
    for (int i = 0; i < list.count && status != NT_OK; i++) {
        if (!any && !matches(&list.item[i].info, selector))
            continue;
        tried++;
        status = open_found(ctx, &list.item[i], out);
        if (status != NT_OK && !any)
            break;
        if (status != NT_OK)
            nt_log(ctx, NT_LOG_WARNING, "device passed over: %s", nt_error_message(ctx));
    }
    if (!tried)
        none_matches(ctx, any ? "" : selector, &list);
    free(list.item);
    return status;
}

void nt_device_close(struct nt_device *dev)
{
    if (!dev)
        return;
    if (dev->upload)
        nt_device_wait(dev->upload);
    if (dev->queue)
        nt_device_wait(dev->queue);
    nt_cache_destroy(dev->cache);
    nt_tuning_destroy(dev->tuning);
    nt_profile_destroy(dev->profile);
    nt_programs_destroy(dev->programs);
    if (dev->nothing)
        clReleaseMemObject(dev->nothing);
    if (dev->upload)
        clReleaseCommandQueue(dev->upload);
    if (dev->queue)
        clReleaseCommandQueue(dev->queue);
    if (dev->cl)
        clReleaseContext(dev->cl);
    free(dev);
}

const struct nt_device_info *nt_device_get_info(const struct nt_device *dev)
{
    return &dev->info;
}

struct nt_context *nt_device_context(struct nt_device *dev)
{
    return dev->ctx;
}

enum nt_status nt_device_finish(struct nt_device *dev)
{
    cl_int code = nt_device_wait(dev->upload);
    if (code == CL_SUCCESS)
        code = nt_device_wait(dev->queue);
    return code == CL_SUCCESS ? NT_OK : nt_fail_cl(dev->ctx, code, "%s: finish", dev->info.name);
}
