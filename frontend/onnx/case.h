/* SPDX-License-Identifier: MIT
 *
 * A conformance case as the ONNX project keeps them: a folder with a model and folders of tensors,
 * input_0.pb, ..., output_0.pb, ... Integers must be equal, floats within the tolerance.
 */
#ifndef NT_FRONTEND_ONNX_CASE_H
#define NT_FRONTEND_ONNX_CASE_H

#include "engine/device.h"

enum nt_onnx_verdict { NT_ONNX_PASS, NT_ONNX_FAIL, NT_ONNX_SKIP };

struct nt_onnx_tolerance {
    double relative, absolute; /* both 0: 1e-3 and 1e-7, as upstream */
};

struct nt_onnx_result {
    enum nt_onnx_verdict verdict;
    char reason[640]; /* of what is not passed; "" */
    int sets;         /* of tensors that were compared */
    double ulp;       /* largest distance in float32 steps; of integers, in integers */
    double error;     /* largest absolute one */
};

/* Whether a folder holds a case: a model and a folder of tensors. */
bool nt_onnx_case_is(const char *folder);

/* Runs it. What is not offered is a skip; anything else that fails, a failure of the case: errors
 * of this function itself are those of memory alone. */
enum nt_status nt_onnx_case_run(struct nt_device *dev, const char *folder,
    struct nt_onnx_tolerance tolerance, struct nt_onnx_result *result);

/* The same for a single file with one input and its outputs beside it, NAME_output_0.pb, ..., as
 * the ONNX project keeps its light models: the input is 0, 1, 2, ... over the number of elements.
 */
bool nt_onnx_case_is_file(const char *path);
enum nt_status nt_onnx_case_run_file(struct nt_device *dev, const char *path,
    struct nt_onnx_tolerance tolerance, struct nt_onnx_result *result);

#endif
