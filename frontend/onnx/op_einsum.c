/* SPDX-License-Identifier: MIT
 *
 * Einsum: sums of products by the letters of dimensions. Two operands at a time become one matrix
 * product: letters of both that are needed later are its batch, those that are not are summed.
 */
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx/table.h"
#include "frontend/op/compose.h"

#define DOTS 256 /* + i: dimension i of those that "..." stands for, from the last on */

struct term {
    int rank, letter[NT_MAX_RANK];
    int value;
};

struct einsum {
    struct nt_onnx_node *node;
    struct term in[NT_ONNX_MAX_OPERANDS], out;
    int dots; /* dimensions of "..." */
};

static int find(const struct term *term, int letter)
{
    for (int i = 0; i < term->rank; i++)
        if (term->letter[i] == letter)
            return i;
    return -1;
}

static struct nt_shape shape_of(const struct einsum *e, const struct term *term)
{
    return e->node->graph->value[term->value].shape;
}

static enum nt_status bad(struct einsum *e, const char *rule)
{
    return nt_onnx_fail(e->node, NT_ERR_FORMAT, "equation: %s", rule);
}

/* ---- the equation ---- */

/* One operand's letters; text ends at a comma, an arrow or its end. dots: dimensions of "...". */
static enum nt_status read_term(
    struct einsum *e, const char **text, const char *end, int dots, struct term *term)
{
    const char *c = *text;
    *term = (struct term){.value = -1};
    for (; c < end && *c != ',' && *c != '-'; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        int count = 1;
        if (*c == ' ')
            continue;
        if (*c == '.' && end - c >= 3 && c[1] == '.' && c[2] == '.') {
            count = dots;
            c += 2;
        } else if (!letter) {
            return bad(e, "must be of letters, commas, \"...\" and one \"->\"");
        }
        if (term->rank + count > NT_MAX_RANK)
            return bad(e, "an operand has too many dimensions");
        for (int i = 0; i < count; i++)
            term->letter[term->rank++] = letter ? *c : DOTS + count - 1 - i;
    }
    *text = c;
    return NT_OK;
}

/* How many dimensions the dots of an operand stand for: what its letters leave. */
static int dots_of(const char *text, const char *end, int rank)
{
    int letters = 0;
    bool dots = false;
    for (; text < end && *text != ',' && *text != '-'; text++) {
        dots = dots || *text == '.';
        letters += *text != '.' && *text != ' ';
    }
    return dots && rank > letters ? rank - letters : 0;
}

static enum nt_status read_inputs(struct einsum *e, const char **text, const char *end)
{
    for (int i = 0; i < e->node->inputs; i++) {
        int value = nt_onnx_in(e->node, i);
        if (value < 0)
            return e->node->graph->failure;
        int rank = e->node->graph->value[value].shape.rank, dots = dots_of(*text, end, rank);
        enum nt_status status = read_term(e, text, end, dots, &e->in[i]);
        if (status != NT_OK)
            return status;
        e->dots = dots > e->dots ? dots : e->dots;
        e->in[i].value = value;
        if (e->in[i].rank != rank)
            return nt_onnx_fail(e->node, NT_ERR_SHAPE,
                "input %d of rank %d: the equation names %d dimensions", i, rank, e->in[i].rank);
        if (i + 1 < e->node->inputs && (*text == end || *(*text)++ != ','))
            return bad(e, "has fewer operands than the node");
    }
    return NT_OK;
}

/* Without an arrow: "...", then the letters that stand once, in order. */
static void default_output(struct einsum *e)
{
    for (int i = e->dots; i-- > 0;)
        e->out.letter[e->out.rank++] = DOTS + i;
    for (int letter = 'A'; letter <= 'z'; letter++) {
        int uses = 0;
        for (int i = 0; i < e->node->inputs; i++)
            for (int d = 0; d < e->in[i].rank; d++)
                uses += e->in[i].letter[d] == letter;
        if (uses == 1 && e->out.rank < NT_MAX_RANK)
            e->out.letter[e->out.rank++] = letter;
    }
}

static enum nt_status read_equation(struct einsum *e)
{
    const NtOnnx__AttributeProto *attr = nt_onnx_attr(e->node, "equation");
    if (!attr || !attr->s.data)
        return bad(e, "must be given");
    const char *text = (const char *)attr->s.data, *end = text + attr->s.len;
    enum nt_status status = read_inputs(e, &text, end);
    if (status != NT_OK)
        return status;
    if (text == end) {
        default_output(e);
        return NT_OK;
    }
    if (end - text < 2 || text[0] != '-' || text[1] != '>')
        return bad(e, "has more operands than the node");
    text += 2;
    status = read_term(e, &text, end, e->dots, &e->out);
    if (status == NT_OK && text != end)
        status = bad(e, "must have one result");
    for (int i = 0; status == NT_OK && i < e->out.rank; i++) {
        bool known = false;
        for (int t = 0; t < e->node->inputs; t++)
            known = known || find(&e->in[t], e->out.letter[i]) >= 0;
        if (!known || find(&e->out, e->out.letter[i]) != i)
            status = bad(e, "a letter of the result must be one of the operands', once");
    }
    return status;
}

/* ---- dimensions ---- */

static void drop(struct term *term, int axis)
{
    term->rank--;
    memmove(term->letter + axis, term->letter + axis + 1,
        (size_t)(term->rank - axis) * sizeof *term->letter);
}

static void sum_axis(struct einsum *e, struct term *term, int axis)
{
    term->value = nt_compose_reduce(e->node->graph, &nt_op_sum, term->value, 1u << axis, false);
    drop(term, axis);
}

/* A letter that stands twice in an operand: the elements where both indices are equal. */
static enum nt_status take_diagonals(struct einsum *e, struct term *term)
{
    for (int b = term->rank - 1; b > 0; b--) {
        int a = find(term, term->letter[b]);
        if (a == b)
            continue;
        struct nt_shape shape = shape_of(e, term), row = {.rank = shape.rank}, column = row;
        if (shape.dim[a] != shape.dim[b])
            return nt_onnx_fail(e->node, NT_ERR_SHAPE, "dimensions of one letter: must be equal");
        for (int i = 0; i < shape.rank; i++) {
            row.dim[i] = i == a ? shape.dim[i] : 1;
            column.dim[i] = i == b ? shape.dim[i] : 1;
        }
        const int in[] = {term->value, nt_graph_index(e->node->graph, &row, 0),
            nt_graph_index(e->node->graph, &column, 0)};
        term->value = nt_onnx_formula(e->node, "select(number(b) == number(c), a, 0)", 3, in);
        sum_axis(e, term, b);
        if (term->value < 0)
            return e->node->graph->failure;
    }
    return NT_OK;
}

static bool needed_later(const struct einsum *e, int letter, int next)
{
    bool needed = find(&e->out, letter) >= 0;
    for (int i = next; i < e->node->inputs; i++)
        needed = needed || find(&e->in[i], letter) >= 0;
    return needed;
}

/* Letters of a that pass the test, appended to a list. */
enum test { BATCH, SUMMED, OWN };

static void choose(const struct einsum *e, const struct term *a, const struct term *b, int next,
    enum test test, struct term *list)
{
    for (int i = 0; i < a->rank; i++) {
        bool shared = find(b, a->letter[i]) >= 0;
        bool later = shared && needed_later(e, a->letter[i], next);
        enum test which = !shared ? OWN : later ? BATCH : SUMMED;
        if (which == test)
            list->letter[list->rank++] = a->letter[i];
    }
}

/* The operand with its dimensions in another order; `rows` of them, then `columns`, then the rest,
 * each joined, after those of the batch. */
static int as_matrices(struct einsum *e, const struct term *term, const struct term *batch,
    const struct term *rows, const struct term *columns)
{
    int axes[NT_MAX_RANK], n = 0;
    struct nt_shape shape = shape_of(e, term), flat = {3, {1, 1, 1}};
    const struct term *const parts[] = {batch, rows, columns};
    for (int p = 0; p < 3; p++)
        for (int i = 0; i < parts[p]->rank; i++) {
            axes[n] = find(term, parts[p]->letter[i]);
            flat.dim[p] *= shape.dim[axes[n++]];
        }
    int value = n > 1 ? nt_compose_transpose(e->node->graph, term->value, axes) : term->value;
    return nt_compose_reshape(e->node->graph, value, &flat);
}

/* Dimensions of one letter: equal, or 1 and repeated. */
static enum nt_status match(struct einsum *e, struct term *a, const struct term *b)
{
    struct nt_shape x = shape_of(e, a), y = shape_of(e, b), to = x;
    for (int i = 0; i < a->rank; i++) {
        int other = find(b, a->letter[i]);
        if (other < 0)
            continue;
        if (x.dim[i] != y.dim[other] && x.dim[i] != 1 && y.dim[other] != 1)
            return nt_onnx_fail(e->node, NT_ERR_SHAPE, "dimensions of one letter: must be equal");
        to.dim[i] = x.dim[i] == 1 ? y.dim[other] : x.dim[i];
    }
    a->value = nt_compose_broadcast(e->node->graph, a->value, &to);
    return a->value < 0 ? e->node->graph->failure : NT_OK;
}

/* Letters that stand in this operand alone. */
static enum nt_status sum_own(
    struct einsum *e, struct term *term, const struct term *other, int next)
{
    for (int i = term->rank - 1; i >= 0; i--)
        if (!needed_later(e, term->letter[i], next) && (!other || find(other, term->letter[i]) < 0))
            sum_axis(e, term, i);
    return term->value < 0 ? e->node->graph->failure : NT_OK;
}

static enum nt_status multiply(struct einsum *e, struct term *a, struct term *b, int next)
{
    struct term batch = {0}, summed = {0}, rows = {0}, columns = {0};
    enum nt_status status = sum_own(e, a, b, next);
    if (status == NT_OK)
        status = sum_own(e, b, a, next);
    if (status == NT_OK)
        status = match(e, a, b);
    if (status == NT_OK)
        status = match(e, b, a);
    if (status != NT_OK)
        return status;
    choose(e, a, b, next, BATCH, &batch);
    choose(e, a, b, next, SUMMED, &summed);
    choose(e, a, b, next, OWN, &rows);
    choose(e, b, a, next, OWN, &columns);
    if (batch.rank + rows.rank + columns.rank > NT_MAX_RANK)
        return nt_onnx_fail(e->node, NT_ERR_SHAPE, "a product of a rank above %d", NT_MAX_RANK);
    struct term result = {0};
    struct nt_shape shape = {0}, x = shape_of(e, a), y = shape_of(e, b);
    const struct term *const parts[] = {&batch, &rows, &columns};
    for (int p = 0; p < 3; p++)
        for (int i = 0; i < parts[p]->rank; i++) {
            int letter = parts[p]->letter[i], axis = find(a, letter);
            shape.dim[shape.rank++] = axis >= 0 ? x.dim[axis] : y.dim[find(b, letter)];
            result.letter[result.rank++] = letter;
        }
    int left = as_matrices(e, a, &batch, &rows, &summed);
    int right = as_matrices(e, b, &batch, &summed, &columns);
    int product = nt_onnx_simple(e->node, "matmul", 2, (int[]){left, right});
    result.value = nt_onnx_reshape(e->node, product, &shape);
    *a = result;
    return a->value < 0 ? e->node->graph->failure : NT_OK;
}

static enum nt_status finish(struct einsum *e, struct term *term)
{
    int axes[NT_MAX_RANK];
    enum nt_status status = sum_own(e, term, NULL, e->node->inputs);
    if (status != NT_OK)
        return status;
    for (int i = 0; i < e->out.rank; i++)
        axes[i] = find(term, e->out.letter[i]);
    int value = term->value;
    if (term->rank > 1)
        value = nt_compose_transpose(e->node->graph, value, axes);
    return nt_onnx_out(e->node, 0, value);
}

enum nt_status nt_onnx_einsum(struct nt_onnx_node *node)
{
    struct einsum *e = nt_graph_alloc(node->graph, sizeof *e);
    if (!e)
        return nt_onnx_fail(node, NT_ERR_MEMORY, "host memory is exhausted");
    e->node = node;
    enum nt_status status = read_equation(e);
    for (int i = 0; status == NT_OK && i < node->inputs; i++)
        status = take_diagonals(e, &e->in[i]);
    struct term *all = &e->in[0];
    for (int i = 1; status == NT_OK && i < node->inputs; i++)
        status = multiply(e, all, &e->in[i], i + 1);
    return status == NT_OK ? finish(e, all) : status;
}
