/* SPDX-License-Identifier: MIT */
#include "engine/tuning.h"
#include "engine/opencl.h"
#include "engine/source.h"
#include "engine/store.h"
#include "engine/text.h"
#include "engine/tuning_state.h"
#include "engine/variant.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAGIC "neutra-tuning 1"
#define MOST_BYTES ((size_t)16 << 20)

/* The lines that a file of this device begins with. */
static void head_text(const struct nt_device *dev, struct nt_text *text)
{
    if (!dev->tuning->sources)
        dev->tuning->sources = nt_source_hash_all();
    nt_text_format(text, MAGIC "\ndevice %s / %s / %016llx\n", dev->info.name, dev->info.driver,
        (unsigned long long)dev->tuning->sources);
}

static enum nt_status no_memory(struct nt_device *dev)
{
    return nt_fail(dev->ctx, NT_ERR_MEMORY, "tuning: host memory is exhausted");
}

/* ---- what is known ---- */

static int find_entry(const struct nt_tuning *tuning, const char *problem)
{
    for (int i = 0; i < tuning->entries; i++)
        if (!strcmp(tuning->entry[i].problem, problem))
            return i;
    return -1;
}

enum nt_status nt_tuning_keep(struct nt_device *dev, const struct nt_tuning_entry *entry)
{
    struct nt_tuning *tuning = dev->tuning;
    int at = find_entry(tuning, entry->problem);
    if (at < 0) {
        struct nt_tuning_entry *grown =
            realloc(tuning->entry, ((size_t)tuning->entries + 1) * sizeof *grown);
        if (!grown)
            return no_memory(dev);
        tuning->entry = grown;
        at = tuning->entries++;
    }
    tuning->entry[at] = *entry;
    return NT_OK;
}

/* ---- problems ---- */

static size_t add_numbers(
    char *text, size_t at, const char *word, const int64_t *numbers, int count)
{
    size_t size = NT_TUNING_TEXT;
    if (at < size)
        at += (size_t)snprintf(text + at, size - at, "%s", word);
    for (int i = 0; i < count && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%lld", i ? "," : "", (long long)numbers[i]);
    return at;
}

/* False when it is too long to be told from others. */
static bool describe(struct nt_tuning_problem *p, bool product)
{
    const struct nt_tensor *const operand[] = {&p->a, &p->b, &p->c};
    int dims = p->a.shape.rank - 2;
    size_t at = (size_t)snprintf(p->text, sizeof p->text, "%s", p->primitive);
    for (int i = 0; i < 3; i++) {
        at = add_numbers(p->text, at, " ", operand[i]->shape.dim, operand[i]->shape.rank);
        at = add_numbers(p->text, at, "/", operand[i]->stride, operand[i]->shape.rank);
    }
    if (product)
        return at < sizeof p->text;
    at = add_numbers(p->text, at, " stride ", p->conv.stride, dims);
    at = add_numbers(p->text, at, " dilation ", p->conv.dilation, dims);
    at = add_numbers(p->text, at, " pad ", p->conv.pad_before, dims);
    at = add_numbers(p->text, at, " ", p->conv.pad_after, dims);
    at = add_numbers(p->text, at, " groups ", &p->conv.groups, 1);
    return at < sizeof p->text;
}

/* A lost note is no failure: the problem is not measured. */
static void note(struct nt_tuning *tuning, const struct nt_tuning_problem *problem)
{
    for (int i = 0; i < tuning->problems; i++)
        if (!strcmp(tuning->problem[i].text, problem->text))
            return;
    struct nt_tuning_problem *grown =
        realloc(tuning->problem, ((size_t)tuning->problems + 1) * sizeof *grown);
    if (!grown)
        return;
    tuning->problem = grown;
    tuning->problem[tuning->problems++] = *problem;
}

const char *nt_tuning_find(struct nt_tape *tape, const char *primitive, const struct nt_conv *conv,
    const struct nt_tensor *a, const struct nt_tensor *b, const struct nt_tensor *c)
{
    struct nt_tuning *tuning = nt_tape_device(tape)->tuning;
    struct nt_tuning_problem problem = {.primitive = primitive, .a = *a, .b = *b, .c = *c};
    if (tuning->watched || (!tuning->recording && tuning->entries == 0))
        return NULL;
    if (conv)
        problem.conv = *conv;
    if (!describe(&problem, !conv))
        return NULL;
    if (tuning->recording && nt_shape_count(&c->shape) > 0)
        note(tuning, &problem);
    int at = find_entry(tuning, problem.text);
    return at < 0 ? NULL : tuning->entry[at].variant;
}

void nt_tuning_tell(struct nt_tape *tape, const char *primitive, const char *variant)
{
    struct nt_tuning *tuning = nt_tape_device(tape)->tuning;
    if (tuning->watched && !strcmp(tuning->watched, primitive))
        tuning->taken = variant;
}

void nt_tuning_record(struct nt_device *dev, bool on)
{
    if (on)
        dev->tuning->problems = 0;
    dev->tuning->recording = on;
}

int nt_tuning_count(const struct nt_device *dev)
{
    return dev->tuning->problems;
}

/* ---- files ---- */

/* The library's own text of a variant's name, NULL when the primitive has none of it. */
static const char *known_variant(struct nt_device *dev, const char *problem, const char *variant)
{
    const char *names[16];
    char primitive[64];
    snprintf(primitive, sizeof primitive, "%.*s", (int)strcspn(problem, " "), problem);
    int count = nt_variants(dev, primitive, 16, names);
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], variant))
            return names[i];
    return NULL;
}

/* "winograd 14.6 17.3 conv_forward ..." */
static bool parse_line(struct nt_device *dev, const char *line, struct nt_tuning_entry *entry)
{
    char variant[32];
    int used = 0;
    *entry = (struct nt_tuning_entry){0};
    if (sscanf(line, "%31s %lf %lf %n", variant, &entry->ms, &entry->usual_ms, &used) != 3 ||
        used == 0 || strlen(line + used) >= sizeof entry->problem)
        return false;
    snprintf(entry->problem, sizeof entry->problem, "%s", line + used);
    entry->variant = known_variant(dev, entry->problem, variant);
    return entry->variant && entry->ms > 0 && isfinite(entry->ms) && entry->usual_ms > 0 &&
           isfinite(entry->usual_ms);
}

/* Checks all lines (take false), or takes them. */
static enum nt_status read_lines(
    struct nt_device *dev, const char *path, const char *data, bool take, int *count)
{
    int number = 3;
    *count = 0;
    for (const char *line = data; *line; number++) {
        char text[NT_TUNING_TEXT + 96];
        size_t length = strcspn(line, "\n");
        struct nt_tuning_entry entry;
        snprintf(text, sizeof text, "%.*s", (int)(length < sizeof text ? length : 0), line);
        if (length > 0 && !parse_line(dev, text, &entry))
            return nt_fail(dev->ctx, NT_ERR_FORMAT,
                "%s:%d: must be a variant, two times in ms and a problem", path, number);
        if (length > 0 && take) {
            enum nt_status status = nt_tuning_keep(dev, &entry);
            if (status != NT_OK)
                return status;
        }
        *count += length > 0;
        line += length + (line[length] == '\n');
    }
    return NT_OK;
}

static enum nt_status read_file(struct nt_device *dev, const char *path, int *count)
{
    char *data;
    size_t bytes;
    struct nt_text head = {0};
    int code = nt_store_read(path, MOST_BYTES, &data, &bytes);
    if (code)
        return nt_fail(dev->ctx, NT_ERR_FILE, "%s: cannot read: %s", path,
            code == EINVAL ? "no regular file" : strerror(code));
    head_text(dev, &head);
    enum nt_status status = head.failed ? no_memory(dev) : NT_OK;
    if (status == NT_OK && strncmp(data, MAGIC "\n", strlen(MAGIC) + 1))
        status = nt_fail(dev->ctx, NT_ERR_FORMAT,
            "%s: not a tuning file: its first line must be \"%s\"", path, MAGIC);
    else if (status == NT_OK && strncmp(data, head.data, head.length))
        status = nt_fail(dev->ctx, NT_ERR_FORMAT,
            "%s: measured with another device, driver or version of the kernels: its second line "
            "must be \"%.*s\"",
            path, (int)strcspn(head.data + strlen(MAGIC) + 1, "\n"), head.data + strlen(MAGIC) + 1);
    if (status == NT_OK)
        status = read_lines(dev, path, data + head.length, false, count);
    if (status == NT_OK)
        status = read_lines(dev, path, data + head.length, true, count);
    free(head.data);
    free(data);
    return status;
}

static enum nt_status write_file(struct nt_device *dev, const char *path)
{
    struct nt_text text = {0};
    head_text(dev, &text);
    for (int i = 0; i < dev->tuning->entries; i++) {
        const struct nt_tuning_entry *e = &dev->tuning->entry[i];
        nt_text_format(&text, "%s %.6g %.6g %s\n", e->variant, e->ms, e->usual_ms, e->problem);
    }
    int code = text.failed ? ENOMEM : nt_store_replace(path, text.data, text.length);
    free(text.data);
    return code ? nt_fail(dev->ctx, NT_ERR_FILE, "%s: cannot write: %s", path, strerror(code))
                : NT_OK;
}

enum nt_status nt_tuning_create(struct nt_device *dev, struct nt_tuning **out)
{
    struct nt_tuning *tuning = calloc(1, sizeof *tuning);
    const char *folder = nt_cache_dir(dev->ctx);
    struct stat found;
    int count;
    if (!tuning)
        return no_memory(dev);
    *out = dev->tuning = tuning;
    if (!*folder)
        return NT_OK;
    /* The name holds the hash of the device, driver and sources: known only once it is asked for,
     * unless there is a folder to look into. */
    char dir[1100];
    snprintf(dir, sizeof dir, "%s/tuning", folder);
    if (stat(dir, &found) == 0 && nt_tuning_path(dev) && stat(tuning->path, &found) == 0 &&
        read_file(dev, tuning->path, &count) != NT_OK)
        nt_log(dev->ctx, NT_LOG_WARNING, "left alone: %s", nt_error_message(dev->ctx));
    return NT_OK;
}

void nt_tuning_destroy(struct nt_tuning *tuning)
{
    if (!tuning)
        return;
    free(tuning->entry);
    free(tuning->problem);
    free(tuning);
}

const char *nt_tuning_path(struct nt_device *dev)
{
    struct nt_tuning *tuning = dev->tuning;
    const char *folder = nt_cache_dir(dev->ctx);
    struct nt_text head = {0};
    if (tuning->path[0] || !*folder)
        return tuning->path;
    head_text(dev, &head);
    if (!head.failed)
        snprintf(tuning->path, sizeof tuning->path, "%s/tuning/%016llx.txt", folder,
            (unsigned long long)nt_source_hash(NT_HASH_START, head.data, head.length));
    free(head.data);
    return tuning->path;
}

enum nt_status nt_tuning_save(struct nt_device *dev)
{
    char dir[1200];
    const char *path = nt_tuning_path(dev);
    if (!*path)
        return nt_fail(
            dev->ctx, NT_ERR_FILE, "tuning: there is no cache folder: $NEUTRA_CACHE_DIR names one");
    snprintf(dir, sizeof dir, "%s/tuning", nt_cache_dir(dev->ctx));
    int error = nt_store_make_folders(dir);
    if (error)
        return nt_fail(
            dev->ctx, NT_ERR_FILE, "%s: cannot create this folder: %s", dir, strerror(error));
    return write_file(dev, path);
}

enum nt_status nt_tuning_export(struct nt_device *dev, const char *path)
{
    return write_file(dev, path);
}

enum nt_status nt_tuning_import(struct nt_device *dev, const char *path, int *count)
{
    int taken;
    return read_file(dev, path, count ? count : &taken);
}
