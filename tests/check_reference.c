/* SPDX-License-Identifier: MIT
 *
 * Every operator on random configurations against PyTorch: outputs, and gradients by parameters
 * and inputs. tests/reference/operators.py draws them anew at each run.
 */
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/session.h"
#include "tests/pytorch.h"

#define TOLERANCE 1e-4

static glob_t definitions;

struct run {
    struct nt_safetensors *file;
    struct nt_model *model;
    struct nt_weights *weights;
    struct nt_session *session;
};

static struct run open_run(const char *definition)
{
    struct run run = {0};
    char path[600];
    snprintf(path, sizeof path, "%.*s.safetensors", (int)strlen(definition) - 4, definition);
    test_ok(nt_safetensors_open(test_context(), path, &run.file));
    struct nt_session_params params = {.training = true, .gradients = true};
    params.batch = atoi(nt_safetensors_metadata(run.file, "batch"));
    test_ok(nt_model_load(test_context(), definition, 0, NULL, &run.model));
    test_ok(nt_weights_create(test_device(), run.model, 1, 1, &run.weights));
    test_ok(nt_weights_load(run.weights, path));
    test_ok(nt_session_create(test_device(), run.model, run.weights, &params, &run.session));
    return run;
}

static void close_run(struct run *run)
{
    nt_session_destroy(run->session);
    nt_weights_destroy(run->weights);
    nt_model_destroy(run->model);
    nt_safetensors_close(run->file);
}

static void feed(struct run *run)
{
    for (int i = 0; i < nt_session_input_count(run->session); i++) {
        struct nt_port port = nt_session_input(run->session, i);
        char name[160];
        snprintf(name, sizeof name, "input.%s", port.name);
        int index = nt_safetensors_find(run->file, name);
        ck_assert_msg(index >= 0, "the reference has no %s", name);
        const struct nt_safetensors_entry *entry = nt_safetensors_get(run->file, index);
        ck_assert_msg(
            nt_shape_equal(&entry->shape, &port.shape) && entry->dtype == port.dtype, "%s", name);
        void *data = malloc(port.bytes), *laid = malloc(port.bytes);
        test_ok(nt_safetensors_read(run->file, index, data));
        pytorch_lay_out(&port, data, laid);
        test_ok(nt_session_write(run->session, i, laid));
        free(data);
        free(laid);
    }
}

/* The only output is all results one after the other, in the order of the file. */
static void check_outputs(struct run *run)
{
    struct nt_port port = nt_session_output(run->session, 0);
    size_t all = (size_t)nt_shape_count(&port.shape), at = 0;
    float *got = malloc(port.bytes);
    memset(got, 0xff, port.bytes);
    test_ok(nt_session_read(run->session, 0, got));
    for (int i = 0; i < nt_safetensors_count(run->file); i++) {
        const struct nt_safetensors_entry *entry = nt_safetensors_get(run->file, i);
        size_t count = (size_t)nt_shape_count(&entry->shape);
        if (strncmp(entry->name, "output.", 7) != 0)
            continue;
        ck_assert_uint_le(at + count, all);
        pytorch_compare(run->file, entry->name, count, got + at, TOLERANCE);
        at += count;
    }
    ck_assert_uint_eq(at, all);
    free(got);
}

static void check_gradients(struct run *run)
{
    char name[160];
    for (int w = 0; w < nt_weights_count(run->weights); w++) {
        const struct nt_weight_info *info = nt_weights_get(run->weights, w);
        size_t count = (size_t)nt_shape_count(&info->shape);
        if (!info->trained)
            continue;
        float *got = malloc(count * sizeof *got);
        snprintf(name, sizeof name, "grad.%s", info->name);
        test_ok(nt_session_gradient(run->session, w, got));
        pytorch_compare(run->file, name, count, got, TOLERANCE);
        free(got);
    }
    for (int i = 0; i < nt_session_input_count(run->session); i++) {
        struct nt_port port = nt_session_input(run->session, i);
        if (port.dtype != NT_F32)
            continue;
        float *got = malloc(port.bytes);
        snprintf(name, sizeof name, "grad.%s", port.name);
        test_ok(nt_session_input_gradient(run->session, i, got));
        pytorch_compare(run->file, name, port.bytes / sizeof *got, got, TOLERANCE);
        free(got);
    }
}

/* Running statistics change in a step of training, here with a learning rate of 0. */
static void check_states(struct run *run)
{
    int states = 0;
    for (int w = 0; w < nt_weights_count(run->weights); w++)
        states += !nt_weights_get(run->weights, w)->trained;
    if (states == 0)
        return;
    struct nt_session_params params = {.training = true};
    struct nt_step_params step = {.step = 1};
    params.batch = nt_session_input(run->session, 0).shape.dim[0];
    nt_session_destroy(run->session);
    run->session = NULL;
    test_ok(nt_session_create(test_device(), run->model, run->weights, &params, &run->session));
    feed(run);
    test_ok(nt_session_run(run->session, &step));
    for (int w = 0; w < nt_weights_count(run->weights); w++) {
        const struct nt_weight_info *info = nt_weights_get(run->weights, w);
        size_t count = (size_t)nt_shape_count(&info->shape);
        char name[160];
        if (info->trained)
            continue;
        float *got = malloc(count * sizeof *got);
        snprintf(name, sizeof name, "state.%s", info->name);
        test_ok(nt_weights_read(run->weights, w, got));
        pytorch_compare(run->file, name, count, got, TOLERANCE);
        free(got);
    }
}

START_TEST(operators_as_pytorch)
{
    struct run run = open_run(definitions.gl_pathv[_i]);
    feed(&run);
    test_ok(nt_session_run(run.session, NULL));
    check_outputs(&run);
    check_gradients(&run);
    check_states(&run);
    close_run(&run);
}
END_TEST

START_TEST(no_pytorch)
{
    test_skip(pytorch_missing);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("reference");
    TCase *tcase = tcase_create("reference");
    char pattern[600];
    const char *folder = pytorch_run(argv[0], "operators.py", getenv("NT_SMALL") ? "5" : "20");
    const char *some = getenv("NT_CASES"); /* "pooling_*": only these */
    snprintf(pattern, sizeof pattern, "%s/%s.lua", folder ? folder : "", some ? some : "*");
    tcase_set_timeout(tcase, 0);
    if (folder && glob(pattern, 0, NULL, &definitions) == 0)
        tcase_add_loop_test(tcase, operators_as_pytorch, 0, (int)definitions.gl_pathc);
    else if (!folder)
        tcase_add_test(tcase, no_pytorch);
    suite_add_tcase(suite, tcase);
    int status = test_main(suite);
    if (folder)
        globfree(&definitions);
    return argc > 0 ? status : EXIT_FAILURE;
}
