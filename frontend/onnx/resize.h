/* SPDX-License-Identifier: MIT
 *
 * Resizing by a matrix for each dimension: for what the operator interpolate does not do.
 */
#ifndef NT_FRONTEND_ONNX_RESIZE_H
#define NT_FRONTEND_ONNX_RESIZE_H

#include "frontend/onnx/import.h"

enum nt_onnx_resize_mode { NT_ONNX_NEAREST, NT_ONNX_LINEAR, NT_ONNX_CUBIC };
/* Where element o of the result lies: the words of coordinate_transformation_mode in this order. */
enum nt_onnx_resize_place {
    NT_ONNX_HALF_PIXEL,
    NT_ONNX_ASYMMETRIC,
    NT_ONNX_ALIGN_CORNERS,
    NT_ONNX_PYTORCH_HALF_PIXEL,
    NT_ONNX_HALF_PIXEL_SYMMETRIC,
    NT_ONNX_TF_HALF_PIXEL,
    NT_ONNX_TF_CROP_AND_RESIZE
};
enum nt_onnx_resize_round {
    NT_ONNX_ROUND_PREFER_FLOOR,
    NT_ONNX_ROUND_PREFER_CEIL,
    NT_ONNX_ROUND_FLOOR,
    NT_ONNX_ROUND_CEIL
};

struct nt_onnx_resize {
    struct nt_shape from, to;
    double scale[NT_MAX_RANK]; /* 0: as the extents say */
    enum nt_onnx_resize_mode mode;
    enum nt_onnx_resize_place place;
    enum nt_onnx_resize_round round;
    double cubic, outside;                       /* cubic_coeff_a; extrapolation_value */
    double start[NT_MAX_RANK], end[NT_MAX_RANK]; /* of the region, in [0, 1] */
    bool exclude_outside, antialias;
};

/* The resized value, -1 after a failure. */
int nt_onnx_resize_by_matrices(struct nt_onnx_node *node, const struct nt_onnx_resize *r, int x);

#endif
