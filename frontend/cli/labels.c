/* SPDX-License-Identifier: MIT */
#include "frontend/cli/labels.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"
#include "frontend/utf8.h"

#define MAX_BYTES ((size_t)64 << 20)

static enum nt_status add(
    struct nt_context *ctx, const char *path, struct cli_labels *labels, char *name)
{
    char **grown = realloc(labels->name, sizeof *grown * (size_t)(labels->count + 1));
    if (grown)
        labels->name = grown;
    if (!grown || !name) {
        free(name);
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for its labels", path);
    }
    labels->name[labels->count++] = name;
    return NT_OK;
}

static enum nt_status read_json(
    struct nt_context *ctx, const char *path, const char *text, struct cli_labels *labels)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (!json)
        return nt_fail(ctx, NT_ERR_FORMAT, "%s:%d: not JSON: %s", path, error.line, error.text);
    enum nt_status status = NT_OK;
    for (size_t i = 0; i < json_array_size(json) && status == NT_OK; i++) {
        const char *name = json_string_value(json_array_get(json, i));
        if (name)
            status = add(ctx, path, labels, strdup(name));
        else
            status = nt_fail(ctx, NT_ERR_FORMAT, "%s: element %zu: must be a string", path, i);
    }
    json_decref(json);
    return status;
}

static enum nt_status read_lines(
    struct nt_context *ctx, const char *path, char *text, struct cli_labels *labels)
{
    enum nt_status status = NT_OK;
    while (*text && status == NT_OK) {
        size_t span = strcspn(text, "\n"), length = span;
        while (length > 0 && (text[length - 1] == '\r' || text[length - 1] == ' '))
            length--;
        status = add(ctx, path, labels, strndup(text, length));
        text += span + (text[span] == '\n');
    }
    return status;
}

enum nt_status cli_labels_read(struct nt_context *ctx, const char *path, struct cli_labels *out)
{
    uint8_t *data;
    size_t size;
    enum nt_status status = nt_file_read(ctx, path, MAX_BYTES, &data, &size);
    if (status != NT_OK)
        return status;
    struct cli_labels labels = {0};
    char *text = (char *)data;
    if (!nt_utf8_is(text, size)) {
        free(data);
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: holds no labels: must be a text in UTF-8", path);
    }
    status = text[strspn(text, " \t\r\n")] == '[' ? read_json(ctx, path, text, &labels)
                                                  : read_lines(ctx, path, text, &labels);
    free(data);
    if (status == NT_OK && labels.count == 0)
        status = nt_fail(ctx, NT_ERR_FORMAT, "%s: holds no label", path);
    if (status != NT_OK) {
        cli_labels_finish(&labels);
        return status;
    }
    *out = labels;
    return NT_OK;
}

void cli_labels_finish(struct cli_labels *labels)
{
    for (int i = 0; i < labels->count; i++)
        free(labels->name[i]);
    free(labels->name);
    *labels = (struct cli_labels){0};
}

const char *cli_labels_name(const struct cli_labels *labels, int index, char *text, size_t size)
{
    if (index >= 0 && index < labels->count && *labels->name[index])
        return labels->name[index];
    snprintf(text, size, "class %d", index);
    return text;
}
