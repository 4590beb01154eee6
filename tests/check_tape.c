/* SPDX-License-Identifier: MIT */
#include "engine/launch.h"
#include "tests/kernels.h"
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>

static struct nt_tensor tensor(int32_t buffer, int64_t count)
{
    struct nt_shape shape = {1, {count}};
    return nt_tensor_make(buffer, NT_F32, &shape, NT_ROW_MAJOR);
}

/* out = a * in + b; b is compiled in. */
static enum nt_status affine(
    struct nt_tape *tape, float a, const char *b, int32_t in, int32_t out, int64_t count)
{
    struct nt_tensor x = tensor(in, count), y = tensor(out, count);
    struct nt_launch l;
    nt_launch_init(&l, tape, "affine", "affine", "test", "a test");
    nt_launch_define(&l, "NT_B", "%s", b);
    nt_launch_tensor(&l, &x, NT_ACCESS_READ);
    nt_launch_tensor(&l, &y, NT_ACCESS_WRITE);
    nt_launch_float(&l, a);
    nt_launch_int(&l, count);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)count}, (size_t[]){4});
    return nt_launch_append(&l);
}

START_TEST(a_chain_computes)
{
    struct nt_tape *tape;
    struct nt_plan_info info;
    float x[100], y[100];
    double want[100];
    test_ok(nt_tape_create(test_device(), &tape));
    int32_t in = nt_tape_buffer(tape, NT_BUFFER_KEPT, sizeof x, "in");
    int32_t mid = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, sizeof x, "mid");
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, sizeof x, "out");
    test_ok(affine(tape, 2, "3.0f", in, mid, 100));
    test_ok(affine(tape, -1, "0.5f", mid, out, 100));
    test_ok(nt_tape_plan(tape, &info));
    ck_assert_uint_eq(info.transient_bytes, sizeof x);
    ck_assert_int_eq(info.kernels, 2);
    test_ok(nt_tape_build(tape));
    for (int round = 0; round < 3; round++) {
        test_fill(x, 100);
        for (int i = 0; i < 100; i++)
            want[i] = -(2 * x[i] + 3.0) + 0.5;
        test_ok(nt_tape_write(tape, in, 0, x, sizeof x));
        test_ok(nt_tape_run(tape));
        test_ok(nt_tape_read(tape, out, 0, y, sizeof y));
        test_close("chain", 100, y, want, 1e-6);
    }
    nt_tape_destroy(tape);
}
END_TEST

int main(void)
{
    test_kernels();
    Suite *suite = suite_create("tape");
    TCase *tcase = tcase_create("tape");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, a_chain_computes);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
