/* SPDX-License-Identifier: MIT
 *
 * C = A B with few rows for CPU devices, any transposes and batches: B is read once, in order, and
 * nothing of it is packed but its edges. A piece of it stays in registers while all rows take it.
 * A work-item takes a range of blocks of `range` columns. In its scratch slot it keeps their sums,
 * element (i, j) at (j / NT_VW * m + i) * NT_VW + j % NT_VW; then an edge of B and what it packs of
 * A.
 *
 * NT_VW: floats of a vector. NT_COLUMNS: 1 when B's columns are consecutive in memory (a transposed
 * matrix): dot products with four of them, `depth` steps of k after another, so that A stays in the
 * caches. 0 when its rows are: eight of them are added up at a time. NT_FETCH: whether the next
 * columns are fetched; one or two rows pass so fast that the processor does it better.
 */
#include "prelude.clh"
#include "tile.clh"

#define NT_EPILOGUE_READ(p) NT_READ_PART(p, left)

#if NT_COLUMNS
/* Half of the registers hold B. */
#define LONG (NT_VW == 16 ? 4 : 2)
#define STEPS (LONG * NT_VW)

#if NT_VW == 16
#define SUM_TO_4(v) ((v).lo.lo + (v).lo.hi + ((v).hi.lo + (v).hi.hi))
#elif NT_VW == 8
#define SUM_TO_4(v) ((v).lo + (v).hi)
#else
#define SUM_TO_4(v) (v)
#endif

/* to[k / STEPS * STEPS * m + i * STEPS + k % STEPS] = A(i, k), with zeros from depth on. */
static void NT_NAME(pack)(
    __global const float *a, int a_step, int a_k, int m, int depth, __global float *to)
{
    for (int k = 0; k < depth; k += STEPS)
        for (int i = 0; i < m; i++)
            for (int s = k; s < k + STEPS; s += NT_VW, to += NT_VW)
                if (a_k == 1)
                    NT_VSTORE(NT_READ_PART(a + i * a_step + s, depth - s), to);
                else
                    NT_SLOWLY for (int e = 0; e < NT_VW; e++) to[e] =
                        s + e < depth ? a[i * a_step + (s + e) * a_k] : 0.0f;
}

/* Adds the products of a packed A and columns of B to the sums. ahead: floats from a vector of a
 * column to the one that is fetched. dots: 4 * m vectors. */
static void NT_NAME(add)(__global const float *a, __global const float *b, int b_step, int m,
    int columns, int depth, long ahead, __global float *sums, __global float *edge,
    __global float *dots)
{
    for (int j = 0; j < columns; j += 4) {
        __global const float *from[4], *next = a;
        NT_UNROLL for (int c = 0; c < 4; c++) from[c] = b + min(j + c, columns - 1) * b_step;
        for (int i = 0; i < 4 * m; i++)
            NT_VSTORE((NT_V)(0.0f), dots + i * NT_VW);
        for (int k = 0; k < depth; k += STEPS) {
            if (k + STEPS > depth)
                NT_UNROLL for (int c = 0; c < 4; c++)
                {
                    for (int s = 0; s < STEPS; s += NT_VW)
                        NT_VSTORE(NT_READ_PART(from[c] + s, depth - k - s), edge + c * STEPS + s);
                    from[c] = edge + c * STEPS;
                }
            NT_V piece[4][LONG];
            NT_UNROLL for (int c = 0; c < 4; c++)
            {
                NT_UNROLL for (int s = 0; s < LONG; s++) piece[c][s] =
                    NT_VLOAD(from[c] + s * NT_VW);
                from[c] += STEPS;
            }
            __global float *to = dots;
            for (int i = 0; i < m; i++, next += STEPS, to += 4 * NT_VW) {
                NT_V row[LONG];
                NT_UNROLL for (int s = 0; s < LONG; s++) row[s] = NT_VLOAD(next + s * NT_VW);
                /* The rows take turns in fetching. */
                long part = ahead - STEPS + i % LONG * NT_VW;
                NT_UNROLL for (int c = 0; c < 4; c++)
                {
                    if (NT_FETCH)
                        NT_PREFETCH(from[c] + part);
                    NT_V sum = NT_VLOAD(to + c * NT_VW);
                    NT_UNROLL for (int s = 0; s < LONG; s++) sum += row[s] * piece[c][s];
                    NT_VSTORE(sum, to + c * NT_VW);
                }
            }
        }
        for (int i = 0; i < m; i++) {
            float4 part[4];
            NT_UNROLL for (int c = 0; c < 4; c++)
            {
                NT_V sum = NT_VLOAD(dots + (4 * i + c) * NT_VW);
                part[c] = SUM_TO_4(sum);
            }
            NT_TURN4(part);
            __global float *to = sums + (j / NT_VW * m + i) * NT_VW + j % NT_VW;
            NT_PUT(NT_GET(float, 4, to) + (part[0] + part[1] + (part[2] + part[3])), float, 4, to);
        }
    }
}
#else
#define STEPS 8

/* Adds the products of A and columns of B to the sums. few: STEPS * m floats. */
static void NT_NAME(add)(__global const float *a, int a_step, int a_k, __global const float *b,
    int b_step, int m, int columns, int depth, __global float *sums, __global float *edge,
    __global float *few)
{
    for (int k = 0; k < depth; k += STEPS, b += STEPS * (long)b_step) {
        int rows = min(STEPS, depth - k);
        for (int i = 0; i < m; i++)
            NT_UNROLL for (int s = 0; s < STEPS; s++) few[i * STEPS + s] =
                s < rows ? a[i * a_step + (k + s) * a_k] : 0.0f;
        __global float *to = sums;
        for (int j = 0; j < columns; j += NT_VW) {
            __global const float *from = b + j;
            long step = b_step;
            if (rows < STEPS || j + NT_VW > columns) {
                for (int s = 0; s < STEPS; s++, from += step)
                    NT_VSTORE(s < rows ? NT_READ_PART(from, columns - j) : (NT_V)(0.0f),
                        edge + s * NT_VW);
                from = edge;
                step = NT_VW;
            }
            NT_V piece[STEPS];
            NT_UNROLL for (int s = 0; s < STEPS; s++)
            {
                piece[s] = NT_VLOAD(from + s * step);
                NT_PREFETCH(from + (s + STEPS) * step);
            }
            for (int i = 0; i < m; i++, to += NT_VW) {
                NT_V sum = NT_VLOAD(to);
                NT_UNROLL for (int s = 0; s < STEPS; s++) sum += few[i * STEPS + s] * piece[s];
                NT_VSTORE(sum, to);
            }
        }
    }
}
#endif

NT_OUTLINE void NT_NAME(few_blocks)(int item, int items, __global const float *a, int a_offset,
    __global const float *b, int b_offset, __global float *c, int c_offset, __global float *scratch,
    int m, int n, int k, int a_step, int a_k, int b_step, int c_step, int a_batch, int b_batch,
    int c_batch, int depth, int range, int blocks, int slot NT_EPILOGUE_PARAMS)
{
    int across = (n + range - 1) / range;
    __global float *sums = scratch + (size_t)item * slot;
    __global float *edge = sums + m * range, *few = edge + 256;
    int end = (int)((long)blocks * (item + 1) / items);
    for (int block = (int)((long)blocks * item / items); block < end; block++) {
        int batch = block / across, n0 = block % across * range, columns = min(range, n - n0);
        __global const float *a_start = a + a_offset + (size_t)batch * a_batch;
        __global const float *b_start = b + b_offset + (size_t)batch * b_batch;
        for (int i = 0; i < m * range; i += NT_VW)
            NT_VSTORE((NT_V)(0.0f), sums + i);
#if NT_COLUMNS
        __global float *packed = few + 4 * m * NT_VW;
        b_start += (size_t)n0 * b_step;
        for (int k0 = 0; k0 < k; k0 += depth) {
            int steps = min(depth, k - k0);
            NT_NAME(pack)(a_start + (size_t)k0 * a_k, a_step, a_k, m, steps, packed);
            NT_NAME(add)
            (packed, b_start + k0, b_step, m, columns, steps, depth < k ? 4 * (long)b_step : 0,
                sums, edge, few);
        }
#else
        NT_NAME(add)(a_start, a_step, a_k, b_start + n0, b_step, m, columns, k, sums, edge, few);
#endif
        for (int i = 0; i < m; i++)
            for (int j = 0; j < columns; j += NT_VW) {
                int channel = n0 + j, left = n - channel,
                    at = batch * c_batch + i * c_step + channel;
                NT_V value = NT_VLOAD(sums + j * m + i * NT_VW);
                NT_EPILOGUE_APPLY(value, at, channel);
                NT_WRITE_PART(value, c + c_offset + at, left);
            }
    }
}

NT_KERNEL_SINGLE(gemm_few)
(__global const float *a, int a_offset, __global const float *b, int b_offset, __global float *c,
    int c_offset, __global float *scratch, int m, int n, int k, int a_step, int a_k, int b_step,
    int c_step, int a_batch, int b_batch, int c_batch, int depth, int range, int blocks,
    int slot NT_EPILOGUE_PARAMS)
{
    NT_NAME(few_blocks)
    (get_global_id(0), get_global_size(0), a, a_offset, b, b_offset, c, c_offset, scratch, m, n, k,
        a_step, a_k, b_step, c_step, a_batch, b_batch, c_batch, depth, range, blocks,
        slot NT_EPILOGUE_PASS);
}
#undef LONG
#undef STEPS
#undef SUM_TO_4
