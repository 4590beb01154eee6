#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a C file that holds kernel sources as byte arrays: embed.py OUT.c FILE..."""
import os
import sys

out, *files = sys.argv[1:]
with open(out, "w") as f:
    f.write('#include "engine/source.h"\n\n')
    for number, path in enumerate(files):
        data = open(path, "rb").read() + b"\0"
        f.write(f"static const char text{number}[] = {{\n")
        for start in range(0, len(data), 20):
            f.write("    " + ", ".join(str(b) for b in data[start:start + 20]) + ",\n")
        f.write("};\n\n")
    f.write("const struct nt_source_file nt_embedded_sources[] = {\n")
    for number, path in enumerate(files):
        f.write(f'    {{"{os.path.basename(path)}", text{number}}},\n')
    f.write("    {0, 0},\n};\n")
