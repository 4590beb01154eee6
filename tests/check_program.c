/* SPDX-License-Identifier: MIT */
#include "engine/program.h"
#include "tests/kernels.h"
#include "tests/testing.h"

#include <string.h>

#define COUNT 8
#define KERNEL(entry, body)                                                                        \
    "#include \"prelude.clh\"\n"                                                                   \
    "NT_KERNEL(" entry ")(__global const int *x, __global int *y, int count)\n"                    \
    "{\n    int i = get_global_id(0);\n    " body "\n}\n"

static struct nt_tape *tape;
static int32_t in, out;

static void start(void)
{
    test_ok(nt_tape_create(test_device(), &tape));
    in = nt_tape_buffer(tape, NT_BUFFER_KEPT, COUNT * sizeof(int32_t), "in");
    out = nt_tape_buffer(tape, NT_BUFFER_KEPT, COUNT * sizeof(int32_t), "out");
}

static void finish(void)
{
    nt_tape_destroy(tape);
}

static enum nt_status launch(const char *stem, const char *entry)
{
    return test_launch(tape, stem, entry, in, out, COUNT);
}

/* Runs the tape; every element of the output must have the value. */
static void expect(int32_t value)
{
    int32_t y[COUNT];
    test_ok(nt_tape_build(tape));
    test_ok(nt_tape_run(tape));
    test_ok(nt_tape_read(tape, out, 0, y, sizeof y));
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(y[i], value);
}

START_TEST(a_failing_unit_is_named)
{
    const struct nt_device_info *info = nt_device_get_info(test_device());
    test_kernel_file("good.cl", KERNEL("good", "y[i] = NT_TEST;"));
    test_kernel_file("broken.cl", KERNEL("broken", "y[i] = no_such_name;"));
    start();
    test_ok(launch("good", "good"));
    test_ok(launch("broken", "broken"));
    test_fails(nt_tape_build(tape), NT_ERR_COMPILE, "broken.cl: kernel broken");
    const char *message = nt_error_message(test_context());
    ck_assert_ptr_nonnull(strstr(message, info->name));
    ck_assert_ptr_nonnull(strstr(message, info->driver));
    ck_assert_ptr_nonnull(strstr(message, "NT_TEST 7"));
    ck_assert_ptr_nonnull(strstr(message, "no_such_name"));
    test_fails(nt_tape_build(tape), NT_ERR_COMPILE, "broken.cl");
    finish();
}
END_TEST

START_TEST(missing_things_are_named)
{
    test_kernel_file("lonely.cl", "#include \"nowhere.clh\"\n" KERNEL("lonely", "y[i] = 1;"));
    test_kernel_file("round.clh", "#include \"about.clh\"\n");
    test_kernel_file("about.clh", "#include \"round.clh\"\n");
    test_kernel_file("circle.cl", "#include \"round.clh\"\n" KERNEL("circle", "y[i] = 1;"));
    test_kernel_file("good.cl", KERNEL("good", "y[i] = NT_TEST;"));
    start();
    test_fails(launch("absent", "absent"), NT_ERR_COMPILE, "\"absent.cl\"");
    test_fails(launch("lonely", "lonely"), NT_ERR_COMPILE, "lonely.cl: kernel source \"nowhere");
    test_fails(launch("circle", "circle"), NT_ERR_COMPILE, "includes itself");
    nt_tape_label(tape, "fc1");
    test_ok(launch("good", "better"));
    test_fails(nt_tape_build(tape), NT_ERR_COMPILE, "fc1: good.cl: there is no kernel better");
    finish();
}
END_TEST

START_TEST(units_do_not_see_each_others_macros)
{
    test_kernel_file("one.cl", "#define FACTOR 2\n#define TWICE(x) (FACTOR * (x))\n" KERNEL(
                                   "one", "y[i] = TWICE(NT_TEST);"));
    test_kernel_file(
        "two.cl", KERNEL("two", "int v = y[i];\n#ifdef FACTOR\n    v = -100;\n#endif\n"
                                "#ifdef NT_EXTRA\n    v = -200;\n#endif\n    y[i] = v + 1;"));
    start();
    test_ok(launch("one", "one"));
    struct nt_launch l;
    nt_launch_init(&l, tape, "one", "one", "test", "");
    nt_launch_text(&l, "#define NT_EXTRA(a) (a)\n");
    nt_launch_define(&l, "NT_TEST", "NT_EXTRA(%d)", 20);
    nt_launch_buffer(&l, in, NT_ACCESS_READ);
    nt_launch_buffer(&l, out, NT_ACCESS_WRITE);
    nt_launch_int(&l, COUNT);
    nt_launch_grid(&l, 1, (size_t[]){COUNT}, NULL);
    test_ok(nt_launch_append(&l));
    test_ok(launch("two", "two"));
    expect(41);
    struct nt_plan_info info;
    test_ok(nt_tape_plan(tape, &info));
    ck_assert_int_eq(info.kernels, 3);
    finish();
}
END_TEST

START_TEST(includes_are_read_once)
{
    test_kernel_file(
        "shared.clh", "#include \"prelude.clh\"\nstatic int shared_five(void) { return 5; }\n");
    test_kernel_file("left.cl", "#include \"shared.clh\"\n" KERNEL("left", "y[i] = 10;"));
    test_kernel_file(
        "right.cl", "  #  include \"shared.clh\"\n" KERNEL("right", "y[i] += shared_five();"));
    start();
    test_ok(launch("left", "left"));
    test_ok(launch("right", "right"));
    expect(15);
    finish();
}
END_TEST

START_TEST(units_that_clash_are_built_apart)
{
    test_kernel_file(
        "clash1.cl", "int plain(void) { return 1; }\n" KERNEL("c1", "y[i] = plain();"));
    test_kernel_file(
        "clash2.cl", "int plain(void) { return 2; }\n" KERNEL("c2", "y[i] += plain();"));
    start();
    test_ok(launch("clash1", "c1"));
    test_ok(launch("clash2", "c2"));
    expect(3);
    finish();
}
END_TEST

START_TEST(equal_units_are_one)
{
    struct nt_device *dev = test_device();
    struct nt_unit *a, *b, *c;
    test_ok(nt_unit_get(dev, "affine", "#define NT_B 1\n", &a));
    test_ok(nt_unit_get(dev, "affine", "#define NT_B 1\n", &b));
    test_ok(nt_unit_get(dev, "affine", "#define NT_B 2\n", &c));
    ck_assert_ptr_eq(a, b);
    ck_assert_ptr_ne(a, c);
    ck_assert_str_ne(a->name, c->name);
    struct nt_kernel_request requests[] = {{a, "affine"}, {c, "affine"}};
    test_ok(nt_program_build(dev, 2, requests));
    ck_assert_ptr_eq(a->program, c->program);
}
END_TEST

START_TEST(nan_and_infinity_stay)
{
    test_kernel_file("special.cl",
        "#include \"prelude.clh\"\n"
        "NT_KERNEL(special)(__global const float *x, __global int *y, int count)\n"
        "{\n"
        "    float v = x[get_global_id(0)];\n"
        "    y[get_global_id(0)] = isnan(v) + 2 * isinf(v) + 4 * (v != v) + 8 * (v - v != 0.0f);\n"
        "}\n");
    static const uint32_t bits[COUNT] = {
        0x7fc00000, 0x7f800000, 0xff800000, 0, 0x80000000, 0x3f800000, 0x00000001, 0xffc00001};
    static const int32_t want[COUNT] = {13, 10, 10, 0, 0, 0, 0, 13};
    int32_t y[COUNT];
    start();
    test_ok(launch("special", "special"));
    test_ok(nt_tape_build(tape));
    test_ok(nt_tape_write(tape, in, 0, bits, sizeof bits));
    test_ok(nt_tape_run(tape));
    test_ok(nt_tape_read(tape, out, 0, y, sizeof y));
    for (int i = 0; i < COUNT; i++)
        ck_assert_msg(y[i] == want[i], "value %d: %d, not %d", i, (int)y[i], (int)want[i]);
    finish();
}
END_TEST

/* Every kernel source of the library compiles without a define. */
START_TEST(embedded_sources_are_read)
{
    for (const struct nt_source_file *f = nt_embedded_sources; f->name; f++) {
        struct nt_source *list = NULL, *source = NULL;
        test_ok(nt_source_get(test_context(), &list, f->name, &source));
        ck_assert_str_eq(source->name, f->name);
        ck_assert_ptr_null(strstr(source->body, "#include"));
        nt_source_free(list);
    }
}
END_TEST

/* Also with the options that a GPU gets. */
START_TEST(quotients_are_exact_where_the_device_divides_so)
{
    struct nt_device *dev = test_device();
    const char *options = dev->options;
    cl_device_fp_config config = 0;
    clGetDeviceInfo(dev->id, CL_DEVICE_SINGLE_FP_CONFIG, sizeof config, &config, NULL);
    if (!(config & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT)) {
        test_skip("the device does not divide exactly");
        return;
    }
    static const char *const files[] = {"divide.cl", "divide_on_gpus.cl"};
    static const char *const stems[] = {"divide", "divide_on_gpus"};
    for (int gpu = 0; gpu < 2; gpu++) {
        test_kernel_file(
            files[gpu], KERNEL("divide", "int wrong = 0;\n"
                                         "for (int a = 1; a < 100; a++)\n"
                                         "    for (int b = 1; b < 100; b++)\n"
                                         "        wrong += (float)(a * b + x[i]) / b != a;\n"
                                         "y[i] = wrong;"));
        dev->options = gpu ? nt_program_options(NT_DEVICE_GPU_INTEGRATED, true) : options;
        start();
        test_ok(launch(stems[gpu], "divide"));
        expect(0);
        finish();
    }
    dev->options = options;
    ck_assert_ptr_nonnull(
        strstr(nt_program_options(NT_DEVICE_GPU_DISCRETE, true), "correctly-rounded-divide"));
    ck_assert_ptr_null(
        strstr(nt_program_options(NT_DEVICE_GPU_DISCRETE, false), "correctly-rounded-divide"));
}
END_TEST

int main(void)
{
    test_kernels();
    Suite *suite = suite_create("program");
    TCase *tcase = tcase_create("program");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, a_failing_unit_is_named);
    tcase_add_test(tcase, missing_things_are_named);
    tcase_add_test(tcase, units_do_not_see_each_others_macros);
    tcase_add_test(tcase, includes_are_read_once);
    tcase_add_test(tcase, units_that_clash_are_built_apart);
    tcase_add_test(tcase, equal_units_are_one);
    tcase_add_test(tcase, nan_and_infinity_stay);
    tcase_add_test(tcase, embedded_sources_are_read);
    tcase_add_test(tcase, quotients_are_exact_where_the_device_divides_so);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
