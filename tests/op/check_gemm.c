/* SPDX-License-Identifier: MIT */
#include "engine/opencl.h"
#include "engine/primitives.h"
#include "tests/testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One product: sizes, which operands are transposed, floats between rows, the epilogue. */
struct product {
    int m, n, k, batch;
    bool ta, tb;
    int gap;
    int epilogue; /* 0 none, 1 bias, 2 bias and relu, 3 bias, residual and relu, 4 scalar,
                     5 times whether the residual is positive, 6 plus the residual */
};

/* Also where the driver ends the long loops of kernels for CPUs. */
static bool small(void)
{
    return getenv("NT_SMALL") || nt_device_get_info(test_device())->short_loops;
}

/* A matrix of rows x columns, or of its transpose. Fours of neighbours lie at multiples of 16
 * bytes, or do not. */
static struct nt_tensor matrix(struct nt_tape *tape, const struct product *p, int rows, int columns,
    bool transposed, const char *name)
{
    int slow = transposed ? columns : rows, fast = (transposed ? rows : columns) + p->gap;
    struct nt_tensor t = {.dtype = NT_F32, .shape = {3, {p->batch, rows, columns}}};
    t.offset = test_int(3, 4);
    t.stride[0] = (int64_t)slow * fast;
    t.stride[1] = transposed ? 1 : fast;
    t.stride[2] = transposed ? fast : 1;
    if (p->batch == 1) {
        t.shape = (struct nt_shape){2, {rows, columns}};
        t.stride[0] = t.stride[1];
        t.stride[1] = t.stride[2];
    }
    t.buffer = nt_tape_buffer(
        tape, NT_BUFFER_KEPT, (size_t)(t.offset + p->batch * slow * fast) * sizeof(float), name);
    return t;
}

static int64_t element(const struct nt_tensor *t, int batch, int i, int j)
{
    int r = t->shape.rank - 2;
    return t->offset + (r ? batch * t->stride[0] : 0) + i * t->stride[r] + j * t->stride[r + 1];
}

/* Random elements, and NaN between them: a buffer up to the tensor's last element. Also written to
 * the device. */
static float *random_data(struct nt_tape *tape, const struct nt_tensor *t, size_t *count)
{
    int64_t last = t->offset;
    for (int i = 0; i < t->shape.rank; i++)
        last = t->shape.dim[i] ? last + (t->shape.dim[i] - 1) * t->stride[i] : -1000000;
    *count = last < 0 ? 0 : (size_t)last + 1;
    float *data = malloc((*count + 1) * sizeof *data);
    for (size_t i = 0; i < *count; i++)
        data[i] = NAN;
    int64_t dim[3] = {1, 1, 1}, step[3] = {0};
    for (int i = 0; i < t->shape.rank; i++) {
        dim[i] = t->shape.dim[i];
        step[i] = t->stride[i];
    }
    for (int64_t i = 0; i < dim[0]; i++)
        for (int64_t j = 0; j < dim[1]; j++)
            for (int64_t k = 0; k < dim[2]; k++)
                data[t->offset + i * step[0] + j * step[1] + k * step[2]] = test_float();
    test_ok(nt_tape_write(tape, t->buffer, 0, data, *count * sizeof *data));
    return data;
}

static void expression(struct nt_expr *e, int kind, struct nt_epilogue *out)
{
    int r = nt_expr_input(e, 0), x = nt_expr_input(e, 1), y = nt_expr_input(e, 2);
    if (kind == 5)
        r = nt_expr_call(
            e, NT_FN_mul, r, nt_expr_call(e, NT_FN_lt, nt_expr_constant(e, 0), x, -1), -1);
    else if (kind == 4)
        r = nt_expr_call(e, NT_FN_tanh, nt_expr_call(e, NT_FN_mul, r, x, -1), -1, -1);
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

/* Runs twice from a poisoned C; returns its content after checking that both runs agree. */
static float *run_twice(
    struct nt_tape *tape, const struct nt_tensor *c, size_t count, const char *what)
{
    float *out[2];
    for (int round = 0; round < 2; round++) {
        out[round] = malloc(count * sizeof(float));
        for (size_t i = 0; i < count; i++)
            out[round][i] = NAN;
        test_ok(nt_tape_write(tape, c->buffer, 0, out[round], count * sizeof(float)));
        test_ok(nt_tape_run(tape));
        test_ok(nt_tape_read(tape, c->buffer, 0, out[round], count * sizeof(float)));
    }
    ck_assert_msg(memcmp(out[0], out[1], count * sizeof(float)) == 0, "%s: two runs differ", what);
    free(out[1]);
    return out[0];
}

/* The products of numbers in [-1, 1) are 1/3 in the mean square, so partial sums of `terms` of them
 * reach 1/3 sqrt(terms), and their rounding errors, which add up like a random walk, 4e-9 terms;
 * 20 times that for the worst of many. Relative to the largest value. */
static double tolerance(double terms, size_t count, const double *want)
{
    double scale = 1e-30;
    for (size_t i = 0; i < count; i++)
        scale = fmax(scale, fabs(want[i]));
    return 1e-6 + 8e-8 * (terms + 1) / scale;
}

static void run_product(const char *variant, const struct product *p)
{
    if (strcmp(variant, "clblast") == 0 && (p->batch > 1 || p->k == 0))
        return; /* what it does not take; it says so, see below */
    struct nt_tape *tape;
    char force[64], what[256];
    snprintf(force, sizeof force, "gemm=%s", variant);
    snprintf(what, sizeof what, "%s %dx%dx%d batch %d%s%s gap %d epilogue %d", variant, p->m, p->n,
        p->k, p->batch, p->ta ? " At" : "", p->tb ? " Bt" : "", p->gap, p->epilogue);
    test_ok(nt_tape_create(test_device(), &tape));
    test_ok(nt_tape_force(tape, force));
    struct nt_tensor a = matrix(tape, p, p->m, p->k, p->ta, "a");
    struct nt_tensor b = matrix(tape, p, p->k, p->n, p->tb, "b");
    struct nt_tensor c = matrix(tape, p, p->m, p->n, false, "c");
    if (test_int(0, 1)) { /* B is packed before the first run alone */
        nt_tape_derive(tape, SIZE_MAX);
        nt_tape_steady(tape, b.buffer);
    }
    struct nt_tensor in[2] = {{.dtype = NT_F32,
        .offset = test_int(3, 4),
        .shape = {1, {p->epilogue == 4 ? 1 : p->n}},
        .stride = {1}}};
    in[0].buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, (size_t)(p->n + 5) * sizeof(float), "bias");
    in[1] = matrix(tape, p, p->m, p->n, false, "residual");
    sprintf(what + strlen(what), ", A from %lld, B from %lld, C from %lld", (long long)a.offset,
        (long long)b.offset, (long long)c.offset);
    struct nt_expr *e = nt_expr_create();
    struct nt_epilogue epilogue = {.in = p->epilogue >= 5 ? in + 1 : in};
    expression(e, p->epilogue, &epilogue);
    ck_assert(nt_epilogue_fits(&c, epilogue.inputs, epilogue.in));
    test_ok(nt_gemm(tape, &a, &b, &c, &epilogue));
    test_ok(nt_tape_plan(tape, NULL));
    test_ok(nt_tape_build(tape));

    size_t na, nb, nc, n0, n1;
    float *ha = random_data(tape, &a, &na), *hb = random_data(tape, &b, &nb);
    float *h0 = random_data(tape, &in[0], &n0), *h1 = random_data(tape, &in[1], &n1);
    free(random_data(tape, &c, &nc));
    float *hc = run_twice(tape, &c, nc, what);

    size_t count = (size_t)p->batch * p->m * p->n, next = 0, strays = 0;
    double *want = malloc(count * sizeof *want);
    float *got = malloc(count * sizeof *got);
    for (int t = 0; t < p->batch; t++)
        for (int i = 0; i < p->m; i++)
            for (int j = 0; j < p->n; j++) {
                double sum = 0;
                for (int k = 0; k < p->k; k++)
                    sum += (double)ha[element(&a, t, i, k)] * hb[element(&b, t, k, j)];
                double value[3] = {sum, h0[in[0].offset + (p->epilogue == 4 ? 0 : j)],
                    h1[element(&in[1], t, i, j)]};
                if (p->epilogue >= 5)
                    value[1] = value[2];
                want[next] = p->epilogue ? nt_expr_evaluate(e, epilogue.term, value) : sum;
                got[next++] = hc[element(&c, t, i, j)];
                hc[element(&c, t, i, j)] = NAN;
            }
    for (size_t i = 0; i < nc; i++)
        strays += !isnan(hc[i]);
    ck_assert_msg(strays == 0, "%s: %zu elements outside C were written", what, strays);
    test_close(what, count, got, want, tolerance(p->k, count, want));
    nt_tape_destroy(tape);
    nt_expr_destroy(e);
    free(ha), free(hb), free(hc), free(h0), free(h1), free(want), free(got);
}

static int any_size(void)
{
    static const int sizes[] = {
        1, 2, 3, 6, 10, 13, 14, 15, 16, 17, 28, 31, 32, 33, 64, 65, 84, 96, 120};
    int last = (int)(sizeof sizes / sizeof *sizes) - 1;
    return sizes[test_int(0, small() ? 9 : last)];
}

static void each_variant(void (*run)(const char *variant))
{
    const char *names[8];
    int count = nt_variants(test_device(), "gemm", 8, names);
    ck_assert_int_gt(count, 0);
    for (int i = 0; i < count; i++)
        run(names[i]);
}

static void random_products(const char *variant)
{
    for (int i = 0; i < (small() ? 7 : 60); i++) {
        struct product p = {any_size(), any_size(), any_size(), i % 5 == 4 ? 3 : 1, i & 1,
            (i >> 1) & 1, i % 3 == 0 ? test_int(1, 5) : 0, (small() ? i : i / 4) % 7};
        run_product(variant, &p);
    }
}

START_TEST(random_sizes)
{
    each_variant(random_products);
}
END_TEST

static void long_products(const char *variant)
{
    static const struct product list[] = {
        {30, 50, 1000, 1, false, false, 0, 3},
        {30, 50, 1000, 1, true, false, 0, 2},
        {29, 10, 1024, 1, false, true, 0, 0},
        {100, 150, 512, 1, false, false, 0, 1},
        {200, 130, 70, 1, true, true, 0, 0},
        {1, 1, 2000, 1, false, true, 0, 4},
        {64, 10, 0, 1, false, false, 0, 1},
        {70, 70, 400, 1, false, false, 112, 2}, /* rows of 512 floats */
        {41, 70, 800, 2, true, true, 1, 3},
        {131, 170, 700, 1, false, true, 0, 2},
        {120, 333, 500, 1, true, false, 3, 5},
        {125, 250, 600, 1, true, false, 2, 3}, /* parts of k for work-groups of 128 x 128 */
        {120, 251, 600, 1, false, true, 2, 5},
        {1100, 41, 261, 1, false, true, 3, 3}, /* rows of A stream by */
        {15, 520, 384, 1, true, false, 0, 2},
        {15, 530, 370, 1, false, true, 1, 6}, /* much of B */
        {1, 40, 9000, 1, false, true, 0, 1},
        {3, 100, 5000, 1, false, true, 5, 2},
        {5, 100, 2100, 2, true, true, 1, 4},
        {2, 3000, 77, 1, false, false, 3, 3},
        {5, 1700, 300, 1, true, false, 0, 6},
        {7, 9, 1300, 3, false, true, 0, 5},
        {41, 62, 21, 2, false, false, 1, 3}, /* registers: 4 columns of a lane, some another's */
        {43, 50, 19, 2, true, true, 1, 6},
        {5, 111, 35, 5, false, true, 0, 2},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (!small() || (list[i].m * list[i].n <= 640 && list[i].batch * list[i].k <= 2000) ||
            list[i].m * list[i].n * list[i].k <= 60000)
            run_product(variant, &list[i]);
}

START_TEST(long_sums_and_wide_rows)
{
    each_variant(long_products);
}
END_TEST

static void in_place(const char *variant)
{
    struct nt_tape *tape;
    enum { M = 20, N = 40, K = 900 };
    float *a = malloc(M * K * sizeof *a), *b = malloc(K * N * sizeof *b), c[M * N], got[M * N];
    double want[M * N];
    char force[64];
    snprintf(force, sizeof force, "gemm=%s", variant);
    test_fill(a, M * K);
    test_fill(b, K * N);
    test_fill(c, M * N);
    test_ok(nt_tape_create(test_device(), &tape));
    test_ok(nt_tape_force(tape, force));
    struct nt_shape sa = {2, {M, K}}, sb = {2, {K, N}}, sc = {2, {M, N}};
    int32_t ba = nt_tape_buffer(tape, NT_BUFFER_KEPT, M * K * sizeof *a, "a");
    int32_t bb = nt_tape_buffer(tape, NT_BUFFER_KEPT, K * N * sizeof *b, "b");
    int32_t bc = nt_tape_buffer(tape, NT_BUFFER_KEPT, sizeof c, "c");
    struct nt_tensor ta = nt_tensor_make(ba, NT_F32, &sa, NT_ROW_MAJOR);
    struct nt_tensor tb = nt_tensor_make(bb, NT_F32, &sb, NT_ROW_MAJOR);
    struct nt_tensor tc = nt_tensor_make(bc, NT_F32, &sc, NT_ROW_MAJOR);
    struct nt_expr *e = nt_expr_create();
    int sum = nt_expr_call(e, NT_FN_add, nt_expr_input(e, 0), nt_expr_input(e, 1), -1);
    struct nt_epilogue epilogue = {e, sum, 1, &tc};
    test_ok(nt_gemm(tape, &ta, &tb, &tc, &epilogue));
    test_ok(nt_tape_plan(tape, NULL));
    test_ok(nt_tape_build(tape));
    test_ok(nt_tape_write(tape, ba, 0, a, M * K * sizeof *a));
    test_ok(nt_tape_write(tape, bb, 0, b, K * N * sizeof *b));
    test_ok(nt_tape_write(tape, bc, 0, c, sizeof c));
    test_ok(nt_tape_run(tape));
    test_ok(nt_tape_read(tape, bc, 0, got, sizeof got));
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            want[i * N + j] = c[i * N + j];
            for (int k = 0; k < K; k++)
                want[i * N + j] += (double)a[i * K + k] * b[k * N + j];
        }
    test_close("C = A B + C", M * N, got, want, tolerance(K, M * N, want));
    nt_tape_destroy(tape);
    nt_expr_destroy(e);
    free(a), free(b);
}

static const char *usual_variant(int64_t batch, int64_t m, int64_t n, int64_t k, bool turned)
{
    static char variant[32];
    struct nt_tape *tape;
    struct nt_shape sa = {3, {batch, m, k}}, sb = {3, {batch, k, n}}, sc = {3, {batch, m, n}};
    test_ok(nt_tape_create(test_device(), &tape));
    int32_t buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, 1 << 26, "never made");
    struct nt_tensor a = nt_tensor_make(buffer, NT_F32, &sa, NT_ROW_MAJOR);
    struct nt_tensor b = nt_tensor_make(buffer, NT_F32, &sb, NT_ROW_MAJOR);
    struct nt_tensor c = nt_tensor_make(buffer, NT_F32, &sc, NT_ROW_MAJOR);
    if (turned) {
        b.stride[1] = 1;
        b.stride[2] = k;
    }
    test_ok(nt_gemm(tape, &a, &b, &c, NULL));
    snprintf(variant, sizeof variant, "%s", nt_tape_launch_info(tape, 0).variant);
    nt_tape_destroy(tape);
    return variant;
}

START_TEST(few_rows_take_b_as_it_lies)
{
    if (strcmp(usual_variant(1, 4, 10, 84, true), "tile") != 0)
        return; /* no device for tiles */
    for (int turned = 0; turned < 2; turned++) {
        ck_assert_str_eq(usual_variant(1, 1, 1000, 512, turned), "few");
        ck_assert_str_eq(usual_variant(1, 4, 512, 1000, turned), "few");
        ck_assert_str_eq(usual_variant(1, 12, 4096, 4096, turned), "few");
        ck_assert_str_eq(usual_variant(12, 1, 512, 64, turned), "few");
        ck_assert_str_eq(usual_variant(1, 4, 120, 400, turned), "tile"); /* little to pack */
        ck_assert_str_eq(usual_variant(1, 64, 512, 512, turned), "tile");
        ck_assert_str_eq(usual_variant(999, 4, 30, 30, turned), "tile"); /* short lines */
    }
}
END_TEST

START_TEST(registers_where_local_memory_is_slow)
{
    struct nt_device *dev = test_device();
    struct nt_device_info saved = dev->info, *info = &dev->info;
    info->type = NT_DEVICE_GPU_INTEGRATED;
    info->local_memory_real = false;
    snprintf(info->vendor, sizeof info->vendor, "ARM");
    ck_assert_str_eq(usual_variant(1, 64, 512, 512, false), "registers");
    info->local_memory_real = true;
    ck_assert_str_ne(usual_variant(1, 64, 512, 512, false), "registers");
    snprintf(info->vendor, sizeof info->vendor, "Intel(R) Corporation");
    ck_assert_str_eq(usual_variant(3, 64, 512, 512, false), "registers");
    info->type = NT_DEVICE_CPU;
    ck_assert_str_ne(usual_variant(1, 64, 512, 512, false), "registers");
    dev->info = saved;
}
END_TEST

/* Results without elements need nothing run; the operands beside them may have some. */
START_TEST(empty_results_are_left_alone)
{
    for (int i = 0; i < 3; i++) {
        struct nt_tape *tape;
        int64_t m = i == 0 ? 0 : 70, n = i == 1 ? 0 : 65, batch = i == 2 ? 0 : 1, k = 900;
        struct nt_shape sa = {3, {batch, m, k}}, sb = {3, {batch, k, n}}, sc = {3, {batch, m, n}};
        test_ok(nt_tape_create(test_device(), &tape));
        int32_t buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, 4 * 70 * 900, "all");
        struct nt_tensor a = nt_tensor_make(buffer, NT_F32, &sa, NT_ROW_MAJOR);
        struct nt_tensor b = nt_tensor_make(buffer, NT_F32, &sb, NT_ROW_MAJOR);
        struct nt_tensor c = nt_tensor_make(buffer, NT_F32, &sc, NT_ROW_MAJOR);
        test_ok(nt_gemm(tape, &a, &b, &c, NULL));
        ck_assert_int_eq(nt_tape_launch_count(tape), 0);
        nt_tape_destroy(tape);
    }
}
END_TEST

START_TEST(the_residual_may_be_the_output)
{
    each_variant(in_place);
}
END_TEST

START_TEST(wrong_shapes_are_told)
{
    struct nt_tape *tape;
    test_ok(nt_tape_create(test_device(), &tape));
    int32_t buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, 4096, "b");
    struct nt_shape s23 = {2, {2, 3}}, s34 = {2, {3, 4}}, s24 = {2, {2, 4}}, s4 = {1, {4}};
    struct nt_tensor a = nt_tensor_make(buffer, NT_F32, &s23, NT_ROW_MAJOR);
    struct nt_tensor b = nt_tensor_make(buffer, NT_F32, &s34, NT_ROW_MAJOR);
    struct nt_tensor c = nt_tensor_make(buffer, NT_F32, &s24, NT_ROW_MAJOR);
    struct nt_tensor v = nt_tensor_make(buffer, NT_F32, &s4, NT_ROW_MAJOR);
    test_fails(nt_gemm(tape, &a, &a, &c, NULL), NT_ERR_SHAPE, "gemm: A 2x3, B 2x3, C 2x4: must be");
    test_fails(nt_gemm(tape, &a, &v, &c, NULL), NT_ERR_SHAPE, "rank 2");
    struct nt_tensor odd = b;
    odd.stride[0] = 8;
    odd.stride[1] = 2;
    test_fails(nt_gemm(tape, &a, &odd, &c, NULL), NT_ERR_SHAPE, "B must have stride 1");
    odd = c;
    odd.stride[0] = 1;
    odd.stride[1] = 2;
    test_fails(nt_gemm(tape, &a, &b, &odd, NULL), NT_ERR_SHAPE, "C must have stride 1");
    odd = a;
    odd.dtype = NT_I32;
    test_fails(nt_gemm(tape, &odd, &b, &c, NULL), NT_ERR_ARGUMENT, "float32");
    struct nt_expr *e = nt_expr_create();
    int sum = nt_expr_call(e, NT_FN_add, nt_expr_input(e, 0), nt_expr_input(e, 1), -1);
    struct nt_epilogue epilogue = {e, sum, 1, &a};
    ck_assert(!nt_epilogue_fits(&c, 1, &a));
    test_fails(nt_gemm(tape, &a, &b, &c, &epilogue), NT_ERR_SHAPE, "epilogue operand 0");
    nt_expr_destroy(e);
    const char *names[8];
    int count = nt_variants(test_device(), "gemm", 8, names);
    if (strcmp(names[count - 1], "clblast") == 0) {
        struct nt_shape empty = {2, {2, 0}}, none = {2, {0, 4}};
        struct nt_tensor a0 = nt_tensor_make(buffer, NT_F32, &empty, NT_ROW_MAJOR);
        struct nt_tensor b0 = nt_tensor_make(buffer, NT_F32, &none, NT_ROW_MAJOR);
        test_ok(nt_tape_force(tape, "gemm=clblast"));
        test_fails(nt_gemm(tape, &a0, &b0, &c, NULL), NT_ERR_UNSUPPORTED, "k above 0");
    }
    test_ok(nt_tape_force(tape, "gemm=warp"));
    test_fails(nt_gemm(tape, &a, &b, &c, NULL), NT_ERR_ARGUMENT, "variant \"warp\"");
    nt_tape_destroy(tape);
}
END_TEST

static struct nt_tensor matrix_of(struct nt_tape *tape, int64_t rows, int64_t columns)
{
    struct nt_shape shape = {2, {rows, columns}};
    size_t bytes = (size_t)(rows * columns) * sizeof(float);
    return nt_tensor_make(
        nt_tape_buffer(tape, NT_BUFFER_KEPT, bytes, "matrix"), NT_F32, &shape, NT_ROW_MAJOR);
}

/* The variant that a GPU whose work-groups have so many work-items takes for n x k by k x n. */
static const char *variant_on_gpu(size_t items, int64_t n, int64_t k)
{
    struct nt_device *dev = test_device();
    struct nt_device_info saved = dev->info;
    struct nt_tape *tape;
    test_ok(nt_tape_create(dev, &tape));
    struct nt_tensor a = matrix_of(tape, n, k), b = matrix_of(tape, k, n),
                     c = matrix_of(tape, n, n);
    dev->info.type = NT_DEVICE_GPU_INTEGRATED;
    dev->info.local_memory_real = true;
    dev->info.vendor[0] = 0;
    dev->info.max_work_group = items;
    test_ok(nt_gemm(tape, &a, &b, &c, NULL));
    dev->info = saved;
    const char *variant = nt_tape_launch_info(tape, 0).variant;
    nt_tape_destroy(tape);
    return variant;
}

START_TEST(clblast_is_for_large_dense_products)
{
    const char *names[8], *last = names[nt_variants(test_device(), "gemm", 8, names) - 1];
    ck_assert_str_eq(
        variant_on_gpu(256, 2048, 2048), strcmp(last, "clblast") == 0 ? last : "group");
    ck_assert_str_eq(variant_on_gpu(128, 2048, 2048), "group");
    ck_assert_str_eq(variant_on_gpu(256, 2048, 128), "group"); /* copies would cost much */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gemm");
    TCase *tcase = tcase_create("gemm");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, random_sizes);
    tcase_add_test(tcase, long_sums_and_wide_rows);
    tcase_add_test(tcase, few_rows_take_b_as_it_lies);
    tcase_add_test(tcase, registers_where_local_memory_is_slow);
    tcase_add_test(tcase, empty_results_are_left_alone);
    tcase_add_test(tcase, the_residual_may_be_the_output);
    tcase_add_test(tcase, wrong_shapes_are_told);
    tcase_add_test(tcase, clblast_is_for_large_dense_products);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
