/* SPDX-License-Identifier: MIT */
#include "frontend/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/file.h"
#include "frontend/half.h"

#define MAX_HEADER 100000000 /* the format's own limit */
#define CONVERT_CHUNK 65536

typedef void widen_fn(const uint8_t *from, size_t count, void *to);

#define WIDEN(stem, type, wide, expression)                                                        \
    static void widen_##stem(const uint8_t *from, size_t count, void *to)                          \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            type value;                                                                            \
            memcpy(&value, from + i * sizeof value, sizeof value);                                 \
            ((wide *)to)[i] = expression;                                                          \
        }                                                                                          \
    }
WIDEN(f16, uint16_t, float, nt_half_to_float(value))
WIDEN(bf16, uint16_t, float, nt_half_bfloat16_to_float(value))
WIDEN(i16, int16_t, int32_t, value)
WIDEN(u16, uint16_t, int32_t, value)
WIDEN(i8, int8_t, int32_t, value)
WIDEN(u32, uint32_t, int64_t, value)

/* The first entry of a dtype is the name it is written under. */
static const struct kind {
    const char *name;
    size_t size;
    enum nt_dtype dtype;
    widen_fn *widen; /* NULL: the bytes are taken as they are */
} kinds[] = {
    {"F32", 4, NT_F32, NULL},
    {"F64", 8, NT_F64, NULL},
    {"I64", 8, NT_I64, NULL},
    {"I32", 4, NT_I32, NULL},
    {"U8", 1, NT_U8, NULL},
    {"BOOL", 1, NT_BOOL, NULL},
    {"F16", 2, NT_F32, widen_f16},
    {"BF16", 2, NT_F32, widen_bf16},
    {"I16", 2, NT_I32, widen_i16},
    {"U16", 2, NT_I32, widen_u16},
    {"I8", 1, NT_I32, widen_i8},
    {"U32", 4, NT_I64, widen_u32},
};
#define KIND_COUNT (sizeof kinds / sizeof *kinds)

struct entry {
    struct nt_safetensors_entry info;
    const struct kind *kind;
    uint64_t begin, end; /* bytes from the end of the header */
};

struct nt_safetensors {
    struct nt_context *ctx;
    char *path;
    int fd;
    uint64_t data_at;
    json_t *header; /* owns the names and the metadata */
    struct entry *entries;
    int count;
    int *by_name; /* indices sorted by name */
};

static enum nt_status broken(const struct nt_safetensors *file, const char *name, const char *what)
{
    return nt_fail(file->ctx, NT_ERR_FORMAT, "%s: tensor '%s': %s", file->path, name, what);
}

static enum nt_status read_at(
    const struct nt_safetensors *file, uint64_t offset, void *data, size_t size)
{
    uint8_t *to = data;
    while (size > 0) {
        ssize_t got = pread(file->fd, to, size < 1u << 30 ? size : 1u << 30, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return nt_fail(
                file->ctx, NT_ERR_FILE, "%s: cannot read: %s", file->path, strerror(errno));
        if (got == 0)
            return nt_fail(
                file->ctx, NT_ERR_FORMAT, "%s: truncated at byte %" PRIu64, file->path, offset);
        to += got;
        offset += (size_t)got;
        size -= (size_t)got;
    }
    return NT_OK;
}

static enum nt_status parse_shape(
    const struct nt_safetensors *file, struct entry *entry, const json_t *shape, uint64_t *bytes)
{
    const char *name = entry->info.name;
    if (!json_is_array(shape))
        return broken(file, name, "shape is missing or not a list");
    if (json_array_size(shape) > NT_MAX_RANK)
        return nt_fail(file->ctx, NT_ERR_UNSUPPORTED, "%s: tensor '%s': more than %d dimensions",
            file->path, name, NT_MAX_RANK);
    uint64_t count = 1;
    bool empty = false;
    for (size_t i = 0; i < json_array_size(shape); i++) {
        const json_t *value = json_array_get(shape, i);
        json_int_t dim = json_integer_value(value);
        if (!json_is_integer(value) || dim < 0)
            return broken(file, name, "a dimension of shape is not a number of at least 0");
        if ((uint64_t)dim > (uint64_t)INT64_MAX / 8 / count)
            return broken(file, name, "shape is impossibly large");
        empty |= dim == 0;
        count *= dim ? (uint64_t)dim : 1;
        entry->info.shape.dim[i] = dim;
    }
    entry->info.shape.rank = (int)json_array_size(shape);
    *bytes = empty ? 0 : count * entry->kind->size;
    return NT_OK;
}

static enum nt_status parse_entry(
    const struct nt_safetensors *file, struct entry *entry, const json_t *value, uint64_t size)
{
    const char *name = entry->info.name;
    if (!json_is_object(value))
        return broken(file, name, "its description is not an object");
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    if (!dtype)
        return broken(file, name, "dtype is missing");
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (strcmp(kinds[i].name, dtype) == 0)
            entry->kind = &kinds[i];
    if (!entry->kind)
        return nt_fail(file->ctx, NT_ERR_UNSUPPORTED,
            "%s: tensor '%s': unknown dtype '%.40s': F16, BF16, F32, F64, I8 to I64, U8 to U32 and "
            "BOOL are read",
            file->path, name, dtype);
    entry->info.dtype = entry->kind->dtype;
    uint64_t bytes = 0;
    enum nt_status status = parse_shape(file, entry, json_object_get(value, "shape"), &bytes);
    if (status != NT_OK)
        return status;
    const json_t *offsets = json_object_get(value, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *second = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(second))
        return broken(file, name, "data_offsets is missing or not two numbers");
    json_int_t begin = json_integer_value(first), end = json_integer_value(second);
    if (begin < 0 || end < begin || (uint64_t)end > size)
        return nt_fail(file->ctx, NT_ERR_FORMAT,
            "%s: tensor '%s': data_offsets %lld..%lld: outside the file's %" PRIu64
            " bytes of data: truncated or broken",
            file->path, name, (long long)begin, (long long)end, size);
    entry->begin = (uint64_t)begin;
    entry->end = (uint64_t)end;
    if (entry->end - entry->begin != bytes) {
        char text[128];
        nt_shape_text(&entry->info.shape, text, sizeof text);
        return nt_fail(file->ctx, NT_ERR_FORMAT,
            "%s: tensor '%s': %" PRIu64 " bytes, but shape %s of %s needs %" PRIu64, file->path,
            name, entry->end - entry->begin, text, dtype, bytes);
    }
    return NT_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->info.name, y->info.name);
}

static enum nt_status check_overlap(const struct nt_safetensors *file)
{
    for (int i = 1; i < file->count; i++)
        if (file->entries[i].begin < file->entries[i - 1].end)
            return nt_fail(file->ctx, NT_ERR_FORMAT, "%s: tensors '%s' and '%s' overlap",
                file->path, file->entries[i - 1].info.name, file->entries[i].info.name);
    return NT_OK;
}

/* Shell sort: qsort cannot be told the table that the indices point into. */
static void sort_names(struct nt_safetensors *file)
{
    int *a = file->by_name;
    for (int i = 0; i < file->count; i++)
        a[i] = i;
    for (int gap = file->count / 2; gap > 0; gap /= 2)
        for (int i = gap; i < file->count; i++)
            for (int j = i; j >= gap && strcmp(file->entries[a[j]].info.name,
                                            file->entries[a[j - gap]].info.name) < 0;
                 j -= gap) {
                int t = a[j];
                a[j] = a[j - gap];
                a[j - gap] = t;
            }
}

static enum nt_status parse_header(struct nt_safetensors *file, uint64_t data_size)
{
    size_t count = json_object_size(file->header);
    file->entries = calloc(count + 1, sizeof *file->entries);
    file->by_name = calloc(count + 1, sizeof *file->by_name);
    if (!file->entries || !file->by_name)
        return nt_fail(
            file->ctx, NT_ERR_MEMORY, "%s: no memory for %zu tensors", file->path, count);
    const char *name;
    json_t *value;
    json_object_foreach(file->header, name, value)
    {
        if (strcmp(name, "__metadata__") == 0) {
            if (!json_is_object(value))
                return nt_fail(
                    file->ctx, NT_ERR_FORMAT, "%s: __metadata__ is not an object", file->path);
            continue;
        }
        struct entry *entry = &file->entries[file->count++];
        entry->info.name = name;
        enum nt_status status = parse_entry(file, entry, value, data_size);
        if (status != NT_OK)
            return status;
    }
    qsort(file->entries, (size_t)file->count, sizeof *file->entries, by_offset);
    sort_names(file);
    return check_overlap(file);
}

static enum nt_status load(struct nt_safetensors *file)
{
    struct stat info;
    if (fstat(file->fd, &info) != 0)
        return nt_fail(file->ctx, NT_ERR_FILE, "%s: cannot read: %s", file->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return nt_fail(file->ctx, NT_ERR_FILE, "%s: not a regular file", file->path);
    uint64_t size = (uint64_t)info.st_size;
    if (size < 8)
        return nt_fail(file->ctx, NT_ERR_FORMAT,
            "%s: %" PRIu64 " bytes: too short for a safetensors file", file->path, size);
    uint8_t raw[8];
    enum nt_status status = read_at(file, 0, raw, 8);
    if (status != NT_OK)
        return status;
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | raw[i];
    if (length > MAX_HEADER)
        return nt_fail(file->ctx, NT_ERR_FORMAT,
            "%s: header of %" PRIu64 " bytes: at most %d: not a safetensors file?", file->path,
            length, MAX_HEADER);
    if (length > size - 8)
        return nt_fail(file->ctx, NT_ERR_FORMAT,
            "%s: header of %" PRIu64 " bytes in a file of %" PRIu64 ": truncated", file->path,
            length, size);
    char *text = malloc((size_t)length + 1);
    if (!text)
        return nt_fail(file->ctx, NT_ERR_MEMORY, "%s: no memory for its header", file->path);
    status = read_at(file, 8, text, (size_t)length);
    if (status == NT_OK) {
        json_error_t error;
        file->header = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &error);
        if (!file->header)
            status = nt_fail(file->ctx, NT_ERR_FORMAT, "%s: its header is not JSON: %s at byte %d",
                file->path, error.text, error.position);
        else if (!json_is_object(file->header))
            status =
                nt_fail(file->ctx, NT_ERR_FORMAT, "%s: its header is not an object", file->path);
    }
    free(text);
    file->data_at = 8 + length;
    return status == NT_OK ? parse_header(file, size - file->data_at) : status;
}

enum nt_status nt_safetensors_open(
    struct nt_context *ctx, const char *path, struct nt_safetensors **out)
{
    struct nt_safetensors *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory to open it", path);
    }
    file->ctx = ctx;
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    enum nt_status status =
        file->fd >= 0 ? load(file)
                      : nt_fail(ctx, NT_ERR_FILE, "%s: cannot open: %s", path, strerror(errno));
    if (status != NT_OK) {
        nt_safetensors_close(file);
        return status;
    }
    *out = file;
    return NT_OK;
}

void nt_safetensors_close(struct nt_safetensors *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    json_decref(file->header);
    free(file->entries);
    free(file->by_name);
    free(file->path);
    free(file);
}

int nt_safetensors_count(const struct nt_safetensors *file)
{
    return file->count;
}

const struct nt_safetensors_entry *nt_safetensors_get(const struct nt_safetensors *file, int index)
{
    return &file->entries[index].info;
}

int nt_safetensors_find(const struct nt_safetensors *file, const char *name)
{
    int low = 0, high = file->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = strcmp(name, file->entries[file->by_name[middle]].info.name);
        if (order == 0)
            return file->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

enum nt_status nt_safetensors_read(const struct nt_safetensors *file, int index, void *data)
{
    const struct entry *entry = &file->entries[index];
    const struct kind *kind = entry->kind;
    uint64_t at = file->data_at + entry->begin, left = entry->end - entry->begin;
    if (!kind->widen)
        return read_at(file, at, data, (size_t)left);
    uint8_t *chunk = malloc(CONVERT_CHUNK);
    if (!chunk)
        return nt_fail(file->ctx, NT_ERR_MEMORY, "%s: no memory to convert", file->path);
    enum nt_status status = NT_OK;
    uint8_t *to = data;
    while (left > 0 && status == NT_OK) {
        size_t part = left < CONVERT_CHUNK ? (size_t)left : CONVERT_CHUNK;
        status = read_at(file, at, chunk, part);
        if (status == NT_OK)
            kind->widen(chunk, part / kind->size, to);
        to += part / kind->size * nt_dtype_size(kind->dtype);
        at += part;
        left -= part;
    }
    free(chunk);
    return status;
}

const char *nt_safetensors_metadata(const struct nt_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

struct nt_safetensors_writer {
    struct nt_context *ctx;
    struct nt_file_writer *file;
    int count;
    char *path;
    struct slot {
        uint64_t offset;
        size_t size;
        bool done;
    } * slots;
};

static void release(struct nt_safetensors_writer *writer)
{
    free(writer->slots);
    free(writer->path);
    free(writer);
}

static const struct kind *kind_of(enum nt_dtype dtype)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (kinds[i].dtype == dtype)
            return &kinds[i];
    return NULL;
}

static json_t *describe(const struct nt_safetensors_entry *entry, const struct slot *slot)
{
    json_t *shape = json_array();
    for (int i = 0; i < entry->shape.rank; i++)
        json_array_append_new(shape, json_integer(entry->shape.dim[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", kind_of(entry->dtype)->name, "shape", shape,
        "data_offsets", (json_int_t)slot->offset, (json_int_t)(slot->offset + slot->size));
}

/* Lays tensors of wider elements first, so that each starts at a multiple of its element. */
static void lay_out(
    struct nt_safetensors_writer *writer, const struct nt_safetensors_entry *entries)
{
    uint64_t offset = 0;
    for (size_t width = 8; width > 0; width /= 2)
        for (int i = 0; i < writer->count; i++) {
            size_t element = nt_dtype_size(entries[i].dtype);
            if (element != width)
                continue;
            writer->slots[i].offset = offset;
            writer->slots[i].size = (size_t)nt_shape_count(&entries[i].shape) * element;
            offset += writer->slots[i].size;
        }
}

static json_t *make_header(struct nt_safetensors_writer *writer,
    const struct nt_safetensors_entry *entries, const struct nt_safetensors_text *metadata,
    int metadata_count, const char **bad)
{
    json_t *header = json_object();
    *bad = NULL;
    if (metadata_count > 0) {
        json_t *texts = json_object();
        for (int i = 0; i < metadata_count; i++)
            if (json_object_set_new(texts, metadata[i].key, json_string(metadata[i].value)) != 0)
                *bad = metadata[i].key;
        json_object_set_new(header, "__metadata__", texts);
    }
    for (int i = 0; i < writer->count; i++)
        if (json_object_get(header, entries[i].name) ||
            json_object_set_new(
                header, entries[i].name, describe(&entries[i], &writer->slots[i])) != 0)
            *bad = entries[i].name;
    return header;
}

/* The 8 bytes of length, then the text padded with spaces so that the data start aligned. */
static enum nt_status write_header(struct nt_safetensors_writer *writer, json_t *header)
{
    char *text = json_dumps(header, JSON_COMPACT);
    if (!text)
        return nt_fail(writer->ctx, NT_ERR_MEMORY, "%s: no memory for its header", writer->path);
    size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    uint8_t raw[8];
    for (int i = 0; i < 8; i++)
        raw[i] = (uint8_t)((uint64_t)padded >> 8 * i);
    enum nt_status status = nt_file_write(writer->file, raw, 8);
    if (status == NT_OK)
        status = nt_file_write(writer->file, text, length);
    if (status == NT_OK)
        status = nt_file_write(writer->file, "        ", padded - length);
    free(text);
    for (int i = 0; i < writer->count; i++)
        writer->slots[i].offset += 8 + padded;
    return status;
}

enum nt_status nt_safetensors_create(struct nt_context *ctx, const char *path,
    const struct nt_safetensors_entry *entries, int count,
    const struct nt_safetensors_text *metadata, int metadata_count,
    struct nt_safetensors_writer **out)
{
    struct nt_safetensors_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for a writer", path);
    writer->ctx = ctx;
    writer->count = count;
    writer->path = strdup(path);
    writer->slots = calloc((size_t)count + 1, sizeof *writer->slots);
    if (!writer->path || !writer->slots) {
        release(writer);
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for a writer", path);
    }
    lay_out(writer, entries);
    const char *bad;
    json_t *header = make_header(writer, entries, metadata, metadata_count, &bad);
    enum nt_status status =
        bad ? nt_fail(ctx, NT_ERR_ARGUMENT, "%s: '%s': names must be valid UTF-8 and used once",
                  path, bad)
            : nt_file_create(ctx, path, &writer->file);
    if (status == NT_OK)
        status = write_header(writer, header);
    json_decref(header);
    if (status != NT_OK) {
        nt_safetensors_discard(writer);
        return status;
    }
    *out = writer;
    return NT_OK;
}

enum nt_status nt_safetensors_put(struct nt_safetensors_writer *writer, int index, const void *data)
{
    struct slot *slot = &writer->slots[index];
    slot->done = true;
    return nt_file_write_at(writer->file, slot->offset, data, slot->size);
}

enum nt_status nt_safetensors_commit(struct nt_safetensors_writer *writer)
{
    for (int i = 0; i < writer->count; i++) {
        if (writer->slots[i].done)
            continue;
        enum nt_status status = nt_fail(writer->ctx, NT_ERR_ARGUMENT,
            "%s: tensor %d of %d was not put before commit", writer->path, i, writer->count);
        nt_safetensors_discard(writer);
        return status;
    }
    enum nt_status status = nt_file_commit(writer->file);
    release(writer);
    return status;
}

void nt_safetensors_discard(struct nt_safetensors_writer *writer)
{
    if (!writer)
        return;
    nt_file_discard(writer->file);
    release(writer);
}
