/* SPDX-License-Identifier: MIT */
#include "frontend/average_precision.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* A detection after its picture was looked at. */
struct outcome {
    float score;
    bool right;
    size_t order; /* in which it came: ties stay repeatable */
};

struct tally {
    int64_t truths;
    size_t count, room;
    struct outcome *outcome;
};

struct nt_average_precision {
    struct nt_context *ctx;
    int classes;
    double iou;
    struct tally *tally; /* by class */
};

enum nt_status nt_average_precision_create(
    struct nt_context *ctx, int classes, double iou, struct nt_average_precision **out)
{
    struct nt_average_precision *ap = calloc(1, sizeof *ap);
    *out = NULL;
    if (classes < 1 || !(iou > 0 && iou <= 1)) {
        free(ap);
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "average precision: %d classes, overlap %g: must be at least 1, and above 0 to 1",
            classes, iou);
    }
    if (ap)
        ap->tally = calloc((size_t)classes, sizeof *ap->tally);
    if (!ap || !ap->tally) {
        free(ap);
        return nt_fail(ctx, NT_ERR_MEMORY, "average precision: host memory is exhausted");
    }
    ap->ctx = ctx;
    ap->classes = classes;
    ap->iou = iou;
    *out = ap;
    return NT_OK;
}

void nt_average_precision_destroy(struct nt_average_precision *ap)
{
    if (!ap)
        return;
    for (int c = 0; c < ap->classes; c++)
        free(ap->tally[c].outcome);
    free(ap->tally);
    free(ap);
}

static double side(double low, double high)
{
    return high > low ? high - low : 0;
}

static double overlap(const struct nt_truth *t, const struct nt_detection *d)
{
    double both =
        side(fmax(t->x1, d->x1), fmin(t->x2, d->x2)) * side(fmax(t->y1, d->y1), fmin(t->y2, d->y2));
    double all =
        side(t->x1, t->x2) * side(t->y1, t->y2) + side(d->x1, d->x2) * side(d->y1, d->y2) - both;
    return all > 0 ? both / all : 0;
}

static int by_score(const void *a, const void *b)
{
    const struct nt_detection *const *x = a, *const *y = b;
    if ((*x)->score != (*y)->score)
        return (*x)->score < (*y)->score ? 1 : -1;
    return *x < *y ? -1 : *x > *y;
}

static enum nt_status add_outcome(
    struct nt_average_precision *ap, int category, float score, bool right)
{
    struct tally *tally = &ap->tally[category];
    if (tally->count == tally->room) {
        size_t room = tally->room ? 2 * tally->room : 64;
        struct outcome *more = realloc(tally->outcome, room * sizeof *more);
        if (!more)
            return nt_fail(ap->ctx, NT_ERR_MEMORY, "average precision: host memory is exhausted");
        tally->outcome = more;
        tally->room = room;
    }
    tally->outcome[tally->count] = (struct outcome){score, right, tally->count};
    tally->count++;
    return NT_OK;
}

/* The best score takes the object that it overlaps most; an object is found once, and who comes
 * later to it is wrong. */
static bool claim(const struct nt_average_precision *ap, const struct nt_detection *detection,
    int truths, const struct nt_truth *truth, bool *taken)
{
    int best = -1;
    double most = ap->iou;
    for (int t = 0; t < truths; t++) {
        double here = truth[t].category == detection->category ? overlap(&truth[t], detection) : -1;
        if (here >= most && (best < 0 || here > most)) {
            best = t;
            most = here;
        }
    }
    if (best < 0 || taken[best])
        return false;
    taken[best] = true;
    return true;
}

enum nt_status nt_average_precision_add(struct nt_average_precision *ap, int truths,
    const struct nt_truth *truth, int detections, const struct nt_detection *detection)
{
    const struct nt_detection **sorted = calloc((size_t)detections + 1, sizeof *sorted);
    bool *taken = calloc((size_t)truths + 1, sizeof *taken);
    enum nt_status status = NT_OK;
    int count = 0;
    if (!sorted || !taken)
        status = nt_fail(ap->ctx, NT_ERR_MEMORY, "average precision: host memory is exhausted");
    for (int d = 0; status == NT_OK && d < detections; d++)
        if (detection[d].category >= 0 && detection[d].category < ap->classes &&
            !isnan(detection[d].score))
            sorted[count++] = &detection[d];
    if (status == NT_OK)
        qsort(sorted, (size_t)count, sizeof *sorted, by_score);
    for (int t = 0; status == NT_OK && t < truths; t++)
        if (truth[t].category >= 0 && truth[t].category < ap->classes)
            ap->tally[truth[t].category].truths++;
    for (int d = 0; status == NT_OK && d < count; d++)
        status = add_outcome(
            ap, sorted[d]->category, sorted[d]->score, claim(ap, sorted[d], truths, truth, taken));
    free(sorted);
    free(taken);
    return status;
}

static int outcomes_by_score(const void *a, const void *b)
{
    const struct outcome *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->order < y->order ? -1 : x->order > y->order;
}

double nt_average_precision_of(struct nt_average_precision *ap, int category)
{
    struct tally *tally = &ap->tally[category];
    if (tally->truths == 0)
        return NAN;
    qsort(tally->outcome, tally->count, sizeof *tally->outcome, outcomes_by_score);
    int64_t right = 0;
    for (size_t i = 0; i < tally->count; i++)
        right += tally->outcome[i].right;
    /* From the last to the first: the envelope is the highest precision so far. */
    double area = 0, highest = 0;
    for (size_t i = tally->count; i-- > 0;) {
        highest = fmax(highest, (double)right / (double)(i + 1));
        if (tally->outcome[i].right) {
            area += highest / (double)tally->truths;
            right--;
        }
    }
    return area;
}

double nt_average_precision_mean(struct nt_average_precision *ap)
{
    double sum = 0;
    int count = 0;
    for (int c = 0; c < ap->classes; c++)
        if (ap->tally[c].truths > 0) {
            sum += nt_average_precision_of(ap, c);
            count++;
        }
    return count ? sum / count : NAN;
}
