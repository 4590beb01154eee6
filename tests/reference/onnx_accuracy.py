#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The accuracy of a file in onnxruntime: onnx_accuracy.py FILE.onnx FOLDER

FOLDER has a folder of pictures for each class, in order of their names; pictures have the extent that
the file asks for and are normalised as those of `images:`. Prints right and all. Needs onnxruntime from
PyPI and PIL."""
import glob
import os
import sys

import numpy
import onnxruntime
from PIL import Image

MEAN = numpy.array([0.485, 0.456, 0.406], numpy.float32)
DEVIATION = numpy.array([0.229, 0.224, 0.225], numpy.float32)


def main():
    session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    port = session.get_inputs()[0].name
    right = count = 0
    for place, name in enumerate(sorted(os.listdir(sys.argv[2]))):
        for path in sorted(glob.glob(os.path.join(glob.escape(sys.argv[2]), name, "*"))):
            pixels = numpy.asarray(Image.open(path).convert("RGB"), numpy.float32) / 255
            x = ((pixels - MEAN) / DEVIATION).transpose(2, 0, 1)[None]
            scores = session.run(None, {port: x.astype(numpy.float32)})[0]
            right += int(scores[0].argmax() == place)
            count += 1
    print(right, count)


if __name__ == "__main__":
    main()
