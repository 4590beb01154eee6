# SPDX-License-Identifier: MIT
"""Writing arrays as safetensors, for the scripts of this folder."""
import json
import struct

import numpy

DTYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "int32": "I32", "int64": "I64", "uint8": "U8"}


def write(path, arrays, metadata):
    """Larger elements first, so that all are aligned. Returns the size in bytes."""
    arrays = dict(sorted(arrays.items(), key=lambda item: -item[1].itemsize))
    header, at = {"__metadata__": metadata}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": DTYPES[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":"))
    text += " " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text.encode())
        for array in arrays.values():
            f.write(numpy.ascontiguousarray(array).data)
    return 8 + len(text) + at
