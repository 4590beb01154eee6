/* SPDX-License-Identifier: MIT
 *
 * C = A B for CPU devices, any transposes and batches. A work-item takes a range of blocks of
 * rows x panels of NT_NR columns; for every depth steps of k it packs its panels of B one after
 * the other into its scratch slot, where they stay in the cache while the rows go by. A is read
 * where it lies, or packed too (pack_a: its row stride would use few cache sets; and when there
 * are fewer rows than the tile has).
 *
 * NT_MR, NT_NV, NT_VW: the register tile. NT_COLUMNS: 1 when A's rows are consecutive in memory
 * (a transposed matrix), 0 when its k are; a_step is the other stride.
 */
#include "prelude.clh"
#include "tile.clh"

/* Transposes 4 x 4 floats: to[k * NT_NR + j] = from[j * step + k]. */
static inline void NT_NAME(turn)(__global const float *from, int step, __global float *to)
{
    float4 r0 = vload4(0, from), r1 = vload4(0, from + step);
    float4 r2 = vload4(0, from + 2 * step), r3 = vload4(0, from + 3 * step);
    float4 a = (float4)(r0.lo, r1.lo), b = (float4)(r2.lo, r3.lo);
    float4 c = (float4)(r0.hi, r1.hi), d = (float4)(r2.hi, r3.hi);
    vstore4((float4)(a.even, b.even), 0, to);
    vstore4((float4)(a.odd, b.odd), 0, to + NT_NR);
    vstore4((float4)(c.even, d.even), 0, to + 2 * NT_NR);
    vstore4((float4)(c.odd, d.odd), 0, to + 3 * NT_NR);
}

/* Columns and depth rows of B as panels of NT_NR columns, panel_step apart; zeros fill the last. */
static void NT_NAME(pack_panels)(__global const float *b, int k_stride, int n_stride, int columns,
    int depth, __global float *to, int panel_step)
{
    if (n_stride == 1) {
        for (int k = 0; k < depth; k++)
            for (int p = 0; p < columns; p += NT_NR)
                for (int j = 0; j < NT_NV; j++)
                    NT_VSTORE(
                        NT_READ_PART(b + k * k_stride + p + j * NT_VW, columns - p - j * NT_VW),
                        to + p / NT_NR * panel_step + k * NT_NR + j * NT_VW);
        return;
    }
    int whole = columns / 4 * 4, deep = depth / 4 * 4;
    for (int j = 0; j < whole; j += 4) {
        __global float *panel = to + j / NT_NR * panel_step + j % NT_NR;
        NT_SLOWLY for (int k = 0; k < deep; k += 4) NT_NAME(turn)(b + j * n_stride + k, n_stride, panel + k * NT_NR);
        NT_SLOWLY for (int k = deep * 4; k < depth * 4; k++) panel[k / 4 * NT_NR + k % 4] =
            b[(j + k % 4) * n_stride + k / 4];
    }
    for (int j = whole; j < columns || j % NT_NR; j++)
        NT_SLOWLY for (int k = 0; k < depth; k++) to[j / NT_NR * panel_step + k * NT_NR + j % NT_NR] =
                j < columns ? b[j * n_stride + k] : 0.0f;
}

/* A tile of A, rows beyond `rows` zero; to[] is laid out as A is, `step` apart. */
static void NT_NAME(pack_rows)(
    __global const float *a, int a_step, int rows, int depth, __global float *to, int step)
{
#if NT_COLUMNS
    for (int k = 0; k < depth; k++)
        for (int i = 0; i < NT_MR; i += NT_VW)
            NT_WRITE_PART(NT_READ_PART(a + k * a_step + i, rows - i), to + k * step + i, NT_MR - i);
#else
    for (int i = 0; i < NT_MR; i++)
        for (int k = 0; k < depth; k += NT_VW)
            NT_VSTORE(i < rows ? NT_READ_PART(a + i * a_step + k, depth - k) : (NT_V)(0.0f),
                to + i * step + k);
#endif
}

/* The registers' way to memory: rows first .. rows-1 of a tile. */
#define NT_EPILOGUE_READ(p) NT_READ_PART(p, left)
static void NT_NAME(write_tile)(const NT_V *tile, __global float *c, int c_offset, int row,
    int c_step, int first, int rows, int column, int n, int add, int last NT_EPILOGUE_PARAMS)
{
    for (int j = 0; j < NT_NV; j++) {
        int channel = column + j * NT_VW, left = n - channel;
        if (left <= 0)
            break;
        for (int i = first; i < rows; i++) {
            int at = row + i * c_step + channel;
            NT_V value = tile[i * NT_NV + j];
            if (add)
                value += NT_READ_PART(c + c_offset + at, left);
            if (last)
                NT_EPILOGUE_APPLY(value, at, channel);
            NT_WRITE_PART(value, c + c_offset + at, left);
        }
    }
}

NT_OUTLINE void NT_NAME(gemm_blocks)(int item, int items,
    __global const float *a, int a_offset, __global const float *b, int b_offset, __global float *c,
    int c_offset, __global float *scratch, int m, int n, int k, int a_step, int b_k, int b_n,
    int c_step, int a_batch, int b_batch, int c_batch, int depth, int panels, int rows, int pack_a,
    int blocks, int slot NT_EPILOGUE_PARAMS)
{
    int across = (n + panels * NT_NR - 1) / (panels * NT_NR), down = (m + rows - 1) / rows;
    int packed_step = NT_COLUMNS ? (NT_MR + 15) / 16 * 16 : depth + 16;
    __global float *b_packed = scratch + (size_t)item * slot;
    __global float *a_packed = b_packed + (size_t)panels * depth * NT_NR;
    NT_V tile[NT_MR * NT_NV];
    int end = (int)((long)blocks * (item + 1) / items);
    for (int block = (int)((long)blocks * item / items); block < end; block++) {
        int n0 = block % across * (panels * NT_NR), m0 = block / across % down * rows;
        int batch = block / across / down;
        int n1 = min(n, n0 + panels * NT_NR), m1 = min(m, m0 + rows);
        __global const float *a_start = a + a_offset + (size_t)batch * a_batch;
        __global const float *b_start = b + b_offset + (size_t)batch * b_batch;
        for (int k0 = 0; k0 == 0 || k0 < k; k0 += depth) {
            int steps = min(depth, k - k0), last = k0 + depth >= k;
            NT_NAME(pack_panels)(b_start + (size_t)k0 * b_k + (size_t)n0 * b_n, b_k, b_n, n1 - n0,
                steps, b_packed, depth * NT_NR);
            for (int row = m0; row < m1; row += NT_MR) {
                int start = min(row, max(m - NT_MR, 0)), first = row - start;
                int count = min(NT_MR, m1 - start), step = a_step;
                __global const float *from = a_start + (NT_COLUMNS ? start + (size_t)k0 * a_step
                                                                   : (size_t)start * a_step + k0);
                if (pack_a || m < NT_MR) {
                    NT_NAME(pack_rows)(from, a_step, min(NT_MR, m), steps, a_packed, packed_step);
                    from = a_packed;
                    step = packed_step;
                }
                for (int p = n0; p < n1; p += NT_NR) {
                    int at = batch * c_batch + start * c_step;
                    NT_V acc[NT_MR][NT_NV];
                    NT_TILE_ZERO(acc);
                    for (int i = first; i < count; i++)
                        for (int j = 0; j < NT_NR; j += 16)
                            NT_PREFETCH(c + c_offset + at + i * c_step + p + j);
                    __global const float *panel = b_packed + (size_t)(p - n0) * depth;
#if NT_COLUMNS
                    NT_TILE_COLUMNS(acc, from, step, panel, NT_NR, steps);
#else
                    NT_TILE_ROWS(acc, from, step, panel, NT_NR, steps);
#endif
                    NT_TILE_STORE(acc, tile);
                    NT_NAME(write_tile)(tile, c, c_offset, at, c_step, first, count, p, n,
                        k0 > 0, last NT_EPILOGUE_PASS);
                }
            }
        }
    }
}

NT_KERNEL_SINGLE(gemm_tile)
(__global const float *a, int a_offset, __global const float *b, int b_offset, __global float *c,
    int c_offset, __global float *scratch, int m, int n, int k, int a_step, int b_k, int b_n,
    int c_step, int a_batch, int b_batch, int c_batch, int depth, int panels, int rows, int pack_a,
    int blocks, int slot NT_EPILOGUE_PARAMS)
{
    NT_NAME(gemm_blocks)(get_global_id(0), get_global_size(0), a, a_offset, b, b_offset, c,
        c_offset, scratch, m, n, k, a_step, b_k, b_n, c_step, a_batch, b_batch, c_batch, depth,
        panels, rows, pack_a, blocks, slot NT_EPILOGUE_PASS);
}
