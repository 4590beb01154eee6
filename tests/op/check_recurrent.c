/* SPDX-License-Identifier: MIT */
#include "tests/op/trial.h"

#include <math.h>

struct layer {
    enum nt_cell cell;
    int steps, items, units, gates, reverse, biased, bounded, with_y, with_dy;
    size_t states, slots, wide; /* elements: T*N*H, (T+1)*N*H, T*N*G*H */
    float *a, *weight, *bias, *h0, *c0, *dy, *dh, *dc;
    int32_t *lengths;
};

static float *filled(size_t count)
{
    float *data = malloc(count * sizeof *data);
    test_fill(data, count);
    return data;
}

static struct layer random_layer(enum nt_cell cell, bool wide)
{
    static const int items[] = {1, 2, 3, 9, 17}; /* few, for each may be a kernel of its own */
    struct layer l = {.cell = cell, .gates = nt_cell_gates(cell)};
    l.steps = test_int(1, trial_small() ? 3 : 7);
    l.items = items[test_int(0, trial_small() ? 2 : 4)];
    l.units = wide ? test_int(30, 70) : test_int(1, trial_small() ? 9 : 20);
    l.reverse = test_int(0, 1);
    l.biased = test_int(0, 1);
    l.bounded = test_int(0, 1);
    l.with_y = test_int(0, 3) != 0;
    l.with_dy = test_int(0, 3) != 0;
    size_t state = (size_t)(l.items * l.units);
    l.states = (size_t)l.steps * state;
    l.slots = l.states + state;
    l.wide = l.states * (size_t)l.gates;
    l.a = filled(l.wide);
    l.weight = filled((size_t)(l.gates * l.units * l.units));
    /* Larger weights make a chaotic layer: rounding errors then grow from step to step. */
    for (int i = 0; i < l.gates * l.units * l.units; i++)
        l.weight[i] *= (cell == NT_CELL_RELU ? 1.0f : 1.5f) / sqrtf((float)l.units);
    l.bias = filled((size_t)(l.gates * l.units));
    l.h0 = filled(state);
    l.c0 = filled(state);
    l.dy = filled(l.states);
    l.dh = filled(state);
    l.dc = filled(state);
    l.lengths = malloc((size_t)l.items * sizeof *l.lengths);
    for (int n = 0; n < l.items; n++)
        l.lengths[n] = test_int(0, l.steps);
    return l;
}

static void free_layer(struct layer *l)
{
    free(l->a), free(l->weight), free(l->bias), free(l->h0), free(l->c0);
    free(l->dy), free(l->dh), free(l->dc), free(l->lengths);
}

/* ---- the reference ---- */

/* What may be varied, in double precision. more: added to W h + b. */
struct values {
    double *a, *more, *h0, *c0;
};

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* W state + b for one gate of one unit. */
static double recurrent_sum(const struct layer *l, const double *state, int gate, int j)
{
    int row = gate * l->units + j;
    double sum = l->biased ? l->bias[row] : 0;
    for (int k = 0; k < l->units; k++)
        sum += l->weight[row * l->units + k] * state[k];
    return sum;
}

/* One step of one item: h and c become the new state. */
static void naive_step(
    const struct layer *l, const double *a, const double *more, double *h, double *c)
{
    int H = l->units;
    double r[4][80], old[80], gated[80];
    memcpy(old, h, (size_t)H * sizeof *old);
    for (int g = 0; g < l->gates; g++)
        for (int j = 0; j < H; j++)
            r[g][j] = recurrent_sum(l, old, g, j) + more[g * H + j];
    for (int j = 0; j < H; j++)
        gated[j] = old[j] * sigmoid(a[j] + r[0][j]);
    for (int j = 0; j < H; j++) {
        double first = a[j] + r[0][j], z, n;
        switch (l->cell) {
        case NT_CELL_TANH:
            h[j] = tanh(first);
            break;
        case NT_CELL_RELU:
            h[j] = fmax(first, 0);
            break;
        case NT_CELL_LSTM:
            c[j] =
                sigmoid(a[H + j] + r[1][j]) * c[j] + sigmoid(first) * tanh(a[2 * H + j] + r[2][j]);
            h[j] = sigmoid(a[3 * H + j] + r[3][j]) * tanh(c[j]);
            break;
        default:
            if (l->cell == NT_CELL_GRU_RESET_FIRST)
                n = tanh(a[2 * H + j] + recurrent_sum(l, gated, 2, j) + more[2 * H + j]);
            else
                n = tanh(a[2 * H + j] + sigmoid(first) * r[2][j]);
            z = sigmoid(a[H + j] + r[1][j]);
            h[j] = (1 - z) * n + z * old[j];
        }
    }
}

/* y: all steps, h and c: the last state. */
static void naive(const struct layer *l, const struct values *v, double *y, double *h, double *c)
{
    int H = l->units, wide = l->gates * H;
    for (int i = 0; i < l->items * H; i++) {
        h[i] = v->h0[i];
        c[i] = v->c0[i];
    }
    for (int k = 0; k < l->steps; k++) {
        int t = l->reverse ? l->steps - 1 - k : k;
        for (int n = 0; n < l->items; n++) {
            int row = t * l->items + n;
            bool ended = l->bounded && t >= l->lengths[n];
            if (!ended)
                naive_step(l, v->a + row * wide, v->more + row * wide, h + n * H, c + n * H);
            for (int j = 0; j < H; j++)
                y[row * H + j] = ended ? 0 : h[n * H + j];
        }
    }
}

/* The sum of all results times their gradients. */
static double objective(const struct layer *l, const struct values *v)
{
    size_t state = (size_t)(l->items * l->units);
    double *y = malloc((l->states + 2 * state) * sizeof *y), *h = y + l->states, *c = h + state;
    double sum = 0;
    naive(l, v, y, h, c);
    for (size_t i = 0; i < l->states && l->with_dy; i++)
        sum += y[i] * l->dy[i];
    for (size_t i = 0; i < state; i++)
        sum += h[i] * l->dh[i] + (l->cell == NT_CELL_LSTM ? c[i] * l->dc[i] : 0);
    free(y);
    return sum;
}

static double *doubles(const float *from, size_t count)
{
    double *to = calloc(count, sizeof *to);
    for (size_t i = 0; from && i < count; i++)
        to[i] = from[i];
    return to;
}

static struct values start_values(const struct layer *l)
{
    size_t state = (size_t)(l->items * l->units);
    return (struct values){doubles(l->a, l->wide), doubles(NULL, l->wide), doubles(l->h0, state),
        doubles(l->c0, state)};
}

static void free_values(struct values *v)
{
    free(v->a), free(v->more), free(v->h0), free(v->c0);
}

/* A few elements of a gradient against central differences. */
static void check_slopes(const char *what, const struct layer *l, const struct values *v, double *x,
    const float *got, size_t count)
{
    double scale = 1e-3;
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(isfinite(got[i]), "%s[%zu] is %g", what, i, got[i]);
        scale = fmax(scale, fabsf(got[i]));
    }
    for (int k = 0; k < 12; k++) {
        size_t i = (size_t)test_int(0, (int)count - 1);
        double kept = x[i], step = 1e-5;
        x[i] = kept + step;
        double high = objective(l, v);
        x[i] = kept - step;
        double want = (high - objective(l, v)) / (2 * step);
        x[i] = kept;
        ck_assert_msg(fabs(got[i] - want) <= 5e-5 * scale,
            "cell %d, T %d, N %d, H %d, reverse %d: %s[%zu]: got %.7g, want %.7g", l->cell,
            l->steps, l->items, l->units, l->reverse, what, i, got[i], want);
    }
}

/* ---- the kernels ---- */

static struct nt_tensor view(int rank, int64_t d0, int64_t d1, int64_t d2)
{
    return nt_tensor_make(-1, NT_F32, &(struct nt_shape){rank, {d0, d1, d2}}, NT_ROW_MAJOR);
}

struct results {
    uint32_t *h, *s;
    float *gates, *y;
    size_t s_count;
};

/* The slots of a state: the initial one, poison elsewhere. */
static uint32_t *first_slot(const struct layer *l, const float *initial)
{
    size_t state = (size_t)(l->items * l->units);
    uint32_t *slots = malloc(l->slots * sizeof *slots);
    for (size_t i = 0; i < l->slots; i++)
        slots[i] = TRIAL_POISON;
    memcpy(slots + (l->reverse ? l->states : 0), initial, state * sizeof *slots);
    return slots;
}

static struct results forward(const char *forced, const struct layer *l)
{
    struct results r = {.h = malloc(l->slots * 4), .s = malloc(l->slots * 4)};
    int T = l->steps, N = l->items, H = l->units, wide = l->gates * H;
    bool lstm = l->cell == NT_CELL_LSTM, has_s = l->cell >= NT_CELL_LSTM;
    uint32_t *h = first_slot(l, l->h0), *c = first_slot(l, l->c0);
    r.gates = malloc(l->wide * 4);
    r.y = malloc(l->states * 4);
    r.s_count = lstm ? l->slots : l->states;
    struct trial t;
    trial_open(&t, forced);
    struct nt_tensor lengths = nt_tensor_make(-1, NT_I32, &(struct nt_shape){1, {N}}, NT_ROW_MAJOR);
    struct nt_tensor a = trial_in(&t, view(3, T, N, wide), l->a, l->wide);
    struct nt_tensor w = trial_in(&t, view(2, wide, H, 0), l->weight, (size_t)(wide * H));
    struct nt_tensor b = trial_in(&t, view(1, wide, 0, 0), l->bias, (size_t)wide);
    lengths = trial_in(&t, lengths, l->lengths, (size_t)N);
    struct nt_tensor ht = trial_add(&t, view(3, T + 1, N, H), h, r.h, l->slots);
    struct nt_tensor gates = trial_out(&t, view(3, T, N, wide), r.gates, l->wide);
    struct nt_tensor s, y;
    if (has_s)
        s = trial_add(&t, view(3, lstm ? T + 1 : T, N, H), lstm ? c : NULL, r.s, r.s_count);
    if (l->with_y)
        y = trial_out(&t, view(3, T, N, H), r.y, l->states);
    struct nt_recurrent layer = {l->cell, l->reverse, &w, l->biased ? &b : NULL,
        l->bounded ? &lengths : NULL, &ht, has_s ? &s : NULL, &gates};
    test_ok(nt_recurrent_forward(t.tape, &layer, &a, l->with_y ? &y : NULL));
    trial_run(&t);
    free(h), free(c);
    return r;
}

struct slopes {
    float *da, *dr, *dh, *ds;
};

static struct slopes backward(const char *forced, const struct layer *l, const struct results *r)
{
    int T = l->steps, N = l->items, H = l->units, wide = l->gates * H;
    bool lstm = l->cell == NT_CELL_LSTM, has_s = l->cell >= NT_CELL_LSTM;
    size_t state = (size_t)(N * H);
    struct slopes d = {
        malloc(l->wide * 4), malloc(l->wide * 4), malloc(state * 4), malloc(state * 4)};
    struct trial t;
    trial_open(&t, forced);
    struct nt_tensor lengths = nt_tensor_make(-1, NT_I32, &(struct nt_shape){1, {N}}, NT_ROW_MAJOR);
    struct nt_tensor w = trial_in(&t, view(2, wide, H, 0), l->weight, (size_t)(wide * H));
    lengths = trial_in(&t, lengths, l->lengths, (size_t)N);
    struct nt_tensor h = trial_in(&t, view(3, T + 1, N, H), r->h, l->slots);
    struct nt_tensor gates = trial_in(&t, view(3, T, N, wide), r->gates, l->wide), s, dr, ds;
    if (has_s)
        s = trial_in(&t, view(3, lstm ? T + 1 : T, N, H), r->s, r->s_count);
    struct nt_tensor dy = trial_in(&t, view(3, T, N, H), l->dy, l->states);
    struct nt_tensor da = trial_out(&t, view(3, T, N, wide), d.da, l->wide);
    if (l->cell == NT_CELL_GRU)
        dr = trial_out(&t, view(3, T, N, wide), d.dr, l->wide);
    struct nt_tensor dh = trial_add(&t, view(2, N, H, 0), l->dh, d.dh, state);
    if (lstm)
        ds = trial_add(&t, view(2, N, H, 0), l->dc, d.ds, state);
    struct nt_recurrent layer = {
        l->cell, l->reverse, &w, NULL, l->bounded ? &lengths : NULL, &h, has_s ? &s : NULL, &gates};
    test_ok(nt_recurrent_backward(t.tape, &layer, l->with_dy ? &dy : NULL, &da,
        l->cell == NT_CELL_GRU ? &dr : NULL, &dh, lstm ? &ds : NULL));
    trial_run(&t);
    if (l->cell != NT_CELL_GRU)
        memcpy(d.dr, d.da, l->wide * 4);
    return d;
}

static void check_layer(const char *forced, const struct layer *l)
{
    size_t state = (size_t)(l->items * l->units), last = l->reverse ? 0 : l->states;
    struct values v = start_values(l);
    double *y = malloc((l->states + 2 * state) * sizeof *y), *h = y + l->states, *c = h + state;
    naive(l, &v, y, h, c);
    struct results r = forward(forced, l);
    if (l->with_y)
        test_close("y", l->states, r.y, y, 3e-6);
    test_close("last h", state, (float *)r.h + last, h, 3e-6);
    if (l->cell == NT_CELL_LSTM)
        test_close("last c", state, (float *)r.s + last, c, 3e-6);
    struct slopes d = backward(forced, l, &r);
    check_slopes("da", l, &v, v.a, d.da, l->wide);
    check_slopes("dr", l, &v, v.more, d.dr, l->wide);
    check_slopes("dh0", l, &v, v.h0, d.dh, state);
    if (l->cell == NT_CELL_LSTM)
        check_slopes("dc0", l, &v, v.c0, d.ds, state);
    free(r.h), free(r.s), free(r.gates), free(r.y);
    free(d.da), free(d.dr), free(d.dh), free(d.ds);
    free(y);
    free_values(&v);
}

static void check_variant(const char *forced)
{
    for (enum nt_cell cell = NT_CELL_TANH; cell <= NT_CELL_GRU_RESET_FIRST; cell++)
        for (int round = 0; round < (trial_small() ? 1 : 4); round++) {
            struct layer l = random_layer(cell, round == 0 && !trial_small());
            check_layer(forced, &l);
            free_layer(&l);
        }
}

START_TEST(cells_match_naive_loops)
{
    trial_variants("recurrent", check_variant);
}
END_TEST

START_TEST(wrong_tensors_are_refused)
{
    struct nt_tape *tape;
    test_ok(nt_tape_create(test_device(), &tape));
    int32_t buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, 4096, "all");
    struct nt_tensor h = view(3, 4, 2, 3), gates = view(3, 3, 2, 12), w = view(2, 12, 3, 0);
    struct nt_tensor lengths = view(1, 2, 0, 0), s = view(3, 3, 2, 3);
    h.buffer = gates.buffer = w.buffer = lengths.buffer = s.buffer = buffer;
    struct nt_recurrent layer = {
        .cell = NT_CELL_LSTM, .weight = &w, .h = &h, .s = &h, .gates = &gates};
    test_ok(nt_recurrent_forward(tape, &layer, &gates, NULL));
    layer.s = &s;
    test_fails(nt_recurrent_forward(tape, &layer, &gates, NULL), NT_ERR_SHAPE,
        "recurrent: s of shape 3x2x3: must be 4x2x3");
    layer.s = NULL;
    test_fails(nt_recurrent_forward(tape, &layer, &gates, NULL), NT_ERR_ARGUMENT, "s: must be");
    layer.s = &h;
    layer.lengths = &lengths;
    test_fails(nt_recurrent_forward(tape, &layer, &gates, NULL), NT_ERR_UNSUPPORTED,
        "lengths of float32: must be int32");
    layer.lengths = NULL;
    layer.cell = NT_CELL_GRU;
    test_fails(nt_recurrent_forward(tape, &layer, &gates, NULL), NT_ERR_SHAPE,
        "weight of shape 12x3: must be 9x3");
    h.shape.rank = 2;
    test_fails(nt_recurrent_forward(tape, &layer, &gates, NULL), NT_ERR_SHAPE, "h of shape 4x2");
    nt_tape_destroy(tape);
}
END_TEST

/* Work-groups of a GPU keep a step in local memory: a wider layer goes step by step. */
START_TEST(wide_layers_are_not_for_groups)
{
    if (trial_small())
        return;
    struct nt_tape *tape;
    test_ok(nt_tape_create(test_device(), &tape));
    test_ok(nt_tape_force(tape, "recurrent=group"));
    int64_t units = 300;
    struct nt_tensor h = view(3, 2, 1, units), a = view(3, 1, 1, 4 * units);
    struct nt_tensor w = view(2, 4 * units, units, 0), gates = a, s = h;
    h.buffer = s.buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, 8 * (size_t)units, "h");
    a.buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, 16 * (size_t)units, "a");
    gates.buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, 16 * (size_t)units, "gates");
    w.buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, 16 * (size_t)(units * units), "w");
    struct nt_recurrent layer = {
        .cell = NT_CELL_LSTM, .weight = &w, .h = &h, .s = &s, .gates = &gates};
    test_fails(nt_recurrent_forward(tape, &layer, &a, NULL), NT_ERR_UNSUPPORTED, "16 KiB");
    nt_tape_destroy(tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recurrent");
    TCase *tcase = tcase_create("recurrent");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, cells_match_naive_loops);
    tcase_add_test(tcase, wrong_tensors_are_refused);
    tcase_add_test(tcase, wide_layers_are_not_for_groups);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
