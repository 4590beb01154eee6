/* SPDX-License-Identifier: MIT
 *
 * Messages of the ONNX format from bytes. What the generated reader cannot tell is told here: where
 * a file is broken; and what it would not stand is refused: messages nested without end, a few
 * bytes that stand for much memory.
 */
#ifndef NT_FRONTEND_ONNX_FILE_H
#define NT_FRONTEND_ONNX_FILE_H

#include "engine/context.h"
#include "frontend/onnx/messages.pb-c.h"

/* name stands before messages. The caller frees *out with protobuf_c_message_free_unpacked. */
enum nt_status nt_onnx_unpack(struct nt_context *ctx, const char *name,
    const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
    ProtobufCMessage **out);

#endif
