/* SPDX-License-Identifier: MIT
 *
 * What training adds to a file, from the settings `loss` and `head`.
 */
#ifndef NT_FRONTEND_ONNX_TASK_H
#define NT_FRONTEND_ONNX_TASK_H

#include "frontend/onnx/import.h"

struct nt_onnx_task {
    const char *loss; /* an operator of ours over the first output and an input "target"; NULL */
    int64_t head;     /* classes that the last layer is to have; 0: as it is */
};

/* Reads and declares the settings. */
enum nt_status nt_onnx_task_take(struct nt_onnx_import *import, struct nt_onnx_task *task);

/* Gives the weight and bias of the last layer before the first output (Conv, Gemm or MatMul) so
 * many classes; they start anew, uniform within 1 / sqrt(fan_in). Before nodes are added. */
enum nt_status nt_onnx_task_head(struct nt_onnx_import *import, const struct nt_onnx_task *task);

/* Adds the target and the loss, after the outputs. */
enum nt_status nt_onnx_task_loss(struct nt_onnx_import *import, const struct nt_onnx_task *task);

#endif
