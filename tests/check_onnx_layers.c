/* SPDX-License-Identifier: MIT
 *
 * Operators of ONNX as models of one node, as check_onnx_operators.c: places between elements,
 * attention, states, signals.
 */
#include <math.h>
#include <string.h>

#include "tests/naive/roi.h"
#include "tests/onnx_model.h"

static struct onnx_model *m;

static void integers(const char *name, int count, const int64_t *list)
{
    double data[32];
    for (int i = 0; i < count; i++)
        data[i] = (double)list[i];
    onnx_model_array(m, false, name, NT_ONNX_INT64, SHAPE(count), data);
}

/* ---- places between elements ---- */

static double pixel(const double *x, int height, int width, int i, int j)
{
    return i < 0 || j < 0 || i >= height || j >= width ? 0 : x[i * width + j];
}

START_TEST(grid_of_places)
{
    enum { N = 2, C = 3, H = 4, W = 5, P = 7 };
    for (int corners = 0; corners < 2; corners++) {
        double grid[N * P * 2], want[N * C * P];
        m = onnx_model_start(16);
        const double *x = onnx_model_random(m, "x", SHAPE(N, C, H, W));
        for (int i = 0; i < N * P * 2; i++)
            grid[i] = (double)(1.3f * test_float());
        for (int n = 0; n < N; n++)
            for (int c = 0; c < C; c++)
                for (int p = 0; p < P; p++) {
                    const double *g = grid + (n * P + p) * 2, *plane = x + (n * C + c) * H * W;
                    double v = corners ? (g[0] + 1) / 2 * (W - 1) : ((g[0] + 1) * W - 1) / 2;
                    double u = corners ? (g[1] + 1) / 2 * (H - 1) : ((g[1] + 1) * H - 1) / 2;
                    int i = (int)floor(u), j = (int)floor(v);
                    double a = u - i, b = v - j;
                    want[(n * C + c) * P + p] = (1 - a) * ((1 - b) * pixel(plane, H, W, i, j) +
                                                              b * pixel(plane, H, W, i, j + 1)) +
                                                a * ((1 - b) * pixel(plane, H, W, i + 1, j) +
                                                        b * pixel(plane, H, W, i + 1, j + 1));
                }
        onnx_model_array(m, false, "grid", NT_ONNX_FLOAT, SHAPE(N, 1, P, 2), grid);
        onnx_model_node(m, "GridSample", "x grid", "y");
        onnx_model_int(m, "align_corners", corners);
        onnx_model_gives(m, 0, SHAPE(N, C, 1, P), want, 1e-5);
    }
}
END_TEST

/* Each tap's element added where it was taken from, by its indices. */
START_TEST(blocks_back_to_a_picture)
{
    enum { N = 2, C = 2, H = 5, W = 6, BH = 2, BW = 3, OH = 3, OW = 6 };
    double want[N * C * H * W] = {0}; /* strides 2 1, dilations 1 1, pads 0 1 1 1 */
    m = onnx_model_start(18);
    const double *x = onnx_model_random(m, "x", SHAPE(N, C * BH * BW, OH * OW));
    for (int nc = 0; nc < N * C; nc++)
        for (int tap = 0; tap < BH * BW; tap++)
            for (int o = 0; o < OH * OW; o++) {
                int h = o / OW * 2 + tap / BW, w = o % OW + tap % BW - 1;
                if (h < H && w >= 0 && w < W)
                    want[(nc * H + h) * W + w] += x[(nc * BH * BW + tap) * OH * OW + o];
            }
    onnx_model_array(m, true, "size", NT_ONNX_INT64, SHAPE(2), (double[]){H, W});
    onnx_model_array(m, true, "block", NT_ONNX_INT64, SHAPE(2), (double[]){BH, BW});
    onnx_model_node(m, "Col2Im", "x size block", "y");
    onnx_model_ints(m, "strides", 2, (int64_t[]){2, 1});
    onnx_model_ints(m, "pads", 4, (int64_t[]){0, 1, 1, 1});
    onnx_model_gives(m, 0, SHAPE(N, C, H, W), want, 1e-5);
}
END_TEST

START_TEST(centre_of_a_picture)
{
    for (int round = 0; round < 6; round++) {
        int rows = test_int(1, 6), columns = test_int(1, 6), h = test_int(1, 7), w = test_int(1, 7);
        double want[49];
        m = onnx_model_start(18);
        const double *x = onnx_model_random(m, "x", SHAPE(rows, columns));
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++) {
                int a = i + (h > rows ? -((h - rows) / 2) : (rows - h) / 2);
                int b = j + (w > columns ? -((w - columns) / 2) : (columns - w) / 2);
                want[i * w + j] = pixel(x, rows, columns, a, b);
            }
        integers("size", 2, (int64_t[]){h, w});
        onnx_model_node(m, "CenterCropPad", "x size", "y");
        onnx_model_gives(m, 0, SHAPE(h, w), want, 0);
    }
}
END_TEST

/* A triangle as wide as the step, its weights as they fall on the elements; the border repeats. */
START_TEST(smaller_without_aliases)
{
    enum { FROM = 11, TO = 4 };
    double want[TO], scale = (double)TO / FROM;
    m = onnx_model_start(18);
    const double *x = onnx_model_random(m, "x", SHAPE(1, 1, FROM));
    for (int o = 0; o < TO; o++) {
        double at = (o + 0.5) / scale - 0.5, sum = 0, total = 0;
        for (int i = -FROM; i < 2 * FROM; i++) {
            double weight = fmax(0, 1 - fabs(i - at) * scale);
            sum += weight * x[i < 0 ? 0 : i >= FROM ? FROM - 1 : i];
            total += weight;
        }
        want[o] = sum / total;
    }
    integers("sizes", 3, (int64_t[]){1, 1, TO});
    onnx_model_node(m, "Resize", "x - - sizes", "y");
    onnx_model_word(m, "mode", "linear");
    onnx_model_int(m, "antialias", 1);
    onnx_model_gives(m, 0, SHAPE(1, 1, TO), want, 1e-5);
}
END_TEST

/* Largest weighted elements and means of points beside them; the regions reach out. */
START_TEST(aligned_regions)
{
    enum { N = 2, C = 3, H = 7, W = 9, K = 5, PH = 3, PW = 2, ITEM = C * PH * PW };
    for (int form = 0; form < 16; form++) {
        double rois[K * 4], pictures[K], want[K * ITEM], index[ITEM];
        int opset = (const int[]){10, 16, 22, 16}[form / 2 % 4];
        struct nt_roi roi = {.kind = form % 2 ? NT_ROI_ALIGN_MAXIMUM : NT_ROI_ALIGN,
            .scale = 0.5f,
            .sampling_ratio = form / 8 ? 2 : 0,
            .aligned = opset > 10 && form / 2 % 4 < 3};
        m = onnx_model_start(opset);
        const double *x = onnx_model_random(m, "x", SHAPE(N, C, H, W));
        for (int k = 0; k < K; k++) {
            double region[5] = {pictures[k] = test_int(0, N - 1)};
            for (int i = 0; i < 4; i++)
                region[1 + i] = rois[k * 4 + i] = (double)(8 + 9 * test_float() + (i > 1 ? 4 : 0));
            naive_roi(&roi, x + (int)pictures[k] * C * H * W, C, H, W, region, PH, PW,
                want + k * ITEM, index);
        }
        onnx_model_array(m, false, "rois", NT_ONNX_FLOAT, SHAPE(K, 4), rois);
        onnx_model_array(m, false, "pictures", NT_ONNX_INT64, SHAPE(K), pictures);
        onnx_model_node(m, "RoiAlign", "x rois pictures", "y");
        onnx_model_int(m, "output_height", PH);
        onnx_model_int(m, "output_width", PW);
        onnx_model_int(m, "sampling_ratio", roi.sampling_ratio);
        onnx_model_float(m, "spatial_scale", (double)roi.scale);
        if (form % 2)
            onnx_model_word(m, "mode", "max");
        if (opset > 10 && !roi.aligned)
            onnx_model_word(m, "coordinate_transformation_mode", "output_half_pixel");
        onnx_model_gives(m, 0, SHAPE(K, C, PH, PW), want, 1e-5);
    }
}
END_TEST

/* ---- attention ---- */

enum { B = 2, HEADS = 4, OWN = 2, S = 3, KEYS = 5, D = 4, V = 3 };

/* One query: its scores with what the mask adds, their softmax, the mean of the values. */
static void attend(const double *q, const double *k, const double *v, const double *mask, int row,
    bool causal, double *y)
{
    double p[KEYS], most = -INFINITY, sum = 0;
    for (int j = 0; j < KEYS; j++) {
        p[j] = mask ? mask[j] : 0;
        for (int d = 0; d < D; d++)
            p[j] += q[d] * k[j * D + d] / sqrt(D);
        if (causal && j > row)
            p[j] = -INFINITY;
        most = fmax(most, p[j]);
    }
    for (int j = 0; j < KEYS; j++)
        sum += p[j] = exp(p[j] - most);
    for (int d = 0; d < V; d++) {
        y[d] = 0;
        for (int j = 0; j < KEYS; j++)
            y[d] += p[j] / sum * v[j * V + d];
    }
}

START_TEST(attention_of_groups)
{
    for (int form = 0; form < 3; form++) {
        double want[B * HEADS * S * V];
        m = onnx_model_start(23);
        const double *q = onnx_model_random(m, "q", SHAPE(B, HEADS, S, D));
        const double *k = onnx_model_random(m, "k", SHAPE(B, OWN, KEYS, D));
        const double *v = onnx_model_random(m, "v", SHAPE(B, OWN, KEYS, V));
        const double *mask = form == 1 ? onnx_model_random(m, "mask", SHAPE(S, KEYS)) : NULL;
        for (int b = 0; b < B; b++)
            for (int h = 0; h < HEADS; h++)
                for (int s = 0; s < S; s++) {
                    int own = b * OWN + h / (HEADS / OWN), at = (b * HEADS + h) * S + s;
                    attend(q + at * D, k + own * KEYS * D, v + own * KEYS * V,
                        mask ? mask + s * KEYS : NULL, s, form == 2, want + at * V);
                }
        onnx_model_node(m, "Attention", mask ? "q k v mask" : "q k v", "y");
        onnx_model_int(m, "is_causal", form == 2);
        onnx_model_gives(m, 0, SHAPE(B, HEADS, S, V), want, 1e-5);
    }
}
END_TEST

START_TEST(rotated_positions)
{
    enum { N = 2, T = 3, H = 2, SIZE = 6, HALF = 2 };
    for (int pairs = 0; pairs < 2; pairs++) {
        double want[N * T * H * SIZE];
        m = onnx_model_start(23);
        const double *x = onnx_model_random(m, "x", SHAPE(N, T, H * SIZE));
        const double *c = onnx_model_random(m, "cos", SHAPE(N, T, HALF));
        const double *s = onnx_model_random(m, "sin", SHAPE(N, T, HALF));
        memcpy(want, x, sizeof want);
        for (int i = 0; i < N * T * H; i++)
            for (int d = 0; d < HALF; d++) {
                int at = i * SIZE, one = at + (pairs ? 2 * d : d);
                int two = at + (pairs ? 2 * d + 1 : HALF + d), angle = i / H * HALF + d;
                want[one] = c[angle] * x[one] - s[angle] * x[two];
                want[two] = s[angle] * x[one] + c[angle] * x[two];
            }
        onnx_model_node(m, "RotaryEmbedding", "x cos sin", "y");
        onnx_model_int(m, "num_heads", H);
        onnx_model_int(m, "rotary_embedding_dim", 2 * HALF);
        onnx_model_int(m, "interleaved", pairs);
        onnx_model_gives(m, 0, SHAPE(N, T, H * SIZE), want, 1e-6);
    }
}
END_TEST

/* ---- states, signals ---- */

START_TEST(convolution_with_a_past)
{
    enum { N = 2, C = 3, L = 4, K = 3 };
    double want[N * C * L], last[N * C * (K - 1)];
    m = onnx_model_start(27);
    const double *x = onnx_model_random(m, "x", SHAPE(N, C, L));
    const double *w = onnx_model_random(m, "w", SHAPE(C, 1, K));
    const double *bias = onnx_model_random(m, "bias", SHAPE(C));
    const double *past = onnx_model_random(m, "past", SHAPE(N, C, K - 1));
    for (int r = 0; r < N * C; r++) {
        double all[L + K - 1];
        memcpy(all, past + r * (K - 1), (K - 1) * sizeof *all);
        memcpy(all + K - 1, x + r * L, L * sizeof *all);
        memcpy(last + r * (K - 1), all + L, (K - 1) * sizeof *last);
        for (int t = 0; t < L; t++) {
            double sum = bias[r % C];
            for (int k = 0; k < K; k++)
                sum += all[t + k] * w[r % C * K + k];
            want[r * L + t] = sum / (1 + exp(-sum));
        }
    }
    onnx_model_node(m, "CausalConvWithState", "x w bias past", "y state");
    onnx_model_word(m, "activation", "silu");
    onnx_model_gives(m, 0, SHAPE(N, C, L), want, 1e-5);
    onnx_model_gives(m, 1, SHAPE(N, C, K - 1), last, 0);
}
END_TEST

/* The state is updated one step after the other, as the definition says: form gated_delta. */
START_TEST(attention_as_a_recurrence)
{
    enum { N = 2, T = 3, G = 4, H = 2, DK = 3, DV = 2 };
    double want[N * T * G * DV], state[N * H * DK * DV] = {0};
    m = onnx_model_start(27);
    const double *q = onnx_model_random(m, "q", SHAPE(N, T, G * DK));
    const double *k = onnx_model_random(m, "k", SHAPE(N, T, H * DK));
    const double *v = onnx_model_random(m, "v", SHAPE(N, T, H * DV));
    const double *decay = onnx_model_random(m, "decay", SHAPE(N, T, H));
    const double *beta = onnx_model_random(m, "beta", SHAPE(N, T, H));
    for (int n = 0; n < N; n++)
        for (int t = 0; t < T; t++)
            for (int g = 0; g < G; g++) {
                int h = g / (G / H), at = (n * T + t) * H + h;
                double *s = state + (n * H + h) * DK * DV;
                for (int e = 0; g % (G / H) == 0 && e < DV; e++) {
                    double read = 0;
                    for (int d = 0; d < DK; d++) {
                        s[d * DV + e] *= exp(decay[at]);
                        read += s[d * DV + e] * k[at * DK + d];
                    }
                    for (int d = 0; d < DK; d++)
                        s[d * DV + e] += beta[at] * k[at * DK + d] * (v[at * DV + e] - read);
                }
                for (int e = 0; e < DV; e++) {
                    double *y = want + ((n * T + t) * G + g) * DV + e;
                    *y = 0;
                    for (int d = 0; d < DK; d++)
                        *y += q[((n * T + t) * G + g) * DK + d] * s[d * DV + e] / sqrt(DK);
                }
            }
    onnx_model_node(m, "LinearAttention", "q k v - decay beta", "y state");
    onnx_model_int(m, "q_num_heads", G);
    onnx_model_int(m, "kv_num_heads", H);
    onnx_model_gives(m, 0, SHAPE(N, T, G * DV), want, 1e-5);
    onnx_model_gives(m, 1, SHAPE(N, H, DK, DV), state, 1e-5);
}
END_TEST

/* With a limit that nothing reaches the steps are added one by one: the same numbers. */
START_TEST(steps_of_recurrent_layers)
{
    static const char *const names[] = {"RNN", "GRU", "LSTM"};
    enum { T = 3, N = 2, C = 3, H = 2, BOTH = 2 };
    for (int kind = 0; kind < 3; kind++) {
        int gates = kind == 0 ? 1 : kind == 1 ? 3 : 4;
        double want[T * BOTH * N * H], last[BOTH * N * H];
        m = onnx_model_start(14);
        onnx_model_random(m, "x", SHAPE(T, N, C));
        onnx_model_random(m, "w", SHAPE(BOTH, gates * H, C));
        onnx_model_random(m, "r", SHAPE(BOTH, gates * H, H));
        onnx_model_random(m, "b", SHAPE(BOTH, 2 * gates * H));
        onnx_model_array(m, false, "lengths", NT_ONNX_INT32, SHAPE(N), (double[]){2, T});
        onnx_model_random(m, "h", SHAPE(BOTH, N, H));
        onnx_model_node(m, names[kind], "x w r b lengths h", "y last");
        onnx_model_word(m, "direction", "bidirectional");
        onnx_model_int(m, "hidden_size", H);
        test_ok(onnx_model_run(m));
        memcpy(want, onnx_model_result(m, 0), sizeof want);
        memcpy(last, onnx_model_result(m, 1), sizeof last);
        onnx_model_float(m, "clip", 1e6);
        onnx_model_gives(m, 0, SHAPE(T, BOTH, N, H), want, 1e-5);
        onnx_model_gives(m, 1, SHAPE(BOTH, N, H), last, 1e-5);
    }
}
END_TEST

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* Gates that see the cell, backwards; arguments kept within 0.5, softsign for tanh at the end. */
START_TEST(cells_with_peepholes)
{
    enum { T = 3, N = 2, C = 2, H = 3 };
    const double limit = 0.5;
    double want[T * N * H], h[N * H] = {0}, c[N * H] = {0};
    m = onnx_model_start(14);
    const double *x = onnx_model_random(m, "x", SHAPE(T, N, C));
    const double *w = onnx_model_random(m, "w", SHAPE(1, 4 * H, C));
    const double *r = onnx_model_random(m, "r", SHAPE(1, 4 * H, H));
    const double *p = onnx_model_random(m, "p", SHAPE(1, 3 * H));
    for (int t = T - 1; t >= 0; t--) {
        double next[N * H];
        for (int n = 0; n < N; n++)
            for (int j = 0; j < H; j++) {
                double a[4], *cell = &c[n * H + j];
                for (int g = 0; g < 4; g++) {
                    a[g] = 0;
                    for (int i = 0; i < C; i++)
                        a[g] += x[(t * N + n) * C + i] * w[(g * H + j) * C + i];
                    for (int i = 0; i < H; i++)
                        a[g] += h[n * H + i] * r[(g * H + j) * H + i];
                }
                a[0] += p[j] * *cell;
                a[2] += p[2 * H + j] * *cell;
                for (int g = 0; g < 4; g++)
                    a[g] = g == 1 ? a[g] : fmin(fmax(a[g], -limit), limit);
                *cell = sigmoid(a[2]) * *cell + sigmoid(a[0]) * tanh(a[3]);
                double out = sigmoid(fmin(fmax(a[1] + p[H + j] * *cell, -limit), limit));
                double seen = fmin(fmax(*cell, -limit), limit);
                next[n * H + j] = out * seen / (1 + fabs(seen));
            }
        memcpy(h, next, sizeof h);
        memcpy(want + t * N * H, h, sizeof h);
    }
    onnx_model_node(m, "LSTM", "x w r - - - - p", "y");
    onnx_model_int(m, "hidden_size", H);
    onnx_model_word(m, "direction", "reverse");
    onnx_model_float(m, "clip", limit);
    onnx_model_words(m, "activations", 3, (const char *const[]){"Sigmoid", "Tanh", "Softsign"});
    onnx_model_gives(m, 0, SHAPE(T, 1, N, H), want, 1e-5);
}
END_TEST

/* y = sum (a b + a): by a, b + 1; by b, the sum of a over what b was repeated for. */
START_TEST(gradients_as_an_operator)
{
    enum { N = 3, C = 4 };
    double by_a[N * C], by_b[C] = {0};
    m = onnx_model_start(12);
    onnx_model_random(m, "a", SHAPE(N, C));
    onnx_model_random(m, "b", SHAPE(C));
    onnx_model_node(m, "Gradient", "a b", "da db");
    onnx_model_domain(m, "ai.onnx.preview.training");
    onnx_model_words(m, "xs", 2, (const char *const[]){"a", "b"});
    onnx_model_word(m, "y", "c");
    test_fails(onnx_model_run(m), NT_ERR_FORMAT, "Gradient: y 'c': must be an output");
    m = onnx_model_start(12);
    const double *a = onnx_model_random(m, "a", SHAPE(N, C));
    const double *b = onnx_model_random(m, "b", SHAPE(C));
    for (int i = 0; i < N * C; i++) {
        by_a[i] = b[i % C] + 1;
        by_b[i % C] += a[i];
    }
    onnx_model_node(m, "Mul", "a b", "c");
    onnx_model_node(m, "Add", "c a", "d");
    onnx_model_node(m, "Gradient", "a b d", "da db");
    onnx_model_domain(m, "ai.onnx.preview.training");
    onnx_model_words(m, "xs", 2, (const char *const[]){"a", "b"});
    onnx_model_word(m, "y", "d");
    onnx_model_gives(m, 0, SHAPE(N, C), by_a, 1e-6);
    onnx_model_gives(m, 1, SHAPE(C), by_b, 1e-5);
}
END_TEST

START_TEST(products_so_far)
{
    for (int form = 0; form < 4; form++) {
        enum { ROWS = 3, COUNT = 7 };
        bool exclusive = form & 1, reverse = form & 2;
        double want[ROWS * COUNT];
        m = onnx_model_start(26);
        const double *x = onnx_model_random(m, "x", SHAPE(ROWS, COUNT));
        for (int r = 0; r < ROWS; r++)
            for (int i = 0; i < COUNT; i++) {
                double product = 1;
                for (int j = 0; j < COUNT; j++)
                    if (reverse ? j >= i + exclusive : j <= i - exclusive)
                        product *= x[r * COUNT + j];
                want[r * COUNT + i] = product;
            }
        onnx_model_array(m, true, "axis", NT_ONNX_INT64, SCALAR, (double[]){-1});
        onnx_model_node(m, "CumProd", "x axis", "y");
        onnx_model_int(m, "exclusive", exclusive);
        onnx_model_int(m, "reverse", reverse);
        onnx_model_gives(m, 0, SHAPE(ROWS, COUNT), want, 1e-6);
    }
}
END_TEST

START_TEST(transforms_of_signals)
{
    enum { ROWS = 2, N = 6 };
    for (int form = 0; form < 3; form++) { /* forward, one side of it, inverse */
        int count = form == 1 ? N / 2 + 1 : N, parts = form == 1 ? 1 : 2;
        double want[ROWS * N * 2], sign = form == 2 ? 1 : -1;
        m = onnx_model_start(20);
        const double *x = onnx_model_random(m, "x", SHAPE(ROWS, N, parts));
        for (int r = 0; r < ROWS; r++)
            for (int k = 0; k < count; k++) {
                double real = 0, imaginary = 0;
                for (int n = 0; n < N; n++) {
                    const double *at = x + (r * N + n) * parts;
                    double angle = sign * 2 * acos(-1) * k * n / N, b = parts == 2 ? at[1] : 0;
                    real += at[0] * cos(angle) - b * sin(angle);
                    imaginary += at[0] * sin(angle) + b * cos(angle);
                }
                want[(r * count + k) * 2] = real / (form == 2 ? N : 1);
                want[(r * count + k) * 2 + 1] = imaginary / (form == 2 ? N : 1);
            }
        onnx_model_node(m, "DFT", "x", "y");
        onnx_model_int(m, "onesided", form == 1);
        onnx_model_int(m, "inverse", form == 2);
        onnx_model_gives(m, 0, SHAPE(ROWS, count, 2), want, 1e-5);
    }
}
END_TEST

START_TEST(cache_with_new_steps)
{
    enum { N = 2, L = 5, STEPS = 3, C = 2 };
    for (int circular = 0; circular < 2; circular++) {
        double first[N], want[N * L * C];
        m = onnx_model_start(24);
        const double *cache = onnx_model_random(m, "cache", SHAPE(N, L, C));
        const double *update = onnx_model_random(m, "update", SHAPE(N, STEPS, C));
        memcpy(want, cache, sizeof want);
        for (int n = 0; n < N; n++) {
            first[n] = test_int(0, circular ? L - 1 : L - STEPS);
            for (int s = 0; s < STEPS; s++)
                for (int c = 0; c < C; c++)
                    want[(n * L + ((int)first[n] + s) % L) * C + c] =
                        update[(n * STEPS + s) * C + c];
        }
        onnx_model_array(m, false, "first", NT_ONNX_INT64, SHAPE(N), first);
        onnx_model_node(m, "TensorScatter", "cache update first", "y");
        onnx_model_word(m, "mode", circular ? "circular" : "linear");
        onnx_model_gives(m, 0, SHAPE(N, L, C), want, 0);
    }
}
END_TEST

/* Two taps, each moved by its offset and weighted by its mask. */
START_TEST(convolution_of_moved_places)
{
    enum { C = 2, H = 4, W = 5, K = 2, OH = 3, OW = 5, OUT = 3 }; /* kernel 2 by 1 */
    double want[OUT * OH * OW], offset[K * 2 * OH * OW];
    m = onnx_model_start(19);
    const double *x = onnx_model_random(m, "x", SHAPE(1, C, H, W));
    const double *w = onnx_model_random(m, "w", SHAPE(OUT, C, K, 1));
    for (int i = 0; i < K * 2 * OH * OW; i++)
        offset[i] = (double)(1.5f * test_float());
    onnx_model_array(m, false, "offset", NT_ONNX_FLOAT, SHAPE(1, K * 2, OH, OW), offset);
    const double *bias = onnx_model_random(m, "bias", SHAPE(OUT));
    const double *mask = onnx_model_random(m, "mask", SHAPE(1, K, OH, OW));
    for (int o = 0; o < OUT * OH * OW; o++) {
        int place = o % (OH * OW);
        want[o] = bias[o / (OH * OW)];
        for (int k = 0; k < K; k++) {
            double u = place / OW + k + offset[k * 2 * OH * OW + place];
            double v = place % OW + offset[(k * 2 + 1) * OH * OW + place];
            int i = (int)floor(u), j = (int)floor(v);
            double a = u - i, b = v - j;
            for (int c = 0; c < C; c++) {
                const double *p = x + c * H * W;
                double value =
                    (1 - a) * ((1 - b) * pixel(p, H, W, i, j) + b * pixel(p, H, W, i, j + 1)) +
                    a * ((1 - b) * pixel(p, H, W, i + 1, j) + b * pixel(p, H, W, i + 1, j + 1));
                want[o] += value * mask[k * OH * OW + place] * w[(o / (OH * OW) * C + c) * K + k];
            }
        }
    }
    onnx_model_node(m, "DeformConv", "x w offset bias mask", "y");
    onnx_model_gives(m, 0, SHAPE(1, OUT, OH, OW), want, 1e-5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_layers");
    TCase *tests = tcase_create("onnx_layers");
    tcase_set_timeout(tests, 240);
    tcase_add_checked_fixture(tests, NULL, onnx_model_finish);
    tcase_add_test(tests, grid_of_places);
    tcase_add_test(tests, blocks_back_to_a_picture);
    tcase_add_test(tests, centre_of_a_picture);
    tcase_add_test(tests, smaller_without_aliases);
    tcase_add_test(tests, aligned_regions);
    tcase_add_test(tests, attention_of_groups);
    tcase_add_test(tests, rotated_positions);
    tcase_add_test(tests, convolution_with_a_past);
    tcase_add_test(tests, attention_as_a_recurrence);
    tcase_add_test(tests, steps_of_recurrent_layers);
    tcase_add_test(tests, cells_with_peepholes);
    tcase_add_test(tests, gradients_as_an_operator);
    tcase_add_test(tests, products_so_far);
    tcase_add_test(tests, transforms_of_signals);
    tcase_add_test(tests, cache_with_new_steps);
    tcase_add_test(tests, convolution_of_moved_places);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
