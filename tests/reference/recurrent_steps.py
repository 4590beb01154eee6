#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Trains an LSTM and a GRU classifier with PyTorch and writes what came out: see README.md."""
import os
import sys

import numpy
import torch
from torch import nn

import tensors
from train_steps import SEED, philox

STEPS, BATCH, LENGTH, FEATURES, CLASSES, HIDDEN = 20, 8, 10, 6, 3, 12
VALUES, TARGETS, LENGTHS = 11, 12, 13  # streams


def batches():
    """Noise in [-1, 1), 1 more in the feature that is the class, of one to ten steps."""
    count = STEPS * BATCH
    targets = (philox(SEED, TARGETS, count) % CLASSES).astype(numpy.int64)
    lengths = (philox(SEED, LENGTHS, count) % LENGTH + 1).astype(numpy.int64)
    x = philox(SEED, VALUES, count * LENGTH * FEATURES) / 2.0**31 - 1
    x = x.astype(numpy.float32).reshape(count, LENGTH, FEATURES)
    x[numpy.arange(count), :, targets] += 1
    return [torch.from_numpy(a).unflatten(0, (STEPS, BATCH)) for a in (x, lengths, targets)]


class Classifier(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.cell = layer(FEATURES, HIDDEN, num_layers=2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(2 * HIDDEN, CLASSES)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, states = self.cell(packed)
        h = states[0] if isinstance(states, tuple) else states
        return self.fc(torch.cat([h[2], h[3]], 1))


def train(model, dtype):
    model = model.to(dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for x, lengths, targets in zip(*batches()):
        loss = nn.functional.cross_entropy(model(x.to(dtype), lengths), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    torch.set_num_threads(1)
    for name, layer in ("lstm", nn.LSTM), ("gru", nn.GRU):
        torch.manual_seed(0)
        model = Classifier(layer)
        start = {key: value.numpy().copy() for key, value in model.state_dict().items()}
        twin = Classifier(layer)
        twin.load_state_dict(model.state_dict())
        exact, losses = train(twin, torch.float64), train(model, torch.float32)
        apart = max(abs(a / b - 1) for a, b in zip(losses, exact))
        print(f"{name}: loss {losses[0]:.4f} to {losses[-1]:.4f}, float32 to float64 {apart:.1e}")
        tensors.write(os.path.join(folder, f"{name}_start.safetensors"), start, {"torch": torch.__version__})
        final = {"losses": numpy.array(losses, numpy.float32)}
        final.update({"final." + key: value.numpy() for key, value in model.state_dict().items()})
        tensors.write(os.path.join(folder, f"{name}_steps.safetensors"), final,
                      {"seed": str(SEED), "optimizer": "Adam, lr 0.02", "losses_apart": f"{apart:.1e}"})


if __name__ == "__main__":
    main()
