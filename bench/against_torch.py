#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A LeNet training step here and in PyTorch, in turn, in one run.

    OPENBLAS_CORETYPE=SkylakeX python3 bench/against_torch.py [BUILD_DIR [BATCH]]

Needs Debian's python3-torch. Prints the median of the rounds, their spread and the ratio.
"""
import json
import statistics
import subprocess
import sys
import time

import torch
from torch import nn

build = sys.argv[1] if len(sys.argv) > 1 else "build"
batch = int(sys.argv[2]) if len(sys.argv) > 2 else 64
threads, rounds, steps = 2, 5, 30
torch.set_num_threads(threads)

net = nn.Sequential(
    nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)
images, classes = torch.randn(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
cross_entropy = nn.CrossEntropyLoss()


def torch_step():
    optimizer.zero_grad()
    loss = cross_entropy(net(images), classes)
    loss.backward()
    optimizer.step()


def torch_series():
    start = time.perf_counter()
    for _ in range(steps):
        torch_step()
    return (time.perf_counter() - start) / steps * 1e3


def here_series():
    command = [f"{build}/bench/bench_step", "zoo/lenet.lua", str(batch), str(steps)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["step_ms"]


for _ in range(10):
    torch_step()
here, peer = [], []
for _ in range(rounds):
    here.append(here_series())
    peer.append(torch_series())
for name, times in ("neutra", here), (f"PyTorch {torch.__version__}, {threads} threads", peer):
    print(f"{name}: {statistics.median(times):.3f} ms per step ({min(times):.3f} to {max(times):.3f})")
print(f"ratio {statistics.median(peer) / statistics.median(here):.2f}")
