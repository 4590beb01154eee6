/* SPDX-License-Identifier: MIT */
#include "frontend/cli/eval_sheet.h"

#include <stdio.h>
#include <stdlib.h>

#include "frontend/sheet.h"

enum { MAX_ITEMS = 64, NAME_SIZE = 64 };

struct eval_sheet {
    struct nt_context *ctx;
    const struct nt_dataset *dataset;
    int64_t every; /* one of so many items is shown */
    int count;
    enum nt_status status; /* of the first failure */
    struct nt_picture picture[MAX_ITEMS];
    struct nt_sheet_item item[MAX_ITEMS];
    char truth[MAX_ITEMS][NAME_SIZE], predicted[MAX_ITEMS][NAME_SIZE];
};

struct eval_sheet *eval_sheet_create(struct nt_context *ctx, const struct nt_dataset *dataset)
{
    struct eval_sheet *sheet = calloc(1, sizeof *sheet);
    int64_t count = nt_dataset_get_info(dataset)->count;
    if (!sheet)
        return NULL;
    sheet->ctx = ctx;
    sheet->dataset = dataset;
    sheet->every = count > MAX_ITEMS ? count / MAX_ITEMS : 1;
    return sheet;
}

void eval_sheet_destroy(struct eval_sheet *sheet)
{
    if (!sheet)
        return;
    for (int i = 0; i < sheet->count; i++)
        nt_picture_finish(&sheet->picture[i]);
    free(sheet);
}

static void class_name(const struct nt_dataset_info *info, int index, char *name)
{
    if (info->class_names && index < info->classes)
        snprintf(name, NAME_SIZE, "%s", info->class_names[index]);
    else
        snprintf(name, NAME_SIZE, "class %d", index);
}

void eval_sheet_add(struct eval_sheet *sheet, const struct nt_prediction *p)
{
    int n = sheet->count, best = 0;
    if (n == MAX_ITEMS || p->index % sheet->every || sheet->status != NT_OK)
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
    sheet->status = nt_dataset_picture(sheet->ctx, sheet->dataset, p->index, &sheet->picture[n]);
    if (sheet->status == NT_OK) {
        class_name(info, best, sheet->predicted[n]);
        if (p->target >= 0)
            class_name(info, p->target, sheet->truth[n]);
        sheet->item[n] = (struct nt_sheet_item){.picture = &sheet->picture[n],
            .truth = p->target >= 0 ? sheet->truth[n] : NULL,
            .predicted = sheet->predicted[n],
            .probability = probability[best],
            .right = best == p->target};
        sheet->count++;
    }
    free(probability);
}

enum nt_status eval_sheet_write(struct eval_sheet *sheet, const char *path)
{
    if (sheet->status != NT_OK)
        return sheet->status;
    return nt_sheet_write(sheet->ctx, path, sheet->item, sheet->count, NULL);
}
