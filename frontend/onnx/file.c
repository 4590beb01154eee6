/* SPDX-License-Identifier: MIT */
#include "frontend/onnx/file.h"

#include <stdbool.h>
#include <stdlib.h>

#define MAX_DEPTH 32
#define MAX_ITEMS 4000000 /* messages, strings and byte strings in a file */

enum wire { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 5 };

struct scan {
    struct nt_context *ctx;
    const char *name;
    const uint8_t *start;
    size_t items;
};

static enum nt_status broken(const struct scan *scan, const ProtobufCMessageDescriptor *type,
    const uint8_t *at, const char *rule)
{
    return nt_fail(scan->ctx, NT_ERR_FORMAT, "%s: byte %zu: %s: %s", scan->name,
        (size_t)(at - scan->start), type->short_name, rule);
}

/* False when it is cut off or longer than 64 bits. */
static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static enum nt_status scan_message(struct scan *scan, const ProtobufCMessageDescriptor *type,
    const uint8_t *at, const uint8_t *end, int depth);

/* A field's content from *at on, which is moved behind it. */
static enum nt_status scan_field(struct scan *scan, const ProtobufCMessageDescriptor *type,
    uint64_t key, const uint8_t **at, const uint8_t *end, int depth)
{
    uint64_t value = 0;
    const uint8_t *begin = *at;
    switch (key & 7) {
    case WIRE_VARINT:
        return read_varint(at, end, &value) ? NT_OK
                                            : broken(scan, type, begin, "a number is cut off");
    case WIRE_64:
    case WIRE_32:
        value = (key & 7) == WIRE_64 ? 8 : 4;
        break;
    case WIRE_BYTES:
        if (!read_varint(at, end, &value))
            return broken(scan, type, begin, "a length is cut off");
        if (++scan->items > MAX_ITEMS)
            return broken(scan, type, begin, "the file has more than 4 million parts");
        break;
    default:
        return broken(scan, type, begin, "is no ONNX file: a field of unknown kind");
    }
    if (value > (uint64_t)(end - *at))
        return broken(scan, type, begin, "the file is cut off, or is no ONNX file");
    begin = *at;
    *at += value;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3));
    if ((key & 7) != WIRE_BYTES || !field || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return NT_OK;
    return scan_message(scan, field->descriptor, begin, *at, depth + 1);
}

static enum nt_status scan_message(struct scan *scan, const ProtobufCMessageDescriptor *type,
    const uint8_t *at, const uint8_t *end, int depth)
{
    enum nt_status status = NT_OK;
    if (depth > MAX_DEPTH)
        return broken(scan, type, at, "messages are nested deeper than 32");
    while (status == NT_OK && at < end) {
        const uint8_t *begin = at;
        uint64_t key;
        if (!read_varint(&at, end, &key))
            return broken(scan, type, begin, "a field is cut off");
        if (key >> 3 == 0 || key >> 3 > 536870911)
            return broken(scan, type, begin, "is no ONNX file: a field without number");
        status = scan_field(scan, type, key, &at, end, depth);
    }
    return status;
}

/* Strings that a message lacks become empty ones, so that none is NULL. False: no memory. */
static bool fill_strings(ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        void *member = (char *)message + field->offset;
        bool chosen = true;
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
            chosen = *(uint32_t *)((char *)message + field->quantifier_offset) == field->id;
        bool optional = field->label == PROTOBUF_C_LABEL_OPTIONAL;
        if (field->type == PROTOBUF_C_TYPE_STRING && optional && chosen && !*(char **)member) {
            *(char **)member = calloc(1, 1);
            if (!*(char **)member)
                return false;
        }
        if (field->type != PROTOBUF_C_TYPE_MESSAGE || !chosen)
            continue;
        size_t count = optional ? *(ProtobufCMessage **)member != NULL
                                : *(size_t *)((char *)message + field->quantifier_offset);
        ProtobufCMessage **list = optional ? member : *(ProtobufCMessage ***)member;
        for (size_t j = 0; j < count; j++)
            if (!fill_strings(list[j]))
                return false;
    }
    return true;
}

enum nt_status nt_onnx_unpack(struct nt_context *ctx, const char *name,
    const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
    ProtobufCMessage **out)
{
    struct scan scan = {.ctx = ctx, .name = name, .start = bytes};
    enum nt_status status = scan_message(&scan, type, bytes, bytes + size, 0);
    if (status != NT_OK)
        return status;
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, size, bytes);
    if (!message)
        return nt_fail(
            ctx, NT_ERR_FORMAT, "%s: is no valid %s of the ONNX format", name, type->short_name);
    if (!fill_strings(message)) {
        protobuf_c_message_free_unpacked(message, NULL);
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", name);
    }
    *out = message;
    return NT_OK;
}
