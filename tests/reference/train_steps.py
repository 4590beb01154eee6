#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Trains small networks with PyTorch for 20 steps and writes what came out: train_steps.py [FOLDER]

README.md says what is in the files. Written with PyTorch 1.13 (Debian's python3-torch)."""
import os
import sys

import numpy
import torch
from torch import nn

import tensors

SEED = 20240229
STEPS, BATCH, CLASSES = 20, 8, 10
# Streams of the Philox generator under SEED.
PIXELS, TARGETS, PROBE, WEIGHTS = 1, 2, 3, 16
LARGE = 65536  # of a tensor with more elements, every fourth row is kept


def philox(key, stream, count):
    """The first numbers of a stream, as engine/random.c: Philox4x32-10."""
    blocks = (count + 3) // 4
    low = numpy.arange(blocks, dtype=numpy.uint64)
    mask, shift = numpy.uint64(0xFFFFFFFF), numpy.uint64(32)
    c = [low & mask, low >> shift]
    c += [numpy.full(blocks, stream & 0xFFFFFFFF, numpy.uint64), numpy.full(blocks, stream >> 32, numpy.uint64)]
    k = [key & 0xFFFFFFFF, key >> 32]
    for _ in range(10):
        p0, p1 = numpy.uint64(0xD2511F53) * c[0], numpy.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> shift) ^ c[1] ^ numpy.uint64(k[0]), p1 & mask,
             (p0 >> shift) ^ c[3] ^ numpy.uint64(k[1]), p0 & mask]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return numpy.stack(c, 1).reshape(-1)[:count].astype(numpy.uint32)


def batches():
    """Noise of 0..127 with a band of four rows 127 brighter, whose place tells the class."""
    targets = (philox(SEED, TARGETS, STEPS * BATCH) % CLASSES).astype(numpy.int32)
    noise = (philox(SEED, PIXELS, STEPS * BATCH * 28 * 28) >> 25).astype(numpy.uint8)
    pixels = noise.reshape(-1, 28, 28)
    for item, target in zip(pixels, targets):
        item[2 * target + 4:2 * target + 8] += 127
    return pixels.reshape(STEPS, BATCH, 1, 28, 28), targets.reshape(STEPS, BATCH)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, CLASSES)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.conv1(x).relu(), 2)
        x = nn.functional.max_pool2d(self.conv2(x).relu(), 2)
        x = self.fc1(x.flatten(1)).relu()
        return self.fc3(self.fc2(x).relu())


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, CLASSES)

    def forward(self, x):
        x = self.fc1(x.flatten(1)).relu()
        return self.fc3(self.fc2(x).relu())


def start(model):
    """Weights uniform as He et al. 2015, so that 20 steps learn something, biases within
    1/sqrt(fan in); in float16 so that files stay small."""
    state, fan_in = {}, 1
    for number, (name, value) in enumerate(model.state_dict().items()):
        is_weight = name.endswith("weight")
        if is_weight:
            fan_in = value[0].numel()
        bound = ((6 if is_weight else 1) / fan_in) ** 0.5
        unit = philox(SEED, WEIGHTS + number, value.numel()) / 2.0**31 - 1
        state[name] = (unit * bound).astype(numpy.float16).reshape(tuple(value.shape))
    return state


def change_gradients(parameters, clip_value=0.0, clip_norm=0.0, l1=0.0):
    if clip_value:
        nn.utils.clip_grad_value_(parameters, clip_value)
    if clip_norm:
        nn.utils.clip_grad_norm_(parameters, clip_norm)
    for p in parameters:
        if l1:
            p.grad += l1 * p.detach().sign()


def train(make, weights, optimizer, dtype, freeze=(), **changes):
    model = make().to(dtype)
    model.load_state_dict({name: torch.from_numpy(w).to(dtype) for name, w in weights.items()})
    parameters = [p for name, p in model.named_parameters() if not any(f in name for f in freeze)]
    steps = optimizer(parameters)
    losses = []
    for pixels, targets in zip(*batches()):
        x = torch.from_numpy(pixels).to(dtype) / 255
        loss = nn.functional.cross_entropy(model(x), torch.from_numpy(targets).long())
        steps.zero_grad()
        loss.backward()
        change_gradients(parameters, **changes)
        steps.step()
        losses.append(loss.item())
    return losses, {name: value.numpy() for name, value in model.state_dict().items()}


def small_results(weights):
    arrays = {}
    for name, _, optimizer, changes in SMALL_RUNS:
        losses, final = train(LeNet, weights, optimizer, torch.float32, **changes)
        exact, _ = train(LeNet, weights, optimizer, torch.float64, **changes)
        arrays[name + ".losses"] = numpy.array(losses, numpy.float32)
        for key, value in final.items():
            probe = philox(SEED, PROBE, value.size) / 2.0**31 - 1
            arrays[f"{name}.dot.{key}"] = numpy.array([probe @ value.astype(numpy.float64).ravel()])
        apart = max(abs(a / b - 1) for a, b in zip(losses, exact))
        print(f"  {name}: loss {losses[0]:.4f} to {losses[-1]:.4f}; float32 to float64: {apart:.1e}")
    return arrays


def results(make, weights, optimizer):
    losses, final = train(make, weights, optimizer, torch.float32)
    exact, exact_final = train(make, weights, optimizer, torch.float64)
    pixels, targets = batches()
    arrays = {"losses_float64": numpy.array(exact),
              "losses": numpy.array(losses, numpy.float32),
              "targets": targets,
              "pixels.first": pixels[0]}
    for name, value in final.items():
        probe = philox(SEED, PROBE, value.size) / 2.0**31 - 1
        arrays["dot." + name] = numpy.array([probe @ value.astype(numpy.float64).ravel()])
        arrays["final." + name] = value if value.size <= LARGE else value[::4]
    apart = max(abs(a / b - 1) for a, b in zip(losses, exact))
    moved = max(abs(final[n] - exact_final[n]).max() for n in final)
    print(f"  loss {losses[0]:.4f} to {losses[-1]:.4f}, at most {max(losses):.4f}; float32 to float64: losses {apart:.1e}"
          f" (relative), weights {moved:.1e}")
    return arrays, apart, moved


RUNS = [
    ("lenet", LeNet, "sgd", "SGD, lr 0.05, momentum 0.9, weight decay 5e-4",
     lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=5e-4)),
    ("lenet", LeNet, "nesterov", "SGD, lr 0.05, Nesterov momentum 0.9, weight decay 5e-4",
     lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)),
    ("lenet", LeNet, "adam", "Adam, lr 0.001, betas 0.9 0.999, eps 1e-8, weight decay 5e-4 (L2)",
     lambda p: torch.optim.Adam(p, lr=0.001, weight_decay=5e-4)),
    ("mlp", Mlp, "sgd", "SGD, lr 0.05, momentum 0.9, weight decay 5e-4",
     lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=5e-4)),
]

# Only the losses and the products with the fixed vector are kept of these, in one file.
SMALL_RUNS = [
    ("plain", "SGD, lr 0.05", lambda p: torch.optim.SGD(p, lr=0.05), {}),
    ("adamw", "AdamW, lr 0.001, weight decay 0.1",
     lambda p: torch.optim.AdamW(p, lr=0.001, weight_decay=0.1), {}),
    ("adagrad", "Adagrad, lr 0.01, weight decay 5e-4",
     lambda p: torch.optim.Adagrad(p, lr=0.01, weight_decay=5e-4), {}),
    ("rmsprop", "RMSprop, lr 0.0005, weight decay 5e-4",
     lambda p: torch.optim.RMSprop(p, lr=0.0005, weight_decay=5e-4), {}),
    ("rmsprop_momentum", "RMSprop, lr 0.0002, alpha 0.9, eps 1e-5, momentum 0.5",
     lambda p: torch.optim.RMSprop(p, lr=0.0002, alpha=0.9, eps=1e-5, momentum=0.5), {}),
    ("rmsprop_centered", "RMSprop, lr 0.0002, eps 1e-5, momentum 0.5, centered",
     lambda p: torch.optim.RMSprop(p, lr=0.0002, eps=1e-5, momentum=0.5, centered=True), {}),
    ("clip_norm", "SGD, lr 0.05, momentum 0.9, global norm at most 0.5",
     lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9), {"clip_norm": 0.5}),
    ("clip_value", "SGD, lr 0.05, momentum 0.9, elements at most 0.01",
     lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9), {"clip_value": 0.01}),
    ("clip_both", "Adam, lr 0.001, elements at most 0.01, then the norm at most 0.1",
     lambda p: torch.optim.Adam(p, lr=0.001), {"clip_value": 0.01, "clip_norm": 0.1}),
    ("l1", "SGD, lr 0.05, 1e-4 times the sign added to the gradient",
     lambda p: torch.optim.SGD(p, lr=0.05), {"l1": 1e-4}),
    ("no_decay", "AdamW, lr 0.001, weight decay 0.1 but for biases",
     lambda p: torch.optim.AdamW([{"params": p[0::2]}, {"params": p[1::2], "weight_decay": 0.0}],
                                 lr=0.001, weight_decay=0.1), {}),
    ("freeze", "SGD, lr 0.05, momentum 0.9, weight decay 5e-4, norm at most 1; conv2 and biases are frozen",
     lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=5e-4),
     {"clip_norm": 1.0, "freeze": ["conv2.weight", "bias"]}),
]


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for name, make, kind, text, optimizer in RUNS:
        weights = start(make())
        path = os.path.join(folder, f"{name}_start.safetensors")
        if kind == "sgd":
            tensors.write(path, weights, {"seed": str(SEED)})
        arrays, apart, moved = results(make, weights, optimizer)
        tensors.write(os.path.join(folder, f"{name}_{kind}.safetensors"), arrays,
              {"seed": str(SEED), "optimizer": text, "torch": torch.__version__,
               "losses_apart": f"{apart:.2e}", "weights_apart": f"{moved:.2e}"})
    metadata = {name: text for name, text, _, _ in SMALL_RUNS}
    tensors.write(os.path.join(folder, "lenet_updates.safetensors"), small_results(start(LeNet())),
          {"seed": str(SEED), "torch": torch.__version__, **metadata})


if __name__ == "__main__":
    main()
