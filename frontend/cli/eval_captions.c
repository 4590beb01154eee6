/* SPDX-License-Identifier: MIT */
#include "frontend/cli/eval_captions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/cli.h"
#include "frontend/cli/eval_sheet.h"

#define SHOWN 10 /* captions in the text; JSON has all */

struct eval_captions {
    struct nt_context *ctx;
    const struct nt_dataset *dataset;
    const struct nt_dataset_info *info;
    struct eval_sheet *sheet;
    float *written;
    int64_t items, same;
    json_t *list;
    enum nt_status status;
};

struct eval_captions *eval_captions_create(
    struct nt_context *ctx, const struct nt_dataset *dataset, struct eval_sheet *sheet)
{
    struct eval_captions *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->ctx = ctx;
    c->dataset = dataset;
    c->sheet = sheet;
    c->info = nt_dataset_get_info(dataset);
    c->written = calloc((size_t)nt_shape_count(&c->info->target) + 1, sizeof *c->written);
    c->list = json_array();
    if (c->written && c->list)
        return c;
    eval_captions_destroy(c);
    return NULL;
}

void eval_captions_destroy(struct eval_captions *c)
{
    if (!c)
        return;
    free(c->written);
    json_decref(c->list);
    free(c);
}

/* The number of a word, or 0. */
static int word(float value, int names)
{
    return value >= 1 && value < (float)names ? (int)value : 0;
}

char *eval_captions_text(const float *words, int count, const char *const *name, int names)
{
    size_t size = 1;
    int length = 0;
    for (; length < count && word(words[length], names); length++)
        size += strlen(name[word(words[length], names)]) + 1;
    char *text = calloc(size, 1), *to = text;
    for (int i = 0; text && i < length; i++)
        to += sprintf(to, "%s%s", i ? " " : "", name[word(words[i], names)]);
    return text;
}

void eval_captions_add(struct eval_captions *c, const struct nt_prediction *p)
{
    const int32_t *target = p->targets;
    int length = (int)nt_shape_count(&c->info->target);
    char path[4096];
    if (c->status != NT_OK)
        return;
    if (p->count != length) {
        c->status = nt_fail(c->ctx, NT_ERR_SHAPE,
            "eval: output of %d numbers: must be the %d words of a caption", p->count, length);
        return;
    }
    for (int i = 0; i < length; i++)
        c->written[i] = (float)target[i];
    char *truth = eval_captions_text(c->written, length, c->info->class_names, c->info->classes);
    char *text = eval_captions_text(p->scores, length, c->info->class_names, c->info->classes);
    nt_dataset_item_name(c->dataset, p->index, path, sizeof path);
    json_t *row = truth && text ? json_pack("{so ss ss}", "file", cli_json_text(path), "caption",
                                      text, "written", truth)
                                : NULL;
    if (row && json_array_append_new(c->list, row) == 0) {
        c->items++;
        c->same += strcmp(truth, text) == 0;
        if (c->sheet)
            eval_sheet_add_texts(c->sheet, p->index, truth, text);
    } else {
        c->status = nt_fail(c->ctx, NT_ERR_MEMORY, "eval: no memory for captions");
    }
    free(truth);
    free(text);
}

enum nt_status eval_captions_status(const struct eval_captions *c)
{
    return c->status;
}

static double share(const struct eval_captions *c)
{
    return c->items ? (double)c->same / (double)c->items : 0;
}

static const char *field(const json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

void eval_captions_print(const struct eval_captions *c, double loss)
{
    if (!isnan(loss))
        printf("perplexity of a word  %.4g\n", exp(loss));
    printf("as written  %.2f %%\n", 100 * share(c));
    for (size_t i = 0; i < SHOWN && i < json_array_size(c->list); i++) {
        const json_t *row = json_array_get(c->list, i);
        printf("\n%s\n  %s\n  written: %s\n", field(row, "file"), field(row, "caption"),
            field(row, "written"));
    }
}

void eval_captions_json(const struct eval_captions *c, double loss, json_t *document)
{
    json_object_set_new(document, "perplexity", isnan(loss) ? json_null() : json_real(exp(loss)));
    json_object_set_new(document, "as_written", json_real(share(c)));
    json_object_set(document, "captions", c->list);
}
