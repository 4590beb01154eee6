/* SPDX-License-Identifier: MIT
 *
 * C = A B for GPUs, any transposes and batches: a work-group computes NT_SPAN x NT_SPAN elements
 * (group.clh). a_columns, b_columns: stride 1 lies in the first of the operand's two dimensions;
 * neighbouring work-items read along it. Grid: columns, rows, batch.
 */
#include "prelude.clh"
#include "group.clh"

#define NT_EPILOGUE_READ(p) (*(p))

NT_KERNEL_GROUP(gemm_group)
(__global const float *a, int a_offset, __global const float *b, int b_offset, __global float *c,
    int c_offset, int m, int n, int k, int a_step, int a_columns, int b_step, int b_columns,
    int c_step, int a_batch, int b_batch, int c_batch NT_EPILOGUE_PARAMS)
{
    NT_GROUP_DECLARE;
    int row0 = NT_GROUP_FIRST(1), column0 = NT_GROUP_FIRST(0);
    int item = NT_GROUP_ITEM, batch = get_global_id(2);
    a += a_offset + (size_t)batch * a_batch;
    b += b_offset + (size_t)batch * b_batch;
    for (int k0 = 0; k0 < k; k0 += NT_STEP) {
        for (int i = 0; i < NT_GROUP_EACH; i++) {
            int e = item + i * NT_GROUP_ITEMS;
            int row = a_columns ? e % NT_SPAN : e / NT_STEP;
            int step = a_columns ? e / NT_SPAN : e % NT_STEP;
            int at = a_columns ? (k0 + step) * a_step + row0 + row
                               : (row0 + row) * a_step + k0 + step;
            a_tile[step][row] = row0 + row < m && k0 + step < k ? a[at] : 0.0f;
        }
        for (int i = 0; i < NT_GROUP_EACH; i++) {
            int e = item + i * NT_GROUP_ITEMS;
            int column = b_columns ? e / NT_STEP : e % NT_SPAN;
            int step = b_columns ? e % NT_STEP : e / NT_SPAN;
            int at = b_columns ? (column0 + column) * b_step + k0 + step
                               : (k0 + step) * b_step + column0 + column;
            b_tile[step][column] = column0 + column < n && k0 + step < k ? b[at] : 0.0f;
        }
        NT_GROUP_MULTIPLY;
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            int row = row0 + NT_GROUP_ROW + i, channel = column0 + NT_GROUP_COLUMN + j;
            if (row < m && channel < n) {
                int at = batch * c_batch + row * c_step + channel;
                float value = NT_GROUP_RESULT(i, j);
                NT_EPILOGUE_APPLY(value, at, channel);
                c[c_offset + at] = value;
            }
        }
}
