/* SPDX-License-Identifier: MIT
 *
 * The export of one model, for the files export*.c: what functions of the table work with.
 *
 * Things of the file are named by strings, which live as long as the export. A failure of memory is
 * remembered in `failed` and seen at the end, so nothing needs to be checked for it on the way.
 */
#ifndef NT_FRONTEND_ONNX_EXPORT_PARTS_H
#define NT_FRONTEND_ONNX_EXPORT_PARTS_H

#include "frontend/onnx/export.h"
#include "frontend/onnx/messages.pb-c.h"
#include "frontend/onnx/onnx.h"
#include "frontend/op.h"

struct nt_export_rule;
struct nt_export_names;

/* base + by_batch times the batch */
struct nt_export_extent {
    int64_t base, by_batch;
};

struct nt_export {
    struct nt_context *ctx;
    struct nt_model *model;
    struct nt_graph *graph;
    const struct nt_graph *other; /* for another batch; NULL: the batch is fixed */
    struct nt_weights *weights;
    struct nt_onnx_export_params params;
    const char **name;   /* by value: what it is called in the file; NULL: not made yet */
    int *uses;           /* by value: by live nodes and outputs */
    bool *live;          /* by node */
    bool failed;         /* memory is exhausted */
    bool fixed;          /* something has no form for an open batch */
    const char *batch;   /* the batch as a list of one, NULL: not made yet */
    const char *ordered; /* the input whose dimension 0 is the batch, NULL: none */
    bool *away;          /* by value: of a norm that is folded: the layer's result */
    float **folded;      /* by value: weights that are written instead of the stored ones */
    int folds;
    NtOnnx__GraphProto *file;
    size_t node_room, tensor_room;
    struct nt_export_names *names;
    struct nt_export_number {
        int type;
        double number;
        const char *name;
    } * number; /* scalar constants made so far */
    int numbers, number_room;
};

/* ---- the table ---- */

struct nt_export_rule {
    const char *op;   /* ours */
    const char *onnx; /* theirs, for the reference; rows without `add` become one such node */
    /* Without `add`: attributes of theirs from ours, "ours>theirs ...", one name when both are
     * equal. Numbers alone: an INT for integers, truth values and words, else a FLOAT. */
    const char *attrs;
    enum nt_status (*add)(struct nt_export *e, const struct nt_node *node);
    /* Whether this node can be written so; NULL: always. */
    bool (*takes)(const struct nt_export *e, const struct nt_node *node);
    bool shaped; /* its attributes that depend on the batch are not looked at */
    const char *note;
};
extern const struct nt_export_rule nt_export_rules[];
extern const int nt_export_rule_count;
/* NULL: there is none. */
const struct nt_export_rule *nt_export_rule_find(const struct nt_op *op);
/* Whether the node is written by a row of its own, or as an expression. */
bool nt_export_takes(const struct nt_export *e, const struct nt_node *node);
enum nt_status nt_export_apply(struct nt_export *e, const struct nt_node *node);

/* ---- export_message.c ---- */

struct nt_export_names *nt_export_names_create(struct nt_graph *graph);
/* A name like this one that nothing has yet; it is taken then. */
const char *nt_export_name(struct nt_export *e, const char *like);

/* A value of the graph in the file; weights and constants are made when they are asked for. "" for
 * a value of -1: an input left out. */
const char *nt_export_value(struct nt_export *e, int value);
/* The value is what the file has under this name already. */
void nt_export_bind(struct nt_export *e, int value, const char *name);
/* The name under which a node of the file gives the value. */
const char *nt_export_result(struct nt_export *e, int value);

/* Adds a node; its outputs are to be named with nt_export_output. */
NtOnnx__NodeProto *nt_export_begin(
    struct nt_export *e, const char *op_type, int inputs, const char *const *input);
void nt_export_int(struct nt_export *e, NtOnnx__NodeProto *node, const char *name, int64_t value);
void nt_export_ints(struct nt_export *e, NtOnnx__NodeProto *node, const char *name, int count,
    const int64_t *values);
void nt_export_float(struct nt_export *e, NtOnnx__NodeProto *node, const char *name, double value);
void nt_export_words(struct nt_export *e, NtOnnx__NodeProto *node, const char *name, int count,
    const char *const *words);
void nt_export_word(
    struct nt_export *e, NtOnnx__NodeProto *node, const char *name, const char *word);
/* Adds an output of this name; NULL: a new one. Returns the name. */
const char *nt_export_output(struct nt_export *e, NtOnnx__NodeProto *node, const char *name);

/* A node without attributes and with one output of this name; NULL: a new one. */
const char *nt_export_simple(struct nt_export *e, const char *op_type, const char *name, int inputs,
    const char *const *input);
/* A Cast. type: enum nt_onnx_type. */
const char *nt_export_cast(struct nt_export *e, const char *input, int type, const char *name);

/* Constants: a scalar, each made once; a list of int64; a tensor of float32. */
const char *nt_export_number(struct nt_export *e, int type, double number);
const char *nt_export_list(struct nt_export *e, int count, const int64_t *list);
const char *nt_export_floats(
    struct nt_export *e, const char *like, const struct nt_shape *shape, const float *data);

/* Takes nodes and initializers out of the file that lead to no output. */
void nt_export_prune(struct nt_export *e);

/* What an input or an output of the file is. */
NtOnnx__ValueInfoProto *nt_export_info(struct nt_export *e, const char *name, int value);

/* ---- export_extent.c ---- */

struct nt_export_extent nt_export_extent(const struct nt_export *e, int value, int dim);
/* Whether a value has the same extents for every batch. */
bool nt_export_is_constant(const struct nt_export *e, int value);
/* A list of int64 with the extents of a value; the same for the target of a Reshape, in which one
 * may be -1. */
const char *nt_export_shape(struct nt_export *e, int value);
const char *nt_export_target(struct nt_export *e, int value);
/* The input reshaped to the extents of a value. */
const char *nt_export_reshape(struct nt_export *e, const char *input, int value, const char *name);
/* Compares both graphs: whether the second has the form of the first for another batch. */
bool nt_export_comparable(const struct nt_graph *a, const struct nt_graph *b);

/* ---- others ---- */

/* export_expr.c */
bool nt_export_has_expression(const struct nt_export *e, const struct nt_node *node);
enum nt_status nt_export_expression(struct nt_export *e, const struct nt_node *node);

/* export_fold.c: notes what is folded; a node that is, is not written. */
enum nt_status nt_export_fold(struct nt_export *e);

/* export_write.c */
enum nt_status nt_export_write(struct nt_export *e, const char *path, size_t *bytes);

/* Numbers of an initializer: those that were folded, else the weights'; float32 or int32. The
 * caller frees them. */
void *nt_export_numbers_of(struct nt_export *e, int value);

/* ---- functions of rows ---- */

#define NT_EXPORT_FUNCTION(name)                                                                   \
    enum nt_status nt_export_add_##name(struct nt_export *e, const struct nt_node *node)
#define NT_EXPORT_TEST(name)                                                                       \
    bool nt_export_takes_##name(const struct nt_export *e, const struct nt_node *node)

/* export_layer.c */
NT_EXPORT_FUNCTION(conv);
NT_EXPORT_FUNCTION(conv_transpose);
NT_EXPORT_TEST(conv_transpose);
NT_EXPORT_FUNCTION(linear);
NT_EXPORT_FUNCTION(matmul);
NT_EXPORT_FUNCTION(max_pool);
NT_EXPORT_TEST(no_index);
NT_EXPORT_FUNCTION(avg_pool);
NT_EXPORT_TEST(avg_pool);
NT_EXPORT_FUNCTION(adaptive_pool);
NT_EXPORT_TEST(adaptive_pool);
NT_EXPORT_FUNCTION(interpolate);
NT_EXPORT_TEST(interpolate);
NT_EXPORT_FUNCTION(global_pool);

/* export_shape.c */
NT_EXPORT_FUNCTION(reshape);
NT_EXPORT_FUNCTION(broadcast);
NT_EXPORT_FUNCTION(transpose);
NT_EXPORT_FUNCTION(concat);
NT_EXPORT_FUNCTION(split);
NT_EXPORT_FUNCTION(strided_slice);
NT_EXPORT_FUNCTION(pad);
NT_EXPORT_TEST(pad);
NT_EXPORT_FUNCTION(same);
NT_EXPORT_FUNCTION(cast);
NT_EXPORT_TEST(cast);
NT_EXPORT_FUNCTION(gather);
NT_EXPORT_FUNCTION(embedding);
NT_EXPORT_FUNCTION(one_hot);
NT_EXPORT_FUNCTION(top_k);
NT_EXPORT_FUNCTION(cumsum);
NT_EXPORT_TEST(scatter);
NT_EXPORT_FUNCTION(scatter);

/* export_box.c */
NT_EXPORT_FUNCTION(nms);
NT_EXPORT_FUNCTION(roi_align);

/* export_math.c */
NT_EXPORT_FUNCTION(reduce);
NT_EXPORT_FUNCTION(arg_extreme);
NT_EXPORT_FUNCTION(softmax);
NT_EXPORT_FUNCTION(clip);
NT_EXPORT_FUNCTION(prelu);
NT_EXPORT_TEST(softplus);
NT_EXPORT_TEST(elementwise);
NT_EXPORT_FUNCTION(pixel_shuffle);

/* export_norm.c */
NT_EXPORT_FUNCTION(batch_norm);
NT_EXPORT_TEST(batch_norm);
NT_EXPORT_FUNCTION(layer_norm);
NT_EXPORT_TEST(layer_norm);
NT_EXPORT_FUNCTION(group_norm);
NT_EXPORT_FUNCTION(norm_statistics);
NT_EXPORT_TEST(norm_statistics);
NT_EXPORT_FUNCTION(local_response_norm);
NT_EXPORT_TEST(local_response_norm);
NT_EXPORT_FUNCTION(channel_window);

/* export_recurrent.c */
NT_EXPORT_FUNCTION(recurrent_layer);
NT_EXPORT_TEST(recurrent_layer);
NT_EXPORT_FUNCTION(sequence_lengths);

#endif
