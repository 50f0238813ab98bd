"""Networks of the sizes that people bring, with weights drawn from a seed."""

import torch
from torch import nn
from torch.nn import functional as F


def conv(i, o, size, stride=1, groups=1, act=nn.ReLU):
    layers = [nn.Conv2d(i, o, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, *([act()] if act else []))


class Basic(nn.Module):
    """ResNet's block of two convolutions."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.body = nn.Sequential(conv(i, o, 3, stride), conv(o, o, 3, act=None))
        self.side = conv(i, o, 1, stride, act=None) if stride != 1 or i != o else nn.Identity()

    def forward(self, x):
        return F.relu(self.body(x) + self.side(x))


class Inverted(nn.Module):
    """MobileNetV2's block."""

    def __init__(self, i, o, stride, times):
        super().__init__()
        wide = i * times
        first = [conv(i, wide, 1, act=nn.ReLU6)] if times != 1 else []
        self.body = nn.Sequential(*first, conv(wide, wide, 3, stride, wide, nn.ReLU6), conv(wide, o, 1, act=None))
        self.adds = stride == 1 and i == o

    def forward(self, x):
        return x + self.body(x) if self.adds else self.body(x)


def ended(layers, channels, classes):
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def resnet18():
    layers, at = [conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
    for o, stride in [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]:
        layers.append(Basic(at, o, stride))
        at = o
    return ended(layers, at, 1000), torch.rand(1, 3, 224, 224)


def mobilenetv2():
    layers, at = [conv(3, 32, 3, 2, act=nn.ReLU6)], 32
    for times, o, count, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
        for k in range(count):
            layers.append(Inverted(at, o, stride if k == 0 else 1, times))
            at = o
    return ended([*layers, conv(at, 1280, 1, act=nn.ReLU6)], 1280, 1000), torch.rand(1, 3, 224, 224)


def resnet8():
    layers = [conv(3, 16, 3), Basic(16, 16, 1), Basic(16, 32, 2), Basic(32, 64, 2)]
    return ended(layers, 64, 10), torch.rand(1, 3, 32, 32)


def kws():
    layers = [nn.Sequential(nn.Conv2d(1, 64, (10, 4), 2, (5, 1)), nn.ReLU())]
    for _ in range(4):
        layers += [conv(64, 64, 3, groups=64), conv(64, 64, 1)]
    return ended(layers, 64, 12), torch.rand(1, 1, 49, 10)


class Recurrent(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell, self.head = cell(40, 128, batch_first=True), nn.Linear(128, 12)

    def forward(self, x):
        return self.head(self.cell(x)[0][:, -1])


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.first, self.second = heads, nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        b, n, w = x.shape
        q, k, v = self.qkv(self.first(x)).reshape(b, n, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        seen = torch.softmax(q @ k.transpose(-1, -2) / (w // self.heads) ** 0.5, -1) @ v
        x = x + self.out(seen.transpose(1, 2).reshape(b, n, w))
        return x + self.mlp(self.second(x))


class Deit(nn.Module):
    """DeiT-tiny: twelve blocks of width 192 over 14 x 14 patches."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 192, 16, 16)
        self.blocks, self.norm, self.head = nn.Sequential(*[Block(192, 3) for _ in range(12)]), nn.LayerNorm(192), nn.Linear(192, 1000)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.blocks(x)).mean(1))


NETS = {
    "mobilenetv2": mobilenetv2,
    "resnet18": resnet18,
    "deit_tiny": lambda: (Deit(), torch.rand(1, 3, 224, 224)),
    "resnet8": resnet8,
    "kws": kws,
    "lstm": lambda: (Recurrent(nn.LSTM), torch.rand(1, 49, 40)),
    "gru": lambda: (Recurrent(nn.GRU), torch.rand(1, 49, 40)),
}


def export(name, file):
    """Writes the network as ONNX, its batch norms folded, and gives the input it was exported with."""
    torch.manual_seed(1)
    model, x = NETS[name]()
    torch.onnx.export(model.eval(), (x,), str(file), dynamo=False, opset_version=17, input_names=["x"], output_names=["y"])
    return x.numpy()
