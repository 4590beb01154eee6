/* SPDX-License-Identifier: MIT
 *
 * Analytic against numerical gradients: for every parameter and float input of a model the loss
 * is differentiated along several directions by central differences, with several steps for each,
 * and compared with the analytic gradient there.
 */
#ifndef NT_FRONTEND_GRADCHECK_H
#define NT_FRONTEND_GRADCHECK_H

#include "engine/device.h"
#include "frontend/model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct nt_gradcheck_params {
    int64_t batch;    /* 0 means 2 */
    uint64_t seed;    /* of weights, inputs, targets and directions */
    double tolerance; /* largest relative error that passes; 0 means 0.01 */
    /* Sees each analytic gradient before the comparison and may change it: tests use it to show
     * that a wrong gradient is found. NULL: none. */
    void (*distort)(void *user, const char *name, size_t count, float *gradient);
    void *user;
};

enum nt_gradcheck_verdict {
    NT_GRADCHECK_OK,
    NT_GRADCHECK_WRONG,  /* along two directions or more the numbers settle on another slope */
    NT_GRADCHECK_UNCLEAR /* nowhere smooth and steep enough for a verdict in float32 */
};

struct nt_gradcheck_result {
    char name[120];
    bool input; /* an input of the model, not a parameter */
    struct nt_shape shape;
    enum nt_gradcheck_verdict verdict;
    double error;    /* largest relative error of the directions that count */
    int checked;     /* directions that count */
    int passed_over; /* directions with a kink (ReLU, maximum) or too flat for float32 */
};

/* "ok", "WRONG", "unclear". */
NT_API const char *nt_gradcheck_word(enum nt_gradcheck_verdict verdict);

/* *results is freed with free(). A wrong gradient is a result, not an error. */
NT_API enum nt_status nt_gradcheck(struct nt_device *dev, struct nt_model *model,
    const struct nt_gradcheck_params *params, struct nt_gradcheck_result **results, int *count);

#ifdef __cplusplus
}
#endif
#endif
