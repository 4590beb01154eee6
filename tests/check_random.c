/* SPDX-License-Identifier: MIT */
#include "engine/random.h"
#include "frontend/init.h"
#include "tests/testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Box & Muller with the system's functions. */
static double normal(const struct nt_random *random, uint64_t index)
{
    uint32_t w[4];
    nt_philox(random->key, index, random->stream, w);
    double u = (double)((uint64_t)(w[0] >> 5) << 26 | w[1] >> 6) * 0x1p-53;
    double v = (double)((uint64_t)(w[2] >> 5) << 26 | w[3] >> 6) * 0x1p-53;
    return sqrt(-2 * log(1 - u)) * cos(2 * acos(-1) * v);
}

static struct nt_random some_stream(void)
{
    return (struct nt_random){
        .key = (uint64_t)test_int(0, 1 << 30) << 20 | 7, .stream = (uint64_t)test_int(0, 1 << 30)};
}

START_TEST(normal_numbers_are_those_of_box_and_muller)
{
    struct nt_random random = some_stream(), walk = random;
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        double got = nt_random_normal(&walk), wanted = normal(&random, i);
        ck_assert_double_eq_tol(got, wanted, 1e-14 * (1 + fabs(wanted)));
        sum += got;
        squares += got * got;
    }
    ck_assert_double_eq_tol(sum / 1e5, 0, 0.02);
    ck_assert_double_eq_tol(squares / 1e5, 1, 0.03);
}
END_TEST

/* Counts around the lanes' number, from the start and from within. */
START_TEST(many_at_once_are_the_single_ones)
{
    enum { MOST = 400 };
    float out[MOST + 1];
    for (int count = 0; count < MOST; count += test_int(1, 30)) {
        struct nt_random random = some_stream();
        random.position = 4 * (uint64_t)test_int(0, 1 << 20);
        if (test_int(0, 3) == 0)
            random.position =
                4 * (0xffffffffu - (uint64_t)test_int(0, 200)); /* into the high word */
        for (int kind = 0; kind < 2; kind++) {
            struct nt_random walk = random;
            memset(out, 0xff, sizeof out);
            (kind ? nt_random_fill_normal : nt_random_fill_uniform)(
                random, 0.37, out, (size_t)count);
            for (int i = 0; i < count; i++) {
                double one = kind ? nt_random_normal(&walk) : 2 * nt_random_uniform(&walk) - 1;
                ck_assert_msg(
                    out[i] == (float)(0.37 * one), "%d of %d: %.9g", i, count, (double)out[i]);
            }
            ck_assert(isnan(out[count]));
        }
    }
}
END_TEST

static void plain_fill(const struct nt_init *init, uint64_t stream, float *out, size_t count)
{
    struct nt_random random = {.key = 5, .stream = stream};
    if (init->kind == NT_INIT_NORMAL)
        nt_random_fill_normal(random, init->a, out, count);
    else if (init->kind == NT_INIT_UNIFORM)
        nt_random_fill_uniform(random, init->a, out, count);
    else
        for (size_t i = 0; i < count; i++)
            out[i] = (float)init->a;
}

START_TEST(parameters_do_not_depend_on_threads)
{
    size_t count = 1000000 + (size_t)test_int(0, 5), part = (size_t)test_int(1, 300000);
    float *all = malloc(count * sizeof *all), *one = malloc(count * sizeof *one);
    ck_assert(all && one);
    const enum nt_init_kind kinds[] = {NT_INIT_NORMAL, NT_INIT_UNIFORM, NT_INIT_CONSTANT};
    for (int k = 0; k < 3; k++) {
        struct nt_init init = {.kind = kinds[k], .a = 0.25};
        memset(all, 0xff, count * sizeof *all);
        nt_init_fill((struct nt_init_job[]){{&init, 3, all, part}, {&init, 4, all, 0},
                         {&init, 9, all + part, count - part}},
            3, 5);
        plain_fill(&init, 3, one, part);
        plain_fill(&init, 9, one + part, count - part);
        ck_assert_mem_eq(all, one, count * sizeof *all);
    }
    free(all);
    free(one);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("random");
    TCase *tcase = tcase_create("random");
    tcase_add_test(tcase, normal_numbers_are_those_of_box_and_muller);
    tcase_add_test(tcase, many_at_once_are_the_single_ones);
    tcase_add_test(tcase, parameters_do_not_depend_on_threads);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
