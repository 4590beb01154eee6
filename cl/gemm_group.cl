/* SPDX-License-Identifier: MIT
 *
 * C = A B for GPUs, any transposes and batches: a work-group computes NT_SPAN x NT_SPAN elements
 * (group.clh) of one batch, over one of `splits` parts of k; with several, C is that of the first
 * part, and c_batch is what the next ones lie apart. NT_A_COLUMNS, NT_B_COLUMNS: 1 where stride 1
 * lies in the first of the operand's two dimensions; neighbouring work-items read along it.
 * Grid: columns, rows, batches x splits.
 */
#include "prelude.clh"
#include "group.clh"

#define NT_EPILOGUE_READ(p) NT_GROUP_READ(Y, p)

/* Along: neighbours of A are rows, those of B columns. Across: they are steps. */
#if NT_A_COLUMNS
#define A_STEP(i) NT_ALONG_STEP(A, i)
#define A_ROW(i) NT_ALONG_PLACE(A)
#define A_PUT NT_GROUP_ALONG
#define A_ROWS NT_A_WIDE
#else
#define A_STEP(i) NT_ACROSS_STEP(A)
#define A_ROW(i) NT_ACROSS_PLACE(A, i)
#define A_PUT NT_GROUP_ACROSS
#define A_ROWS 1
#endif
#if NT_B_COLUMNS
#define B_STEP(i) NT_ACROSS_STEP(B)
#define B_COLUMN(i) NT_ACROSS_PLACE(B, i)
#define B_PUT NT_GROUP_ACROSS
#define B_WIDTH 1
#else
#define B_STEP(i) NT_ALONG_STEP(B, i)
#define B_COLUMN(i) NT_ALONG_PLACE(B)
#define B_PUT NT_GROUP_ALONG
#define B_WIDTH NT_B_WIDE
#endif

NT_KERNEL_GROUP(gemm_group)
(__global const float *a, int a_offset, __global const float *b, int b_offset, __global float *c,
    int c_offset, int m, int n, int k, int a_step, int b_step, int c_step, int a_batch, int b_batch,
    int c_batch, int splits NT_EPILOGUE_PARAMS)
{
    NT_GROUP_DECLARE;
    NT_GROUP_V(A) a_next[NT_GROUP_READS(A)];
    NT_GROUP_V(B) b_next[NT_GROUP_READS(B)];
    int piece = get_global_id(2), batch = piece / splits, split = piece % splits;
    int row0 = NT_GROUP_FIRST(1), column0 = NT_GROUP_FIRST(0);
    int begin = (int)((long)(k / 4) * split / splits) * 4;
    int depth = (split + 1 < splits ? (int)((long)(k / 4) * (split + 1) / splits) * 4 : k) - begin;
    int a_m = NT_A_COLUMNS ? 1 : a_step, a_along = NT_A_COLUMNS ? a_step : 1;
    int b_n = NT_B_COLUMNS ? b_step : 1, b_along = NT_B_COLUMNS ? 1 : b_step;
    a += a_offset + (size_t)batch * a_batch + (size_t)begin * a_along;
    b += b_offset + (size_t)batch * b_batch + (size_t)begin * b_along;
    /* Rows and columns beyond the last are read as the last: their results are not written. */
    int a_at[NT_GROUP_READS(A)], b_at[NT_GROUP_READS(B)];
    NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(A); i++)
        a_at[i] = min(row0 + A_ROW(i), m - A_ROWS) * a_m + A_STEP(i) * a_along;
    NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(B); i++)
        b_at[i] = min(column0 + B_COLUMN(i), n - B_WIDTH) * b_n + B_STEP(i) * b_along;
    for (int k0 = -NT_STEP; k0 < depth; k0 += NT_STEP) {
        int left = depth - k0 - NT_STEP;
        if (left >= NT_STEP) {
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(A); i++)
                a_next[i] = NT_GROUP_READ(A, a + a_at[i]);
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(B); i++)
                b_next[i] = NT_GROUP_READ(B, b + b_at[i]);
        } else if (left > 0) {
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(A); i++)
                a_next[i] = A_STEP(i) < left ? NT_GROUP_READ(A, a + a_at[i]) : NT_GROUP_ZERO(A);
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(B); i++)
                b_next[i] = B_STEP(i) < left ? NT_GROUP_READ(B, b + b_at[i]) : NT_GROUP_ZERO(B);
        }
        a += NT_STEP * a_along;
        b += NT_STEP * b_along;
        NT_GROUP_MULTIPLY(k0);
        if (left > 0) {
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(A); i++)
                A_PUT(A, a_quads, A_STEP(i), A_ROW(i), a_next[i]);
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(B); i++)
                B_PUT(B, b_quads, B_STEP(i), B_COLUMN(i), b_next[i]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    NT_GROUP_UNROLL for (int i = 0; i < NT_MINE; i++)
    {
        int row = row0 + NT_GROUP_ROW(i);
        NT_GROUP_UNROLL for (int j = 0; j < NT_MINE; j += NT_Y_WIDE)
        {
            int channel = column0 + NT_GROUP_COLUMN(j);
            if (row < m && channel < n) {
                int at = piece * c_batch + row * c_step + channel;
                NT_GROUP_V(Y) value = NT_GROUP_RESULT(i, j);
                NT_EPILOGUE_APPLY(value, at, channel);
                NT_GROUP_WRITE(c + c_offset + at, value);
            }
        }
    }
}
