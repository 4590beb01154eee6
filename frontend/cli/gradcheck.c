/* SPDX-License-Identifier: MIT */
#include "frontend/cli/cli.h"

#include <math.h>
#include <stdlib.h>

#include "frontend/gradcheck.h"

struct options {
    int64_t batch, seed;
    double tolerance;
};

static const struct cli_option options[] = {
    {"batch", CLI_INT, offsetof(struct options, batch), "N", "items per batch (default 2)", 1, 1e6},
    {"seed", CLI_INT, offsetof(struct options, seed), "N",
        "of weights, data and directions (default 1)", 0, 9e18},
    {"tolerance", CLI_REAL, offsetof(struct options, tolerance), "R",
        "largest relative error that passes (default 0.01)", 1e-6, 1},
    {0},
};

static json_t *describe(const struct nt_gradcheck_result *result)
{
    json_t *shape = json_array();
    for (int i = 0; i < result->shape.rank; i++)
        json_array_append_new(shape, json_integer(result->shape.dim[i]));
    return json_pack("{so ss so ss sf si si}", "name", cli_json_text(result->name), "kind",
        result->input ? "input" : "parameter", "shape", shape, "verdict",
        nt_gradcheck_word(result->verdict), "max_relative_error", result->error, "directions",
        result->checked, "passed_over", result->passed_over);
}

static void print_table(const struct nt_gradcheck_result *results, int count)
{
    static const char *const heads[] = {
        "tensor", "shape", "max relative error", "directions", "passed over", "verdict"};
    struct cli_table *table = cli_table_create("llrrrl", heads);
    for (int i = 0; i < count; i++) {
        char shape[128];
        cli_table_cell(table, "%s", results[i].name);
        cli_table_cell(table, "%s", nt_shape_text(&results[i].shape, shape, sizeof shape));
        cli_table_cell(table, "%.1e", results[i].error);
        cli_table_cell(table, "%d", results[i].checked);
        cli_table_cell(table, "%d", results[i].passed_over);
        cli_table_cell(table, "%s", nt_gradcheck_word(results[i].verdict));
    }
    cli_table_print(table);
}

static int print(struct cli *cli, const struct nt_model *model,
    const struct nt_gradcheck_result *results, int count)
{
    int bad = 0;
    for (int i = 0; i < count; i++)
        bad += results[i].verdict != NT_GRADCHECK_OK;
    if (cli->json) {
        json_t *list = json_array();
        for (int i = 0; i < count; i++)
            json_array_append_new(list, describe(&results[i]));
        cli_print_json(cli, json_pack("{ss sb so}", "model", nt_model_name(model), "passed",
                                bad == 0, "tensors", list));
    } else {
        print_table(results, count);
        if (!bad)
            printf("\nall %d gradients agree with central differences\n", count);
    }
    if (bad)
        fprintf(stderr, "neutra: %s: %d of %d gradients do not agree with central differences\n",
            nt_model_name(model), bad, count);
    return bad ? CLI_FAILED : CLI_DONE;
}

static int run(struct cli *cli, void *fields)
{
    const struct options *o = fields;
    struct nt_gradcheck_params params = {
        .batch = o->batch == CLI_UNSET_INT ? 0 : o->batch,
        .seed = o->seed == CLI_UNSET_INT ? 1 : (uint64_t)o->seed,
        .tolerance = isnan(o->tolerance) ? 0 : o->tolerance,
    };
    struct nt_model *model = NULL;
    struct nt_device *dev = NULL;
    struct nt_gradcheck_result *results;
    int count, result;
    enum nt_status status = cli_load_model(cli, NULL, &model);
    if (status == NT_OK)
        status = cli_open_device(cli, &dev);
    if (status == NT_OK)
        status = nt_gradcheck(dev, model, &params, &results, &count);
    if (status == NT_OK) {
        result = print(cli, model, results, count);
        free(results);
    } else {
        result = cli_fail(cli, status);
    }
    cli_close_device(cli, dev);
    nt_model_destroy(model);
    return result;
}

const struct cli_command cli_gradcheck = {
    .name = "gradcheck",
    .arguments = "MODEL [OPTION]...",
    .summary = "Compare every gradient of a model with central differences.",
    .details = "Each parameter and float input is moved along several directions. A direction\n"
               "with a kink (ReLU, maximum) or too flat for float32 is passed over and counted.\n"
               "Exit status 1 when a gradient is wrong or none of its directions could be\n"
               "judged.",
    .shared = CLI_HAS_MODEL | CLI_HAS_DEVICE | CLI_HAS_PROFILE | CLI_HAS_JSON,
    .options = options,
    .options_size = sizeof(struct options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
