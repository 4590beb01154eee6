#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes the seeds that nothing here exports: seeds.py FOLDER. Needs onnx from PyPI."""
import os
import sys

import onnx
from onnx import parser

SEEDS = {
    # Branches in branches, constants inside, values from outside; a condition from a shape.
    "branches": """
<ir_version: 8, opset_import: ["" : 17]>
net (float[N, M] x, int64 rate) => (float[N, M] y, float[N, M] z)
<int64 wide = {4}, bool yes = {1}, float half = {0.5}>
{
    shape = Shape<start = 1, end = 2>(x)
    fits = Equal(shape, wide)
    y, z = If(fits) <
        then_branch = g () => (float[N, M] a, float[N, M] b) {
            a = Mul(x, half)
            b = If(yes) <
                then_branch = h () => (float[N, M] c) { c = Neg(a) },
                else_branch = h () => (float[N, M] c) { c = Loop(a) }>
        },
        else_branch = g () => (float[N, M] x, float[N, M] x) { d = Relu(x) }>
}
""",
    # Functions that call each other, with attributes handed on and an output that is not wanted.
    "functions": """
<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
net (float[N, 6] x) => (float[N, 6] y, float[N, 6] z)
<float[6] w = {1, 2, 3, 4, 5, 6}>
{
    s, y = own.twice<slope = 0.25>(x, w)
    u, z = own.twice<slope = 0.5>(s)
}
<domain: "own", opset_import: ["" : 17, "own" : 1]>
leak <slope> (a) => (b)
{
    b = LeakyRelu<alpha: float = @slope>(a)
}
<domain: "own", opset_import: ["" : 17, "own" : 1]>
twice <slope> (a, w) => (sum, last)
{
    t = own.leak<slope: float = @slope>(a)
    last = own.leak<slope: float = @slope>(t)
    sum = Add(t, last)
}
""",
    # Known numbers with one operand more than the operator has, and with as many as one likes.
    "operands": """
<ir_version: 8, opset_import: ["" : 17]>
net (float[N] x) => (float[N] y)
<int64[1] one = {1}, int64[1] two = {2}, int64[1] three = {3}>
{
    most = Max(one, two, three)
    least = Abs(most, one)
    y = Slice(x, one, least)
}
""",
}


def main():
    for name, text in SEEDS.items():
        onnx.save(parser.parse_model(text), os.path.join(sys.argv[1], name + ".onnx"))


if __name__ == "__main__":
    main()
