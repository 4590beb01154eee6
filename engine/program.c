/* SPDX-License-Identifier: MIT */
#include "engine/program.h"
#include "engine/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nt_programs {
    struct nt_source *sources;
    struct nt_unit *units;
    int mark;
};

/* Compilers for GPUs divide by an approximate reciprocal unless told not to: 6 / 3 may be less than
 * 2, and the floor of it 1, where regions are divided into bins. */
const char *nt_program_options(enum nt_device_type type, bool exact)
{
    return type != NT_DEVICE_CPU && exact ? NT_BUILD_OPTIONS
               " -cl-fp32-correctly-rounded-divide-sqrt"
                                          : NT_BUILD_OPTIONS;
}

enum nt_status nt_programs_create(struct nt_device *dev, struct nt_programs **out)
{
    struct nt_programs *programs = calloc(1, sizeof *programs);
    if (!programs)
        return nt_fail(dev->ctx, NT_ERR_MEMORY, "programs: out of memory");
    *out = programs;
    return NT_OK;
}

void nt_programs_destroy(struct nt_programs *programs)
{
    if (!programs)
        return;
    while (programs->units) {
        struct nt_unit *unit = programs->units;
        programs->units = unit->next;
        if (unit->program)
            clReleaseProgram(unit->program);
        free(unit->defines);
        free(unit);
    }
    nt_source_free(programs->sources);
    free(programs);
}

enum nt_status nt_unit_get(
    struct nt_device *dev, const char *stem, const char *defines, struct nt_unit **out)
{
    struct nt_programs *programs = dev->programs;
    struct nt_source *source;
    char file[64];
    snprintf(file, sizeof file, "%s.cl", stem);
    enum nt_status status = nt_source_get(dev->ctx, &programs->sources, file, &source);
    if (status != NT_OK)
        return status;
    uint64_t hash = nt_source_hash(source->hash, file, strlen(file));
    hash = nt_source_hash(hash, defines, strlen(defines));
    for (struct nt_unit *u = programs->units; u; u = u->next)
        if (u->hash == hash && u->source == source && strcmp(u->defines, defines) == 0) {
            *out = u;
            return NT_OK;
        }
    struct nt_unit *unit = calloc(1, sizeof *unit);
    char *copy = strdup(defines);
    if (!unit || !copy) {
        free(unit);
        free(copy);
        return nt_fail(dev->ctx, NT_ERR_MEMORY, "%s: out of memory", file);
    }
    unit->source = source;
    unit->defines = copy;
    unit->hash = hash;
    snprintf(unit->name, sizeof unit->name, "u%016llx", (unsigned long long)hash);
    unit->next = programs->units;
    programs->units = unit;
    *out = unit;
    return NT_OK;
}

static void unit_text(struct nt_text *text, const struct nt_unit *unit)
{
    nt_text_format(text, "#undef NT_UNIT\n#define NT_UNIT %s\n", unit->name);
    nt_text_string(text, unit->defines);
    nt_text_format(text, "\n#line 1 \"%s\"\n%s", unit->source->name, unit->source->body);
    nt_source_undefs(text, unit->defines);
    nt_text_string(text, unit->source->undefs);
}

void nt_program_text(
    struct nt_device *dev, struct nt_text *text, int count, struct nt_unit *const *units)
{
    int mark = ++dev->programs->mark;
    for (int i = 0; i < count; i++)
        nt_source_includes(text, units[i]->source, mark);
    for (int i = 0; i < count; i++)
        unit_text(text, units[i]);
}

/* The head of a build log; freed with free(). */
static char *build_log(struct nt_device *dev, cl_program program)
{
    size_t size = 0;
    if (clGetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) != CL_SUCCESS)
        size = 0;
    char *log = calloc(size + 1, 1);
    if (!log)
        return NULL;
    if (size)
        clGetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, size, log, NULL);
    char *end = log;
    for (int lines = 0; *end && lines < 12 && end - log < 1500; end++)
        lines += *end == '\n';
    *end = 0;
    while (end > log && end[-1] == '\n')
        *--end = 0;
    return log;
}

/* Builds a program of several units. *code is CL_SUCCESS, or the build's failure with the log
 * in *log; other failures are reported. */
static enum nt_status compile(struct nt_device *dev, int count, struct nt_unit *const *units,
    cl_program *out, cl_int *code, char **log)
{
    struct nt_text text = {0};
    nt_program_text(dev, &text, count, units);
    if (text.failed) {
        free(text.data);
        return nt_fail(dev->ctx, NT_ERR_MEMORY, "program source: out of memory");
    }
    const char *source = text.data;
    cl_program program = clCreateProgramWithSource(dev->cl, 1, &source, &text.length, code);
    free(text.data);
    if (!program || *code != CL_SUCCESS)
        return nt_fail_cl(dev->ctx, *code, "%s: program", dev->info.name);
    *log = NULL;
    *code = clBuildProgram(program, 1, &dev->id, dev->options, NULL, NULL);
    if (*code == CL_SUCCESS) {
        *out = program;
        return NT_OK;
    }
    *log = build_log(dev, program);
    clReleaseProgram(program);
    return NT_OK;
}

/* The defines in one line, for a message. */
static void defines_line(const char *defines, char *line, size_t size)
{
    size_t n = 0;
    for (const char *p = defines; *p && n + 5 < size; p++) {
        if (strncmp(p, "#define ", 8) == 0) {
            p += 7;
            continue;
        }
        line[n++] = *p == '\n' ? ' ' : *p;
    }
    while (n && line[n - 1] == ' ')
        n--;
    line[n] = 0;
}

static enum nt_status build_failed(struct nt_device *dev, const struct nt_unit *unit,
    const char *entry, cl_int code, const char *log)
{
    char defines[512];
    defines_line(unit->defines, defines, sizeof defines);
    return nt_fail(dev->ctx, NT_ERR_COMPILE,
        "%s: kernel %s does not build on %s (%s, driver %s) with [%s], options %s: code %d: %s",
        unit->source->name, entry, dev->info.name, dev->info.platform, dev->info.driver, defines,
        dev->options, (int)code, log && *log ? log : "no build log");
}

/* Hands a program just built to its units, and to the cache. */
static void set_program(
    struct nt_device *dev, cl_program program, int count, struct nt_unit *const *units)
{
    for (int i = 0; i < count; i++) {
        clRetainProgram(program);
        units[i]->program = program;
        units[i]->cached = false;
    }
    nt_cache_save_later(dev->cache, program, count, units);
    clReleaseProgram(program);
}

static const char *entry_of(
    const struct nt_unit *unit, int count, const struct nt_kernel_request *requests)
{
    for (int i = 0; i < count; i++)
        if (requests[i].unit == unit)
            return requests[i].entry;
    return "";
}

/* One program for each unit: finds the one that does not build. */
static enum nt_status compile_singly(struct nt_device *dev, int count, struct nt_unit *const *units,
    int requested, const struct nt_kernel_request *requests)
{
    for (int i = 0; i < count; i++) {
        cl_program program = NULL;
        cl_int code;
        char *log = NULL;
        enum nt_status status = compile(dev, 1, &units[i], &program, &code, &log);
        if (status == NT_OK && code != CL_SUCCESS)
            status =
                build_failed(dev, units[i], entry_of(units[i], requested, requests), code, log);
        free(log);
        if (status != NT_OK)
            return status;
        set_program(dev, program, 1, &units[i]);
    }
    return NT_OK;
}

static enum nt_status compile_units(struct nt_device *dev, int count, struct nt_unit *const *units,
    int requested, const struct nt_kernel_request *requests)
{
    cl_program program = NULL;
    cl_int code;
    char *log = NULL;
    enum nt_status status = compile(dev, count, units, &program, &code, &log);
    if (status != NT_OK)
        return status;
    if (code != CL_SUCCESS) {
        nt_log(dev->ctx, NT_LOG_DEBUG, "program of %d units: %s", count, log ? log : "");
        free(log);
        return compile_singly(dev, count, units, requested, requests);
    }
    set_program(dev, program, count, units);
    return NT_OK;
}

static cl_kernel create_kernel(const struct nt_kernel_request *request, cl_int *code)
{
    char name[160];
    snprintf(name, sizeof name, "%s_%s", request->entry, request->unit->name);
    return clCreateKernel(request->unit->program, name, code);
}

/* A program from disk that lacks a kernel is not what its entry promised. */
static void drop_unproven(int count, const struct nt_kernel_request *requests)
{
    for (int i = 0; i < count; i++) {
        struct nt_unit *unit = requests[i].unit;
        cl_int code;
        if (!unit->program || !unit->cached)
            continue;
        cl_kernel kernel = create_kernel(&requests[i], &code);
        if (kernel && code == CL_SUCCESS) {
            clReleaseKernel(kernel);
            continue;
        }
        clReleaseProgram(unit->program);
        unit->program = NULL;
        unit->cached = false;
    }
}

static int find_missing(
    int count, const struct nt_kernel_request *requests, struct nt_unit **missing)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        bool seen = requests[i].unit->program != NULL;
        for (int j = 0; j < n && !seen; j++)
            seen = missing[j] == requests[i].unit;
        if (!seen)
            missing[n++] = requests[i].unit;
    }
    return n;
}

/* Compiles the units of the first one's part, and takes them off the list. */
static enum nt_status compile_part(struct nt_device *dev, int *count, struct nt_unit **units,
    int requested, const struct nt_kernel_request *requests)
{
    struct nt_unit **own = calloc((size_t)*count, sizeof *own);
    int part = units[0]->part, n = 0, rest = 0;
    if (!own)
        return nt_fail(dev->ctx, NT_ERR_MEMORY, "program: out of memory");
    for (int i = 0; i < *count; i++)
        if (units[i]->part == part)
            own[n++] = units[i];
        else
            units[rest++] = units[i];
    *count = rest;
    enum nt_status status = compile_units(dev, n, own, requested, requests);
    free(own);
    return status;
}

enum nt_status nt_program_build(
    struct nt_device *dev, int count, const struct nt_kernel_request *requests)
{
    struct nt_unit **units = calloc((size_t)count + 1, sizeof *units);
    if (!units)
        return nt_fail(dev->ctx, NT_ERR_MEMORY, "program: out of memory");
    int missing = find_missing(count, requests, units);
    if (missing) {
        nt_cache_load(dev->cache, missing, units);
        drop_unproven(count, requests);
        missing = find_missing(count, requests, units);
    }
    enum nt_status status = NT_OK;
    while (status == NT_OK && missing)
        status = compile_part(dev, &missing, units, count, requests);
    free(units);
    return status;
}

enum nt_status nt_program_kernel(
    struct nt_device *dev, const struct nt_kernel_request *request, cl_kernel *out)
{
    cl_int code;
    cl_kernel kernel = create_kernel(request, &code);
    if (code == CL_INVALID_KERNEL_NAME)
        return nt_fail(dev->ctx, NT_ERR_COMPILE, "%s: there is no kernel %s in it",
            request->unit->source->name, request->entry);
    if (!kernel || code != CL_SUCCESS)
        return nt_fail_cl(dev->ctx, code, "%s: kernel %s on %s", request->unit->source->name,
            request->entry, dev->info.name);
    *out = kernel;
    return NT_OK;
}
