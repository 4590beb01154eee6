/* SPDX-License-Identifier: MIT */
#include "frontend/cli/eval_sheet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/sheet.h"

enum { MAX_ITEMS = 64, MAX_CAPTIONS = 16, NAME_SIZE = 64 };

struct eval_sheet {
    struct nt_context *ctx;
    const struct nt_dataset *dataset;
    struct nt_sheet_params params;
    int64_t every; /* one of so many items is shown */
    int count, most;
    enum nt_status status; /* of the first failure */
    struct nt_picture picture[MAX_ITEMS];
    struct nt_sheet_item item[MAX_ITEMS];
    char *truth[MAX_ITEMS], *predicted[MAX_ITEMS];
};

struct eval_sheet *eval_sheet_create(
    struct nt_context *ctx, const struct nt_dataset *dataset, bool captions)
{
    struct eval_sheet *sheet = calloc(1, sizeof *sheet);
    int64_t count = nt_dataset_get_info(dataset)->count;
    if (!sheet)
        return NULL;
    sheet->ctx = ctx;
    sheet->dataset = dataset;
    sheet->most = captions ? MAX_CAPTIONS : MAX_ITEMS;
    sheet->every = count > sheet->most ? count / sheet->most : 1;
    if (captions)
        sheet->params =
            (struct nt_sheet_params){.columns = 4, .picture_size = 224, .sentences = true};
    return sheet;
}

void eval_sheet_destroy(struct eval_sheet *sheet)
{
    if (!sheet)
        return;
    for (int i = 0; i < sheet->count; i++) {
        nt_picture_finish(&sheet->picture[i]);
        free(sheet->truth[i]);
        free(sheet->predicted[i]);
    }
    free(sheet);
}

static void class_name(const struct nt_dataset_info *info, int index, char *name)
{
    if (info->class_names && index < info->classes)
        snprintf(name, NAME_SIZE, "%s", info->class_names[index]);
    else
        snprintf(name, NAME_SIZE, "class %d", index);
}

static bool wants(const struct eval_sheet *sheet, int64_t index)
{
    return sheet->count < sheet->most && index % sheet->every == 0 && sheet->status == NT_OK;
}

/* truth NULL: unknown. */
static void add(struct eval_sheet *sheet, int64_t index, const char *truth, const char *predicted,
    double probability, bool right)
{
    int n = sheet->count;
    sheet->status = nt_dataset_picture(sheet->ctx, sheet->dataset, index, &sheet->picture[n]);
    if (sheet->status != NT_OK)
        return;
    sheet->count++;
    sheet->truth[n] = truth ? strdup(truth) : NULL;
    sheet->predicted[n] = strdup(predicted);
    if ((truth && !sheet->truth[n]) || !sheet->predicted[n])
        sheet->status = nt_fail(sheet->ctx, NT_ERR_MEMORY, "contact sheet: no memory");
    sheet->item[n] = (struct nt_sheet_item){
        &sheet->picture[n], sheet->truth[n], sheet->predicted[n], probability, right};
}

void eval_sheet_add(struct eval_sheet *sheet, const struct nt_prediction *p)
{
    char truth[NAME_SIZE], predicted[NAME_SIZE];
    int best = 0;
    if (!wants(sheet, p->index))
        return;
    double *probability = malloc(sizeof *probability * (size_t)p->count);
    if (!probability) {
        sheet->status = nt_fail(sheet->ctx, NT_ERR_MEMORY, "contact sheet: no memory");
        return;
    }
    nt_softmax_scores(p->count, p->scores, probability);
    for (int i = 1; i < p->count; i++)
        if (probability[i] > probability[best])
            best = i;
    const struct nt_dataset_info *info = nt_dataset_get_info(sheet->dataset);
    class_name(info, best, predicted);
    if (p->target >= 0)
        class_name(info, p->target, truth);
    add(sheet, p->index, p->target >= 0 ? truth : NULL, predicted, probability[best],
        best == p->target);
    free(probability);
}

void eval_sheet_add_texts(
    struct eval_sheet *sheet, int64_t index, const char *truth, const char *predicted)
{
    if (wants(sheet, index))
        add(sheet, index, truth, predicted, 1, strcmp(truth, predicted) == 0);
}

enum nt_status eval_sheet_write(struct eval_sheet *sheet, const char *path)
{
    if (sheet->status != NT_OK)
        return sheet->status;
    return nt_sheet_write(sheet->ctx, path, sheet->item, sheet->count, &sheet->params);
}
