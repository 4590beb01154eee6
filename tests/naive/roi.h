/* SPDX-License-Identifier: MIT
 *
 * Regions of pictures as torchvision's loops and ONNX's RoiAlign take them, in double precision.
 */
#ifndef NT_TESTS_NAIVE_ROI_H
#define NT_TESTS_NAIVE_ROI_H

#include "engine/primitives.h"

/* x: C planes of H rows of W of one image; region: image, x1, y1, x2, y2. y: C x PH x PW. index,
 * for maxima: the same shape. */
void naive_roi(const struct nt_roi *roi, const double *x, int c, int h, int w, const double *region,
    int ph, int pw, double *y, double *index);

#endif
