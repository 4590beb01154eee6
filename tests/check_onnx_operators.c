/* SPDX-License-Identifier: MIT
 *
 * Operators of ONNX as models of one node with random numbers, beside plain loops by the format's
 * definitions.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/model.h"
#include "tests/onnx_model.h"

static struct onnx_model *m;

/* ---- shape arithmetic ---- */

/* Extents by Split, Mod, Where and Range, with a number that an input is fed. */
START_TEST(shapes_from_many_operators)
{
    double want[2 * 3 * 4];
    m = onnx_model_start(17);
    const double *x = onnx_model_random(m, "x", SHAPE(2, 12));
    onnx_model_array(m, false, "rows", NT_ONNX_INT64, SHAPE(1), (double[]){3});
    onnx_model_array(m, true, "one", NT_ONNX_INT64, SHAPE(1), (double[]){1});
    onnx_model_node(m, "Shape", "x", "shape");
    onnx_model_node(m, "Split", "shape", "batch width");
    onnx_model_node(m, "Div", "width rows", "columns");
    onnx_model_node(m, "Mod", "width rows", "rest");
    onnx_model_node(m, "Cast", "rest", "some");
    onnx_model_int(m, "to", NT_ONNX_BOOL);
    onnx_model_node(m, "Where", "some one columns", "last");
    onnx_model_node(m, "Concat", "batch rows last", "target");
    onnx_model_int(m, "axis", 0);
    onnx_model_node(m, "Reshape", "x target", "boxes");
    onnx_model_node(m, "Squeeze", "last", "count");
    onnx_model_array(m, true, "zero", NT_ONNX_INT64, SCALAR, (double[]){0});
    onnx_model_array(m, true, "step", NT_ONNX_INT64, SCALAR, (double[]){1});
    onnx_model_node(m, "Range", "zero count step", "numbers");
    onnx_model_node(m, "CastLike", "numbers boxes", "floats");
    onnx_model_node(m, "Add", "boxes floats", "y");
    for (int i = 0; i < 24; i++)
        want[i] = x[i] + i % 4;
    onnx_model_gives(m, 0, SHAPE(2, 3, 4), want, 1e-6);
}
END_TEST

START_TEST(tensors_without_elements)
{
    const double none = 0, zeros[12] = {0}, ones[] = {1, 1};
    m = onnx_model_start(18);
    onnx_model_array(m, false, "x", NT_ONNX_FLOAT, SHAPE(2, 0, 4), &none);
    onnx_model_array(m, true, "axes", NT_ONNX_INT64, SHAPE(1), (double[]){1});
    onnx_model_node(m, "ReduceSum", "x axes", "y");
    onnx_model_gives(m, 0, SHAPE(2, 1, 4), zeros, 0);
    m = onnx_model_start(18);
    onnx_model_array(m, false, "x", NT_ONNX_FLOAT, SHAPE(2, 0), &none);
    onnx_model_array(m, true, "axes", NT_ONNX_INT64, SHAPE(1), (double[]){1});
    onnx_model_node(m, "ReduceProd", "x axes", "y");
    onnx_model_int(m, "keepdims", 0);
    onnx_model_gives(m, 0, SHAPE(2), ones, 0);
    m = onnx_model_start(18);
    onnx_model_array(m, false, "x", NT_ONNX_FLOAT, SHAPE(0, 3), &none);
    onnx_model_random(m, "b", SHAPE(3));
    onnx_model_node(m, "Add", "x b", "y");
    onnx_model_gives(m, 0, SHAPE(0, 3), &none, 0);
    m = onnx_model_start(18);
    const double *x = onnx_model_random(m, "x", SHAPE(5));
    onnx_model_array(m, true, "sizes", NT_ONNX_INT64, SHAPE(3), (double[]){2, 0, 3});
    onnx_model_node(m, "Split", "x sizes", "a b c");
    onnx_model_gives(m, 0, SHAPE(2), x, 0);
    onnx_model_gives(m, 1, SHAPE(0), &none, 0);
    onnx_model_gives(m, 2, SHAPE(3), x + 2, 0);
}
END_TEST

/* ---- doubles ---- */

/* Before opset 7 b lies along axis 0; nothing of it fits in float32. */
START_TEST(doubles_beyond_float32)
{
    double a[6], b[2], want[6];
    for (int i = 0; i < 6; i++)
        a[i] = ldexp((double)test_float(), 500);
    for (int i = 0; i < 2; i++)
        b[i] = ldexp((double)test_float(), 500);
    for (int i = 0; i < 6; i++)
        want[i] = sqrt(fabs(a[i] + b[i / 3]) * 2);
    m = onnx_model_start(6);
    onnx_model_array(m, false, "a", NT_ONNX_DOUBLE, SHAPE(2, 3), a);
    onnx_model_array(m, false, "b", NT_ONNX_DOUBLE, SHAPE(2), b);
    onnx_model_array(m, true, "two", NT_ONNX_DOUBLE, SCALAR, (double[]){2});
    onnx_model_node(m, "Add", "a b", "s");
    onnx_model_int(m, "broadcast", 1);
    onnx_model_int(m, "axis", 0);
    onnx_model_node(m, "Abs", "s", "t");
    onnx_model_node(m, "Mul", "t two", "u");
    onnx_model_int(m, "broadcast", 1);
    onnx_model_node(m, "Sqrt", "u", "y");
    onnx_model_gives(m, 0, SHAPE(2, 3), want, 1e-15);
}
END_TEST

/* What the host does not fold is float32. */
START_TEST(doubles_on_the_device)
{
    double x[4], want[4], sum = 0;
    for (int i = 0; i < 4; i++)
        sum += want[i] = exp(x[i] = (double)test_float());
    for (int i = 0; i < 4; i++)
        want[i] /= sum;
    m = onnx_model_start(13);
    onnx_model_array(m, false, "x", NT_ONNX_DOUBLE, SHAPE(1, 4), x);
    onnx_model_node(m, "Softmax", "x", "y");
    onnx_model_gives(m, 0, SHAPE(1, 4), want, 1e-6);
}
END_TEST

START_TEST(old_broadcasts_that_do_not_fit)
{
    m = onnx_model_start(6);
    onnx_model_random(m, "b", SHAPE(3, 1));
    onnx_model_random(m, "c", SHAPE(2, 3, 1));
    onnx_model_node(m, "Add", "c b", "y");
    onnx_model_int(m, "broadcast", 1);
    onnx_model_int(m, "axis", 2);
    test_fails(
        onnx_model_run(m), NT_ERR_SHAPE, "Add: axis 2: input 1 of rank 2: must be at most 1");
}
END_TEST

/* ---- windows ---- */

/* A work-item that takes many windows goes round its loops some hundred thousand times. */
START_TEST(windows_of_thousands)
{
    enum { IN = 300, HIGH = 60, WIDE = 80, STEP = 10, ROWS = 25, COLUMNS = 23 };
    static double want[ROWS * COLUMNS];
    m = onnx_model_start(12);
    const double *x = onnx_model_random(m, "x", SHAPE(1, 1, IN, IN));
    onnx_model_node(m, "MaxPool", "x", "y");
    onnx_model_ints(m, "kernel_shape", 2, (int64_t[]){HIGH, WIDE});
    onnx_model_ints(m, "strides", 2, (int64_t[]){STEP, STEP});
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        want[i] = -1;
        for (int r = 0; r < HIGH; r++)
            for (int c = 0; c < WIDE; c++)
                want[i] = fmax(want[i], x[(i / COLUMNS * STEP + r) * IN + i % COLUMNS * STEP + c]);
    }
    onnx_model_gives(m, 0, SHAPE(1, 1, ROWS, COLUMNS), want, 0);
}
END_TEST

/* ---- chosen elements ---- */

START_TEST(trilu_of_rectangles)
{
    for (int round = 0; round < 6; round++) {
        int rows = test_int(1, 6), columns = test_int(1, 6), k = test_int(-4, 4), upper = round % 2;
        bool whole = round % 3 == 0;
        double data[72], want[72];
        m = onnx_model_start(14);
        for (int i = 0; i < 2 * rows * columns; i++) {
            data[i] = test_int(-(1 << 30), 1 << 30);
            int row = i / columns % rows, column = i % columns;
            bool kept = upper ? column - row >= k : column - row <= k;
            want[i] = kept ? data[i] : 0;
            if (!whole) {
                data[i] = (double)(float)data[i];
                want[i] = (double)(float)want[i];
            }
        }
        onnx_model_array(
            m, false, "x", whole ? NT_ONNX_INT32 : NT_ONNX_FLOAT, SHAPE(2, rows, columns), data);
        onnx_model_array(m, false, "k", NT_ONNX_INT64, SCALAR, (double[]){k});
        onnx_model_node(m, "Trilu", "x k", "y");
        onnx_model_int(m, "upper", upper);
        onnx_model_gives(m, 0, SHAPE(2, rows, columns), want, 0);
    }
}
END_TEST

START_TEST(one_hot_along_any_axis)
{
    enum { N = 3, C = 4, DEPTH = 5 };
    for (int axis = -3; axis < 3; axis++) {
        double index[N * C], want[N * C * DEPTH];
        m = onnx_model_start(11);
        for (int i = 0; i < N * C; i++)
            index[i] = test_int(-DEPTH - 1, DEPTH);
        int at = axis < 0 ? axis + 3 : axis;
        for (int n = 0; n < N; n++)
            for (int c = 0; c < C; c++)
                for (int d = 0; d < DEPTH; d++) {
                    int own = (int)index[n * C + c];
                    int place = at == 0   ? (d * N + n) * C + c
                                : at == 1 ? (n * DEPTH + d) * C + c
                                          : (n * C + c) * DEPTH + d;
                    want[place] = own == d || own + DEPTH == d ? 7 : -2;
                }
        onnx_model_array(m, false, "index", NT_ONNX_INT64, SHAPE(N, C), index);
        onnx_model_array(m, true, "depth", NT_ONNX_INT64, SCALAR, (double[]){DEPTH});
        onnx_model_array(m, false, "values", NT_ONNX_FLOAT, SHAPE(2), (double[]){-2, 7});
        onnx_model_node(m, "OneHot", "index depth values", "y");
        onnx_model_int(m, "axis", axis);
        struct nt_shape shape = at == 0   ? SHAPE(DEPTH, N, C)
                                : at == 1 ? SHAPE(N, DEPTH, C)
                                          : SHAPE(N, C, DEPTH);
        onnx_model_gives(m, 0, shape, want, 0);
    }
}
END_TEST

START_TEST(results_as_long_as_the_numbers_say)
{
    double condition[6], x[12], where[24], chosen[12];
    int count = 0, columns = 0;
    m = onnx_model_start(13);
    for (int i = 0; i < 12; i++)
        x[i] = test_int(-1, 1);
    x[5] = 1;
    for (int i = 0; i < 12; i++)
        count += x[i] != 0;
    for (int i = 0, next = 0; i < 12; i++)
        if (x[i] != 0) {
            where[next] = i / 4;
            where[count + next++] = i % 4;
        }
    onnx_model_array(m, false, "x", NT_ONNX_FLOAT, SHAPE(3, 4), x);
    onnx_model_node(m, "NonZero", "x", "y");
    onnx_model_gives(m, 0, SHAPE(2, count), where, 0);
    m = onnx_model_start(13);
    const double *data = onnx_model_random(m, "x", SHAPE(3, 4));
    for (int i = 0; i < 4; i++)
        columns += (int)(condition[i] = i == 2 || test_int(0, 1));
    for (int r = 0, next = 0; r < 3; r++)
        for (int c = 0; c < 4; c++)
            if (condition[c] != 0)
                chosen[next++] = data[r * 4 + c];
    onnx_model_array(m, false, "condition", NT_ONNX_BOOL, SHAPE(4), condition);
    onnx_model_node(m, "Compress", "x condition", "y");
    onnx_model_int(m, "axis", 1);
    onnx_model_gives(m, 0, SHAPE(3, columns), chosen, 0);
}
END_TEST

/* By looking at every pair. */
START_TEST(unique_numbers)
{
    enum { COUNT = 20 };
    for (int sorted = 0; sorted < 2; sorted++) {
        double x[COUNT], y[COUNT], first[COUNT], inverse[COUNT], counts[COUNT] = {0};
        int groups = 0;
        for (int i = 0; i < COUNT; i++)
            x[i] = test_int(-4, 4);
        for (int i = 0; i < COUNT; i++) {
            int seen = 0;
            while (seen < groups && y[seen] != x[i])
                seen++;
            if (seen == groups)
                y[groups++] = x[i];
        }
        for (int i = 0; sorted && i < groups; i++)
            for (int j = i + 1; j < groups; j++)
                if (y[j] < y[i]) {
                    double swap = y[i];
                    y[i] = y[j];
                    y[j] = swap;
                }
        for (int i = COUNT - 1; i >= 0; i--)
            for (int g = 0; g < groups; g++)
                if (y[g] == x[i]) {
                    first[g] = i;
                    inverse[i] = g;
                    counts[g]++;
                }
        m = onnx_model_start(11);
        onnx_model_array(m, false, "x", NT_ONNX_FLOAT, SHAPE(4, 5), x);
        onnx_model_node(m, "Unique", "x", "y first inverse counts");
        onnx_model_int(m, "sorted", sorted);
        onnx_model_gives(m, 0, SHAPE(groups), y, 0);
        onnx_model_gives(m, 1, SHAPE(groups), first, 0);
        onnx_model_gives(m, 2, SHAPE(COUNT), inverse, 0);
        onnx_model_gives(m, 3, SHAPE(groups), counts, 0);
    }
}
END_TEST

static double overlap(const double *a, const double *b)
{
    double h = fmin(a[2], b[2]) - fmax(a[0], b[0]), w = fmin(a[3], b[3]) - fmax(a[1], b[1]);
    double shared = h > 0 && w > 0 ? h * w : 0;
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared);
}

START_TEST(boxes_that_do_not_overlap)
{
    enum { BOXES = 12, CLASSES = 2, MOST = 5 };
    double boxes[BOXES * 4], scores[CLASSES * BOXES], want[CLASSES * MOST * 3];
    int chosen = 0;
    for (int i = 0; i < BOXES; i++)
        for (int d = 0; d < 2; d++) {
            boxes[4 * i + d] = test_int(0, 8);
            boxes[4 * i + 2 + d] = boxes[4 * i + d] + test_int(1, 6);
        }
    for (int i = 0; i < CLASSES * BOXES; i++)
        scores[i] = (i * 7 % 25) / 32.0; /* no two alike */
    for (int c = 0; c < CLASSES; c++) {
        bool gone[BOXES] = {false};
        for (int taken = 0; taken < MOST; taken++) {
            int best = -1;
            for (int i = 0; i < BOXES; i++)
                if (!gone[i] && scores[c * BOXES + i] > 0.1 &&
                    (best < 0 || scores[c * BOXES + i] > scores[c * BOXES + best]))
                    best = i;
            if (best < 0)
                break;
            for (int i = 0; i < BOXES; i++)
                gone[i] = gone[i] || i == best || overlap(boxes + 4 * best, boxes + 4 * i) > 0.3;
            want[3 * chosen] = 0;
            want[3 * chosen + 1] = c;
            want[3 * chosen++ + 2] = best;
        }
    }
    m = onnx_model_start(11);
    onnx_model_array(m, false, "boxes", NT_ONNX_FLOAT, SHAPE(1, BOXES, 4), boxes);
    onnx_model_array(m, false, "scores", NT_ONNX_FLOAT, SHAPE(1, CLASSES, BOXES), scores);
    onnx_model_array(m, true, "most", NT_ONNX_INT64, SHAPE(1), (double[]){MOST});
    onnx_model_array(m, true, "overlap", NT_ONNX_FLOAT, SHAPE(1), (double[]){0.3});
    onnx_model_array(m, true, "least", NT_ONNX_FLOAT, SHAPE(1), (double[]){0.1});
    onnx_model_node(m, "NonMaxSuppression", "boxes scores most overlap least", "y");
    onnx_model_gives(m, 0, SHAPE(chosen, 3), want, 0);
}
END_TEST

START_TEST(sequences_turned_around)
{
    enum { T = 5, N = 3, C = 2 };
    double lengths[N], want[T * N * C];
    m = onnx_model_start(10);
    const double *x = onnx_model_random(m, "x", SHAPE(T, N, C));
    for (int n = 0; n < N; n++)
        lengths[n] = test_int(1, T);
    for (int t = 0; t < T; t++)
        for (int n = 0; n < N; n++)
            for (int c = 0; c < C; c++) {
                int from = t < (int)lengths[n] ? (int)lengths[n] - 1 - t : t;
                want[(t * N + n) * C + c] = x[(from * N + n) * C + c];
            }
    onnx_model_array(m, false, "lengths", NT_ONNX_INT64, SHAPE(N), lengths);
    onnx_model_node(m, "ReverseSequence", "x lengths", "y");
    onnx_model_gives(m, 0, SHAPE(T, N, C), want, 0);
}
END_TEST

/* ---- matrices ---- */

/* By the first row's minors. */
static double determinant(int n, const double *a)
{
    double sum = 0, minor[36];
    if (n == 1)
        return a[0];
    for (int c = 0; c < n; c++) {
        for (int i = 1; i < n; i++)
            for (int j = 0, next = 0; j < n; j++)
                if (j != c)
                    minor[(i - 1) * (n - 1) + next++] = a[i * n + j];
        sum += (c % 2 ? -1 : 1) * a[c] * determinant(n - 1, minor);
    }
    return sum;
}

START_TEST(determinants)
{
    for (int n = 1; n <= 5; n++) {
        double want[3];
        m = onnx_model_start(11);
        const double *x = onnx_model_random(m, "x", SHAPE(3, n, n));
        for (int i = 0; i < 3; i++)
            want[i] = determinant(n, x + i * n * n);
        onnx_model_node(m, "Det", "x", "y");
        onnx_model_gives(m, 0, SHAPE(3), want, 1e-5);
    }
    double zeros[9] = {0, 2, 1, 0, 0, 3, 4, 1, 1}, want = determinant(3, zeros);
    m = onnx_model_start(11);
    onnx_model_array(m, false, "x", NT_ONNX_FLOAT, SHAPE(3, 3), zeros);
    onnx_model_node(m, "Det", "x", "y");
    onnx_model_gives(m, 0, SCALAR, &want, 1e-6);
}
END_TEST

/* Extents of the letters i j k b; every value of every letter is visited. */
static const int extents[] = {2, 3, 4, 5};

static int letter(char c)
{
    return c == 'i' ? 0 : c == 'j' ? 1 : c == 'k' ? 2 : 3;
}

static size_t place(const char *term, size_t length, const int *value)
{
    size_t at = 0;
    for (size_t i = 0; i < length; i++)
        at = at * (size_t)extents[letter(term[i])] + (size_t)value[letter(term[i])];
    return at;
}

static struct nt_shape shape_of(const char *term, size_t length)
{
    struct nt_shape shape = {.rank = (int)length};
    for (size_t i = 0; i < length; i++)
        shape.dim[i] = extents[letter(term[i])];
    return shape;
}

START_TEST(sums_of_products)
{
    static const char *const equations[] = {"ij,jk->ik", "bij,bjk->bik", "ij->ji", "ij->", "ii->i",
        "ij,jk,kb->ib", "i,j->ij", "bij,kj->bik", "ijk,ijk->ijk", "ij,k->j", "bii->b",
        "ij,ij,ij->"};
    for (size_t e = 0; e < sizeof equations / sizeof *equations; e++) {
        const char *arrow = strchr(equations[e], '-'), *out = arrow + 2, *term[3] = {equations[e]};
        size_t length[3];
        const double *x[3];
        double want[120] = {0};
        char inputs[16] = "";
        int count = 0;
        m = onnx_model_start(12);
        for (const char *at = equations[e]; at <= arrow; at++)
            if (*at == ',' || at == arrow) {
                char name[2] = {(char)('a' + count)};
                length[count] = (size_t)(at - term[count]);
                x[count] = onnx_model_random(m, name, shape_of(term[count], length[count]));
                strcat(strcat(inputs, " "), name);
                if (++count < 3)
                    term[count] = at + 1;
            }
        for (int n = 0; n < 2 * 3 * 4 * 5; n++) {
            int value[] = {n % 2, n / 2 % 3, n / 6 % 4, n / 24};
            bool counts = true; /* letters that the equation lacks have one value */
            double product = 1;
            for (int i = 0; i < 4; i++)
                counts = counts && (value[i] == 0 || memchr(equations[e], "ijkb"[i],
                                                         (size_t)(arrow - equations[e])));
            for (int i = 0; counts && i < count; i++)
                product *= x[i][place(term[i], length[i], value)];
            want[place(out, strlen(out), value)] += counts ? product : 0;
        }
        onnx_model_node(m, "Einsum", inputs, "y");
        onnx_model_word(m, "equation", equations[e]);
        onnx_model_gives(m, 0, shape_of(out, strlen(out)), want, 1e-5);
    }
}
END_TEST

/* ---- bits ---- */

START_TEST(bits_of_integers)
{
    static const char *const names[] = {"BitwiseAnd", "BitwiseOr", "BitwiseXor"};
    enum { COUNT = 40 };
    double a[COUNT], b[COUNT], want[COUNT];
    for (int i = 0; i < COUNT; i++) {
        a[i] = (int32_t)((uint32_t)test_int(0, 65535) << 16 | (uint32_t)test_int(0, 65535));
        b[i] = (int32_t)((uint32_t)test_int(0, 65535) << 16 | (uint32_t)test_int(0, 65535));
    }
    a[0] = b[1] = INT32_MIN;
    a[2] = b[2] = -1;
    for (int op = 0; op < 3; op++) {
        for (int i = 0; i < COUNT; i++) {
            int32_t x = (int32_t)a[i], y = (int32_t)b[i];
            want[i] = op == 0 ? x & y : op == 1 ? x | y : x ^ y;
        }
        m = onnx_model_start(18);
        onnx_model_array(m, false, "a", NT_ONNX_INT32, SHAPE(COUNT), a);
        onnx_model_array(m, false, "b", NT_ONNX_INT32, SHAPE(COUNT), b);
        onnx_model_node(m, names[op], "a b", "y");
        onnx_model_gives(m, 0, SHAPE(COUNT), want, 0);
    }
    for (int i = 0; i < COUNT; i++) {
        b[i] = i % 32;
        want[i] = (int32_t)((uint32_t)(int32_t)a[i] << (i % 32));
    }
    m = onnx_model_start(11);
    onnx_model_array(m, false, "a", NT_ONNX_INT32, SHAPE(COUNT), a);
    onnx_model_array(m, false, "b", NT_ONNX_INT32, SHAPE(COUNT), b);
    onnx_model_node(m, "BitShift", "a b", "y");
    onnx_model_word(m, "direction", "LEFT");
    onnx_model_gives(m, 0, SHAPE(COUNT), want, 0);
}
END_TEST

START_TEST(what_is_not_known_is_refused)
{
    m = onnx_model_start(13);
    const double *x = onnx_model_random(m, "x", SHAPE(3, 4));
    (void)x;
    onnx_model_node(m, "Conv", "x x", "a");
    onnx_model_node(m, "NonZero", "a", "y");
    ck_assert(onnx_model_run(m) != NT_OK);
    m = onnx_model_start(12);
    onnx_model_random(m, "x", SHAPE(2, 2));
    onnx_model_node(m, "Einsum", "x", "y");
    onnx_model_word(m, "equation", "ij,jk->ik");
    test_fails(
        onnx_model_run(m), NT_ERR_FORMAT, "Einsum: equation: has more operands than the node");
    m = onnx_model_start(13);
    onnx_model_random(m, "x", SHAPE(3));
    onnx_model_node(m, "Softmax", "x", "a");
    onnx_model_node(m, "NonZero", "a", "y");
    test_fails(onnx_model_run(m), NT_ERR_UNSUPPORTED,
        "node 'y': NonZero: input 'a': must be known before the run: the extents of the result "
        "depend on it");
    m = onnx_model_start(13);
    onnx_model_random(m, "boxes", SHAPE(1, 3, 4));
    onnx_model_random(m, "x", SHAPE(1, 1, 3));
    onnx_model_node(m, "Softmax", "x", "scores");
    onnx_model_node(m, "NonMaxSuppression", "boxes scores", "y");
    test_fails(onnx_model_run(m), NT_ERR_UNSUPPORTED,
        "node 'y': NonMaxSuppression: input 'scores': must be known before the run: the extents of "
        "the result depend on it");
    struct nt_model *model;
    m = onnx_model_start(13);
    onnx_model_random(m, "x", SHAPE(4));
    onnx_model_array(m, false, "rows", NT_ONNX_INT64, SHAPE(1), (double[]){2});
    onnx_model_node(m, "Add", "rows rows", "target");
    onnx_model_node(m, "Reshape", "x target", "y");
    test_fails(nt_model_load(test_context(), onnx_model_write(m), 0, NULL, &model),
        NT_ERR_UNSUPPORTED,
        "node 'y': Reshape: input 'target': must be known before the run: a constant, or computed "
        "from shapes or from setting 'rows', an integer");
    m = onnx_model_start(13);
    onnx_model_random(m, "x", SHAPE(4));
    onnx_model_node(m, "Softmax", "x", "a");
    onnx_model_node(m, "Reshape", "x a", "y");
    test_fails(onnx_model_run(m), NT_ERR_UNSUPPORTED,
        "node 'y': Reshape: input 'a': must be known before the run: a constant, or computed from "
        "shapes");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_operators");
    TCase *tests = tcase_create("onnx_operators");
    tcase_set_timeout(tests, 240);
    tcase_add_checked_fixture(tests, NULL, onnx_model_finish);
    tcase_add_test(tests, shapes_from_many_operators);
    tcase_add_test(tests, tensors_without_elements);
    tcase_add_test(tests, doubles_beyond_float32);
    tcase_add_test(tests, doubles_on_the_device);
    tcase_add_test(tests, old_broadcasts_that_do_not_fit);
    tcase_add_test(tests, windows_of_thousands);
    tcase_add_test(tests, trilu_of_rectangles);
    tcase_add_test(tests, one_hot_along_any_axis);
    tcase_add_test(tests, results_as_long_as_the_numbers_say);
    tcase_add_test(tests, unique_numbers);
    tcase_add_test(tests, boxes_that_do_not_overlap);
    tcase_add_test(tests, sequences_turned_around);
    tcase_add_test(tests, determinants);
    tcase_add_test(tests, sums_of_products);
    tcase_add_test(tests, bits_of_integers);
    tcase_add_test(tests, what_is_not_known_is_refused);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
