#!/usr/bin/env python3
"""Models as LiteRT Torch makes them of PyTorch's, with operators of StableHLO that its converter leaves.

    litert_torch_models.py crates/teff-tflite/tests/data/models

Needs litert-torch 0.10.0, in an environment of its own; weights are random from one seed.
"""

import os
import sys

import litert_torch
import torch
from litert_torch.hlfb import StableHLOCompositeBuilder
from torch import nn


class Composite(nn.Module):
    """A part that has a name of its own, as those have that a phone computes by one kernel."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x):
        builder = StableHLOCompositeBuilder("teff.activation", attr={"approximate": True})
        y = builder.mark_inputs(self.first(x))
        return self.last(builder.mark_outputs(nn.functional.gelu(y) * 0.5 + y.abs()))


class Windows(nn.Module):
    """Windows along three axes, and along the channels."""

    def __init__(self):
        super().__init__()
        self.conv, self.pool, self.norm = nn.Conv3d(2, 3, 2), nn.MaxPool3d(2), nn.LocalResponseNorm(3)

    def forward(self, x):
        return self.norm(self.pool(torch.relu(self.conv(x))).flatten(3))


def main():
    folder = sys.argv[1]
    for name, model, shape in [("torch_composite", Composite, (2, 6)), ("torch_windows", Windows, (1, 2, 5, 7, 7))]:
        torch.manual_seed(1)
        litert_torch.convert(model().eval(), (torch.randn(shape),)).export(os.path.join(folder, f"{name}.tflite"))


main()
