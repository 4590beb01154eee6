/* SPDX-License-Identifier: MIT
 *
 * How well boxes are found: average precision per class, as Pascal VOC has measured it since 2010
 * (Everingham et al., IJCV 2010, sec. 4.2; the area under the precision envelope at all recalls).
 */
#ifndef NT_FRONTEND_AVERAGE_PRECISION_H
#define NT_FRONTEND_AVERAGE_PRECISION_H

#include "engine/context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct nt_truth {
    int category;
    float x1, y1, x2, y2;
};

struct nt_detection {
    int category;
    float score, x1, y1, x2, y2;
};

/* Thread-safety: one thread at a time. */
struct nt_average_precision;

/* iou: from which overlap on a box counts as found; 0.5 is usual. */
NT_API enum nt_status nt_average_precision_create(
    struct nt_context *ctx, int classes, double iou, struct nt_average_precision **out);
NT_API void nt_average_precision_destroy(struct nt_average_precision *ap);

/* One picture's objects and what was found on it, in any order. Classes outside 0..classes-1 and
 * scores that are not numbers are passed over. */
NT_API enum nt_status nt_average_precision_add(struct nt_average_precision *ap, int truths,
    const struct nt_truth *truth, int detections, const struct nt_detection *detection);

/* Of one class; NaN when no picture has it. */
NT_API double nt_average_precision_of(struct nt_average_precision *ap, int category);
/* The mean over the classes that occur (mAP); NaN when none does. */
NT_API double nt_average_precision_mean(struct nt_average_precision *ap);

#ifdef __cplusplus
}
#endif
#endif
