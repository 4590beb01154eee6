/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* realpath */
#include "frontend/onnx/tensor.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/file.h"
#include "frontend/half.h"
#include "frontend/onnx/file.h"

static const struct type {
    const char *name;
    int size; /* bytes in raw data; 0: not read */
    bool is_float, is_integer;
} types[NT_ONNX_TYPES] = {
    [NT_ONNX_NONE] = {"no type"},
    [NT_ONNX_FLOAT] = {"float32", 4, true},
    [NT_ONNX_UINT8] = {"uint8", 1, false, true},
    [NT_ONNX_INT8] = {"int8", 1, false, true},
    [NT_ONNX_UINT16] = {"uint16", 2, false, true},
    [NT_ONNX_INT16] = {"int16", 2, false, true},
    [NT_ONNX_INT32] = {"int32", 4, false, true},
    [NT_ONNX_INT64] = {"int64", 8, false, true},
    [NT_ONNX_STRING] = {"string"},
    [NT_ONNX_BOOL] = {"bool", 1},
    [NT_ONNX_FLOAT16] = {"float16", 2, true},
    [NT_ONNX_DOUBLE] = {"float64", 8, true},
    [NT_ONNX_UINT32] = {"uint32", 4, false, true},
    [NT_ONNX_UINT64] = {"uint64", 8, false, true},
    [NT_ONNX_COMPLEX64] = {"complex64"},
    [NT_ONNX_COMPLEX128] = {"complex128"},
    [NT_ONNX_BFLOAT16] = {"bfloat16", 2, true},
    [NT_ONNX_FLOAT8E4M3FN] = {"float8e4m3fn"},
    [NT_ONNX_FLOAT8E4M3FNUZ] = {"float8e4m3fnuz"},
    [NT_ONNX_FLOAT8E5M2] = {"float8e5m2"},
    [NT_ONNX_FLOAT8E5M2FNUZ] = {"float8e5m2fnuz"},
    [NT_ONNX_UINT4] = {"uint4"},
    [NT_ONNX_INT4] = {"int4"},
    [NT_ONNX_FLOAT4E2M1] = {"float4e2m1"},
    [NT_ONNX_FLOAT8E8M0] = {"float8e8m0"},
    [NT_ONNX_UINT2] = {"uint2"},
    [NT_ONNX_INT2] = {"int2"},
};

const char *nt_onnx_type_name(int type)
{
    return type >= 0 && type < NT_ONNX_TYPES ? types[type].name : "an unknown type";
}

bool nt_onnx_type_is_float(int type)
{
    return type >= 0 && type < NT_ONNX_TYPES && types[type].is_float;
}

bool nt_onnx_type_is_integer(int type)
{
    return type >= 0 && type < NT_ONNX_TYPES && types[type].is_integer;
}

bool nt_onnx_type_is_offered(int type)
{
    return type == NT_ONNX_BOOL || nt_onnx_type_is_float(type) || nt_onnx_type_is_integer(type);
}

enum nt_dtype nt_onnx_type_dtype(int type)
{
    return nt_onnx_type_is_integer(type) ? NT_I32 : NT_F32;
}

/* ---- where the numbers are ---- */

static bool is_external(const NtOnnx__TensorProto *message)
{
    return message->has_data_location &&
           message->data_location == NT_ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

/* How many numbers the list for the type has. */
static size_t list_count(const NtOnnx__TensorProto *m, int type)
{
    switch (type) {
    case NT_ONNX_FLOAT:
        return m->n_float_data;
    case NT_ONNX_DOUBLE:
        return m->n_double_data;
    case NT_ONNX_INT64:
        return m->n_int64_data;
    case NT_ONNX_UINT32:
    case NT_ONNX_UINT64:
        return m->n_uint64_data;
    default:
        return m->n_int32_data;
    }
}

struct external {
    const char *location;
    uint64_t offset, length;
    bool has_length;
};

static enum nt_status fail(struct nt_context *ctx, const struct nt_onnx_tensor *tensor,
    enum nt_status status, const char *rule)
{
    return nt_fail(ctx, status, "%s: tensor '%s': %s", tensor->path, tensor->message->name, rule);
}

static bool read_number(const char *text, uint64_t *number)
{
    char *end;
    *number = strtoull(text, &end, 10);
    return end != text && *end == 0 && *text >= '0' && *text <= '9';
}

static enum nt_status find_external(
    struct nt_context *ctx, const struct nt_onnx_tensor *tensor, struct external *external)
{
    const NtOnnx__TensorProto *m = tensor->message;
    *external = (struct external){0};
    for (size_t i = 0; i < m->n_external_data; i++) {
        const char *key = m->external_data[i]->key, *value = m->external_data[i]->value;
        bool good = true;
        if (strcmp(key, "location") == 0)
            external->location = value;
        else if (strcmp(key, "offset") == 0)
            good = read_number(value, &external->offset);
        else if (strcmp(key, "length") == 0)
            good = external->has_length = read_number(value, &external->length);
        if (!good)
            return nt_fail(ctx, NT_ERR_FORMAT, "%s: tensor '%s': external %s '%s': is no number",
                tensor->path, m->name, key, value);
    }
    if (!external->location || !*external->location)
        return fail(ctx, tensor, NT_ERR_FORMAT, "external data without location");
    uint64_t bytes = (uint64_t)tensor->count * (uint64_t)types[tensor->type].size;
    if (external->has_length && external->length != bytes)
        return nt_fail(ctx, NT_ERR_FORMAT,
            "%s: tensor '%s': external data of %llu bytes: must be %llu", tensor->path, m->name,
            (unsigned long long)external->length, (unsigned long long)bytes);
    return NT_OK;
}

/* The path of an external file, links resolved. Anything outside the model's folder is refused. */
static enum nt_status resolve(struct nt_context *ctx, const struct nt_onnx_tensor *tensor,
    const char *location, char path[PATH_MAX])
{
    char folder[PATH_MAX], joined[PATH_MAX], real[PATH_MAX];
    const char *slash = strrchr(tensor->path, '/');
    int length = slash ? (int)(slash - tensor->path) + 1 : 0;
    snprintf(folder, sizeof folder, "%.*s", length ? length : 1, length ? tensor->path : ".");
    bool good = location[0] != '/' && realpath(folder, real);
    if (good) {
        snprintf(folder, sizeof folder, "%s", real);
        enum nt_status status = nt_file_join(ctx, joined, sizeof joined, folder, location);
        if (status != NT_OK)
            return status;
        if (!realpath(joined, real))
            return nt_fail(ctx, NT_ERR_FILE, "%s: tensor '%s': external file %s: is not there",
                tensor->path, tensor->message->name, location);
        size_t under = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
        good = strncmp(real, folder, under) == 0 && real[under] == '/';
    }
    if (!good)
        return nt_fail(ctx, NT_ERR_FORMAT,
            "%s: tensor '%s': external file %s: must be in the model's folder", tensor->path,
            tensor->message->name, location);
    memcpy(path, real, PATH_MAX);
    return NT_OK;
}

static enum nt_status unreadable(
    struct nt_context *ctx, const struct nt_onnx_tensor *tensor, const struct external *external)
{
    return nt_fail(ctx, NT_ERR_FILE, "%s: tensor '%s': external file %s: cannot be read",
        tensor->path, tensor->message->name, external->location);
}

/* Opens the external file and checks that it is large enough; the caller closes *file. */
static enum nt_status open_external(struct nt_context *ctx, const struct nt_onnx_tensor *tensor,
    struct external *external, int *file)
{
    char path[PATH_MAX];
    struct stat info;
    enum nt_status status = find_external(ctx, tensor, external);
    if (status == NT_OK)
        status = resolve(ctx, tensor, external->location, path);
    if (status != NT_OK)
        return status;
    *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*file < 0 || fstat(*file, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = unreadable(ctx, tensor, external);
    } else {
        uint64_t bytes = (uint64_t)tensor->count * (uint64_t)types[tensor->type].size;
        uint64_t size = (uint64_t)info.st_size;
        if (external->offset > size || bytes > size - external->offset)
            status = nt_fail(ctx, NT_ERR_FORMAT,
                "%s: tensor '%s': external file %s of %llu bytes: must have %llu from %llu on",
                tensor->path, tensor->message->name, external->location, (unsigned long long)size,
                (unsigned long long)bytes, (unsigned long long)external->offset);
    }
    if (status != NT_OK && *file >= 0)
        close(*file);
    return status;
}

static enum nt_status check_count(struct nt_context *ctx, const struct nt_onnx_tensor *tensor)
{
    const NtOnnx__TensorProto *m = tensor->message;
    char text[128];
    size_t size = (size_t)types[tensor->type].size, have;
    if (is_external(m)) {
        struct external external;
        int file;
        enum nt_status status = open_external(ctx, tensor, &external, &file);
        if (status == NT_OK)
            close(file);
        return status;
    }
    if (m->has_raw_data && (m->raw_data.len > 0 || list_count(m, tensor->type) == 0)) {
        if (m->raw_data.len == tensor->count * size)
            return NT_OK;
        have = m->raw_data.len / size;
    } else {
        have = list_count(m, tensor->type);
        if (have == tensor->count)
            return NT_OK;
    }
    return nt_fail(ctx, NT_ERR_FORMAT, "%s: tensor '%s': %zu numbers: %s %s has %zu", tensor->path,
        m->name, have, types[tensor->type].name, nt_shape_text(&tensor->shape, text, sizeof text),
        tensor->count);
}

enum nt_status nt_onnx_tensor_open(struct nt_context *ctx, const char *path,
    const NtOnnx__TensorProto *message, struct nt_onnx_tensor *out)
{
    struct nt_onnx_tensor tensor = {path, message, message->data_type};
    size_t count = 1;
    if (message->n_dims > NT_MAX_RANK)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: tensor '%s': rank %zu: must be at most %d",
            path, message->name, message->n_dims, NT_MAX_RANK);
    if (tensor.type < 0 || tensor.type >= NT_ONNX_TYPES || types[tensor.type].size == 0)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: tensor '%s': is of %s (%d): is not offered",
            path, message->name, nt_onnx_type_name(tensor.type), tensor.type);
    tensor.shape.rank = (int)message->n_dims;
    for (int i = 0; i < tensor.shape.rank; i++) {
        int64_t extent = message->dims[i];
        tensor.shape.dim[i] = extent;
        if (extent < 0)
            return nt_fail(ctx, NT_ERR_FORMAT, "%s: tensor '%s': extent %lld: must be at least 0",
                path, message->name, (long long)extent);
        if (extent > 0 && count > NT_ONNX_MAX_ELEMENTS / (size_t)extent)
            return fail(ctx, &tensor, NT_ERR_UNSUPPORTED, "has more than 2147483647 elements");
        count *= (size_t)extent;
    }
    tensor.count = count;
    enum nt_status status = check_count(ctx, &tensor);
    if (status == NT_OK)
        *out = tensor;
    return status;
}

/* ---- the numbers ---- */

static double raw_float(const uint8_t *at, int type)
{
    float f;
    double d;
    uint16_t h;
    switch (type) {
    case NT_ONNX_FLOAT:
        memcpy(&f, at, sizeof f);
        return f;
    case NT_ONNX_DOUBLE:
        memcpy(&d, at, sizeof d);
        return d;
    case NT_ONNX_FLOAT16:
        memcpy(&h, at, sizeof h);
        return nt_half_to_float(h);
    default:
        memcpy(&h, at, sizeof h);
        return nt_half_bfloat16_to_float(h);
    }
}

/* Little-endian, as the format says; the sign goes through the rest of 64 bits. */
static int64_t raw_integer(const uint8_t *at, int type)
{
    uint64_t bits = 0;
    int size = types[type].size;
    for (int i = 0; i < size; i++)
        bits |= (uint64_t)at[i] << (8 * i);
    bool is_signed = type == NT_ONNX_INT8 || type == NT_ONNX_INT16 || type == NT_ONNX_INT32;
    if (is_signed && bits >> (8 * size - 1))
        bits |= ~(uint64_t)0 << (8 * size);
    return (int64_t)bits;
}

static double list_float(const NtOnnx__TensorProto *m, int type, size_t i)
{
    if (type == NT_ONNX_FLOAT)
        return m->float_data[i];
    if (type == NT_ONNX_DOUBLE)
        return m->double_data[i];
    uint16_t bits = (uint16_t)m->int32_data[i];
    return type == NT_ONNX_FLOAT16 ? nt_half_to_float(bits) : nt_half_bfloat16_to_float(bits);
}

static int64_t list_integer(const NtOnnx__TensorProto *m, int type, size_t i)
{
    if (type == NT_ONNX_INT64)
        return m->int64_data[i];
    if (type == NT_ONNX_UINT32 || type == NT_ONNX_UINT64)
        return (int64_t)m->uint64_data[i];
    return m->int32_data[i];
}

static void store_float(enum nt_dtype dtype, void *data, size_t i, double value)
{
    if (dtype == NT_F32)
        ((float *)data)[i] = (float)value;
    else
        ((double *)data)[i] = value;
}

static enum nt_status store_integer(struct nt_context *ctx, const struct nt_onnx_tensor *tensor,
    enum nt_dtype dtype, void *data, size_t i, int64_t value)
{
    bool big = tensor->type == NT_ONNX_UINT64 && value < 0;
    if ((dtype == NT_I32 || dtype == NT_I64) &&
        (big || (dtype == NT_I32 && (value < INT32_MIN || value > INT32_MAX))))
        return nt_fail(ctx, NT_ERR_UNSUPPORTED,
            "%s: tensor '%s': element %zu is %llu: must fit in %d bits", tensor->path,
            tensor->message->name, i, (unsigned long long)value, dtype == NT_I32 ? 32 : 63);
    if (dtype == NT_I32)
        ((int32_t *)data)[i] = (int32_t)value;
    else if (dtype == NT_I64)
        ((int64_t *)data)[i] = value;
    else if (dtype == NT_BOOL)
        ((uint8_t *)data)[i] = value != 0;
    else
        store_float(dtype, data, i, big ? (double)(uint64_t)value : (double)value);
    return NT_OK;
}

static enum nt_status convert(struct nt_context *ctx, const struct nt_onnx_tensor *tensor,
    const uint8_t *raw, enum nt_dtype dtype, void *data)
{
    const NtOnnx__TensorProto *m = tensor->message;
    int type = tensor->type;
    size_t size = (size_t)types[type].size;
    enum nt_status status = NT_OK;
    if (raw && type == NT_ONNX_FLOAT && dtype == NT_F32) {
        if (tensor->count > 0)
            memcpy(data, raw, tensor->count * size);
        return NT_OK;
    }
    for (size_t i = 0; status == NT_OK && i < tensor->count; i++) {
        if (types[type].is_float)
            store_float(
                dtype, data, i, raw ? raw_float(raw + i * size, type) : list_float(m, type, i));
        else
            status = store_integer(ctx, tensor, dtype, data, i,
                raw ? raw_integer(raw + i * size, type) : list_integer(m, type, i));
    }
    return status;
}

static enum nt_status read_external(
    struct nt_context *ctx, const struct nt_onnx_tensor *tensor, uint8_t **bytes)
{
    struct external external;
    int file;
    enum nt_status status = open_external(ctx, tensor, &external, &file);
    if (status != NT_OK)
        return status;
    size_t size = tensor->count * (size_t)types[tensor->type].size, done = 0;
    *bytes = malloc(size + 1);
    while (*bytes && done < size) {
        ssize_t got = pread(file, *bytes + done, size - done, (off_t)(external.offset + done));
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    close(file);
    if (!*bytes)
        return fail(ctx, tensor, NT_ERR_MEMORY, "host memory is exhausted");
    if (done == size)
        return NT_OK;
    free(*bytes);
    return unreadable(ctx, tensor, &external);
}

enum nt_status nt_onnx_tensor_read(
    struct nt_context *ctx, const struct nt_onnx_tensor *tensor, enum nt_dtype dtype, void *data)
{
    const NtOnnx__TensorProto *m = tensor->message;
    uint8_t *bytes = NULL;
    const uint8_t *raw = m->has_raw_data && m->raw_data.len > 0 ? m->raw_data.data : NULL;
    if (is_external(m)) {
        enum nt_status status = read_external(ctx, tensor, &bytes);
        if (status != NT_OK)
            return status;
        raw = bytes;
    }
    enum nt_status status = convert(ctx, tensor, raw, dtype, data);
    free(bytes);
    return status;
}

/* ---- a tensor in a file of its own ---- */

enum nt_status nt_onnx_array_read(
    struct nt_context *ctx, const char *path, struct nt_onnx_array *out)
{
    uint8_t *bytes;
    size_t size;
    ProtobufCMessage *message = NULL;
    struct nt_onnx_tensor tensor;
    struct nt_onnx_array array = {0};
    enum nt_status status = nt_file_read(ctx, path, NT_ONNX_FILE_LIMIT, &bytes, &size);
    if (status != NT_OK)
        return status;
    status = nt_onnx_unpack(ctx, path, &nt_onnx__tensor_proto__descriptor, bytes, size, &message);
    free(bytes);
    if (status == NT_OK)
        status = nt_onnx_tensor_open(ctx, path, (NtOnnx__TensorProto *)message, &tensor);
    if (status == NT_OK) {
        bool is_float = nt_onnx_type_is_float(tensor.type);
        array = (struct nt_onnx_array){.type = tensor.type, .shape = tensor.shape};
        array.dtype = tensor.type == NT_ONNX_DOUBLE ? NT_F64
                      : is_float                    ? NT_F32
                      : tensor.type == NT_ONNX_BOOL ? NT_BOOL
                                                    : NT_I64;
        array.name = strdup(tensor.message->name);
        array.data = malloc((tensor.count + 1) * nt_dtype_size(array.dtype));
        if (!array.name || !array.data)
            status = nt_fail(ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", path);
    }
    if (status == NT_OK)
        status = nt_onnx_tensor_read(ctx, &tensor, array.dtype, array.data);
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
    if (status == NT_OK)
        *out = array;
    else
        nt_onnx_array_finish(&array);
    return status;
}

void nt_onnx_array_finish(struct nt_onnx_array *array)
{
    free((char *)array->name);
    free(array->data);
    *array = (struct nt_onnx_array){0};
}
