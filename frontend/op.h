/* SPDX-License-Identifier: MIT
 *
 * What an operator is: one descriptor, listed in frontend/op_list.inc. The smallest example is
 * frontend/op/reshape.c; elementwise operators are one row each of frontend/op/elementwise.inc.
 */
#ifndef NT_FRONTEND_OP_H
#define NT_FRONTEND_OP_H

#include "engine/primitives.h"
#include "frontend/graph.h"
#include "frontend/near_miss.h"

struct nt_lowering;

#define NT_MAX_INPUTS 64

struct nt_op {
    const char *name;    /* as definitions call it: "conv2d" */
    const char *summary; /* one line, with the formula */
    const char *source;  /* where the formula is from; NULL: elementary */
    const char *shapes;  /* of inputs and results, for the reference: "N,C,H,W to N,C" */
    const char *inputs;  /* "x weight? bias?": names; '?' optional; "x..." any number */
    int outputs;         /* 0: as many as expand sets */
    const struct nt_attr_spec *attrs;
    int attr_count;
    bool maximum;  /* each element of output 0 is the greatest of some of input 0 */
    bool internal; /* made by gradient rules and passes; definitions cannot name it */

    /* Layout of inputs, then '>' and outputs: 'l' channels-last, 'r' row-major, 'a' any, 's'
     * (outputs) same as input 0. The last letter of a side repeats. "lra>l". Matters for rank 3 to
     * 5 alone. */
    const char *layouts;

    /* Elementwise operators: the expression text over the inputs' and attributes' names. */
    const char *expression;

    /* Makes parameters that were not given (weight, bias) and sets node->input[], and node->outputs
     * where attributes say it; NULL: none. */
    enum nt_status (*parameters)(struct nt_graph *graph, struct nt_node *node);
    /* For an operator that is made of others: adds them and sets node->output[]. The node itself is
     * not appended, so nothing below is needed. The node's name goes to what gives the result.
     * Where it leaves node->output[0] at -1 the node does the work itself. */
    enum nt_status (*expand)(struct nt_graph *graph, struct nt_node *node);
    /* Sets dtype and shape of the outputs; the values exist already. */
    enum nt_status (*infer)(struct nt_graph *graph, struct nt_node *node);
    /* dx[i]: value of the gradient by input i, -1 for none. dy[o] is -1 where nothing flows.
     * want[i]: whether input i's gradient is needed. NULL: not differentiable. */
    enum nt_status (*gradient)(struct nt_graph *graph, const struct nt_node *node, const int *dy,
        const bool *want, int *dx);
    enum nt_status (*lower)(struct nt_lowering *lowering, const struct nt_node *node);
    /* Whether lower handles node->expr as an epilogue. */
    bool epilogue;
    /* Whether inputs and outputs, but those that `layouts` has row-major, may be parts of larger
     * tensors, as those of elementwise operators may. */
    bool views;
    /* Multiply-accumulates of the whole batch; NULL: counted as none. */
    double (*macs)(const struct nt_graph *graph, const struct nt_node *node);
};

/* All operators, in list order; NULL when the name is unknown. */
extern const struct nt_op *const nt_ops[];
extern const int nt_op_count;
const struct nt_op *nt_op_find(const char *name);
/* The known name nearest to a misspelt one, NULL when none is near. */
const char *nt_op_suggest(const char *name);

/* The letter in `layouts` of an input or output. */
char nt_op_input_layout(const struct nt_op *op, int input);
char nt_op_output_layout(const struct nt_op *op, int output);

/* The dimension of an output 0 of some rank that lies fastest in memory, as the layouts ask. */
int nt_op_fast_dim(const struct nt_op *op, int rank);

/* Attribute access by name within an operator's own file. The name must be in its spec. */
int64_t nt_attr_int(const struct nt_node *node, const char *name);
double nt_attr_float(const struct nt_node *node, const char *name);
bool nt_attr_bool(const struct nt_node *node, const char *name);
const int64_t *nt_attr_ints(const struct nt_node *node, const char *name);
int nt_attr_index(const struct nt_op *op, const char *name); /* -1: unknown */

/* Names and bounds of inputs, read from op->inputs. */
int nt_op_min_inputs(const struct nt_op *op);
int nt_op_max_inputs(const struct nt_op *op);

#define NT_OP(stem) extern const struct nt_op nt_op_##stem;
#include "frontend/op_list.inc"
#undef NT_OP

/* ---- lowering ---- */

/* A graph on its way to a tape: which tensor each value became. */
struct nt_lowering {
    struct nt_graph *graph;
    struct nt_tape *tape;
    struct nt_tensor *tensor; /* by value; buffer -1: not bound yet */
};

/* The tensor of a value: bound before, or a new transient buffer in the value's layout. */
struct nt_tensor nt_lower_tensor(struct nt_lowering *lowering, int value);
/* Makes a value an alias: a view of an existing tensor. */
void nt_lower_bind(struct nt_lowering *lowering, int value, const struct nt_tensor *tensor);

/* Whether `value` may be a part of the tensor of `of`, because all that reads it takes parts. */
bool nt_lower_may_view(const struct nt_lowering *lowering, int of, int value);
/* Whether it may be written there, too. */
bool nt_lower_may_place(const struct nt_lowering *lowering, int value, int in);
/* Has inputs of a concat written where its result lies, where they may be (frontend/op/join.c). */
void nt_concat_place(struct nt_lowering *lowering, const struct nt_node *node);

/* Lowers every live node in order. */
enum nt_status nt_lower(struct nt_lowering *lowering);

/* A layer's bias, input 2 before any epilogue operands, or -1. */
int nt_lower_bias(const struct nt_node *node);

/* The node's bias (or -1) and attached epilogue as one engine epilogue; storage is the caller's. */
struct nt_lower_epilogue {
    struct nt_epilogue epilogue;
    struct nt_tensor in[4];
    struct nt_expr *owned; /* freed by nt_lower_release */
};
enum nt_status nt_lower_get_epilogue(struct nt_lowering *lowering, const struct nt_node *node,
    int bias, struct nt_lower_epilogue *out);
/* An operand of a row-major result's epilogue, for the result under another shape with the same
 * last dimension. */
void nt_lower_fold(struct nt_tensor *operand, const struct nt_shape *shape);
void nt_lower_release(struct nt_lower_epilogue *epilogue);

#endif
