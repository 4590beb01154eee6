#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What PyTorch's activations and their derivatives are at some points: activations.py [FOLDER]

Each key of the file is a call in a model definition; it holds values, then derivatives, float64."""
import os
import sys

import numpy
import torch
from torch.nn import functional as F

from train_steps import write

POINTS = [-100, -19.7, -6.3, -3.4, -2.9, -1.7, -0.8, -0.3, 0.2, 0.6, 0.9, 1.4, 2.8, 3.7, 7.9, 19.3, 100]

CALLS = {
    "relu()": F.relu, "relu6()": F.relu6, "abs()": torch.abs, "leaky_relu()": F.leaky_relu,
    "leaky_relu{slope = 0.2}": lambda x: F.leaky_relu(x, 0.2),
    "elu()": F.elu, "elu{alpha = 0.7}": lambda x: F.elu(x, 0.7), "selu()": F.selu,
    "celu()": F.celu, "celu{alpha = 0.5}": lambda x: F.celu(x, 0.5),
    "gelu()": F.gelu, "gelu{approximate = 'tanh'}": lambda x: F.gelu(x, approximate="tanh"),
    "silu()": F.silu, "swish()": F.silu, "swish{beta = 1.7}": lambda x: x * torch.sigmoid(1.7 * x),
    "mish()": F.mish, "sigmoid()": torch.sigmoid, "log_sigmoid()": F.logsigmoid,
    # hardsigmoid and hardswish themselves have a float32 1/6 inside
    "hard_sigmoid()": lambda x: F.relu6(x + 3) / 6, "hard_swish()": lambda x: x * F.relu6(x + 3) / 6,
    "hardtanh()": F.hardtanh,
    "hardtanh{min = -2, max = 0.5}": lambda x: F.hardtanh(x, -2, 0.5),
    "clamp{min = -2}": lambda x: x.clamp(min=-2), "clamp{max = 3}": lambda x: x.clamp(max=3),
    "tanh()": torch.tanh, "softplus()": F.softplus,
    "softplus{beta = 2, threshold = 5}": lambda x: F.softplus(x, 2, 5), "softsign()": F.softsign,
    "thresholded_relu()": lambda x: F.threshold(x, 1, 0),
    "thresholded_relu{alpha = -1}": lambda x: F.threshold(x, -1, 0),
    "tanhshrink()": F.tanhshrink, "hardshrink()": F.hardshrink,
    "hardshrink{lambd = 2}": lambda x: F.hardshrink(x, 2), "softshrink()": F.softshrink,
    "softshrink{lambd = 2}": lambda x: F.softshrink(x, 2),
    "sin()": torch.sin, "cos()": torch.cos, "atan()": torch.atan, "asinh()": torch.asinh,
    "erf()": torch.erf, "sign()": torch.sign, "floor()": torch.floor, "ceil()": torch.ceil,
    "round()": torch.round, "trunc()": torch.trunc, "reciprocal()": torch.reciprocal,
    "square()": torch.square, "neg()": torch.neg, "expm1()": torch.expm1, "exp()": torch.exp,
    "mod(constant(2.5))": lambda x: torch.remainder(x, 2.5),
    "mod(constant(-2.5))": lambda x: torch.remainder(x, -2.5),
    "fmod(constant(2.5))": lambda x: torch.fmod(x, 2.5),
}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    points = torch.tensor(POINTS, dtype=torch.float64)
    arrays = {"points": points.numpy()}
    for call, function in CALLS.items():
        x = points.clone().requires_grad_()
        y = function(x)
        (derivative,) = torch.autograd.grad(y.sum(), x)
        arrays[call] = numpy.stack([y.detach().numpy(), derivative.numpy()])
    write(os.path.join(folder, "activations.safetensors"), arrays, {"torch": torch.__version__})


if __name__ == "__main__":
    main()
