/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/opencl.h"
#include "engine/primitives.h"
#include "engine/variant.h"
#include "tests/testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum pass { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHT };
static const char *const primitives[] = {
    "conv_forward", "conv_backward_data", "conv_backward_weight"};

/* Depth, height and width; a problem of rank 4 has depth 1, one of rank 3 height 1 too. */
struct problem {
    int rank, n, c, k; /* c and k of all groups */
    int in[3], taps[3], groups, stride[3], dilation[3], before[3], after[3];
    int epilogue; /* 0 none, 1 bias, 2 bias and relu, 3 bias, residual and relu, 4 times whether
                     the residual is positive, 5 plus the residual */
    int gap;      /* unused channels between the pixels of x and y: slices */
};

/* Also where the driver ends the long loops of kernels for CPUs. */
static bool small(void)
{
    return getenv("NT_SMALL") || nt_device_get_info(test_device())->short_loops;
}

static int extent(const struct problem *p, int i)
{
    int room = p->in[i] + p->before[i] + p->after[i] - p->dilation[i] * (p->taps[i] - 1) - 1;
    return room < 0 ? 0 : room / p->stride[i] + 1;
}

static void describe(const struct problem *p, const char *variant, enum pass pass, char *text)
{
    sprintf(text,
        "%s=%s rank %d n%d c%d %dx%dx%d k%d taps %d,%d,%d groups %d stride %d,%d,%d dilation "
        "%d,%d,%d pad %d,%d,%d+%d,%d,%d epilogue %d gap %d",
        primitives[pass], variant, p->rank, p->n, p->c, p->in[0], p->in[1], p->in[2], p->k,
        p->taps[0], p->taps[1], p->taps[2], p->groups, p->stride[0], p->stride[1], p->stride[2],
        p->dilation[0], p->dilation[1], p->dilation[2], p->before[0], p->before[1], p->before[2],
        p->after[0], p->after[1], p->after[2], p->epilogue, p->gap);
}

/* A tensor, the buffer's host copy and the value of every element in double. */
struct operand {
    struct nt_tensor t;
    size_t bytes;
    float *data;
    double *sum;
};

static struct nt_shape shape_of(int rank, int a, int b, const int e[3])
{
    struct nt_shape shape = {rank, {a, b}};
    for (int i = 2; i < rank; i++)
        shape.dim[i] = e[i + 3 - rank];
    return shape;
}

static struct operand picture(struct nt_tape *tape, int rank, int n, int c, const int e[3], int gap)
{
    struct operand o = {.t = {.dtype = NT_F32, .shape = shape_of(rank, n, c, e)}};
    int64_t step = c + gap;
    o.t.offset = test_int(4, 5); /* fours of neighbours lie at multiples of 16 bytes, or do not */
    o.t.stride[1] = 1;
    for (int i = rank - 1; i > 1; i--) {
        o.t.stride[i] = step;
        step *= o.t.shape.dim[i];
    }
    o.t.stride[0] = step;
    o.bytes = (size_t)(o.t.offset + n * step) * sizeof(float);
    o.t.buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, o.bytes, "picture");
    return o;
}

static struct operand filter(struct nt_tape *tape, const struct problem *p)
{
    struct nt_shape shape = shape_of(p->rank, p->k, p->c / p->groups, p->taps);
    struct operand o = {.bytes = (size_t)(nt_shape_count(&shape) + 5) * sizeof(float)};
    o.t = nt_tensor_make(
        nt_tape_buffer(tape, NT_BUFFER_KEPT, o.bytes, "filter"), NT_F32, &shape, NT_ROW_MAJOR);
    o.t.offset = 5;
    return o;
}

static size_t place(const struct operand *o, int a, int b, const int at[3])
{
    int64_t place = o->t.offset + a * o->t.stride[0] + b * o->t.stride[1];
    for (int i = 2; i < o->t.shape.rank; i++)
        place += at[i + 3 - o->t.shape.rank] * o->t.stride[i];
    return (size_t)place;
}

/* Steps through depth, height and width; false after the last. */
static bool next(const int extent[3], int at[3])
{
    for (int i = 2; i >= 0; i--) {
        if (++at[i] < extent[i])
            return true;
        at[i] = 0;
    }
    return false;
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
    int c = p->c / p->groups, k = p->k / p->groups, tap[3] = {0}, o[3] = {0}, from[3];
    int out[3] = {extent(p, 0), extent(p, 1), extent(p, 2)};
    size_t taps = (size_t)(p->taps[0] * p->taps[1] * p->taps[2]);
    do {
        do {
            bool inside = true;
            for (int i = 0; i < 3; i++) {
                from[i] = o[i] * p->stride[i] - p->before[i] + tap[i] * p->dilation[i];
                inside &= from[i] >= 0 && from[i] < p->in[i];
            }
            for (int e = 0; inside && e < p->n * p->k; e++) {
                int n = e / p->k, q = e % p->k;
                size_t to = place(y, n, q, o), at = place(w, q, 0, tap);
                size_t source = place(x, n, q / k * c, from);
                for (int i = 0; i < c; i++, source++, at += taps) {
                    if (pass == FORWARD)
                        y->sum[to] += (double)x->data[source] * w->data[at];
                    else if (pass == BACKWARD_DATA)
                        x->sum[source] += (double)y->data[to] * w->data[at];
                    else
                        w->sum[at] += (double)x->data[source] * y->data[to];
                }
            }
        } while (next(out, o));
    } while (next(p->taps, tap));
}

static void expression(struct nt_expr *e, int kind, struct nt_epilogue *out)
{
    int r = nt_expr_input(e, 0), x = nt_expr_input(e, 1), y = nt_expr_input(e, 2);
    if (kind == 4)
        r = nt_expr_call(
            e, NT_FN_mul, r, nt_expr_call(e, NT_FN_lt, nt_expr_constant(e, 0), x, -1), -1);
    else if (kind)
        r = nt_expr_call(e, NT_FN_add, r, x, -1);
    if (kind == 3)
        r = nt_expr_call(e, NT_FN_add, r, y, -1);
    if (kind == 2 || kind == 3)
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
    double terms, double growth, const char *what)
{
    const int64_t *dim = o->t.shape.dim;
    int rank = o->t.shape.rank, e[3] = {1, 1, 1}, at[3] = {0};
    size_t count = (size_t)nt_shape_count(&o->t.shape), i = 0, strays = 0;
    float *dense = malloc((count + 1) * sizeof *dense);
    double *want = malloc((count + 1) * sizeof *want), scale = 1e-30;
    for (int j = 2; j < rank; j++)
        e[j + 3 - rank] = (int)dim[j];
    do {
        for (int a = 0; a < dim[0]; a++)
            for (int b = 0; b < dim[1]; b++) {
                size_t from = place(o, a, b, at);
                double in[3] = {o->sum[from], 0, 0};
                if (bias) {
                    in[2] = residual->data[place(residual, a, b, at)];
                    in[1] = p->epilogue >= 4 ? in[2] : bias->data[bias->t.offset + b];
                }
                want[i] = bias && epilogue->expr
                              ? nt_expr_evaluate(epilogue->expr, epilogue->term, in)
                              : in[0];
                dense[i++] = got[from];
                got[from] = NAN;
            }
    } while (next(e, at));
    for (i = 0; i < o->bytes / sizeof(float); i++)
        strays += !isnan(got[i]);
    ck_assert_msg(strays == 0, "%s: %zu elements outside the output were written", what, strays);
    /* The products of numbers in [-1, 1) are 1/3 in the mean square, so partial sums reach 1/3
     * sqrt(terms), and their rounding errors, which add up like a random walk, 4e-9 terms; 20
     * times that for the worst of many. `growth`: how much larger the errors of the method are. */
    for (i = 0; i < count; i++)
        scale = fmax(scale, fabs(want[i]));
    test_close(what, count, dense, want, growth * (1e-6 + 8e-8 * (terms + 1) / scale));
    free(dense);
    free(want);
}

static struct nt_conv conv_of(const struct problem *p)
{
    struct nt_conv conv = {.groups = p->groups};
    for (int i = 0, j = 5 - p->rank; j < 3; i++, j++) {
        conv.stride[i] = p->stride[j];
        conv.dilation[i] = p->dilation[j];
        conv.pad_before[i] = p->before[j];
        conv.pad_after[i] = p->after[j];
    }
    return conv;
}

static bool is_winograd(const char *variant)
{
    return strcmp(variant, "winograd") == 0 || strcmp(variant, "winograd_group") == 0;
}

/* cl/winograd.clh derives it. */
static double growth(const char *variant, enum pass pass, int taps)
{
    if (!is_winograd(variant))
        return 1;
    if (taps == 5)
        return pass == BACKWARD_WEIGHT ? 11.4 : 5.8;
    return pass == BACKWARD_WEIGHT ? 6.6 : 8.2;
}

static void run_problem(const struct problem *p, const char *variant, enum pass pass)
{
    struct nt_tape *tape;
    char force[64], what[320];
    const int o[3] = {extent(p, 0), extent(p, 1), extent(p, 2)}, one[3] = {1, 1, 1};
    struct nt_conv conv = conv_of(p);
    describe(p, variant, pass, what);
    snprintf(force, sizeof force, "%s=%s", primitives[pass], variant);
    test_ok(nt_tape_create(test_device(), &tape));
    test_ok(nt_tape_force(tape, force));
    struct operand x = picture(tape, p->rank, p->n, p->c, p->in, p->gap), w = filter(tape, p);
    struct operand y = picture(tape, p->rank, p->n, p->k, o, p->gap);
    if (test_int(0, 1)) { /* weights are prepared before the first run alone */
        nt_tape_derive(tape, SIZE_MAX);
        nt_tape_steady(tape, w.t.buffer);
        strcat(what, ", steady weights");
    }
    sprintf(what + strlen(what), ", x from %lld, y from %lld", (long long)x.t.offset,
        (long long)y.t.offset);
    struct operand *out = pass == FORWARD ? &y : pass == BACKWARD_DATA ? &x : &w;
    int channels = pass == FORWARD ? p->k : p->c;
    struct operand bias = picture(tape, p->rank, 1, channels, one, 0);
    struct operand residual =
        picture(tape, p->rank, p->n, channels, pass == FORWARD ? o : p->in, p->gap);
    struct nt_expr *e = nt_expr_create();
    struct nt_tensor in[2] = {bias.t, residual.t};
    struct nt_epilogue epilogue = {.in = p->epilogue >= 4 ? in + 1 : in};
    expression(e, p->epilogue, &epilogue);
    double taps = p->taps[0] * p->taps[1] * p->taps[2], terms = (double)p->c / p->groups * taps;
    if (pass == FORWARD)
        test_ok(nt_conv_forward(tape, &conv, &x.t, &w.t, &y.t, &epilogue));
    else if (pass == BACKWARD_DATA)
        test_ok(nt_conv_backward_data(tape, &conv, &y.t, &w.t, &x.t, &epilogue));
    else
        test_ok(nt_conv_backward_weight(tape, &conv, &x.t, &y.t, &w.t));
    if (pass == BACKWARD_DATA)
        terms = (double)p->k / p->groups * taps;
    if (pass == BACKWARD_WEIGHT)
        terms = (double)p->n * o[0] * o[1] * o[2];
    test_ok(nt_tape_plan(tape, NULL));
    test_ok(nt_tape_build(tape));
    struct operand *all[] = {&x, &w, &y, &bias, &residual};
    for (int i = 0; i < 5; i++)
        load(tape, all[i]);
    reference(p, &x, &w, &y, pass);
    float *got = run_twice(tape, out, what);
    compare(p, out, got, pass == BACKWARD_WEIGHT ? NULL : &bias, &residual, &epilogue, terms,
        growth(variant, pass, p->taps[2]), what);
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
    struct problem p = {.n = test_int(1, 3), .groups = 1, .epilogue = test_int(0, 5)};
    int few = small() ? 3 : 8;
    if (small()) /* each kind is compiled of its own */
        p.epilogue = p.epilogue < 3 ? 0 : 5;
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
    p.rank = i % 3 == 1 ? test_int(0, 1) ? 3 : 5 : 4;
    if (i % 6 == 5)
        p.n = small() ? 2 : test_int(15, 33);
    p.gap = i % 7 == 3 ? test_int(1, 4) : 0;
    for (int d = 0; d < 3; d++) {
        bool used = d >= 5 - p.rank;
        p.taps[d] = used ? pick(5, kernels) : 1;
        p.stride[d] = used && i % 3 ? test_int(1, 3) : 1;
        p.dilation[d] = used && i % 4 == 3 ? test_int(1, 3) : 1;
        p.before[d] = used ? test_int(i % 10 == 8 ? -2 : 0, 3) : 0;
        p.after[d] = used ? test_int(i % 10 == 8 ? -2 : 0, 3) : 0;
        p.in[d] = used ? test_int(1, small() || p.rank == 5 ? 6 : d == 1 || p.n > 3 ? 12 : 34) : 1;
        while (extent(&p, d) < 1)
            p.in[d]++;
    }
    return p;
}

static void each_variant(enum pass pass, void (*run)(const char *variant, enum pass pass))
{
    const char *names[16];
    int count = nt_variants(test_device(), primitives[pass], 16, names);
    ck_assert_int_gt(count, 0);
    for (int i = 0; i < count; i++)
        run(names[i], pass);
}

/* The problem made one that the variant takes. */
static void adapt(struct problem *p, const char *variant)
{
    if (strncmp(variant, "depthwise", 9) == 0)
        p->groups = p->k = p->c;
    bool gemm = strcmp(variant, "gemm") == 0;
    if (!gemm && !is_winograd(variant))
        return;
    p->c /= p->groups;
    p->k /= p->groups;
    p->groups = 1;
    for (int i = 0; gemm && i < 3; i++) {
        p->taps[i] = p->stride[i] = p->dilation[i] = 1;
        p->before[i] = p->after[i] = 0;
    }
    if (gemm)
        return;
    p->rank = 4;
    int taps = p->taps[2] > 3 ? 5 : 3;
    for (int i = 0; i < 3; i++) {
        p->taps[i] = i ? taps : 1;
        p->stride[i] = p->dilation[i] = 1;
        if (i == 0) {
            p->in[0] = 1;
            p->before[0] = p->after[0] = 0;
        }
        while (extent(p, i) < 1)
            p->in[i]++;
    }
}

static void random_problems(const char *variant, enum pass pass)
{
    for (int i = 0; i < (small() ? 6 : 60); i++) {
        struct problem p = any_problem(i);
        adapt(&p, variant);
        run_problem(&p, variant, pass);
    }
}

/* Layers that people train, and cases that are easy to get wrong. */
static void known_problems(const char *variant, enum pass pass)
{
    static const struct problem list[] = {
        {4, 16, 1, 6, {1, 28, 28}, {1, 5, 5}, 1, {1, 1, 1}, {1, 1, 1}, {0, 2, 2}, {0, 2, 2}, 2, 0},
        {4, 17, 6, 16, {1, 14, 14}, {1, 5, 5}, 1, {1, 1, 1}, {1, 1, 1}, {0}, {0}, 2, 0},
        {4, 2, 3, 20, {1, 33, 31}, {1, 7, 7}, 1, {1, 2, 2}, {1, 1, 1}, {0, 3, 3}, {0, 3, 3}, 0, 0},
        /* output channels that strips of 12 or 11 rows fill better */
        {4, 3, 40, 96, {1, 19, 17}, {1, 3, 3}, 1, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 2, 0},
        {4, 3, 3, 32, {1, 77, 71}, {1, 5, 5}, 1, {1, 1, 1}, {1, 1, 1}, {0, 0, 2}, {0, 2, 2}, 0, 0},
        /* channel blocks */
        {4, 1, 160, 40, {1, 9, 14}, {1, 3, 3}, 1, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 3, 0},
        {5, 1, 96, 20, {3, 4, 17}, {3, 3, 3}, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, 3, 0},
        {4, 1, 130, 140, {1, 3, 7}, {1, 7, 7}, 1, {1, 1, 1}, {1, 1, 1}, {0, 3, 3}, {0, 3, 3}, 3, 0},
        {4, 1, 64, 130, {1, 7, 15}, {1, 1, 1}, 1, {1, 1, 1}, {1, 1, 1}, {0}, {0}, 1, 0},
        {4, 2, 150, 40, {1, 9, 11}, {1, 3, 3}, 1, {1, 2, 2}, {1, 1, 1}, {0, 1, 2}, {0, 0, 1}, 5, 3},
        {4, 1, 140, 20, {1, 4, 5}, {1, 3, 3}, 1, {1, 1, 1}, {1, 2, 3}, {0, 2, 3}, {0, 2, 1}, 0, 0},
        /* eight results a side of a work-item, sums in two parts */
        {4, 2, 70, 120, {1, 11, 11}, {1, 3, 3}, 1, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 5,
            3},
        /* taps that are outside for most pixels: images in sequence */
        {4, 16, 33, 40, {1, 5, 4}, {1, 5, 5}, 1, {1, 1, 1}, {1, 1, 1}, {0, 4, 4}, {0, 4, 4}, 3, 1},
        {4, 29, 20, 35, {1, 4, 3}, {1, 3, 5}, 1, {1, 1, 2}, {1, 1, 2}, {0, 2, 4}, {0, 2, 4}, 1, 0},
        /* weights of 2, 16 and 25 taps: a vector of channels is that far apart */
        {4, 1, 55, 33, {1, 3, 9}, {1, 1, 2}, 1, {1, 1, 1}, {1, 1, 1}, {0}, {0, 0, 1}, 0, 0},
        {4, 1, 66, 20, {1, 9, 7}, {1, 4, 4}, 2, {1, 3, 2}, {1, 1, 1}, {0, 1, 2}, {0, 2, 1}, 4, 0},
        {4, 1, 40, 17, {1, 7, 6}, {1, 5, 5}, 1, {1, 2, 2}, {1, 1, 1}, {0, 2, 2}, {0, 1, 2}, 0, 0},
        /* Winograd's few tiles: parts of the input channels, a panel with few columns */
        {4, 4, 100, 75, {1, 5, 5}, {1, 3, 3}, 1, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 3, 1},
        {4, 27, 108, 110, {1, 1, 2}, {1, 3, 3}, 1, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 3,
            0},
        {4, 1, 96, 80, {1, 3, 5}, {1, 5, 5}, 1, {1, 1, 1}, {1, 1, 1}, {0, 2, 2}, {0, 2, 1}, 2, 0},
        /* vectors of images: with lanes to spare, strips of rows, groups, a gap after the pixels */
        {4, 21, 15, 24, {1, 11, 13}, {1, 3, 3}, 3, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 4,
            2},
        {5, 17, 5, 7, {3, 9, 10}, {2, 3, 3}, 1, {1, 2, 1}, {1, 1, 2}, {1, 0, 2}, {0, 1, 2}, 3, 1},
        /* pixels joined for their few output channels */
        {5, 2, 1, 5, {3, 4, 11}, {2, 3, 3}, 1, {1, 1, 2}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, 2, 0},
        {4, 3, 3, 2, {1, 6, 17}, {1, 3, 4}, 1, {1, 2, 2}, {1, 2, 1}, {0, 2, 1}, {0, 2, 1}, 0, 0},
        {4, 2, 35, 3, {1, 3, 12}, {1, 1, 5}, 1, {1, 1, 1}, {1, 1, 1}, {0, 0, 2}, {0, 0, 2}, 1, 0},
        {4, 1, 17, 1, {1, 3, 3}, {1, 1, 1}, 1, {1, 1, 1}, {1, 3, 3}, {0}, {0, 3, 2}, 1, 0},
        {4, 19, 6, 5, {1, 3, 3}, {1, 3, 3}, 1, {1, 1, 1}, {1, 1, 1}, {0, 2, 2}, {0, 2, 2}, 0, 0},
        /* phases without taps */
        {4, 2, 32, 24, {1, 9, 9}, {1, 1, 1}, 1, {1, 2, 2}, {1, 1, 1}, {0}, {0}, 1, 0},
        {5, 2, 2, 3, {4, 5, 3}, {1, 2, 1}, 1, {2, 3, 2}, {1, 1, 1}, {0, 1, 0}, {1, 0, 0}, 2, 0},
        {4, 1, 8, 8, {1, 5, 16}, {1, 3, 3}, 1, {1, 3, 2}, {1, 2, 3}, {0, 4, 6}, {0, 1, 0}, 0, 0},
        {4, 2, 6, 8, {1, 7, 8}, {1, 1, 2}, 2, {1, 3, 3}, {1, 1, 1}, {0}, {0, 1, 2}, 5, 1},
        {4, 1, 2, 2, {1, 1, 1}, {1, 3, 3}, 1, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 0, 0},
        /* registers: four columns of a lane, some of them another's */
        {4, 3, 10, 100, {1, 5, 5}, {1, 1, 2}, 2, {1, 1, 1}, {1, 1, 1}, {0}, {0, 0, 1}, 3, 3},
        /* pixels never read */
        {4, 1, 4, 4, {1, 3, 3}, {1, 2, 2}, 1, {1, 3, 3}, {1, 1, 1}, {0}, {0}, 2, 0},
        {3, 2, 3, 5, {1, 1, 40}, {1, 1, 9}, 1, {1, 1, 4}, {1, 1, 2}, {0, 0, -3}, {0, 0, 5}, 2, 0},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (!small() || i > 21) {
            struct problem p = list[i];
            adapt(&p, variant);
            run_problem(&p, variant, pass);
        }
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

/* Rows of few pixels under three taps, which may lie beyond both ends of a row at once. */
static void short_rows(const char *variant, enum pass pass, int stride)
{
    for (int width = 1; width <= (small() ? 5 : 10); width++)
        for (int i = -1; i <= (width < 3 ? 5 : 2); i++) {
            int before = i > 2 ? i - 3 : i, after = i > 2 ? 2 - before : i;
            struct problem p = {4, 2, 19, 19, {1, 4 + i % 2, width}, {1, 3, 3}, 19,
                {1, stride, stride}, {1, 1, 1}, {0, i, before}, {0, 1, after}, (width + i) % 5, 0};
            if (width % 3 == 0)
                p.c = p.k = p.groups = 1;
            if (extent(&p, 1) > 0 && extent(&p, 2) > 0)
                run_problem(&p, variant, pass);
        }
}

/* Also rows that are cut into parts, blocks of rows of several images, taps that are apart. */
START_TEST(depthwise_edges)
{
    static const struct problem list[] = {
        {4, 1, 1601, 1601, {1, 5, 37}, {1, 3, 3}, 1601, {1, 1, 1}, {1, 1, 1}, {0, 2, 1}, {0, 0, 2},
            0, 0},
        {4, 1, 1601, 1601, {1, 5, 37}, {1, 3, 3}, 1601, {1, 2, 2}, {1, 1, 1}, {0, 2, 1}, {0, 0, 2},
            3, 0},
        {4, 3, 40, 40, {1, 13, 9}, {1, 3, 3}, 40, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 3, 0},
        {4, 3, 40, 40, {1, 13, 9}, {1, 3, 3}, 40, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 4, 2},
        {4, 3, 20, 20, {1, 13, 8}, {1, 3, 3}, 20, {1, 3, 1}, {1, 1, 1}, {0, 4, 3}, {0, 1, 4}, 1, 0},
        {4, 2, 20, 20, {1, 12, 8}, {1, 3, 3}, 20, {1, 1, 2}, {1, 2, 1}, {0, 2, 3}, {0, 2, 4}, 2, 0},
        {5, 2, 20, 20, {3, 5, 8}, {1, 3, 3}, 20, {2, 2, 2}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, 2, 0},
        {4, 2, 8, 8, {1, 5, 12}, {1, 3, 11}, 8, {1, 1, 1}, {1, 1, 1}, {0, 1, 5}, {0, 1, 5}, 1, 0},
    };
    static const char *const variants[] = {"depthwise", "depthwise_group"};
    for (int v = 0; v < 2; v++) {
        for (size_t i = small() ? 3 : 0; i < sizeof list / sizeof *list; i++)
            run_problem(&list[i], variants[v], (enum pass)_i);
        for (int stride = 1; stride <= 3; stride++)
            short_rows(variants[v], (enum pass)_i, stride);
    }
}
END_TEST

/* Groups of few channels, of which a vector holds several. */
START_TEST(groups_in_a_vector)
{
    static const struct problem list[] = {
        {4, 2, 22, 22, {1, 5, 9}, {1, 3, 3}, 11, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 3, 2},
        {4, 3, 28, 28, {1, 7, 11}, {1, 3, 3}, 7, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 4, 0},
        {4, 1, 20, 20, {1, 6, 3}, {1, 5, 4}, 5, {1, 1, 3}, {1, 1, 2}, {0, 2, 4}, {0, 3, 3}, 0, 0},
        {5, 2, 32, 32, {3, 4, 5}, {2, 1, 3}, 8, {1, 2, 1}, {1, 1, 1}, {1, 0, 1}, {0, 0, 1}, 5, 1},
        {3, 2, 24, 24, {1, 1, 19}, {1, 1, 7}, 3, {1, 1, 1}, {1, 1, 1}, {0, 0, 3}, {0, 0, 3}, 2, 0},
        {4, 1, 40, 40, {1, 9, 6}, {1, 3, 3}, 5, {1, 2, 2}, {1, 1, 1}, {0, 1, 0}, {0, 1, 1}, 3, 0},
        {4, 1, 804, 804, {1, 3, 17}, {1, 3, 3}, 201, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 1,
            0},
    };
    int width =
        nt_prefers_tiles(test_device()) ? (int)nt_device_get_info(test_device())->vector_width : 0;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (width >= list[i].c / list[i].groups)
            run_problem(&list[i], "depthwise", (enum pass)_i);
}
END_TEST

/* More tiles than transforms are held of at once, and weight gradients in splits, the last of which
 * has tiles beyond the last one. */
START_TEST(winograd_chunks)
{
    static const struct problem list[] = {
        {4, 3, 5, 4, {1, 43, 35}, {1, 3, 3}, 1, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 2, 1},
        {4, 2, 1, 1, {1, 691, 687}, {1, 5, 5}, 1, {1, 1, 1}, {1, 1, 1}, {0, 2, 2}, {0, 2, 2}, 3, 0},
    };
    for (size_t i = 0; i < (small() ? 1 : sizeof list / sizeof *list); i++)
        run_problem(&list[i], "winograd_group", (enum pass)_i);
}
END_TEST

/* images x c channels of side x side pixels to k channels, on a GPU with so much memory */
static bool pays(enum nt_device_type type, int images, int c, int k, int side, int taps)
{
    struct nt_device_info info = {.type = type, .max_allocation = (uint64_t)1 << 30};
    struct nt_conv_problem p = {.images = images,
        .groups = 1,
        .c = c,
        .k = k,
        .in = {1, side, side},
        .out = {1, side, side},
        .taps = {1, taps, taps},
        .stride = {1, 1, 1},
        .dilation = {1, 1, 1},
        .pad = {0, taps / 2, taps / 2},
        .filter = taps * taps,
        .pixels = side * side};
    return nt_conv_winograd_group_pays(&info, &p);
}

START_TEST(winograd_on_gpus)
{
    const enum nt_device_type gpu = NT_DEVICE_GPU_DISCRETE;
    ck_assert(pays(gpu, 32, 64, 64, 56, 3) && pays(gpu, 32, 128, 128, 28, 3));
    ck_assert(pays(NT_DEVICE_GPU_INTEGRATED, 32, 512, 512, 7, 3) && pays(gpu, 1, 64, 64, 112, 3));
    ck_assert(!pays(NT_DEVICE_CPU, 32, 128, 128, 28, 3));
    ck_assert(!pays(gpu, 32, 128, 128, 28, 5) && !pays(gpu, 32, 128, 128, 28, 1));
    ck_assert(!pays(gpu, 32, 32, 32, 56, 3) && !pays(gpu, 32, 3, 512, 224, 3));
    ck_assert(!pays(gpu, 1, 512, 512, 7, 3) && !pays(gpu, 32, 4096, 4096, 14, 3));
}
END_TEST

static double dot(const struct operand *o, const float *a, const float *b)
{
    double sum = 0;
    for (size_t i = (size_t)o->t.offset; i < o->bytes / sizeof(float); i++)
        sum += (double)a[i] * b[i];
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
        int o[3] = {extent(&p, 0), extent(&p, 1), extent(&p, 2)};
        p.gap = 0; /* all of a buffer is the tensor */
        describe(&p, "default", FORWARD, what);
        test_ok(nt_tape_create(test_device(), &tape));
        struct operand x = picture(tape, p.rank, p.n, p.c, p.in, 0), dx = x;
        struct operand y = picture(tape, p.rank, p.n, p.k, o, 0), dy = y, w = filter(tape, &p);
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

/* The variant of the last launch on an integrated GPU. */
static const char *usual_variant(const char *vendor, bool local_memory_real, int stride)
{
    struct nt_device *dev = test_device();
    struct nt_device_info saved = dev->info;
    struct problem p = {4, 1, 8, 8, {1, 9, 9}, {1, 3, 3}, 1, {1, stride, stride}, {1, 1, 1},
        {0, 1, 1}, {0, 1, 1}, 0, 0};
    const int o[3] = {1, extent(&p, 1), extent(&p, 2)};
    struct nt_conv conv = conv_of(&p);
    struct nt_tape *tape;
    dev->info.type = NT_DEVICE_GPU_INTEGRATED;
    dev->info.local_memory_real = local_memory_real;
    snprintf(dev->info.vendor, sizeof dev->info.vendor, "%s", vendor);
    test_ok(nt_tape_create(dev, &tape));
    struct nt_tensor x = picture(tape, 4, 1, 8, p.in, 0).t, w = filter(tape, &p).t;
    struct nt_tensor y = picture(tape, 4, 1, 8, o, 0).t;
    test_ok(nt_conv_backward_data(tape, &conv, &y, &w, &x, NULL));
    const char *variant = nt_tape_launch_info(tape, nt_tape_launch_count(tape) - 1).variant;
    nt_tape_destroy(tape);
    dev->info = saved;
    return variant;
}

START_TEST(registers_where_local_memory_is_slow)
{
    for (int stride = 1; stride <= 2; stride++) {
        ck_assert_str_eq(usual_variant("ARM", false, stride), "registers");
        ck_assert_str_eq(usual_variant("Intel(R) Corporation", true, stride), "registers");
        ck_assert_str_eq(usual_variant("Advanced Micro Devices, Inc.", true, stride), "group");
    }
}
END_TEST

START_TEST(wrong_shapes_are_told)
{
    struct nt_tape *tape;
    struct problem p = {
        4, 1, 4, 6, {1, 8, 8}, {1, 3, 3}, 1, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 0, 0};
    test_ok(nt_tape_create(test_device(), &tape));
    struct nt_tensor x = picture(tape, 4, 1, 4, p.in, 0).t, w = filter(tape, &p).t;
    struct nt_tensor y = picture(tape, 4, 1, 6, (int[]){1, 4, 4}, 0).t, odd = y;
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
    test_ok(nt_tape_force(tape, "conv_forward=gemm"));
    test_fails(nt_conv_forward(tape, &conv, &x, &w, &y, NULL), NT_ERR_UNSUPPORTED,
        "forced variant \"gemm\": must have one tap");
    struct nt_conv plain = {.groups = 1};
    struct nt_tensor cut = x, one = w;
    one.shape = (struct nt_shape){4, {6, 4, 1, 1}};
    one.stride[0] = 4;
    one.stride[1] = one.stride[2] = one.stride[3] = 1;
    odd = picture(tape, 4, 1, 6, (int[]){1, 8, 7}, 0).t;
    cut.shape.dim[3] = 7;
    test_fails(nt_conv_forward(tape, &plain, &cut, &one, &odd, NULL), NT_ERR_UNSUPPORTED,
        "forced variant \"gemm\": pixels must be evenly spaced");
    test_ok(nt_tape_force(tape, "conv_forward=winograd_group"));
    test_fails(nt_conv_forward(tape, &conv, &x, &w, &y, NULL), NT_ERR_UNSUPPORTED,
        "forced variant \"winograd_group\": must have 3x3 or 5x5 taps, stride 1");
    struct nt_tensor none = x, nothing = y;
    plain.pad_before[0] = plain.pad_before[1] = plain.pad_after[0] = plain.pad_after[1] = 1;
    none.shape.dim[0] = nothing.shape.dim[0] = 0;
    nothing.shape.dim[2] = nothing.shape.dim[3] = 8;
    test_ok(nt_tape_force(tape, "conv_backward_weight=winograd_group"));
    test_fails(nt_conv_backward_weight(tape, &plain, &none, &nothing, &w), NT_ERR_UNSUPPORTED,
        "forced variant \"winograd_group\": must have pixels");
    odd = y;
    odd.shape.rank = 3;
    test_fails(nt_conv_forward(tape, &conv, &x, &w, &odd, NULL), NT_ERR_SHAPE,
        "all must have the same rank, 3 to 5");
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
    tcase_add_loop_test(tcase, depthwise_edges, 0, 3);
    tcase_add_loop_test(tcase, groups_in_a_vector, 0, 3);
    tcase_add_test(tcase, the_passes_are_adjoint);
    tcase_add_test(tcase, registers_where_local_memory_is_slow);
    tcase_add_test(tcase, wrong_shapes_are_told);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("winograd_group");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, winograd_chunks, 0, 3);
    tcase_add_test(tcase, winograd_on_gpus);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
