/* SPDX-License-Identifier: MIT
 *
 * toy:NAME: the classical problems of the plane that no straight line solves, made on the fly:
 * always the same points.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset/kind.h"

#define TRAIN_COUNT 2000
#define TEST_COUNT 1000
#define TOY_KEY UINT64_C(0x746f79)
#define PI 3.14159265358979323846

struct problem {
    const char *name;
    int classes;
    /* A point of a class, within [-1, 1] but for the tails of normal distributions. */
    void (*point)(struct nt_random *random, int class, double point[2]);
};

/* Four quadrants; the class says whether the signs differ. */
static void xor_point(struct nt_random *random, int class, double point[2])
{
    double sign = nt_random_below(random, 2) ? 1 : -1;
    point[0] = sign * (0.05 + 0.95 * nt_random_uniform(random));
    point[1] = (class ? -sign : sign) * (0.05 + 0.95 * nt_random_uniform(random));
}

/* A disk and the ring around it. */
static void ring_point(struct nt_random *random, int class, double point[2])
{
    double inner = class ? 0.65 : 0, outer = class ? 1 : 0.5, angle;
    double square = nt_random_uniform(random) * (outer * outer - inner * inner) + inner * inner;
    angle = 2 * PI * nt_random_uniform(random);
    point[0] = sqrt(square) * cos(angle);
    point[1] = sqrt(square) * sin(angle);
}

/* Three heaps in a row: the middle one is a class of its own. */
static void modes_point(struct nt_random *random, int class, double point[2])
{
    double place = class ? 0 : nt_random_below(random, 2) ? 0.65 : -0.65;
    point[0] = place + 0.12 * nt_random_normal(random);
    point[1] = place / 2 + 0.12 * nt_random_normal(random);
}

/* Three arms that turn around the middle. */
static void spiral_point(struct nt_random *random, int class, double point[2])
{
    double along = nt_random_uniform(random), radius = 0.05 + 0.95 * along;
    double angle = 2 * PI * class / 3 + 4 * along + 0.12 * nt_random_normal(random);
    point[0] = radius * sin(angle);
    point[1] = radius * cos(angle);
}

static const struct problem problems[] = {
    {"xor", 2, xor_point},
    {"ring", 2, ring_point},
    {"modes", 2, modes_point},
    {"spiral", 3, spiral_point},
};

struct toy {
    const struct problem *problem;
    bool test;
};

static enum nt_status open_toy(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *argument)
{
    struct toy *toy = calloc(1, sizeof *toy);
    dataset->state = toy;
    if (!toy)
        return nt_fail(ctx, NT_ERR_MEMORY, "toy: no memory");
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
        if (!strcmp(problems[i].name, argument))
            toy->problem = &problems[i];
    if (!toy->problem)
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "toy:%s: there is no such problem: known are xor, ring, modes and spiral", argument);
    toy->test = part == NT_PART_TEST;
    dataset->info.item = (struct nt_shape){1, {2}};
    dataset->info.count = toy->test ? TEST_COUNT : TRAIN_COUNT;
    dataset->info.classes = toy->problem->classes;
    dataset->info.target_dtype = NT_I32;
    return NT_OK;
}

static enum nt_status item(struct nt_context *ctx, const struct nt_dataset *dataset, int64_t index,
    struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    const struct toy *toy = dataset->state;
    struct nt_random place = {.key = TOY_KEY, .stream = (uint64_t)index << 1 | toy->test};
    double point[2];
    int class = (int)(index % toy->problem->classes);
    toy->problem->point(&place, class, point);
    ((float *)x)[0] = (float)point[0];
    ((float *)x)[1] = (float)point[1];
    *(int32_t *)y = class;
    return NT_OK;
}

static void close_toy(struct nt_dataset *dataset)
{
    free(dataset->state);
}

const struct nt_dataset_kind nt_dataset_toy = {
    .name = "toy", .argument = "NAME", .open = open_toy, .item = item, .close = close_toy};
