/* SPDX-License-Identifier: MIT */
#include "tests/op/rows.h"

#include <math.h>

/* One row, as the papers write it. */
static double naive(const struct nt_row_loss_params *p, const double *x, int c, int t)
{
    double top = -INFINITY, sum = 0, loss = 0, margin = p->margin != 0 ? p->margin : 1;
    if (t == p->ignore_index)
        return 0;
    if (t < 0 || t >= c)
        return NAN;
    if (p->loss == NT_LOSS_MULTI_MARGIN) {
        for (int j = 0; j < c; j++)
            loss += j == t ? 0 : fmax(0, margin + x[j] - x[t]) / c;
        return loss;
    }
    for (int j = 0; j < c; j++)
        top = fmax(top, x[j]);
    for (int j = 0; j < c; j++)
        sum += exp(x[j] - top);
    for (int j = 0; j < c; j++) {
        double q = (j == t ? 1.0 - p->label_smoothing : 0) + p->label_smoothing / (double)c;
        loss += q != 0 ? q * (log(sum) + top - x[j]) : 0;
    }
    return loss;
}

struct result {
    float *loss, *valid;
    struct rows dx;
};

static struct result run(const char *forced, const struct nt_row_loss_params *params,
    const struct rows *x, const int32_t *target, float scale)
{
    int64_t r = x->view.shape.dim[0];
    size_t n = (size_t)r;
    struct result result = {malloc(4 * n), malloc(4 * n), rows_random(r, x->view.shape.dim[1])};
    struct nt_tensor row = {.dtype = NT_F32, .shape = {1, {r}}, .stride = {1}}, labels = row;
    struct nt_tensor one = {.dtype = NT_F32, .shape = {1, {1}}, .offset = 2, .stride = {1}};
    float items = (float)test_int(1, 9);
    float scales[4] = {NAN, NAN, scale * items, NAN}, counts[4] = {NAN, NAN, items, NAN};
    struct trial t;
    labels.dtype = NT_I32;
    trial_open(&t, forced);
    struct nt_tensor xt = trial_in(&t, x->view, x->data, x->elements);
    struct nt_tensor tt = trial_in(&t, labels, target, n);
    struct nt_tensor st = trial_in(&t, one, scales, 4);
    struct nt_tensor ct = trial_in(&t, one, counts, 4);
    struct nt_tensor lt = trial_out(&t, row, result.loss, n);
    struct nt_tensor vt = trial_out(&t, row, result.valid, n);
    struct nt_tensor dt = trial_out(&t, result.dx.view, result.dx.data, result.dx.elements);
    test_ok(nt_row_loss(t.tape, params, &xt, &tt, &lt, &vt));
    test_ok(nt_row_loss_backward(t.tape, params, &xt, &tt, &st, &ct, &dt));
    trial_run(&t);
    return result;
}

static void release(struct result *result, struct rows *x)
{
    free(result->loss), free(result->valid), free(result->dx.data), free(x->data);
}

static struct nt_row_loss_params random_params(int classes)
{
    struct nt_row_loss_params p = {.loss = (enum nt_row_loss)test_int(0, 1),
        .ignore_index = test_int(0, 2) ? -100 : test_int(0, classes - 1),
        .label_smoothing = test_int(0, 1) ? 0 : 0.1f * (float)test_int(1, 10),
        .margin = 0.5f * (float)test_int(0, 3)};
    return p;
}

/* Gradients of one row by central differences; NaN for a row that has none. */
static void slopes(const struct nt_row_loss_params *p, double *x, int c, int t, double scale,
    const float *got, double *want)
{
    double h = 1e-6;
    for (int j = 0; j < c; j++) {
        double kept = x[j], up, down;
        if (c > 40 && j != t && j % 29) {
            want[j] = got[j];
            continue;
        }
        x[j] = kept + h, up = naive(p, x, c, t);
        x[j] = kept - h, down = naive(p, x, c, t);
        x[j] = kept;
        want[j] = scale * (up - down) / (2 * h);
    }
}

/* Moves logits where no margin is met exactly: its gradient has no value there. */
static void avoid_kinks(const struct rows *x, const int32_t *target)
{
    for (int i = 0; i < x->view.shape.dim[0]; i++)
        for (int j = 0; j < x->view.shape.dim[1]; j++) {
            float *v = rows_at(x, i, j);
            *v = roundf(*v * 64) / 64 + (j == target[i] ? 1.0f / 128 : 0);
        }
}

/* Rounding of a probability near 1 shows where the gradient is 0, so it sets the least scale. */
static void close_gradient(int count, const float *got, const double *want)
{
    double scale = 0.02;
    for (int i = 0; i < count; i++)
        scale = fmax(scale, fabs(want[i]));
    for (int i = 0; i < count; i++)
        ck_assert_msg(fabs(got[i] - want[i]) <= 1e-5 * scale, "gradient[%d]: got %.9g, want %.9g",
            i, (double)got[i], want[i]);
}

static void check_random(const char *forced)
{
    for (int round = 0; round < (trial_small() ? 8 : 40); round++) {
        int r, c;
        rows_shape(&r, &c);
        struct nt_row_loss_params p = random_params(c);
        struct rows x = rows_random(r, c);
        int32_t target[70];
        double want[70], *gradient = malloc(sizeof(double) * (size_t)(r * c));
        for (int i = 0; i < r; i++)
            target[i] = test_int(0, 5) ? test_int(0, c - 1) : p.ignore_index;
        if (p.loss == NT_LOSS_MULTI_MARGIN)
            avoid_kinks(&x, target);
        struct result got = run(forced, &p, &x, target, 0.75f);
        double *xd = rows_doubles(&x);
        float *dx = rows_floats(&got.dx);
        for (int i = 0; i < r; i++) {
            want[i] = naive(&p, xd + i * c, c, target[i]);
            slopes(&p, xd + i * c, c, target[i], 0.75, dx + i * c, gradient + i * c);
            ck_assert(got.valid[i] == (target[i] != p.ignore_index));
        }
        test_close("loss", (size_t)r, got.loss, want, 2e-6);
        close_gradient(r * c, dx, gradient);
        free(gradient), free(xd), free(dx);
        release(&got, &x);
    }
}

/* Ignored rows are exactly 0 whatever they hold, targets out of range NaN in their row alone. */
static void check_targets(const char *forced)
{
    static const int32_t target[] = {-100, 17, 3, -1, -100, 16};
    for (int loss = 0; loss < 2; loss++) {
        struct nt_row_loss_params p = {.loss = (enum nt_row_loss)loss, .ignore_index = -100};
        struct rows x = rows_make(6, 17, 0);
        *rows_at(&x, 4, 5) = NAN;
        *rows_at(&x, 5, 5) = NAN;
        struct result got = run(forced, &p, &x, target, 1);
        float *dx = rows_floats(&got.dx);
        for (int i = 0; i < 6; i++) {
            bool ignored = target[i] == -100, bad = i == 1 || i == 3 || i == 5;
            ck_assert(got.valid[i] == !ignored);
            ck_assert(isnan(got.loss[i]) == bad);
            ck_assert(!ignored || got.loss[i] == 0);
            for (int j = 0; j < 17; j++) {
                float d = dx[i * 17 + j];
                ck_assert(!ignored || d == 0);
                ck_assert(bad || isfinite(d));
                ck_assert(!(i == 1 || i == 3) || isnan(d));
            }
            ck_assert(i != 5 || isnan(dx[i * 17 + 5]));
        }
        free(dx);
        release(&got, &x);
    }
}

static void check_extremes(const char *forced)
{
    static const int32_t target[] = {0, 1, 2, 0};
    for (int loss = 0; loss < 2; loss++) {
        struct nt_row_loss_params p = {.loss = (enum nt_row_loss)loss, .ignore_index = -100};
        struct rows x = rows_make(4, 33, 0);
        double want[4];
        for (int j = 0; j < 33; j++) {
            *rows_at(&x, 0, j) = j ? 1e4f : -1e4f;
            *rows_at(&x, 1, j) = j == 1 ? 1e4f : -1e4f;
            *rows_at(&x, 2, j) = -1e4f;
            *rows_at(&x, 3, j) = j == 5 ? -INFINITY : 1;
        }
        struct result got = run(forced, &p, &x, target, 1);
        double *xd = rows_doubles(&x);
        float *dx = rows_floats(&got.dx);
        for (int i = 0; i < 4; i++) {
            want[i] = naive(&p, xd + i * 33, 33, target[i]);
            test_close("extreme row", 1, got.loss + i, want + i, 1e-6);
            for (int j = 0; j < 33; j++)
                ck_assert(isfinite(dx[i * 33 + j]));
        }
        free(xd), free(dx);
        release(&got, &x);
    }
}

START_TEST(rows_match_a_naive_loop)
{
    trial_variants("row_loss", check_random);
}
END_TEST

START_TEST(ignored_and_impossible_targets)
{
    trial_variants("row_loss", check_targets);
}
END_TEST

START_TEST(extreme_logits)
{
    trial_variants("row_loss", check_extremes);
}
END_TEST

START_TEST(wrong_operands_are_refused)
{
    struct trial t;
    struct nt_row_loss_params p = {.ignore_index = -100, .label_smoothing = 1.5f};
    struct nt_tensor row = {.dtype = NT_F32, .shape = {1, {3}}, .stride = {1}};
    trial_open(&t, NULL);
    struct rows x = rows_make(3, 4, 0);
    struct nt_tensor xt = trial_in(&t, x.view, x.data, x.elements);
    struct nt_tensor lt = trial_in(&t, row, x.data, 3), tt = lt;
    test_fails(nt_row_loss(t.tape, &p, &xt, &tt, &lt, &lt), NT_ERR_UNSUPPORTED, "must be int32");
    tt.dtype = NT_I32;
    test_fails(nt_row_loss(t.tape, &p, &xt, &tt, &lt, &lt), NT_ERR_ARGUMENT, "smoothing 1.5");
    p.label_smoothing = 0;
    struct nt_tensor one = lt;
    one.shape.dim[0] = 1;
    test_fails(
        nt_row_loss_backward(t.tape, &p, &xt, &tt, &lt, &one, &xt), NT_ERR_SHAPE, "scale: must be");
    test_fails(
        nt_row_loss_backward(t.tape, &p, &xt, &tt, &one, &lt, &xt), NT_ERR_SHAPE, "count: must be");
    nt_tape_destroy(t.tape);
    free(x.data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("row_loss");
    TCase *tcase = tcase_create("row_loss");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, rows_match_a_naive_loop);
    tcase_add_test(tcase, ignored_and_impossible_targets);
    tcase_add_test(tcase, extreme_logits);
    tcase_add_test(tcase, wrong_operands_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
