/* SPDX-License-Identifier: MIT
 *
 * A picture of what a classifier of points in the plane takes each place for.
 */
#ifndef NT_FRONTEND_CLI_EVAL_REGIONS_H
#define NT_FRONTEND_CLI_EVAL_REGIONS_H

#include "frontend/dataset.h"
#include "frontend/weights.h"

/* Colours by class, pale where the model is unsure; the points of the dataset on top. */
enum nt_status eval_regions(struct nt_device *dev, struct nt_model *model,
    struct nt_weights *weights, const struct nt_dataset *dataset, const char *path);

#endif
