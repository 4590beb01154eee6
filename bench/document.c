/* SPDX-License-Identifier: MIT */
#include "bench/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "frontend/file.h"

/* "model name : Intel(R) ..." of the first processor; "" where the system does not say. */
static void cpu_name(char *text, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    text[0] = 0;
    while (file && !text[0] && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (colon && !strncmp(line, "model name", 10))
            snprintf(text, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    }
    if (file)
        fclose(file);
}

json_t *bench_document_create(const struct bench_params *params, const char *version)
{
    char cpu[200], date[32];
    struct utsname system;
    time_t now = time(NULL);
    struct tm utc;
    cpu_name(cpu, sizeof cpu);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    if (uname(&system) < 0)
        memset(&system, 0, sizeof system);
    return json_pack("{ss si ss ss sb ss sb s{ss si ss ss} s[]}", "format", BENCH_FORMAT, "version",
        BENCH_VERSION, "neutra", version, "date", date, "quick", (int)params->quick, "filter",
        params->filter ? params->filter : "", "complete", 0, "host", "cpu", cpu, "cores",
        (int)sysconf(_SC_NPROCESSORS_ONLN), "system", system.sysname, "release", system.release,
        "devices");
}

json_t *bench_document_device(json_t *document, struct nt_device *dev)
{
    const struct nt_device_info *info = nt_device_get_info(dev);
    json_t *device = json_pack("{ss ss ss ss ss ss si si si sI sI sb}", "name", info->name, "type",
        nt_device_type_name(info->type), "vendor", info->vendor, "platform", info->platform,
        "driver", info->driver, "opencl", info->version, "compute_units", (int)info->compute_units,
        "clock_mhz", (int)info->clock_mhz, "vector_width", (int)info->vector_width,
        "global_memory_bytes", (json_int_t)info->global_memory, "local_memory_bytes",
        (json_int_t)info->local_memory, "unified_memory", (int)info->unified_memory);
    if (!device || json_array_append_new(json_object_get(document, "devices"), device) < 0)
        return NULL;
    return device;
}

int bench_document_wrong(const json_t *document)
{
    size_t i, j;
    json_t *device, *row;
    int wrong = 0;
    json_array_foreach(json_object_get(document, "devices"), i, device)
        json_array_foreach(json_object_get(device, "layers"), j, row) wrong +=
        !json_is_true(json_object_get(row, "right"));
    return wrong;
}

enum nt_status bench_document_write(
    struct nt_context *ctx, const json_t *document, const char *path)
{
    char *text = json_dumps(document, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    if (!text)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", path);
    enum nt_status status = NT_OK;
    if (!strcmp(path, "-"))
        puts(text);
    else
        status = nt_file_replace(ctx, path, text, strlen(text));
    free(text);
    return status;
}
