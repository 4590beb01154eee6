/* SPDX-License-Identifier: MIT
 *
 * The contact sheet of `neutra eval --sheet`: items spread evenly over the data, as pictures with
 * their true and predicted classes or captions.
 */
#ifndef NT_FRONTEND_CLI_EVAL_SHEET_H
#define NT_FRONTEND_CLI_EVAL_SHEET_H

#include "frontend/evaluate.h"

struct eval_sheet;

/* NULL when memory is exhausted. dataset is borrowed. captions: larger pictures, fewer of them,
 * with texts of any length. */
struct eval_sheet *eval_sheet_create(
    struct nt_context *ctx, const struct nt_dataset *dataset, bool captions);
void eval_sheet_destroy(struct eval_sheet *sheet);

/* Takes an item's result when the item is one of the sheet's. */
void eval_sheet_add(struct eval_sheet *sheet, const struct nt_prediction *prediction);

/* The same of texts, which are copied. */
void eval_sheet_add_texts(
    struct eval_sheet *sheet, int64_t index, const char *truth, const char *predicted);

/* Fails with what the first picture that could not be had said, or the file. */
enum nt_status eval_sheet_write(struct eval_sheet *sheet, const char *path);

#endif
