/* SPDX-License-Identifier: MIT
 *
 * What PyTorch exports as ONNX (tests/reference/onnx_export.py) gives here what it gives there,
 * within 1e-4 of the largest number. $NT_ONNX_NETWORKS: all, or names; a small set without.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/npy.h"
#include "frontend/port.h"
#include "frontend/weights.h"
#include "tests/pytorch.h"

static const char *folder;

static struct nt_npy read_array(const char *stem, const char *what, const char *name)
{
    char path[700];
    struct nt_npy npy;
    snprintf(path, sizeof path, "%s/%s.%s.%s.npy", folder, stem, what, name);
    test_ok(nt_npy_read(test_context(), path, &npy));
    return npy;
}

static void compare_output(struct nt_session *session, int output, const char *stem)
{
    char what[256];
    struct nt_port port = nt_session_output(session, output);
    struct nt_npy want = read_array(stem, "out", port.name);
    size_t count = port.bytes / sizeof(float);
    float *got = malloc(port.bytes);
    double *wanted = malloc(count * sizeof *wanted);
    snprintf(what, sizeof what, "%s: %s", stem, port.name);
    ck_assert_msg(nt_shape_equal(&want.shape, &port.shape), "%s: is of another shape", what);
    memset(got, 0xff, port.bytes);
    test_ok(nt_session_read(session, output, got));
    for (size_t i = 0; i < count; i++)
        wanted[i] = ((float *)want.data)[i];
    test_close(what, count, got, wanted, 1e-4);
    free(got);
    free(wanted);
    nt_npy_finish(&want);
}

static void run_file(const char *stem)
{
    char path[700];
    struct nt_model *model;
    struct nt_weights *weights;
    struct nt_session *session;
    struct nt_npy x = read_array(stem, "in", "x");
    snprintf(path, sizeof path, "%s/%s.onnx", folder, stem);
    test_ok(nt_model_load(test_context(), path, 0, NULL, &model));
    struct nt_model_input input = nt_model_get_input(model, 0);
    const struct nt_session_params params = {.batch = input.whole ? 1 : x.shape.dim[0]};
    test_ok(nt_weights_create(test_device(), model, 1, 0, &weights));
    test_ok(nt_session_create(test_device(), model, weights, &params, &session));
    struct nt_port port = nt_session_input(session, 0);
    ck_assert_msg(nt_shape_equal(&port.shape, &x.shape), "%s: input of another shape", stem);
    void *packed = malloc(port.bytes);
    nt_port_pack(&port, x.data, packed);
    test_ok(nt_session_write(session, 0, packed));
    test_ok(nt_session_run(session, NULL));
    for (int i = 0; i < nt_session_output_count(session); i++)
        compare_output(session, i, stem);
    free(packed);
    nt_npy_finish(&x);
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(model);
    unlink(path); /* large; kept when the test fails */
}

#define MAX_FILES 400
static char *stems[MAX_FILES];
static int stem_count;

static void list_files(void)
{
    DIR *dir = folder ? opendir(folder) : NULL;
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) && stem_count < MAX_FILES) {
        char *end = strstr(entry->d_name, ".onnx");
        if (end && !end[5])
            stems[stem_count++] = strndup(entry->d_name, (size_t)(end - entry->d_name));
    }
    if (dir)
        closedir(dir);
}

START_TEST(as_pytorch)
{
    run_file(stems[_i]);
}
END_TEST

START_TEST(enough_files)
{
    if (!folder) {
        test_skip(pytorch_missing);
        return;
    }
    ck_assert_int_gt(stem_count, getenv("NT_ONNX_NETWORKS") ? 0 : 25);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("onnx_pytorch");
    TCase *tests = tcase_create("onnx_pytorch");
    const char *networks = getenv("NT_ONNX_NETWORKS");
    folder = pytorch_run(argv[0], "onnx_export.py", networks ? networks : "small");
    list_files();
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, enough_files);
    tcase_add_loop_test(tests, as_pytorch, 0, stem_count);
    suite_add_tcase(suite, tests);
    int status = argc > 0 ? test_main(suite) : EXIT_FAILURE;
    for (int i = 0; i < stem_count; i++)
        free(stems[i]);
    return status;
}
