/* SPDX-License-Identifier: MIT */
#include "bench/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "frontend/file.h"

#define MOST_BYTES (64 << 20) /* of a document; a full run of one device has 100 KiB */

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
    char *text = json_dumps(document, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
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

/* ---- reading ---- */

struct member {
    const char *list; /* of a device; NULL: of the document or the device itself */
    const char *key;
    json_type type; /* JSON_REAL: any number */
    bool positive;
};

static const struct member of_document[] = {{NULL, "neutra", JSON_STRING},
    {NULL, "date", JSON_STRING}, {NULL, "host", JSON_OBJECT}, {NULL, "devices", JSON_ARRAY}};
static const struct member of_device[] = {
    {NULL, "name", JSON_STRING}, {NULL, "platform", JSON_STRING}, {NULL, "driver", JSON_STRING}};
static const struct member of_rows[] = {{"probes", "name", JSON_STRING},
    {"layers", "name", JSON_STRING}, {"layers", "median_ms", JSON_REAL, true},
    {"layers", "least_ms", JSON_REAL, true}, {"layers", "greatest_ms", JSON_REAL, true},
    {"layers", "flops", JSON_REAL}, {"layers", "bytes", JSON_REAL, true},
    {"layers", "share", JSON_REAL}, {"networks", "name", JSON_STRING},
    {"networks", "median_ms", JSON_REAL, true}, {"networks", "least_ms", JSON_REAL, true},
    {"networks", "greatest_ms", JSON_REAL, true}, {"networks", "share", JSON_REAL}};
#define COUNT(array) (int)(sizeof array / sizeof *array)

static bool has(const json_t *object, const struct member *member)
{
    const json_t *value = json_object_get(object, member->key);
    if (member->type == JSON_REAL)
        return json_is_number(value) && (!member->positive || json_number_value(value) > 0);
    return value && json_typeof(value) == member->type;
}

static enum nt_status check_members(struct nt_context *ctx, const char *path, const char *where,
    const json_t *object, int count, const struct member *member)
{
    static const char *const types[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a text"};
    for (int i = 0; i < count; i++)
        if (!has(object, &member[i]))
            return nt_fail(ctx, NT_ERR_FORMAT, "%s: %s: \"%s\" must be %s", path, where,
                member[i].key,
                member[i].positive            ? "a number above 0"
                : member[i].type == JSON_REAL ? "a number"
                                              : types[member[i].type]);
    return NT_OK;
}

static enum nt_status check_device(
    struct nt_context *ctx, const char *path, size_t index, const json_t *device)
{
    char where[96];
    snprintf(where, sizeof where, "device %zu", index + 1);
    enum nt_status status = check_members(ctx, path, where, device, COUNT(of_device), of_device);
    for (int i = 0; status == NT_OK && i < COUNT(of_rows); i++) {
        const json_t *list = json_object_get(device, of_rows[i].list);
        size_t j;
        json_t *row;
        if (list && !json_is_array(list))
            return nt_fail(ctx, NT_ERR_FORMAT, "%s: device %zu: \"%s\" must be an array", path,
                index + 1, of_rows[i].list);
        json_array_foreach(list, j, row)
        {
            snprintf(
                where, sizeof where, "device %zu, %s, row %zu", index + 1, of_rows[i].list, j + 1);
            status = check_members(ctx, path, where, row, 1, &of_rows[i]);
            if (status != NT_OK)
                break;
        }
    }
    return status;
}

static enum nt_status check(struct nt_context *ctx, const char *path, const json_t *document)
{
    const char *format = json_string_value(json_object_get(document, "format"));
    const json_t *version = json_object_get(document, "version");
    size_t i;
    json_t *device;
    if (!format || strcmp(format, BENCH_FORMAT))
        return nt_fail(ctx, NT_ERR_FORMAT,
            "%s: not written by `neutra bench`: \"format\" must be \"%s\"", path, BENCH_FORMAT);
    if (!json_is_integer(version) || json_integer_value(version) != BENCH_VERSION)
        return nt_fail(ctx, NT_ERR_FORMAT,
            "%s: version %lld of the format: must be %d: measure again", path,
            (long long)json_integer_value(version), BENCH_VERSION);
    enum nt_status status =
        check_members(ctx, path, "document", document, COUNT(of_document), of_document);
    if (status != NT_OK)
        return status;
    json_array_foreach(json_object_get(document, "devices"), i, device)
    {
        status = check_device(ctx, path, i, device);
        if (status != NT_OK)
            return status;
    }
    return NT_OK;
}

enum nt_status bench_document_read(struct nt_context *ctx, const char *path, json_t **out)
{
    uint8_t *data;
    size_t size;
    json_error_t error;
    enum nt_status status = nt_file_read(ctx, path, MOST_BYTES, &data, &size);
    if (status != NT_OK)
        return status;
    json_t *document = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, &error);
    free(data);
    if (!document)
        return nt_fail(ctx, NT_ERR_FORMAT, "%s:%d: not JSON: %s", path, error.line, error.text);
    status = check(ctx, path, document);
    if (status != NT_OK)
        json_decref(document);
    else
        *out = document;
    return status;
}
