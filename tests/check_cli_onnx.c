/* SPDX-License-Identifier: MIT
 *
 * The program as users call it with ONNX files.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/npy.h"
#include "tests/command.h"
#include "tests/fixture.h"
#include "tests/testing.h"
#include "tests/toy.h"

/* logits.npy of a folder and of another are equal. */
static void compare_logits(const char *one, const char *two)
{
    char path[1200];
    struct nt_npy a, b;
    snprintf(path, sizeof path, "%s/logits.npy", one);
    test_ok(nt_npy_read(test_context(), path, &a));
    snprintf(path, sizeof path, "%s/logits.npy", two);
    test_ok(nt_npy_read(test_context(), path, &b));
    ck_assert(nt_shape_equal(&a.shape, &b.shape));
    for (int64_t i = 0; i < nt_shape_count(&a.shape); i++)
        ck_assert_float_eq_tol(((float *)a.data)[i], ((float *)b.data)[i], 1e-5f);
    nt_npy_finish(&a);
    nt_npy_finish(&b);
}

START_TEST(convert)
{
    if (absent())
        return;
    char model[1100], x_path[1100], onnx[1100], weights[1100], one[1100], two[1100];
    snprintf(model, sizeof model, "%s", toy_definition("convert"));
    snprintf(x_path, sizeof x_path, "%s", fixture_path("convert-x.npy"));
    snprintf(onnx, sizeof onnx, "%s", fixture_path("convert.onnx"));
    snprintf(weights, sizeof weights, "%s", fixture_path("convert.safetensors"));
    snprintf(one, sizeof one, "%s", fixture_path("convert/one"));
    snprintf(two, sizeof two, "%s", fixture_path("convert/two"));
    const struct nt_shape shape = {4, {3, 1, 8, 8}};
    float x[3 * 64];
    test_fill(x, 3 * 64);
    test_ok(nt_npy_write(test_context(), x_path, NT_F32, &shape, x));
    expect(0, "initial weights", "convert %s %s --seed 5", model, weights);
    expect(0, "any batch (N)", "convert %s %s --weights %s", model, onnx, weights);
    expect(0, "", "convert %s %s --weights %s --json", model, onnx, weights);
    json_t *json = document();
    ck_assert(json_is_true(json_object_get(json, "batch_open")));
    ck_assert_int_gt(number(json, "nodes"), 3);
    json_decref(json);
    expect(0, "", "run %s --weights %s --input %s --output %s", model, weights, x_path, one);
    expect(0, "", "run %s --input %s --output %s", onnx, x_path, two);
    compare_logits(one, two);
    /* The weights of the file fit the definition. */
    expect(0, "tensors", "convert %s %s", onnx, weights);
    expect(0, "", "run %s --weights %s --input %s --output %s", model, weights, x_path, two);
    compare_logits(one, two);
    expect(1, "no-such-file", "convert no-such-file.onnx %s", onnx);
    expect(1, "folder /no-such-folder does not exist", "convert %s /no-such-folder/a.onnx", model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli_onnx");
    TCase *tests = tcase_create("cli_onnx");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, convert);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
