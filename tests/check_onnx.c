/* SPDX-License-Identifier: MIT
 *
 * Models in the ONNX format, made here message by message: what they mean.
 */
#include "tests/onnx_raw.h"
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/graph.h"
#include "frontend/weights.h"

START_TEST(dense)
{
    float weight[6], bias[2], x[15], y[10];
    double want[10];
    test_fill(weight, 6);
    test_fill(bias, 2);
    test_fill(x, 15);
    onnx_raw_dense(weight, bias);
    test_ok(onnx_raw_load());
    ck_assert_int_eq(nt_model_input_count(onnx_raw.model), 1);
    ck_assert_str_eq(nt_model_get_input(onnx_raw.model, 0).name, "x");
    ck_assert_int_eq(nt_model_get_input(onnx_raw.model, 0).item_shape.rank, 1);
    ck_assert(!nt_model_get_input(onnx_raw.model, 0).whole);
    for (int n = 0; n < 5; n++)
        for (int o = 0; o < 2; o++) {
            double sum = (double)bias[o];
            for (int i = 0; i < 3; i++)
                sum += (double)x[n * 3 + i] * (double)weight[i * 2 + o];
            want[n * 2 + o] = sum > 0 ? sum : 0;
        }
    onnx_raw_run(5, (const void *[]){x}, y);
    test_close("dense", 10, y, want, 1e-5);
}
END_TEST

START_TEST(weights_start_from_the_file)
{
    float weight[6], bias[2], back[6];
    struct nt_weights *weights;
    test_fill(weight, 6);
    test_fill(bias, 2);
    onnx_raw_dense(weight, bias);
    test_ok(onnx_raw_load());
    test_ok(nt_weights_create(test_device(), onnx_raw.model, 1, 0, &weights));
    ck_assert_int_eq(nt_weights_count(weights), 2);
    int index = nt_weights_find(weights, "fc.weight");
    ck_assert_int_ge(index, 0);
    ck_assert(nt_weights_get(weights, index)->trained);
    test_ok(nt_weights_read(weights, index, back));
    ck_assert(memcmp(back, weight, sizeof weight) == 0);
    nt_weights_destroy(weights);
}
END_TEST

/* Half the channels of x: the extent is computed from x's shape. */
START_TEST(shape_arithmetic_is_folded)
{
    static int64_t one[] = {1}, none[1];
    int64_t axis = 1, zero = 0, two = 2, minus = -1;
    float x[2 * 6 * 4], y[2 * 2 * 12];
    onnx_raw_input("x", 1, 3, (int[]){-1, 6, 4});
    onnx_raw_tensor("axis", 7, 0, none, &axis, sizeof axis);
    onnx_raw_tensor("zero", 7, 0, none, &zero, sizeof zero);
    onnx_raw_tensor("two", 7, 1, one, &two, sizeof two);
    onnx_raw_tensor("minus", 7, 1, one, &minus, sizeof minus);
    onnx_raw_node("Shape", "x", "shape");
    onnx_raw_node("Gather", "shape zero", "n");
    onnx_raw_node("Unsqueeze", "n zero", "ns");
    int concat = onnx_raw_node("Concat", "ns two minus", "target");
    NtOnnx__AttributeProto *attribute = onnx_raw_attribute(concat, "axis");
    attribute->has_i = attribute->has_type = true;
    attribute->type = NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    attribute->i = 0;
    onnx_raw_node("Reshape", "x target", "y");
    onnx_raw_output("y");
    test_fill(x, 48);
    test_ok(onnx_raw_load());
    onnx_raw_run(2, (const void *[]){x}, y);
    ck_assert(memcmp(x, y, sizeof x) == 0);
    struct nt_graph *built;
    test_ok(nt_model_build(onnx_raw.model, 2, false, &built));
    ck_assert_int_eq(built->node_count, 1);
    nt_graph_destroy(built);
}
END_TEST

START_TEST(types_of_weights)
{
    static int64_t extents[] = {4};
    static const uint16_t half[] = {0x3c00, 0xc000, 0x3800, 0x7bff};
    static const double wide[] = {0.5, -1, 2, 1e-3};
    float x[4], y[4];
    double want[4];
    onnx_raw_input("x", 1, 1, (int[]){4});
    onnx_raw_tensor("half", 10, 1, extents, half, sizeof half);
    onnx_raw_tensor("wide", 11, 1, extents, wide, sizeof wide);
    onnx_raw_node("Mul", "x half", "t");
    onnx_raw_node("Add", "t wide", "y");
    onnx_raw_output("y");
    test_fill(x, 4);
    test_ok(onnx_raw_load());
    ck_assert(nt_model_get_input(onnx_raw.model, 0).whole);
    const double halves[] = {1, -2, 0.5, 65504};
    for (int i = 0; i < 4; i++)
        want[i] = (double)x[i] * halves[i] + wide[i];
    onnx_raw_run(1, (const void *[]){x}, y);
    test_close("types", 4, y, want, 1e-6);
}
END_TEST

START_TEST(integers_choose_elements)
{
    static int64_t extents[] = {3};
    static const int64_t index[] = {2, -1, 0};
    float x[10], y[6];
    onnx_raw_input("x", 1, 2, (int[]){5, 2});
    onnx_raw_tensor("index", 7, 1, extents, index, sizeof index);
    onnx_raw_node("Gather", "x index", "y");
    onnx_raw_output("y");
    test_fill(x, 10);
    test_ok(onnx_raw_load());
    onnx_raw_run(1, (const void *[]){x}, y);
    const int rows[] = {2, 4, 0};
    for (int i = 0; i < 3; i++)
        ck_assert(memcmp(y + 2 * i, x + 2 * rows[i], 2 * sizeof *x) == 0);
}
END_TEST

/* A node's, or its output's where it has none. */
START_TEST(nodes_keep_their_names)
{
    static int64_t extents[] = {2, 2, 3, 3};
    static const char *const names[] = {"first", "second", "y"};
    float weight[36];
    struct nt_graph *built;
    test_fill(weight, 36);
    onnx_raw_input("x", 1, 4, (int[]){1, 2, 9, 9});
    onnx_raw_tensor("w", 1, 4, extents, weight, sizeof weight);
    onnx_raw.nodes[onnx_raw_node("Conv", "x w", "t")].name = (char *)"first";
    onnx_raw.nodes[onnx_raw_node("Relu", "t", "u")].name = (char *)"second";
    onnx_raw_node("Conv", "u w", "y");
    onnx_raw_output("y");
    test_ok(onnx_raw_load());
    test_ok(nt_model_build(onnx_raw.model, 1, true, &built));
    ck_assert_int_eq(built->node_count, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(built->node[i]->name, names[i]);
    nt_graph_destroy(built);
}
END_TEST

START_TEST(large_integers)
{
    static int64_t extents[] = {2};
    static const int64_t index[] = {0, (int64_t)1 << 40};
    struct nt_weights *weights;
    onnx_raw_input("x", 1, 1, (int[]){4});
    onnx_raw_tensor("index", 7, 1, extents, index, sizeof index);
    onnx_raw_node("Gather", "x index", "y");
    onnx_raw_output("y");
    test_ok(onnx_raw_load());
    test_fails(nt_weights_create(test_device(), onnx_raw.model, 1, 0, &weights), NT_ERR_UNSUPPORTED,
        "tensor 'index': element 1 is 1099511627776: must fit in 32 bits");
}
END_TEST

START_TEST(open_extents_are_settings)
{
    static const char *const settings[] = {"N=7", "x.2=5"}, *const wrong[] = {"N=0"};
    onnx_raw_input("x", 1, 3, (int[]){2, -1, 0});
    onnx_raw_node("Relu", "x", "y");
    onnx_raw_output("y");
    test_ok(onnx_raw_load());
    ck_assert_int_eq(nt_model_setting_count(onnx_raw.model), 4); /* and loss, head */
    nt_model_destroy(onnx_raw.model);
    onnx_raw.model = NULL;
    test_ok(nt_model_load(test_context(), onnx_raw.path, 2, settings, &onnx_raw.model));
    const struct nt_shape want = {3, {2, 7, 5}};
    const struct nt_model_input input = nt_model_get_input(onnx_raw.model, 0);
    ck_assert(nt_shape_equal(&input.item_shape, &want));
    nt_model_destroy(onnx_raw.model);
    onnx_raw.model = NULL;
    test_fails(nt_model_load(test_context(), onnx_raw.path, 1, wrong, &onnx_raw.model),
        NT_ERR_ARGUMENT, "setting 'N': '0': must be an integer from 1 to 2147483647");
    /* A shape that does not fit because of them. */
    static int64_t three[] = {3};
    const float bias[3] = {1, 2, 3};
    onnx_raw_tensor("bias", 1, 1, three, bias, sizeof bias);
    onnx_raw_node("MatMul", "x bias", "z");
    onnx_raw.output_list[0]->name = (char *)"z";
    onnx_raw_refused(NT_ERR_SHAPE,
        ": node 'z': matmul: 2x1x1 times 3x1: inner extents must agree, batches must broadcast; "
        "extents that the file leaves open are 1 where no setting gives them: 'N' 'x.2'");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx");
    TCase *tests = tcase_create("onnx");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, onnx_raw_begin, onnx_raw_finish);
    tcase_add_test(tests, dense);
    tcase_add_test(tests, weights_start_from_the_file);
    tcase_add_test(tests, shape_arithmetic_is_folded);
    tcase_add_test(tests, types_of_weights);
    tcase_add_test(tests, integers_choose_elements);
    tcase_add_test(tests, nodes_keep_their_names);
    tcase_add_test(tests, large_integers);
    tcase_add_test(tests, open_extents_are_settings);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
