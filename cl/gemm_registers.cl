/* SPDX-License-Identifier: MIT
 *
 * C = A B for GPUs without local memory (registers.clh), any transposes and batches. NT_A_COLUMNS,
 * NT_B_COLUMNS: 1 where stride 1 lies in the first of the operand's two dimensions; a work-item has
 * one column then if it is B's. Grid: columns, rows, batch.
 */
#include "prelude.clh"
#include "registers.clh"

#define NT_EPILOGUE_READ(p) (*(p))

#if NT_A_COLUMNS
#define A(i, s) a[(s)*a_step + (i)]
#define A4(i, s) (float4)(A(i, s), A(i, (s) + 1), A(i, (s) + 2), A(i, (s) + 3))
#define A_ROW 1
#else
#define A(i, s) a[(i)*a_step + (s)]
#define A4(i, s) NT_GET(float, 4, a + (i)*a_step + (s))
#define A_ROW a_step
#endif

#if NT_B_COLUMNS
#define B(s) b[s]
#define B4(to, s)                                                                                  \
    do {                                                                                           \
        float4 four_ = NT_GET(float, 4, b + (s));                                                  \
        to[0] = four_.x, to[1] = four_.y, to[2] = four_.z, to[3] = four_.w;                        \
    } while (0)
#define B_COLUMN b_step
#else
#define B(s) NT_VLOAD(b + (s)*b_step)
#define B4(to, s)                                                                                  \
    do {                                                                                           \
        __global const float *from_ = b + (s)*b_step;                                              \
        NT_UNROLL for (int j_ = 0; j_ < 4; j_++) to[j_] = NT_VLOAD(from_ + j_ * b_step);           \
    } while (0)
#define B_COLUMN 1
#endif

NT_KERNEL_REGISTERS(gemm_registers)
(__global const float *a, int a_offset, __global const float *b, int b_offset, __global float *c,
    int c_offset, int m, int n, int k, int a_step, int b_step, int c_step, int a_batch, int b_batch,
    int c_batch NT_EPILOGUE_PARAMS)
{
    int batch = NT_REGISTERS_PLACE(2), row = NT_REGISTERS_PLACE(1) * NT_MR;
    int column = (int)get_global_id(0) * NT_VW;
    int row0 = min(row, m - NT_MR), column0 = min(column, n - NT_VW);
    a += a_offset + (size_t)batch * a_batch + row0 * A_ROW;
    b += b_offset + (size_t)batch * b_batch + column0 * B_COLUMN;
    NT_REGISTERS_DECLARE;
    NT_REGISTERS_ADD(k, A, A4, B, B4);
    NT_UNROLL for (int i = 0; i < NT_MR; i++)
    {
        int at = batch * c_batch + (row0 + i) * c_step + column0;
        if (row0 + i >= row)
            NT_REGISTERS_WRITE(i, c, c_offset, at, column0, column);
    }
}
