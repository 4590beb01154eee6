/* SPDX-License-Identifier: MIT */
#include "engine/op/recurrent.h"
#include "engine/variant.h"

#include <string.h>

/* "tile" and "group" take all steps in one launch; "steps" has a product and a launch for the
 * gates in each step, for layers whose weight is better read by all of a GPU at once. */
const char *const nt_recurrent_variants[] = {"tile", "group", "steps", NULL};

int nt_cell_gates(enum nt_cell cell)
{
    return cell == NT_CELL_LSTM ? 4 : cell >= NT_CELL_GRU ? 3 : 1;
}

static enum nt_status check_tensor(struct nt_tape *tape, const char *what,
    const struct nt_tensor *t, enum nt_dtype dtype, struct nt_shape want)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    char got_text[128], want_text[128];
    if (!t)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "recurrent: %s: must be given", what);
    if (t->dtype != dtype)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "recurrent: %s of %s: must be %s", what,
            nt_dtype_name(t->dtype), nt_dtype_name(dtype));
    if (!nt_shape_equal(&t->shape, &want))
        return nt_fail(ctx, NT_ERR_SHAPE, "recurrent: %s of shape %s: must be %s", what,
            nt_shape_text(&t->shape, got_text, sizeof got_text),
            nt_shape_text(&want, want_text, sizeof want_text));
    if (!nt_tensor_is(t, NT_ROW_MAJOR))
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "recurrent: %s: must be dense and row-major", what);
    return NT_OK;
}

/* T, N and H are read off the states. */
static enum nt_status check_layer(struct nt_tape *tape, struct nt_recurrent_problem *p)
{
    const struct nt_recurrent *layer = p->layer;
    const struct nt_tensor *h = layer->h;
    char text[128];
    if (!h || h->shape.rank != 3 || h->shape.dim[0] < 2 || h->shape.dim[1] < 1 ||
        h->shape.dim[2] < 1)
        return nt_fail(nt_device_context(nt_tape_device(tape)), NT_ERR_SHAPE,
            "recurrent: h of shape %s: must be steps + 1 x items x units",
            h ? nt_shape_text(&h->shape, text, sizeof text) : "none");
    p->steps = h->shape.dim[0] - 1;
    p->items = h->shape.dim[1];
    p->units = h->shape.dim[2];
    p->gates = nt_cell_gates(layer->cell);
    int64_t wide = p->gates * p->units;
    struct nt_shape states = {3, {p->steps, p->items, p->units}};
    enum nt_status status = check_tensor(tape, "h", h, NT_F32, h->shape);
    if (status == NT_OK)
        status = check_tensor(
            tape, "weight", layer->weight, NT_F32, (struct nt_shape){2, {wide, p->units}});
    if (status == NT_OK && layer->bias)
        status = check_tensor(tape, "bias", layer->bias, NT_F32, (struct nt_shape){1, {wide}});
    if (status == NT_OK && layer->lengths)
        status =
            check_tensor(tape, "lengths", layer->lengths, NT_I32, (struct nt_shape){1, {p->items}});
    if (status == NT_OK && layer->cell >= NT_CELL_LSTM)
        status = check_tensor(
            tape, "s", layer->s, NT_F32, layer->cell == NT_CELL_LSTM ? h->shape : states);
    if (status == NT_OK)
        status = check_tensor(
            tape, "gates", layer->gates, NT_F32, (struct nt_shape){3, {p->steps, p->items, wide}});
    return status;
}

/* A GRU with the reset gate first has two products in each step. */
static enum nt_status choose(
    struct nt_tape *tape, struct nt_recurrent_problem *p, const char **variant)
{
    *variant = "steps";
    p->reason = "two products in each step";
    if (p->layer->cell == NT_CELL_GRU_RESET_FIRST)
        return NT_OK;
    enum nt_status status =
        nt_choose(tape, "recurrent", nt_recurrent_variants, NULL, variant, &p->reason);
    const char *rule = nt_recurrent_group_rule(p);
    if (status == NT_OK && rule && strcmp(*variant, "group") == 0)
        status = nt_choose_instead(tape, "recurrent", "steps", rule, variant, &p->reason);
    return status;
}

enum nt_status nt_recurrent_forward(struct nt_tape *tape, const struct nt_recurrent *layer,
    const struct nt_tensor *a, const struct nt_tensor *y)
{
    struct nt_recurrent_problem p = {.layer = layer, .a = a, .y = y};
    const char *variant;
    enum nt_status status = check_layer(tape, &p);
    if (status == NT_OK)
        status = check_tensor(tape, "a", a, NT_F32, layer->gates->shape);
    if (status == NT_OK && y)
        status =
            check_tensor(tape, "y", y, NT_F32, (struct nt_shape){3, {p.steps, p.items, p.units}});
    if (status == NT_OK)
        status = choose(tape, &p, &variant);
    if (status != NT_OK)
        return status;
    return strcmp(variant, "tile") == 0    ? nt_recurrent_tile_forward(tape, &p)
           : strcmp(variant, "group") == 0 ? nt_recurrent_group_forward(tape, &p)
                                           : nt_recurrent_steps_forward(tape, &p);
}

enum nt_status nt_recurrent_backward(struct nt_tape *tape, const struct nt_recurrent *layer,
    const struct nt_tensor *dy, const struct nt_tensor *da, const struct nt_tensor *dr,
    const struct nt_tensor *dh, const struct nt_tensor *ds)
{
    bool own = layer->cell == NT_CELL_GRU, lstm = layer->cell == NT_CELL_LSTM;
    struct nt_recurrent_problem p = {
        .layer = layer, .dy = dy, .da = da, .dr = own ? dr : da, .dh = dh, .ds = lstm ? ds : NULL};
    const char *variant;
    enum nt_status status = check_layer(tape, &p);
    struct nt_shape state = {2, {p.items, p.units}};
    if (status == NT_OK && dy)
        status =
            check_tensor(tape, "dy", dy, NT_F32, (struct nt_shape){3, {p.steps, p.items, p.units}});
    if (status == NT_OK)
        status = check_tensor(tape, "da", da, NT_F32, layer->gates->shape);
    if (status == NT_OK)
        status = check_tensor(tape, "dr", p.dr, NT_F32, layer->gates->shape);
    if (status == NT_OK)
        status = check_tensor(tape, "dh", dh, NT_F32, state);
    if (status == NT_OK && lstm)
        status = check_tensor(tape, "ds", ds, NT_F32, state);
    if (status == NT_OK)
        status = choose(tape, &p, &variant);
    if (status != NT_OK)
        return status;
    return strcmp(variant, "tile") == 0    ? nt_recurrent_tile_backward(tape, &p)
           : strcmp(variant, "group") == 0 ? nt_recurrent_group_backward(tape, &p)
                                           : nt_recurrent_steps_backward(tape, &p);
}

void nt_recurrent_optional(struct nt_launch *launch, const struct nt_tensor *tensor,
    const struct nt_tensor *other, enum nt_access access)
{
    nt_launch_tensor(launch, tensor ? tensor : other, tensor ? access : NT_ACCESS_READ);
    nt_launch_int(launch, tensor != NULL);
}

static void add_sizes(struct nt_launch *launch, const struct nt_recurrent_problem *p)
{
    nt_recurrent_optional(launch, p->layer->lengths, p->layer->h, NT_ACCESS_READ);
    nt_launch_int(launch, p->layer->reverse);
    nt_launch_int(launch, p->steps);
    nt_launch_int(launch, p->items);
    nt_launch_int(launch, p->units);
    double rows = (double)p->steps * (double)p->items, units = (double)p->units;
    launch->flops = 2 * rows * (double)p->gates * units * units;
    launch->bytes = 4 * rows * units * (2 * (double)p->gates + 4);
}

void nt_recurrent_forward_args(struct nt_launch *launch, const struct nt_recurrent_problem *p)
{
    const struct nt_recurrent *layer = p->layer;
    nt_recurrent_optional(launch, layer->bias, layer->h, NT_ACCESS_READ);
    nt_launch_tensor(launch, layer->gates, NT_ACCESS_WRITE);
    nt_launch_tensor(launch, layer->h, NT_ACCESS_READ_WRITE);
    nt_launch_tensor(launch, layer->s ? layer->s : layer->h,
        layer->cell == NT_CELL_GRU ? NT_ACCESS_WRITE : NT_ACCESS_READ_WRITE);
    nt_recurrent_optional(launch, p->y, layer->h, NT_ACCESS_WRITE);
    add_sizes(launch, p);
}

void nt_recurrent_backward_args(struct nt_launch *launch, const struct nt_recurrent_problem *p)
{
    const struct nt_recurrent *layer = p->layer;
    nt_launch_tensor(launch, layer->h, NT_ACCESS_READ);
    nt_launch_tensor(launch, layer->s ? layer->s : layer->h, NT_ACCESS_READ);
    nt_recurrent_optional(launch, p->dy, layer->h, NT_ACCESS_READ);
    nt_launch_tensor(launch, p->da, NT_ACCESS_WRITE);
    nt_launch_tensor(launch, p->dr, NT_ACCESS_WRITE);
    nt_launch_tensor(launch, p->dh, NT_ACCESS_READ_WRITE);
    nt_launch_tensor(launch, p->ds ? p->ds : p->dh, NT_ACCESS_READ_WRITE);
    add_sizes(launch, p);
}
