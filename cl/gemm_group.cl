/* SPDX-License-Identifier: MIT
 *
 * C = A B for GPUs, any transposes and batches: a work-group computes NT_SPAN x NT_SPAN elements
 * (group.clh) of one batch, over one of `splits` parts of k; with several, C is that of the first
 * part, and c_batch is what the next ones lie apart. a_columns, b_columns: stride 1 lies in the
 * first of the operand's two dimensions; neighbouring work-items read along it.
 * Grid: columns, rows, batches x splits.
 */
#include "prelude.clh"
#include "group.clh"

#define NT_EPILOGUE_READ(p) (*(p))

NT_KERNEL_GROUP(gemm_group)
(__global const float *a, int a_offset, __global const float *b, int b_offset, __global float *c,
    int c_offset, int m, int n, int k, int a_step, int a_columns, int b_step, int b_columns,
    int c_step, int a_batch, int b_batch, int c_batch, int splits NT_EPILOGUE_PARAMS)
{
    NT_GROUP_DECLARE;
    float a_next[NT_GROUP_EACH], b_next[NT_GROUP_EACH];
    int item = NT_GROUP_ITEM, piece = get_global_id(2), batch = piece / splits;
    int split = piece % splits;
    /* The first elements that the work-item reads, in the tile, and how far the others are. */
    int a_row = a_columns ? item % NT_SPAN : item / NT_STEP;
    int a_k = a_columns ? item / NT_SPAN : item % NT_STEP;
    int a_rows = a_columns ? 0 : NT_GROUP_ITEMS / NT_STEP;
    int a_ks = a_columns ? NT_GROUP_ITEMS / NT_SPAN : 0;
    int b_column = b_columns ? item / NT_STEP : item % NT_SPAN;
    int b_k = b_columns ? item % NT_STEP : item / NT_SPAN;
    int b_all = b_columns ? NT_GROUP_ITEMS / NT_STEP : 0;
    int b_ks = b_columns ? 0 : NT_GROUP_ITEMS / NT_SPAN;
    int row0 = NT_GROUP_FIRST(1), column0 = NT_GROUP_FIRST(0);
    int begin = (int)((long)k * split / splits), end = (int)((long)k * (split + 1) / splits);
    int a_m = a_columns ? 1 : a_step, a_along = a_columns ? a_step : 1;
    int b_n = b_columns ? b_step : 1, b_along = b_columns ? 1 : b_step;
    a += a_offset + (size_t)batch * a_batch + (size_t)begin * a_along;
    b += b_offset + (size_t)batch * b_batch + (size_t)begin * b_along;
    /* Rows and columns beyond the last are read as the last: their results are not written. */
    int a_at[NT_GROUP_EACH], b_at[NT_GROUP_EACH], depth = end - begin;
    NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_EACH; i++)
    {
        a_at[i] = min(row0 + a_row + i * a_rows, m - 1) * a_m + (a_k + i * a_ks) * a_along;
        b_at[i] = min(column0 + b_column + i * b_all, n - 1) * b_n + (b_k + i * b_ks) * b_along;
    }
    for (int k0 = -NT_STEP; k0 < depth; k0 += NT_STEP) {
        int left = depth - k0 - NT_STEP;
        if (left >= NT_STEP) {
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_EACH; i++)
            {
                a_next[i] = a[a_at[i]];
                b_next[i] = b[b_at[i]];
            }
        } else if (left > 0) {
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_EACH; i++)
            {
                a_next[i] = a_k + i * a_ks < left ? a[a_at[i]] : 0.0f;
                b_next[i] = b_k + i * b_ks < left ? b[b_at[i]] : 0.0f;
            }
        }
        a += NT_STEP * a_along;
        b += NT_STEP * b_along;
        NT_GROUP_MULTIPLY(k0);
        if (left > 0)
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_EACH; i++)
            {
                NT_GROUP_A(a_k + i * a_ks, a_row + i * a_rows) = a_next[i];
                NT_GROUP_B(b_k + i * b_ks, b_column + i * b_all) = b_next[i];
            }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    NT_GROUP_UNROLL for (int i = 0; i < NT_MINE; i++)
    {
        int row = row0 + NT_GROUP_ROW(i);
        NT_GROUP_UNROLL for (int j = 0; j < NT_MINE; j++)
        {
            int channel = column0 + NT_GROUP_COLUMN(j);
            if (row < m && channel < n) {
                int at = piece * c_batch + row * c_step + channel;
                float value = NT_GROUP_RESULT(i, j);
                NT_EPILOGUE_APPLY(value, at, channel);
                c[c_offset + at] = value;
            }
        }
    }
}
