/* SPDX-License-Identifier: MIT */
#include "frontend/gradcheck.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/random.h"
#include "frontend/graph.h"
#include "frontend/op.h"
#include "frontend/port.h"
#include "frontend/session.h"

#define LEVELS 16        /* steps tried at most, each half of the one before */
#define NOISE 2e-7       /* relative error of what float32 computes: a few roundings */
#define LOSS_CHANGE 0.03 /* of the loss, by which the largest step is meant to move it */

struct check {
    struct nt_context *ctx;
    struct nt_session *session;
    struct nt_weights *weights;
    const struct nt_gradcheck_params *params;
    double tolerance;
    struct nt_random random;
    float **input; /* host copies, row-major; NULL for inputs of other types than float32 */
    /* Where the loss is the plain cross-entropy of the first output it is computed here in double:
     * scores have more digits to spare than a loss. NULL elsewhere. */
    float *scores;
    int32_t *target;
    int64_t classes;
};

/* One tensor under the check. */
struct subject {
    int weight, input; /* index; -1 for the other one */
    size_t count;
    float *base, *moved, *gradient, *packed;
    double *direction;
    double loss, spread; /* loss at the base; typical size of the elements */
    double noise;        /* absolute error of a loss */
};

enum outcome { AGREES, DIFFERS, UNDECIDED, FLAT };

const char *nt_gradcheck_word(enum nt_gradcheck_verdict verdict)
{
    static const char *const words[] = {"ok", "WRONG", "unclear"};
    return (unsigned)verdict < 3 ? words[verdict] : "unknown";
}

static double cross_entropy(const struct check *check, int64_t rows)
{
    double sum = 0;
    for (int64_t r = 0; r < rows; r++) {
        const float *score = check->scores + r * check->classes;
        double largest = -INFINITY, total = 0;
        for (int64_t c = 0; c < check->classes; c++)
            largest = fmax(largest, score[c]);
        for (int64_t c = 0; c < check->classes; c++)
            total += exp(score[c] - largest);
        sum += largest + log(total) - score[check->target[r]];
    }
    return sum / (double)rows;
}

static enum nt_status run_loss(struct check *check, double *loss)
{
    const struct nt_step_params step = {.step = 1};
    enum nt_status status = nt_session_run(check->session, &step);
    if (status == NT_OK && check->scores) {
        status = nt_session_read(check->session, 0, check->scores);
        *loss = cross_entropy(check, nt_session_output(check->session, 0).shape.dim[0]);
    } else if (status == NT_OK) {
        float value = NAN;
        status = nt_session_loss(check->session, &value);
        *loss = value;
    }
    if (status == NT_OK && !isfinite(*loss))
        return nt_fail(check->ctx, NT_ERR_NUMERIC,
            "gradcheck: the loss is %g for random data: must be finite", *loss);
    return status;
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
    int levels; /* measured */
    double central[LEVELS], analytic[LEVELS], jump[LEVELS], noise[LEVELS];
};

static double scale_at(const struct slopes *m, int level)
{
    return fmax(fabs(m->central[level]), fabs(m->analytic[level]));
}

static enum nt_status measure(
    struct check *check, struct subject *s, double first, struct slopes *out)
{
    double h = first;
    out->levels = 0;
    for (int k = 0; k < LEVELS; k++, h /= 2) {
        double up, down, expected_up, expected_down;
        enum nt_status status = loss_at(check, s, h, &up, &expected_up);
        if (status == NT_OK)
            status = loss_at(check, s, -h, &down, &expected_down);
        if (status != NT_OK)
            return status;
        out->central[k] = (up - down) / (2 * h);
        out->analytic[k] = (expected_up - expected_down) / (2 * h);
        out->jump[k] = fabs(up - 2 * s->loss + down) / h;
        out->noise[k] = s->noise / h;
        out->levels = k + 1;
        if (k > 1 && out->noise[k] > check->tolerance * scale_at(out, k))
            break; /* finer steps would show noise alone */
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
    double settled = 0;
    for (int k = m->levels - 1; k >= 0 && count < 3; k--) {
        double error = error_at(m, k), scale = scale_at(m, k);
        if (m->noise[k] > tolerance * scale / 4)
            continue;
        if (error <= tolerance * scale + m->noise[k] || m->jump[k] > error / 2)
            return false;
        if (count == 0)
            settled = m->central[k];
        if (fabs(m->central[k] - settled) > error / 2)
            return false;
        count++;
    }
    return count >= 2;
}

/* Levels whose noise is well below the tolerance decide. Where a gradient is right, one of them
 * agrees, although kinks within a step spoil others. */
static enum outcome judge(const struct check *check, const struct slopes *m, double *relative)
{
    int precise = 0, agreeing = 0, last = m->levels - 1;
    *relative = INFINITY;
    for (int k = 0; k <= last; k++) {
        double scale = scale_at(m, k);
        if (!(m->noise[k] <= check->tolerance * scale / 2))
            continue;
        precise++;
        agreeing += error_at(m, k) <= check->tolerance * scale;
        *relative = fmin(*relative, error_at(m, k) / scale);
    }
    if (agreeing > 0)
        return AGREES;
    if (precise == 0)
        return m->analytic[last] == 0 && fabs(m->central[last]) <= 2 * m->noise[last] ? FLAT
                                                                                      : UNDECIDED;
    return contradicts(m, check->tolerance) ? DIFFERS : UNDECIDED;
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
        *outcome = FLAT;
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
#define MOST_DIRECTIONS 70

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

/* Where kinks are dense, more directions are tried until one can be judged. One that differs alone
 * may be a kink's doing, or the only one that led to where the gradient is wrong. */
static bool wants_more(const int *count)
{
    return count[DIFFERS] == 1 || (!count[AGREES] && count[UNDECIDED]);
}

static enum nt_status check_subject(
    struct check *check, struct subject *s, struct nt_gradcheck_result *result)
{
    int count[4] = {0}, tried = 0;
    double worst[4] = {0};
    for (; tried < DIRECTIONS || (tried < MOST_DIRECTIONS && wants_more(count)); tried++) {
        enum outcome outcome;
        double relative;
        choose_direction(check, s, tried % DIRECTIONS);
        enum nt_status status = follow(check, s, &outcome, &relative);
        if (status != NT_OK)
            return status;
        count[outcome]++;
        worst[outcome] = fmax(worst[outcome], relative);
    }
    if (count[DIFFERS] > 1)
        result->verdict = NT_GRADCHECK_WRONG;
    else if (count[AGREES] > 0 || count[FLAT] == tried)
        result->verdict = NT_GRADCHECK_OK;
    else
        result->verdict = NT_GRADCHECK_UNCLEAR;
    bool wrong = result->verdict == NT_GRADCHECK_WRONG;
    result->error = worst[wrong ? DIFFERS : AGREES];
    result->checked = count[AGREES] + (wrong ? count[DIFFERS] : 0);
    result->passed_over = tried - result->checked;
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

static double largest_score(const struct check *check)
{
    double largest = 0;
    int64_t count = nt_session_output(check->session, 0).shape.dim[0] * check->classes;
    for (int64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(check->scores[i]));
    return largest;
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
    s->noise = NOISE * fmax(check->scores ? largest_score(check) : fabs(s->loss), 1e-3);
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

/* Whether the loss is the mean over rows of the first output's cross-entropy with this input. */
static bool is_cross_entropy(const struct check *check, const struct nt_port *port)
{
    const struct nt_graph *graph = nt_session_graph(check->session);
    if (graph->loss < 0 || graph->value[graph->loss].node < 0 || graph->output_count == 0 ||
        check->target || port->dtype != NT_I32)
        return false;
    const struct nt_node *node = graph->node[graph->value[graph->loss].node];
    const struct nt_value *scores = &graph->value[graph->output[0].value];
    return node->op == &nt_op_cross_entropy && node->input[0] == graph->output[0].value &&
           node->input[1] == nt_graph_find(graph, port->name) && scores->shape.rank == 2 &&
           nt_attr_float(node, "label_smoothing") == 0;
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
    else if (status == NT_OK && is_cross_entropy(check, &port))
        check->target = data;
    else
        free(data);
    return status;
}

static void forget_inputs(struct check *check)
{
    for (int i = 0; check->input && i < nt_session_input_count(check->session); i++) {
        free(check->input[i]);
        check->input[i] = NULL;
    }
    free(check->target);
    check->target = NULL;
}

/* New random data: another point, with its kinks elsewhere. */
static enum nt_status fill_inputs(struct check *check)
{
    int64_t classes = class_count(check);
    enum nt_status status = NT_OK;
    forget_inputs(check);
    for (int i = 0; i < nt_session_input_count(check->session) && status == NT_OK; i++)
        status = fill_input(check, i, classes);
    if (status != NT_OK || !check->target || check->scores)
        return status;
    struct nt_port port = nt_session_output(check->session, 0);
    check->classes = port.shape.dim[1];
    check->scores = malloc(port.bytes);
    if (!check->scores)
        return nt_fail(check->ctx, NT_ERR_MEMORY, "gradcheck: no memory for scores");
    return NT_OK;
}

/* A gradient that is wrong is so at every point; kinks that fell badly are not. */
static enum nt_status check_twice(struct check *check, int weight, int input, const char *name,
    const struct nt_shape *shape, struct nt_gradcheck_result *result)
{
    enum nt_status status = check_tensor(check, weight, input, name, shape, result);
    if (status != NT_OK || result->verdict == NT_GRADCHECK_OK)
        return status;
    status = fill_inputs(check);
    if (status != NT_OK)
        return status;
    *result = (struct nt_gradcheck_result){0};
    return check_tensor(check, weight, input, name, shape, result);
}

static enum nt_status check_all(
    struct check *check, struct nt_gradcheck_result *results, int *count)
{
    enum nt_status status = fill_inputs(check);
    for (int i = 0; i < nt_weights_count(check->weights) && status == NT_OK; i++) {
        const struct nt_weight_info *info = nt_weights_get(check->weights, i);
        if (info->trained)
            status = check_twice(check, i, -1, info->name, &info->shape, &results[(*count)++]);
    }
    for (int i = 0; i < nt_session_input_count(check->session) && status == NT_OK; i++) {
        struct nt_port port = nt_session_input(check->session, i);
        if (check->input[i])
            status = check_twice(check, -1, i, port.name, &port.shape, &results[(*count)++]);
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
    if (check.session)
        forget_inputs(&check);
    free(check.input);
    free(check.scores);
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
