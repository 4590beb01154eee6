#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Files that PyTorch exports as ONNX: onnx_export.py FOLDER SEED small|all|NAME,NAME...

NAME-OPSET.onnx for opsets 11, 13 and 16 (of networks one of them, in turn), random weights, and beside it
what PyTorch computes:
NAME-OPSET.in.INPUT.npy, NAME-OPSET.out.OUTPUT.npy. A model that PyTorch cannot export at an opset is
named and left out. `all` takes torchvision's classification networks, fcn_resnet50 and
deeplabv3_resnet50 too."""
import os
import sys
import warnings

import numpy
import torch
import torchvision
from torch import nn

import zoo

OPSETS = (11, 13, 16)
BATCH = 2
SMALL = ("squeezenet1_1", "mobilenet_v2", "shufflenet_v2_x0_5")
RECURRENT = ("lstm", "gru", "rnn")
EXTENTS = {"alexnet": 224, "inception_v3": 80}  # of pictures, 64 without
FIXED = ("vit_", "maxvit", "vgg")  # made for one size of pictures, or exported for it alone
# With statistics that are not those of the data rounding grows until PyTorch's own float32 and float64
# have nothing in common: these keep means of 0 and variances of 1.
DEEP = ("efficientnet",)
SEGMENTATION = ("fcn_resnet50", "deeplabv3_resnet50")


class Recurrent(nn.Module):
    """A module with two layers; all its results."""

    def __init__(self, kind, directions, batch_first):
        super().__init__()
        self.kind = kind
        self.layer = getattr(nn, kind.upper())(5, 7, num_layers=2, bidirectional=directions == 2,
                                               batch_first=batch_first)

    def forward(self, x):
        y, state = self.layer(x)
        return (y, *state) if self.kind == "lstm" else (y, state)


class Scores(nn.Module):
    """A segmentation network's first result."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)["out"]


def classification(name):
    options = {"weights": None}
    if name in ("googlenet", "inception_v3"):
        options.update(aux_logits=False, init_weights=False)
    return getattr(torchvision.models, name)(**options)


@torch.no_grad()
def prepare(model, x, statistics=True):
    """Weights and statistics under which the numbers stay in proportion."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan = module.weight[0].numel()
            module.weight.uniform_(-((3 / fan) ** 0.5), (3 / fan) ** 0.5)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.bias.uniform_(-0.5, 0.5)
    if statistics:
        zoo.randomise_statistics(model, x)
    return model.eval()


def build(name):
    """The model, its input, names of results, and what of them is open."""
    kind = name.split("-")[0]
    if kind in RECURRENT:
        model = Recurrent(kind, 2 if "2" in name else 1, "first" in name).eval()
        x = torch.randn(3, 4, 5)
        return model, x, ["y", "h", "c"][: 3 if kind == "lstm" else 2], 0 if "first" in name else 1
    extent = 224 if name.startswith(FIXED) else EXTENTS.get(name, 64)
    x = torch.randn(BATCH, 3, extent, extent)
    if name in SEGMENTATION:
        network = getattr(torchvision.models.segmentation, name)(weights=None, weights_backbone=None)
        return prepare(Scores(network), x), x, ["y"], 0
    return prepare(classification(name), x, not name.startswith(DEEP)), x, ["y"], 0


def export(folder, name, opset, model, x, outputs, axis):
    stem = os.path.join(folder, f"{name}-{opset}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(model, x, stem + ".onnx", opset_version=opset, input_names=["x"],
                              output_names=outputs, dynamic_axes={"x": {axis: "batch"}} if axis == 0 else None)
    except Exception as error:  # of many kinds
        print(f"{name}: PyTorch cannot export it at opset {opset}: {str(error).splitlines()[0]}")
        if os.path.exists(stem + ".onnx"):
            os.remove(stem + ".onnx")
        return False
    with torch.no_grad():
        results = model(x)
    results = results if isinstance(results, tuple) else (results,)
    numpy.save(stem + ".in.x.npy", x.numpy())
    for output, result in zip(outputs, results):
        numpy.save(f"{stem}.out.{output}.npy", result.numpy())
    return True


def main():
    folder, seed, which = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    recurrent = [f"{kind}-{way}" for kind in RECURRENT for way in ("1", "2", "2-first")]
    names = list(SMALL) + recurrent
    if which == "all":
        names = [name for name in torchvision.models.list_models(module=torchvision.models)] + list(SEGMENTATION) \
            + recurrent
    elif which != "small":
        names = which.split(",")
    for i, name in enumerate(names):
        model, x, outputs, axis = build(name)
        recurrent_layer = name.split("-")[0] in RECURRENT
        for turn in range(len(OPSETS)):
            made = export(folder, name, OPSETS[(i + turn) % len(OPSETS)], model, x, outputs, axis)
            if made and not recurrent_layer:  # networks: one opset that PyTorch can
                break


if __name__ == "__main__":
    main()
