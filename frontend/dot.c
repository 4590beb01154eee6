/* SPDX-License-Identifier: MIT */
#include "frontend/dot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/op.h"

#define MOST_FOLDED 4 /* operators that join the box of another */

struct dot {
    const struct nt_graph *graph;
    FILE *file;
    int *host;  /* by node: whose box it stands in; itself mostly */
    int *users; /* by value: how many inputs of nodes it is */
    bool *seen; /* by value: parameters already counted */
};

static const struct nt_value *value_of(const struct dot *dot, int v)
{
    return &dot->graph->value[v];
}

static bool is_weight(const struct nt_value *value)
{
    return value->kind == NT_VALUE_PARAMETER || value->kind == NT_VALUE_STATE;
}

static void put_escaped(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', file);
        fputc(*text, file);
    }
}

/* "61,706" */
static void put_number(FILE *file, double number)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%.0f", number);
    for (int i = 0; i < length; i++)
        fprintf(file, "%s%c", i > 0 && (length - i) % 3 == 0 ? "," : "", digits[i]);
}

/* "1.2 M" */
static void put_short(FILE *file, double number)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    int unit = 0;
    for (; number >= 999.5 && unit < 4; unit++)
        number /= 1000;
    fprintf(file, "%.*f%s", unit && number < 99.95 ? 1 : 0, number, units[unit]);
}

/* ---- which operators share a box ---- */

static void count_users(struct dot *dot)
{
    const struct nt_graph *graph = dot->graph;
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->node[i]->inputs; j++)
            if (graph->node[i]->input[j] >= 0)
                dot->users[graph->node[i]->input[j]]++;
}

/* The node whose only result a one-input elementwise node (or a change of shape) looks at, -1. */
static int leader(const struct dot *dot, const struct nt_node *node)
{
    bool light = node->op->expression || node->op == &nt_op_flatten || node->op == &nt_op_reshape;
    if (!light || node->inputs != 1 || dot->users[node->input[0]] != 1)
        return -1;
    int producer = value_of(dot, node->input[0])->node;
    return producer >= 0 && !strcmp(dot->graph->node[producer]->scope, node->scope) ? producer : -1;
}

static void choose_hosts(struct dot *dot)
{
    int *size = dot->seen ? calloc((size_t)dot->graph->node_count + 1, sizeof *size) : NULL;
    for (int i = 0; i < dot->graph->node_count; i++) {
        int producer = leader(dot, dot->graph->node[i]);
        int host = producer >= 0 ? dot->host[producer] : -1;
        bool joins = size && host >= 0 && size[host] < MOST_FOLDED;
        dot->host[i] = joins ? host : i;
        if (joins)
            size[host]++;
    }
    free(size);
}

/* ---- boxes ---- */

/* The shape of an item: "16x14x14". */
static void put_shape(struct dot *dot, const struct nt_value *value)
{
    struct nt_shape shape = value->shape;
    char text[128];
    if (shape.rank > 0 && shape.dim[0] == dot->graph->batch) {
        shape.rank--;
        memmove(shape.dim, shape.dim + 1, (size_t)shape.rank * sizeof *shape.dim);
    }
    if (shape.rank > 0)
        fprintf(dot->file, "\\n%s", nt_shape_text(&shape, text, sizeof text));
}

static double count_parameters(struct dot *dot, const struct nt_node *node)
{
    double count = 0;
    for (int i = 0; i < node->inputs; i++) {
        int v = node->input[i];
        if (v < 0 || dot->seen[v] || value_of(dot, v)->kind != NT_VALUE_PARAMETER)
            continue;
        dot->seen[v] = true;
        count += (double)nt_shape_count(&value_of(dot, v)->shape);
    }
    return count;
}

static bool is_loss(const struct dot *dot, const struct nt_node *node)
{
    for (int i = 0; i < node->outputs; i++)
        if (node->output[i] == dot->graph->loss)
            return true;
    return false;
}

static const char *fill(const struct dot *dot, const struct nt_node *node, double parameters)
{
    return is_loss(dot, node)     ? "#f6d5d5"
           : parameters > 0       ? "#d9e6f5"
           : node->op->expression ? "#eef3e2"
                                  : "#f2f2f2";
}

static void put_box(struct dot *dot, int number)
{
    const struct nt_graph *graph = dot->graph;
    const struct nt_node *node = graph->node[number], *last = node;
    FILE *file = dot->file;
    double parameters = count_parameters(dot, node), macs = nt_node_macs(graph, node);
    const char *name = node->name + strlen(node->scope) * (*node->name != 0);
    fprintf(file, "n%d [label=\"", number);
    put_escaped(file, name);
    fprintf(file, "%s%s", *name ? "  " : "", node->op->name);
    for (int i = number + 1; i < graph->node_count; i++)
        if (dot->host[i] == number) {
            last = graph->node[i];
            fprintf(file, ", %s", last->op->name);
        }
    put_shape(dot, value_of(dot, last->output[0]));
    if (parameters > 0) {
        fprintf(file, "\\n");
        put_number(file, parameters);
        fprintf(file, " parameters");
    }
    if (macs > 0) {
        fprintf(file, "\\n");
        put_short(file, macs);
        fprintf(file, " MACs");
    }
    fprintf(file, "\", fillcolor=\"%s\"];\n", fill(dot, node, parameters));
}

/* Closes the boxes of scopes that end and opens those that begin between two nodes. */
static void change_scope(struct dot *dot, const char *from, const char *to, int *clusters)
{
    size_t same = 0;
    for (size_t i = 0; from[i] && from[i] == to[i]; i++)
        if (from[i] == '.')
            same = i + 1;
    for (size_t i = same; from[i]; i++)
        if (from[i] == '.')
            fprintf(dot->file, "}\n");
    for (const char *at = to + same; *at;) {
        size_t length = strcspn(at, ".");
        fprintf(dot->file,
            "subgraph cluster_%d {\nlabel=\"%.*s\";\nlabelloc=t;\nlabeljust=l;\nfontsize=11;\n",
            (*clusters)++, (int)(at - to + (ptrdiff_t)length), to);
        at += length + (at[length] == '.');
    }
}

static void put_boxes(struct dot *dot)
{
    const char *scope = "";
    int clusters = 0;
    for (int i = 0; i < dot->graph->node_count; i++) {
        if (dot->host[i] != i)
            continue;
        change_scope(dot, scope, dot->graph->node[i]->scope, &clusters);
        scope = dot->graph->node[i]->scope;
        put_box(dot, i);
    }
    change_scope(dot, scope, "", &clusters);
}

static void put_inputs(struct dot *dot)
{
    for (int v = 0; v < dot->graph->value_count; v++) {
        const struct nt_value *value = value_of(dot, v);
        if (value->kind != NT_VALUE_INPUT)
            continue;
        fprintf(dot->file, "v%d [label=\"", v);
        put_escaped(dot->file, value->name);
        if (value->dtype != NT_F32)
            fprintf(dot->file, "  %s", nt_dtype_name(value->dtype));
        put_shape(dot, value);
        fprintf(dot->file, "\", shape=ellipse, fillcolor=\"#fff3cf\"];\n");
    }
    for (int i = 0; i < dot->graph->output_count; i++) {
        fprintf(dot->file, "o%d [label=\"", i);
        put_escaped(dot->file, dot->graph->output[i].name);
        put_shape(dot, value_of(dot, dot->graph->output[i].value));
        fprintf(dot->file, "\", shape=ellipse, fillcolor=\"#fff3cf\"];\n");
    }
}

/* ---- arrows ---- */

static void put_source(const struct dot *dot, int v)
{
    int node = value_of(dot, v)->node;
    if (node >= 0)
        fprintf(dot->file, "n%d", dot->host[node]);
    else
        fprintf(dot->file, "v%d", v);
}

/* A weight that stands alone (an embedding used twice) is told by its box; constants need none. */
static void put_arrows(struct dot *dot)
{
    const struct nt_graph *graph = dot->graph;
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->node[i]->inputs; j++) {
            int v = graph->node[i]->input[j];
            bool folded = dot->host[i] != i;
            bool shown = v >= 0 && (value_of(dot, v)->kind == NT_VALUE_INPUT ||
                                       value_of(dot, v)->kind == NT_VALUE_RESULT);
            if (!shown || folded || is_weight(value_of(dot, v)))
                continue;
            put_source(dot, v);
            fprintf(dot->file, " -> n%d;\n", i);
        }
    for (int i = 0; i < graph->output_count; i++) {
        put_source(dot, graph->output[i].value);
        fprintf(dot->file, " -> o%d;\n", i);
    }
}

static void put_graph(struct dot *dot, const char *title)
{
    double parameters = 0, macs = 0;
    for (int v = 0; v < dot->graph->value_count; v++)
        if (value_of(dot, v)->kind == NT_VALUE_PARAMETER)
            parameters += (double)nt_shape_count(&value_of(dot, v)->shape);
    for (int i = 0; i < dot->graph->node_count; i++)
        macs += nt_node_macs(dot->graph, dot->graph->node[i]);
    fprintf(dot->file, "digraph \"");
    put_escaped(dot->file, title);
    fprintf(dot->file, "\" {\nlabel=\"");
    put_escaped(dot->file, title);
    fprintf(dot->file, ": ");
    put_number(dot->file, parameters);
    fprintf(dot->file, " parameters, ");
    put_number(dot->file, macs);
    fprintf(dot->file, " multiply-accumulates\";\nlabelloc=t;\nfontname=\"sans-serif\";\n"
                       "fontsize=14;\nnodesep=0.3;\nranksep=0.3;\ncolor=\"#9a9a9a\";\n"
                       "node [shape=box, style=\"filled,rounded\", fontname=\"sans-serif\", "
                       "fontsize=11, color=\"#6a6a6a\"];\nedge [color=\"#6a6a6a\", "
                       "arrowsize=0.6];\n");
    put_inputs(dot);
    put_boxes(dot);
    put_arrows(dot);
    fprintf(dot->file, "}\n");
}

enum nt_status nt_dot_text(const struct nt_graph *graph, const char *title, char **text)
{
    size_t values = (size_t)graph->value_count + 1, nodes = (size_t)graph->node_count + 1, size;
    char *data = NULL;
    struct dot dot = {.graph = graph,
        .file = open_memstream(&data, &size),
        .host = calloc(nodes, sizeof *dot.host),
        .users = calloc(values, sizeof *dot.users),
        .seen = calloc(values, sizeof *dot.seen)};
    bool done = dot.file && dot.host && dot.users && dot.seen;
    if (done) {
        count_users(&dot);
        choose_hosts(&dot);
        put_graph(&dot, title);
        done = !ferror(dot.file);
    }
    if (dot.file && fclose(dot.file) != 0)
        done = false;
    free(dot.host);
    free(dot.users);
    free(dot.seen);
    if (!done) {
        free(data);
        return nt_fail(graph->ctx, NT_ERR_MEMORY, "%s: no memory to draw it", title);
    }
    *text = data;
    return NT_OK;
}
