/* SPDX-License-Identifier: MIT
 *
 * Greedy non-maximum suppression, row by row (an image, or a class of one): again and again the
 * best box that is left is taken, and those that overlap it too much are dropped.
 *
 * boxes: x1, y1, x2, y2 of box p at p b_p, its coordinates b_c apart. left: scratch of P floats a
 * row: the score of a box, or NaN when it is out. A row is a work-item (_tile) or a work-group of
 * NT_LOCAL (_group); each lane looks after the boxes lane, lane + lanes, ...
 *
 * NT_TILE: 1 _tile, 0 _group.
 */
#include "prelude.clh"

#ifndef NT_TILE
#define NT_TILE 0
#endif

static inline float4 NT_NAME(box)(__global const float *boxes, int at, int b_c)
{
    return (float4)(boxes[at], boxes[at + b_c], boxes[at + 2 * b_c], boxes[at + 3 * b_c]);
}

static inline float NT_NAME(area)(float4 a)
{
    return fmax(a.z - a.x, 0.0f) * fmax(a.w - a.y, 0.0f);
}

static inline int NT_NAME(overlap)(float4 a, float4 b, float iou)
{
    const float w = fmax(fmin(a.z, b.z) - fmax(a.x, b.x), 0.0f);
    const float h = fmax(fmin(a.w, b.w) - fmax(a.y, b.y), 0.0f);
    return w * h > iou * (NT_NAME(area)(a) + NT_NAME(area)(b) - w * h);
}

/* Drops this lane's boxes that overlap the last one taken (-1: none yet); the best one left, or
 * -1. Ties go to the lower index. */
static inline int NT_NAME(next)(__global const float *boxes, __global float *left, int lane,
    int lanes, int P, int b_p, int b_c, int last, float iou)
{
    int best = -1;
    float most = 0.0f;
    float4 taken = (float4)(0.0f);
    if (last >= 0)
        taken = NT_NAME(box)(boxes, last * b_p, b_c);
    NT_SLOWLY for (int p = lane; p < P; p += lanes)
    {
        const float score = left[p];
        if (isnan(score))
            continue;
        if (p == last ||
            (last >= 0 && NT_NAME(overlap)(taken, NT_NAME(box)(boxes, p * b_p, b_c), iou))) {
            left[p] = NAN;
        } else if (best < 0 || score > most) {
            best = p;
            most = score;
        }
    }
    return best;
}

#if NT_TILE

NT_OUTLINE void NT_NAME(row)(__global const float *boxes, __global const float *scores,
    __global int *index, __global float *left, int b_p, int b_c, int s_p, int i_k, int P, int K,
    float iou, float least)
{
    int last = -1;
    for (int p = 0; p < P; p++)
        left[p] = scores[p * s_p] >= least ? scores[p * s_p] : NAN;
    for (int k = 0; k < K; k++) {
        if (last >= 0 || k == 0)
            last = NT_NAME(next)(boxes, left, 0, 1, P, b_p, b_c, last, iou);
        index[k * i_k] = last;
    }
}

NT_KERNEL_SINGLE(nms_tile)
(__global const float *boxes, int b_offset, __global const float *scores, int s_offset,
    __global int *index, int i_offset, __global float *left, int b_n, int b_p, int b_c, int s_n,
    int s_p, int i_n, int i_k, int P, int K, float iou, float least)
{
    const int n = (int)get_group_id(0);
    NT_NAME(row)(boxes + b_offset + n * b_n, scores + s_offset + n * s_n,
        index + i_offset + n * i_n, left + n * P, b_p, b_c, s_p, i_k, P, K, iou, least);
}

#else

NT_KERNEL_LINE(nms_group)
(__global const float *boxes, int b_offset, __global const float *scores, int s_offset,
    __global int *index, int i_offset, __global float *left, int b_n, int b_p, int b_c, int s_n,
    int s_p, int i_n, int i_k, int P, int K, float iou, float least)
{
    __local float score[NT_LOCAL];
    __local int at[NT_LOCAL];
    const int n = NT_GROUP_PLACE(NT_LOCAL), lane = (int)get_local_id(0);
    int last = -1;
    boxes += b_offset + n * b_n;
    scores += s_offset + n * s_n;
    index += i_offset + n * i_n;
    left += n * P;
    for (int p = lane; p < P; p += NT_LOCAL)
        left[p] = scores[p * s_p] >= least ? scores[p * s_p] : NAN;
    int k = 0;
    do { /* one way out: PoCL 3.1 miscompiles a return between barriers */
        const int best = NT_NAME(next)(boxes, left, lane, NT_LOCAL, P, b_p, b_c, last, iou);
        at[lane] = best;
        score[lane] = best < 0 ? 0.0f : left[best];
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int half_way = NT_LOCAL / 2; half_way > 0; half_way /= 2) {
            const int other = lane + half_way;
            if (lane < half_way && at[other] >= 0 &&
                (at[lane] < 0 || score[other] > score[lane] ||
                    (score[other] == score[lane] && at[other] < at[lane]))) {
                at[lane] = at[other];
                score[lane] = score[other];
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        last = at[0];
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane == 0)
            index[k * i_k] = last;
        k++;
    } while (k < K && last >= 0);
    for (k += lane; k < K; k += NT_LOCAL)
        index[k * i_k] = -1;
}

#endif
