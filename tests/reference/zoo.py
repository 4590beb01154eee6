#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Networks of the zoo as torchvision has them: zoo.py FOLDER SEED all|small

NAME.safetensors holds the state_dict of a network with random weights, and what it gives for random
pictures: reference.input, reference.logits. NAME_steps.safetensors holds the start of a training and
its losses: reference.input, reference.target, reference.losses.
Convolutions' and linear layers' weights are float16 numbers, so that files stay small."""
import os
import sys

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import tensors

NETWORKS = {  # name: extent of the pictures, whether it is left out on slow devices
    "alexnet": (71, True), "vgg16": (40, True), "googlenet": (64, True), "resnet18": (64, False),
    "resnet50": (64, True), "resnet152": (64, True), "densenet121": (64, True), "squeezenet1_1": (64, False),
    "mobilenet_v2": (64, False)}
BATCH, STEPS, CLASSES = 2, 3, 10


def make(name, **options):
    """The model, its weights not yet set: torchvision's own start takes most of the time."""
    keep = {key: getattr(nn.init, key) for key in ("kaiming_uniform_", "kaiming_normal_", "normal_", "uniform_",
                                                   "trunc_normal_", "xavier_uniform_")}
    for key in keep:
        setattr(nn.init, key, lambda tensor, *_, **__: tensor)
    if name == "googlenet":
        options["init_weights"] = False
    model = getattr(torchvision.models, name)(weights=None, **options)
    for key, function in keep.items():
        setattr(nn.init, key, function)
    return model


@torch.no_grad()
def randomise(model):
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            bound = (6 / module.weight[0].numel()) ** 0.5
            module.weight.uniform_(-bound, bound)
            module.weight.copy_(module.weight.half())
            if module.bias is not None:
                module.bias.uniform_(-0.2, 0.2)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.bias.uniform_(-0.5, 0.5)


@torch.no_grad()
def randomise_statistics(model, x):
    """Near those of the data, so that a hundred layers neither explode nor vanish."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [module.momentum for module in norms]
    for module in norms:
        module.momentum = 1
    if norms:
        model.train()(x)
    for module, momentum in zip(norms, momenta):
        module.momentum = momentum
        module.running_var *= torch.empty_like(module.running_var).uniform_(0.7, 1.4)
        module.running_mean += 0.3 * module.running_var.sqrt() * torch.randn_like(module.running_mean)


def state(model):
    halves = {name + ".weight" for name, module in model.named_modules()
              if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))}
    return {key: (value.half() if key in halves else value).detach().clone().numpy()
            for key, value in model.state_dict().items()}


def write_forward(folder, name, size):
    model = make(name)
    randomise(model)
    x = torch.randn(BATCH, 3, size, size)
    randomise_statistics(model, torch.randn(BATCH, 3, size, size))
    with torch.no_grad():
        logits = model.eval()(x)
    arrays = {**state(model), "reference.input": x.numpy(), "reference.logits": logits.numpy()}
    tensors.write(os.path.join(folder, name + ".safetensors"), arrays, {})


class Double(nn.Sequential):
    def __init__(self, before, features):
        super().__init__()
        for i, channels in ((1, before), (2, features)):
            self.add_module(f"conv{i}", nn.Conv2d(channels, features, 3, padding=1, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(features))
            self.add_module(f"relu{i}", nn.ReLU())


class UNet(nn.Module):
    """zoo/unet.lua with levels=2."""

    def __init__(self, width, classes):
        super().__init__()
        self.down1, self.down2 = Double(1, width), Double(width, 2 * width)
        self.bottom = Double(2 * width, 4 * width)
        self.up2, self.up1 = Double(4 * width, 2 * width), Double(2 * width, width)
        self.up2.up = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2)
        self.up1.up = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.last = nn.Conv2d(width, classes, 1)

    @staticmethod
    def join(double, kept, x):
        x = torch.cat((kept, double.up(x)), 1)
        for name, module in double.named_children():
            x = x if name == "up" else module(x)
        return x

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        x = self.bottom(F.max_pool2d(second, 2))
        return self.last(self.join(self.up1, first, self.join(self.up2, second, x)))


def write_steps(folder, name, model, inputs, targets, learning_rate):
    """SGD with momentum 0.9, each step on the same pictures, in double precision. The learning rates are such
    that the loss falls, but not so far that the next one depends on which activation is rounded below zero."""
    randomise(model)
    arrays, losses = state(model.train()), []
    model.load_state_dict({key: torch.from_numpy(value) for key, value in arrays.items()})
    model.double()
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=0.9)
    for _ in range(STEPS):
        loss = F.cross_entropy(model(inputs.double()), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    arrays |= {"reference.input": inputs.numpy(), "reference.target": targets.int().numpy(),
               "reference.losses": torch.tensor(losses).numpy()}
    print(f"{name}: losses", *(f"{loss:.5f}" for loss in losses))
    tensors.write(os.path.join(folder, name + "_steps.safetensors"), arrays, {"learning_rate": str(learning_rate)})


def main():
    folder, seed, small = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "small"
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    for name, (size, large) in NETWORKS.items():
        if not (small and large):
            write_forward(folder, name, size)
    write_steps(folder, "resnet18", make("resnet18", num_classes=CLASSES), torch.randn(8, 3, 64, 64),
                torch.randint(CLASSES, (8,)), 0.0002)
    write_steps(folder, "unet", UNet(8, 2), torch.randn(3, 1, 32, 32), torch.randint(2, (3, 32, 32)), 0.05)


if __name__ == "__main__":
    main()
