/* SPDX-License-Identifier: MIT */
#include "frontend/optimizer.h"

#include <math.h>
#include <string.h>

/* The names that update rules use: p the parameter, g its gradient, s and t the state slots (old,
 * then new), and the numbers in the order of nt_optimizer_fill. */
static const char *const sgd_numbers[] = {"lr", "decay", "momentum", "nesterov"};
static const char *const adam_numbers[] = {
    "lr", "decay", "beta1", "beta2", "eps", "correct1", "correct2", "rest1", "rest2"};

static const struct {
    const char *name;
    int slots, numbers;
    const char *const *number;
    const char *gradient; /* g with the decay */
    const char *slot[2];  /* the new state */
    const char *update;   /* the new parameter, from the new state */
} rules[] = {
    [NT_OPTIMIZER_SGD] = {"sgd", 1, 4, sgd_numbers, "g + decay * p", {"momentum * s + g"},
        "p - lr * select(nesterov, g + momentum * s, s)"},
    [NT_OPTIMIZER_ADAM] = {"adam", 2, 9, adam_numbers, "g + decay * p",
        {"beta1 * s + rest1 * g", "beta2 * t + rest2 * g * g"},
        "p - lr * correct1 * s / (sqrt(t) * correct2 + eps)"},
    [NT_OPTIMIZER_ADAMW] = {"adamw", 2, 9, adam_numbers, "g",
        {"beta1 * s + rest1 * g", "beta2 * t + rest2 * g * g"},
        "p - lr * decay * p - lr * correct1 * s / (sqrt(t) * correct2 + eps)"},
};
enum { RULE_COUNT = sizeof rules / sizeof *rules };

int nt_optimizer_slots(enum nt_optimizer optimizer)
{
    return rules[optimizer].slots;
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

enum nt_status nt_optimizer_append(struct nt_tape *tape, enum nt_optimizer optimizer,
    const struct nt_tensor *tensor, int32_t numbers)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    int slots = rules[optimizer].slots, count = 2 + slots;
    const char *name[4 + NT_OPTIMIZER_NUMBERS] = {"p", "g", "s", "t"};
    int term[4 + NT_OPTIMIZER_NUMBERS], result[3];
    struct nt_tensor in[4 + NT_OPTIMIZER_NUMBERS];
    struct nt_expr *expr = nt_expr_create();
    if (!expr)
        return nt_fail(ctx, NT_ERR_MEMORY, "optimizer: host memory is exhausted");
    for (int i = 0; i < count; i++)
        in[i] = tensor[i];
    for (int i = 0; i < rules[optimizer].numbers; i++) {
        struct nt_tensor number = {
            .buffer = numbers, .dtype = NT_F32, .offset = i, .shape = {1, {1}}};
        name[count + i] = rules[optimizer].number[i];
        in[count + i] = number;
    }
    count += rules[optimizer].numbers;
    for (int i = 0; i < count; i++)
        term[i] = nt_expr_input(expr, i);
    enum nt_status status =
        nt_expr_parse(ctx, expr, rules[optimizer].gradient, count, name, term, &term[1]);
    for (int i = 0; status == NT_OK && i < slots; i++) {
        status =
            nt_expr_parse(ctx, expr, rules[optimizer].slot[i], count, name, term, &result[1 + i]);
        term[2 + i] = result[1 + i];
    }
    if (status == NT_OK)
        status = nt_expr_parse(ctx, expr, rules[optimizer].update, count, name, term, &result[0]);
    struct nt_tensor out[3] = {tensor[0], tensor[2], slots > 1 ? tensor[3] : tensor[2]};
    if (status == NT_OK)
        status = nt_map(tape, expr, 1 + slots, result, out, count, in);
    nt_expr_destroy(expr);
    return status;
}

enum nt_status nt_optimizer_fill(struct nt_context *ctx, enum nt_optimizer optimizer,
    const struct nt_step_params *step, float numbers[NT_OPTIMIZER_NUMBERS])
{
    memset(numbers, 0, NT_OPTIMIZER_NUMBERS * sizeof *numbers);
    if (!(step->learning_rate >= 0) || !isfinite(step->learning_rate))
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "optimizer: learning rate %g: must be finite and not negative", step->learning_rate);
    numbers[0] = (float)step->learning_rate;
    numbers[1] = (float)step->weight_decay;
    if (optimizer == NT_OPTIMIZER_SGD) {
        numbers[2] = (float)step->momentum;
        numbers[3] = step->nesterov;
        return NT_OK;
    }
    double beta1 = step->beta1 > 0 ? step->beta1 : 0.9;
    double beta2 = step->beta2 > 0 ? step->beta2 : 0.999;
    double t = (double)step->step;
    if (step->step < 1 || beta1 >= 1 || beta2 >= 1)
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "optimizer: step %lld, beta1 %g, beta2 %g: steps count from 1, betas are below 1",
            (long long)step->step, beta1, beta2);
    numbers[2] = (float)beta1;
    numbers[3] = (float)beta2;
    numbers[4] = (float)(step->epsilon > 0 ? step->epsilon : 1e-8);
    numbers[5] = (float)(1 / (1 - pow(beta1, t)));
    numbers[6] = (float)(1 / sqrt(1 - pow(beta2, t)));
    numbers[7] = (float)(1 - beta1); /* 1 - 0.999f is off by 5e-5 of itself */
    numbers[8] = (float)(1 - beta2);
    return NT_OK;
}
