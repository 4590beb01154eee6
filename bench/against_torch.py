#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rows of `neutra bench` beside PyTorch, in turn, in one run.

    OPENBLAS_CORETYPE=SkylakeX python3 bench/against_torch.py [--quick] [--filter WORD]...

Needs Debian's python3-torch. For each row Neutra and PyTorch measure in turn, several times; what is
printed is the median of their medians, the spread of these, the ratio (above 1: Neutra is faster) and
the share of the bound that `neutra bench` measured beside the row. Where PyTorch has two memory
formats (convolution, pooling, batch norm: contiguous and channels-last) the faster one counts.
"""
import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

aten = torch.ops.aten


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="the rows of a quick run, fewer turns")
    parser.add_argument("--filter", action="append", default=[],
                        help="only rows whose name contains it, or the one of this name; may be repeated")
    parser.add_argument("--turns", type=int, help="measurements of each side (default 5, quick 3)")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch (default 2)")
    parser.add_argument("--neutra", default="build/neutra", help="the program")
    parser.add_argument("--device", help="of Neutra")
    parser.add_argument("--json", help="write the figures to this file too")
    return parser.parse_args()


# ---- Neutra ----

def neutra(options, *more):
    command = [options.neutra, "bench", *more]
    if options.device and "--list" not in more:
        command += ["--device", options.device]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def names(options):
    quick = ["--quick"] if options.quick else []
    chosen = [["--filter", word] for word in options.filter] or [[]]
    listed = [name for more in chosen for name in neutra(options, "--list", *quick, *more).splitlines()]
    return [name for name in dict.fromkeys(listed) if name != "probes"]


def measure_here(options, name):
    document = json.loads(neutra(options, "--filter", name, "--json", "-", "--quick"))
    device = document["devices"][0]
    row = (device.get("layers", []) + device.get("networks", []))[0]
    if not row.get("right", True):
        sys.exit(f"{name}: Neutra's result is wrong")
    return row


# ---- PyTorch: one function per family gives the functions to time, the fastest of which counts ----

def gemm(w):
    a = torch.randn(w["c"], w["n"]).t() if w["a_transposed"] else torch.randn(w["n"], w["c"])
    b = torch.randn(w["k"], w["c"]).t() if w["b_transposed"] else torch.randn(w["c"], w["k"])
    c = torch.empty(w["n"], w["k"])
    return [lambda: torch.mm(a, b, out=c)]


FORMATS = torch.contiguous_format, torch.channels_last


def conv(w):
    out = (w["hw"] + 2 * w["pad"] - w["dilation"] * (w["r"] - 1) - 1) // w["stride"] + 1
    mask = {"backward-data": [True, False, False], "backward-weights": [False, True, False]}

    def of(layout):
        x = torch.randn(w["n"], w["c"], w["hw"], w["hw"]).to(memory_format=layout)
        f = torch.randn(w["k"], w["c"] // w["groups"], w["r"], w["r"]).to(memory_format=layout)
        y = torch.randn(w["n"], w["k"], out, out).to(memory_format=layout)
        step, pad, apart, none = [w["stride"]] * 2, [w["pad"]] * 2, [w["dilation"]] * 2, [0, 0]
        if w["pass"] == "forward":
            return lambda: F.conv2d(x, f, None, step, pad, apart, w["groups"])
        return lambda: aten.convolution_backward(
            y, x, f, None, step, pad, apart, False, none, w["groups"], mask[w["pass"]])
    return [of(layout) for layout in FORMATS]


def pool(w):
    size, step, pad = [w["r"]] * 2, [w["stride"]] * 2, [w["pad"]] * 2

    def of(layout):
        x = torch.randn(w["n"], w["c"], w["hw"], w["hw"]).to(memory_format=layout)
        forward = w["pass"] == "forward"
        if w["pooling"] == "max":
            y, index = aten.max_pool2d_with_indices(x, size, step, pad)
            if forward:
                return lambda: aten.max_pool2d_with_indices(x, size, step, pad)
            return lambda: aten.max_pool2d_with_indices_backward(
                y, x, size, step, pad, [1, 1], False, index)
        y = aten.avg_pool2d(x, size, step, pad)
        if forward:
            return lambda: aten.avg_pool2d(x, size, step, pad)
        return lambda: aten.avg_pool2d_backward(y, x, size, step, pad, False, True, None)
    return [of(layout) for layout in FORMATS]


def norm(w):
    def of(layout):
        x = torch.randn(w["n"], w["c"], w["hw"], w["hw"]).to(memory_format=layout)
        dy = torch.randn_like(x)
        layer = torch.nn.BatchNorm2d(w["c"])

        def forward():
            with torch.no_grad():
                layer(x)

        def step():
            x.grad = layer.weight.grad = layer.bias.grad = None
            layer(x).backward(dy)
        if w["pass"] == "forward":
            return forward
        x.requires_grad_()
        return step
    return [of(layout) for layout in FORMATS]


def softmax(w):
    x = torch.randn(w["n"], w["c"])
    y, dy = torch.softmax(x, 1), torch.randn(w["n"], w["c"])
    if w["pass"] == "forward":
        return [lambda: torch.softmax(x, 1)]
    return [lambda: aten._softmax_backward_data(dy, y, 1, torch.float32)]


def elementwise(w):
    a, b = (torch.randn(w["n"], w["c"], w["hw"], w["hw"]) for _ in range(2))
    out = torch.empty_like(a)
    return [{
        "max(a, 0)": lambda: torch.clamp_min(a, 0, out=out),
        "max(a + b, 0)": lambda: torch.add(a, b, out=out).relu_(),
        "tanh(a)": lambda: torch.tanh(a, out=out),
        "a / (1 + exp(-b))": lambda: torch.sigmoid(b, out=out).mul_(a),
    }[w["formula"]]]


class UNet(nn.Module):
    """The widths of zoo/unet.lua."""

    def __init__(self, width=64, levels=4):
        super().__init__()

        def double(c, k):
            return nn.Sequential(
                nn.Conv2d(c, k, 3, padding=1, bias=False), nn.BatchNorm2d(k), nn.ReLU(),
                nn.Conv2d(k, k, 3, padding=1, bias=False), nn.BatchNorm2d(k), nn.ReLU())
        sizes = [width << level for level in range(levels + 1)]
        self.down = nn.ModuleList(double(c, k) for c, k in zip([1] + sizes, sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * k, k, 2, 2) for k in sizes[:levels])
        self.after = nn.ModuleList(double(2 * k, k) for k in sizes[:levels])
        self.last = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        kept = []
        for i, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for level in reversed(range(len(self.up))):
            x = self.after[level](torch.cat([kept[level], self.up[level](x)], 1))
        return self.last(x)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cell = kind(128, 256, 2, batch_first=True)

    def forward(self, x):
        return self.cell(x)[0]


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def vision(name):
    import torchvision
    return getattr(torchvision.models, name)()


# Shapes of one item, and of its target with the number of classes (0: numbers).
PICTURE, CLASS = (3, 224, 224), ((), 1000)
NETWORKS = {
    "lenet": (lenet, (1, 28, 28), ((), 10)),
    "alexnet": (lambda: vision("alexnet"), PICTURE, CLASS),
    "vgg16": (lambda: vision("vgg16"), PICTURE, CLASS),
    "resnet18": (lambda: vision("resnet18"), PICTURE, CLASS),
    "resnet50": (lambda: vision("resnet50"), PICTURE, CLASS),
    "mobilenet_v2": (lambda: vision("mobilenet_v2"), PICTURE, CLASS),
    "squeezenet": (lambda: vision("squeezenet1_1"), PICTURE, CLASS),
    "unet": (UNet, (1, 128, 128), ((128, 128), 2)),
    "lstm": (lambda: Recurrent(nn.LSTM), (64, 128), ((64, 256), 0)),
    "gru": (lambda: Recurrent(nn.GRU), (64, 128), ((64, 256), 0)),
}


def loaded(folder, item, batch):
    """Batches without end of JPEG files like those of `neutra bench`, by two worker processes."""
    import numpy
    import torchvision
    from PIL import Image
    from torchvision import transforms
    y, x = numpy.mgrid[:375, :500]
    for i in range(96):
        path = Path(folder) / ("odd" if i % 2 else "even")
        path.mkdir(exist_ok=True)
        wave = 110 + 40 * (numpy.sin((0.02 + 0.0005 * i) * x) + numpy.cos((0.04 + 0.001 * i) * y))
        noise = numpy.random.randint(0, 16, (375, 500, 3))
        Image.fromarray((wave[..., None] + noise).astype("uint8")).save(path / f"{i}.jpg", quality=90)
    steps = [transforms.RandomResizedCrop(item[-1]), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
             transforms.Normalize(0.45, 0.22)]
    if item[0] == 1:
        steps.insert(0, transforms.Grayscale())
    data = torchvision.datasets.ImageFolder(folder, transforms.Compose(steps))
    loader = torch.utils.data.DataLoader(
        data, batch, shuffle=True, drop_last=True, num_workers=2, persistent_workers=True)
    while True:
        yield from loader


folders = []


def network(w):
    make, item, (target, classes) = NETWORKS[w["network"]]
    if w["side"]:
        item = (item[0], w["side"], w["side"])

    def of(layout):
        net = make().train(w["training"])
        x = torch.randn(w["batch"], *item)
        if layout is torch.channels_last:
            net, x = net.to(memory_format=layout), x.to(memory_format=layout)
        if not w["training"]:
            def infer():
                with torch.inference_mode():
                    net(x)
            return infer
        y = torch.randint(0, classes, (w["batch"], *target)) if classes else torch.randn(w["batch"], *target)
        loss = nn.CrossEntropyLoss() if classes else nn.MSELoss()
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
        batches = loaded(folder.name, item, w["batch"]) if w["loaded"] else itertools.repeat((x, y))

        def step():
            x, y = next(batches)
            optimizer.zero_grad(set_to_none=True)
            if layout is torch.channels_last:
                x = x.to(memory_format=layout)
            loss(net(x), y).backward()
            optimizer.step()
        return step
    folder = tempfile.TemporaryDirectory()
    folders.append(folder)  # lives as long as the program
    return [of(layout) for layout in (FORMATS if len(item) == 3 else FORMATS[:1])]


FAMILIES = {"gemm": gemm, "conv": conv, "pool": pool, "norm": norm, "softmax": softmax, "map": elementwise,
            "network": network}


def series(run, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


class Peer:
    """The functions of a row, warmed up; measure gives the median milliseconds of the faster one."""

    def __init__(self, row):
        functions = FAMILIES[row["family"]](row["work"])
        timed = []
        for run in functions:
            once = series(run, 1)
            for _ in range(4 if once < 0.2 else 1):
                once = min(once, series(run, 1))
            timed.append((once, run))
        once, self.run = min(timed, key=lambda pair: pair[0])
        self.repeats = max(1, math.ceil(0.01 / once))

    def measure(self):
        return 1e3 * statistics.median(series(self.run, self.repeats) for _ in range(5))


def spread(values):
    return f"{min(values):.3g} to {max(values):.3g}"


def line(points):
    """Constant and slope with the least sum of (line / time - 1)^2 over (amount, time)."""
    w, wx, wxx, wy, wxy = (sum(f(x, y) / (y * y) for x, y in points) for f in (
        lambda x, y: 1, lambda x, y: x, lambda x, y: x * x, lambda x, y: y, lambda x, y: x * y))
    slope = (w * wxy - wx * wy) / (w * wxx - wx * wx)
    return (wy - slope * wx) / w, slope


def print_growth(results):
    """What a step costs whatever its batch, on both sides, where three batches were measured."""
    groups = {}
    for row in results:
        work = row["work"]
        if "network" in work and not work["loaded"]:
            key = work["network"], "train" if work["training"] else "infer", work["side"]
            groups.setdefault(key, []).append(row)
    groups = {key: rows for key, rows in groups.items() if len(rows) >= 3}
    if not groups:
        return
    print("\ntime = constant + slope x batch\n")
    print("| network | batches | Neutra: ms + ms x batch | PyTorch |")
    print("| --- | --- | --- | --- |")
    for (name, mode, _), rows in groups.items():
        batches = [row["work"]["batch"] for row in rows]
        sides = ["{:.3g} + {:.3g}".format(*line([
            (row["work"]["batch"], statistics.median(row[side])) for row in rows]))
            for side in ("neutra_ms", "torch_ms")]
        print(f"| {name} {mode} | {', '.join(map(str, sorted(batches)))} | {sides[0]} | {sides[1]} |")


def main():
    options = parse()
    turns = options.turns or (3 if options.quick else 5)
    torch.set_num_threads(options.threads)
    print(f"PyTorch {torch.__version__}, {options.threads} threads, {time.strftime('%Y-%m-%d')}; {turns} turns\n")
    print("| row | Neutra ms | PyTorch ms | ratio | share of the bound |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    results = []
    for name in names(options):
        here, there, share, peer = [], [], [], None
        for _ in range(turns):
            row = measure_here(options, name)
            peer = peer or Peer(row)
            here.append(row["median_ms"])
            there.append(peer.measure())
            share.append(row.get("share", 0))
        ratio = statistics.median(there) / statistics.median(here)
        results.append({"name": name, "neutra_ms": here, "torch_ms": there, "ratio": ratio,
                        "share": statistics.median(share), "work": row["work"]})
        print(f"| {name} | {statistics.median(here):.3g} ({spread(here)}) | {statistics.median(there):.3g} "
              f"({spread(there)}) | **{ratio:.2f}** | {100 * statistics.median(share):.0f} % |", flush=True)
    print_growth(results)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"torch": torch.__version__, "threads": options.threads, "rows": results}, file, indent=1)


main()
