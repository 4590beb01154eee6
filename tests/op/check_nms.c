/* SPDX-License-Identifier: MIT */
#include "tests/op/trial.h"

#include <math.h>

struct problem {
    int rows, boxes, most;
    float *box, *score;
};

static struct problem make(int rows, int boxes, int most)
{
    struct problem p = {rows, boxes, most, malloc(sizeof(float) * (size_t)(rows * boxes * 4 + 1)),
        malloc(sizeof(float) * (size_t)(rows * boxes + 1))};
    for (int i = 0; i < rows * boxes; i++) {
        float *b = &p.box[4 * i];
        b[0] = (float)test_int(0, 40);
        b[1] = (float)test_int(0, 40);
        b[2] = b[0] + (float)test_int(0, 20); /* some without area */
        b[3] = b[1] + (float)test_int(1, 20);
        p.score[i] = (float)test_int(0, 30) / 30; /* with ties */
        if (test_int(0, 30) == 0)
            p.score[i] = NAN;
    }
    return p;
}

static void release(struct problem *p)
{
    free(p->box);
    free(p->score);
}

static double side(double low, double high)
{
    return high > low ? high - low : 0;
}

static bool overlaps(const float *a, const float *b, double iou)
{
    double both =
        side(fmax(a[0], b[0]), fmin(a[2], b[2])) * side(fmax(a[1], b[1]), fmin(a[3], b[3]));
    double all = side(a[0], a[2]) * side(a[1], a[3]) + side(b[0], b[2]) * side(b[1], b[3]) - both;
    return both > iou * all;
}

/* The definition: repeatedly the best box that overlaps none of those taken. */
static void naive(const struct problem *p, int row, double iou, double least, int32_t *index)
{
    const float *box = &p->box[4 * row * p->boxes], *score = &p->score[row * p->boxes];
    int taken = 0;
    for (; taken < p->most; taken++) {
        int best = -1;
        for (int i = 0; i < p->boxes; i++) {
            bool fits = score[i] >= least;
            for (int t = 0; fits && t < taken; t++)
                fits = i != index[t] && !overlaps(&box[4 * index[t]], &box[4 * i], iou);
            if (fits && (best < 0 || score[i] > score[best]))
                best = i;
        }
        if (best < 0)
            break;
        index[taken] = best;
    }
    for (; taken < p->most; taken++)
        index[taken] = -1;
}

/* planes: coordinates lie apart, as a transposed prediction has them. */
static void check_problem(const char *forced, struct problem *p, bool planes)
{
    int n = p->rows, boxes = p->boxes, most = p->most;
    struct nt_shape three = {3, {n, boxes, 4}}, two = {2, {n, boxes}}, result = {2, {n, most}};
    struct nt_tensor b = nt_tensor_make(0, NT_F32, &three, NT_ROW_MAJOR);
    struct nt_tensor s = nt_tensor_make(0, NT_F32, &two, NT_ROW_MAJOR);
    struct nt_tensor k = nt_tensor_make(0, NT_I32, &result, NT_ROW_MAJOR);
    struct nt_nms nms = {(float)test_int(0, 16) / 16, (float)test_int(0, 10) / 10};
    size_t count = (size_t)(n * boxes);
    float *data = malloc(4 * sizeof *data * (count + 1));
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < 4; c++)
            data[planes ? (i / (size_t)boxes * 4 + c) * (size_t)boxes + i % (size_t)boxes
                        : 4 * i + c] = p->box[4 * i + c];
    if (planes) {
        b.stride[1] = 1;
        b.stride[2] = boxes;
    }
    int32_t *got = malloc(sizeof *got * (size_t)(n * most)),
            *want = malloc(sizeof *want * (size_t)most);
    struct trial t;
    trial_open(&t, forced);
    struct nt_tensor bt = trial_in(&t, b, data, 4 * count);
    struct nt_tensor st = trial_in(&t, s, p->score, count);
    struct nt_tensor kt = trial_out(&t, k, got, (size_t)(n * most));
    test_ok(nt_nms(t.tape, &nms, &bt, &st, &kt));
    trial_run(&t);
    for (int r = 0; r < n; r++) {
        naive(p, r, nms.iou, nms.least_score, want);
        for (int i = 0; i < most; i++)
            ck_assert_msg(got[r * most + i] == want[i],
                "%s: %d boxes, iou %g, least %g: row %d, place %d: got %d, want %d", forced, boxes,
                (double)nms.iou, (double)nms.least_score, r, i, got[r * most + i], want[i]);
    }
    free(data);
    free(got);
    free(want);
}

static void check_random(const char *forced)
{
    for (int round = 0; round < (trial_small() ? 4 : 20); round++) {
        struct problem p =
            make(test_int(1, 4), test_int(1, trial_small() ? 40 : 300), test_int(1, 40));
        check_problem(forced, &p, round % 2);
        release(&p);
    }
}

START_TEST(rows_match_the_definition)
{
    trial_variants("nms", check_random);
}
END_TEST

START_TEST(wrong_operands_are_refused)
{
    struct trial t;
    float data[24] = {0};
    trial_open(&t, NULL);
    struct nt_nms nms = {0.5f, 0};
    struct nt_tensor b = nt_tensor_make(0, NT_F32, &(struct nt_shape){3, {1, 6, 4}}, NT_ROW_MAJOR);
    struct nt_tensor s = nt_tensor_make(0, NT_F32, &(struct nt_shape){2, {1, 5}}, NT_ROW_MAJOR);
    struct nt_tensor k = nt_tensor_make(0, NT_I32, &(struct nt_shape){2, {1, 3}}, NT_ROW_MAJOR);
    b = trial_in(&t, b, data, 24);
    test_fails(nt_nms(t.tape, &nms, &b, &s, &k), NT_ERR_SHAPE, "nms: boxes 1x6x4, scores 1x5");
    test_fails(nt_nms(t.tape, &nms, &b, &b, &s), NT_ERR_UNSUPPORTED, "index of float32");
    s.shape.dim[1] = 6;
    nms.iou = 1.5f;
    test_fails(nt_nms(t.tape, &nms, &b, &s, &k), NT_ERR_ARGUMENT, "iou 1.5");
    nt_tape_destroy(t.tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nms");
    TCase *tcase = tcase_create("nms");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, rows_match_the_definition);
    tcase_add_test(tcase, wrong_operands_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
