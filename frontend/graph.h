/* SPDX-License-Identifier: MIT
 *
 * The graph: operators and values with concrete shapes, no device in sight. A model
 * definition builds the forward nodes; nt_gradient appends ordinary nodes for the gradients;
 * nt_fuse and nt_assign_layouts rewrite it; nt_lower turns it into a tape. Nodes stand in
 * the order in which they run. Used inside frontend/ alone.
 *
 * Values are named by index. All memory is the graph's and is freed with it.
 */
#ifndef NT_FRONTEND_GRAPH_H
#define NT_FRONTEND_GRAPH_H

#include "engine/expr.h"
#include "engine/tensor.h"

struct nt_op;

enum nt_value_kind {
    NT_VALUE_INPUT,     /* filled by the host for each run: pictures, targets */
    NT_VALUE_PARAMETER, /* trained; lives in the weights */
    NT_VALUE_STATE,     /* in the weights, not trained (running statistics) */
    NT_VALUE_CARRIED,   /* state per item of the batch (hidden states): the session's own */
    NT_VALUE_CONSTANT,  /* every element is `constant` */
    NT_VALUE_NUMBER,    /* a scalar that kernels take as an argument: see nt_graph_number */
    NT_VALUE_INDEX,     /* int32 without memory: the element's row-major number + `constant` */
    NT_VALUE_KEY,       /* int64: names this run's random numbers; set by the session */
    NT_VALUE_RESULT     /* output of a node */
};

enum nt_init_kind {
    NT_INIT_UNIFORM,  /* in [-a, a) */
    NT_INIT_NORMAL,   /* mean 0, deviation a */
    NT_INIT_CONSTANT, /* a */
    NT_INIT_FILE,     /* read from a model's file */
    NT_INIT_COMPUTED  /* read, too: what a file computes before the run, of the batch maybe. A state
                         that is none of the weights: each session has its own */
};

/* How a parameter starts. The name of a scheme ("kaiming_uniform") is resolved to this when
 * the parameter is made, because the fans are known there. */
struct nt_init {
    enum nt_init_kind kind;
    double a;
    int64_t zero_row; /* 1 + the row (index of dimension 0) that starts as zeros; 0: none */
    /* _FILE, _COMPUTED: writes all elements, float32 or int32. source lives as long as the graph.
     */
    enum nt_status (*read)(struct nt_context *ctx, const void *source, void *data);
    const void *source;
};

struct nt_value {
    const char *name; /* "conv1.weight", "input"; results: the node's name, "" when it has none */
    enum nt_value_kind kind;
    enum nt_dtype dtype;
    struct nt_shape shape;
    enum nt_layout layout; /* set by nt_assign_layouts */
    int node;              /* producer, -1 */
    int update;            /* states: the value that they have after a run, -1: they stay */
    double constant;
    struct nt_init init;
    bool frozen; /* a parameter that this training leaves as it is */
    bool whole;  /* an input whose shape is all there is: dimension 0 is not the batch */
};

static inline size_t nt_value_bytes(const struct nt_value *value)
{
    return (size_t)nt_shape_count(&value->shape) * nt_dtype_size(value->dtype);
}

enum nt_attr_type {
    NT_ATTR_INT,
    NT_ATTR_FLOAT,
    NT_ATTR_BOOL,
    NT_ATTR_CHOICE, /* one word of `choices` */
    NT_ATTR_INTS,   /* one to `count` integers; a single one stands for all. With `choices`: or
                       one of their words */
    NT_ATTR_FLOATS  /* one to `count` numbers; a single one stands for all */
};

/* One attribute of an operator: the single source for argument checks, `neutra show` and
 * the reference page. */
struct nt_attr_spec {
    const char *name;
    enum nt_attr_type type;
    const char *doc;
    bool required;
    double fallback;     /* the default of numbers and bools; for a choice its index */
    double min, max;     /* allowed range of every number; both 0: any */
    const char *choices; /* "zeros|reflect" */
    int count;           /* INTS, FLOATS: numbers kept, e.g. 2; 8 and more: at most so many */
};

#define NT_MAX_INTS 32

struct nt_attr {
    bool set;      /* given, not the default */
    double number; /* INT, FLOAT, BOOL, CHOICE (index), INTS given as a word (index) */
    int count;     /* INTS, FLOATS: how many were given; 0: INTS given as a word */
    int64_t ints[NT_MAX_INTS];
    double floats[8];
};

#define NT_MAX_OUTPUTS 32

struct nt_node {
    const struct nt_op *op;
    const char *name;  /* "conv1"; "" when it has none */
    const char *where; /* "zoo/lenet.lua:7", for messages */
    const char *scope; /* "layer1.0." that it was made in; "" */
    int inputs, outputs;
    int *input;                 /* value indices; -1: an optional input left out */
    int output[NT_MAX_OUTPUTS]; /* value indices */
    struct nt_attr *attr;       /* op->attr_count of them */
    /* Elementwise nodes: the output as a term over the inputs. Others: an epilogue that fusion
     * attached (NULL: none), input 0 of the expression being the operator's own result and
     * input 1+i the node's input[epilogue_input + i]. */
    struct nt_expr *expr;
    int term;
    int epilogue_input;
    const struct nt_node *whole; /* the expanded operator that it is a part of; NULL: none */
    bool dead;
};

struct nt_graph {
    struct nt_context *ctx;
    int value_count, node_count;
    struct nt_value *value; /* moves when values are added: keep indices, not pointers */
    struct nt_node **node;
    bool training;               /* dropout and batch norm behave as in training */
    int64_t batch;               /* extent of dimension 0 of inputs */
    const char *where;           /* given to nodes added now; set by the definition's reader */
    const char *scope;           /* "layer1.0." put before the names of new nodes; "" */
    const struct nt_node *whole; /* given to nodes added now: the operator being expanded */

    int loss;             /* the scalar to minimise, -1: none */
    int key;              /* the NT_VALUE_KEY, -1: nothing is random */
    int64_t random_count; /* elements with random numbers so far, modulo 2^31 */
    int output_count;
    struct nt_graph_output {
        const char *name;
        int value;
        const double *exact; /* see nt_port */
    } output[16];            /* named results; output[0] is what accuracy is taken of */

    enum nt_status failure; /* of the latest nt_graph_fail */
    struct nt_arena *arena;
};

enum nt_status nt_graph_create(
    struct nt_context *ctx, int64_t batch, bool training, struct nt_graph **out);
void nt_graph_destroy(struct nt_graph *graph);

/* Memory that lives as long as the graph, zeroed; NULL when memory is exhausted. */
void *nt_graph_alloc(struct nt_graph *graph, size_t bytes);
const char *nt_graph_string(struct nt_graph *graph, const char *fmt, ...) NT_PRINTF(2, 3);

/* Fails with "where: " before the message: every error about a definition goes through it. */
enum nt_status nt_graph_fail(struct nt_graph *graph, enum nt_status status, const char *fmt, ...)
    NT_PRINTF(3, 4);

/* Inputs: shape without the batch; a duplicate name is an error. A float32 input is data, an int32
 * one classes or tokens. */
enum nt_status nt_graph_input(struct nt_graph *graph, const char *name, enum nt_dtype dtype,
    const struct nt_shape *item_shape, int *value);

/* The same for a whole shape, of which the caller says whether dimension 0 is the batch. */
enum nt_status nt_graph_input_shaped(struct nt_graph *graph, const char *name, enum nt_dtype dtype,
    const struct nt_shape *shape, bool batched, int *value);

/* A parameter (or state) of the weights. A name used twice gives the same value when the shapes
 * agree (shared weights), else NT_ERR_SHAPE. */
enum nt_status nt_graph_parameter(struct nt_graph *graph, const char *name, enum nt_value_kind kind,
    const struct nt_shape *shape, struct nt_init init, int *value);

int nt_graph_constant(struct nt_graph *graph, double constant, const struct nt_shape *shape);

/* A scalar for elementwise nodes that is no part of their kernels' text: for numbers that differ
 * from layer to layer, such as 1 / count, so that all layers share a kernel. */
int nt_graph_number(struct nt_graph *graph, double number);

/* A state per item of the batch, which is put before item_shape. It lives in the session, starts
 * there from init (a constant) and is in no file. */
enum nt_status nt_graph_carried(struct nt_graph *graph, const char *name,
    const struct nt_shape *item_shape, struct nt_init init, int *value);

/* After each run of a session the state (NT_VALUE_STATE or _CARRIED) becomes the value of that
 * run; the run itself reads the old state. Shapes must be equal. Replaces an earlier update of the
 * same state. Sessions for gradient checks leave states alone. */
enum nt_status nt_graph_update(struct nt_graph *graph, int state, int value);

/* The numbers first, first + 1, ... in row-major order, for the functions number and uniform of
 * elementwise nodes: nothing is stored. Returns the value, -1 after a failure. */
int nt_graph_index(struct nt_graph *graph, const struct nt_shape *shape, int64_t first);

/* Uniform random numbers in [0, 1), other ones in every training step and for every call, as a
 * value that elementwise nodes fuse with: nothing is stored, gradients make them anew. Element i
 * (row-major) is nt_uniform(n + i, key), n being the count of all elements before modulo 2^31.
 * Returns the value, -1 after a failure. */
int nt_graph_uniform(struct nt_graph *graph, const struct nt_shape *shape);

/* Marks a value as a named output / the loss. */
enum nt_status nt_graph_output(struct nt_graph *graph, const char *name, int value);
enum nt_status nt_graph_loss(struct nt_graph *graph, int value);

/* Adds a node: checks the number of inputs and every attribute against the descriptor, makes the
 * parameters that were not given, infers shapes. name NULL or "": unnamed, and then the operator's
 * parameters are named by a counter ("conv2d_3.weight"). attr may be NULL: all defaults.
 * outputs receives op->outputs value indices. */
enum nt_status nt_graph_add(struct nt_graph *graph, const struct nt_op *op, const char *name,
    int inputs, const int *input, const struct nt_attr *attr, int *outputs);

/* The same for operators whose attributes say how many outputs there are: outputs has room for
 * NT_MAX_OUTPUTS, *count receives their number. */
enum nt_status nt_graph_add_many(struct nt_graph *graph, const struct nt_op *op, const char *name,
    int inputs, const int *input, const struct nt_attr *attr, int *outputs, int *count);

/* Adds an elementwise node made of an expression, for gradients and passes.
 * The shape is the inputs' broadcast. Returns the value, -1 after a failure. */
int nt_graph_map(
    struct nt_graph *graph, struct nt_expr *expr, int term, int inputs, const int *input);

/* The same from text: nt_graph_formula(graph, "a * b", 2, (int[]){x, y}) names its inputs
 * a to h in turn. */
int nt_graph_formula(struct nt_graph *graph, const char *text, int inputs, const int *input);
/* The same for integers: the result is int32. */
int nt_graph_integer_formula(
    struct nt_graph *graph, const char *text, int inputs, const int *input);

/* Makes an elementwise node compute with integers when its inputs are integers (int32, uint8, bool;
 * with them whole numbers as scalar constants) and its functions have a meaning there. */
bool nt_graph_integers(struct nt_graph *graph, struct nt_node *node);

/* Sum of a value down to a shape it was broadcast from; the value itself when equal. */
int nt_graph_sum_to(struct nt_graph *graph, int value, const struct nt_shape *shape);

/* A value like this one; its index, -1 after a failure. For passes that add nodes. */
int nt_graph_new_value(struct nt_graph *graph, struct nt_value value);

/* Fails when the extents are below 1 or the elements too many; `name` begins the message. */
enum nt_status nt_graph_check_shape(
    struct nt_graph *graph, const char *name, const struct nt_shape *shape);

/* Puts a node at the end; passes that rebuild the list use it. */
enum nt_status nt_graph_append(struct nt_graph *graph, struct nt_node *node);

int nt_graph_find(const struct nt_graph *graph, const char *name); /* input or parameter, -1 */

/* Multiply-accumulates of one item of the batch, forward nodes only. */
double nt_node_macs(const struct nt_graph *graph, const struct nt_node *node);

/* ---- passes, in the order in which they run ---- */

/* Appends gradient nodes of the loss with respect to every parameter (and to inputs[] when
 * count > 0). grads[p] for value p: the gradient's value or -1; an array of value_count at
 * the time of the call, the graph's memory. */
enum nt_status nt_gradient(struct nt_graph *graph, int count, const int *inputs, const int **grads);

/* Trades time for memory, between the gradient and fusion: cuts the first `forward` nodes, which
 * are those of the forward run, into parts of about equally large activations. What crosses a cut
 * is kept; what else the gradient's nodes read is computed a second time, just before, by the same
 * nodes with the same inputs, so that its memory is free in between. Fewer than 2 parts: nothing.
 */
enum nt_status nt_recompute(struct nt_graph *graph, int forward, int parts);

/* Removes nodes that lead to none of roots[], merges elementwise chains into one node and
 * elementwise nodes into the epilogue of their producer. */
enum nt_status nt_fuse(struct nt_graph *graph, int count, const int *roots);

/* Decides every value's layout and inserts conversions. */
enum nt_status nt_assign_layouts(struct nt_graph *graph);

#endif
