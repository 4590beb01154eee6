#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs exported files in onnxruntime: onnx_runtime.py FOLDER

For each NAME.onnx of the folder: onnx.checker passes, and the outputs for NAME.in.INPUT.npy equal
NAME.out.OUTPUT.npy within 1e-4 of the largest number. Inputs without a file are zeros (hidden states).
Needs onnx and onnxruntime from PyPI."""
import glob
import os
import sys

import numpy
import onnx
import onnxruntime

TOLERANCE = 1e-4


def feeds(session, stem, batch):
    """Arrays for all inputs; an open extent is the batch."""
    kinds = {"tensor(float)": numpy.float32, "tensor(int64)": numpy.int64}
    arrays = {}
    for port in session.get_inputs():
        path = f"{stem}.in.{port.name}.npy"
        kind = kinds[port.type]
        shape = [extent if isinstance(extent, int) else batch for extent in port.shape]
        arrays[port.name] = numpy.load(path).astype(kind) if os.path.exists(path) else numpy.zeros(shape, kind)
    return arrays


def compare(path):
    stem = path[: -len(".onnx")]
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    wanted = glob.glob(glob.escape(stem) + ".out.*.npy")
    batch = numpy.load(wanted[0]).shape[0]
    names = [os.path.basename(file)[len(os.path.basename(stem)) + 5 : -4] for file in wanted]
    got = session.run(names, feeds(session, stem, batch))
    worst, failed = 0, not wanted
    for name, file, array in zip(names, wanted, got):
        want = numpy.load(file)
        if want.shape != array.shape:
            print(f"{stem}: {name}: shape {array.shape}, not {want.shape}")
            failed = True
            continue
        apart = numpy.abs(want.astype(float) - array).max() / max(numpy.abs(want).max(), 1e-30)
        worst = max(worst, apart) if apart == apart else apart
        if not apart <= TOLERANCE:
            print(f"{stem}: {name}: {apart:.3g} apart")
            failed = True
    print(f"{os.path.basename(path)}: {len(names)} outputs, at most {worst:.2g} apart")
    return not failed


if __name__ == "__main__":
    files = sorted(glob.glob(os.path.join(sys.argv[1], "*.onnx")))
    results = [compare(path) for path in files]
    sys.exit(0 if results and all(results) else 1)
