/* SPDX-License-Identifier: MIT */
#include "frontend/cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/device.h"
#include "frontend/file.h"
#include "frontend/onnx/case.h"

#define MAX_DEPTH 4

struct options {
    const char *filter;
    double rtol, atol;
};

static const struct cli_option options[] = {
    {"filter", CLI_TEXT, offsetof(struct options, filter), "WORD",
        "only cases with the word in their folder's name"},
    {"rtol", CLI_REAL, offsetof(struct options, rtol), "R",
        "relative tolerance of floats (default 0.001)", 0, 1},
    {"atol", CLI_REAL, offsetof(struct options, atol), "R",
        "absolute tolerance, added to it (default 1e-7)", 0, 1},
    {0},
};

struct test {
    struct cli *cli;
    const struct options *options;
    struct nt_onnx_tolerance tolerance;
    struct nt_device *dev;
    json_t *cases;
    int count[3];
};

static const char *const verdicts[] = {"pass", "fail", "skip"};

/* A folder, or a file with its outputs beside it. */
static enum nt_status run_case(struct test *test, const char *folder)
{
    struct nt_onnx_result result;
    const char *slash = strrchr(folder, '/'), *word = test->options->filter;
    if (word && !strstr(slash ? slash : folder, word))
        return NT_OK;
    enum nt_status status =
        nt_file_is_folder(folder)
            ? nt_onnx_case_run(test->dev, folder, test->tolerance, &result)
            : nt_onnx_case_run_file(test->dev, folder, test->tolerance, &result);
    if (status != NT_OK)
        return status;
    test->count[result.verdict]++;
    bool compared = result.verdict != NT_ONNX_SKIP && isfinite(result.error);
    if (!test->cli->json) {
        if (result.verdict == NT_ONNX_PASS)
            printf("pass  %s  %.0f ULP\n", folder, result.ulp);
        else
            printf("%s  %s  %s\n", verdicts[result.verdict], folder, result.reason);
        fflush(stdout);
    }
    json_array_append_new(
        test->cases, json_pack("{so ss so so so}", "case", cli_json_text(folder), "verdict",
                         verdicts[result.verdict], "reason", cli_json_text(result.reason),
                         "max_ulp", compared ? json_real(result.ulp) : json_null(), "max_error",
                         compared ? json_real(result.error) : json_null()));
    return NT_OK;
}

/* A case, or the cases below a folder. */
static enum nt_status walk(struct test *test, const char *folder, int depth)
{
    struct dirent **list;
    enum nt_status status = NT_OK;
    if (cli_stop)
        return nt_fail(test->cli->ctx, NT_ERR_INTERRUPTED, "stopped");
    if (nt_onnx_case_is(folder))
        return run_case(test, folder);
    int count = depth < MAX_DEPTH ? scandir(folder, &list, NULL, alphasort) : 0;
    if (count < 0)
        return nt_fail(test->cli->ctx, NT_ERR_FILE, "%s: cannot open: %s", folder, strerror(errno));
    for (int i = 0; i < count; i++) {
        char path[4096];
        if (status == NT_OK && list[i]->d_name[0] != '.') {
            status = nt_file_join(test->cli->ctx, path, sizeof path, folder, list[i]->d_name);
            if (status == NT_OK && nt_file_is_folder(path))
                status = walk(test, path, depth + 1);
            else if (status == NT_OK && nt_onnx_case_is_file(path))
                status = run_case(test, path);
        }
        free(list[i]);
    }
    if (depth < MAX_DEPTH)
        free(list);
    return status;
}

static int report(struct test *test)
{
    int passed = test->count[NT_ONNX_PASS], failed = test->count[NT_ONNX_FAIL];
    int skipped = test->count[NT_ONNX_SKIP];
    if (test->cli->json)
        cli_print_json(test->cli,
            json_pack("{ss si si si sO}", "device", nt_device_get_info(test->dev)->name, "passed",
                passed, "failed", failed, "skipped", skipped, "cases", test->cases));
    else
        printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed ? CLI_FAILED : CLI_DONE;
}

static int run(struct cli *cli, void *fields)
{
    const struct options *o = fields;
    struct test test = {.cli = cli, .options = o, .cases = json_array()};
    test.tolerance.relative = isnan(o->rtol) ? 1e-3 : o->rtol;
    test.tolerance.absolute = isnan(o->atol) ? 1e-7 : o->atol;
    cli_catch_signals();
    enum nt_status status = cli_open_device(cli, &test.dev);
    for (int i = 0; status == NT_OK && i < cli->argument_count; i++)
        status = walk(&test, cli->arguments[i], 0);
    if (status == NT_OK && test.count[0] + test.count[1] + test.count[2] == 0)
        status = nt_fail(cli->ctx, NT_ERR_FILE,
            "%s: holds no case: a folder with a .onnx file and "
            "test_data_set_* folders",
            cli->arguments[0]);
    int code = status == NT_OK ? report(&test) : cli_fail(cli, status);
    json_decref(test.cases);
    cli_close_device(cli, test.dev);
    return code;
}

const struct cli_command cli_onnx_test = {
    .name = "onnx-test",
    .arguments = "DIR... [OPTION]...",
    .summary = "Run ONNX conformance cases, folders of models and arrays.",
    .details = "A case is a folder of model.onnx and test_data_set_*, or NAME.onnx with\n"
               "NAME_output_0.pb beside it, whose input counts up from 0 to 1.\n"
               "Each case passes, fails or is skipped, with the reason: what is not offered is\n"
               "skipped. ULP: the largest distance to the expected output, in float32 numbers.",
    .shared = CLI_HAS_DEVICE | CLI_HAS_JSON,
    .options = options,
    .options_size = sizeof(struct options),
    .min_arguments = 1,
    .max_arguments = 1000,
    .run = run,
};
