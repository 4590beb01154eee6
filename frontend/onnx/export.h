/* SPDX-License-Identifier: MIT
 *
 * Writing a model as an ONNX file: opset 17, the form for inference. Used inside frontend/ alone.
 *
 *   export.c          which nodes, in which order, and the file's inputs and outputs
 *   export_message.c  the file's messages and the names in them
 *   export_extent.c   extents that depend on the batch
 *   export_fold.c     batch normalisation into the layer before it
 *   export_table.c    which operator becomes what
 *   export_expr.c     elementwise expressions
 *   export_*.c        operators that need more than a row of the table
 *   export_write.c    messages into a file
 */
#ifndef NT_FRONTEND_ONNX_EXPORT_H
#define NT_FRONTEND_ONNX_EXPORT_H

#include "frontend/model.h"
#include "frontend/weights.h"

#define NT_ONNX_EXPORT_OPSET 17
#define NT_ONNX_EXPORT_IR 8

struct nt_onnx_export_params {
    bool fold_batch_norm; /* into the convolution or linear layer before it */
    const char *version;  /* of the program, told in the file; NULL: none */
};

/* What was written. */
struct nt_onnx_exported {
    bool batch_open; /* dimension 0 of the inputs is "N", else 1 */
    int nodes, initializers, folded;
    size_t bytes;
};

/* Writes the model with these weights. Initializers have the weights' names, outputs those of the
 * model; int32 becomes int64. Where nothing in the model depends on it otherwise than in extents,
 * the batch stays open. What a loss needs alone is left out; a state of the items (a hidden state
 * that is carried on) becomes an input NAME and an output NAME.next.
 * NT_ERR_UNSUPPORTED names all operators that have no form in ONNX at once, or says
 * that the file would pass the format's 2 GiB. params may be NULL, so may out. */
enum nt_status nt_onnx_export(struct nt_model *model, struct nt_weights *weights,
    const struct nt_onnx_export_params *params, const char *path, struct nt_onnx_exported *out);

#endif
