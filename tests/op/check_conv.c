/* SPDX-License-Identifier: MIT */
#include "engine/primitives.h"
#include "tests/testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum pass { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHT };
static const char *const primitives[] = {
    "conv_forward", "conv_backward_data", "conv_backward_weight"};

struct problem {
    int n, c, h, w, k, r, s; /* c and k of all groups */
    int groups, stride[2], dilation[2], before[2], after[2];
    int epilogue; /* 0 none, 1 bias, 2 bias and relu, 3 bias, residual and relu */
    int gap;      /* unused channels between the pixels of x and y: slices */
};

static bool small(void)
{
    return getenv("NT_SMALL") != NULL;
}

static int extent(const struct problem *p, int i)
{
    int in = i ? p->w : p->h, taps = i ? p->s : p->r;
    int room = in + p->before[i] + p->after[i] - p->dilation[i] * (taps - 1) - 1;
    return room < 0 ? 0 : room / p->stride[i] + 1;
}

static void describe(const struct problem *p, const char *variant, enum pass pass, char *text)
{
    sprintf(text,
        "%s=%s n%d c%d h%d w%d k%d r%d s%d groups %d stride %d,%d dilation %d,%d pad %d,%d+%d,%d "
        "epilogue %d gap %d",
        primitives[pass], variant, p->n, p->c, p->h, p->w, p->k, p->r, p->s, p->groups,
        p->stride[0], p->stride[1], p->dilation[0], p->dilation[1], p->before[0], p->before[1],
        p->after[0], p->after[1], p->epilogue, p->gap);
}

/* A tensor, the buffer's host copy and the value of every element in double. */
struct operand {
    struct nt_tensor t;
    size_t bytes;
    float *data;
    double *sum;
};

static struct operand picture(struct nt_tape *tape, int n, int c, int h, int w, int gap)
{
    struct operand o = {.t = {.dtype = NT_F32, .offset = 5, .shape = {4, {n, c, h, w}}}};
    int64_t step[4] = {(int64_t)h * w * (c + gap), 1, (int64_t)w * (c + gap), c + gap};
    memcpy(o.t.stride, step, sizeof step);
    o.bytes = (size_t)(5 + n * step[0]) * sizeof(float);
    o.t.buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, o.bytes, "picture");
    return o;
}

static struct operand filter(struct nt_tape *tape, const struct problem *p)
{
    struct nt_shape shape = {4, {p->k, p->c / p->groups, p->r, p->s}};
    struct operand o = {.bytes = (size_t)(nt_shape_count(&shape) + 5) * sizeof(float)};
    o.t = nt_tensor_make(
        nt_tape_buffer(tape, NT_BUFFER_KEPT, o.bytes, "filter"), NT_F32, &shape, NT_ROW_MAJOR);
    o.t.offset = 5;
    return o;
}

static size_t place(const struct operand *o, int a, int b, int c, int d)
{
    return (size_t)(o->t.offset + a * o->t.stride[0] + b * o->t.stride[1] + c * o->t.stride[2] +
                    d * o->t.stride[3]);
}

static void load(struct nt_tape *tape, struct operand *o)
{
    size_t count = o->bytes / sizeof(float);
    o->data = malloc(count * sizeof *o->data);
    o->sum = calloc(count, sizeof *o->sum);
    test_fill(o->data, count);
    test_ok(nt_tape_write(tape, o->t.buffer, 0, o->data, o->bytes));
}

static void release(struct operand *o)
{
    free(o->data);
    free(o->sum);
}

/* The definition: every product of the convolution once, added where each pass wants it. */
static void reference(const struct problem *p, struct operand *x, struct operand *w,
    struct operand *y, enum pass pass)
{
    int oh = extent(p, 0), ow = extent(p, 1), c = p->c / p->groups, k = p->k / p->groups;
    for (int n = 0; n < p->n; n++)
        for (int q = 0; q < p->k; q++)
            for (int v = 0; v < oh; v++)
                for (int u = 0; u < ow; u++)
                    for (int r = 0; r < p->r; r++)
                        for (int s = 0; s < p->s; s++) {
                            int iy = v * p->stride[0] - p->before[0] + r * p->dilation[0];
                            int ix = u * p->stride[1] - p->before[1] + s * p->dilation[1];
                            if (iy < 0 || iy >= p->h || ix < 0 || ix >= p->w)
                                continue;
                            size_t to = place(y, n, q, v, u);
                            size_t tap = place(w, q, 0, r, s);
                            size_t from = place(x, n, q / k * c, iy, ix);
                            for (int i = 0; i < c; i++, from++, tap += (size_t)(p->r * p->s)) {
                                if (pass == FORWARD)
                                    y->sum[to] += (double)x->data[from] * w->data[tap];
                                else if (pass == BACKWARD_DATA)
                                    x->sum[from] += (double)y->data[to] * w->data[tap];
                                else
                                    w->sum[tap] += (double)x->data[from] * y->data[to];
                            }
                        }
}

static void expression(struct nt_expr *e, int kind, struct nt_epilogue *out)
{
    int r = nt_expr_input(e, 0), x = nt_expr_input(e, 1), y = nt_expr_input(e, 2);
    if (kind)
        r = nt_expr_call(e, NT_FN_add, r, x, -1);
    if (kind == 3)
        r = nt_expr_call(e, NT_FN_add, r, y, -1);
    if (kind >= 2)
        r = nt_expr_call(e, NT_FN_relu, r, -1, -1);
    out->expr = kind ? e : NULL;
    out->term = r;
    out->inputs = kind == 3 ? 2 : kind ? 1 : 0;
}

/* Runs twice from a poisoned output; returns its content after checking that both agree. */
static float *run_twice(struct nt_tape *tape, const struct operand *o, const char *what)
{
    float *out[2];
    for (int round = 0; round < 2; round++) {
        out[round] = malloc(o->bytes);
        for (size_t i = 0; i < o->bytes / sizeof(float); i++)
            out[round][i] = NAN;
        test_ok(nt_tape_write(tape, o->t.buffer, 0, out[round], o->bytes));
        test_ok(nt_tape_run(tape));
        test_ok(nt_tape_read(tape, o->t.buffer, 0, out[round], o->bytes));
    }
    ck_assert_msg(memcmp(out[0], out[1], o->bytes) == 0, "%s: two runs differ", what);
    free(out[1]);
    return out[0];
}

/* Compares an output with its reference; what lies between its elements must be untouched. */
static void compare(const struct problem *p, const struct operand *o, float *got,
    const struct operand *bias, const struct operand *residual, const struct nt_epilogue *epilogue,
    double terms, const char *what)
{
    const int64_t *dim = o->t.shape.dim;
    size_t count = (size_t)nt_shape_count(&o->t.shape), next = 0, strays = 0;
    float *dense = malloc((count + 1) * sizeof *dense);
    double *want = malloc((count + 1) * sizeof *want), scale = 1e-30;
    for (int a = 0; a < dim[0]; a++)
        for (int b = 0; b < dim[1]; b++)
            for (int c = 0; c < dim[2]; c++)
                for (int d = 0; d < dim[3]; d++) {
                    size_t at = place(o, a, b, c, d);
                    double in[3] = {o->sum[at], 0, 0};
                    if (bias) {
                        in[1] = bias->data[bias->t.offset + b];
                        in[2] = residual->data[at];
                    }
                    want[next] = bias && epilogue->expr
                                     ? nt_expr_evaluate(epilogue->expr, epilogue->term, in)
                                     : in[0];
                    dense[next++] = got[at];
                    got[at] = NAN;
                }
    for (size_t i = 0; i < o->bytes / sizeof(float); i++)
        strays += !isnan(got[i]);
    ck_assert_msg(strays == 0, "%s: %zu elements outside the output were written", what, strays);
    /* The products of numbers in [-1, 1) are 1/3 in the mean square, so partial sums reach 1/3
     * sqrt(terms), and their rounding errors, which add up like a random walk, 4e-9 terms; 20
     * times that for the worst of many. */
    for (size_t i = 0; i < count; i++)
        scale = fmax(scale, fabs(want[i]));
    test_close(what, count, dense, want, 1e-6 + 8e-8 * (terms + 1) / scale);
    free(dense);
    free(want);
}

static struct nt_conv conv_of(const struct problem *p)
{
    struct nt_conv conv = {.groups = p->groups};
    for (int i = 0; i < 2; i++) {
        conv.stride[i] = p->stride[i];
        conv.dilation[i] = p->dilation[i];
        conv.pad_before[i] = p->before[i];
        conv.pad_after[i] = p->after[i];
    }
    return conv;
}

static void run_problem(const struct problem *p, const char *variant, enum pass pass)
{
    struct nt_tape *tape;
    char force[64], what[320];
    int oh = extent(p, 0), ow = extent(p, 1);
    struct nt_conv conv = conv_of(p);
    describe(p, variant, pass, what);
    snprintf(force, sizeof force, "%s=%s", primitives[pass], variant);
    test_ok(nt_tape_create(test_device(), &tape));
    test_ok(nt_tape_force(tape, force));
    struct operand x = picture(tape, p->n, p->c, p->h, p->w, p->gap), w = filter(tape, p);
    struct operand y = picture(tape, p->n, p->k, oh, ow, p->gap);
    struct operand *out = pass == FORWARD ? &y : pass == BACKWARD_DATA ? &x : &w;
    int channels = pass == FORWARD ? p->k : p->c;
    struct operand bias = picture(tape, 1, channels, 1, 1, 0);
    struct operand residual = pass == FORWARD ? picture(tape, p->n, p->k, oh, ow, p->gap)
                                              : picture(tape, p->n, p->c, p->h, p->w, p->gap);
    struct nt_expr *e = nt_expr_create();
    struct nt_tensor in[2] = {bias.t, residual.t};
    struct nt_epilogue epilogue = {.in = in};
    expression(e, p->epilogue, &epilogue);
    double terms = (double)p->c / p->groups * p->r * p->s;
    if (pass == FORWARD)
        test_ok(nt_conv_forward(tape, &conv, &x.t, &w.t, &y.t, &epilogue));
    else if (pass == BACKWARD_DATA)
        test_ok(nt_conv_backward_data(tape, &conv, &y.t, &w.t, &x.t, &epilogue));
    else
        test_ok(nt_conv_backward_weight(tape, &conv, &x.t, &y.t, &w.t));
    if (pass == BACKWARD_DATA)
        terms = (double)p->k / p->groups * p->r * p->s;
    if (pass == BACKWARD_WEIGHT)
        terms = (double)p->n * oh * ow;
    test_ok(nt_tape_plan(tape, NULL));
    test_ok(nt_tape_build(tape));
    struct operand *all[] = {&x, &w, &y, &bias, &residual};
    for (int i = 0; i < 5; i++)
        load(tape, all[i]);
    reference(p, &x, &w, &y, pass);
    float *got = run_twice(tape, out, what);
    compare(p, out, got, pass == BACKWARD_WEIGHT ? NULL : &bias, &residual, &epilogue, terms, what);
    nt_tape_destroy(tape);
    nt_expr_destroy(e);
    free(got);
    for (int i = 0; i < 5; i++)
        release(all[i]);
}

static int pick(int count, const int *list)
{
    return list[test_int(0, count - 1)];
}

static struct problem any_problem(int i)
{
    static const int channels[] = {1, 3, 6, 16, 17, 33, 64, 96}, kernels[] = {1, 2, 3, 3, 5};
    struct problem p = {.n = test_int(1, 3), .groups = 1, .epilogue = i % 4};
    int few = small() ? 3 : 8;
    p.c = pick(few, channels);
    p.k = pick(few, channels);
    if (i % 5 == 2) { /* depthwise */
        p.groups = p.c;
        p.k = p.c * test_int(1, 2);
    } else if (i % 5 == 4) {
        p.groups = test_int(2, 3);
        p.c *= p.groups;
        p.k *= p.groups;
    }
    p.r = pick(5, kernels);
    p.s = pick(5, kernels);
    for (int d = 0; d < 2; d++) {
        p.stride[d] = i % 3 ? test_int(1, 3) : 1;
        p.dilation[d] = i % 4 == 3 ? test_int(1, 3) : 1;
        p.before[d] = test_int(0, 3);
        p.after[d] = test_int(0, 3);
    }
    if (i % 6 == 5)
        p.n = small() ? 2 : test_int(15, 33);
    p.gap = i % 7 == 3 ? test_int(1, 4) : 0;
    p.h = test_int(1, small() ? 6 : 12);
    p.w = test_int(1, small() ? 6 : p.n > 3 ? 12 : 34);
    while (extent(&p, 0) < 1)
        p.h++;
    while (extent(&p, 1) < 1)
        p.w++;
    return p;
}

static void each_variant(enum pass pass, void (*run)(const char *variant, enum pass pass))
{
    const char *names[8];
    int count = nt_variants(test_device(), primitives[pass], 8, names);
    ck_assert_int_gt(count, 0);
    for (int i = 0; i < count; i++)
        run(names[i], pass);
}

static void random_problems(const char *variant, enum pass pass)
{
    for (int i = 0; i < (small() ? 8 : 60); i++) {
        struct problem p = any_problem(i);
        run_problem(&p, variant, pass);
    }
}

/* Layers that people train, and cases that are easy to get wrong. */
static void known_problems(const char *variant, enum pass pass)
{
    static const struct problem list[] = {
        {16, 1, 28, 28, 6, 5, 5, 1, {1, 1}, {1, 1}, {2, 2}, {2, 2}, 2, 0},
        {17, 6, 14, 14, 16, 5, 5, 1, {1, 1}, {1, 1}, {0, 0}, {0, 0}, 2, 0},
        {2, 3, 33, 31, 20, 7, 7, 1, {2, 2}, {1, 1}, {3, 3}, {3, 3}, 0, 0},
        {1, 160, 9, 14, 40, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}, {1, 1}, 3, 0}, /* channel blocks */
        {1, 64, 7, 15, 130, 1, 1, 1, {1, 1}, {1, 1}, {0, 0}, {0, 0}, 1, 0},
        {2, 32, 9, 9, 24, 1, 1, 1, {2, 2}, {1, 1}, {0, 0}, {0, 0}, 1, 0}, /* phases without taps */
        {1, 8, 5, 16, 8, 3, 3, 1, {3, 2}, {2, 3}, {4, 6}, {1, 0}, 0, 0},
        {1, 2, 1, 1, 2, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}, {1, 1}, 0, 0},
        {1, 4, 3, 3, 4, 2, 2, 1, {3, 3}, {1, 1}, {0, 0}, {0, 0}, 2, 0}, /* pixels never read */
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (!small() || i > 5)
            run_problem(&list[i], variant, pass);
}

START_TEST(random_shapes)
{
    each_variant((enum pass)_i, random_problems);
}
END_TEST

START_TEST(known_shapes)
{
    each_variant((enum pass)_i, known_problems);
}
END_TEST

static double dot(const struct operand *o, const float *a, const float *b)
{
    const int64_t *dim = o->t.shape.dim;
    double sum = 0;
    for (int i = 0; i < dim[0]; i++)
        for (int j = 0; j < dim[1]; j++)
            for (int k = 0; k < dim[2]; k++)
                for (int l = 0; l < dim[3]; l++)
                    sum += (double)a[place(o, i, j, k, l)] * b[place(o, i, j, k, l)];
    return sum;
}

/* <conv(x, w), dy> = <x, backward_data(dy, w)> = <w, backward_weight(x, dy)> */
START_TEST(the_passes_are_adjoint)
{
    for (int i = 0; i < (small() ? 2 : 12); i++) {
        struct problem p = any_problem(i);
        struct nt_conv conv = conv_of(&p);
        struct nt_tape *tape;
        char what[320];
        p.gap = 0;
        describe(&p, "default", FORWARD, what);
        test_ok(nt_tape_create(test_device(), &tape));
        struct operand x = picture(tape, p.n, p.c, p.h, p.w, 0), dx = x, w = filter(tape, &p);
        struct operand y = picture(tape, p.n, p.k, extent(&p, 0), extent(&p, 1), 0), dy = y;
        struct operand dw = filter(tape, &p);
        dx.t.buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, x.bytes, "dx");
        dy.t.buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, y.bytes, "dy");
        test_ok(nt_conv_forward(tape, &conv, &x.t, &w.t, &y.t, NULL));
        test_ok(nt_conv_backward_data(tape, &conv, &dy.t, &w.t, &dx.t, NULL));
        test_ok(nt_conv_backward_weight(tape, &conv, &x.t, &dy.t, &dw.t));
        test_ok(nt_tape_plan(tape, NULL));
        test_ok(nt_tape_build(tape));
        struct operand *all[] = {&x, &w, &dy, &y, &dx, &dw};
        for (int j = 0; j < 6; j++)
            load(tape, all[j]);
        test_ok(nt_tape_run(tape));
        for (int j = 3; j < 6; j++)
            test_ok(nt_tape_read(tape, all[j]->t.buffer, 0, all[j]->data, all[j]->bytes));
        double a = dot(&y, y.data, dy.data), b = dot(&x, x.data, dx.data);
        double c = dot(&w, w.data, dw.data);
        double scale = sqrt(dot(&y, y.data, y.data) * dot(&y, dy.data, dy.data)) + 1e-30;
        ck_assert_msg(fabs(a - b) < 1e-5 * scale && fabs(a - c) < 1e-5 * scale,
            "%s: %.9g, %.9g, %.9g (scale %.3g)", what, a, b, c, scale);
        nt_tape_destroy(tape);
        for (int j = 0; j < 6; j++)
            release(all[j]);
    }
}
END_TEST

START_TEST(wrong_shapes_are_told)
{
    struct nt_tape *tape;
    struct problem p = {1, 4, 8, 8, 6, 3, 3, 1, {2, 2}, {1, 1}, {1, 1}, {1, 1}, 0, 0};
    test_ok(nt_tape_create(test_device(), &tape));
    struct nt_tensor x = picture(tape, 1, 4, 8, 8, 0).t, w = filter(tape, &p).t;
    struct nt_tensor y = picture(tape, 1, 6, 4, 4, 0).t, odd = y;
    struct nt_conv conv = conv_of(&p), bad = conv;
    test_ok(nt_conv_forward(tape, &conv, &x, &w, &y, NULL));
    odd.shape.dim[3] = 5;
    test_fails(nt_conv_forward(tape, &conv, &x, &w, &odd, NULL), NT_ERR_SHAPE,
        "conv_forward: y has width 5: must be (8 + 1 + 1 - 1 x (3 - 1) - 1) / 2 + 1 = 4");
    test_fails(nt_conv_backward_data(tape, &conv, &odd, &w, &x, NULL), NT_ERR_SHAPE,
        "conv_backward_data: y has width 5");
    test_fails(nt_conv_backward_weight(tape, &conv, &x, &odd, &w), NT_ERR_SHAPE,
        "conv_backward_weight: y has width 5");
    bad.groups = 2;
    test_fails(nt_conv_forward(tape, &bad, &x, &w, &y, NULL), NT_ERR_SHAPE, "2 groups: w must be");
    bad = conv;
    bad.stride[1] = -1;
    test_fails(nt_conv_forward(tape, &bad, &x, &w, &y, NULL), NT_ERR_ARGUMENT,
        "stride -1 along the width: must be at least 1");
    bad = conv;
    bad.pad_before[0] = -2;
    test_fails(nt_conv_forward(tape, &bad, &x, &w, &y, NULL), NT_ERR_ARGUMENT,
        "padding -2,1 along the height: must not be negative");
    odd = nt_tensor_make(x.buffer, NT_F32, &x.shape, NT_ROW_MAJOR);
    test_fails(
        nt_conv_forward(tape, &conv, &odd, &w, &y, NULL), NT_ERR_SHAPE, "must be channels-last");
    nt_tape_destroy(tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conv");
    TCase *tcase = tcase_create("conv");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, random_shapes, 0, 3);
    tcase_add_loop_test(tcase, known_shapes, 0, 3);
    tcase_add_test(tcase, the_passes_are_adjoint);
    tcase_add_test(tcase, wrong_shapes_are_told);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
