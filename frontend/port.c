/* SPDX-License-Identifier: MIT */
#include "frontend/port.h"

#include <string.h>

void nt_port_pack(const struct nt_port *port, const void *row_major, void *packed)
{
    const struct nt_shape *shape = &port->shape;
    size_t element = nt_dtype_size(port->dtype);
    if (port->layout == NT_ROW_MAJOR || shape->rank < 3) {
        memcpy(packed, row_major, port->bytes);
        return;
    }
    int64_t channels = shape->dim[1], pixels = 1;
    for (int i = 2; i < shape->rank; i++)
        pixels *= shape->dim[i];
    const char *from = row_major;
    char *to = packed;
    for (int64_t n = 0; n < shape->dim[0]; n++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t p = 0; p < pixels; p++)
                memcpy(to + (size_t)((n * pixels + p) * channels + c) * element,
                    from + (size_t)((n * channels + c) * pixels + p) * element, element);
}
