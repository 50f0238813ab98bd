"""How one operation is drawn: numbers at the edges of floats, and for each operator its inputs and attributes."""

import numpy as np
from onnx import TensorProto

F = np.float32
EDGES = [
    np.nan, np.inf, -np.inf, 1e38, -1e38, 3.3e38, -3.3e38, 1e-38, -1e-38, 1e-45, -1e-40, 0.0, -0.0, 88.9, -88.9, -95.0, 104.5, -104.5,
    20.0, -20.0, 0.5, -0.5, 1.5, -2.5, 1.0, -1.0, 1e-4, -1e-4, 1e-8, -1e-8, 255.5, -129.0, 65520.0, 2147483648.0, -2147483904.0,
    16777217.0, 1e19, -1e19,
]  # fmt: skip


class Random(np.random.RandomState):
    """Draws of everything that a model needs."""

    def one(self, of):
        return of[self.randint(len(of))]

    def size(self, low=1, high=5):
        return int(self.randint(low, high))

    def shape(self, low=1, high=3):
        return [self.size() for _ in range(self.randint(low, high + 1))]

    def x(self, shape, edges=EDGES):
        """Floats of one magnitude, some of them (none, a few, all) a few of the edges."""
        plain = self.normal(size=shape) * self.one([1e-8, 1e-3, 1, 1, 1, 3, 30, 1e4, 1e19])
        few = [self.one(edges) for _ in range(self.randint(1, 5))]
        if self.randint(4) == 0:
            few = edges
        chosen = self.uniform(size=shape) < self.one([0, 0.1, 0.1, 0.3, 1])
        with np.errstate(over="ignore"):
            return np.where(chosen, self.choice(few, size=shape), plain).astype(F)

    def ints(self, shape, dtype):
        info = np.iinfo(dtype)
        far = [info.min, info.min + 1, info.max, info.max - 1, 0, 1, 2, 3, 7] + ([-1, -2, -7] if info.min < 0 else [])
        return np.array([self.one(far) for _ in range(int(np.prod(shape)))], dtype=dtype).reshape(shape)

    def bools(self, shape):
        return self.randint(0, 2, size=shape).astype(bool)

    def flag(self, **names):
        return {k: v for k, v in names.items() if self.randint(2)}

    def broadcast(self):
        """Two shapes that broadcast."""
        a = self.shape()
        b = [d if self.randint(3) else 1 for d in a][self.randint(len(a)):]
        return (a, b) if self.randint(2) else (b, a)


def const(x, dtype=np.int64):
    """An input that is known when the model is read."""
    return ("const", np.asarray(x, dtype))


CASES = {}


def case(*names, opset=21):
    def add(f):
        CASES.update({name: (opset, lambda r, name=name: f(r, name)) for name in names})
        return f

    return add


@case(
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "IsNaN", "Log", "Mish", "Neg",
    "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "Identity", "HardSwish",
    opset=22,
)  # fmt: skip
def unary(r, name):
    return [r.x(r.shape())], {}


@case("Celu", "Elu", "LeakyRelu", "ThresholdedRelu")
def with_alpha(r, name):
    return [r.x(r.shape())], r.flag(alpha=float(r.one([0.5, 2.0, 0.01, 1.0])))


@case("Selu")
def selu(r, name):
    return [r.x(r.shape())], r.flag(alpha=1.5, gamma=0.7)


@case("Swish", opset=24)
def swish(r, name):
    return [r.x(r.shape())], r.flag(alpha=1.7)


@case("Gelu")
def gelu(r, name):
    return [r.x(r.shape())], r.flag(approximate="tanh")


@case("HardSigmoid")
def hard_sigmoid(r, name):
    return [r.x(r.shape())], r.flag(alpha=0.5, beta=0.25)


@case("Shrink")
def shrink(r, name):
    return [r.x(r.shape())], {**r.flag(bias=1.5), "lambd": 0.7}


@case("IsInf")
def is_inf(r, name):
    return [r.x(r.shape())], {"detect_negative": r.size(0, 2), "detect_positive": r.size(0, 2)}


@case("Clip")
def clip(r, name):
    low, high = r.one([(-1.0, 1.0), (0.0, 6.0), (-np.inf, 2.0), (-1e38, np.inf)])
    return [r.x(r.shape()), const(low, F), const(high, F)], {}


@case("PRelu", "Add", "Sub", "Mul", "Div", "Pow", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
def pair(r, name):
    a, b = r.broadcast()
    if name == "PRelu":
        b = [d if r.randint(3) else 1 for d in a]
    return [r.x(a), r.x(b)], {}


@case("Mod")
def mod(r, name):
    a, b = r.broadcast()
    dtype = r.one([F, np.int8, np.int32, np.int64, np.uint8])
    if dtype is F:
        return [r.x(a), r.x(b)], {"fmod": 1}
    return [r.ints(a, dtype), np.maximum(r.ints(b, dtype), 1)], r.flag(fmod=1)


@case("Max", "Min", "Sum", "Mean")
def many(r, name):
    shape = r.shape()
    return [r.x(shape) for _ in range(r.size(1, 4))], {}


@case("Where")
def where(r, name):
    a, b = r.broadcast()
    return [r.bools(a), r.x(b), r.x(a)], {}


@case("BitShift")
def bit_shift(r, name):
    shape = r.shape()
    return [r.ints(shape, np.uint8), r.randint(0, 8, shape).astype(np.uint8)], {"direction": r.one(["LEFT", "RIGHT"])}


@case("Cast")
def cast(r, name):
    to = r.one(["BOOL", "INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64", "DOUBLE", "FLOAT"])
    return [r.x(r.shape())], {"to": getattr(TensorProto, to)}


@case(
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "ReduceSumSquare",
)  # fmt: skip
def reduce(r, name):
    x = r.x(r.shape(1, 4))
    axes = sorted(r.choice(x.ndim, size=r.size(1, x.ndim + 1), replace=False))
    return [x, const(axes)] if r.randint(3) else [x], r.flag(keepdims=0)


@case("ArgMax", "ArgMin")
def arg(r, name):
    x = r.x(r.shape())
    return [x], {"axis": r.size(0, x.ndim), **r.flag(keepdims=0, select_last_index=1)}


@case("CumSum", opset=14)
@case("CumProd", opset=26)
def cumulate(r, name):
    x = r.x(r.shape())
    return [x, const(r.size(-x.ndim, x.ndim))], r.flag(exclusive=1, reverse=1)


@case("Softmax", "LogSoftmax", "Hardmax")
def softmax(r, name):
    x = r.x(r.shape())
    return [x], {"axis": r.size(-x.ndim, x.ndim)}


@case("TopK")
def top_k(r, name):
    x = r.x(r.shape())
    axis = r.size(0, x.ndim)
    return [x, const([r.size(1, x.shape[axis] + 1)])], {"axis": axis, **r.flag(largest=0)}, 2


@case("LpNormalization")
def lp_normalization(r, name):
    x = r.x(r.shape())
    return [x], {"axis": r.size(-x.ndim, x.ndim), **r.flag(p=1)}


@case("LayerNormalization")
def layer_normalization(r, name):
    x = r.x(r.shape(2))
    shape = x.shape[-1:]
    return [x, r.x(shape), r.x(shape)], {"axis": -1}


@case("RMSNormalization", opset=23)
def rms_normalization(r, name):
    x = r.x(r.shape(2))
    return [x, r.x(x.shape[-1:])], {"axis": -1}


@case("BatchNormalization")
def batch_normalization(r, name):
    x = r.x(r.shape(2, 4))
    return [x] + [r.x(x.shape[1:2]) for _ in range(3)] + [np.abs(r.x(x.shape[1:2]))], {}


@case("InstanceNormalization")
def instance_normalization(r, name):
    x = r.x(r.shape(3, 4))
    return [x, r.x(x.shape[1:2]), r.x(x.shape[1:2])], {}


@case("GroupNormalization")
def group_normalization(r, name):
    x = r.x([r.size(), 4, r.size(), r.size()])
    return [x, r.x([4]), r.x([4])], {"num_groups": r.one([1, 2, 4])}


@case("LRN")
def lrn(r, name):
    return [r.x([r.size(), r.size(1, 7), r.size(), r.size()])], {"size": r.one([1, 3, 5])}


@case("MeanVarianceNormalization")
def mean_variance(r, name):
    return [r.x([r.size(), r.size(), r.size(), r.size()])], {}


@case("MatMul")
def mat_mul(r, name):
    m, k, n = r.size(), r.size(), r.size()
    return [r.x([m, k]), r.x([k, n])], {}


@case("Gemm")
def gemm(r, name):
    m, k, n = r.size(), r.size(), r.size()
    return [r.x([m, k]), r.x([n, k]), r.x([n])], {"transB": 1, **r.flag(alpha=0.5, beta=2.0)}


@case("Einsum")
def einsum(r, name):
    a, b, c = r.size(), r.size(), r.size()
    equation, shapes = r.one([("ij,jk->ik", ([a, b], [b, c])), ("ii->i", ([a, a],)), ("ij->j", ([a, b],)), ("i,j->ij", ([a], [b]))])
    return [r.x(s) for s in shapes], {"equation": equation}


@case("Det")
def det(r, name):
    n = r.size(1, 4)
    return [r.x([n, n], [1e-38, 0.0, 1.0, -1.0, 1e-8])], {}


def spatial(r):
    axes = r.one([1, 1, 2])
    return axes, [r.size(1, 7) for _ in range(axes)]


@case("MaxPool", "AveragePool", "LpPool", opset=22)
def pool(r, name):
    axes, size = spatial(r)
    kernel = [r.size(1, 4) for _ in range(axes)]
    dilation = [r.one([1, 1, 2]) for _ in range(axes)]
    attributes = {"kernel_shape": kernel, "strides": [r.size(1, 4) for _ in range(axes)], "dilations": dilation}
    attributes["pads"] = [r.size(0, k) for k in kernel * 2] if r.randint(2) else [0] * (2 * axes)
    attributes["ceil_mode"] = r.size(0, 2)
    if name == "AveragePool":
        attributes["count_include_pad"] = r.size(0, 2)
    return [r.x([1, r.size(1, 3)] + size)], attributes


@case("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", opset=2)
def global_pool(r, name):
    return [r.x(r.shape(3, 4))], {}


CASES["GlobalAveragePool"] = (1, CASES["GlobalAveragePool"][1])
CASES["GlobalMaxPool"] = (1, CASES["GlobalMaxPool"][1])


@case("Conv")
def conv(r, name):
    axes, size = spatial(r)
    kernel = [r.size(1, min(4, s + 1)) for s in size]
    group = r.one([1, 2])
    pads = [r.size(0, 2) for _ in range(2 * axes)]
    x, w = r.x([1, 2] + size), r.x([2, 2 // group] + kernel)
    return [x, w, r.x([2])], {"group": group, "pads": pads, "strides": [r.size(1, 3) for _ in range(axes)]}


@case("ConvTranspose")
def conv_transpose(r, name):
    axes, size = spatial(r)
    kernel = [r.size(1, 4) for _ in size]
    return [r.x([1, 2] + size), r.x([2, 2] + kernel), r.x([2])], {"strides": [r.size(1, 4) for _ in range(axes)]}


@case("Resize")
def resize(r, name):
    x = r.x([1, 1, r.size(1, 6), r.size(1, 6)])
    scales = [1.0, 1.0, float(r.one([0.5, 1.0, 2.0, 1.6])), float(r.one([0.5, 1.0, 3.0]))]
    transform = r.one(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
    return [x, None, const(scales, F)], {"mode": r.one(["nearest", "linear", "cubic"]), "coordinate_transformation_mode": transform}


@case("GridSample", opset=22)
def grid_sample(r, name):
    grid = (r.uniform(-1.6, 1.6, [1, r.size(), r.size(), 2])).astype(F)
    attributes = {"mode": r.one(["linear", "nearest", "cubic"]), "padding_mode": r.one(["zeros", "border", "reflection"])}
    return [r.x([1, 1, r.size(2, 5), r.size(2, 5)]), grid], {**attributes, **r.flag(align_corners=1)}


@case("Gather", "GatherElements")
def gather(r, name):
    x = r.x(r.shape())
    axis = r.size(0, x.ndim)
    shape = [r.size()] if name == "Gather" else [r.size() if a == axis else d for a, d in enumerate(x.shape)]
    return [x, r.randint(-x.shape[axis], x.shape[axis], shape).astype(np.int64)], {"axis": axis}


@case("ScatterElements")
def scatter(r, name):
    x = r.x(r.shape())
    axis = r.size(0, x.ndim)
    reduction = r.one(["none", "add", "mul", "max", "min"])
    count = r.size(1, x.shape[axis] + 1) if reduction == "none" else r.size(1, 5)
    shape = [count if a == axis else d for a, d in enumerate(x.shape)]
    along = np.argsort(r.uniform(size=[max(count, x.shape[axis])]))[:count] % x.shape[axis]
    indices = np.broadcast_to(along.reshape([-1 if a == axis else 1 for a in range(x.ndim)]), shape)
    return [x, indices.astype(np.int64).copy(), r.x(shape)], {"axis": axis, "reduction": reduction}


@case("Col2Im")
def col2im(r, name):
    h, w = r.size(2, 6), r.size(2, 6)
    kernel = [r.size(1, 3), r.size(1, 3)]
    pads = [r.size(0, 2) for _ in range(4)]
    blocks = (h + pads[0] + pads[2] - kernel[0] + 1) * (w + pads[1] + pads[3] - kernel[1] + 1)
    return [r.x([1, 2 * kernel[0] * kernel[1], blocks]), const([h, w]), const(kernel)], {"pads": pads}


@case("Pad")
def pad(r, name):
    x = r.x(r.shape(1, 2))
    mode = r.one(["constant", "reflect", "edge", "wrap"])
    most = [d if mode != "reflect" else max(d - 1, 0) for d in x.shape] * 2
    fill = [const(r.one([0.0, np.inf, -np.inf, np.nan, 1e38]), F)] if mode == "constant" else []
    return [x, const([r.size(0, m + 1) for m in most])] + fill, {"mode": mode}


@case("Concat", "Transpose", "Expand", "Trilu", "Flatten", "Tile")
def moved(r, name):
    x = r.x(r.shape(2, 3))
    if name == "Concat":
        return [x, r.x(x.shape)], {"axis": r.size(0, x.ndim)}
    if name == "Expand":
        return [x, const([2, *x.shape])], {}
    if name == "Trilu":
        return [x, const(r.size(-2, 3))], r.flag(upper=0)
    if name == "Tile":
        return [x, const([r.size(1, 3) for _ in x.shape])], {}
    return [x], {}


@case("OneHot")
def one_hot(r, name):
    return [r.randint(-3, 3, r.shape(1, 2)).astype(np.int64), const(3), r.x([2])], {}


@case("QuantizeLinear")
def quantize_linear(r, name):
    dtype = r.one([np.int8, np.uint8, np.int16])
    finite = [e for e in EDGES if np.isfinite(e)] + [np.inf, -np.inf]
    scale = const(abs(float(r.one([0.1, 1.0, 1e-3, 7.0]))), F)
    return [r.x(r.shape(), finite), scale, const(r.one([0, 3, 100]), dtype)], {}


@case("DequantizeLinear")
def dequantize_linear(r, name):
    dtype = r.one([np.int8, np.uint8, np.int32])
    zero = const(0 if dtype is np.int32 else 5, dtype)
    return [r.ints(r.shape(), dtype), const(r.one([1e38, 1e-38, 0.1, np.inf]), F), zero], {}


@case("SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss", opset=13)
def loss(r, name):
    n, c = r.size(), r.size(2, 6)
    weight = [np.abs(r.x([c], [0.0, 1.0, 1e-38]))] if r.randint(2) else []
    scores = r.x([n, c])
    return [scores, r.randint(0, c, [n]).astype(np.int64)] + weight, {"reduction": r.one(["none", "mean", "sum"])}


@case("RNN", "GRU", "LSTM")
def recurrent(r, name):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[name]
    t, i, h = r.size(), r.size(1, 3), r.size(1, 3)
    return [r.x([t, 1, i]), r.x([1, gates * h, i]), r.x([1, gates * h, h])], {"hidden_size": h}


@case("Attention", opset=23)
def attention(r, name):
    b, h, s, k, e = 1, r.size(1, 3), r.size(), r.size(), r.size()
    q, keys, values = r.x([b, h, s, e]), r.x([b, h, k, e]), r.x([b, h, k, e])
    hidden = r.bools([s, k])
    mask = [r.one([hidden, np.where(hidden, F(-np.inf), F(0))])] if r.randint(2) else []
    return [q, keys, values, *mask], r.flag(is_causal=1)


@case("DFT", opset=20)
def dft(r, name):
    return [r.x([1, r.size(1, 9), r.one([1, 2])])], r.flag(inverse=1)


@case("DepthToSpace", "SpaceToDepth")
def space(r, name):
    return [r.x([1, 4, 2, 4])], {"blocksize": 2}


@case("ReverseSequence")
def reverse_sequence(r, name):
    t, b = r.size(), r.size()
    return [r.x([t, b]), r.randint(1, t + 1, [b]).astype(np.int64)], {}


@case("RotaryEmbedding", opset=23)
def rotary(r, name):
    s = r.size()
    return [r.x([1, 2, s, 4]), r.x([1, s, 2]), r.x([1, s, 2])], r.flag(interleaved=1)


@case("AffineGrid")
def affine_grid(r, name):
    return [r.x([1, 2, 3]), const([1, 1, r.size(), r.size()])], r.flag(align_corners=1)


@case("DeformConv", opset=22)
def deform_conv(r, name):
    offset = r.uniform(-2, 2, [1, 8, 3, 3]).astype(F)
    return [r.x([1, 1, 4, 4]), r.x([1, 1, 2, 2]), offset], {"kernel_shape": [2, 2]}


@case("GatherND", "ScatterND")
def by_tuples(r, name):
    x = r.x(r.shape(2, 3))
    count = r.size()
    indices = np.stack([r.randint(-x.shape[a], x.shape[a], count) for a in range(2)], axis=-1).astype(np.int64)
    if name == "GatherND":
        return [x, indices], {}
    reduction = r.one(["none", "add", "mul"])
    if reduction == "none":
        indices = indices[:1]
    return [x, indices, r.x([len(indices), *x.shape[2:]])], {"reduction": reduction}


@case("STFT", opset=17)
def stft(r, name):
    length, step = r.size(2, 6), r.size(1, 4)
    x = r.x([1, length + step * r.size(0, 3), 1])
    return [x, const(step), r.x([length]), const(length)], {"onesided": r.size(0, 2)}


@case("RoiAlign")
def roi_align(r, name):
    corners = r.uniform(0, 4, [1, 4]).astype(F)
    corners[:, 2:] += corners[:, :2]
    attributes = {"output_height": r.size(1, 3), "output_width": r.size(1, 3), "sampling_ratio": r.size(1, 3)}
    return [r.x([1, 2, 5, 5]), corners, np.zeros(1, np.int64)], {**attributes, **r.flag(mode="max")}


@case("BitwiseAnd", "BitwiseOr", "BitwiseXor", "And", "Or", "Xor")
def bits(r, name):
    a, b = r.broadcast()
    if not name.startswith("Bitwise"):
        return [r.bools(a), r.bools(b)], {}
    dtype = r.one([np.int8, np.uint8, np.int32, np.int64])
    return [r.ints(a, dtype), r.ints(b, dtype)], {}
