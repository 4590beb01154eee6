/* SPDX-License-Identifier: MIT
 *
 * Resampling along one dimension as a dense matrix, straight from the definitions.
 */
#ifndef NT_TESTS_NAIVE_RESAMPLE_H
#define NT_TESTS_NAIVE_RESAMPLE_H

#include "engine/primitives.h"

/* matrix[o * in + i]: the weight of element i in element o. */
void naive_resample_matrix(
    const struct nt_resample *how, double scale, int in, int out, double *matrix);

/* Replaces *data, an array of outer x in x inner, by outer x out x inner: along the middle
 * dimension the matrix is applied, or (in and out exchanged) its transpose. */
void naive_resample_along(double **data, int64_t outer, int in, int out, int64_t inner,
    const double *matrix, bool transposed);

#endif
