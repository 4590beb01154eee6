/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/op/strided.h"
#include "tests/testing.h"

struct scan_case {
    int axis;
    bool product, exclusive, reverse;
    struct test_tensor x, y;
};

static struct scan_case make(struct nt_tape *tape)
{
    struct scan_case c = {
        .product = test_int(0, 2) == 0, .exclusive = test_int(0, 1), .reverse = test_int(0, 1)};
    int rank = test_int(1, 5);
    struct nt_shape shape = test_shape(rank, test_small() ? 6 : rank < 3 ? 90 : 9);
    enum nt_dtype dtype = test_int(0, 2) ? NT_F32 : NT_I32;
    c.axis = test_int(0, rank - 1);
    c.product &= dtype == NT_F32;
    c.x = test_tensor_make(tape, dtype, &shape, (enum test_lying)test_int(0, 2));
    c.y = test_tensor_make(tape, dtype, &shape, (enum test_lying)test_int(0, 2));
    test_tensor_poison(&c.y);
    test_ok(nt_scan(tape, c.product ? NT_REDUCE_PROD : NT_REDUCE_SUM, c.exclusive, c.reverse,
        c.axis, &c.x.tensor, &c.y.tensor));
    return c;
}

static void check_case(const struct scan_case *c, const char *variant)
{
    const struct nt_shape *shape = &c->x.tensor.shape;
    int64_t at[NT_MAX_RANK] = {0}, from[NT_MAX_RANK];
    do {
        double want = c->product, got = test_tensor_after(&c->y, shape, at), size = 1;
        memcpy(from, at, sizeof at);
        for (int64_t j = 0; j < shape->dim[c->axis]; j++) {
            from[c->axis] = j;
            int64_t before = c->reverse ? j - at[c->axis] : at[c->axis] - j;
            double v = test_tensor_before(&c->x, shape, from);
            if (before < c->exclusive)
                continue;
            want = c->product ? want * v : want + v;
            size += v < 0 ? -v : v;
        }
        double error = want - got;
        ck_assert_msg((error < 0 ? -error : error) <= 1e-5 * size,
            "%s: axis %d%s%s%s: got %g, want %g", variant, c->axis, c->product ? ", product" : "",
            c->exclusive ? ", exclusive" : "", c->reverse ? ", reverse" : "", got, want);
    } while (test_next(shape, at));
    test_tensor_check_gaps(&c->y, variant);
}

START_TEST(random_scans_are_right)
{
    const char *variants[8];
    int count = nt_variants(test_device(), "scan", 8, variants);
    ck_assert_int_ge(count, 2);
    for (int v = 0; v < count; v++) {
        enum { CASES = 16 };
        struct nt_tape *tape;
        struct scan_case c[CASES];
        struct test_tensor all[2 * CASES];
        char force[64];
        test_ok(nt_tape_create(test_device(), &tape));
        snprintf(force, sizeof force, "scan=%s", variants[v]);
        test_ok(nt_tape_force(tape, force));
        for (int i = 0; i < CASES; i++) {
            c[i] = make(tape);
            all[2 * i] = c[i].x;
            all[2 * i + 1] = c[i].y;
        }
        test_tape_run(tape, 2 * CASES, all);
        for (int i = 0; i < CASES; i++) {
            c[i].x = all[2 * i];
            c[i].y = all[2 * i + 1];
            check_case(&c[i], variants[v]);
            test_tensor_free(&c[i].x);
            test_tensor_free(&c[i].y);
        }
        nt_tape_destroy(tape);
    }
}
END_TEST

START_TEST(wrong_operands_are_refused)
{
    struct nt_tape *tape;
    test_ok(nt_tape_create(test_device(), &tape));
    struct nt_tensor x = {.dtype = NT_F32, .shape = {2, {5, 3}}, .stride = {3, 1}}, y = x;
    test_fails(nt_scan(tape, NT_REDUCE_SUM, false, false, 2, &x, &y), NT_ERR_ARGUMENT, "axis 2");
    test_fails(nt_scan(tape, NT_REDUCE_MAX, false, false, 0, &x, &y), NT_ERR_UNSUPPORTED, "sums");
    y.shape.dim[1] = 4;
    test_fails(nt_scan(tape, NT_REDUCE_SUM, false, false, 0, &x, &y), NT_ERR_SHAPE,
        "scan: 5x3 to 5x4: must be equal");
    y.dtype = NT_I32;
    test_fails(
        nt_scan(tape, NT_REDUCE_SUM, false, false, 0, &x, &y), NT_ERR_UNSUPPORTED, "one type");
    nt_tape_destroy(tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scan");
    TCase *tcase = tcase_create("scan");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, random_scans_are_right);
    tcase_add_test(tcase, wrong_operands_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
