/* SPDX-License-Identifier: MIT */
#include "engine/op/epilogue.h"
#include "engine/text.h"

#include <stdlib.h>
#include <string.h>

#define MAX_INPUTS 4

enum operand { OPERAND_FULL, OPERAND_CHANNEL, OPERAND_SCALAR, OPERAND_BAD };

/* Epilogues that share a kernel, in the order of the argument that chooses. a: the result, b: the
 * operand. */
static const struct {
    const char *text;
    enum operand operand;
} shared[] = {
    {"a", OPERAND_BAD}, /* has none */
    {"a + b", OPERAND_CHANNEL},
    {"relu(a + b)", OPERAND_CHANNEL},
    {"a * (b > 0)", OPERAND_FULL},
    {"a + b", OPERAND_FULL},
};
#define SHARED (int)(sizeof shared / sizeof *shared)
#define SHARED_TEXT                                                                                \
    "{ if (e_kind) { T e = NT_EPILOGUE_READ(e0 + e0_offset + (e_kind >= 3 ? (at) : (channel)));"   \
    " (value) = e_kind == 3 ? (value) * TRUTH(C(0.0f) < e) : (value) + e; }"                       \
    " if (e_kind == 2) (value) = select((value), C(0.0f), (value) < C(0.0f)); }"

/* The dimension along which the kernels count channels: C of N,C,D,H,W, columns of a matrix. */
static int channel_dimension(const struct nt_tensor *out)
{
    return out->shape.rank == 5 ? 1 : out->shape.rank - 1;
}

static enum operand operand_kind(const struct nt_tensor *out, const struct nt_tensor *in)
{
    int fast = channel_dimension(out), lead = out->shape.rank - in->shape.rank;
    bool full = lead == 0, channel = true, scalar = true;
    if (lead < 0 || in->dtype != NT_F32)
        return OPERAND_BAD;
    for (int i = 0; i < out->shape.rank; i++) {
        int64_t want = out->shape.dim[i];
        int64_t have = i < lead ? 1 : in->shape.dim[i - lead];
        int64_t step = have == 1 ? 0 : in->stride[i - lead];
        if (have != want && have != 1)
            return OPERAND_BAD;
        if (want == 1)
            continue;
        full &= step == out->stride[i];
        channel &= step == (i == fast);
        scalar &= step == 0;
    }
    return scalar ? OPERAND_SCALAR : channel ? OPERAND_CHANNEL : full ? OPERAND_FULL : OPERAND_BAD;
}

bool nt_epilogue_fits(const struct nt_tensor *out, int inputs, const struct nt_tensor *in)
{
    if (inputs < 0 || inputs > MAX_INPUTS)
        return false;
    for (int i = 0; i < inputs; i++)
        if (operand_kind(out, &in[i]) == OPERAND_BAD)
            return false;
    return true;
}

enum nt_status nt_epilogue_check(struct nt_tape *tape, const char *primitive,
    const struct nt_tensor *out, const struct nt_epilogue *epilogue)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    if (!epilogue || !epilogue->expr)
        return NT_OK;
    if (epilogue->inputs < 0 || epilogue->inputs > MAX_INPUTS)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: %d epilogue operands: must be 0 to %d", primitive,
            epilogue->inputs, MAX_INPUTS);
    for (int i = 0; i < epilogue->inputs; i++) {
        char in[96], to[96];
        if (operand_kind(out, &epilogue->in[i]) != OPERAND_BAD)
            continue;
        return nt_fail(ctx, NT_ERR_SHAPE,
            "%s: epilogue operand %d of %s %s: must lie as the output %s, vary along its fastest "
            "dimension alone, or be a float32 scalar",
            primitive, i, nt_dtype_name(epilogue->in[i].dtype),
            nt_shape_text(&epilogue->in[i].shape, in, sizeof in),
            nt_shape_text(&out->shape, to, sizeof to));
    }
    for (int i = epilogue->inputs + 1; i < 64; i++)
        if (nt_expr_uses(epilogue->expr, epilogue->term, i))
            return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: epilogue uses operand %d: there are %d",
                primitive, i - 1, epilogue->inputs);
    return NT_OK;
}

bool nt_epilogue_reads(const struct nt_epilogue *epilogue, const struct nt_tensor *out)
{
    for (int i = 0; epilogue && epilogue->expr && i < epilogue->inputs; i++)
        if (epilogue->in[i].buffer == out->buffer)
            return true;
    return false;
}

enum nt_status nt_epilogue_after(struct nt_tape *tape, const struct nt_epilogue *epilogue,
    const struct nt_tensor *result, const struct nt_tensor *out)
{
    struct nt_tensor in[MAX_INPUTS + 1] = {*result};
    for (int i = 0; i < epilogue->inputs; i++)
        in[i + 1] = epilogue->in[i];
    return nt_map(tape, epilogue->expr, 1, &epilogue->term, out, epilogue->inputs + 1, in);
}

static void define_type(struct nt_launch *launch, int width)
{
    if (width == 1)
        nt_launch_define(launch, "T", "float");
    else
        nt_launch_define(launch, "T", "float%d", width);
    nt_launch_define(launch, "C(x)", "((T)(x))");
    nt_launch_define(launch, "C1(x)", "((T)(x))");
    nt_launch_define(launch, "TRUTH(x)", "select(C(0.0f), C(1.0f), x)");
    nt_launch_define(launch, "CHOOSE(a, b, c)", "select(c, b, (a) != C(0.0f))");
}

static void apply_text(struct nt_text *text, const struct nt_tensor *out,
    const struct nt_epilogue *epilogue, const char *source)
{
    nt_text_string(text, "{ T in0 = (value), out0;");
    for (int i = 0; i < epilogue->inputs; i++) {
        static const char *const reads[] = {
            [OPERAND_FULL] = " T in%d = NT_EPILOGUE_READ(e%d + e%d_offset + (at));",
            [OPERAND_CHANNEL] = " T in%d = NT_EPILOGUE_READ(e%d + e%d_offset + (channel));",
            [OPERAND_SCALAR] = " T in%d = (T)(e%d[e%d_offset]);",
        };
        if (nt_expr_uses(epilogue->expr, epilogue->term, i + 1))
            nt_text_format(text, reads[operand_kind(out, &epilogue->in[i])], i + 1, i, i);
    }
    for (const char *s = source; *s; s++)
        nt_text_bytes(text, *s == '\n' ? " " : s, 1);
    nt_text_string(text, " (value) = out0; }");
}

static bool same_text(struct nt_context *ctx, const struct nt_epilogue *epilogue, int index)
{
    static const char *const names[] = {"a", "b"};
    struct nt_expr *expr = nt_expr_create();
    int inputs[2], term;
    if (!expr)
        return false;
    for (int i = 0; i < 2; i++)
        inputs[i] = nt_expr_input(expr, i);
    bool same = nt_expr_parse(ctx, expr, shared[index].text, 2, names, inputs, &term) == NT_OK;
    char *own = nt_expr_source(epilogue->expr, 1, &epilogue->term);
    char *other = same ? nt_expr_source(expr, 1, &term) : NULL;
    same = own && other && strcmp(own, other) == 0;
    free(own);
    free(other);
    nt_expr_destroy(expr);
    return same;
}

/* Which of the shared epilogues it is, or -1. */
static int find_shared(
    const struct nt_launch *launch, const struct nt_tensor *out, const struct nt_epilogue *epilogue)
{
    if (strcmp(launch->variant, "tile") != 0 && strcmp(launch->variant, "winograd") != 0 &&
        strcmp(launch->variant, "images") != 0 && strcmp(launch->variant, "few") != 0 &&
        strcmp(launch->variant, "registers") != 0)
        return -1;
    if (!epilogue || !epilogue->expr)
        return 0;
    for (int i = 1; i < SHARED && epilogue->inputs == 1; i++)
        if (operand_kind(out, &epilogue->in[0]) == shared[i].operand &&
            same_text(nt_device_context(nt_tape_device(launch->tape)), epilogue, i))
            return i;
    return -1;
}

static void define_shared(struct nt_launch *launch)
{
    nt_launch_define(
        launch, "NT_EPILOGUE_PARAMS", ", __global const float *e0, int e0_offset, int e_kind");
    nt_launch_define(launch, "NT_EPILOGUE_PASS", ", e0, e0_offset, e_kind");
    nt_launch_define(launch, "NT_EPILOGUE_APPLY(value, at, channel)", SHARED_TEXT);
    nt_launch_define(
        launch, "NT_EPILOGUE_FETCH(at)", "if (e_kind >= 3) NT_PREFETCH(e0 + e0_offset + (at))");
    nt_launch_define(launch, "NT_EPILOGUE_NONE", "(e_kind == 0)");
    nt_launch_define(launch, "NT_EPILOGUE_BY_CHANNEL", "(e_kind < 3)");
}

void nt_epilogue_define(struct nt_launch *launch, const struct nt_tensor *out,
    const struct nt_epilogue *epilogue, int width)
{
    struct nt_text params = {0}, pass = {0}, apply = {0}, fetch = {0};
    char *source = NULL;
    bool by_channel = true;
    define_type(launch, width);
    launch->epilogue = find_shared(launch, out, epilogue);
    if (launch->epilogue >= 0) {
        define_shared(launch);
        return;
    }
    if (epilogue && epilogue->expr) {
        source = nt_expr_source(epilogue->expr, 1, &epilogue->term);
        for (int i = 0; i < epilogue->inputs; i++) {
            nt_text_format(&params, ", __global const float *e%d, int e%d_offset", i, i);
            nt_text_format(&pass, ", e%d, e%d_offset", i, i);
            if (operand_kind(out, &epilogue->in[i]) != OPERAND_FULL)
                continue;
            nt_text_format(&fetch, " NT_PREFETCH(e%d + e%d_offset + (at));", i, i);
            by_channel = false;
        }
        if (source)
            apply_text(&apply, out, epilogue, source);
        if (!source || params.failed || pass.failed || apply.failed || fetch.failed)
            launch->status = nt_fail(nt_device_context(nt_tape_device(launch->tape)), NT_ERR_MEMORY,
                "%s: out of memory", launch->entry);
    }
    nt_launch_define(launch, "NT_EPILOGUE_PARAMS", "%s", params.data ? params.data : "");
    nt_launch_define(launch, "NT_EPILOGUE_PASS", "%s", pass.data ? pass.data : "");
    nt_launch_define(launch, "NT_EPILOGUE_FETCH(at)", "{%s }", fetch.data ? fetch.data : "");
    nt_launch_define(launch, "NT_EPILOGUE_NONE", "%d", !source);
    nt_launch_define(launch, "NT_EPILOGUE_BY_CHANNEL", "%d", by_channel);
    nt_launch_define(
        launch, "NT_EPILOGUE_APPLY(value, at, channel)", "%s", apply.data ? apply.data : "");
    free(params.data);
    free(pass.data);
    free(apply.data);
    free(fetch.data);
    free(source);
}

void nt_epilogue_args(struct nt_launch *launch, const struct nt_epilogue *epilogue)
{
    int inputs = epilogue && epilogue->expr ? epilogue->inputs : 0;
    for (int i = 0; i < inputs; i++)
        nt_launch_tensor(launch, &epilogue->in[i], NT_ACCESS_READ);
    if (launch->epilogue < 0)
        return;
    if (inputs == 0) { /* the kernel reads none: any buffer will do */
        nt_launch_buffer(launch, launch->arg[0].buffer, NT_ACCESS_READ);
        nt_launch_int(launch, 0);
    }
    nt_launch_int(launch, launch->epilogue);
}
