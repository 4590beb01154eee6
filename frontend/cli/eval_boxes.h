/* SPDX-License-Identifier: MIT
 *
 * How well a detector finds the boxes of objects, and a sheet of pictures with what it found. The
 * model's first output holds rows of class (-1: none), score, x1, y1, x2, y2.
 */
#ifndef NT_FRONTEND_CLI_EVAL_BOXES_H
#define NT_FRONTEND_CLI_EVAL_BOXES_H

#include <jansson.h>

#include "frontend/evaluate.h"

struct eval_boxes;

/* sheet: whether one is drawn. NULL after a failure. */
struct eval_boxes *eval_boxes_create(
    struct nt_context *ctx, const struct nt_dataset *dataset, bool sheet);
void eval_boxes_destroy(struct eval_boxes *boxes);
void eval_boxes_add(struct eval_boxes *boxes, const struct nt_prediction *p);

/* What went wrong while items were added. */
enum nt_status eval_boxes_status(const struct eval_boxes *boxes);

void eval_boxes_print(struct eval_boxes *boxes);
void eval_boxes_json(struct eval_boxes *boxes, json_t *json);
enum nt_status eval_boxes_write(struct eval_boxes *boxes, const char *path);

#endif
