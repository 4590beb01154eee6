/* SPDX-License-Identifier: MIT
 *
 * Loops over strided operands, and how a kernel that walks them (cl/strided.clh) is told of
 * their shape: sizes and strides become arguments, so one kernel serves every size; ranks and
 * the kinds of operands become defines. Private to engine/.
 */
#ifndef NT_ENGINE_OP_LOOP_H
#define NT_ENGINE_OP_LOOP_H

#include "engine/expr.h"
#include "engine/launch.h"

#define NT_MAP_OUTPUTS 8
#define NT_MAP_INPUTS 16
#define NT_LOOP_OPERANDS (NT_MAP_OUTPUTS + NT_MAP_INPUTS)

/* Dimensions from the slowest to the fastest. */
struct nt_loop {
    int rank;
    int64_t extent[NT_MAX_RANK];
    int operands;
    int64_t stride[NT_LOOP_OPERANDS][NT_MAX_RANK];
};

struct nt_loop nt_loop_make(const struct nt_shape *shape);

/* Adds an operand, which broadcasts to the loop's shape. */
void nt_loop_add(struct nt_loop *loop, const struct nt_tensor *tensor);

/* Adds a dimension inside the others; stride has a value per operand. */
void nt_loop_push(struct nt_loop *loop, int64_t extent, const int64_t *stride);

/* The same walk with the fewest dimensions: those of extent 1 go, the others are ordered by the
 * strides of one operand, the largest (and 0) outermost, and dimensions that every operand
 * walks as one are joined. */
void nt_loop_collapse(struct nt_loop *loop, int by);

/* Takes the innermost dimension off; its strides go to stride[operand]. Returns its extent, 1
 * (and strides 0) when there is none. */
int64_t nt_loop_pop(struct nt_loop *loop, int64_t stride[NT_LOOP_OPERANDS]);

void nt_loop_remove(struct nt_loop *loop, int dim);

int64_t nt_loop_count(const struct nt_loop *loop);

/* How an operand is walked along the innermost dimension: "D" dense, "S" the same element
 * (inputs only), "G" with a stride. */
const char *nt_loop_kind(int64_t inner_stride, bool output);

/* The token of an element type that map and reduce convert to and from float, or NULL. */
const char *nt_loop_type(enum nt_dtype dtype);

/* Kernel arguments: the extents of a loop but the slowest one. */
void nt_loop_extents(struct nt_launch *launch, const struct nt_loop *loop);

/* The strides of an operand in a loop. */
void nt_loop_strides(struct nt_launch *launch, const struct nt_loop *loop, int operand);

/* Marks inputs that the terms need: used[i] for i < inputs. False when a term is no term of
 * the expression or needs an input beyond them. */
bool nt_loop_uses(const struct nt_expr *expr, int count, const int *terms, int inputs, bool *used);

/* Defines a macro with the expression's statements, in one line. */
void nt_loop_expression(
    struct nt_launch *launch, const struct nt_expr *expr, int count, const int *terms);

/* The vector width for rows of count elements where the device's is `width`: a power of two.
 * Less than the device's when rows then are whole vectors, or are short. */
int nt_loop_vector(int64_t width, int64_t count);

/* Work-groups for a CPU device: enough for all its cores when there is much work (in elements
 * times operations), one when there is little. */
int64_t nt_loop_groups(struct nt_tape *tape, double work);

/* Divides rows of n elements into about `groups` blocks of whole rows or chunks of one: the
 * arguments n, chunk, rows, block, and the grid (chunks, blocks). */
void nt_loop_divide(struct nt_launch *launch, int64_t rows, int64_t n, int vector, int64_t groups);

#endif
