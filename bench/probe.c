/* SPDX-License-Identifier: MIT
 *
 * What the device can do at most, each figure measured, and what it can do at all, by trying.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/loading.h"
#include "engine/launch.h"
#include "engine/opencl.h"

#define MANY 256            /* launches of one tape */
#define TRANSFER (32 << 20) /* bytes between host and device */
#define LOCAL_ROUNDS 1000
#define LOADED 8 /* items of a batch of the loader */

static void append(struct bench *bench, json_t *row)
{
    json_array_append_new(json_object_get(bench->out, "probes"), row);
}

/* value: of one run of the work; per second when `rate`, else seconds in units of 1e-6. */
static enum nt_status add(struct bench *bench, const char *name, const char *unit, bool rate,
    const struct bench_work *work, const char *note)
{
    struct bench_times times;
    enum nt_status status =
        bench_measure(bench->dev, work, bench->params->quick ? 5 : 9, 5e-3, NULL, 0, &times);
    if (status != NT_OK)
        return nt_fail_prefix(bench->ctx, status, "%s", name);
    double amount = rate ? 1e-9 * work->amount : work->amount;
    append(bench, json_pack("{ss ss sf sf sf ss}", "name", name, "unit", unit, "median",
                      rate ? amount / times.median : 1e6 * times.median / amount, "least",
                      rate ? amount / times.greatest : 1e6 * times.least / amount, "greatest",
                      rate ? amount / times.least : 1e6 * times.greatest / amount, "note", note));
    return NT_OK;
}

/* ---- copies ---- */

static enum nt_status probe_copies(struct bench *bench)
{
    static const struct {
        const char *name;
        double bytes;
    } sizes[] = {{"copy 256 KiB", 256 << 10}, {"copy 8 MiB", 8 << 20}, {"copy 256 MiB", 256 << 20}};
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < 3; i++) {
        const struct bench_work *work;
        const char *how;
        char note[64];
        status = bench_copy(bench->limits, sizes[i].bytes, &work, &how);
        if (status != NT_OK)
            break;
        snprintf(note, sizeof note, "read and write together; by the %s", how);
        status = add(bench, sizes[i].name, "GB/s", true, work, note);
    }
    return status;
}

/* ---- launches ---- */

static enum nt_status make_launches(struct bench *bench, int count, struct nt_tape **out)
{
    enum nt_status status = nt_tape_create(bench->dev, out);
    size_t one = 1;
    if (status != NT_OK)
        return status;
    int32_t a = nt_tape_buffer(*out, NT_BUFFER_KEPT, 64, "probe");
    int32_t b = nt_tape_buffer(*out, NT_BUFFER_KEPT, 64, "probe");
    for (int i = 0; status == NT_OK && i < count; i++) {
        struct nt_launch l;
        nt_launch_init(&l, *out, "copy", "copy", "probe", "");
        nt_launch_define(&l, "NT_VW", "1");
        nt_launch_buffer(&l, a, NT_ACCESS_READ);
        nt_launch_buffer(&l, b, NT_ACCESS_WRITE);
        nt_launch_int(&l, 1);
        nt_launch_int(&l, 1);
        nt_launch_grid(&l, 1, &one, NULL);
        status = nt_launch_append(&l);
    }
    if (status == NT_OK)
        status = nt_tape_plan(*out, NULL);
    return status == NT_OK ? nt_tape_build(*out) : status;
}

static enum nt_status run_and_wait(void *user)
{
    enum nt_status status = nt_tape_run(user);
    return status == NT_OK ? nt_device_finish(nt_tape_device(user)) : status;
}

static enum nt_status probe_launches(struct bench *bench)
{
    struct nt_tape *many = NULL, *one = NULL;
    enum nt_status status = make_launches(bench, MANY, &many);
    if (status == NT_OK)
        status = make_launches(bench, 1, &one);
    if (status == NT_OK) {
        struct bench_work work = bench_tape_work(many, MANY);
        status = add(bench, "launch", "us", false, &work, "one of many in a row");
    }
    if (status == NT_OK) {
        struct bench_work work = {run_and_wait, one, 1};
        status = add(bench, "launch and wait", "us", false, &work, "alone, until the host knows");
    }
    nt_tape_destroy(many);
    nt_tape_destroy(one);
    return status;
}

/* ---- between host and device ---- */

struct transfer {
    struct nt_device *dev;
    struct nt_memory *memory;
    void *host;
    bool in;
};

static enum nt_status run_transfer(void *user)
{
    struct transfer *t = user;
    return t->in ? nt_memory_write(t->memory, 0, t->host, TRANSFER)
                 : nt_memory_read(t->memory, 0, t->host, TRANSFER);
}

static enum nt_status run_map(void *user)
{
    struct transfer *t = user;
    cl_int code;
    cl_command_queue queue = t->dev->queue;
    void *host = clEnqueueMapBuffer(
        queue, t->memory->mem, CL_TRUE, CL_MAP_WRITE, 0, TRANSFER, 0, NULL, NULL, &code);
    if (code == CL_SUCCESS)
        code = clEnqueueUnmapMemObject(queue, t->memory->mem, host, 0, NULL, NULL);
    return code == CL_SUCCESS ? NT_OK : nt_fail_cl(t->dev->ctx, code, "mapping memory");
}

static enum nt_status probe_ways(struct bench *bench, struct transfer *t, const char *kind)
{
    static const char *const names[] = {"device to host", "host to device"};
    enum nt_status status = NT_OK;
    for (int in = 1; status == NT_OK && in >= 0; in--) {
        struct bench_work work = {run_transfer, t, TRANSFER};
        char name[64];
        snprintf(name, sizeof name, "%s%s", names[in], kind);
        t->in = in;
        status = add(bench, name, "GB/s", true, &work, "32 MiB");
    }
    return status;
}

/* From memory that the driver gives: it may be pinned, so that the device reaches it by itself. */
static enum nt_status probe_pinned(struct bench *bench, struct transfer *t)
{
    cl_int code;
    cl_command_queue queue = bench->dev->queue;
    cl_mem mem;
    enum nt_status status = nt_memory_allocate(
        bench->dev, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, TRANSFER, "pinned memory", &mem);
    if (status != NT_OK)
        return status;
    t->host = clEnqueueMapBuffer(
        queue, mem, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, TRANSFER, 0, NULL, NULL, &code);
    if (code != CL_SUCCESS) {
        status = nt_fail_cl(bench->ctx, code, "mapping pinned memory");
    } else {
        memset(t->host, 1, TRANSFER);
        status = probe_ways(bench, t, ", pinned");
        clEnqueueUnmapMemObject(queue, mem, t->host, 0, NULL, NULL);
        nt_device_wait(queue);
    }
    clReleaseMemObject(mem);
    return status;
}

static enum nt_status probe_transfers(struct bench *bench)
{
    struct transfer t = {.dev = bench->dev, .host = malloc(TRANSFER)};
    void *plain = t.host;
    enum nt_status status = nt_memory_create(bench->dev, TRANSFER, "probe", &t.memory);
    if (status == NT_OK && !plain)
        status = nt_fail(bench->ctx, NT_ERR_MEMORY, "bench: host memory is exhausted");
    if (status == NT_OK) {
        memset(plain, 1, TRANSFER);
        status = probe_ways(bench, &t, "");
    }
    if (status == NT_OK)
        status = probe_pinned(bench, &t);
    if (status == NT_OK) {
        struct bench_work work = {run_map, &t, 1};
        status = add(bench, "map and unmap", "us", false, &work, "32 MiB; few: nothing is copied");
    }
    nt_memory_destroy(t.memory);
    free(plain);
    return status;
}

/* ---- local memory ---- */

static enum nt_status probe_local(struct bench *bench)
{
    const struct nt_device_info *info = nt_device_get_info(bench->dev);
    size_t group = info->max_work_group < 64 ? info->max_work_group : 64;
    size_t items = info->compute_units * group * (info->type == NT_DEVICE_CPU ? 1 : 16);
    cl_device_local_mem_type type = CL_GLOBAL;
    struct nt_tape *tape = NULL;
    struct nt_launch l;
    enum nt_status status = nt_tape_create(bench->dev, &tape);
    if (status != NT_OK)
        return status;
    clGetDeviceInfo(bench->dev->id, CL_DEVICE_LOCAL_MEM_TYPE, sizeof type, &type, NULL);
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, items * sizeof(float), "probe");
    nt_launch_init(&l, tape, "local_copy", "local_copy", "probe", "");
    nt_launch_define(&l, "NT_VW", "4");
    nt_launch_define(&l, "NT_GROUP", "%zu", group);
    nt_launch_buffer(&l, out, NT_ACCESS_WRITE);
    nt_launch_int(&l, LOCAL_ROUNDS);
    nt_launch_float(&l, 1);
    nt_launch_grid(&l, 1, &items, &group);
    status = nt_launch_append(&l);
    if (status == NT_OK)
        status = nt_tape_plan(tape, NULL);
    if (status == NT_OK)
        status = nt_tape_build(tape);
    if (status == NT_OK) {
        struct bench_work work =
            bench_tape_work(tape, 2.0 * 4 * sizeof(float) * LOCAL_ROUNDS * (double)items);
        char note[96];
        snprintf(note, sizeof note, "%zu KiB, %s; a barrier per vector",
            (size_t)info->local_memory >> 10, type == CL_LOCAL ? "of its own" : "in global memory");
        status = add(bench, "local memory", "GB/s", true, &work, note);
    }
    nt_tape_destroy(tape);
    return status;
}

/* ---- the loader ---- */

static enum nt_status next_batch(void *user)
{
    return bench_loading_next(user, NULL);
}

static enum nt_status probe_loader(struct bench *bench)
{
    struct nt_shape item = {3, {3, 224, 224}};
    struct bench_loading *loading;
    struct bench_times times;
    enum nt_status status =
        bench_loading_create(bench->ctx, &item, NT_CHANNELS_LAST, LOADED, &loading);
    if (status != NT_OK)
        return status;
    struct bench_work work = {next_batch, loading, 0};
    status = bench_measure(bench->dev, &work, 5, 0.1, NULL, 0, &times);
    bench_loading_destroy(loading);
    if (status == NT_OK)
        append(bench,
            json_pack("{ss ss sf sf sf ss}", "name", "loader", "unit", "items/s", "median",
                LOADED / times.median, "least", LOADED / times.greatest, "greatest",
                LOADED / times.least, "note", "JPEG files of 500x375 to 3x224x224; the host"));
    return status;
}

/* ---- what is there, by trying ---- */

/* Drivers print what they think of a kernel that does not build: sends it nowhere for a while.
 * Returns what speak needs. */
static int hush(void)
{
    fflush(stderr);
    int kept = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
    if (kept >= 0 && nowhere >= 0)
        dup2(nowhere, STDERR_FILENO);
    if (nowhere >= 0)
        close(nowhere);
    return kept;
}

static void speak(int kept)
{
    if (kept < 0)
        return;
    dup2(kept, STDERR_FILENO);
    close(kept);
}

/* What a device may have: a kernel of one work-group whose elements all become `want` tells. */
struct ability {
    const char *name, *stem;
    void (*arguments)(struct nt_launch *l); /* behind the elements */
    size_t items, count;
    float want;
    const char *there, *missing; /* notes */
};

static bool works(struct nt_tape *tape, struct nt_launch *l, int32_t out, const struct ability *a)
{
    float got[256];
    memset(got, 0xff, sizeof got);
    size_t bytes = a->count * sizeof *got;
    int kept = hush();
    bool right = nt_launch_append(l) == NT_OK && nt_tape_plan(tape, NULL) == NT_OK &&
                 nt_tape_build(tape) == NT_OK;
    speak(kept);
    right = right && nt_tape_write(tape, out, 0, got, bytes) == NT_OK &&
            nt_tape_run(tape) == NT_OK && nt_tape_read(tape, out, 0, got, bytes) == NT_OK;
    for (size_t i = 0; right && i < a->count; i++)
        right = got[i] == a->want;
    return right;
}

static void note_ability(struct bench *bench, const char *name, bool there, const char *note)
{
    append(bench, json_pack("{ss sb ss}", "name", name, "available", (int)there, "note", note));
}

static enum nt_status try_ability(struct bench *bench, const struct ability *a)
{
    struct nt_tape *tape;
    struct nt_launch l;
    enum nt_status status = nt_tape_create(bench->dev, &tape);
    if (status != NT_OK)
        return status;
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, a->count * sizeof(float), "probe");
    nt_launch_init(&l, tape, a->stem, a->stem, "probe", "");
    nt_launch_buffer(&l, out, NT_ACCESS_WRITE);
    a->arguments(&l);
    nt_launch_grid(&l, 1, &a->items, &a->items);
    bool there = works(tape, &l, out, a);
    note_ability(bench, a->name, there, there ? a->there : a->missing);
    nt_tape_destroy(tape);
    return NT_OK;
}

static void half_arguments(struct nt_launch *l)
{
    nt_launch_int(l, 100);
}

static enum nt_status try_half(struct bench *bench)
{
    static const struct ability half = {"fp16", "half_peak", half_arguments, 16, 16, 150.25f,
        "16-bit floats compute rightly", "a kernel with half does not build"};
    return try_ability(bench, &half);
}

static void matrix_arguments(struct nt_launch *l)
{
    nt_launch_float(l, 1.5f);
    nt_launch_float(l, 0.5f);
}

static enum nt_status try_matrix_units(struct bench *bench)
{
    static const struct ability units = {"matrix units", "matrix_ptx", matrix_arguments, 32, 128, 6,
        "tf32 by PTX, mma.sync", "PTX's mma.sync does not build or computes wrongly"};
    const struct nt_device_info *info = nt_device_get_info(bench->dev);
    if (info->type == NT_DEVICE_GPU_DISCRETE && !strncasecmp(info->vendor, "NVIDIA", 6))
        return try_ability(bench, &units);
    note_ability(bench, units.name, false, "not tried: no way to them is known here");
    return NT_OK;
}

enum nt_status bench_probe(struct bench *bench)
{
    static enum nt_status (*const probes[])(struct bench *) = {probe_copies, probe_local,
        probe_launches, probe_transfers, probe_loader, try_half, try_matrix_units};
    json_object_set_new(bench->out, "probes", json_array());
    enum nt_status status = bench_next(bench, "probes");
    if (status == NT_OK)
        status = add(bench, "multiply-add", "GFLOP/s", true, bench_fma(bench->limits), "float32");
    for (size_t i = 0; status == NT_OK && i < sizeof probes / sizeof *probes; i++)
        status = probes[i](bench);
    return status;
}
