/* SPDX-License-Identifier: MIT
 *
 * What neutra eval tells of captions: what a model says of the pictures, beside what is written.
 * The model's first output holds numbers of words.
 */
#ifndef NT_FRONTEND_CLI_EVAL_CAPTIONS_H
#define NT_FRONTEND_CLI_EVAL_CAPTIONS_H

#include <jansson.h>

#include "frontend/evaluate.h"

struct eval_captions;
struct eval_sheet;

/* NULL when memory is exhausted. The captions go onto the sheet too; NULL: there is none. */
struct eval_captions *eval_captions_create(
    struct nt_context *ctx, const struct nt_dataset *dataset, struct eval_sheet *sheet);
void eval_captions_destroy(struct eval_captions *captions);
void eval_captions_add(struct eval_captions *captions, const struct nt_prediction *p);

/* What went wrong while items were added. */
enum nt_status eval_captions_status(const struct eval_captions *captions);

void eval_captions_print(const struct eval_captions *captions, double loss);
void eval_captions_json(const struct eval_captions *captions, double loss, json_t *document);

/* The words before the first that is 0 (the end of a caption) or no word, as one text, which is
 * the caller's (free); NULL when memory is exhausted. */
char *eval_captions_text(const float *words, int count, const char *const *name, int names);

#endif
