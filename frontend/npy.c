/* SPDX-License-Identifier: MIT */
#include "frontend/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"
#include "frontend/half.h"

#define MAX_HEADER 65536 /* NumPy itself refuses more than 10,000 characters */

/* How one element of a file becomes one of ours. */
typedef void convert_fn(void *to, int64_t at, const uint8_t *from);

#define COPY(stem, type)                                                                           \
    static void copy_##stem(void *to, int64_t at, const uint8_t *from)                             \
    {                                                                                              \
        memcpy((type *)to + at, from, sizeof(type));                                               \
    }
#define WIDEN(stem, type, wide)                                                                    \
    static void widen_##stem(void *to, int64_t at, const uint8_t *from)                            \
    {                                                                                              \
        type value;                                                                                \
        memcpy(&value, from, sizeof value);                                                        \
        ((wide *)to)[at] = value;                                                                  \
    }
COPY(1, uint8_t)
COPY(4, uint32_t)
COPY(8, uint64_t)
WIDEN(i1, int8_t, int32_t)
WIDEN(i2, int16_t, int32_t)
WIDEN(u2, uint16_t, int32_t)
WIDEN(u4, uint32_t, int64_t)

static void widen_f2(void *to, int64_t at, const uint8_t *from)
{
    uint16_t bits;
    memcpy(&bits, from, sizeof bits);
    ((float *)to)[at] = nt_half_to_float(bits);
}

static void to_bool(void *to, int64_t at, const uint8_t *from)
{
    ((uint8_t *)to)[at] = *from != 0;
}

static const struct kind {
    const char *code; /* after the byte order */
    size_t size;
    enum nt_dtype dtype;
    convert_fn *convert;
} kinds[] = {
    {"f4", 4, NT_F32, copy_4},
    {"f8", 8, NT_F64, copy_8},
    {"f2", 2, NT_F32, widen_f2},
    {"i8", 8, NT_I64, copy_8},
    {"i4", 4, NT_I32, copy_4},
    {"i2", 2, NT_I32, widen_i2},
    {"i1", 1, NT_I32, widen_i1},
    {"u4", 4, NT_I64, widen_u4},
    {"u2", 2, NT_I32, widen_u2},
    {"u1", 1, NT_U8, copy_1},
    {"b1", 1, NT_BOOL, to_bool},
};

struct header {
    const struct kind *kind;
    bool fortran;
    struct nt_shape shape;
    size_t data_at;
};

/* Reads the header: a Python dictionary of three known keys. */
struct parser {
    struct nt_context *ctx;
    const char *name, *at, *end;
};

static enum nt_status broken(struct parser *p, const char *what)
{
    return nt_fail(p->ctx, NT_ERR_FORMAT, "%s: not a valid .npy header: %s", p->name, what);
}

static void skip_space(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r'))
        p->at++;
}

static bool take(struct parser *p, char c)
{
    skip_space(p);
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

static bool take_word(struct parser *p, const char *word)
{
    size_t n = strlen(word);
    skip_space(p);
    if ((size_t)(p->end - p->at) < n || memcmp(p->at, word, n) != 0)
        return false;
    p->at += n;
    return true;
}

static bool take_string(struct parser *p, char *text, size_t size)
{
    skip_space(p);
    if (p->at == p->end || (*p->at != '\'' && *p->at != '"'))
        return false;
    char quote = *p->at++;
    size_t n = 0;
    while (p->at < p->end && *p->at != quote && n + 1 < size)
        text[n++] = *p->at++;
    text[n] = 0;
    return p->at < p->end && *p->at++ == quote;
}

static enum nt_status parse_dtype(struct parser *p, struct header *header)
{
    char text[32];
    if (!take_string(p, text, sizeof text))
        return nt_fail(p->ctx, NT_ERR_UNSUPPORTED,
            "%s: its elements are records: arrays of plain numbers are read", p->name);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!text[0] || strcmp(text + 1, kinds[i].code) != 0)
            continue;
        if (text[0] == '>')
            return nt_fail(p->ctx, NT_ERR_UNSUPPORTED,
                "%s: dtype '%s' is big-endian: save it as '<%s'", p->name, text, kinds[i].code);
        if (!strchr("<|=", text[0]))
            break;
        header->kind = &kinds[i];
        return NT_OK;
    }
    return nt_fail(p->ctx, NT_ERR_UNSUPPORTED,
        "%s: dtype '%s': float16/32/64, int8..int64, uint8/16/32 and bool are read", p->name, text);
}

static enum nt_status parse_shape(struct parser *p, struct nt_shape *shape)
{
    shape->rank = 0;
    if (!take(p, '('))
        return broken(p, "shape is not a tuple");
    for (;;) {
        skip_space(p);
        if (take(p, ')'))
            return NT_OK;
        if (p->at == p->end || *p->at < '0' || *p->at > '9')
            return broken(p, "a dimension of shape is not a number");
        int64_t value = 0;
        while (p->at < p->end && *p->at >= '0' && *p->at <= '9') {
            if (value > (INT64_MAX - 9) / 10)
                return broken(p, "a dimension of shape is too large");
            value = value * 10 + (*p->at++ - '0');
        }
        if (shape->rank == NT_MAX_RANK)
            return nt_fail(
                p->ctx, NT_ERR_UNSUPPORTED, "%s: more than %d dimensions", p->name, NT_MAX_RANK);
        shape->dim[shape->rank++] = value;
        if (!take(p, ',') && (p->at == p->end || *p->at != ')'))
            return broken(p, "shape is not a tuple");
    }
}

static enum nt_status parse_dictionary(struct parser *p, struct header *header)
{
    enum { DESCR = 1, ORDER = 2, SHAPE = 4 };
    int seen = 0;
    if (!take(p, '{'))
        return broken(p, "no '{'");
    while (!take(p, '}')) {
        char key[32];
        enum nt_status status = NT_OK;
        if (!take_string(p, key, sizeof key) || !take(p, ':'))
            return broken(p, "no \"key:\"");
        if (strcmp(key, "descr") == 0) {
            seen |= DESCR;
            status = parse_dtype(p, header);
        } else if (strcmp(key, "fortran_order") == 0) {
            seen |= ORDER;
            header->fortran = take_word(p, "True");
            if (!header->fortran && !take_word(p, "False"))
                return broken(p, "fortran_order is neither True nor False");
        } else if (strcmp(key, "shape") == 0) {
            seen |= SHAPE;
            status = parse_shape(p, &header->shape);
        } else {
            return broken(p, "a key that is not descr, fortran_order or shape");
        }
        if (status != NT_OK)
            return status;
        if (!take(p, ',') && (p->at == p->end || *p->at != '}'))
            return broken(p, "no ',' or '}' after a value");
    }
    if (seen != (DESCR | ORDER | SHAPE))
        return broken(p, "descr, fortran_order or shape is missing");
    return NT_OK;
}

static enum nt_status parse_header(struct nt_context *ctx, const char *name, const uint8_t *bytes,
    size_t size, struct header *header)
{
    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: not a .npy file", name);
    int version = bytes[6];
    if (version < 1 || version > 3)
        return nt_fail(
            ctx, NT_ERR_UNSUPPORTED, "%s: .npy format %d: 1 to 3 are read", name, version);
    size_t start = version == 1 ? 10 : 12;
    if (size < start)
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: truncated in the header", name);
    size_t length = bytes[8] | (size_t)bytes[9] << 8;
    if (version > 1)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > MAX_HEADER)
        return nt_fail(
            ctx, NT_ERR_FORMAT, "%s: header of %zu bytes: at most %d", name, length, MAX_HEADER);
    if (length > size - start)
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: truncated in the header", name);
    const char *text = (const char *)bytes + start;
    struct parser p = {.ctx = ctx, .name = name, .at = text, .end = text + length};
    header->data_at = start + length;
    return parse_dictionary(&p, header);
}

static bool count_elements(const struct nt_shape *shape, size_t element, int64_t *count)
{
    int64_t most = INT64_MAX / (int64_t)(element > 8 ? element : 8), product = 1;
    bool empty = false;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] > most / product)
            return false;
        empty |= shape->dim[i] == 0;
        product *= shape->dim[i] ? shape->dim[i] : 1;
    }
    *count = empty ? 0 : product;
    return true;
}

/* Walks the elements in the file's order: Fortran files count the first dimension fastest. */
static void convert(const struct header *header, int64_t count, const uint8_t *from, void *to)
{
    const struct nt_shape *shape = &header->shape;
    int64_t index[NT_MAX_RANK] = {0}, stride[NT_MAX_RANK], at = 0, step = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape->dim[i];
    }
    bool in_order = !header->fortran || shape->rank < 2;
    for (int64_t n = 0; n < count; n++, from += header->kind->size) {
        header->kind->convert(to, in_order ? n : at, from);
        for (int i = 0; !in_order && i < shape->rank; i++) {
            at += stride[i];
            if (++index[i] < shape->dim[i])
                break;
            at -= stride[i] * shape->dim[i];
            index[i] = 0;
        }
    }
}

enum nt_status nt_npy_parse(
    struct nt_context *ctx, const char *name, const void *bytes, size_t size, struct nt_npy *out)
{
    struct header header = {0};
    enum nt_status status = parse_header(ctx, name, bytes, size, &header);
    if (status != NT_OK)
        return status;
    int64_t count;
    char text[128];
    nt_shape_text(&header.shape, text, sizeof text);
    if (!count_elements(&header.shape, header.kind->size, &count))
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: shape %s is impossibly large", name, text);
    size_t there = size - header.data_at, needed = (size_t)count * header.kind->size;
    if (there != needed)
        return nt_fail(ctx, NT_ERR_FORMAT,
            "%s: %zu bytes of data, but shape %s of '%s' needs %zu: %s", name, there, text,
            header.kind->code, needed, there < needed ? "truncated" : "something follows");
    void *data = malloc((size_t)count * nt_dtype_size(header.kind->dtype) + 1);
    if (!data)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for shape %s", name, text);
    const uint8_t *from = (const uint8_t *)bytes + header.data_at;
    bool same = header.kind->size == nt_dtype_size(header.kind->dtype) &&
                header.kind->dtype != NT_BOOL && (!header.fortran || header.shape.rank < 2);
    if (same)
        memcpy(data, from, needed);
    else
        convert(&header, count, from, data);
    *out = (struct nt_npy){header.kind->dtype, header.shape, data};
    return NT_OK;
}

enum nt_status nt_npy_read(struct nt_context *ctx, const char *path, struct nt_npy *out)
{
    uint8_t *bytes;
    size_t size;
    enum nt_status status = nt_file_read(ctx, path, 0, &bytes, &size);
    if (status != NT_OK)
        return status;
    status = nt_npy_parse(ctx, path, bytes, size, out);
    free(bytes);
    return status;
}

void nt_npy_finish(struct nt_npy *npy)
{
    free(npy->data);
    npy->data = NULL;
}

enum nt_status nt_npy_write(struct nt_context *ctx, const char *path, enum nt_dtype dtype,
    const struct nt_shape *shape, const void *data)
{
    static const char *const codes[NT_DTYPE_COUNT] = {[NT_F32] = "<f4",
        [NT_I32] = "<i4",
        [NT_U8] = "|u1",
        [NT_I64] = "<i8",
        [NT_F64] = "<f8",
        [NT_BOOL] = "|b1"};
    char text[512] = "\x93NUMPY\x01";
    int n = 10;
    n += sprintf(text + n, "{'descr': '%s', 'fortran_order': False, 'shape': (", codes[dtype]);
    for (int i = 0; i < shape->rank; i++)
        n += sprintf(text + n, "%lld%s", (long long)shape->dim[i],
            i + 1 < shape->rank ? ", "
            : shape->rank == 1  ? ","
                                : "");
    n += sprintf(text + n, "), }");
    int end = (n + 64) / 64 * 64; /* the data start at a multiple of 64 */
    memset(text + n, ' ', (size_t)(end - n));
    text[end - 1] = '\n';
    text[8] = (char)((end - 10) & 255);
    text[9] = (char)((end - 10) >> 8);
    struct nt_file_writer *writer;
    enum nt_status status = nt_file_create(ctx, path, &writer);
    if (status != NT_OK)
        return status;
    status = nt_file_write(writer, text, (size_t)end);
    if (status == NT_OK)
        status = nt_file_write(writer, data, (size_t)nt_shape_count(shape) * nt_dtype_size(dtype));
    if (status != NT_OK) {
        nt_file_discard(writer);
        return status;
    }
    return nt_file_commit(writer);
}
