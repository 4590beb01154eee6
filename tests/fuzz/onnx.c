/* SPDX-License-Identifier: MIT
 *
 * The importer of ONNX on bytes of any kind, for libFuzzer (meson option `fuzz`, clang): the graphs
 * for inference and for training are built and all weights read; nothing runs on a device. Whatever
 * the bytes are, a model or an error comes out, no allocation is above NT_FUZZ_MOST_BYTES (told to
 * libFuzzer as -malloc_limit_mb), and ten seconds are enough.
 *
 *   fuzz-onnx -malloc_limit_mb=64 -timeout=10 -max_len=65536 CORPUS tests/fuzz/onnx
 */
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx/onnx.h"
#include "tests/fuzz/fuzz.h"

static void read_weights(struct nt_context *ctx, const struct nt_graph *graph)
{
    for (int i = 0; i < graph->value_count; i++) {
        const struct nt_value *value = &graph->value[i];
        bool weight = value->kind == NT_VALUE_PARAMETER || value->kind == NT_VALUE_STATE;
        size_t bytes = (size_t)nt_shape_count(&value->shape) * sizeof(float);
        if (!weight || !value->init.read || bytes > NT_FUZZ_MOST_BYTES)
            continue;
        void *data = malloc(bytes);
        if (data)
            value->init.read(ctx, value->init.source, data);
        free(data);
    }
}

static void build(struct nt_context *ctx, struct nt_definition *definition, bool training)
{
    struct nt_graph *graph = NULL;
    if (nt_graph_create(ctx, 2, training, &graph) != NT_OK)
        return;
    if (nt_onnx_build(definition, graph) == NT_OK && !training)
        read_weights(ctx, graph);
    nt_graph_destroy(graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nt_context *ctx;
    if (!ctx && nt_context_create(NULL, &ctx) != NT_OK)
        return 0;
    struct nt_definition *definition = calloc(1, sizeof *definition);
    if (!definition)
        return 0;
    definition->ctx = ctx;
    definition->path = strdup("no-such-folder/fuzz.onnx");
    definition->text = calloc(1, size + 1);
    definition->length = size;
    definition->given = calloc(1, sizeof *definition->given);
    if (definition->path && definition->text && definition->given) {
        if (size > 0)
            memcpy(definition->text, data, size);
        build(ctx, definition, false);
        if (definition->parsed)
            build(ctx, definition, true);
    }
    nt_definition_close(definition);
    return 0;
}
