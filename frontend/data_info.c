/* SPDX-License-Identifier: MIT */
#include "frontend/data_info.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/checkpoint.h"

static json_t *write_floats(const float *values)
{
    return json_pack("[fff]", (double)values[0], (double)values[1], (double)values[2]);
}

char *nt_data_info_write(const struct nt_dataset_info *info)
{
    json_t *item = json_array(), *names = json_array();
    for (int i = 0; i < info->item.rank; i++)
        json_array_append_new(item, json_integer(info->item.dim[i]));
    for (int i = 0; info->class_names && i < info->classes; i++) {
        json_t *name = json_string(info->class_names[i]); /* NULL where it is not UTF-8 */
        json_array_append_new(names, name ? name : json_sprintf("%d", i));
    }
    json_t *json = json_pack("{ss so si so so so sf sb}", "kind", info->kind, "item", item,
        "classes", info->classes, "class_names", names, "mean", write_floats(info->mean),
        "deviation", write_floats(info->deviation), "crop", info->crop > 0 ? info->crop : 1.0,
        "bgr", info->bgr);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static void read_floats(const json_t *json, const char *key, float *values)
{
    const json_t *list = json_object_get(json, key);
    for (size_t i = 0; i < 3 && i < json_array_size(list); i++)
        values[i] = (float)json_number_value(json_array_get(list, i));
}

static bool read_names(const json_t *names, struct nt_data_info *out)
{
    size_t count = json_array_size(names);
    if (count == 0)
        return true;
    out->class_names = calloc(count, sizeof *out->class_names);
    for (size_t i = 0; out->class_names && i < count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        out->class_names[i] = strdup(name ? name : "");
        if (!out->class_names[i])
            return false;
        out->class_count = (int)i + 1;
    }
    return out->class_names != NULL;
}

enum nt_status nt_data_info_read(
    struct nt_context *ctx, const char *path, struct nt_data_info *out, bool *found)
{
    char *text = NULL;
    enum nt_status status = path ? nt_checkpoint_text(ctx, path, NT_CHECKPOINT_DATA, &text) : NT_OK;
    if (status != NT_OK)
        return status;
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    *out = (struct nt_data_info){.deviation = {1, 1, 1}, .crop = 1};
    *found = json_is_object(json);
    bool done = true;
    if (*found) {
        const char *kind = json_string_value(json_object_get(json, "kind"));
        snprintf(out->kind, sizeof out->kind, "%s", kind ? kind : "");
        read_floats(json, "mean", out->mean);
        read_floats(json, "deviation", out->deviation);
        double crop = json_number_value(json_object_get(json, "crop"));
        out->crop = crop > 0 && crop <= 1 ? crop : 1;
        out->bgr = json_is_true(json_object_get(json, "bgr"));
        done = read_names(json_object_get(json, "class_names"), out);
        if (out->class_count == 0)
            out->class_count = (int)json_integer_value(json_object_get(json, "classes"));
        for (int i = 0; i < 3; i++)
            if (!(out->deviation[i] > 0))
                out->deviation[i] = 1;
    }
    json_decref(json);
    if (done)
        return NT_OK;
    nt_data_info_finish(out);
    return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for its class names", path);
}

void nt_data_info_finish(struct nt_data_info *info)
{
    for (int i = 0; info->class_names && i < info->class_count; i++)
        free(info->class_names[i]);
    free(info->class_names);
    *info = (struct nt_data_info){0};
}
