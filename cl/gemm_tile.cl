/* SPDX-License-Identifier: MIT
 *
 * C = A B for CPU devices, any transposes and batches. A work-item takes a range of blocks of
 * rows x panels of NT_NR columns. For every depth steps of k the block's panels of B stay in the
 * cache while the rows go by; gemm_pack has packed them all (shared 1 or 2), or the work-item
 * packs them into its scratch slot. A is read where it lies, or packed too: by gemm_pack when it is
 * transposed (shared 2), by the work-item where pack_a says so (1: its row stride would use few
 * cache sets; 2: it is transposed, and is turned) and when there are fewer rows than the tile has.
 *
 * NT_MR, NT_NV, NT_VW: the register tile. NT_COLUMNS: 1 when A's rows are consecutive in memory
 * (a transposed matrix), 0 when its k are, or will be once they are turned; a_step is the other
 * stride.
 */
#include "prelude.clh"
#include "tile.clh"
#include "panels.clh"

NT_DEFINE_PANELS

/* A tile of A, rows beyond `rows` zero; to[] is laid out as the register tile reads it, `step`
 * apart. */
static void NT_NAME(pack_rows)(__global const float *a, int a_step, int turned, int rows,
    int depth, __global float *to, int step)
{
#if NT_COLUMNS
    for (int k = 0; k < depth; k++)
        for (int i = 0; i < NT_MR; i += NT_VW)
            NT_WRITE_PART(NT_READ_PART(a + k * a_step + i, rows - i), to + k * step + i, NT_MR - i);
#else
    /* Four by four, the last rows once more where four do not divide them. */
    int done = turned && rows == NT_MR ? depth / 4 * 4 : 0;
    for (int k = 0; k < done; k += 4)
        for (int i = 0; i < NT_MR; i += 4) {
            int row = min(i, NT_MR - 4);
            nt_turn4(a + k * a_step + row, a_step, to + row * step + k, step);
        }
    for (int k = done; turned && k < depth; k++)
        NT_SLOWLY for (int i = 0; i < NT_MR; i++) to[i * step + k] =
            i < rows ? a[k * a_step + i] : 0.0f;
    for (int i = 0; !turned && i < NT_MR; i++)
        for (int k = 0; k < depth; k += NT_VW)
            NT_VSTORE(i < rows ? NT_READ_PART(a + i * a_step + k, depth - k) : (NT_V)(0.0f),
                to + i * step + k);
#endif
}

/* A whole tile without an epilogue. */
#define ADD_AND_STORE(acc, c, c_step, add)                                                         \
    do {                                                                                           \
        if (add)                                                                                   \
            NT_UNROLL for (int i_ = 0; i_ < NT_MR; i_++)                                           \
            {                                                                                      \
                NT_UNROLL for (int j_ = 0; j_ < NT_NV; j_++)                                       \
                    acc[i_][j_] += NT_VLOAD(c + i_ * c_step + j_ * NT_VW);                         \
            }                                                                                      \
        NT_UNROLL for (int i_ = 0; i_ < NT_MR; i_++)                                               \
        {                                                                                          \
            NT_UNROLL for (int j_ = 0; j_ < NT_NV; j_++)                                           \
                NT_VSTORE(acc[i_][j_], c + i_ * c_step + j_ * NT_VW);                              \
        }                                                                                          \
    } while (0)

#define NT_EPILOGUE_READ(p) NT_READ_PART(p, left)

/* A whole tile's way from the registers to memory: no masks. */
static void NT_NAME(write_whole)(const NT_V *tile, __global float *c, int c_offset, int at,
    int c_step, int column, int add, int last NT_EPILOGUE_PARAMS)
{
    const int left = NT_VW;
    for (int i = 0; i < NT_MR; i++, at += c_step, tile += NT_NV)
        NT_UNROLL for (int j = 0; j < NT_NV; j++)
        {
            int to = at + column + j * NT_VW;
            NT_V value = tile[j];
            if (add)
                value += NT_VLOAD(c + c_offset + to);
            if (last)
                NT_EPILOGUE_APPLY(value, to, column + j * NT_VW);
            NT_VSTORE(value, c + c_offset + to);
        }
}

/* The same for rows first .. rows-1 of a tile. */
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

NT_OUTLINE void NT_NAME(gemm_blocks)(int item, int items, __global const float *a, int a_offset,
    __global const float *b, int b_offset, __global float *c, int c_offset, __global float *scratch,
    __global const float *packed, __global const float *strips, int m, int n, int k, int a_step,
    int b_k, int b_n, int c_step, int a_batch, int b_batch, int c_batch, int depth, int panels,
    int rows, int pack_a, int shared, int blocks, int slot NT_EPILOGUE_PARAMS)
{
    int all = (n + NT_NR - 1) / NT_NR, across = (all + panels - 1) / panels;
    int down = (m + rows - 1) / rows, deep = (k + depth - 1) / depth;
    int all_strips = (m + NT_MR - 1) / NT_MR;
    int packed_step = NT_COLUMNS ? (NT_MR + 15) / 16 * 16 : depth + 16;
    __global float *b_packed = scratch + (size_t)item * slot;
    __global float *a_packed = b_packed + (shared ? 0 : (size_t)panels * depth * NT_NR);
    NT_V tile[NT_MR * NT_NV];
    int end = (int)((long)blocks * (item + 1) / items);
    for (int block = (int)((long)blocks * item / items); block < end; block++) {
        int m0 = block % down * rows, n0 = block / down % across * (panels * NT_NR);
        int batch = block / down / across;
        int n1 = min(n, n0 + panels * NT_NR), m1 = min(m, m0 + rows);
        __global const float *a_start = a + a_offset + (size_t)batch * a_batch;
        __global const float *b_start = b + b_offset + (size_t)batch * b_batch;
        for (int k0 = 0; k0 == 0 || k0 < k; k0 += depth) {
            int steps = min(depth, k - k0), last = k0 + depth >= k;
            __global const float *b_panels = b_packed;
            if (shared)
                b_panels = packed + ((size_t)(batch * deep + k0 / depth) * all + n0 / NT_NR) *
                                        (depth * NT_NR);
            else
                NT_NAME(pack_panels)(b_start + (size_t)k0 * b_k + (size_t)n0 * b_n, b_k, b_n,
                    n1 - n0, steps, b_packed, depth * NT_NR);
            for (int row = m0; row < m1; row += NT_MR) {
                bool packed_a = NT_COLUMNS && shared > 1;
                int start = packed_a ? row : min(row, max(m - NT_MR, 0)), first = row - start;
                int count = min(NT_MR, m1 - start), step = a_step;
                bool turned = !NT_COLUMNS && pack_a == 2;
                __global const float *from =
                    a_start + (NT_COLUMNS || turned ? start + (size_t)k0 * a_step
                                                    : (size_t)start * a_step + k0);
                __global const float *next = from + (size_t)NT_MR * a_step;
                if (packed_a) {
                    size_t strip = (size_t)(batch * deep + k0 / depth) * all_strips + row / NT_MR;
                    from = strips + strip * (depth * packed_step);
                    step = packed_step;
                } else if (pack_a || m < NT_MR) {
                    NT_NAME(pack_rows)(
                        from, a_step, turned, min(NT_MR, m), steps, a_packed, packed_step);
                    from = a_packed;
                    step = packed_step;
                }
                /* The next rows lie too far apart for the processor to fetch them by itself. */
                int fetched = NT_COLUMNS || turned || row + NT_MR >= m1 ? NT_MR : 0;
                for (int p = n0; p < n1; p += NT_NR) {
                    int at = batch * c_batch + start * c_step;
                    int until = min(NT_MR, (p - n0 + NT_NR) * NT_MR / (n1 - n0));
                    for (; fetched < until; fetched++)
                        for (int i = 0; i < steps; i += 16)
                            NT_PREFETCH_FAR(next + (size_t)fetched * a_step + i);
                    bool whole = first == 0 && count == NT_MR && p + NT_NR <= n;
                    NT_V acc[NT_MR][NT_NV];
                    NT_TILE_ZERO(acc);
                    NT_UNROLL for (int i = 0; i < NT_MR; i++)
                        for (int j = 0; j < NT_NR; j += 16) {
                            int to = at + i * c_step + p + j;
                            NT_PREFETCH(c + c_offset + to);
                            if (last)
                                NT_EPILOGUE_FETCH(to);
                        }
                    __global const float *panel = b_panels + (size_t)(p - n0) * depth;
#if NT_COLUMNS
                    NT_TILE_COLUMNS(acc, from, step, panel, NT_NR, steps);
#else
                    NT_TILE_ROWS(acc, from, step, panel, NT_NR, steps);
#endif
                    if (whole && (!last || NT_EPILOGUE_NONE)) {
                        __global float *to = c + c_offset + at + p;
                        ADD_AND_STORE(acc, to, c_step, k0 > 0);
                        continue;
                    }
                    NT_TILE_STORE(acc, tile);
                    if (whole)
                        NT_NAME(write_whole)(
                            tile, c, c_offset, at, c_step, p, k0 > 0, last NT_EPILOGUE_PASS);
                    else
                        NT_NAME(write_tile)(tile, c, c_offset, at, c_step, first, count, p, n,
                            k0 > 0, last NT_EPILOGUE_PASS);
                }
            }
        }
    }
}

NT_KERNEL_SINGLE(gemm_tile)
(__global const float *a, int a_offset, __global const float *b, int b_offset, __global float *c,
    int c_offset, __global float *scratch, __global const float *packed,
    __global const float *strips, int m, int n, int k, int a_step, int b_k, int b_n, int c_step,
    int a_batch, int b_batch, int c_batch, int depth, int panels, int rows, int pack_a, int shared,
    int blocks, int slot NT_EPILOGUE_PARAMS)
{
    NT_NAME(gemm_blocks)(get_global_id(0), get_global_size(0), a, a_offset, b, b_offset, c,
        c_offset, scratch, packed, strips, m, n, k, a_step, b_k, b_n, c_step, a_batch, b_batch,
        c_batch, depth, panels, rows, pack_a, shared, blocks, slot NT_EPILOGUE_PASS);
}
#undef ADD_AND_STORE
