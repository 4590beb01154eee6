/* SPDX-License-Identifier: MIT */
#include "engine/profile.h"
#include "engine/store.h"
#include "engine/profile_state.h"
#include "engine/text.h"

#include <stdlib.h>
#include <string.h>

#define MAX_PENDING 1024
#define MAX_SAMPLES (1 << 20)

struct row {
    char *kernel, *variant, *label;
    int64_t calls;
    double seconds, flops, bytes;
};

struct pending {
    cl_event event;
    int row;
    double flops, bytes;
};

struct sample {
    int row;
    cl_ulong start, end;
};

struct nt_profile {
    struct nt_device *dev;
    struct row *row;
    int rows;
    struct pending pending[MAX_PENDING];
    int pendings;
    struct sample *sample;
    int samples, sample_capacity;
};

enum nt_status nt_profile_enable(struct nt_device *dev)
{
    if (dev->profile)
        return NT_OK;
    struct nt_profile *profile = calloc(1, sizeof *profile);
    if (!profile)
        return nt_fail(dev->ctx, NT_ERR_MEMORY, "profile: out of memory");
    enum nt_status status = nt_device_set_queue(dev, true);
    if (status != NT_OK) {
        free(profile);
        return nt_fail_prefix(dev->ctx, status, "profile");
    }
    profile->dev = dev;
    dev->profile = profile;
    return NT_OK;
}

bool nt_profile_enabled(const struct nt_device *dev)
{
    return dev->profile != NULL;
}

void nt_profile_destroy(struct nt_profile *profile)
{
    if (!profile)
        return;
    for (int i = 0; i < profile->pendings; i++)
        clReleaseEvent(profile->pending[i].event);
    for (int i = 0; i < profile->rows; i++) {
        free(profile->row[i].kernel);
        free(profile->row[i].variant);
        free(profile->row[i].label);
    }
    free(profile->row);
    free(profile->sample);
    free(profile);
}

int nt_profile_row(
    struct nt_profile *profile, const char *kernel, const char *variant, const char *label)
{
    if (!profile)
        return -1;
    for (int i = 0; i < profile->rows; i++)
        if (strcmp(profile->row[i].kernel, kernel) == 0 &&
            strcmp(profile->row[i].variant, variant) == 0 &&
            strcmp(profile->row[i].label, label) == 0)
            return i;
    struct row *grown = realloc(profile->row, ((size_t)profile->rows + 1) * sizeof *grown);
    if (!grown)
        return -1;
    profile->row = grown;
    struct row row = {strdup(kernel), strdup(variant), strdup(label), 0, 0, 0, 0};
    if (!row.kernel || !row.variant || !row.label) {
        free(row.kernel);
        free(row.variant);
        free(row.label);
        return -1;
    }
    profile->row[profile->rows] = row;
    return profile->rows++;
}

static void keep_sample(struct nt_profile *profile, struct sample sample)
{
    if (profile->samples == profile->sample_capacity) {
        int capacity = profile->sample_capacity ? 2 * profile->sample_capacity : 4096;
        struct sample *grown = capacity > MAX_SAMPLES
                                   ? NULL
                                   : realloc(profile->sample, (size_t)capacity * sizeof *grown);
        if (!grown)
            return;
        profile->sample = grown;
        profile->sample_capacity = capacity;
    }
    profile->sample[profile->samples++] = sample;
}

/* Takes the times of the oldest calls. */
static void collect(struct nt_profile *profile, int count)
{
    for (int i = 0; i < count; i++) {
        struct pending *p = &profile->pending[i];
        struct row *row = &profile->row[p->row];
        cl_ulong start = 0, end = 0;
        bool ok = clWaitForEvents(1, &p->event) == CL_SUCCESS &&
                  clGetEventProfilingInfo(p->event, CL_PROFILING_COMMAND_START, sizeof start,
                      &start, NULL) == CL_SUCCESS &&
                  clGetEventProfilingInfo(
                      p->event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL) == CL_SUCCESS;
        row->calls++;
        row->flops += p->flops;
        row->bytes += p->bytes;
        if (ok && end >= start) {
            row->seconds += 1e-9 * (double)(end - start);
            keep_sample(profile, (struct sample){p->row, start, end});
        }
        clReleaseEvent(p->event);
    }
    profile->pendings -= count;
    memmove(profile->pending, profile->pending + count,
        (size_t)profile->pendings * sizeof *profile->pending);
}

void nt_profile_record(
    struct nt_profile *profile, int row, cl_event event, double flops, double bytes)
{
    if (!profile || row < 0 || !event)
        return;
    /* Half of them, so that the device does not run dry. */
    if (profile->pendings == MAX_PENDING)
        collect(profile, MAX_PENDING / 2);
    clRetainEvent(event);
    profile->pending[profile->pendings++] = (struct pending){event, row, flops, bytes};
}

static int by_time(const void *pa, const void *pb)
{
    const struct nt_profile_row *a = pa, *b = pb;
    return a->seconds < b->seconds ? 1 : a->seconds > b->seconds ? -1 : 0;
}

static struct nt_profile_row *find_row(
    struct nt_profile_row *rows, int count, const struct row *row, const char *label)
{
    for (int i = 0; i < count; i++)
        if (strcmp(rows[i].kernel, row->kernel) == 0 &&
            strcmp(rows[i].variant, row->variant) == 0 && strcmp(rows[i].label, label) == 0)
            return &rows[i];
    return NULL;
}

enum nt_status nt_profile_rows(
    struct nt_device *dev, bool by_label, struct nt_profile_row **rows, int *count)
{
    struct nt_profile *profile = dev->profile;
    int n = 0, limit = profile ? profile->rows : 0;
    struct nt_profile_row *list = calloc((size_t)limit + 1, sizeof *list);
    if (!list)
        return nt_fail(dev->ctx, NT_ERR_MEMORY, "profile: out of memory");
    if (profile)
        collect(profile, profile->pendings);
    double total = 0;
    for (int i = 0; i < limit; i++) {
        const struct row *row = &profile->row[i];
        const char *label = by_label ? row->label : "";
        struct nt_profile_row *r = find_row(list, n, row, label);
        if (row->calls == 0)
            continue;
        if (!r) {
            r = &list[n++];
            *r = (struct nt_profile_row){row->kernel, row->variant, label, 0, 0, 0, 0, 0, 0, 0};
        }
        r->calls += row->calls;
        r->seconds += row->seconds;
        r->flops += row->flops;
        r->bytes += row->bytes;
        total += row->seconds;
    }
    for (int i = 0; i < n; i++) {
        list[i].share = total > 0 ? list[i].seconds / total : 0;
        list[i].flops_per_second = list[i].seconds > 0 ? list[i].flops / list[i].seconds : 0;
        list[i].bytes_per_second = list[i].seconds > 0 ? list[i].bytes / list[i].seconds : 0;
    }
    qsort(list, (size_t)n, sizeof *list, by_time);
    *rows = list;
    *count = n;
    return NT_OK;
}

enum nt_status nt_profile_reset(struct nt_device *dev)
{
    struct nt_profile *profile = dev->profile;
    if (!profile)
        return NT_OK;
    collect(profile, profile->pendings);
    for (int i = 0; i < profile->rows; i++) {
        struct row *row = &profile->row[i];
        row->calls = 0;
        row->seconds = row->flops = row->bytes = 0;
    }
    profile->samples = 0;
    return NT_OK;
}

static void json_string(struct nt_text *text, const char *string)
{
    nt_text_string(text, "\"");
    for (const char *p = string; *p; p++)
        if (*p == '"' || *p == '\\')
            nt_text_format(text, "\\%c", *p);
        else if ((unsigned char)*p < 0x20)
            nt_text_format(text, "\\u%04x", *p);
        else
            nt_text_bytes(text, p, 1);
    nt_text_string(text, "\"");
}

static void trace_event(struct nt_text *text, const struct row *row, cl_ulong start, cl_ulong ns)
{
    nt_text_string(text, "{\"name\":");
    json_string(text, row->kernel);
    nt_text_format(text,
        ",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":%.3f,\"dur\":%.3f,\"cat\":", (double)start * 1e-3,
        (double)ns * 1e-3);
    json_string(text, row->variant);
    nt_text_string(text, ",\"args\":{\"label\":");
    json_string(text, row->label);
    nt_text_string(text, "}}");
}

enum nt_status nt_profile_trace(struct nt_device *dev, const char *path)
{
    struct nt_profile *profile = dev->profile;
    if (!profile)
        return nt_fail(dev->ctx, NT_ERR_ARGUMENT, "trace %s: profiling is off", path);
    collect(profile, profile->pendings);
    cl_ulong origin = profile->samples ? profile->sample[0].start : 0;
    for (int i = 0; i < profile->samples; i++)
        if (profile->sample[i].start < origin)
            origin = profile->sample[i].start;

    struct nt_text text = {0};
    nt_text_string(&text, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
                          "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":1,\"args\":"
                          "{\"name\":");
    json_string(&text, dev->info.name);
    nt_text_string(&text, "}}");
    for (int i = 0; i < profile->samples; i++) {
        const struct sample *s = &profile->sample[i];
        nt_text_string(&text, ",\n");
        trace_event(&text, &profile->row[s->row], s->start - origin, s->end - s->start);
    }
    nt_text_string(&text, "\n]}\n");
    enum nt_status status = NT_OK;
    if (text.failed)
        status = nt_fail(dev->ctx, NT_ERR_MEMORY, "trace %s: out of memory", path);
    int error = status == NT_OK ? nt_store_replace(path, text.data, text.length) : 0;
    if (error)
        status = nt_fail(dev->ctx, NT_ERR_FILE, "trace %s: %s", path, strerror(error));
    free(text.data);
    return status;
}
