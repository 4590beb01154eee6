/* SPDX-License-Identifier: MIT */
#include "frontend/optimizer.h"

#include <math.h>
#include <string.h>

/* The numbers of every rule, then those of one, in the order of nt_optimizer_fill. */
enum { LR, DECAY, L1, CLIP_VALUE, CLIP_NORM, OWN };
static const char *const sgd_numbers[] = {"momentum", "nesterov", NULL};
static const char *const adam_numbers[] = {"rest1", "rest2", "eps", "correct1", "correct2", NULL};
static const char *const adagrad_numbers[] = {"eps", NULL};
static const char *const rmsprop_numbers[] = {"rest", "eps", "momentum", NULL};

/* 1 - beta is what reaches the device: 1 - 0.999f is off by 5e-5 of itself. */
#define ADAM_SLOTS                                                                                 \
    {                                                                                              \
        {"exp_avg", "(1 - rest1) * s + rest1 * g"},                                                \
        {                                                                                          \
            "exp_avg_sq", "(1 - rest2) * t + rest2 * g * g"                                        \
        }                                                                                          \
    }
#define PENALTIES "g + decay * m * p + l1 * m * sign(p)"

/* The names that rules use: p the parameter, g its gradient (clipped, then with penalties), m 1
 * where penalties apply and 0 elsewhere, s, t and u the state slots (old, then new). */
static const struct rule {
    const char *name;
    int slots;
    const char *const *number;
    const char *gradient;
    struct {
        const char *name, *value; /* as PyTorch calls it; the new state */
    } slot[NT_OPTIMIZER_SLOTS];
    const char *update; /* the new parameter, from the new state */
} rules[] = {
    [NT_OPTIMIZER_SGD] = {"sgd", 1, sgd_numbers, PENALTIES,
        {{"momentum_buffer", "momentum * s + g"}},
        "p - lr * select(nesterov, g + momentum * s, s)"},
    [NT_OPTIMIZER_ADAM] = {"adam", 2, adam_numbers, PENALTIES, ADAM_SLOTS,
        "p - lr * correct1 * s / (sqrt(t) * correct2 + eps)"},
    [NT_OPTIMIZER_ADAMW] = {"adamw", 2, adam_numbers, "g + l1 * m * sign(p)", ADAM_SLOTS,
        "p - lr * decay * m * p - lr * correct1 * s / (sqrt(t) * correct2 + eps)"},
    [NT_OPTIMIZER_ADAGRAD] = {"adagrad", 1, adagrad_numbers, PENALTIES, {{"sum", "s + g * g"}},
        "p - lr * g / (sqrt(s) + eps)"},
    [NT_OPTIMIZER_RMSPROP] = {"rmsprop", 2, rmsprop_numbers, PENALTIES,
        {{"square_avg", "(1 - rest) * s + rest * g * g"},
            {"momentum_buffer", "momentum * t + g / (sqrt(s) + eps)"}},
        "p - lr * t"},
    [NT_OPTIMIZER_RMSPROP_CENTERED] = {"rmsprop-centered", 3, rmsprop_numbers, PENALTIES,
        {{"square_avg", "(1 - rest) * s + rest * g * g"}, {"grad_avg", "(1 - rest) * t + rest * g"},
            {"momentum_buffer", "momentum * u + g / (sqrt(max(s - t * t, 0)) + eps)"}},
        "p - lr * u"},
};
enum { RULE_COUNT = sizeof rules / sizeof *rules };

int nt_optimizer_slots(enum nt_optimizer optimizer)
{
    return rules[optimizer].slots;
}

const char *nt_optimizer_slot_name(enum nt_optimizer optimizer, int slot)
{
    return rules[optimizer].slot[slot].name;
}

const char *nt_optimizer_name(enum nt_optimizer optimizer)
{
    return rules[optimizer].name;
}

bool nt_optimizer_parse(const char *name, enum nt_optimizer *optimizer)
{
    for (int i = 0; i < RULE_COUNT; i++)
        if (strcmp(rules[i].name, name) == 0) {
            *optimizer = (enum nt_optimizer)i;
            return true;
        }
    return false;
}

/* ---- the update ---- */

#define MAX_NAMES 24

/* An expression under construction, its names and inputs. */
struct draft {
    struct nt_context *ctx;
    struct nt_expr *expr;
    enum nt_status status;
    int names, inputs;
    const char *name[MAX_NAMES];
    int term[MAX_NAMES];
    struct nt_tensor in[MAX_NAMES];
};

static int name_term(struct draft *d, const char *name, int term)
{
    d->name[d->names] = name;
    d->term[d->names] = term;
    return d->names++;
}

static int name_input(struct draft *d, const char *name, const struct nt_tensor *tensor)
{
    d->in[d->inputs] = *tensor;
    return name_term(d, name, nt_expr_input(d->expr, d->inputs++));
}

static int parse(struct draft *d, const char *text)
{
    int term = -1;
    if (d->status == NT_OK)
        d->status = nt_expr_parse(d->ctx, d->expr, text, d->names, d->name, d->term, &term);
    return term;
}

static struct nt_tensor number_at(int32_t numbers, int index)
{
    return (struct nt_tensor){
        .buffer = numbers, .dtype = NT_F32, .offset = index, .shape = {1, {1}}};
}

static enum nt_status begin(struct draft *d, struct nt_tape *tape)
{
    *d = (struct draft){.ctx = nt_device_context(nt_tape_device(tape)), .expr = nt_expr_create()};
    if (d->expr)
        return NT_OK;
    return nt_fail(d->ctx, NT_ERR_MEMORY, "optimizer: host memory is exhausted");
}

#define CLIPPED "min(max(g, -clip_value), clip_value)"

enum nt_status nt_optimizer_append(struct nt_tape *tape, enum nt_optimizer optimizer,
    const struct nt_optimizer_tensors *t, int32_t numbers)
{
    static const char *const slots[NT_OPTIMIZER_SLOTS] = {"s", "t", "u"};
    static const char *const all[] = {"lr", "decay", "l1", "clip_value"};
    const struct rule *rule = &rules[optimizer];
    struct draft d;
    enum nt_status status = begin(&d, tape);
    if (status != NT_OK)
        return status;
    name_input(&d, "p", &t->parameters);
    int g = name_input(&d, "g", &t->gradients), slot[NT_OPTIMIZER_SLOTS];
    for (int i = 0; i < rule->slots; i++)
        slot[i] = name_input(&d, slots[i], &t->slot[i]);
    for (int i = 0; i < CLIP_NORM; i++)
        name_input(&d, all[i], &(struct nt_tensor[]){number_at(numbers, i)}[0]);
    for (int i = 0; rule->number[i]; i++)
        name_input(&d, rule->number[i], &(struct nt_tensor[]){number_at(numbers, OWN + i)}[0]);
    int one = nt_expr_constant(d.expr, 1);
    if (t->mask.buffer >= 0)
        name_input(&d, "m", &t->mask);
    else
        name_term(&d, "m", one);
    if (t->factor.buffer >= 0)
        name_input(&d, "factor", &t->factor);
    else
        name_term(&d, "factor", one);
    d.term[g] = parse(&d, CLIPPED " * factor");
    d.term[g] = parse(&d, rule->gradient);
    struct nt_tensor out[1 + NT_OPTIMIZER_SLOTS] = {t->parameters};
    int result[1 + NT_OPTIMIZER_SLOTS];
    for (int i = 0; i < rule->slots; i++) {
        out[1 + i] = t->slot[i];
        result[1 + i] = d.term[slot[i]] = parse(&d, rule->slot[i].value);
    }
    result[0] = parse(&d, rule->update);
    if (d.status == NT_OK)
        d.status = nt_map(tape, d.expr, 1 + rule->slots, result, out, d.inputs, d.in);
    nt_expr_destroy(d.expr);
    return d.status;
}

enum nt_status nt_optimizer_append_factor(struct nt_tape *tape, int count,
    const struct nt_tensor *gradients, int32_t numbers, const struct nt_tensor *factor)
{
    struct draft d;
    enum nt_status status = begin(&d, tape);
    if (status != NT_OK)
        return status;
    struct nt_shape one = {1, {1}}, many = {1, {count}};
    int32_t buffer = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)count * sizeof(float), "squares of gradients");
    struct nt_tensor squares = nt_tensor_make(buffer, NT_F32, &many, NT_ROW_MAJOR);
    struct nt_tensor clip_value = number_at(numbers, CLIP_VALUE);
    int g = name_input(&d, "g", &gradients[0]);
    name_input(&d, "clip_value", &clip_value);
    d.term[g] = parse(&d, CLIPPED);
    int square = parse(&d, "g * g");
    for (int i = 0; d.status == NT_OK && i < count; i++) {
        struct nt_tensor sum = nt_tensor_make(buffer, NT_F32, &one, NT_ROW_MAJOR);
        sum.offset = i;
        d.in[0] = gradients[i];
        d.status = nt_reduce(tape, NT_REDUCE_SUM, d.expr, square, 2, d.in, 1, &sum);
    }
    struct nt_tensor pair[2] = {*factor, number_at(numbers, CLIP_NORM)};
    if (d.status == NT_OK)
        d.status = nt_reduce(
            tape, NT_REDUCE_SUM, d.expr, nt_expr_input(d.expr, 0), 1, &squares, 1, factor);
    d.names = 0;
    name_term(&d, "squares", nt_expr_input(d.expr, 0));
    name_term(&d, "clip_norm", nt_expr_input(d.expr, 1));
    int term = parse(&d, "min(clip_norm / (sqrt(squares) + 1e-6), 1)");
    if (d.status == NT_OK)
        d.status = nt_map(tape, d.expr, 1, &term, factor, 2, pair);
    nt_expr_destroy(d.expr);
    return d.status;
}

/* ---- the numbers of a step ---- */

static enum nt_status check_step(struct nt_context *ctx, const struct nt_step_params *step)
{
    const struct {
        const char *what;
        double value;
    } numbers[] = {{"learning rate", step->learning_rate}, {"weight decay", step->weight_decay},
        {"l1", step->l1}, {"clip_value", step->clip_value}, {"clip_norm", step->clip_norm}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!(numbers[i].value >= 0) || !isfinite(numbers[i].value))
            return nt_fail(ctx, NT_ERR_ARGUMENT,
                "optimizer: %s %g: must be finite and not negative", numbers[i].what,
                numbers[i].value);
    return NT_OK;
}

static double or_default(double value, double fallback)
{
    return value > 0 ? value : fallback;
}

static enum nt_status fill_adam(
    struct nt_context *ctx, const struct nt_step_params *step, float *own)
{
    double beta1 = or_default(step->beta1, 0.9), beta2 = or_default(step->beta2, 0.999);
    double t = (double)step->step;
    if (step->step < 1 || beta1 >= 1 || beta2 >= 1)
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "optimizer: step %lld, beta1 %g, beta2 %g: steps count from 1, betas are below 1",
            (long long)step->step, beta1, beta2);
    own[0] = (float)(1 - beta1);
    own[1] = (float)(1 - beta2);
    own[2] = (float)or_default(step->epsilon, 1e-8);
    own[3] = (float)(1 / (1 - pow(beta1, t)));
    own[4] = (float)(1 / sqrt(1 - pow(beta2, t)));
    return NT_OK;
}

static enum nt_status fill_rmsprop(
    struct nt_context *ctx, const struct nt_step_params *step, float *own)
{
    double alpha = or_default(step->alpha, 0.99);
    if (alpha >= 1)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "optimizer: alpha %g: must be below 1", alpha);
    own[0] = (float)(1 - alpha);
    own[1] = (float)or_default(step->epsilon, 1e-8);
    own[2] = (float)step->momentum;
    return NT_OK;
}

enum nt_status nt_optimizer_fill(struct nt_context *ctx, enum nt_optimizer optimizer,
    const struct nt_step_params *step, float numbers[NT_OPTIMIZER_NUMBERS])
{
    float *own = numbers + OWN;
    memset(numbers, 0, NT_OPTIMIZER_NUMBERS * sizeof *numbers);
    enum nt_status status = check_step(ctx, step);
    if (status != NT_OK)
        return status;
    numbers[LR] = (float)step->learning_rate;
    numbers[DECAY] = (float)step->weight_decay;
    numbers[L1] = (float)step->l1;
    numbers[CLIP_VALUE] = step->clip_value > 0 ? (float)step->clip_value : INFINITY;
    numbers[CLIP_NORM] = step->clip_norm > 0 ? (float)step->clip_norm : INFINITY;
    switch (optimizer) {
    case NT_OPTIMIZER_SGD:
        own[0] = (float)step->momentum;
        own[1] = step->nesterov;
        return NT_OK;
    case NT_OPTIMIZER_ADAGRAD:
        own[0] = (float)or_default(step->epsilon, 1e-10);
        return NT_OK;
    case NT_OPTIMIZER_RMSPROP:
    case NT_OPTIMIZER_RMSPROP_CENTERED:
        return fill_rmsprop(ctx, step, own);
    default:
        return fill_adam(ctx, step, own);
    }
}
