/* SPDX-License-Identifier: MIT
 *
 * text:FILE: a text as windows of characters. A token is the place of its character in the
 * vocabulary, which is in the order of the characters' numbers in Unicode.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset/kind.h"
#include "frontend/file.h"
#include "frontend/utf8.h"

#define DEFAULT_WINDOW 64
#define MAX_TEXT ((size_t)1 << 30)
#define MAX_CHARACTERS 65536

struct text {
    int32_t *tokens; /* of the whole file */
    int64_t first;   /* token that the split begins with */
    uint32_t *characters;
    const char **names; /* of info: UTF-8, into bytes */
    char *bytes;
    int classes;
};

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Tokens are character numbers at first. */
static enum nt_status decode_all(struct nt_context *ctx, struct text *text, const char *path,
    const uint8_t *data, size_t size, int64_t *count)
{
    const uint8_t *at = data, *end = data + size;
    text->tokens = malloc((size + 1) * sizeof *text->tokens);
    if (!text->tokens)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for its %zu bytes", path, size);
    for (*count = 0; at < end; ++*count)
        if ((text->tokens[*count] = nt_utf8_decode(&at, end)) < 0)
            return nt_fail(ctx, NT_ERR_FORMAT, "%s: byte %zu, 0x%02x: the text must be UTF-8", path,
                (size_t)(at - data), *at);
    return NT_OK;
}

/* The vocabulary of the file. */
static enum nt_status collect(
    struct nt_context *ctx, struct text *text, const char *path, int64_t count)
{
    uint8_t *seen = calloc(0x110000 / 8, 1);
    text->characters = calloc(MAX_CHARACTERS, sizeof *text->characters);
    if (!seen || !text->characters) {
        free(seen);
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for its vocabulary", path);
    }
    for (int64_t i = 0; i < count; i++) {
        uint32_t code = (uint32_t)text->tokens[i];
        bool is_new = !(seen[code / 8] >> code % 8 & 1);
        seen[code / 8] |= (uint8_t)(1 << code % 8);
        if (is_new && text->classes < MAX_CHARACTERS)
            text->characters[text->classes++] = code;
    }
    free(seen);
    qsort(text->characters, (size_t)text->classes, sizeof *text->characters, by_number);
    return NT_OK;
}

/* A vocabulary that was given. Its order must be that of the characters' numbers. */
static enum nt_status take(
    struct nt_context *ctx, struct text *text, const struct nt_dataset_params *params)
{
    text->characters = calloc((size_t)params->class_count + 1, sizeof *text->characters);
    if (!text->characters)
        return nt_fail(ctx, NT_ERR_MEMORY, "text: no memory for a vocabulary");
    for (int i = 0; i < params->class_count; i++) {
        const uint8_t *at = (const uint8_t *)params->class_names[i];
        const uint8_t *end = at + strlen(params->class_names[i]);
        int32_t code = at < end ? nt_utf8_decode(&at, end) : -1;
        bool ordered = i == 0 || code > (int32_t)text->characters[i - 1];
        if (code < 0 || at < end || !ordered)
            return nt_fail(ctx, NT_ERR_FORMAT,
                "text: token %d, '%s': the vocabulary must be single characters in their order", i,
                params->class_names[i]);
        text->characters[text->classes++] = (uint32_t)code;
    }
    return NT_OK;
}

static enum nt_status name_all(struct nt_context *ctx, struct text *text)
{
    size_t classes = (size_t)text->classes;
    text->names = calloc(classes + 1, sizeof *text->names);
    text->bytes = calloc(classes + 1, NT_UTF8_SIZE);
    if (!text->names || !text->bytes)
        return nt_fail(ctx, NT_ERR_MEMORY, "text: no memory for a vocabulary");
    for (size_t i = 0; i < classes; i++) {
        nt_utf8_encode(text->characters[i], text->bytes + i * NT_UTF8_SIZE);
        text->names[i] = text->bytes + i * NT_UTF8_SIZE;
    }
    return NT_OK;
}

/* From character numbers to places in the vocabulary. */
static enum nt_status number_all(
    struct nt_context *ctx, struct text *text, const char *path, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t code = (uint32_t)text->tokens[i];
        const uint32_t *found =
            bsearch(&code, text->characters, (size_t)text->classes, sizeof code, by_number);
        char name[NT_UTF8_SIZE];
        if (!found) {
            nt_utf8_encode(code, name);
            return nt_fail(ctx, NT_ERR_FORMAT,
                "%s: character %lld, '%s': is not in the vocabulary of the %d characters that the "
                "weights were trained with",
                path, (long long)i + 1, name, text->classes);
        }
        text->tokens[i] = (int32_t)(found - text->characters);
    }
    return NT_OK;
}

static enum nt_status set_info(
    struct nt_context *ctx, struct nt_dataset *dataset, const char *path, int64_t count)
{
    struct text *text = dataset->state;
    struct nt_dataset_info *info = &dataset->info;
    int64_t window = DEFAULT_WINDOW, end;
    if (dataset->params.item.rank > 0)
        window = nt_shape_count(&dataset->params.item);
    nt_dataset_divide(dataset, count, &text->first, &end);
    info->count = window > 0 ? (end - text->first - 1) / window : 0;
    if (end - text->first < 1 || info->count < 1)
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "%s: %lld characters in this part: too few for a window of %lld and the one after it",
            path, (long long)(end - text->first), (long long)window);
    info->item = info->target = (struct nt_shape){1, {window}};
    info->item_dtype = info->target_dtype = NT_I32;
    info->continues = true;
    info->classes = text->classes;
    info->class_names = text->names;
    return NT_OK;
}

static enum nt_status open_text(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *argument)
{
    struct text *text = calloc(1, sizeof *text);
    dataset->state = text;
    if (!text)
        return nt_fail(ctx, NT_ERR_MEMORY, "text: no memory");
    uint8_t *data;
    size_t size;
    int64_t count = 0;
    enum nt_status status = nt_file_read(ctx, argument, MAX_TEXT, &data, &size);
    if (status != NT_OK)
        return status;
    status = decode_all(ctx, text, argument, data, size, &count);
    free(data);
    if (status == NT_OK)
        status = dataset->params.class_names ? take(ctx, text, &dataset->params)
                                             : collect(ctx, text, argument, count);
    if (status == NT_OK)
        status = name_all(ctx, text);
    if (status == NT_OK)
        status = number_all(ctx, text, argument, count);
    return status == NT_OK ? set_info(ctx, dataset, argument, count) : status;
}

static enum nt_status item(struct nt_context *ctx, const struct nt_dataset *dataset, int64_t index,
    struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    const struct text *text = dataset->state;
    int64_t window = dataset->info.item.dim[0];
    const int32_t *from = text->tokens + text->first + index * window;
    memcpy(x, from, (size_t)window * sizeof *from);
    memcpy(y, from + 1, (size_t)window * sizeof *from);
    return NT_OK;
}

static void close_text(struct nt_dataset *dataset)
{
    struct text *text = dataset->state;
    if (!text)
        return;
    free(text->tokens);
    free(text->characters);
    free(text->names);
    free(text->bytes);
    free(text);
}

const struct nt_dataset_kind nt_dataset_text = {.name = "text",
    .argument = "FILE",
    .parts = nt_dataset_no_parts,
    .divides = true,
    .open = open_text,
    .item = item,
    .close = close_text};
