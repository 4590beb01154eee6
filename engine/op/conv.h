/* SPDX-License-Identifier: MIT
 *
 * Convolutions as their variants receive them: always of three dimensions, the leading ones with
 * extent 1 where there are fewer. Private to engine/op/.
 *
 * A pass computes, for every image, group g, output pixel (oz, oy, ox) and output channel k < k,
 *
 *   y[y_start + n y_n + oz y_d + oy y_h + ox y_w + g k + k] = sum over t, r, s, c of
 *       x[n x_n + (oz stride_d - pad_d + t dil_d) x_d + (oy stride_h - pad_h + r dil_h) x_h
 *         + (ox stride_w - pad_w + s dil_w) x_w + g c + c]
 *       * w[w_start + g w_g + k w_k + c w_c + t w_t + r w_r + s w_s]
 *
 * with zeros outside x. The forward pass is one pass. The backward pass by data is stride_d x
 * stride_h x stride_w of them, one for each phase of the stride: the pixels of dx that are
 * congruent receive from the same taps, and gathering is a convolution of dy of stride 1 with
 * these taps in reverse order. A phase may have no taps (t, r or s is 0): it gets zeros, of "tile"
 * kernels from the pass of another phase.
 */
#ifndef NT_ENGINE_OP_CONV_H
#define NT_ENGINE_OP_CONV_H

#include "engine/launch.h"
#include "engine/primitives.h"

/* Checked operands, widened to rank 5; fields with three numbers are depth, height, width. */
struct nt_conv_problem {
    struct nt_tensor x, w, y; /* dx, w, dy or x, dw, dy in the backward passes */
    int64_t images, groups;
    int64_t c, k; /* channels of a group, in and out */
    int64_t in[3], out[3], taps[3];
    int64_t stride[3], dilation[3], pad[3]; /* pad: before */
    int64_t filter, pixels;                 /* products of taps and of out */
};

struct nt_conv_pass {
    const char *variant, *reason;
    const struct nt_tensor *x, *w, *y;
    const struct nt_epilogue *epilogue;
    int64_t images, groups, c, k;
    int64_t in[3], out[3], taps[3], stride[3], dilation[3], pad[3];
    int64_t x_n, x_step[3];
    int64_t y_start, y_n, y_step[3];
    int64_t w_start, w_g, w_k, w_c, w_step[3];
    /* "tile" fills y where phases have no taps: extent and steps of all of y, strides, and bits of
     * the phases that have taps. rest is 0: nothing to fill. */
    int64_t rest[3], rest_step[3], every[3], taken[3];
    double flops; /* of this pass */
};

enum nt_status nt_conv_check(struct nt_tape *tape, const char *primitive,
    const struct nt_conv *conv, const struct nt_tensor *x, const struct nt_tensor *w,
    const struct nt_tensor *y, struct nt_conv_problem *out);

int64_t nt_conv_product(const int64_t extent[3]);

/* Three integer arguments: depth, height, width. */
void nt_conv_ints(struct nt_launch *launch, const int64_t values[3]);
/* The arguments of a pass's kernel after its buffers, from images to w_s, or to y_w alone. */
void nt_conv_pass_args(struct nt_launch *launch, const struct nt_conv_pass *pass);
void nt_conv_picture_args(struct nt_launch *launch, const struct nt_conv_pass *pass);
/* Its operations, and the bytes of its operands, each once. */
void nt_conv_pass_cost(struct nt_launch *launch, const struct nt_conv_pass *pass);
/* The arguments of a weight gradient's kernel, from images to y_w. */
void nt_conv_problem_args(struct nt_launch *launch, const struct nt_conv_problem *problem);

enum nt_status nt_conv_tile(struct nt_tape *tape, const struct nt_conv_pass *pass);
enum nt_status nt_conv_group(struct nt_tape *tape, const struct nt_conv_pass *pass);

/* For GPUs that are better off without local memory. `packed`: the weights as
 * [group][tap][channel read][channel], whose taps w_start and w_step count; for all phases. */
enum nt_status nt_conv_registers_pack(
    struct nt_tape *tape, const struct nt_conv_problem *problem, bool backward, int32_t *packed);
enum nt_status nt_conv_registers(
    struct nt_tape *tape, const struct nt_conv_pass *pass, int32_t packed);

/* By Winograd's minimal filtering. rule: what the operands break, or NULL. */
const char *nt_conv_winograd_rule(const struct nt_conv_problem *problem);
/* weights: the pass by the weights. */
bool nt_conv_winograd_pays(
    const struct nt_device *dev, const struct nt_conv_problem *problem, bool weights);
enum nt_status nt_conv_winograd(struct nt_tape *tape, const struct nt_conv_pass *pass);
enum nt_status nt_conv_weight_winograd(
    struct nt_tape *tape, const struct nt_conv_problem *problem, double flops, const char *reason);

/* The same for GPUs: by launches of transforms and a product. */
bool nt_conv_winograd_group_pays(
    const struct nt_device_info *info, const struct nt_conv_problem *problem);
enum nt_status nt_conv_winograd_group(struct nt_tape *tape, const struct nt_conv_pass *pass);
enum nt_status nt_conv_weight_winograd_group(
    struct nt_tape *tape, const struct nt_conv_problem *problem, const char *reason);

/* Vectors of one channel of many images: for few output channels. */
bool nt_conv_images_pays(
    const struct nt_device *dev, const struct nt_conv_problem *problem, bool backward);
enum nt_status nt_conv_images(struct nt_tape *tape, const struct nt_conv_pass *pass);

/* As a matrix product. rule: what the operands break, or NULL. */
const char *nt_conv_gemm_rule(const struct nt_conv_problem *problem);
enum nt_status nt_conv_gemm(struct nt_tape *tape, const struct nt_conv_pass *pass);
bool nt_conv_weight_gemm_pays(const struct nt_conv_problem *problem);
enum nt_status nt_conv_weight_gemm(struct nt_tape *tape, const struct nt_conv_problem *problem);

/* For CPUs: one channel in and out of each group, or 2, 4 or 8, whole groups in a vector.
 * `packed`: the weights as [tap][channel read][channel], whose taps w_start and w_step count; one
 * copy serves all phases. */
bool nt_conv_is_depthwise(const struct nt_device *dev, const struct nt_conv_problem *problem);
enum nt_status nt_conv_depthwise_pack(
    struct nt_tape *tape, const struct nt_conv_problem *problem, bool backward, int32_t *packed);
enum nt_status nt_conv_depthwise(
    struct nt_tape *tape, const struct nt_conv_pass *pass, int32_t packed);
/* Backward by data, all phases of the stride at once: 3 x 3 taps of stride 2. */
bool nt_conv_takes_depthwise_back(
    const struct nt_device *dev, const struct nt_conv_problem *problem);
enum nt_status nt_conv_depthwise_back(struct nt_tape *tape, const struct nt_conv_problem *problem,
    const struct nt_epilogue *epilogue, int32_t packed, double flops, const char *reason);
enum nt_status nt_conv_weight_depthwise(
    struct nt_tape *tape, const struct nt_conv_problem *problem, double flops, const char *reason);

/* For GPUs: one channel in and out of each group. `packed` as above. */
const char *nt_conv_depthwise_group_rule(const struct nt_conv_problem *problem);
enum nt_status nt_conv_depthwise_group(
    struct nt_tape *tape, const struct nt_conv_pass *pass, int32_t packed);
enum nt_status nt_conv_weight_depthwise_group(
    struct nt_tape *tape, const struct nt_conv_problem *problem, double flops, const char *reason);

/* Weight gradients: partial sums [split][group][k][tap][c] by a variant, then their sum. `joined`
 * neighbouring pixels were taken as one: [split][pixel][k][tap][c] for one group, with taps that
 * reach (joined - 1) strides further, and pixel i's are those from i strides on. */
enum nt_status nt_conv_weight_tile(
    struct nt_tape *tape, const struct nt_conv_problem *problem, double flops, const char *reason);
enum nt_status nt_conv_weight_group(
    struct nt_tape *tape, const struct nt_conv_problem *problem, double flops, const char *reason);
enum nt_status nt_conv_weight_sum(struct nt_tape *tape, const struct nt_conv_problem *problem,
    int32_t partial, int64_t splits, int64_t joined, const char *variant, const char *reason);

#endif
