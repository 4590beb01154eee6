/* SPDX-License-Identifier: MIT */
#include "frontend/cli/task.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/dataset.h"
#include "frontend/file.h"
#include "frontend/onnx/export.h"
#include "frontend/weights.h"

static bool ends_in(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && strcmp(path + length - tail, ending) == 0;
}

bool cli_has_weights(const struct cli *cli)
{
    return ends_in(cli->arguments[0], ".onnx");
}

/* Settings are borrowed: these live as long as the program. */
static bool add_setting(struct cli *cli, const char *name, const char *value)
{
    static char pairs[2][128];
    static int count;
    char *pair = pairs[count++ % 2];
    int length = snprintf(pair, sizeof pairs[0], "%s=%s", name, value);
    return length < (int)sizeof pairs[0] && cli_add_setting(cli, pair);
}

int cli_take_task(struct cli *cli, const char *loss, const char *head)
{
    static const char classes[] = "classes=";
    if ((loss || head) && !cli_has_weights(cli))
        return cli_usage(
            cli, "--%s: is for ONNX files: a definition says it itself", loss ? "loss" : "head");
    if (head && strncmp(head, classes, strlen(classes)) != 0)
        return cli_usage(cli, "--head: %s: must be classes=N", head);
    if ((loss && !add_setting(cli, "loss", loss)) ||
        (head && !add_setting(cli, "head", head + strlen(classes))))
        return cli_usage(cli, "--loss, --head: too long");
    return -1;
}

bool cli_fit_loss(struct cli *cli, const struct nt_model *model, const struct nt_dataset_info *info)
{
    if (!cli_has_weights(cli) || cli_is_set(cli, "loss") || info->box_classes > 0)
        return false;
    bool classes = info->classes > 0;
    for (int i = 0; i < nt_model_setting_count(model); i++) {
        struct nt_setting setting = nt_model_setting(model, i);
        if (strcmp(setting.name, "loss") == 0 && strcmp(setting.value, "none") == 0) {
            const char *pair = classes ? "loss=cross_entropy" : "loss=mse_loss";
            cli_note(cli, "%s, as the data have %s", pair, classes ? "classes" : "numbers");
            return cli_add_setting(cli, pair);
        }
    }
    return false;
}

void cli_tell_export(struct cli *cli, const char *path, const struct nt_onnx_exported *made)
{
    char text[32];
    cli_note(cli, "%s: %d nodes, %d initializers, %s, %s", path, made->nodes, made->initializers,
        nt_bytes_text((double)made->bytes, text, sizeof text),
        made->batch_open ? "any batch (N)" : "a batch of 1");
}

enum nt_status cli_export(struct cli *cli, struct nt_device *dev, struct nt_model *model,
    const char *folder, bool fold, const char *path)
{
    const struct nt_onnx_export_params params = {.fold_batch_norm = fold, .version = NT_VERSION};
    struct nt_onnx_exported made;
    struct nt_weights *weights = NULL;
    char file[4200];
    enum nt_status status = nt_file_join(cli->ctx, file, sizeof file, folder, "best.safetensors");
    if (status == NT_OK && access(file, R_OK) != 0)
        status = nt_file_join(cli->ctx, file, sizeof file, folder, "last.safetensors");
    if (status == NT_OK)
        status = nt_weights_create(dev, model, 1, 0, &weights);
    if (status == NT_OK)
        status = nt_weights_load(weights, file);
    if (status == NT_OK)
        status = nt_onnx_export(model, weights, &params, path, &made);
    if (status == NT_OK)
        cli_tell_export(cli, path, &made);
    nt_weights_destroy(weights);
    return status;
}
