/* SPDX-License-Identifier: MIT
 *
 * Which operator of ONNX becomes what: one row each, and one more where an opset changed what it
 * means. docs/onnx.md is made from the table.
 */
#ifndef NT_FRONTEND_ONNX_TABLE_H
#define NT_FRONTEND_ONNX_TABLE_H

#include "frontend/onnx/import.h"

struct nt_onnx_rule {
    const char *name;
    int since, until; /* opsets; until 0: the newest */
    /* What adds the nodes. NULL: the operator of ours named `op`, whose inputs are those of the
     * node in order, with the attributes of `attrs`. */
    enum nt_status (*add)(struct nt_onnx_node *node);
    const char *op;
    /* Attributes of ours from those of the node: "theirs>ours=fallback ...", one name when both are
     * equal. Numbers alone. */
    const char *attrs;
    /* What computes the outputs when all inputs are known; NULL: the expression of `op`, or none.
     */
    enum nt_status (*fold)(struct nt_onnx_node *node);
    int fold_inputs; /* of how many inputs it needs the numbers; 0: of all */
    /* How many inputs it takes at most, and how many from a later opset on: "1 11:3 18:4"; "any".
     * NULL: as many as `op`. */
    const char *takes;
    int type;         /* of the outputs; NT_ONNX_NONE: input 0's */
    const char *note; /* for the reference: what is not offered; NULL: nothing */
};

extern const struct nt_onnx_rule nt_onnx_rules[];
extern const int nt_onnx_rule_count;

/* The row for an operator at an opset, NULL: there is none. */
const struct nt_onnx_rule *nt_onnx_rule_find(const char *name, int opset);

/* Adds a node by its row; folds it when its inputs are known. */
enum nt_status nt_onnx_rule_apply(struct nt_onnx_node *node);

/* The same on the host alone, with the numbers that inputs are fed; nothing happens when they are
 * not enough. */
enum nt_status nt_onnx_rule_fold(struct nt_onnx_node *node);

/* The attributes that the row names, as ours. */
void nt_onnx_translate(const struct nt_onnx_node *node, struct nt_onnx_call *call);

/* ---- functions of rows ---- */

#define NT_ONNX_FUNCTION(name) enum nt_status nt_onnx_##name(struct nt_onnx_node *node)

/* fold.c: on the host */
NT_ONNX_FUNCTION(fold_constant);
NT_ONNX_FUNCTION(fold_gather);
NT_ONNX_FUNCTION(fold_concat);
NT_ONNX_FUNCTION(fold_split);
NT_ONNX_FUNCTION(fold_slice);
NT_ONNX_FUNCTION(fold_cast);
NT_ONNX_FUNCTION(fold_range);
NT_ONNX_FUNCTION(fold_expand);
NT_ONNX_FUNCTION(fold_transpose);
NT_ONNX_FUNCTION(fold_reduce);
NT_ONNX_FUNCTION(fold_elementwise);
NT_ONNX_FUNCTION(fold_elementwise_old);
NT_ONNX_FUNCTION(fold_where);
NT_ONNX_FUNCTION(fold_mod);
NT_ONNX_FUNCTION(fold_clip);
NT_ONNX_FUNCTION(fold_empty);

/* op_shape.c: those that only change the shape fold by themselves */
NT_ONNX_FUNCTION(shape_node);
NT_ONNX_FUNCTION(size_node);
NT_ONNX_FUNCTION(constant_of_shape);
NT_ONNX_FUNCTION(identity);
NT_ONNX_FUNCTION(reshape_node);
NT_ONNX_FUNCTION(flatten);
NT_ONNX_FUNCTION(squeeze);
NT_ONNX_FUNCTION(unsqueeze);
NT_ONNX_FUNCTION(transpose);
NT_ONNX_FUNCTION(concat);
NT_ONNX_FUNCTION(split);
NT_ONNX_FUNCTION(slice);
NT_ONNX_FUNCTION(expand);
NT_ONNX_FUNCTION(tile);
enum nt_status nt_onnx_transpose_axes(
    struct nt_onnx_node *node, const struct nt_shape *shape, int64_t *axes);
enum nt_status nt_onnx_split_sizes(
    struct nt_onnx_node *node, const struct nt_shape *shape, int *axis, int64_t *sizes, int *count);
enum nt_status nt_onnx_slice_of(struct nt_onnx_node *node, const struct nt_shape *from,
    int64_t *first, int64_t *step, struct nt_shape *to);
enum nt_status nt_onnx_expand_shape(
    struct nt_onnx_node *node, const struct nt_shape *from, struct nt_shape *to);

/* op_index.c */
NT_ONNX_FUNCTION(pad);
NT_ONNX_FUNCTION(range);
NT_ONNX_FUNCTION(gather);
NT_ONNX_FUNCTION(gather_elements);
NT_ONNX_FUNCTION(cumsum);
NT_ONNX_FUNCTION(cumprod);
NT_ONNX_FUNCTION(gather_nd);
NT_ONNX_FUNCTION(scatter);
NT_ONNX_FUNCTION(top_k);
NT_ONNX_FUNCTION(depth_to_space);
NT_ONNX_FUNCTION(space_to_depth);

/* inline.c */
NT_ONNX_FUNCTION(if_node);

/* op_select.c */
NT_ONNX_FUNCTION(non_zero);
NT_ONNX_FUNCTION(compress);
NT_ONNX_FUNCTION(unique);
NT_ONNX_FUNCTION(non_max_suppression);
NT_ONNX_FUNCTION(one_hot);
NT_ONNX_FUNCTION(reverse_sequence);

/* op_matrix.c */
NT_ONNX_FUNCTION(trilu);
NT_ONNX_FUNCTION(eye_like);
NT_ONNX_FUNCTION(det);

/* op_einsum.c */
NT_ONNX_FUNCTION(einsum);

/* op_attention.c */
NT_ONNX_FUNCTION(attention);
NT_ONNX_FUNCTION(rotary_embedding);

/* op_sample.c */
NT_ONNX_FUNCTION(grid_sample);
NT_ONNX_FUNCTION(affine_grid);
NT_ONNX_FUNCTION(deform_conv);

/* op_picture.c */
NT_ONNX_FUNCTION(max_unpool);
NT_ONNX_FUNCTION(roi_align);
NT_ONNX_FUNCTION(max_roi_pool);
NT_ONNX_FUNCTION(col2im);
NT_ONNX_FUNCTION(center_crop_pad);

/* op_bits.c */
NT_ONNX_FUNCTION(bits);

/* op_state.c */
NT_ONNX_FUNCTION(causal_conv);
NT_ONNX_FUNCTION(linear_attention);
NT_ONNX_FUNCTION(tensor_scatter);

/* op_signal.c */
NT_ONNX_FUNCTION(window);
NT_ONNX_FUNCTION(dft);
NT_ONNX_FUNCTION(stft);
NT_ONNX_FUNCTION(mel_weights);

/* op_training.c */
NT_ONNX_FUNCTION(gradient);
NT_ONNX_FUNCTION(adagrad);
NT_ONNX_FUNCTION(adam);
NT_ONNX_FUNCTION(momentum);

/* op_math.c */
NT_ONNX_FUNCTION(swiglu);
NT_ONNX_FUNCTION(elementwise_old);
NT_ONNX_FUNCTION(variadic);
NT_ONNX_FUNCTION(power);
NT_ONNX_FUNCTION(mod);
NT_ONNX_FUNCTION(where);
NT_ONNX_FUNCTION(cast);
enum nt_status nt_onnx_cast_type(struct nt_onnx_node *node, int *type);
NT_ONNX_FUNCTION(clip);
NT_ONNX_FUNCTION(prelu);
NT_ONNX_FUNCTION(gelu);
NT_ONNX_FUNCTION(shrink);
NT_ONNX_FUNCTION(is_nan);
NT_ONNX_FUNCTION(is_inf);
NT_ONNX_FUNCTION(dropout);
NT_ONNX_FUNCTION(matmul);
NT_ONNX_FUNCTION(gemm);

/* op_reduce.c */
NT_ONNX_FUNCTION(reduce);
NT_ONNX_FUNCTION(arg_extreme);
NT_ONNX_FUNCTION(softmax);
NT_ONNX_FUNCTION(lp_normalization);
enum nt_status nt_onnx_reduce_axes(struct nt_onnx_node *node, const struct nt_shape *from,
    unsigned *mask, struct nt_shape *kept, struct nt_shape *to);

/* op_conv.c */
NT_ONNX_FUNCTION(conv);
NT_ONNX_FUNCTION(conv_transpose);
NT_ONNX_FUNCTION(pool);
NT_ONNX_FUNCTION(global_pool);

/* op_norm.c */
NT_ONNX_FUNCTION(batch_normalization);
NT_ONNX_FUNCTION(instance_normalization);
NT_ONNX_FUNCTION(group_normalization);
NT_ONNX_FUNCTION(layer_normalization);
NT_ONNX_FUNCTION(rms_normalization);
NT_ONNX_FUNCTION(mean_variance_normalization);
NT_ONNX_FUNCTION(lrn);

/* op_loss.c */
NT_ONNX_FUNCTION(nll_loss);
NT_ONNX_FUNCTION(softmax_loss);

/* op_recurrent.c */
NT_ONNX_FUNCTION(recurrent);

/* op_resize.c */
NT_ONNX_FUNCTION(resize);
NT_ONNX_FUNCTION(upsample);

#endif
