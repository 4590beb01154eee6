/* SPDX-License-Identifier: MIT */
#include "engine/plan.h"
#include "tests/testing.h"

#include <stdlib.h>

#define MAX_ITEMS 120

static bool meet(const struct nt_plan_item *a, const struct nt_plan_item *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Whether every pair that lives together lies apart, and everything lies in its arena. */
static void check_plan(const struct nt_plan_item *items, int count, size_t alignment, size_t max,
    const struct nt_plan_arenas *arenas)
{
    for (int i = 0; i < arenas->count; i++)
        ck_assert_uint_le(arenas->bytes[i], max);
    for (int i = 0; i < count; i++) {
        const struct nt_plan_item *a = &items[i];
        if (a->bytes == 0) {
            ck_assert_int_eq(a->arena, -1);
            continue;
        }
        ck_assert(a->arena >= 0 && a->arena < arenas->count);
        ck_assert_uint_eq(a->offset % alignment, 0);
        ck_assert_uint_le(a->offset + a->bytes, arenas->bytes[a->arena]);
        for (int j = 0; j < i; j++) {
            const struct nt_plan_item *b = &items[j];
            if (b->bytes == 0 || a->arena != b->arena || !meet(a, b))
                continue;
            ck_assert_msg(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset,
                "items %d and %d overlap", i, j);
        }
    }
}

/* The bytes alive at the busiest launch: no plan can need less. */
static size_t busiest(const struct nt_plan_item *items, int count, int launches)
{
    size_t most = 0;
    for (int at = 0; at < launches; at++) {
        size_t sum = 0;
        for (int i = 0; i < count; i++)
            if (items[i].first <= at && at <= items[i].last)
                sum += items[i].bytes;
        most = sum > most ? sum : most;
    }
    return most;
}

START_TEST(random_plans_never_overlap)
{
    struct nt_plan_item items[MAX_ITEMS];
    for (int round = 0; round < 300; round++) {
        int count = test_int(0, MAX_ITEMS), launches = test_int(1, 80);
        size_t alignment = (size_t)1 << test_int(7, 12), largest = 1;
        for (int i = 0; i < count; i++) {
            int first = test_int(0, launches - 1), span = test_int(0, round % 2 ? 3 : 40);
            int last = first + span < launches ? first + span : launches - 1;
            size_t bytes = test_int(0, 9) ? (size_t)test_int(1, 1 << test_int(1, 20)) : 0;
            items[i] = (struct nt_plan_item){.bytes = bytes, .first = first, .last = last};
            largest = bytes > largest ? bytes : largest;
        }
        size_t max = round % 3 ? SIZE_MAX : largest + (size_t)test_int(0, 1 << 18);
        struct nt_plan_arenas arenas;
        test_ok(nt_plan_assign(test_context(), count, items, alignment, max, &arenas));
        check_plan(items, count, alignment, max, &arenas);
        if (max == SIZE_MAX)
            ck_assert_int_le(arenas.count, 1);
        free(arenas.bytes);
    }
}
END_TEST

START_TEST(a_chain_needs_two_buffers)
{
    struct nt_plan_item items[20];
    for (int i = 0; i < 20; i++)
        items[i] = (struct nt_plan_item){.bytes = 4096, .first = i, .last = i + 1};
    struct nt_plan_arenas arenas;
    test_ok(nt_plan_assign(test_context(), 20, items, 128, 1 << 20, &arenas));
    ck_assert_int_eq(arenas.count, 1);
    ck_assert_uint_eq(arenas.bytes[0], 2 * 4096);
    free(arenas.bytes);
}
END_TEST

/* A training step: activations live from the forward to the backward pass, so they nest. */
START_TEST(nested_lives_pack_well)
{
    struct nt_plan_item items[60];
    for (int i = 0; i < 30; i++) {
        size_t bytes = (size_t)test_int(1, 64) * 4096;
        items[2 * i] = (struct nt_plan_item){.bytes = bytes, .first = i, .last = 59 - i};
        items[2 * i + 1] = (struct nt_plan_item){.bytes = bytes, .first = 59 - i, .last = 60 - i};
    }
    struct nt_plan_arenas arenas;
    test_ok(nt_plan_assign(test_context(), 60, items, 128, SIZE_MAX, &arenas));
    check_plan(items, 60, 128, SIZE_MAX, &arenas);
    size_t bound = busiest(items, 60, 61);
    ck_assert_msg(arenas.bytes[0] <= bound + bound / 4, "arena of %zu bytes for %zu live ones",
        arenas.bytes[0], bound);
    free(arenas.bytes);
}
END_TEST

START_TEST(small_allocations_give_several_arenas)
{
    struct nt_plan_item items[4];
    for (int i = 0; i < 4; i++)
        items[i] = (struct nt_plan_item){.bytes = 1000, .first = 0, .last = 9};
    struct nt_plan_arenas arenas;
    test_ok(nt_plan_assign(test_context(), 4, items, 128, 2100, &arenas));
    ck_assert_int_eq(arenas.count, 2);
    check_plan(items, 4, 128, 2100, &arenas);
    free(arenas.bytes);
    test_fails(nt_plan_assign(test_context(), 4, items, 128, 999, &arenas), NT_ERR_MEMORY, "1000");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tcase = tcase_create("plan");
    tcase_add_test(tcase, random_plans_never_overlap);
    tcase_add_test(tcase, a_chain_needs_two_buffers);
    tcase_add_test(tcase, nested_lives_pack_well);
    tcase_add_test(tcase, small_allocations_give_several_arenas);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
