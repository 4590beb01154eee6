#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Random configurations of operators and what PyTorch makes of them: operators.py FOLDER SEED CASES

CASES configurations of each operator, a hundred to a file: FAMILY_N.lua is a definition that holds
them side by side, FAMILY_N.safetensors has

    NAME          the parameter NAME, as weights are loaded
    input.NAME    what is fed in
    output.NAME   a result; the definition's output is all of them in the order of the file
    grad.NAME     the gradient of the loss by the parameter or float input NAME
    state.NAME    what running statistics become

The loss is the sum of all outputs times fixed random numbers (all.mix). Tensors are float32 numbers, PyTorch
computes with them in double precision.

An operator is one function below: it draws a configuration through `c` and returns the Lua text
and PyTorch's result. In the Lua text the tensors that it drew are a, b, c in turn."""
import os
import random
import sys
import warnings

import numpy
import torch
from torch.nn import functional as F

import torchvision

import tensors

# Shapes vary in what the operator's meaning depends on. Rows of 17 or more where it does not: they
# take the same kernel, and kernels are what such a test spends its time on.
PER_FILE = 100
INPUTS, FLOAT_INPUTS = 16, 8  # of a graph, at most

# At the end all results are joined, sixteen at a time. A definition is also built with batch 1: then
# the joined results are shorter.
BEGIN = """local all = {}
local function join()
    all = {op.concat(table.unpack(all))}
end
local function add(y)
    all[#all + 1] = y:reshape{shape = {-1}}
    if #all == 15 then
        all[16] = {axis = 0}
        join()
    end
end"""
END = """all[#all + 1] = {axis = 0}
join()
local mix = parameter('all.mix', {%d}):slice{axis = 0, count = all[1]:dim(0)}
output('all', all[1])
loss((all[1] * mix):sum())
"""
FAMILIES = {}


def operator(family):
    def enter(function):
        FAMILIES.setdefault(family, []).append(function)
        return function
    return enter


def lua(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {lua(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(map(lua, value)) + "}"
    return repr(value)


class File:
    def __init__(self, batch, rng):
        self.batch, self.rng = batch, rng
        self.inputs, self.arrays, self.leaves = 0, {}, {}


class Case:
    """One configuration on its way: what it draws goes into the file's arrays and its Lua lines."""

    def __init__(self, file, name):
        self.file, self.name = file, name
        self.batch, self.rng, self.arrays = file.batch, file.rng, file.arrays
        self.lines, self.count = [], 0

    def int(self, low, high):
        return self.rng.randint(low, high)

    def ints(self, count, low, high):
        return [self.int(low, high) for _ in range(count)]

    def pick(self, *choices):
        return self.rng.choice(choices)

    def flip(self):
        return self.pick(False, True)

    def near(self, low, high):
        """A number with few digits, the same in Lua, float and double."""
        return round(self.rng.uniform(low, high) * 64) / 64

    def _draw(self, shape, positive):
        data = numpy.random.default_rng(self.rng.getrandbits(64)).standard_normal(shape)
        return (abs(data) + 0.25 if positive else data).astype(numpy.float32)

    def _leaf(self, key, prefix, data):
        self.arrays[prefix + key] = data
        leaf = self.file.leaves[key] = torch.from_numpy(data).double().requires_grad_()
        return leaf

    def _local(self, word, shape, options=""):
        key = f"{self.name}.{'abcdefgh'[self.count]}"
        self.lines.append(f"local {'abcdefgh'[self.count]} = {word}('{key}', {lua(list(shape))}{options})")
        self.count += 1
        self.file.inputs += word != "parameter"
        return key

    def input(self, *shape, positive=False, always=False):
        """A float input, its shape without the batch. A definition is also built with another batch:
        an operator that does not keep dimension 0 draws parameters. After the first
        few of a file it is a parameter anyway, unless `always`."""
        if self.file.inputs >= FLOAT_INPUTS and not always:
            return self.parameter(self.batch, *shape, positive=positive)
        key = self._local("input", shape)
        return self._leaf(key, "input.", self._draw((self.batch, *shape), positive))

    def parameter(self, *shape, positive=False):
        """A parameter of the definition's own, of any shape."""
        key = self._local("parameter", shape)
        return self._leaf(key, "", self._draw(shape, positive))

    def weight(self, name, *shape, positive=False):
        """A parameter that the operator makes under its name."""
        return self._leaf(f"{self.name}.{name}", "", self._draw(shape, positive))

    def adopt(self, name, parameter):
        """A parameter of a module of PyTorch's as one that the operator makes."""
        parameter.data = self.weight(name, *parameter.shape).data
        self.file.leaves[f"{self.name}.{name}"] = parameter

    def state(self, name, *shape, positive=False):
        """Running statistics that the operator keeps: no gradient. What they become is
        compared when the tensor is given to `becomes`."""
        data = self.arrays[f"{self.name}.{name}"] = self._draw(shape, positive)
        return torch.from_numpy(data.copy()).double()

    def becomes(self, name, tensor):
        self.arrays[f"state.{self.name}.{name}"] = tensor.detach().float().numpy()

    def classes(self, count, *shape, missing=None):
        """An int32 input of numbers below count, some of them, never the first, `missing`."""
        key = self._local("target", shape)
        data = numpy.array([self.rng.randrange(count) for _ in range(self.batch * int(numpy.prod(shape)))])
        if missing is not None:
            data[1::3] = missing
        data = data.reshape((self.batch, *shape)).astype(numpy.int32)
        self.arrays["input." + key] = data
        return torch.from_numpy(data).long()

    def index(self, data):
        """An int32 input of these numbers, a row for each item of the batch."""
        key = self._local("target", data.shape[1:])
        self.arrays["input." + key] = data.astype(numpy.int32)
        return torch.from_numpy(data).long()

    def fixed(self, data):
        """A parameter of these numbers, that no gradient is wanted of: 0 times its sum is added."""
        return self._leaf(self._local("parameter", data.shape), "", numpy.asarray(data, numpy.float32))

    def options(self, **attrs):
        return lua({"name": self.name, **attrs})


# ---- elementwise ----

def unary(name, reference, positive=False, **attrs):
    @operator("elementwise")
    def case(c):
        x = c.input(*c.pick([], [c.int(1, 3)]), c.int(17, 40), positive=positive)
        text = lua(attrs) if attrs else "()"
        return f"a:{name}{text}", reference(x)
    case.__name__ = "_".join([name, *(value for value in attrs.values() if isinstance(value, str))])


def binary(name, reference, positive=False, broadcast=False):
    @operator("elementwise")
    def case(c):
        shape = c.int(1, 5), c.int(1, 3), c.int(17, 40)
        x = c.parameter(*shape, positive=positive)
        y = c.parameter(*c.pick([shape[1], 1], shape[2:]) if broadcast and c.flip() else shape, positive=positive)
        return f"op.{name}(a, b)", reference(x, y)
    case.__name__ = name


for _name in ("neg", "abs", "exp", "expm1", "square", "sin", "cos", "tanh", "sinh", "cosh", "atan", "asinh", "erf",
              "relu", "sigmoid", "floor", "ceil", "sign"):
    unary(_name, getattr(torch, _name))
for _name in ("log", "log1p", "sqrt", "rsqrt", "reciprocal"):
    unary(_name, getattr(torch, _name), positive=True)
for _name in ("relu6", "selu", "silu", "mish", "softsign", "tanhshrink"):
    unary(_name, getattr(F, _name))
unary("leaky_relu", lambda x: F.leaky_relu(x, 0.25), slope=0.25)
unary("thresholded_relu", lambda x: F.threshold(x, 0.5, 0), alpha=0.5)
unary("elu", lambda x: F.elu(x, 0.75), alpha=0.75)
unary("celu", lambda x: F.celu(x, 0.75), alpha=0.75)
unary("gelu", F.gelu)
unary("gelu", lambda x: F.gelu(x, approximate="tanh"), approximate="tanh")
unary("log_sigmoid", F.logsigmoid)
unary("hard_sigmoid", F.hardsigmoid)
unary("hard_swish", F.hardswish)
unary("hardtanh", lambda x: F.hardtanh(x, -0.5, 1.25), min=-0.5, max=1.25)
unary("softplus", lambda x: F.softplus(x, 2, 1), beta=2, threshold=1)
unary("hardshrink", lambda x: F.hardshrink(x, 0.25), lambd=0.25)
unary("softshrink", lambda x: F.softshrink(x, 0.25), lambd=0.25)
unary("scale", lambda x: 0.5 * x - 2, factor=0.5, offset=-2)
unary("clamp", lambda x: x.clamp(-0.5, 1), min=-0.5, max=1)
for _name in ("add", "mul", "maximum", "minimum"):
    binary(_name, getattr(torch, _name))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    binary(_name, lambda x, y, compare=getattr(torch, _name): compare(x, y) + 0 * (x + y))
binary("sub", torch.sub, broadcast=True)
binary("div", torch.div, broadcast=True, positive=True)
binary("pow", torch.pow, positive=True)



def integers(name, reference):
    @operator("elementwise")
    def case(c):
        n, low = c.int(17, 40), c.int(1, 500)
        x, y = c.classes(1000, n), c.classes(1000, n)
        y = y - low + (y == low)
        return (f"op.{name}(a * 100003, (b - {low}) + op.eq(b, {low})):mod(1009):cast{{dtype = 'float32'}}",
                reference(x * 100003, y).remainder(1009).double())
    case.__name__ = "int_" + name


for _name in ("add", "sub", "mul", "fmod"):
    integers(_name, lambda x, y, f=getattr(torch, _name): f(x.int(), y.int()))
integers("mod", lambda x, y: torch.remainder(x.int(), y.int()))
integers("div", lambda x, y: torch.div(x.int(), y.int(), rounding_mode="trunc"))
for _name in ("maximum", "minimum"):
    integers(_name, getattr(torch, _name))


@operator("elementwise")
def cast(c):
    x, dtype = c.input(c.int(17, 40)), c.pick("int32", "uint8", "bool")
    y = (x * 40).abs().to({"int32": torch.int32, "uint8": torch.uint8, "bool": torch.bool}[dtype])
    return f"(a * 40):abs():cast{{dtype = '{dtype}'}}:cast{{dtype = 'float32'}} + 0 * a", y.double() + 0 * x


# ---- convolution and products ----

warnings.filterwarnings("ignore", "Using padding='same' with even kernel")


def around(padding):
    """[before..., after...] as F.pad wants it: the last dimension first."""
    dims = len(padding) // 2
    return [padding[i + side] for i in reversed(range(dims)) for side in (0, dims)]


def convolutions(dims):
    def layer(c, transposed):
        groups = c.pick(1, 1, 2, 3)
        kernel, stride = c.ints(dims, 1, 4 if dims < 3 else 3), c.ints(dims, 1, 3)
        dilation, channels = c.ints(dims, 1, 2), groups * c.int(1, 9 if dims < 3 else 4)
        low, high = ((2, 5) if transposed else (7, 11)) if dims < 3 else ((1, 3) if transposed else (5, 6))
        x = c.input(groups * c.int(1, 4), *c.ints(dims, low, high))
        shape = (x.shape[1], channels // groups) if transposed else (channels, x.shape[1] // groups)
        weight = c.weight("weight", *shape, *kernel)
        bias = c.weight("bias", channels) if c.flip() else None
        return x, weight, bias, {"channels": channels, "kernel": kernel, "stride": stride, "dilation": dilation,
                                 "groups": groups, "bias": bias is not None}

    def conv(c):
        x, weight, bias, attrs = layer(c, False)
        padding = c.ints(2 * dims, 0, 2)
        if c.int(0, 3) == 0:  # PyTorch knows "same" for stride 1 alone
            attrs["padding"], attrs["stride"] = c.pick("same", "valid"), 1
            padded = x, attrs["padding"]
        else:
            attrs["padding"] = padding
            padded = F.pad(x, around(padding)), 0
        reference = getattr(F, f"conv{dims}d")
        y = reference(padded[0], weight, bias, attrs["stride"], padded[1], attrs["dilation"], attrs["groups"])
        return f"a:conv{dims}d" + c.options(**attrs), y

    def conv_transpose(c):
        x, weight, bias, attrs = layer(c, True)
        reach = [d * (k - 1) for d, k in zip(attrs["dilation"], attrs["kernel"])]
        padding = [c.int(0, min(2, r // 2)) for r in reach]
        extra = [c.int(0, max(s, d) - 1) for s, d in zip(attrs["stride"], attrs["dilation"])]
        reference = getattr(F, f"conv_transpose{dims}d")
        y = reference(x, weight, bias, attrs["stride"], padding, extra, attrs["groups"], attrs["dilation"])
        return f"a:conv_transpose{dims}d" + c.options(padding=padding, output_padding=extra, **attrs), y

    for case in (conv, conv_transpose):
        case.__name__ += f"{dims}d"
        operator("convolution")(case)


for _dims in (1, 2, 3):
    convolutions(_dims)


def positions(c):
    """A picture, its patches as (image, channel x tap, position), the output's shape and attributes."""
    kernel, stride, dilation = c.ints(2, 1, 3), c.ints(2, 1, 3), c.ints(2, 1, 2)
    x, padding, channels = c.parameter(c.int(1, 3), c.int(1, 4), *c.ints(2, 5, 8)), c.ints(4, 0, 2), c.int(1, 9)
    patches = F.unfold(F.pad(x, around(padding)), kernel, dilation, 0, stride)
    out = [(x.shape[2 + i] + padding[i] + padding[2 + i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
           for i in (0, 1)]
    return x, patches, out, {"channels": channels, "kernel": kernel, "stride": stride, "dilation": dilation,
                             "padding": padding}


@operator("convolution")
def local_conv2d(c):
    x, patches, out, attrs = positions(c)
    weight = c.weight("weight", out[0] * out[1], attrs["channels"], x.shape[1], *attrs["kernel"])
    bias = c.weight("bias", attrs["channels"], *out)
    y = torch.einsum("nip,pki->nkp", patches, weight.flatten(2)).reshape(-1, attrs["channels"], *out) + bias
    return "a:local_conv2d" + c.options(**attrs), y


@operator("convolution")
def tiled_conv2d(c):
    x, patches, out, attrs = positions(c)
    tile = c.ints(2, 1, 3)
    weight = c.weight("weight", tile[0] * tile[1], attrs["channels"], x.shape[1], *attrs["kernel"])
    bias = c.weight("bias", tile[0] * tile[1], attrs["channels"])
    which = torch.tensor([i % tile[0] * tile[1] + j % tile[1] for i in range(out[0]) for j in range(out[1])])
    y = torch.einsum("nip,pki->nkp", patches, weight[which].flatten(2)) + bias[which].T
    return "a:tiled_conv2d" + c.options(tile=tile, **attrs), y.reshape(-1, attrs["channels"], *out)


@operator("products")
def linear(c):
    x, features = c.input(c.int(1, 40)), c.int(1, 40)
    weight = c.weight("weight", features, x.shape[1])
    bias = c.weight("bias", features) if c.flip() else None
    return "a:linear" + c.options(features=features, bias=bias is not None), F.linear(x, weight, bias)


@operator("products")
def matmul(c):
    m, k, n = c.ints(3, 1, 17)
    ta, tb, lead = c.flip(), c.flip(), c.pick([], [c.int(1, 4)])
    a = c.parameter(*lead, *((k, m) if ta else (m, k)))
    b = c.parameter(*lead, *((n, k) if tb else (k, n)))
    y = torch.matmul(a.transpose(-1, -2) if ta else a, b.transpose(-1, -2) if tb else b)
    return f"a:matmul(b, {lua({'transpose_a': ta, 'transpose_b': tb})})", y


# ---- pooling ----

def picture(c, dims):
    """An input of one to three dimensions, not too small for a window."""
    return c.input(c.int(1, 17), *c.ints(dims, *((8, 11) if dims < 3 else (5, 7))))


def pools(dims):
    def window(c):
        kernel = c.ints(dims, 1, 4 if dims < 3 else 3)
        return {"kernel": kernel, "stride": c.ints(dims, 1, 3), "padding": [c.int(0, k // 2) for k in kernel],
                "ceil_mode": c.flip()}

    def reference(name):
        return getattr(F, f"{name}{dims}d")

    def max_pool(c):
        x, w, dilation = picture(c, dims), window(c), c.ints(dims, 1, 2)
        y = reference("max_pool")(x, w["kernel"], w["stride"], w["padding"], dilation, w["ceil_mode"])
        return f"a:max_pool{dims}d" + lua({**w, "dilation": dilation}), y

    def avg_pool(c):
        x, w, count = picture(c, dims), window(c), c.flip()
        y = reference("avg_pool")(x, w["kernel"], w["stride"], w["padding"], w["ceil_mode"], count)
        return f"a:avg_pool{dims}d" + lua({**w, "count_include_pad": count}), y

    def adaptive_avg_pool(c):
        x, size = picture(c, dims), c.ints(dims, 1, 7)
        return f"a:adaptive_avg_pool{dims}d" + lua({"output_size": size}), reference("adaptive_avg_pool")(x, size)

    def adaptive_max_pool(c):
        x, size = picture(c, dims), c.ints(dims, 1, 7)
        return f"a:adaptive_max_pool{dims}d" + lua({"output_size": size}), reference("adaptive_max_pool")(x, size)

    for case in (max_pool, avg_pool, adaptive_avg_pool, adaptive_max_pool):
        case.__name__ += f"{dims}d"
        operator("pooling")(case)


for _dims in (1, 2, 3):
    pools(_dims)


@operator("pooling")
def lp_pool2d(c):
    x, kernel, stride, p = picture(c, 2), c.ints(2, 1, 3), c.int(1, 2), c.pick(2, 3)
    y = F.lp_pool2d(x.abs() + 0.5, p, kernel, stride)
    return "(a:abs() + 0.5):lp_pool2d" + lua({"kernel": kernel, "stride": stride, "norm_type": p}), y


def max_unpools(dims):
    @operator("pooling")
    def case(c):
        kernel = c.ints(dims, 2, 3)
        x = c.input(c.int(1, 5), *(k * c.int(1, 3) for k in kernel))
        y, index = getattr(F, f"max_pool{dims}d")(x, kernel, return_indices=True)
        c.lines.append(f"local y, index = a:max_pool{dims}d" + lua({"kernel": kernel}))
        unpooled = getattr(F, f"max_unpool{dims}d")(y * 2, index, kernel)
        return f"(y * 2):max_unpool{dims}d(index, " + lua({"kernel": kernel}) + ")", unpooled
    case.__name__ = f"max_unpool{dims}d"


for _dims in (1, 2, 3):
    max_unpools(_dims)


@operator("resizing")
def interpolate(c):
    dims, size = c.int(1, 3), c.ints(3, 1, 9)
    x = c.input(c.int(1, 5), *c.ints(dims, 2, 6))
    mode = c.pick("nearest", "area", ("linear", "bilinear", "trilinear")[dims - 1], *(["bicubic"] if dims == 2 else []))
    corners = c.flip() if mode not in ("nearest", "area") else None
    y = F.interpolate(x, size[:dims], mode=mode, align_corners=corners)
    return "a:interpolate" + lua({"size": size[:dims], "mode": mode, "align_corners": corners}), y


@operator("resizing")
def pixel_shuffle(c):
    factor = c.int(1, 3)
    x = c.input(c.int(1, 4) * factor * factor, *c.ints(2, 1, 6))
    return "a:pixel_shuffle" + lua({"upscale_factor": factor}), F.pixel_shuffle(x, factor)


@operator("resizing")
def pixel_unshuffle(c):
    factor = c.int(1, 3)
    x = c.input(c.int(1, 4), *(n * factor for n in c.ints(2, 1, 4)))
    return "a:pixel_unshuffle" + lua({"downscale_factor": factor}), F.pixel_unshuffle(x, factor)


# ---- normalisation ----

def spread(c, low):
    """An input of rank 3 to 5 with enough pixels for statistics."""
    dims = c.int(1, 3)
    return c.input(low * c.int(1, 6), *c.ints(dims, *((9, 20), (4, 7), (3, 4))[dims - 1]))


@operator("norms")
def batch_norm(c):
    x, eps, momentum = spread(c, 1), c.pick(1e-5, 1e-3), c.pick(0.1, 0.25)
    channels = x.shape[1]
    weight, bias = (c.weight("weight", channels), c.weight("bias", channels)) if c.flip() else (None, None)
    mean, var = c.state("running_mean", channels), c.state("running_var", channels, positive=True)
    c.arrays[c.name + ".num_batches_tracked"] = numpy.array(3, numpy.int64)
    y = F.batch_norm(x, mean, var, weight, bias, True, momentum, eps)
    c.becomes("running_mean", mean)
    c.becomes("running_var", var)
    c.becomes("num_batches_tracked", torch.tensor(4))
    return "a:batch_norm" + c.options(eps=eps, momentum=momentum, affine=weight is not None), y


@operator("norms")
def group_norm(c):
    groups = c.int(1, 4)
    x = spread(c, groups)
    weight, bias = c.weight("weight", x.shape[1]), c.weight("bias", x.shape[1])
    return "a:group_norm" + c.options(groups=groups), F.group_norm(x, groups, weight, bias)


@operator("norms")
def instance_norm(c):
    x = spread(c, 1)
    weight, bias = (c.weight(key, x.shape[1]) if affine else None for affine in [c.flip()] for key in ("weight", "bias"))
    return "a:instance_norm" + c.options(affine=weight is not None), F.instance_norm(x, weight=weight, bias=bias)


@operator("norms")
def layer_norm(c):
    dims = c.int(1, 2)
    x = c.input(*c.ints(2, 1, 5), c.int(7, 20))
    shape = x.shape[-dims:]
    weight, bias = c.weight("weight", *shape), c.weight("bias", *shape)
    return "a:layer_norm" + c.options(dims=dims), F.layer_norm(x, shape, weight, bias)


@operator("norms")
def rms_norm(c):
    dims = c.int(1, 2)
    x, eps = c.input(*c.ints(2, 1, 5), c.int(7, 20)), 1 / 64
    weight = c.weight("weight", *x.shape[-dims:])
    y = x * (x.square().mean(list(range(-dims, 0)), True) + eps).rsqrt() * weight
    return "a:rms_norm" + c.options(dims=dims, eps=eps), y


@operator("norms")
def l2_normalize(c):
    x, axis = c.input(*c.ints(2, 2, 9)), c.pick(1, 2, -1)
    return "a:l2_normalize" + lua({"axis": axis}), F.normalize(x, dim=axis)


@operator("norms")
def local_response_norm(c):
    x, size = c.input(c.int(1, 12), *c.ints(2, 1, 6)), c.int(1, 5)
    y = F.local_response_norm(x, size, 0.5, 0.75, 2)
    return "a:local_response_norm" + lua({"size": size, "alpha": 0.5, "beta": 0.75, "k": 2}), y


# ---- reductions ----

def reduction(name, reference, before="a", **attrs):
    @operator("reductions")
    def case(c):
        x = c.input(c.int(1, 3), c.int(1, 3), c.int(17, 30))
        axes = c.pick([0], [1], [-1], [2, 3], [0, 2, 3], [0, 1, 2, 3])
        keep = c.flip()
        return f"{before}:{name}" + lua({"axes": axes, "keepdims": keep, **attrs}), reference(x, axes, keep)
    case.__name__ = name


reduction("sum", lambda x, axes, keep: x.sum(axes, keep))
reduction("mean", lambda x, axes, keep: x.mean(axes, keep))
reduction("max", lambda x, axes, keep: x.amax(axes, keep))
reduction("min", lambda x, axes, keep: x.amin(axes, keep))
reduction("l1", lambda x, axes, keep: x.abs().sum(axes, keep))
reduction("l2", lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep))
reduction("var", lambda x, axes, keep: x.var(axes, False, keep), correction=0)
# Two or more along every axis, of batch 1 too.
def double(x, axis):
    return torch.cat([x, 2 * x + 1], axis)


DOUBLE = "op.concat(a, 2 * a + 1, {axis = 0})"
reduction("std", lambda x, axes, keep: double(double(x, 0), 1).std(axes, True, keep),
          before=f"op.concat({DOUBLE}, 2 * {DOUBLE} + 1, {{axis = 1}})")
reduction("log_sum_exp", lambda x, axes, keep: x.logsumexp(axes, keep))
reduction("any", lambda x, axes, keep: (x > 1).double().amax(axes, keep) + 0 * x.sum(), before="(op.gt(a, 1) + 0 * a)")
reduction("all", lambda x, axes, keep: (x < 2).double().amin(axes, keep) + 0 * x.sum(), before="(op.lt(a, 2) + 0 * a)")


@operator("reductions")
def prod(c):
    x, axis, keep = c.input(c.int(1, 3), c.int(1, 9)), c.pick(0, 1, -1), c.flip()
    return "a:prod" + lua({"axes": [axis], "keepdims": keep}), x.prod(axis, keep)


def arg_reduction(name):
    @operator("reductions")
    def case(c):
        x, axis, keep = c.input(c.int(1, 5), c.int(17, 30)), c.int(-3, 2), c.flip()
        y = getattr(x, name)(axis, keep).double() + 0 * x.sum()
        return f"a:{name}" + lua({"axis": axis, "keepdims": keep}) + " + 0 * a:sum()", y
    case.__name__ = name


arg_reduction("argmax")
arg_reduction("argmin")


@operator("reductions")
def hardmax(c):
    x, axis, ties = c.parameter(*c.ints(2, 1, 9), c.int(17, 30)), c.int(-3, 2), c.flip()
    largest = (x.floor() if ties else x).argmax(axis, keepdim=True)
    return ("a * a" + (":floor()" if ties else "") + ":hardmax" + lua({"axis": axis}),
            x * torch.zeros_like(x).scatter(axis, largest, 1))


@operator("reductions")
def cumsum(c):
    x, axis, exclusive, reverse = c.parameter(*c.ints(3, 1, 9)), c.int(-3, 2), c.flip(), c.flip()
    y = x.flip(axis).cumsum(axis).flip(axis) if reverse else x.cumsum(axis)
    return "a:cumsum" + lua({"axis": axis, "exclusive": exclusive, "reverse": reverse}), y - x if exclusive else y


# ---- shapes ----

@operator("shapes")
def flatten(c):
    x = c.input(*c.ints(c.int(1, 3), 1, 5))
    return "a:flatten()", x.flatten(1)


@operator("shapes")
def reshape(c):
    x = c.parameter(*c.ints(4, 1, 5))
    shape = c.pick([x.shape[0], -1], [-1], [x.shape[3], x.shape[1], -1])
    return "a:reshape" + lua({"shape": shape}), x.reshape(shape)


@operator("shapes")
def transpose(c):
    x, axes = c.parameter(*c.ints(4, 1, 5)), list(range(4))
    c.rng.shuffle(axes)
    return "a:transpose" + lua({"axes": axes}), x.permute(axes)


@operator("shapes")
def slice_(c):
    x, axis = c.parameter(*c.ints(4, 2, 6)), c.int(0, 3)
    first = c.int(0, x.shape[axis] - 1)
    count = c.int(1, x.shape[axis] - first)
    return "a:slice" + lua({"axis": axis, "first": first, "count": count}), x.narrow(axis, first, count)


@operator("shapes")
def concat(c):
    axis, shape, parts = c.int(0, 3), c.ints(4, 1, 5), []
    for _ in range(c.int(2, 3)):
        shape[axis] = c.int(1, 5)
        parts.append(c.parameter(*shape))
    return f"op.concat({', '.join('abc'[:len(parts)])}, {lua({'axis': axis})})", torch.cat(parts, axis)


@operator("shapes")
def broadcast(c):
    x = c.parameter(*[c.pick(1, c.int(1, 5)) for _ in range(c.int(1, 3))])
    shape = c.ints(c.int(0, 1), 1, 3) + [c.int(1, 5) if n == 1 else n for n in x.shape]
    return "a:broadcast" + lua({"shape": shape}), x.expand(shape)


@operator("shapes")
def pad(c):
    mode = c.pick("constant", "reflect", "replicate", "circular")
    x = c.parameter(*c.ints(2, 1, 4), *c.ints(2, 3, 6))
    before, after = c.ints(2, 0, 2), c.ints(2, 0, 2)
    y = F.pad(x, (before[1], after[1], before[0], after[0]), mode, *([0.5] if mode == "constant" else []))
    return "a:pad" + lua({"before": before, "after": after, "mode": mode, "axes": [2, 3],
                          "value": 0.5 if mode == "constant" else None}), y


@operator("shapes")
def trilu(c):
    x, k, upper = c.parameter(*c.ints(3, 1, 7)), c.int(-4, 4), c.flip()
    return "a:trilu" + lua({"k": k, "upper": upper}), x.triu(k) if upper else x.tril(k)


@operator("shapes")
def eye_like(c):
    x, k = c.parameter(*c.ints(c.int(2, 4), 1, 7)), c.int(-4, 4)
    ones = torch.zeros_like(x)
    ones.diagonal(k, -2, -1).fill_(1)
    return "a * a:eye_like" + lua({"k": k}), x * ones


@operator("shapes")
def flip(c):
    x, axes = c.parameter(*c.ints(3, 1, 5)), c.pick([0], [1, 2], [-1])
    return "a:flip" + lua({"axes": axes}), x.flip(axes)


@operator("shapes")
def roll(c):
    x, shifts = c.parameter(*c.ints(3, 1, 5)), c.ints(2, -4, 4)
    return "a:roll" + lua({"shifts": shifts, "axes": [0, 2]}), x.roll(shifts, [0, 2])


@operator("shapes")
def stack(c):
    shape, axis = c.ints(2, 1, 5), c.int(0, 2)
    parts = c.parameter(*shape), c.parameter(*shape)
    return "op.stack(a, b, " + lua({"axis": axis}) + ")", torch.stack(parts, axis)


@operator("shapes")
def split(c):
    x, size, axis = c.parameter(*c.ints(3, 2, 6)), c.int(1, 4), c.int(0, 2)
    return f"(a:split{lua({'sizes': size, 'axis': axis})})", x.split(size, axis)[0]


@operator("shapes")
def tile(c):
    x, repeats = c.parameter(*c.ints(3, 1, 4)), c.ints(3, 1, 3)
    return "a:tile" + lua({"repeats": repeats}), x.tile(repeats)


# ---- indices ----

@operator("indices")
def embedding(c):
    count, features = c.int(2, 30), c.int(1, 20)
    index = c.classes(count, *c.pick([], [c.int(1, 6)]))
    weight = c.weight("weight", count, features)
    return "a:embedding" + c.options(num_embeddings=count, embedding_dim=features), F.embedding(index, weight)


@operator("indices")
def gather(c):
    x, axis = c.parameter(*c.ints(3, 2, 6)), c.int(0, 2)
    index = c.classes(x.shape[axis])
    return "a:gather(b, " + lua({"axis": axis}) + ")", x.index_select(axis, index)


@operator("indices")
def one_hot(c):
    count = c.int(2, 9)
    index = c.classes(count, c.int(1, 5))
    scale = c.parameter(1)
    return f"a:one_hot{lua({'num_classes': count})} * b", F.one_hot(index, count) * scale


@operator("indices")
def gather_elements(c):
    x = c.parameter(c.batch, c.int(2, 9))
    index = c.classes(x.shape[1], c.int(1, 9))
    return "a:gather_elements(b, {axis = 1})", x.gather(1, index)


@operator("indices")
def gather_nd(c):
    x = c.parameter(*c.ints(2, 2, 5), c.int(1, 5))
    index = c.classes(min(x.shape[:2]), c.int(1, 4), 2)
    return "a:gather_nd(b)", x[index[..., 0], index[..., 1]]


def scatter(name, reduction, reference):
    @operator("indices")
    def case(c):
        x, source = c.parameter(c.batch, c.int(2, 9)), c.input(c.int(1, 9), always=True)
        index = c.classes(x.shape[1], source.shape[1])
        return f"a:{name}(c, b, " + lua({"axis": 1, "reduction": reduction}) + ")", reference(x, 1, index, source)
    case.__name__ = name + "_sum"


scatter("scatter_add", None, torch.scatter_add)
scatter("scatter_elements", "add", torch.scatter_add)


@operator("indices")
def scatter_elements(c):
    """Each place once: PyTorch promises nothing else."""
    x, source = c.parameter(c.batch, c.int(3, 9)), c.input(c.int(1, 3), always=True)
    rows = [c.rng.sample(range(x.shape[1]), source.shape[1]) for _ in range(c.batch)]
    index = c.index(numpy.array(rows))
    return "a:scatter_elements(c, b, {axis = 1})", x.scatter(1, index, source)


@operator("indices")
def scatter_nd(c):
    x, source = c.parameter(*c.ints(2, 2, 4), c.int(1, 5)), c.input(c.int(1, 4), always=True)
    index = c.classes(min(x.shape[:2]), 2)
    source = source[:, :1].expand(-1, x.shape[2])
    text = f"b:slice{{axis = 1, first = 0, count = 1}}:broadcast{{shape = {{-1, {x.shape[2]}}}}}"
    return (f"a:scatter_nd(c, {text}, {{reduction = 'add'}})",
            x.index_put((index[:, 0], index[:, 1]), source, accumulate=True))


@operator("indices")
def strided_slice(c):
    x, axes = c.parameter(*c.ints(3, 3, 9)), c.rng.sample(range(3), 2)
    starts, steps = c.ints(2, 0, 2), c.ints(2, 1, 3)
    ends = [c.int(start + 1, x.shape[axis]) for start, axis in zip(starts, axes)]
    cut = [slice(None)] * 3
    for axis, *range_ in zip(axes, starts, ends, steps):
        cut[axis] = slice(*range_)
    return "a:strided_slice" + lua({"starts": starts, "ends": ends, "axes": axes, "steps": steps}), x[tuple(cut)]


@operator("indices")
def top_k(c):
    x, axis, largest = c.parameter(*c.ints(3, 2, 9)), c.int(-3, 2), c.flip()
    k = c.int(1, x.shape[axis])
    y, index = x.topk(k, axis, largest)
    c.lines.append("local y, index = a:top_k" + lua({"k": k, "axis": axis, "largest": largest}))
    return "y * (index + 1)", y * (index + 1)


@operator("indices")
def sort(c):
    x, axis, descending = c.parameter(*c.ints(3, 2, 9)), c.int(-3, 2), c.flip()
    y, index = x.sort(axis, descending)
    attrs = lua({"axis": axis, "descending": descending})
    return f"a:sort{attrs} * (a:argsort{attrs} + 1)", y * (index + 1)


# ---- recurrent layers ----

def recurrent(name, module, cell_state=False, **choices):
    @operator("recurrent")
    def case(c):
        features, hidden, layers, ways = c.int(1, 9), c.int(1, 9), c.int(1, 2), c.int(1, 2)
        bias, first, some = c.flip(), c.flip(), {key: c.pick(*values) for key, values in choices.items()}
        steps = c.int(1, 6)
        x = c.parameter(*((c.batch, steps) if first else (steps, c.batch)), features)
        states = [c.parameter(layers * ways, c.batch, hidden) for _ in range((1 + cell_state) * c.pick(0, 1))]
        layer = module(features, hidden, layers, bias=bias, batch_first=first, bidirectional=ways == 2, **some).double()
        for key, value in layer.named_parameters():
            c.adopt(key, value)
        given = tuple(states) if cell_state and states else states[0] if states else None
        y, state = layer(x, given)
        options = c.options(hidden=hidden, layers=layers, bidirectional=ways == 2, batch_first=first, bias=bias, **some)
        for key, local in zip(("h0", "c0"), "bc"[:len(states)]):
            options = options[:-1] + f", {key} = {local}" + "}"
        last = state[1] if cell_state else state
        take = "local y, h, c = a:" if cell_state else "local y, h = a:"
        c.lines.append(take + name + options)
        return (f"op.concat(y:reshape{{shape = {{-1}}}}, {'c' if cell_state else 'h'}:reshape{{shape = {{-1}}}}, "
                "{axis = 0})"), torch.cat((y.reshape(-1), last.reshape(-1)))
    case.__name__ = name


recurrent("rnn", torch.nn.RNN, nonlinearity=("tanh", "relu"))
recurrent("lstm", torch.nn.LSTM, cell_state=True)
recurrent("gru", torch.nn.GRU)


# Items of different lengths, padded; initial states for all of them.

def packed(name, function, gates, **attrs):
    @operator("recurrent")
    def case(c):
        steps, features, hidden = c.int(1, 6), c.int(1, 5), c.int(1, 7)
        layers, both, biased = c.int(1, 2), c.flip(), c.flip()
        x = c.input(steps, features, always=True)
        starts = [c.parameter(layers * (1 + both), 1, hidden).expand(-1, len(x), -1)
                  for _ in range(2 if name == "lstm" else 1)]
        weights = []
        for layer in range(layers):
            for end in ["", "_reverse"][:1 + both]:
                width = features if layer == 0 else hidden * (1 + both)
                weights += [c.weight(f"weight_ih_l{layer}{end}", gates * hidden, width),
                            c.weight(f"weight_hh_l{layer}{end}", gates * hidden, hidden)]
                if biased:
                    weights += [c.weight(f"bias_{part}_l{layer}{end}", gates * hidden) for part in ("ih", "hh")]
        key = c._local("target", ())
        lengths = c.arrays["input." + key] = numpy.array(c.ints(len(x), 1, steps), numpy.int32)
        rows = torch.nn.utils.rnn.pack_padded_sequence(
            x, torch.from_numpy(lengths).long(), batch_first=True, enforce_sorted=False)
        starts = [start[:, rows.sorted_indices].contiguous() for start in starts]
        data, *states = function(rows.data, rows.batch_sizes, starts if name == "lstm" else starts[0],
                                 weights, biased, layers, 0.0, False, both)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(rows._replace(data=data), True, total_length=steps)
        states = [state[:, rows.unsorted_indices] for state in states]
        given = f"lengths = {'abcd'[c.count - 1]}, h0 = b:broadcast(wide)"
        if name == "lstm":
            given += ", c0 = c:broadcast(wide)"
        options = c.options(hidden=hidden, layers=layers, bidirectional=both, bias=biased, **attrs)
        c.lines += [f"local wide = {{shape = {{{layers * (1 + both)}, a:dim(0), {hidden}}}}}",
                    f"local y, s, t = a:{name}{options[:-1]}, {given}}}"]
        flat = ", ".join(f"{result}:reshape{{shape = {{-1}}}}" for result in "yst"[:1 + len(states)])
        return f"op.concat({flat}, {{axis = 0}})", torch.cat([y.reshape(-1), *(s.reshape(-1) for s in states)])
    case.__name__ = "packed_" + function.__name__


packed("rnn", torch.rnn_tanh, 1)
packed("rnn", torch.rnn_relu, 1, nonlinearity="relu")
packed("lstm", torch.lstm, 4)
packed("gru", torch.gru, 3)


# ---- softmax and losses ----

@operator("losses")
def softmax(c):
    x = c.input(c.int(2, 20), *c.pick([], c.ints(2, 1, 4)))
    return "a:softmax()", F.softmax(x, 1)


@operator("losses")
def log_softmax(c):
    x, axis = c.parameter(c.int(1, 4), c.int(2, 20), *c.ints(c.int(0, 2), 1, 4)), c.pick(0, 1, -1)
    return "a:log_softmax" + lua({"axis": axis}), F.log_softmax(x, axis)


@operator("losses")
def softmax_axis(c):
    x, axis = c.parameter(*c.ints(c.int(2, 4), 1, 7)), c.pick(0, 1, -1)
    return "a:softmax" + lua({"axis": axis}), F.softmax(x, axis)


def class_weights(c, classes):
    """The fixed weights c, or none: Lua's word and the tensor."""
    if c.flip():
        return None, None
    key = f"{c.name}.weights"
    w = c.weight("weights", classes, positive=True)
    c.lines.append(f"local w = parameter('{key}', {{{classes}}}):detach()")
    return "w", w


def attributes(weight, **attrs):
    text = lua(attrs)
    return text if weight is None else f"{{weight = {weight}, {text[1:]}"


@operator("losses")
def cross_entropy(c):
    pixels, missing, smoothing = c.pick([], c.ints(2, 1, 4)), c.pick(None, -1, -100), c.pick(0, 0.125)
    x, reduction = c.input(c.pick(2, 5, 17), *pixels, always=True), c.pick("mean", "mean", "sum", "none")
    target = c.classes(x.shape[1], *pixels, missing=missing)
    ignore = -1 if missing is None else missing
    word, weight = class_weights(c, x.shape[1])
    y = F.cross_entropy(x, target, weight.detach() if weight is not None else None, ignore_index=ignore,
                        label_smoothing=smoothing, reduction=reduction)
    y = y if weight is None else y + 0 * weight.sum()
    return "a:cross_entropy(b, " + attributes(word, ignore_index=ignore, label_smoothing=smoothing,
                                              reduction=reduction) + ")", y


@operator("losses")
def cross_entropy_soft(c):
    shape = [c.int(1, 5), c.pick(2, 5, 17), *c.pick([], c.ints(2, 1, 4))]
    x, q, smoothing, reduction = c.parameter(*shape), c.parameter(*shape), c.pick(0, 0.125), c.pick("mean", "sum", "none")
    word, weight = class_weights(c, shape[1])
    y = F.cross_entropy(x, F.softmax(q, 1), weight.detach() if weight is not None else None,
                        label_smoothing=smoothing, reduction=reduction)
    y = y if weight is None else y + 0 * weight.sum()
    return "a:cross_entropy(b:softmax(), " + attributes(word, label_smoothing=smoothing, reduction=reduction) + ")", y


@operator("losses")
def nll_loss(c):
    pixels, missing, reduction = c.pick([], c.ints(2, 1, 4)), c.pick(None, -1), c.pick("mean", "sum", "none")
    x = c.input(c.pick(2, 5, 17), *pixels, always=True)
    target = c.classes(x.shape[1], *pixels, missing=missing)
    word, weight = class_weights(c, x.shape[1])
    y = F.nll_loss(x, target, weight.detach() if weight is not None else None, ignore_index=-1, reduction=reduction)
    y = y if weight is None else y + 0 * weight.sum()
    return "a:nll_loss(b, " + attributes(word, reduction=reduction) + ")", y


@operator("losses")
def multi_margin_loss(c):
    x, margin, p = c.input(c.pick(2, 5, 17), always=True), c.pick(1, 0.5), c.pick(1, 1, 2)
    target, reduction = c.classes(x.shape[1]), c.pick("mean", "mean", "sum", "none")
    word, weight = class_weights(c, x.shape[1])
    y = F.multi_margin_loss(x, target, p, margin, weight.detach() if weight is not None else None, reduction=reduction)
    y = y if weight is None else y + 0 * weight.sum()
    return "a:multi_margin_loss(b, " + attributes(word, margin=margin, p=p, reduction=reduction) + ")", y


def pair_loss(name, reference, **choices):
    """A loss of two tensors of one shape, reference(x, target, reduction=..., ...); words before
    and after the target are Lua's for what the reference does to x and target."""
    before, after = choices.pop("before", ""), choices.pop("after", "")

    @operator("losses")
    def case(c):
        shape = c.ints(c.int(1, 4), 1, 7)
        x, target = c.parameter(*shape), c.parameter(*shape)
        attrs = {key: c.pick(*values) for key, values in choices.items()}
        attrs.setdefault("reduction", c.pick("mean", "sum", "none"))
        return f"a{before}:{name}(b{after}, {lua(attrs)})", reference(x, target, **attrs)
    case.__name__ = name + ("_log" if choices.get("log_target") == [True] else "")


pair_loss("mse_loss", F.mse_loss)
pair_loss("l1_loss", F.l1_loss)
pair_loss("smooth_l1_loss", F.smooth_l1_loss, beta=[1, 0.5])
pair_loss("huber_loss", F.huber_loss, delta=[1, 0.5])
pair_loss("soft_margin_loss", lambda x, t, **a: F.soft_margin_loss(x, t.sign().detach(), **a) + 0 * t.sum(),
          after=":sign()")
pair_loss("binary_cross_entropy", lambda x, t, **a: F.binary_cross_entropy(
    x.sigmoid(), t.sigmoid().detach(), **a) + 0 * t.sum(), before=":sigmoid()", after=":sigmoid():detach()")
pair_loss("kl_div", lambda x, t, log_target, **a: F.kl_div(x, t if log_target else t.sigmoid(), log_target=log_target, **a),
          after=":sigmoid()", log_target=[False], reduction=["mean", "sum", "none", "batchmean"])
pair_loss("kl_div", F.kl_div, log_target=[True], reduction=["mean", "sum", "none", "batchmean"])


@operator("losses")
def binary_cross_entropy_with_logits(c):
    shape = c.ints(c.int(1, 4), 1, 7)
    x, target, reduction = c.parameter(*shape), c.parameter(*shape), c.pick("mean", "sum", "none")
    weight = c.parameter(*shape, positive=True) if c.flip() else None
    positive = c.parameter(shape[-1], positive=True) if c.flip() else None
    words = {"c": weight, "d": positive} if weight is not None else {"c": positive}
    given = [(word, name) for (word, t), name in zip(words.items(), ["weight", "pos_weight"]) if t is not None]
    if weight is None and positive is not None:
        given = [("c", "pos_weight")]
    y = F.binary_cross_entropy_with_logits(
        x, target.sigmoid().detach(), None if weight is None else weight.detach(),
        pos_weight=None if positive is None else positive.detach(), reduction=reduction)
    y = y + 0 * (target.sum() + sum(t.sum() for t in (weight, positive) if t is not None))
    attrs = ", ".join([f"reduction = '{reduction}'"] + [f"{name} = {word}:detach()" for word, name in given])
    return f"a:binary_cross_entropy_with_logits(b:sigmoid():detach(), {{{attrs}}})", y


@operator("losses")
def cosine_similarity(c):
    shape = c.ints(c.int(2, 4), 2, 9)
    axis = c.pick(0, 1, -1)
    x, y = c.parameter(*shape), c.parameter(*shape)
    return "a:cosine_similarity(b, " + lua({"axis": axis}) + ")", F.cosine_similarity(x, y, axis)


@operator("losses")
def cosine_embedding_loss(c):
    n, k, margin, reduction = c.int(1, 9), c.int(2, 9), c.pick(0, 0.25), c.pick("mean", "sum", "none")
    x, y, target = c.parameter(n, k), c.parameter(n, k), c.parameter(n)
    loss = F.cosine_embedding_loss(x, y, target.sign().detach(), margin, reduction=reduction) + 0 * target.sum()
    return "a:cosine_embedding_loss(b, c:sign(), " + lua({"margin": margin, "reduction": reduction}) + ")", loss


@operator("losses")
def hinge_loss(c):
    shape, reduction = c.ints(c.int(1, 3), 1, 7), c.pick("mean", "sum")
    x, target = c.parameter(*shape), c.parameter(*shape)
    losses = (1 - target.sign() * x).relu()
    return "a:hinge_loss(b:sign(), " + lua({"reduction": reduction}) + ")", getattr(losses, reduction)()


@operator("losses")
def dice_loss(c):
    shape, square, batch = [c.int(1, 4), c.int(1, 4), *c.ints(c.int(1, 2), 2, 7)], c.flip(), c.flip()
    x, target = c.parameter(*shape), c.parameter(*shape)
    p, t = x.sigmoid(), target.sigmoid()
    axes = list(range(2, len(shape))) + ([0] if batch else [])
    below = (p * p).sum(axes) + (t * t).sum(axes) if square else p.sum(axes) + t.sum(axes)
    y = (1 - (2 * (p * t).sum(axes) + 1) / (below + 1)).mean()
    return "a:sigmoid():dice_loss(b:sigmoid(), " + lua({"square": square, "batch": batch}) + ")", y


@operator("losses")
def dice_loss_classes(c):
    x = c.input(c.int(2, 5), *c.ints(2, 2, 6), always=True)
    target, p = c.classes(x.shape[1], *x.shape[2:]), F.softmax(x, 1)
    t = F.one_hot(target, x.shape[1]).movedim(-1, 1)
    y = (1 - (2 * (p * t).sum((2, 3)) + 1) / (p.sum((2, 3)) + t.sum((2, 3)) + 1)).mean()
    return "a:softmax():dice_loss(b)", y


@operator("losses")
def prelu(c):
    x, many = c.input(c.int(2, 9), *c.ints(c.int(0, 2), 1, 5)), c.flip()
    weight = c.weight("weight", x.shape[1] if many else 1)
    return "a:prelu" + c.options(channels=many), F.prelu(x, weight)


@operator("losses")
def maxout(c):
    pieces, axis, shape = c.int(1, 4), c.pick(1, -1), c.ints(c.int(2, 4), 1, 5)
    shape[axis] *= pieces
    x = c.parameter(*shape)
    y = x.unflatten(axis, (shape[axis] // pieces, pieces)).amax(axis + 1 if axis > 0 else axis)
    return "a:maxout" + lua({"pieces": pieces, "axis": axis}), y


# ---- boxes ----

def corners(c, count, size):
    """Boxes within a picture of the size, of both sides at least 1/2."""
    low = numpy.array([[c.near(0, size - 1) for _ in range(2)] for _ in range(count)])
    high = numpy.array([[c.near(v + 0.5, size) for v in row] for row in low])
    return numpy.concatenate([low, high], 1)


def regions(name, reference, **choices):
    @operator("boxes")
    def case(c):
        size, count = c.int(5, 9), c.int(1, 4)
        x = c.parameter(c.int(1, 3), c.pick(1, 3, 17), size, size)
        images = numpy.array([[c.int(0, x.shape[0] - 1)] for _ in range(count)])
        boxes = c.fixed(numpy.concatenate([images, corners(c, count, 2 * size)], 1))
        attrs = {"output_size": c.ints(2, 1, 4), "spatial_scale": 0.5,
                 **{key: c.pick(*values) for key, values in choices.items()}}
        # In float, as the kernels compute which elements belong to a bin.
        y = reference(x.float(), boxes.float().detach(), **attrs).double() + 0 * boxes.sum()
        return f"a:{name}(b:detach(), " + lua(attrs) + ")", y
    case.__name__ = name


regions("roi_align", torchvision.ops.roi_align, sampling_ratio=[-1, 1, 2, 3], aligned=[False, True])
regions("roi_pool", torchvision.ops.roi_pool)


@operator("boxes")
def box_iou(c):
    a, b = c.fixed(corners(c, c.int(1, 9), 10)), c.fixed(corners(c, c.int(1, 9), 10))
    return "a:detach():box_iou(b:detach())", torchvision.ops.box_iou(a, b).detach() + 0 * (a.sum() + b.sum())


@operator("boxes")
def box_code(c):
    """Encoded and decoded as Faster R-CNN does."""
    count, weights = c.int(1, 9), [c.pick(1.0, 10.0), c.pick(1.0, 5.0)]
    coder = torchvision.models.detection._utils.BoxCoder([weights[0]] * 2 + [weights[1]] * 2)
    a, b, d = c.fixed(corners(c, count, 10)), c.fixed(corners(c, count, 10)), c.parameter(count, 4)
    code = coder.encode_single(a.detach(), b.detach())
    y = coder.decode_single(d, b.detach())
    attrs = lua({"weights": [weights[0]] * 2 + [weights[1]] * 2})
    return (f"op.concat(a:detach():box_encode(b:detach(), {attrs}), c:box_decode(b:detach(), {attrs}), {{axis = 1}})",
            torch.cat([code, y], 1) + 0 * (a.sum() + b.sum()))


@operator("boxes")
def nms(c):
    count, overlap = c.int(1, 12), c.pick(0.25, 0.5)
    a, scores = c.fixed(corners(c, count, 10)), c.parameter(count)
    kept = torchvision.ops.nms(a.detach(), scores.detach(), overlap)
    y = F.pad(kept, (0, count - len(kept)), value=-1).double() + 0 * (a.sum() + scores.sum())
    return (f"a:reshape{{shape = {{1, {count}, 4}}}}:nms(b:reshape{{shape = {{1, {count}}}}}, "
            f"{{count = {count}, iou = {overlap}}}) + 0 * (a:sum() + b:sum())"), y


# ---- files ----

def differentiate(file, results):
    """Gradients of the sum of the results times random numbers. In one of few numbers all may cancel
    but what is below rounding errors in float32: then they are drawn again."""
    for _ in range(20):
        for leaf in file.leaves.values():
            leaf.grad = None
        mix = Case(file, "all").weight("mix", len(results))
        (results * mix).sum().backward(retain_graph=True)
        if all(leaf.numel() > 4 or leaf.grad.abs().max() >= 0.01 or not leaf.grad.any()
               for leaf in file.leaves.values()):
            break


def write_file(path, makers, rng):
    """Takes from the end of makers what one file may hold."""
    batch = rng.choice([1, 2, 3, 4, 5, 8])
    file, lines, results = File(batch, rng), [], []
    while makers and len(results) < PER_FILE and file.inputs <= INPUTS - 2:
        maker, name = makers.pop()
        c = Case(file, name)
        text, y = maker(c)
        lines += ["do", *c.lines, f"add({text})", "end"]
        file.arrays["output." + c.name] = y.detach().float().contiguous().numpy()
        results.append(y.reshape(-1))
    results = torch.cat(results)
    differentiate(file, results)
    for key, leaf in file.leaves.items():
        file.arrays["grad." + key] = leaf.grad.float().contiguous().numpy()
    with open(path + ".lua", "w", encoding="utf-8") as f:
        f.write("\n".join([BEGIN, *lines, END % len(results)]))
    tensors.write(path + ".safetensors", file.arrays, {"batch": str(batch)})


def main():
    folder, seed, cases = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    rng = random.Random(seed)
    for family, functions in FAMILIES.items():
        makers = [(function, f"{function.__name__.rstrip('_')}_{number}")
                  for function in reversed(functions) for number in range(cases)]
        count = 0
        while makers:
            write_file(os.path.join(folder, f"{family}_{count}"), makers, rng)
            count += 1


main()
