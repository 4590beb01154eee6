/* SPDX-License-Identifier: MIT */
#include "frontend/onnx/export_parts.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"

#define MOST_BYTES ((size_t)INT32_MAX) /* of a protobuf message */

/* Small pieces are gathered before they are written. */
struct stream {
    ProtobufCBuffer base;
    struct nt_file_writer *writer;
    enum nt_status status;
    size_t used;
    uint8_t bytes[1 << 16];
};

static void flush(struct stream *stream)
{
    if (stream->status == NT_OK && stream->used > 0)
        stream->status = nt_file_write(stream->writer, stream->bytes, stream->used);
    stream->used = 0;
}

static void append(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    struct stream *stream = (struct stream *)buffer;
    if (size > sizeof stream->bytes - stream->used)
        flush(stream);
    if (size > sizeof stream->bytes) {
        if (stream->status == NT_OK)
            stream->status = nt_file_write(stream->writer, data, size);
        return;
    }
    if (size > 0)
        memcpy(stream->bytes + stream->used, data, size);
    stream->used += size;
}

static enum nt_status write_message(
    struct nt_context *ctx, const ProtobufCMessage *message, const char *path)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", path);
    stream->base.append = append;
    enum nt_status status = nt_file_create(ctx, path, &stream->writer);
    if (status == NT_OK) {
        protobuf_c_message_pack_to_buffer(message, &stream->base);
        flush(stream);
        status = stream->status;
        if (status == NT_OK)
            status = nt_file_commit(stream->writer);
        else
            nt_file_discard(stream->writer);
    }
    free(stream);
    return status;
}

enum nt_status nt_export_write(struct nt_export *e, const char *path, size_t *bytes)
{
    NtOnnx__ModelProto model;
    NtOnnx__OperatorSetIdProto opset, *opsets[1] = {&opset};
    nt_onnx__model_proto__init(&model);
    nt_onnx__operator_set_id_proto__init(&opset);
    opset.domain = "";
    opset.has_version = true;
    opset.version = NT_ONNX_EXPORT_OPSET;
    model.has_ir_version = true;
    model.ir_version = NT_ONNX_EXPORT_IR;
    model.opset_import = opsets;
    model.n_opset_import = 1;
    model.producer_name = "neutra";
    if (e->params.version)
        model.producer_version = (char *)e->params.version;
    model.graph = e->file;
    *bytes = protobuf_c_message_get_packed_size(&model.base);
    if (*bytes > MOST_BYTES)
        return nt_fail(e->ctx, NT_ERR_UNSUPPORTED,
            "%s: the model takes %zu bytes: a file of the ONNX format holds at most %zu", path,
            *bytes, MOST_BYTES);
    return write_message(e->ctx, &model.base, path);
}
