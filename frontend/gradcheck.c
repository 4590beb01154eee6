/* SPDX-License-Identifier: MIT */
#include "frontend/gradcheck.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/random.h"
#include "frontend/port.h"
#include "frontend/session.h"

#define LEVELS 10        /* steps tried, each half of the one before */
#define LOSS_NOISE 2e-7  /* relative error of a loss computed in float32: a few roundings */
#define LOSS_CHANGE 0.03 /* of the loss, by which the largest step is meant to move it */

struct check {
    struct nt_context *ctx;
    struct nt_session *session;
    struct nt_weights *weights;
    const struct nt_gradcheck_params *params;
    double tolerance;
    struct nt_random random;
    float **input; /* host copies, row-major; NULL for inputs of other types than float32 */
};

/* One tensor under the check. */
struct subject {
    int weight, input; /* index; -1 for the other one */
    size_t count;
    float *base, *moved, *gradient, *packed;
    double *direction;
    double loss, spread; /* loss at the base; typical size of the elements */
};

enum outcome { PASSED, FAILED, PASSED_OVER };

const char *nt_gradcheck_word(enum nt_gradcheck_verdict verdict)
{
    static const char *const words[] = {"ok", "WRONG", "unclear"};
    return (unsigned)verdict < 3 ? words[verdict] : "unknown";
}

static enum nt_status run_loss(struct check *check, double *loss)
{
    const struct nt_step_params step = {.step = 1};
    float value;
    enum nt_status status = nt_session_run(check->session, &step);
    if (status == NT_OK)
        status = nt_session_loss(check->session, &value);
    if (status != NT_OK)
        return status;
    if (!isfinite(value))
        return nt_fail(check->ctx, NT_ERR_NUMERIC,
            "gradcheck: the loss is %g for random data: must be finite", (double)value);
    *loss = value;
    return NT_OK;
}

static enum nt_status put(struct check *check, struct subject *s, const float *data)
{
    if (s->weight >= 0)
        return nt_weights_write(check->weights, s->weight, data);
    struct nt_port port = nt_session_input(check->session, s->input);
    nt_port_pack(&port, data, s->packed);
    return nt_session_write(check->session, s->input, s->packed);
}

/* Loss at base + h direction, and what the analytic gradient says it changes by: the move that
 * float32 really makes is what counts. */
static enum nt_status loss_at(
    struct check *check, struct subject *s, double h, double *loss, double *expected)
{
    double sum = 0;
    for (size_t i = 0; i < s->count; i++) {
        s->moved[i] = (float)(s->base[i] + h * s->direction[i]);
        sum += (double)s->gradient[i] * ((double)s->moved[i] - (double)s->base[i]);
    }
    *expected = sum;
    enum nt_status status = put(check, s, s->moved);
    return status == NT_OK ? run_loss(check, loss) : status;
}

/* Derivatives along a direction, by level of the step. */
struct slopes {
    double h[LEVELS], central[LEVELS], analytic[LEVELS], jump[LEVELS], noise[LEVELS];
};

static enum nt_status measure(
    struct check *check, struct subject *s, double first, struct slopes *out)
{
    double h = first;
    for (int k = 0; k < LEVELS; k++, h /= 2) {
        double up, down, expected_up, expected_down;
        enum nt_status status = loss_at(check, s, h, &up, &expected_up);
        if (status == NT_OK)
            status = loss_at(check, s, -h, &down, &expected_down);
        if (status != NT_OK)
            return status;
        out->h[k] = h;
        out->central[k] = (up - down) / (2 * h);
        out->analytic[k] = (expected_up - expected_down) / (2 * h);
        out->jump[k] = fabs(up - 2 * s->loss + down) / h;
        out->noise[k] = LOSS_NOISE * fmax(fabs(s->loss), 1e-3) / h;
    }
    return NT_OK;
}

static double error_at(const struct slopes *m, int level)
{
    return fabs(m->central[level] - m->analytic[level]);
}

/* Whether the numbers speak against the analytic slope. A kink within the step shifts a central
 * difference by at most half of what the one-sided slopes differ by: levels where that could
 * explain the error say nothing, and neither do coarse ones when a finer one agrees. */
static bool contradicts(const struct slopes *m, double tolerance)
{
    int count = 0;
    for (int k = LEVELS - 1; k >= 0 && count < 3; k--) {
        double error = error_at(m, k), scale = fmax(fabs(m->central[k]), fabs(m->analytic[k]));
        if (m->noise[k] > tolerance * scale / 4)
            continue;
        if (error <= tolerance * scale + m->noise[k] || m->jump[k] > error / 2)
            return false;
        count++;
    }
    return count >= 2;
}

/* Levels whose noise is well below the tolerance decide. A right gradient agrees at two of them,
 * although kinks within a step spoil others. */
static enum outcome judge(const struct check *check, const struct slopes *m, double *relative)
{
    int precise = 0, agreeing = 0;
    *relative = INFINITY;
    for (int k = 0; k < LEVELS; k++) {
        double scale = fmax(fabs(m->central[k]), fabs(m->analytic[k]));
        if (!(m->noise[k] <= check->tolerance * scale / 2))
            continue;
        precise++;
        agreeing += error_at(m, k) <= check->tolerance * scale;
        *relative = fmin(*relative, error_at(m, k) / scale);
    }
    if (precise == 0) {
        bool zero = fabs(m->central[LEVELS - 1]) <= 2 * m->noise[LEVELS - 1];
        *relative = 0;
        return zero && m->analytic[LEVELS - 1] == 0 ? PASSED : PASSED_OVER;
    }
    if (agreeing >= (precise < 2 ? 1 : 2))
        return PASSED;
    return contradicts(m, check->tolerance) ? FAILED : PASSED_OVER;
}

static double norm_of(const struct subject *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->count; i++)
        sum += s->direction[i] * s->direction[i];
    return sqrt(sum);
}

/* Follows s->direction, of any length. */
static enum nt_status follow(
    struct check *check, struct subject *s, enum outcome *outcome, double *relative)
{
    double norm = norm_of(s), slope = 0, largest = 0;
    if (!(norm > 0)) {
        *outcome = PASSED_OVER;
        *relative = 0;
        return NT_OK;
    }
    for (size_t i = 0; i < s->count; i++) {
        s->direction[i] /= norm;
        slope += s->direction[i] * s->gradient[i];
        largest = fmax(largest, fabs(s->direction[i]));
    }
    /* Far enough that the loss changes by much more than its rounding, and no element moves by more
     * than its like are large. */
    double limit = 0.5 * s->spread / largest;
    double h = slope != 0 ? LOSS_CHANGE * fmax(fabs(s->loss), 0.1) / fabs(slope) : limit;
    struct slopes slopes;
    enum nt_status status = measure(check, s, fmin(h, limit), &slopes);
    if (status == NT_OK)
        *outcome = judge(check, &slopes, relative);
    return status;
}

static size_t steepest(const struct subject *s)
{
    size_t best = 0;
    for (size_t i = 1; i < s->count; i++)
        if (fabsf(s->gradient[i]) > fabsf(s->gradient[best]))
            best = i;
    return best;
}

#define DIRECTIONS 14

/* Directions of several kinds. Along parts of the analytic gradient the signal is strongest; dense
 * random ones and those over the elements whose gradient is zero find what it leaves out. */
static void choose_direction(struct check *check, struct subject *s, int index)
{
    struct nt_random *random = &check->random;
    size_t one = nt_random_below(random, s->count);
    for (size_t i = 0; i < s->count; i++) {
        double g = s->gradient[i], coin = nt_random_uniform(random);
        switch (index) {
        case 0:
            s->direction[i] = g;
            break;
        case 1:
        case 2:
        case 3:
        case 4: /* along a half, a quarter, ... of it */
            s->direction[i] = coin < ldexp(1, -index) ? g : 0;
            break;
        case 5:
        case 6:
        case 7: /* dense: the gradient's signs turned at random, so that terms differ */
            s->direction[i] = nt_random_normal(random);
            break;
        case 8:
            s->direction[i] = g == 0 ? (coin < 0.5 ? -1 : 1) : 0;
            break;
        case 9:
            s->direction[i] = 0;
            break;
        default:
            s->direction[i] = i == one ? 1 : 0;
            break;
        }
    }
    if (index == 9)
        s->direction[steepest(s)] = 1;
}

static enum nt_status check_subject(
    struct check *check, struct subject *s, struct nt_gradcheck_result *result)
{
    int failed = 0;
    double wrong = 0;
    for (int i = 0; i < DIRECTIONS; i++) {
        enum outcome outcome;
        double relative;
        choose_direction(check, s, i);
        enum nt_status status = follow(check, s, &outcome, &relative);
        if (status != NT_OK)
            return status;
        if (outcome == PASSED) {
            result->checked++;
            result->error = fmax(result->error, relative);
        } else if (outcome == FAILED) {
            failed++;
            wrong = fmax(wrong, relative);
        }
    }
    /* One direction alone may still be a kink's doing. */
    if (failed > 1) {
        result->verdict = NT_GRADCHECK_WRONG;
        result->checked += failed;
        result->error = wrong;
    } else {
        result->verdict = result->checked > 0 ? NT_GRADCHECK_OK : NT_GRADCHECK_UNCLEAR;
    }
    result->passed_over = DIRECTIONS - result->checked;
    return put(check, s, s->base);
}

static double spread_of(const float *data, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)data[i] * data[i];
    return fmax(sqrt(sum / (double)count), 0.05);
}

static bool subject_alloc(struct subject *s)
{
    s->base = malloc(s->count * sizeof *s->base);
    s->moved = malloc(s->count * sizeof *s->moved);
    s->packed = malloc(s->count * sizeof *s->packed);
    s->gradient = malloc(s->count * sizeof *s->gradient);
    s->direction = malloc(s->count * sizeof *s->direction);
    return s->base && s->moved && s->packed && s->gradient && s->direction;
}

static void subject_free(struct subject *s)
{
    free(s->base);
    free(s->moved);
    free(s->packed);
    free(s->gradient);
    free(s->direction);
}

static enum nt_status load_subject(struct check *check, struct subject *s, const char *name)
{
    enum nt_status status = run_loss(check, &s->loss);
    if (status != NT_OK)
        return status;
    if (s->weight >= 0) {
        status = nt_weights_read(check->weights, s->weight, s->base);
        if (status == NT_OK)
            status = nt_session_gradient(check->session, s->weight, s->gradient);
    } else {
        memcpy(s->base, check->input[s->input], s->count * sizeof *s->base);
        status = nt_session_input_gradient(check->session, s->input, s->gradient);
    }
    if (status != NT_OK)
        return status;
    if (check->params->distort)
        check->params->distort(check->params->user, name, s->count, s->gradient);
    for (size_t i = 0; i < s->count; i++)
        if (!isfinite(s->gradient[i]))
            return nt_fail(check->ctx, NT_ERR_NUMERIC, "gradcheck: %s: gradient[%zu] is %g", name,
                i, (double)s->gradient[i]);
    s->spread = spread_of(s->base, s->count);
    return NT_OK;
}

static enum nt_status check_tensor(struct check *check, int weight, int input, const char *name,
    const struct nt_shape *shape, struct nt_gradcheck_result *result)
{
    struct subject s = {.weight = weight, .input = input, .count = (size_t)nt_shape_count(shape)};
    snprintf(result->name, sizeof result->name, "%s", name);
    result->input = input >= 0;
    result->shape = *shape;
    if (s.count == 0)
        return NT_OK;
    enum nt_status status = NT_OK;
    if (!subject_alloc(&s))
        status = nt_fail(check->ctx, NT_ERR_MEMORY, "gradcheck: no memory for %s", name);
    if (status == NT_OK)
        status = load_subject(check, &s, name);
    if (status == NT_OK)
        status = check_subject(check, &s, result);
    subject_free(&s);
    return status;
}

/* How many classes a target may name: dimension 1 of the first output. */
static int64_t class_count(struct check *check)
{
    if (nt_session_output_count(check->session) == 0)
        return 2;
    struct nt_port port = nt_session_output(check->session, 0);
    return port.shape.rank > 1 && port.shape.dim[1] > 1 ? port.shape.dim[1] : 2;
}

static enum nt_status fill_input(struct check *check, int index, int64_t classes)
{
    struct nt_port port = nt_session_input(check->session, index);
    size_t count = (size_t)nt_shape_count(&port.shape);
    void *data = calloc(count + 1, 8), *packed = calloc(count + 1, 8);
    enum nt_status status = NT_OK;
    if (!data || !packed)
        status = nt_fail(check->ctx, NT_ERR_MEMORY, "gradcheck: no memory for %s", port.name);
    for (size_t i = 0; i < count && status == NT_OK; i++) {
        if (port.dtype == NT_F32)
            ((float *)data)[i] = (float)nt_random_normal(&check->random);
        else if (port.dtype == NT_I32)
            ((int32_t *)data)[i] = (int32_t)nt_random_below(&check->random, (uint64_t)classes);
        else
            status = nt_fail(check->ctx, NT_ERR_UNSUPPORTED, "gradcheck: input %s: type %s",
                port.name, nt_dtype_name(port.dtype));
    }
    if (status == NT_OK) {
        nt_port_pack(&port, data, packed);
        status = nt_session_write(check->session, index, packed);
    }
    free(packed);
    if (status == NT_OK && port.dtype == NT_F32)
        check->input[index] = data;
    else
        free(data);
    return status;
}

static enum nt_status check_all(
    struct check *check, struct nt_gradcheck_result *results, int *count)
{
    int inputs = nt_session_input_count(check->session);
    int64_t classes = class_count(check);
    enum nt_status status = NT_OK;
    for (int i = 0; i < inputs && status == NT_OK; i++)
        status = fill_input(check, i, classes);
    for (int i = 0; i < nt_weights_count(check->weights) && status == NT_OK; i++) {
        const struct nt_weight_info *info = nt_weights_get(check->weights, i);
        if (info->trained)
            status = check_tensor(check, i, -1, info->name, &info->shape, &results[(*count)++]);
    }
    for (int i = 0; i < inputs && status == NT_OK; i++) {
        struct nt_port port = nt_session_input(check->session, i);
        if (check->input[i])
            status = check_tensor(check, -1, i, port.name, &port.shape, &results[(*count)++]);
    }
    return status;
}

enum nt_status nt_gradcheck(struct nt_device *dev, struct nt_model *model,
    const struct nt_gradcheck_params *params, struct nt_gradcheck_result **results, int *count)
{
    static const struct nt_gradcheck_params defaults;
    struct check check = {.ctx = nt_model_context(model), .params = params ? params : &defaults};
    check.tolerance = check.params->tolerance > 0 ? check.params->tolerance : 0.01;
    check.random.key = check.params->seed;
    check.random.stream = 0x67726164; /* apart from the streams that initialise weights */
    struct nt_session_params wanted = {.batch = check.params->batch ? check.params->batch : 2,
        .training = true,
        .gradients = true};
    enum nt_status status = nt_weights_create(dev, model, check.params->seed, 0, &check.weights);
    if (status == NT_OK)
        status = nt_session_create(dev, model, check.weights, &wanted, &check.session);
    struct nt_gradcheck_result *list = NULL;
    int found = 0, inputs = nt_model_input_count(model);
    if (status == NT_OK) {
        check.input = calloc((size_t)inputs + 1, sizeof *check.input);
        list = calloc((size_t)(nt_weights_count(check.weights) + inputs) + 1, sizeof *list);
        status = check.input && list
                     ? check_all(&check, list, &found)
                     : nt_fail(check.ctx, NT_ERR_MEMORY, "gradcheck: no memory for its results");
    }
    for (int i = 0; check.input && i < inputs; i++)
        free(check.input[i]);
    free(check.input);
    nt_session_destroy(check.session);
    nt_weights_destroy(check.weights);
    if (status != NT_OK) {
        free(list);
        return status;
    }
    *results = list;
    *count = found;
    return NT_OK;
}
