/* SPDX-License-Identifier: MIT
 *
 * What train and eval do for models that come without a loss, and files of what was trained.
 */
#ifndef NT_FRONTEND_CLI_TASK_H
#define NT_FRONTEND_CLI_TASK_H

#include "frontend/cli/cli.h"

struct nt_dataset_info;

/* Turns --loss WORD and --head classes=N (NULL: not given) into settings of the model. -1, or the
 * exit status of wrong usage. */
int cli_take_task(struct cli *cli, const char *loss, const char *head);

/* Whether the model has no loss and the data tell one: cross_entropy for classes, mse_loss for
 * numbers that are to be learnt. Then it is set, and the model is to be loaded again. */
bool cli_fit_loss(
    struct cli *cli, const struct nt_model *model, const struct nt_dataset_info *info);

/* Whether the model's file has weights of its own. */
bool cli_has_weights(const struct cli *cli);

/* Writes the model with the weights of a training's folder, the best ones, as ONNX. */
enum nt_status cli_export(struct cli *cli, struct nt_device *dev, struct nt_model *model,
    const char *folder, bool fold, const char *path);

/* "model.onnx: 12 nodes, ..." */
struct nt_onnx_exported;
void cli_tell_export(struct cli *cli, const char *path, const struct nt_onnx_exported *made);

#endif
