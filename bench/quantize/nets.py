"""The networks and data that bench/quantize/run compares with: every task, drawn from a seed, exported as PyTorch's users do."""

import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "crates/teff-onnx/tests/data"


def conv_norm(i, o, k=3, stride=1, groups=1, act=True):
    layers = [nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, *([nn.ReLU6()] if act else []))


class Regressor(nn.Module):
    """Eight readings to one number."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x):
        return self.body(x)


class AutoEncoder(nn.Module):
    """A signal to a code of 8 numbers and back."""

    def __init__(self):
        super().__init__()
        sizes = [128, 64, 32, 8, 32, 64, 128]
        layers = [m for i, o in zip(sizes, sizes[1:]) for m in (nn.Linear(i, o), nn.ReLU())]
        self.body = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return self.body(x)


class Detector(nn.Module):
    """Boxes and scores for each place of a grid, two outputs."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_norm(3, 8, stride=2), conv_norm(8, 16, stride=2), conv_norm(16, 24, stride=2), conv_norm(24, 24))
        self.boxes, self.scores = nn.Conv2d(24, 4 * 3, 1), nn.Conv2d(24, 5 * 3, 1)

    def forward(self, x):
        x = self.body(x)
        boxes, scores = self.boxes(x), self.scores(x)
        b = boxes.shape[0]
        return boxes.permute(0, 2, 3, 1).reshape(b, -1, 4), torch.sigmoid(scores.permute(0, 2, 3, 1).reshape(b, -1, 5))


class Tokens(nn.Module):
    """Two encoder blocks over embedded tokens, a class for the sentence."""

    def __init__(self, t=16, c=32, heads=4):
        super().__init__()
        self.embed, self.place = nn.Embedding(50, c), nn.Parameter(torch.randn(1, t, c) * 0.3)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({"n1": nn.LayerNorm(c), "qkv": nn.Linear(c, 3 * c), "o": nn.Linear(c, c), "n2": nn.LayerNorm(c), "up": nn.Linear(c, 2 * c), "down": nn.Linear(2 * c, c)})
            for _ in range(2)
        )
        self.heads, self.head = heads, nn.Linear(c, 6)

    def forward(self, tokens):
        x = self.embed(tokens) + self.place
        b, t, c = x.shape
        for m in self.blocks:
            q, k, v = (p.view(b, t, self.heads, c // self.heads).transpose(1, 2) for p in m["qkv"](m["n1"](x)).chunk(3, -1))
            a = torch.softmax(q @ k.transpose(-1, -2) * (c // self.heads) ** -0.5, -1) @ v
            x = x + m["o"](a.transpose(1, 2).reshape(b, t, c))
            x = x + m["down"](F.gelu(m["up"](m["n2"](x))))
        return self.head(x.mean(1))


class Recurrent(nn.Module):
    """A recurrent layer over windows of three axes, its last state to classes."""

    def __init__(self, kind):
        super().__init__()
        self.cell, self.head = kind(3, 24, batch_first=True), nn.Linear(24, 5)

    def forward(self, x):
        y, _ = self.cell(x)
        return self.head(y[:, -1])


class UNet(nn.Module):
    """Down and up again with transposed convolutions and skips, a mask for a picture."""

    def __init__(self, c=8):
        super().__init__()
        self.a, self.b, self.c = conv_norm(1, c), conv_norm(c, 2 * c), conv_norm(2 * c, 4 * c)
        self.up2, self.m2 = nn.ConvTranspose2d(4 * c, 2 * c, 2, 2), conv_norm(4 * c, 2 * c)
        self.up1, self.m1 = nn.ConvTranspose2d(2 * c, c, 2, 2), conv_norm(2 * c, c)
        self.out = nn.Conv2d(c, 1, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        c = self.c(F.max_pool2d(b, 2))
        d = self.m2(torch.cat([self.up2(c), b], 1))
        return torch.sigmoid(self.out(self.m1(torch.cat([self.up1(d), a], 1))))


class MobileNetV2(nn.Module):
    """Sandler et al. 2018, table 2, at a width of 0.35."""

    class Block(nn.Module):
        def __init__(self, i, o, stride, expand):
            super().__init__()
            wide = i * expand
            up = [conv_norm(i, wide, 1)] if expand > 1 else []
            self.body = nn.Sequential(*up, conv_norm(wide, wide, 3, stride, wide), conv_norm(wide, o, 1, act=False))
            self.residual = stride == 1 and i == o

        def forward(self, x):
            return x + self.body(x) if self.residual else self.body(x)

    def __init__(self, width=0.35, classes=10):
        super().__init__()
        of = lambda c: max(8, int(c * width + 4) // 8 * 8)
        layers, i = [conv_norm(3, of(32), stride=2)], of(32)
        for expand, c, n, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
            for k in range(n):
                layers.append(self.Block(i, of(c), stride if k == 0 else 1, expand))
                i = of(c)
        self.body, self.head = nn.Sequential(*layers, conv_norm(i, 1280, 1)), nn.Linear(1280, classes)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


class Separable(nn.Module):
    """Squeeze and excite, hard-swish, as in MobileNetV3."""

    def __init__(self):
        super().__init__()
        block = lambda i, o, s: nn.Sequential(conv_norm(i, i, 3, s, i, act=False), nn.Hardswish(), conv_norm(i, o, 1, act=False), nn.Hardswish())
        self.body = nn.Sequential(conv_norm(3, 16, stride=2, act=False), nn.Hardswish(), block(16, 24, 1), block(24, 32, 2), block(32, 32, 1))
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 8, 1), nn.ReLU(), nn.Conv2d(8, 32, 1), nn.Hardsigmoid())
        self.head = nn.Linear(32, 7)

    def forward(self, x):
        x = self.body(x)
        return self.head((x * self.squeeze(x)).mean((2, 3)))


class Temporal(nn.Module):
    """Dilated causal convolutions over three axes of motion, with residuals."""

    def __init__(self, c=16):
        super().__init__()
        self.first = nn.Conv1d(3, c, 1)
        self.convs = nn.ModuleList(nn.Conv1d(c, c, 3, dilation=2**i) for i in range(4))
        self.norms = nn.ModuleList(nn.BatchNorm1d(c) for _ in range(4))
        self.head = nn.Linear(c, 5)

    def forward(self, x):
        x = self.first(x)
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            x = x + F.relu(norm(conv(F.pad(x, (2 * 2**i, 0)))))
        return self.head(x.mean(2))


def smooth(rng, n, *shape):
    """Noise whose neighbours are alike, as in pictures and signals; standard deviation 1."""
    axes = tuple(range(2, len(shape) + 1))
    out = rng.standard_normal((n, *shape))
    spectrum = np.fft.fftn(out, axes=axes)
    radius = sum(np.fft.fftfreq(shape[a - 1]).reshape([-1 if b == a else 1 for b in range(len(shape) + 1)]) ** 2 for a in axes)
    out = np.fft.ifftn(spectrum / (0.05 + np.sqrt(radius)), axes=axes).real
    return (out / out.std()).astype(np.float32)


def pictures(*shape):
    return lambda rng, n: {"x": np.clip(0.5 + 0.25 * smooth(rng, n, *shape), 0, 1).astype(np.float32)}


def signals(*shape):
    return lambda rng, n: {"x": smooth(rng, n, *shape)}


def windows(rng, n):
    return {"x": np.ascontiguousarray(smooth(rng, n, 3, 64).transpose(0, 2, 1))}


def like(file):
    """Samples for a model file: smooth where it takes maps."""

    def make(rng, n):
        out, graph = {}, onnx.load(file).graph
        constant = {i.name for i in graph.initializer}
        for i in graph.input:
            if i.name in constant:
                continue
            shape = [d.dim_value or 1 for d in i.type.tensor_type.shape.dim][1:]
            out[i.name] = smooth(rng, n, *shape) if len(shape) > 1 else rng.standard_normal((n, *shape)).astype(np.float32)
        return out

    return make


# Name: a module or a file, how samples are drawn, what it is.
NETS = {
    "regressor": (Regressor, lambda rng, n: {"x": rng.standard_normal((n, 8)).astype(np.float32)}, "8 readings to a number"),
    "autoencoder": (AutoEncoder, lambda rng, n: {"x": smooth(rng, n, 1, 128)[:, 0]}, "dense, 128-8-128"),
    "detector": (Detector, pictures(3, 64, 64), "boxes and scores, two outputs"),
    "siamese": (FILES / "nets/siamese.onnx", None, "two pictures, shared weights"),
    "tokens": (Tokens, lambda rng, n: {"x": rng.integers(0, 50, (n, 16))}, "transformer, two blocks"),
    "gru": (lambda: Recurrent(nn.GRU), windows, "64 steps of 3 axes"),
    "lstm": (lambda: Recurrent(nn.LSTM), windows, "64 steps of 3 axes"),
    "unet": (UNet, pictures(1, 32, 32), "a mask for a picture"),
    "unet_ecg": (FILES / "nets/unet_ecg.onnx", None, "a mask for a signal"),
    "mobilenetv2-0.35": (MobileNetV2, pictures(3, 96, 96), "96x96 in colour"),
    "separable": (Separable, pictures(3, 32, 32), "hard-swish, squeeze and excite"),
    "temporal": (Temporal, signals(3, 128), "dilated convolutions of a signal"),
    "mixer": (FILES / "nets/mixer.onnx", None, "MLP-Mixer"),
    "squeezenet": (FILES / "nets/squeezenet.onnx", None, "fire modules"),
    "bcresnet": (FILES / "nets/bcresnet.onnx", None, "keywords, broadcast residuals"),
    "kws_wave": (FILES / "nets/kws_wave.onnx", None, "keywords from raw audio, STFT inside"),
    "kws": (FILES / "models/kws_dscnn_fp32.onnx", None, "keywords, depthwise separable"),
    "deepsets": (FILES / "nets/deepsets.onnx", None, "a set of points"),
}


def prepare(module, data):
    """Statistics of batch norms and scales as after training, not as they begin."""
    for m in module.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias, 0, 0.2)
    module.train()
    with torch.no_grad():
        for _ in range(20):
            module(torch.from_numpy(data["x"]))
    return module.eval()


def make(name, folder, calibrate=128, judge=128):
    """Writes NAME.onnx and NAME.npz (`x_train`, `x_test`) into `folder`."""
    source, draw, _ = NETS[name]
    seed = sum(name.encode())
    rng = np.random.default_rng(seed)
    path = folder / f"{name}.onnx"
    if isinstance(source, Path):
        path.write_bytes(source.read_bytes())
        draw = draw or like(path)
    samples = draw(rng, calibrate + judge)
    if not isinstance(source, Path):
        warnings.filterwarnings("ignore")
        torch.manual_seed(seed)
        module = prepare(source(), {k: v[:calibrate] for k, v in samples.items()})
        file = io.BytesIO()
        torch.onnx.export(module, (torch.from_numpy(samples["x"][:1]),), file, dynamo=False, input_names=["x"])
        path.write_bytes(file.getvalue())
    parts = {f"{k}_train": v[:calibrate] for k, v in samples.items()} | {f"{k}_test": v[calibrate:] for k, v in samples.items()}
    np.savez(folder / f"{name}.npz", **parts)
    return path, parts
