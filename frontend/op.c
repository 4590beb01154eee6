/* SPDX-License-Identifier: MIT */
#include "frontend/op.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The rows of op/elementwise.inc as descriptors. ATTR rows come before their operator. */
#define NT_ELEMENTWISE(stem, names, text, doc, from, ...)                                          \
    static const struct nt_attr_spec stem##_attrs[] = {__VA_ARGS__};                               \
    static const struct nt_op op_##stem = {                                                        \
        .name = #stem,                                                                             \
        .summary = doc,                                                                            \
        .source = from,                                                                            \
        .inputs = names,                                                                           \
        .outputs = 1,                                                                              \
        .attrs = stem##_attrs,                                                                     \
        .attr_count = sizeof stem##_attrs / sizeof *stem##_attrs - 1,                              \
        .layouts = "a>a",                                                                          \
        .expression = text,                                                                        \
    };
#include "frontend/op/elementwise.inc"
#undef NT_ELEMENTWISE

/* What passes and gradient rules make: an expression of its own. */
static const struct nt_op op_map = {
    .name = "map",
    .summary = "elementwise expression made by the engine",
    .inputs = "a...",
    .outputs = 1,
    .layouts = "a>a",
    .internal = true,
};

const struct nt_op *const nt_ops[] = {
#define NT_OP(stem) &nt_op_##stem,
#include "frontend/op_list.inc"
#undef NT_OP
#define NT_ELEMENTWISE(stem, ...) &op_##stem,
#include "frontend/op/elementwise.inc"
#undef NT_ELEMENTWISE
    &op_map,
};
const int nt_op_count = sizeof nt_ops / sizeof *nt_ops;

const struct nt_op *nt_op_find(const char *name)
{
    for (int i = 0; i < nt_op_count; i++)
        if (strcmp(nt_ops[i]->name, name) == 0)
            return nt_ops[i];
    return NULL;
}

const char *nt_op_suggest(const char *name)
{
    const char *names[sizeof nt_ops / sizeof *nt_ops];
    int count = 0;
    for (int i = 0; i < nt_op_count; i++)
        if (!nt_ops[i]->internal)
            names[count++] = nt_ops[i]->name;
    return nt_near_miss(name, count, names);
}

static char letter(const char *side, const char *end, int index)
{
    return side + index < end ? side[index] : end[-1];
}

char nt_op_input_layout(const struct nt_op *op, int input)
{
    return letter(op->layouts, strchr(op->layouts, '>'), input);
}

char nt_op_output_layout(const struct nt_op *op, int output)
{
    return letter(strchr(op->layouts, '>') + 1, op->layouts + strlen(op->layouts), output);
}

int nt_op_fast_dim(const struct nt_op *op, int rank)
{
    return nt_op_output_layout(op, 0) == 'l' ? 1 : rank - 1;
}

int nt_attr_index(const struct nt_op *op, const char *name)
{
    for (int i = 0; i < op->attr_count; i++)
        if (strcmp(op->attrs[i].name, name) == 0)
            return i;
    return -1;
}

static const struct nt_attr *attribute(const struct nt_node *node, const char *name)
{
    int index = nt_attr_index(node->op, name);
    if (index < 0)
        abort(); /* an operator's file asks for what its own table lacks */
    return &node->attr[index];
}

int64_t nt_attr_int(const struct nt_node *node, const char *name)
{
    return (int64_t)attribute(node, name)->number;
}

double nt_attr_float(const struct nt_node *node, const char *name)
{
    return attribute(node, name)->number;
}

bool nt_attr_bool(const struct nt_node *node, const char *name)
{
    return attribute(node, name)->number != 0;
}

const int64_t *nt_attr_ints(const struct nt_node *node, const char *name)
{
    return attribute(node, name)->ints;
}

/* Counts the words of op->inputs, those without '?' alone when required. */
static int count_inputs(const struct nt_op *op, bool required)
{
    int count = 0;
    for (const char *s = op->inputs; *s;) {
        size_t length = strcspn(s, " ");
        if (length > 3 && strncmp(s + length - 3, "...", 3) == 0)
            return required ? count + 1 : NT_MAX_INPUTS;
        count += !required || s[length - 1] != '?';
        s += length + strspn(s + length, " ");
    }
    return count;
}

int nt_op_min_inputs(const struct nt_op *op)
{
    return count_inputs(op, true);
}

int nt_op_max_inputs(const struct nt_op *op)
{
    return count_inputs(op, false);
}
