/* SPDX-License-Identifier: MIT */
#include "frontend/cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/data_info.h"

/* "0.5" or "0.485,0.456,0.406"; a single number stands for all three. */
static enum nt_status parse_triple(
    struct cli *cli, const char *option, const char *text, float values[3])
{
    const char *at = text;
    int count = 0;
    for (; count < 3; at++) {
        char *end;
        float value = strtof(at, &end);
        if (end == at || !isfinite(value) || (*end && *end != ','))
            break;
        values[count++] = value;
        at = end;
        if (!*end)
            break;
    }
    if ((count != 1 && count != 3) || *at)
        return nt_fail(cli->ctx, NT_ERR_ARGUMENT,
            "--%s: %s: must be a number or three of them: "
            "0.485,0.456,0.406",
            option, text);
    if (count == 1)
        values[1] = values[2] = values[0];
    return NT_OK;
}

/* "images:DIR": pictures come in the size of the model's input. */
static enum nt_status set_size(
    struct cli *cli, const struct nt_model *model, struct nt_dataset_params *params)
{
    if (strncmp(cli->data, "images:", 7) || nt_model_input_count(model) == 0)
        return NT_OK;
    struct nt_model_input input = nt_model_get_input(model, 0);
    const struct nt_shape *shape = &input.item_shape;
    char text[128];
    if (shape->rank != 3 || shape->dim[1] != shape->dim[2] ||
        (shape->dim[0] != 1 && shape->dim[0] != 3))
        return nt_fail(cli->ctx, NT_ERR_SHAPE,
            "input %s: %s: pictures need 1 or 3 channels and a square: 3x224x224", input.name,
            nt_shape_text(shape, text, sizeof text));
    params->channels = (int)shape->dim[0];
    params->image_size = (int)shape->dim[1];
    return NT_OK;
}

/* How the model takes items and targets, for data that have no size of their own. */
static void take_shapes(const struct nt_model *model, struct nt_dataset_params *params)
{
    if (nt_model_input_count(model) > 0) {
        params->item = nt_model_get_input(model, 0).item_shape;
        params->item_dtype = nt_model_get_input(model, 0).dtype;
    }
    if (nt_model_input_count(model) > 1)
        params->target = nt_model_get_input(model, 1).item_shape;
}

/* What the weights were trained with, where that was data of the same kind. */
static void take_trained(
    struct cli *cli, const struct nt_data_info *info, bool found, struct nt_dataset_params *params)
{
    size_t kind = strcspn(cli->data, ":");
    if (!found || strlen(info->kind) != kind || strncmp(cli->data, info->kind, kind))
        return;
    memcpy(params->mean, info->mean, sizeof info->mean);
    memcpy(params->deviation, info->deviation, sizeof info->deviation);
    params->bgr = info->bgr;
    params->class_count = info->class_count;
    params->class_names = (const char *const *)info->class_names;
}

static void exchange(float values[3])
{
    float first = values[0];
    values[0] = values[2];
    values[2] = first;
}

enum nt_status cli_take_normalisation(
    struct cli *cli, float mean[3], float deviation[3], bool *bgr, bool *given)
{
    bool scaled = !isnan(cli->scale), ordered = cli->channels != CLI_UNSET_CHOICE;
    float m[3] = {0}, d[3] = {1, 1, 1};
    enum nt_status status = NT_OK;
    *given = scaled || cli->mean || cli->deviation;
    if (!scaled && !cli->mean != !cli->deviation)
        return nt_fail(cli->ctx, NT_ERR_ARGUMENT, "--mean and --std: must be given together");
    if (cli->mean)
        status = parse_triple(cli, "mean", cli->mean, m);
    if (cli->deviation && status == NT_OK)
        status = parse_triple(cli, "std", cli->deviation, d);
    double unit = scaled ? 255 * cli->scale : 1; /* what a byte of 255 becomes */
    if (ordered)
        *bgr = cli->channels == 1;
    if (*bgr) {
        exchange(m);
        exchange(d);
    }
    for (int i = 0; status == NT_OK && *given && i < 3; i++) {
        if (!(d[i] > 0))
            return nt_fail(cli->ctx, NT_ERR_ARGUMENT, "--std: %s: must be above 0", cli->deviation);
        mean[i] = (float)(m[i] / unit);
        deviation[i] = (float)(d[i] / unit);
    }
    return status;
}

int cli_check_normalisation(struct cli *cli)
{
    float mean[3], deviation[3];
    bool bgr = false, given;
    if (cli_take_normalisation(cli, mean, deviation, &bgr, &given) == NT_OK)
        return -1;
    return cli_usage(cli, "%s", nt_error_message(cli->ctx));
}

enum nt_status cli_open_data(struct cli *cli, const struct nt_model *model, const char *weights,
    const struct nt_dataset_params *params, struct nt_dataset **out)
{
    struct nt_dataset_params p = *params;
    struct nt_data_info trained;
    bool found, given;
    p.data_dir = cli->data_dir;
    enum nt_status status = nt_data_info_read(cli->ctx, weights, &trained, &found);
    if (status != NT_OK)
        return status;
    take_trained(cli, &trained, found, &p);
    take_shapes(model, &p);
    status = set_size(cli, model, &p);
    if (status == NT_OK)
        status = cli_take_normalisation(cli, p.mean, p.deviation, &p.bgr, &given);
    if (cli->size != CLI_UNSET_INT)
        p.resize = (int)cli->size;
    if (status == NT_OK)
        status = nt_dataset_open(cli->ctx, cli->data, &p, out);
    nt_data_info_finish(&trained);
    return status;
}
