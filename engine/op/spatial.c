/* SPDX-License-Identifier: MIT */
#include "engine/op/spatial.h"

#include "engine/op/chunk.h"
#include "engine/op/group.h"

enum nt_status nt_spatial_check(struct nt_context *ctx, const char *name, const char *what,
    const struct nt_tensor *tensor, enum nt_dtype dtype)
{
    char text[128];
    if (tensor->dtype != dtype)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: %s of %s: must be %s", name, what,
            nt_dtype_name(tensor->dtype), nt_dtype_name(dtype));
    if (tensor->shape.rank < 3 || tensor->shape.rank > 5)
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: %s of shape %s: must have rank 3 to 5", name, what,
            nt_shape_text(&tensor->shape, text, sizeof text));
    if (tensor->shape.dim[1] > 1 && tensor->stride[1] != 1)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: %s: must lie channels-last", name, what);
    return NT_OK;
}

struct nt_tensor nt_spatial_view(const struct nt_tensor *tensor)
{
    struct nt_tensor full = *tensor;
    int lack = 5 - tensor->shape.rank;
    full.shape.rank = 5;
    for (int i = 4; i >= 2; i--) {
        full.shape.dim[i] = i - lack >= 2 ? tensor->shape.dim[i - lack] : 1;
        full.stride[i] = i - lack >= 2 ? tensor->stride[i - lack] : 0;
    }
    return full;
}

void nt_spatial_strides(struct nt_launch *launch, const struct nt_tensor *tensor)
{
    nt_launch_int(launch, tensor->stride[0]);
    for (int i = 2; i < 5; i++)
        nt_launch_int(launch, tensor->stride[i]);
}

int nt_spatial_width(struct nt_tape *tape, int64_t channels)
{
    unsigned native = nt_device_get_info(nt_tape_device(tape))->vector_width;
    int width = native >= 16 ? 16 : native >= 8 ? 8 : 4;
    /* Two widths at most, so that few kernels serve all layers of a network. */
    if (channels < 4)
        return 1;
    return channels < 2 * width ? 4 : width;
}

void nt_spatial_chunks(struct nt_launch *launch, int64_t items, int64_t work)
{
    int64_t chunk = nt_chunk(launch->tape, items, work);
    nt_launch_int(launch, chunk);
    nt_launch_grid(launch, 1, (size_t[]){(size_t)((items + chunk - 1) / chunk)}, NULL);
}

void nt_spatial_grid(struct nt_launch *launch, const struct nt_tensor *result)
{
    const int64_t *dim = result->shape.dim;
    nt_launch_grid(launch, 3,
        (size_t[]){(size_t)(dim[4] * dim[1]), (size_t)dim[3], (size_t)(dim[0] * dim[2])},
        (size_t[]){nt_group_items(nt_tape_device(launch->tape), 64), 1, 1});
}
