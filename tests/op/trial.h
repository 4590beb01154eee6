/* SPDX-License-Identifier: MIT
 *
 * One trial of a primitive: a tape with its operands, run twice with poisoned results.
 *
 *   struct trial t;
 *   trial_open(&t, "softmax=tile");
 *   struct nt_tensor x = trial_in(&t, x_view, x_data, x_bytes);
 *   struct nt_tensor y = trial_out(&t, y_view, y_data, y_bytes);
 *   test_ok(nt_softmax(t.tape, false, &x, &y));
 *   trial_run(&t);
 */
#ifndef NT_TESTS_OP_TRIAL_H
#define NT_TESTS_OP_TRIAL_H

#include "engine/primitives.h"
#include "engine/tape_state.h"
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>

#define TRIAL_BUFFERS 12
#define TRIAL_POISON 0x7fc12345u /* a NaN, and no index */

struct trial {
    struct nt_tape *tape;
    int count;
    struct {
        int32_t id;
        struct nt_tensor view;
        const void *in;
        uint32_t *out;
        size_t bytes;
    } buffer[TRIAL_BUFFERS];
};

static inline void trial_open(struct trial *t, const char *forced)
{
    *t = (struct trial){0};
    test_ok(nt_tape_create(test_device(), &t->tape));
    test_ok(nt_tape_force(t->tape, forced));
}

static inline struct nt_tensor trial_add(
    struct trial *t, struct nt_tensor view, const void *in, void *out, size_t elements)
{
    ck_assert_int_lt(t->count, TRIAL_BUFFERS);
    view.buffer = nt_tape_buffer(t->tape, NT_BUFFER_KEPT, 4 * elements, in ? "in" : "out");
    t->buffer[t->count].id = view.buffer;
    t->buffer[t->count].view = view;
    t->buffer[t->count].in = in;
    t->buffer[t->count].out = out;
    t->buffer[t->count++].bytes = 4 * elements;
    return view;
}

/* Buffers of 4-byte elements; the view's buffer id is set. */
static inline struct nt_tensor trial_in(
    struct trial *t, struct nt_tensor view, const void *data, size_t elements)
{
    return trial_add(t, view, data, NULL, elements);
}

static inline struct nt_tensor trial_out(
    struct trial *t, struct nt_tensor view, void *data, size_t elements)
{
    return trial_add(t, view, NULL, data, elements);
}

/* Fails unless exactly the view's elements of a result were written. */
static inline void trial_check_reach(const struct nt_tensor *view, const uint32_t *out, size_t n)
{
    char *inside = calloc(n + 1, 1);
    int64_t count = nt_shape_count(&view->shape);
    for (int64_t i = 0; i < count; i++) {
        int64_t at = view->offset, rest = i;
        for (int d = view->shape.rank - 1; d >= 0; d--) {
            at += rest % view->shape.dim[d] * view->stride[d];
            rest /= view->shape.dim[d];
        }
        inside[at] = 1;
    }
    for (size_t i = 0; i < n; i++)
        ck_assert_msg((out[i] == TRIAL_POISON) != inside[i], "element %zu is %s", i,
            inside[i] ? "not written" : "outside the result, and written");
    free(inside);
}

/* Fails unless kernels tell their compiler of work-groups that need not fit any kernel. */
static inline void trial_check_groups(const struct nt_tape *tape)
{
    for (int i = 0; i < tape->launches; i++) {
        const struct nt_tape_launch *l = &tape->launch[i];
        size_t told[3] = {0}, items = l->local[0] * (l->dims > 1 ? l->local[1] : 1);
        if (l->call || items <= 64)
            continue;
        clGetKernelWorkGroupInfo(
            l->kernel, tape->dev->id, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof told, told, NULL);
        ck_assert_msg(told[0] * told[1] * told[2] == items, "%s: work-groups of %zu: not told",
            l->entry, items);
    }
}

/* Plans, builds, runs twice: the same bits both times. Destroys the tape. */
static inline void trial_run(struct trial *t)
{
    struct nt_plan_info info;
    test_ok(nt_tape_plan(t->tape, &info));
    test_ok(nt_tape_build(t->tape));
    trial_check_groups(t->tape);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < t->count; i++) {
            size_t n = t->buffer[i].bytes / 4;
            uint32_t *poison = malloc(4 * n + 4);
            for (size_t k = 0; k < n; k++)
                poison[k] = TRIAL_POISON;
            test_ok(nt_tape_write(t->tape, t->buffer[i].id, 0,
                t->buffer[i].in ? t->buffer[i].in : poison, t->buffer[i].bytes));
            free(poison);
        }
        test_ok(nt_tape_run(t->tape));
        for (int i = 0; i < t->count; i++) {
            size_t bytes = t->buffer[i].bytes;
            if (!t->buffer[i].out)
                continue;
            uint32_t *got = malloc(bytes + 4);
            test_ok(nt_tape_read(t->tape, t->buffer[i].id, 0, got, bytes));
            if (round == 1)
                ck_assert_msg(memcmp(got, t->buffer[i].out, bytes) == 0, "the second run differs");
            trial_check_reach(&t->buffer[i].view, got, bytes / 4);
            memcpy(t->buffer[i].out, got, bytes);
            free(got);
        }
    }
    nt_tape_destroy(t->tape);
}

/* Whether the test shall keep to tiny shapes: a simulator runs it. */
static inline bool trial_small(void)
{
    return getenv("NT_SMALL") != NULL;
}

/* Calls check(variant) for each variant of a primitive; variant is "softmax=tile". */
static inline void trial_variants(const char *primitive, void (*check)(const char *forced))
{
    const char *names[8];
    char forced[64];
    int count = nt_variants(test_device(), primitive, 8, names);
    ck_assert_int_gt(count, 0);
    for (int i = 0; i < count; i++) {
        snprintf(forced, sizeof forced, "%s=%s", primitive, names[i]);
        check(forced);
    }
}

#endif
