/* SPDX-License-Identifier: MIT
 *
 * The primitives: each call appends the launches of one operation to a tape. Tensors are
 * float32 unless a comment says otherwise; shapes are semantic (N,C,H,W), strides say the
 * layout. Every primitive checks its shapes (NT_ERR_SHAPE with the primitive, both shapes
 * and the rule) and is deterministic: no float atomics, fixed orders of summation.
 *
 * Each primitive has one or more kernel variants, tried in order; the first usable one is
 * taken unless nt_tape_force says otherwise. "tile" variants are for CPU devices (one
 * work-item per work-group, vectors and register tiles, no barrier), "group" variants for
 * GPUs (work-groups, local memory), "registers" for GPUs better off without local memory; every
 * variant runs on every device.
 */
#ifndef NT_ENGINE_PRIMITIVES_H
#define NT_ENGINE_PRIMITIVES_H

#include "engine/expr.h"
#include "engine/tape.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The variants of a primitive that are usable on this device, for tests and benchmarks that
 * walk them: names[0..return), at most size. Primitives: "map", "reduce", "move", "gemm",
 * "conv_forward", "conv_backward_data", "conv_backward_weight", "pool", "softmax", ... */
NT_API int nt_variants(struct nt_device *dev, const char *primitive, int size, const char **names);

/* out[i] = terms[i](in[0], in[1], ...) for every element. All outputs have one shape; inputs
 * broadcast to it (NumPy rule; also by stride 0). Any layouts; one launch. An output may be
 * the very tensor of an input (in place). Indices (nt_tensor_index) and int64 scalars are for the
 * functions number and uniform alone; uniform's numbers are those of nt_uniform. Other int32, uint8
 * and bool inputs are converted to float, outputs of those types from float (rounded toward zero).
 * With an expression of integers it is int32 that all are converted to and from; uint8 takes the
 * low byte. At most 8 outputs, 16 inputs. */
NT_API enum nt_status nt_map(struct nt_tape *tape, const struct nt_expr *expr, int outputs,
    const int *terms, const struct nt_tensor *out, int inputs, const struct nt_tensor *in);

enum nt_reduction { NT_REDUCE_SUM, NT_REDUCE_MAX, NT_REDUCE_MIN, NT_REDUCE_PROD };

/* out = scale * reduction of term(in...) over the dimensions where out has extent 1 and the
 * broadcast shape of the inputs does not (ranks equal; leading ones may be left off out).
 * Pairwise (tree) summation in a fixed order. An empty reduction gives the neutral element.
 * scale is used by NT_REDUCE_SUM alone (a mean: 1/count). */
NT_API enum nt_status nt_reduce(struct nt_tape *tape, enum nt_reduction reduction,
    const struct nt_expr *expr, int term, int inputs, const struct nt_tensor *in, double scale,
    const struct nt_tensor *out);
/* The same of two terms, out[i] of term[i], which have one shape: where the kernels can, the inputs
 * are read once. */
NT_API enum nt_status nt_reduce_two(struct nt_tape *tape, enum nt_reduction reduction,
    const struct nt_expr *expr, const int term[2], int inputs, const struct nt_tensor *in,
    double scale, const struct nt_tensor out[2]);

/* Strided copy of any dtype, equal shapes and dtypes: transpose, slice, concat (into slices),
 * broadcast, tile. */
NT_API enum nt_status nt_move(
    struct nt_tape *tape, const struct nt_tensor *in, const struct nt_tensor *out);

/* Sets every element. */
NT_API enum nt_status nt_fill(struct nt_tape *tape, double value, const struct nt_tensor *out);

/* y[..., i, ...] = x[..., index[..., i, ...], ...] along the axis. x and y have one dtype, and
 * agree in all extents but the axis; index is int32 and broadcasts to y's shape, so an index tensor
 * of extent 1 elsewhere takes whole slices (an embedding: axis 0, index N x 1, y N x D). Indices
 * from -extent on count from the end; others outside give NaN, in integers the smallest one (0 in
 * uint8 and bool): bad data shows instead of hiding. */
NT_API enum nt_status nt_gather(struct nt_tape *tape, const struct nt_tensor *x, int axis,
    const struct nt_tensor *index, const struct nt_tensor *y);
enum nt_scatter {
    NT_SCATTER_REPLACE,
    NT_SCATTER_ADD,
    NT_SCATTER_MUL,
    NT_SCATTER_MAX,
    NT_SCATTER_MIN
};

/* The reverse, y[..., index[..., i, ...], ...] becomes itself combined with x[..., i, ...]; with
 * add it is the gradient of a gather when y begins as zeros. Those of one place are taken in the
 * order of i: the last one replaces. Bad indices do nothing. float32 or int32. */
NT_API enum nt_status nt_scatter(struct nt_tape *tape, enum nt_scatter how,
    const struct nt_tensor *x, int axis, const struct nt_tensor *index, const struct nt_tensor *y);

/* y[..., i, ...] = the sum (NT_REDUCE_SUM) or product (_PROD) of x[..., j, ...] for j up to i along
 * the axis. exclusive: without i; reverse: from the end. float32 or int32. */
NT_API enum nt_status nt_scan(struct nt_tape *tape, enum nt_reduction reduction, bool exclusive,
    bool reverse, int axis, const struct nt_tensor *x, const struct nt_tensor *y);

/* What happens to a result on its way to memory: out = term(result, in[0], in[1], ...), where
 * input 0 of the expression is the product or convolution and input 1+i is in[i]. Each in[i] must
 * be shaped and laid out as the output, or vary along its fastest dimension alone (a bias), or be
 * a scalar. expr NULL: the plain result. */
struct nt_epilogue {
    const struct nt_expr *expr;
    int term;
    int inputs; /* at most 4 */
    const struct nt_tensor *in;
};

/* Whether in[] meets the rule above for an output like out. */
NT_API bool nt_epilogue_fits(const struct nt_tensor *out, int inputs, const struct nt_tensor *in);

/* C[m,n] = A[m,k] B[k,n]; rank 2, or rank 3 with a leading batch. Transposes are strides: each
 * of A and B must have stride 1 in one of its two last dimensions, C in its last. k = 0 gives
 * zeros. epilogue may be NULL. */
NT_API enum nt_status nt_gemm(struct nt_tape *tape, const struct nt_tensor *a,
    const struct nt_tensor *b, const struct nt_tensor *c, const struct nt_epilogue *epilogue);

/* Convolution (cross-correlation, as networks define it) in one to three dimensions.
 * x: N,C,D,H,W and y: N,K,OD,OH,OW channels-last; w: K,C/groups,T,R,S row-major; without D, or D
 * and H, for ranks 4 and 3. Along each dimension
 * OH = (H + pad_before + pad_after - dilation (R-1) - 1) / stride + 1, rounded down.
 * Index i of the attributes is dimension 2 + i of x. Negative padding leaves out what is at the
 * border of x. Zeros: stride, dilation and groups mean 1. */
struct nt_conv {
    int64_t stride[3], dilation[3], pad_before[3], pad_after[3], groups;
};
NT_API enum nt_status nt_conv_forward(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *x, const struct nt_tensor *w, const struct nt_tensor *y,
    const struct nt_epilogue *epilogue);
/* dx = the gradient by x, in gather form; also the forward of a transposed convolution. */
NT_API enum nt_status nt_conv_backward_data(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *dy, const struct nt_tensor *w, const struct nt_tensor *dx,
    const struct nt_epilogue *epilogue);
NT_API enum nt_status nt_conv_backward_weight(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *x, const struct nt_tensor *dy, const struct nt_tensor *dw);

enum nt_pooling { NT_POOL_MAX, NT_POOL_AVERAGE };

/* Pooling over one to three spatial dimensions (rank 3 to 5: N,C,D,H,W, N,C,H,W or N,C,W),
 * channels-last; x and y may be slices of channels. Index i of the attributes is dimension 2 + i.
 * Positions outside x never win a maximum (NaN does) and count in an average only with
 * count_include_pad, as far as the padding reaches. y's extents are the number of windows rounded
 * down or up; rounded up, the last window reaches past the padding. A window that covers nothing of
 * x gives the maximum -infinity with index -1, and the average 0. Zeros: stride and dilation mean
 * 1. adaptive: window o of O over an extent I is [o I / O, (o + 1) I / O), rounded outwards, and
 * the rest of the struct is unused. divisor: 0, or what the sum of every window is divided by. */
struct nt_pool {
    enum nt_pooling pooling;
    int64_t kernel[3], stride[3], dilation[3], pad_before[3], pad_after[3];
    bool count_include_pad, adaptive;
    int64_t divisor;
};
/* index: int32, shaped as y, receives (d*H+h)*W+w of each maximum (first one on ties, first NaN);
 * NULL when it is not needed and for averages. */
NT_API enum nt_status nt_pool_forward(struct nt_tape *tape, const struct nt_pool *pool,
    const struct nt_tensor *x, const struct nt_tensor *y, const struct nt_tensor *index);
/* dx in gather form; index as the forward wrote it (maximum only). */
NT_API enum nt_status nt_pool_backward(struct nt_tape *tape, const struct nt_pool *pool,
    const struct nt_tensor *dy, const struct nt_tensor *index, const struct nt_tensor *dx);

/* y = zeros, but y at index[i] of its channel (h*W+w, as pooling writes it) is x[i]; elements with
 * one index add up, an index outside y names no place. index: int32, shaped as x; channels-last. */
NT_API enum nt_status nt_unpool_forward(struct nt_tape *tape, const struct nt_tensor *x,
    const struct nt_tensor *index, const struct nt_tensor *y);
NT_API enum nt_status nt_unpool_backward(struct nt_tape *tape, const struct nt_tensor *dy,
    const struct nt_tensor *index, const struct nt_tensor *dx);

/* How nt_resample takes elements between those of the source. */
enum nt_resample_filter { NT_RESAMPLE_NEAREST, NT_RESAMPLE_LINEAR, NT_RESAMPLE_CUBIC };

/* Where in the source, of extent I, element o of the result, of extent O, lies; s: the scale. As
 * ONNX calls and defines them (operator Resize). */
enum nt_resample_coordinates {
    NT_RESAMPLE_HALF_PIXEL,           /* (o + 0.5) / s - 0.5 */
    NT_RESAMPLE_ASYMMETRIC,           /* o / s */
    NT_RESAMPLE_ALIGN_CORNERS,        /* o (I - 1) / (O - 1) */
    NT_RESAMPLE_PYTORCH_HALF_PIXEL,   /* half_pixel, 0 when O = 1 */
    NT_RESAMPLE_HALF_PIXEL_SYMMETRIC, /* half_pixel with equal rests at both ends */
    NT_RESAMPLE_HALF_PIXEL_FOR_NN,    /* (o + 0.5) / s */
};

/* Which element is the nearest one. */
enum nt_resample_rounding {
    NT_RESAMPLE_FLOOR,
    NT_RESAMPLE_CEIL,
    NT_RESAMPLE_ROUND_PREFER_FLOOR, /* x.5 is rounded down */
    NT_RESAMPLE_ROUND_PREFER_CEIL,
};

/* Resampling over one to three spatial dimensions, channels-last; x and y may be slices of
 * channels. What lies outside x is like its border. Index i of scale is dimension 2 + i. */
struct nt_resample {
    enum nt_resample_filter filter;
    enum nt_resample_coordinates coordinates;
    enum nt_resample_rounding rounding;
    double scale[3];      /* 0: the extents' quotient O / I */
    double cubic_a;       /* of Keys' kernel; 0 means -0.75 */
    bool exclude_outside; /* what lies outside x has no weight; the others sum to 1 */
    bool antialias;       /* widens the filter where the result is smaller */
};
NT_API enum nt_status nt_resample(struct nt_tape *tape, const struct nt_resample *how,
    const struct nt_tensor *x, const struct nt_tensor *y);
/* dx in gather form. */
NT_API enum nt_status nt_resample_backward(struct nt_tape *tape, const struct nt_resample *how,
    const struct nt_tensor *dy, const struct nt_tensor *dx);

/* Regions of pictures as PH x PW bins, by torchvision's rules. x: N,C,H,W and y: K,C,PH,PW,
 * channels-last; regions: K rows of image, x1, y1, x2, y2 in units of 1/scale elements, row-major.
 * ALIGN takes sampling_ratio points along each side of a bin (0 and below: as many as it has
 * elements, rounded up), aligned or not. Maxima need index, int32, shaped as y. A row whose image
 * is none of the N gives zeros. */
enum nt_roi_kind {
    NT_ROI_ALIGN,         /* the mean of points taken bilinearly */
    NT_ROI_POOL,          /* the largest element of each bin */
    NT_ROI_ALIGN_MAXIMUM, /* the largest weighted element beside the points: ONNX's RoiAlign */
};
struct nt_roi {
    enum nt_roi_kind kind;
    float scale;
    int sampling_ratio;
    bool aligned;
};
NT_API enum nt_status nt_roi_forward(struct nt_tape *tape, const struct nt_roi *roi,
    const struct nt_tensor *x, const struct nt_tensor *regions, const struct nt_tensor *y,
    const struct nt_tensor *index);
/* dx in gather form. */
NT_API enum nt_status nt_roi_backward(struct nt_tape *tape, const struct nt_roi *roi,
    const struct nt_tensor *dy, const struct nt_tensor *regions, const struct nt_tensor *index,
    const struct nt_tensor *dx);

/* Rows: tensors of rank 2, R rows of C classes, any strides (per-pixel logits are a view). */

/* y = softmax(x) by row, or its logarithm. Stable: the row's maximum is subtracted. */
NT_API enum nt_status nt_softmax(
    struct nt_tape *tape, bool logarithm, const struct nt_tensor *x, const struct nt_tensor *y);
NT_API enum nt_status nt_softmax_backward(struct nt_tape *tape, bool logarithm,
    const struct nt_tensor *y, const struct nt_tensor *dy, const struct nt_tensor *dx);

/* Losses by row. target: int32 [R]; a row whose target is ignore_index adds nothing, a target
 * outside 0..C-1 otherwise gives NaN in its row (bad data shows instead of hiding). */
enum nt_row_loss {
    NT_LOSS_CROSS_ENTROPY, /* -log softmax(x)[target], smoothed as in Szegedy et al. 2016 sec. 7 */
    NT_LOSS_MULTI_MARGIN,  /* sum over j != target of max(0, margin + x[j] - x[target]) / C,
                              Crammer & Singer hinge as PyTorch's multi_margin_loss */
};
struct nt_row_loss_params {
    enum nt_row_loss loss;
    int32_t ignore_index;
    float label_smoothing; /* cross-entropy: 0 to 1 */
    float margin;          /* multi-margin; 0 means 1 */
};
/* loss[r] per row (0 where ignored) and valid[r], 1 or 0. */
NT_API enum nt_status nt_row_loss(struct nt_tape *tape, const struct nt_row_loss_params *params,
    const struct nt_tensor *x, const struct nt_tensor *target, const struct nt_tensor *loss,
    const struct nt_tensor *valid);
/* dx[r,c] = scale[0] / count[0] * d loss[r] / d x[r,c]; scale, count: one element each, on the
 * device. */
NT_API enum nt_status nt_row_loss_backward(struct nt_tape *tape,
    const struct nt_row_loss_params *params, const struct nt_tensor *x,
    const struct nt_tensor *target, const struct nt_tensor *scale, const struct nt_tensor *count,
    const struct nt_tensor *dx);

/* index: int32 [R], the class of each row's maximum (first one on ties; NaN is the largest). */
NT_API enum nt_status nt_argmax(
    struct nt_tape *tape, const struct nt_tensor *x, const struct nt_tensor *index);

/* index: int32 [R,K], K at most C: the columns of the first K elements of each row of x in order,
 * ties by column; NaN is larger than any number. x: float32 or int32. */
NT_API enum nt_status nt_sort(struct nt_tape *tape, bool descending, const struct nt_tensor *x,
    const struct nt_tensor *index);

/* Greedy non-maximum suppression. boxes: [N,P,4], corners x1, y1, x2, y2; scores: [N,P]; index:
 * int32 [N,K]. In each row the boxes with the highest scores, best first (ties: the lower index),
 * none of which overlaps one before it by more than `iou` (intersection over union); -1 where there
 * are no more. Scores below least_score and NaN are passed over. Any strides. */
struct nt_nms {
    float iou; /* 0 to 1 */
    float least_score;
};
NT_API enum nt_status nt_nms(struct nt_tape *tape, const struct nt_nms *nms,
    const struct nt_tensor *boxes, const struct nt_tensor *scores, const struct nt_tensor *index);

/* All steps of one direction of a recurrent layer; the products with the input come before it. */
enum nt_cell {
    NT_CELL_TANH,           /* h' = tanh(a + r), r = W h + b here and below */
    NT_CELL_RELU,           /* h' = max(a + r, 0) */
    NT_CELL_LSTM,           /* gates i f g o: c' = f c + i g, h' = o tanh(c') */
    NT_CELL_GRU,            /* gates r z n: n = tanh(a + r W h), h' = (1 - z) n + z h */
    NT_CELL_GRU_RESET_FIRST /* n = tanh(a + W (r h)) */
};
NT_API int nt_cell_gates(enum nt_cell cell); /* G: 1, 4 or 3 */

/* T steps of N items of H units, all tensors dense and row-major. An item takes lengths[n] steps
 * (NULL: all T): before the first of them in reverse, and after the last else, its state stands
 * still. */
struct nt_recurrent {
    enum nt_cell cell;
    bool reverse;                    /* the last step first */
    const struct nt_tensor *weight;  /* G*H,H */
    const struct nt_tensor *bias;    /* G*H or NULL */
    const struct nt_tensor *lengths; /* int32 [N] or NULL */
    /* h: T+1,N,H, the states in the order of time; the caller puts the initial one in the first
     * slot, in reverse in the last. s: LSTM: c, likewise; GRU: T,N,H, what its gradient needs;
     * else NULL. gates: T,N,G*H, written by the forward, read by the backward. */
    const struct nt_tensor *h, *s, *gates;
};
/* a: T,N,G*H, what the input adds to the gates. y: T,N,H, the states with zeros where an item has
 * ended; NULL: they are wanted from h alone. */
NT_API enum nt_status nt_recurrent_forward(struct nt_tape *tape, const struct nt_recurrent *layer,
    const struct nt_tensor *a, const struct nt_tensor *y);
/* dy: T,N,H or NULL for zeros. dh, and ds for an LSTM: N,H, the gradient of the last state before,
 * of the initial state after. da: T,N,G*H. dr: the same for W h + b; differs from da for
 * NT_CELL_GRU alone, else NULL. The weight's gradient is the product of dr and the states before
 * each step. */
NT_API enum nt_status nt_recurrent_backward(struct nt_tape *tape, const struct nt_recurrent *layer,
    const struct nt_tensor *dy, const struct nt_tensor *da, const struct nt_tensor *dr,
    const struct nt_tensor *dh, const struct nt_tensor *ds);

#ifdef __cplusplus
}
#endif
#endif
