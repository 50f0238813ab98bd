#!/usr/bin/env python3
"""Exports small networks as their users would, with outputs to compare with.

    bench/models/setup && bench/models/.venv/bin/python bench/models/export.py

Every PyTorch network is exported by both exporters (`dynamo` and `torchscript`), with an open batch axis. Each gets a folder in
crates/teff-onnx/tests/data/exports: model.onnx, input_K.pb and output_K.pb, the latter as PyTorch computes them. `export.py NAME...`
makes only these.
"""

import io
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional as F

OUT = Path(__file__).resolve().parents[2] / "crates/teff-onnx/tests/data/exports"


class LeNet(nn.Module):
    """Convolutions and dense layers, flattened with `view` and a size that is computed."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 5), nn.Conv2d(4, 8, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(128, 24), nn.Linear(24, 16), nn.Linear(16, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        return F.log_softmax(self.fc3(F.relu(self.fc2(F.relu(self.fc1(x))))), dim=1)


class Separable(nn.Module):
    """Depthwise-separable convolutions with batch norm and hard-swish, as in MobileNetV3."""

    def __init__(self):
        super().__init__()

        def block(i, o, stride):
            return nn.Sequential(
                nn.Conv2d(i, i, 3, stride, 1, groups=i, bias=False),
                nn.BatchNorm2d(i),
                nn.Hardswish(),
                nn.Conv2d(i, o, 1, bias=False),
                nn.BatchNorm2d(o),
                nn.Hardswish(),
            )

        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.blocks = nn.Sequential(block(8, 12, 1), block(12, 16, 2), block(16, 16, 1))
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 16, 1), nn.Hardsigmoid())
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        x = x * self.squeeze(x)
        return self.head(F.dropout(x.mean((2, 3)), 0.2, self.training))


class Residual(nn.Module):
    """Two residual blocks, one of them with a projection."""

    class Block(nn.Module):
        def __init__(self, i, o, stride):
            super().__init__()
            self.a = nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))
            self.b = nn.Sequential(nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o))
            self.skip = nn.Identity() if stride == 1 and i == o else nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

        def forward(self, x):
            return F.relu(self.b(self.a(x)) + self.skip(x))

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, 1, 1)
        self.blocks = nn.Sequential(self.Block(6, 6, 1), self.Block(6, 10, 2))
        self.head = nn.Linear(10, 4)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1)).softmax(-1)


class Recurrent(nn.Module):
    """A recurrent layer over a sequence; what it gives last is classified."""

    def __init__(self, kind, **options):
        super().__init__()
        self.cell = kind(6, 8, batch_first=True, **options)
        self.head = nn.Linear(8 * (1 + options.get("bidirectional", False)), 3)

    def forward(self, x):
        y, _ = self.cell(x)
        return self.head(y[:, -1, :])


class Transformer(nn.Module):
    """One encoder block over embedded tokens with learned positions."""

    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(20, 16), nn.Parameter(torch.randn(1, 10, 16) * 0.1)
        self.q, self.k, self.v, self.o = (nn.Linear(16, 16) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)
        self.head = nn.Linear(16, 20)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions
        b, t, c = x.shape
        h = self.norm1(x)
        q, k, v = (f(h).view(b, t, 4, c // 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(a.transpose(1, 2).reshape(b, t, c))
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(x)


class UNet(nn.Module):
    """Down and up again, with transposed convolution, bilinear upsampling and skips."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.bottom = nn.Conv2d(8, 8, 3, padding=1)
        self.up2, self.merge2 = nn.ConvTranspose2d(8, 8, 2, stride=2), nn.Conv2d(16, 4, 3, padding=1)
        self.merge1, self.out = nn.Conv2d(8, 4, 3, padding=1), nn.Conv2d(4, 2, 1)

    def forward(self, x):
        a = F.relu(self.down1(x))
        b = F.relu(self.down2(F.max_pool2d(a, 2)))
        c = F.relu(self.bottom(F.max_pool2d(b, 2)))
        d = F.relu(self.merge2(torch.cat([self.up2(c), b], dim=1)))
        e = F.interpolate(d, scale_factor=2, mode="bilinear", align_corners=False)
        return torch.sigmoid(self.out(F.relu(self.merge1(torch.cat([e, a], dim=1)))))


class AutoEncoder(nn.Module):
    """Dense code of a picture and back, with leaky ReLU and tanh."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.LeakyReLU(0.1), nn.Linear(24, 6), nn.Tanh())
        self.decode = nn.Sequential(nn.Linear(6, 24), nn.ELU(), nn.Linear(24, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))

    def forward(self, x):
        code = self.encode(x)
        return self.decode(code), code


class Temporal(nn.Module):
    """Dilated causal convolutions over a signal, with group norm and residuals."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(3, 8, 1)
        self.convs = nn.ModuleList(nn.Conv1d(8, 8, 3, dilation=2**i) for i in range(3))
        self.norms = nn.ModuleList(nn.GroupNorm(2, 8) for _ in range(3))
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.first(x)
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            x = x + F.silu(norm(conv(F.pad(x, (2 * 2**i, 0)))))
        return self.head(x.amax(dim=2))


def randn(*shape):
    return torch.randn(*shape)


NETWORKS = {
    "lenet": (LeNet, lambda: randn(1, 1, 28, 28)),
    "separable": (Separable, lambda: randn(1, 3, 32, 32)),
    "residual": (Residual, lambda: randn(1, 3, 16, 16)),
    "lstm": (lambda: Recurrent(nn.LSTM), lambda: randn(1, 12, 6)),
    "gru": (lambda: Recurrent(nn.GRU, num_layers=2, bidirectional=True), lambda: randn(1, 12, 6)),
    "transformer": (Transformer, lambda: torch.randint(0, 20, (1, 10))),
    "unet": (UNet, lambda: randn(1, 1, 16, 16)),
    "autoencoder": (AutoEncoder, lambda: randn(1, 1, 8, 8)),
    "temporal": (Temporal, lambda: randn(1, 3, 40)),
}


def network(name):
    """A network as after training: statistics of batch norms and scales are not what they begin with."""
    make, example = NETWORKS[name]
    torch.manual_seed(sum(name.encode()))
    model = make()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval(), example()


def export(name, exporter):
    """The bytes of the model, its inputs and outputs."""
    model, x = network(name)
    with torch.no_grad():
        y = model(x)
    file = io.BytesIO()
    if exporter == "dynamo":
        # An example with a batch of 2, or the exporter takes the 1 for granted.
        example = torch.cat([x, x])
        program = torch.onnx.export(model, (example,), dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False)
        file.write(program.model_proto.SerializeToString())
    else:
        torch.onnx.export(model, (x,), file, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "batch"}})
    outputs = y if isinstance(y, tuple) else (y,)
    return file.getvalue(), [x.numpy()], [o.numpy() for o in outputs]


def save(name, model, inputs, outputs):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    proto = onnx.load_from_string(model)
    # What a file says of the machine that made it is left out: stack traces and paths.
    for graph in [proto.graph, *proto.functions]:
        for node in graph.node:
            del node.metadata_props[:]
            node.ClearField("doc_string")
        del graph.metadata_props[:]
    del proto.graph.value_info[:]
    for value in [*proto.graph.input, *proto.graph.output, *proto.graph.initializer]:
        del value.metadata_props[:]
        value.ClearField("doc_string")
    del proto.metadata_props[:]
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    for what, arrays in [("input", inputs), ("output", outputs)]:
        for k, array in enumerate(arrays):
            (folder / f"{what}_{k}.pb").write_bytes(numpy_helper.from_array(array).SerializeToString())
    print(f"{name}: {sum(f.stat().st_size for f in folder.iterdir())} bytes, opset {proto.opset_import[0].version}, "
          f"{len(proto.graph.node)} nodes")


def main(wanted):
    warnings.filterwarnings("ignore")
    failed = 0
    for name in NETWORKS:
        for exporter in ("dynamo", "torchscript"):
            full = f"{name}-{exporter}"
            if wanted and full not in wanted and name not in wanted:
                continue
            try:
                save(full, *export(name, exporter))
            except Exception as error:  # One network that an exporter cannot do must not keep the others.
                print(f"{full}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(set(sys.argv[1:])))
