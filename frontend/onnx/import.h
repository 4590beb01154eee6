/* SPDX-License-Identifier: MIT
 *
 * The import of one file: names and what they became, and what functions of the table work with.
 *
 * A name of the file stands for numbers known before anything runs (initializers, constants, what
 * is computed from shapes: `known`), for a value of our graph, or for both, each made when it is
 * asked for. A node all of whose inputs are known is folded and leaves no trace in the graph.
 */
#ifndef NT_FRONTEND_ONNX_IMPORT_H
#define NT_FRONTEND_ONNX_IMPORT_H

#include "frontend/onnx/host.h"
#include "frontend/onnx/onnx.h"
#include "frontend/onnx/messages.pb-c.h"
#include "frontend/onnx/tensor.h"
#include "frontend/op.h"

#define NT_ONNX_NEWEST_OPSET 28

struct nt_onnx_import;

struct nt_onnx_value {
    const char *name;
    int type;                            /* enum nt_onnx_type */
    const struct nt_onnx_tensor *tensor; /* an initializer or a Constant's */
    const struct nt_onnx_host *known;
    const struct nt_model_feed *feed; /* of an input, when its numbers may be used */
    const NtOnnx__NodeProto *maker;   /* NULL: no node */
    int graph;                        /* -1: not made yet */
    bool weight;                      /* an initializer: what training may change */
    bool fed;                         /* known from what an input is fed */
    bool asked;                       /* folding its maker was tried */
    bool defined, live;
};

/* ---- value.c ---- */

struct nt_onnx_values;
struct nt_onnx_values *nt_onnx_values_create(size_t names); /* NULL when memory is exhausted */
/* Room for more names; false when memory is exhausted. */
bool nt_onnx_values_reserve(struct nt_onnx_values *values, size_t names);
void nt_onnx_values_destroy(struct nt_onnx_values *values);
/* The entry of a name, made when it is new; NULL when there are more names than room. */
struct nt_onnx_value *nt_onnx_values_get(struct nt_onnx_values *values, const char *name);

/* The value in our graph, made when it is not there: a weight, a constant. -1 after a failure. */
int nt_onnx_value_graph(struct nt_onnx_import *import, struct nt_onnx_value *value);
/* Numbers as a value of the graph under a name of its own. */
int nt_onnx_host_graph(
    struct nt_onnx_import *import, const char *name, const struct nt_onnx_host *host);
/* The numbers, NULL when they depend on the run (no failure) or cannot be read (*status). */
const struct nt_onnx_host *nt_onnx_value_known(
    struct nt_onnx_import *import, struct nt_onnx_value *value, enum nt_status *status);

/* Nodes in order. */
struct nt_onnx_nodes {
    size_t count;
    NtOnnx__NodeProto **node;
};

struct nt_onnx_import {
    struct nt_definition *definition;
    struct nt_context *ctx;
    struct nt_graph *graph;
    const NtOnnx__ModelProto *model;
    int opset;
    struct nt_onnx_nodes nodes; /* the file's, functions inlined */
    struct nt_onnx_values *values;
    /* Dimension 0 of inputs is the batch where it is open (under this name), or where it is 1. */
    bool batch_open, batch_one;
    const char *batch_name;
    char open[200]; /* settings that are 1 because the file leaves an extent open: " 'x.1' 'L'" */
    int depth;      /* of folding on request */
    int branches;   /* one in the other */
    size_t inlined; /* bytes made for functions and branches */
};

/* Adds initializers: the names' values. */
enum nt_status nt_onnx_add_initializers(
    struct nt_onnx_import *import, size_t count, NtOnnx__TensorProto *const *initializers);

/* ---- inline.c ---- */

/* The file's nodes, calls of its functions replaced by what these consist of. */
enum nt_status nt_onnx_inline_functions(struct nt_onnx_import *import, struct nt_onnx_nodes *nodes);

/* ---- walk.c ---- */

/* What the file calls a node, or its first output. */
const char *nt_onnx_node_name(const NtOnnx__NodeProto *proto);
/* The version of a domain's operators that a file asks for. */
int nt_onnx_opset_of(const NtOnnx__ModelProto *model, const char *domain);
/* An upper bound of the names that nodes and graphs inside them use. */
size_t nt_onnx_count_names(const struct nt_onnx_nodes *nodes);
/* Marks what live values are computed from. */
void nt_onnx_mark_live(struct nt_onnx_import *import, const struct nt_onnx_nodes *nodes);
/* Fails with all operators of the live nodes that the table lacks. */
enum nt_status nt_onnx_check_operators(
    struct nt_onnx_import *import, const struct nt_onnx_nodes *nodes);
/* Adds the live nodes in order. */
enum nt_status nt_onnx_add_nodes(struct nt_onnx_import *import, const struct nt_onnx_nodes *nodes);
/* Makes a node's result known, if the node can be folded from constants and what inputs are fed. */
enum nt_status nt_onnx_fold_maker(struct nt_onnx_import *import, struct nt_onnx_value *value);

/* ---- node.c ---- */

struct nt_onnx_rule;

#define NT_ONNX_MAX_OPERANDS 64

struct nt_onnx_node {
    struct nt_onnx_import *import;
    struct nt_graph *graph;
    const NtOnnx__NodeProto *proto;
    const struct nt_onnx_rule *rule;
    int opset;
    int first; /* the first of our nodes that it adds */
    int inputs, outputs;
    bool folding;                                      /* results must be known ones */
    bool fed;                                          /* it used numbers that an input is fed */
    struct nt_onnx_value *input[NT_ONNX_MAX_OPERANDS]; /* NULL: left out */
    struct nt_onnx_value *output[NT_ONNX_MAX_OPERANDS];
};

/* Fails with the node before the message. */
enum nt_status nt_onnx_fail(struct nt_onnx_node *node, enum nt_status status, const char *fmt, ...)
    NT_PRINTF(3, 4);

bool nt_onnx_has(const struct nt_onnx_node *node, int input);
bool nt_onnx_wants(const struct nt_onnx_node *node, int output);
int nt_onnx_type(const struct nt_onnx_node *node, int input);
/* The input as a value of the graph; -1 after a failure or when it was left out. */
int nt_onnx_in(struct nt_onnx_node *node, int input);
/* The same as int32: indices. */
int nt_onnx_in_int(struct nt_onnx_node *node, int input);
/* Whether it is there and has no elements: nothing on the device holds that. */
bool nt_onnx_is_empty(const struct nt_onnx_node *node, int input);
/* Its shape, known or not. */
enum nt_status nt_onnx_shape(struct nt_onnx_node *node, int input, struct nt_shape *shape);
/* The numbers of an input that shapes depend on; NULL after a failure. */
const struct nt_onnx_host *nt_onnx_numbers(struct nt_onnx_node *node, int input);
/* The one number of an input; *number stays when it was left out. */
enum nt_status nt_onnx_take_number(struct nt_onnx_node *node, int input, double *number);
/* All as integers: at most NT_MAX_INTS. *count -1 and no failure when it was left out. */
enum nt_status nt_onnx_integers(struct nt_onnx_node *node, int input, int64_t *list, int *count);

/* Attributes; fallback when absent. One of another kind is the fallback too, and makes the node
 * fail. */
const NtOnnx__AttributeProto *nt_onnx_attr(const struct nt_onnx_node *node, const char *name);
int64_t nt_onnx_int(const struct nt_onnx_node *node, const char *name, int64_t fallback);
double nt_onnx_float(const struct nt_onnx_node *node, const char *name, double fallback);
/* Whether it is the word; a missing one is the fallback. */
bool nt_onnx_is(
    const struct nt_onnx_node *node, const char *name, const char *fallback, const char *word);
/* Fails unless it is one of "a|b"; *index: which. */
enum nt_status nt_onnx_choice(struct nt_onnx_node *node, const char *name, const char *fallback,
    const char *choices, int *index);
/* A list: how many there are, at most NT_MAX_INTS; -1 when it is absent. */
int nt_onnx_ints(const struct nt_onnx_node *node, const char *name, int64_t *list);
/* An attribute of older opsets that is an input of newer ones. *count -1: neither is there. */
enum nt_status nt_onnx_list(
    struct nt_onnx_node *node, const char *name, int input, int64_t *list, int *count);

/* Fails unless an element type, which `name` tells, is offered. */
enum nt_status nt_onnx_offers(struct nt_onnx_node *node, const char *name, int type);

/* An axis from 0 on; *out is set on success. */
enum nt_status nt_onnx_axis(struct nt_onnx_node *node, int64_t axis, int rank, int *out);

/* ---- adding to our graph ---- */

/* An operator of ours with its attributes, which are given one by one. */
struct nt_onnx_call {
    const struct nt_op *op;
    struct nt_attr attr[16];
};
struct nt_onnx_call nt_onnx_begin(const char *op);
void nt_onnx_number(struct nt_onnx_call *call, const char *name, double number);
void nt_onnx_word(struct nt_onnx_call *call, const char *name, const char *word);
void nt_onnx_numbers_of(
    struct nt_onnx_call *call, const char *name, int count, const int64_t *list);
/* Adds it: the first result, -1 after a failure or when a needed input is -1. */
int nt_onnx_add(
    struct nt_onnx_node *node, const struct nt_onnx_call *call, int inputs, const int *input);
/* The same with all results. */
enum nt_status nt_onnx_add_many(struct nt_onnx_node *node, const struct nt_onnx_call *call,
    int inputs, const int *input, int *outputs);
/* A value as float32 or int32. */
int nt_onnx_as(struct nt_onnx_node *node, int value, enum nt_dtype dtype);
/* Without attributes. */
int nt_onnx_simple(struct nt_onnx_node *node, const char *op, int inputs, const int *input);
/* An expression over inputs a, b, ...; -1 when one of them is. */
int nt_onnx_formula(struct nt_onnx_node *node, const char *text, int inputs, const int *input);
int nt_onnx_constant(struct nt_onnx_node *node, double number);
/* Numbers made on the host, named after the node and what they are. */
int nt_onnx_constants(struct nt_onnx_node *node, const char *what, const struct nt_onnx_host *host);
int nt_onnx_reshape(struct nt_onnx_node *node, int value, const struct nt_shape *shape);

/* The node's output becomes a value, of the type of input 0 unless another one is given; whole
 * numbers are made int32. -1: the failure that was reported. */
enum nt_status nt_onnx_out(struct nt_onnx_node *node, int output, int value);
enum nt_status nt_onnx_out_type(struct nt_onnx_node *node, int output, int value, int type);
/* The node's output is known; a NULL is a failure of memory. */
enum nt_status nt_onnx_out_known(
    struct nt_onnx_node *node, int output, const struct nt_onnx_host *host);

#endif
