"""The cases of operators.py: which operator, on what, with which options."""

from dataclasses import dataclass, field

import numpy as np

F, I8, U8, I16, I32, I64, B, C = np.float32, np.int8, np.uint8, np.int16, np.int32, np.int64, np.bool_, np.complex64
# A scale that makes no ratio of small numbers with others, which would make ties of rounding more frequent than they are in models.
X = 0.0517
RNG = np.random.default_rng(7)


@dataclass(eq=False)
class Spec:
    """A tensor: an input of the model, a constant if there is data, a result otherwise."""

    dtype: type
    shape: tuple = None
    scale: object = None
    zero: object = 0
    axis: int = 0
    data: np.ndarray = None
    variable: bool = False
    int4: bool = False
    resource: bool = False


@dataclass
class Step:
    name: str
    inputs: list
    outputs: list
    options: tuple = None
    version: int = 1
    intermediates: list = field(default_factory=list)


@dataclass
class Case:
    name: str
    steps: list
    outputs: list
    runtime: str = "litert"
    # Resource variables and what they begin with.
    initial: list = field(default_factory=list)


def x(shape, dtype=F, scale=None, zero=0):
    """An input. Integers of 8 and 16 bits get a scale unless they are to have none (0)."""
    default = {I8: (X, 3), U8: (0.0413, 120), I16: (0.00053, 0)}.get(dtype)
    if scale is None and default:
        scale, zero = default
    return Spec(dtype, tuple(shape), scale if scale != 0 else None, zero)


def const(values, dtype=I32, scale=None, zero=0, axis=0, int4=False):
    return Spec(dtype, None, scale, zero, axis, np.asarray(values, dtype), int4=int4)


def y(dtype=F, scale=None, zero=0, shape=None):
    default = {I8: (0.0391, -5), U8: (0.0517, 130), I16: (0.00041, 0)}.get(dtype)
    if scale is None and default:
        scale, zero = default
    return Spec(dtype, shape, scale if scale != 0 else None, zero)


def normal(*shape):
    return const(RNG.normal(0, 0.5, shape), F)


def weights(shape, channels=None):
    """Of int8, symmetric, with one scale, or one for each index of axis `channels`."""
    scale = 0.02 if channels is None else RNG.uniform(0.005, 0.03, shape[channels])
    return const(RNG.integers(-127, 128, shape), I8, scale, 0, channels or 0)


def bias(x_scale, w):
    scale = np.atleast_1d(w.scale) * np.float32(x_scale)
    n = w.data.shape[w.axis] if w.data.ndim == 4 else w.data.shape[0]
    return const(RNG.integers(-2000, 2000, n), I32, scale)


def one(name, op, inputs, out=None, options=None, **more):
    """A case of one operator with one output."""
    out = out or y()
    return Case(name, [Step(op, inputs, [out], options, more.pop("version", 1))], [out], **more)


def many(name, op, inputs, outs, options=None):
    return Case(name, [Step(op, inputs, outs, options)], outs)


SAME, VALID = 0, 1
NONE, RELU, RELU_N1, RELU6, TANH = range(5)
IMAGE = (1, 7, 6, 4)


def conv(padding, stride, dilation=1, act=NONE):
    return "Conv2DOptions", dict(padding=padding, strideH=stride, strideW=stride, dilationHFactor=dilation, dilationWFactor=dilation,
                                 fusedActivationFunction=act)


def depthwise(padding, stride, multiplier, act=NONE):
    return "DepthwiseConv2DOptions", dict(padding=padding, strideH=stride, strideW=stride, depthMultiplier=multiplier,
                                          fusedActivationFunction=act)


def pool(padding, size, stride, act=NONE):
    return "Pool2DOptions", dict(padding=padding, strideH=stride, strideW=stride, filterHeight=size, filterWidth=size,
                                 fusedActivationFunction=act)


def convolutions():
    for tag, opt in [("same", conv(SAME, 1)), ("stride", conv(SAME, 2, act=RELU)), ("dilated", conv(SAME, 1, 2, RELU6)),
                     ("valid", conv(VALID, 2, act=RELU_N1))]:
        yield one(f"conv_{tag}", "CONV_2D", [x(IMAGE), normal(5, 3, 3, 4), normal(5)], options=opt)
        w = weights((5, 3, 3, 4), 0)
        yield one(f"conv_{tag}_i8", "CONV_2D", [x(IMAGE, I8), w, bias(X, w)], y(I8), opt, version=3)
    yield one("conv_grouped", "CONV_2D", [x((1, 5, 5, 4)), normal(6, 3, 3, 2), normal(6)], options=conv(SAME, 1))
    w = weights((5, 3, 3, 4))
    yield one("conv_one_scale_i8", "CONV_2D", [x(IMAGE, I8), w, bias(X, w)], y(I8), conv(SAME, 1), version=3)
    w = weights((5, 3, 3, 4), 0)
    b = const(RNG.integers(-2000, 2000, 5), I64, np.asarray(w.scale, np.float32) * np.float32(0.00053))
    yield one("conv_i16", "CONV_2D", [x(IMAGE, I16), w, b], y(I16, 0.0007), conv(SAME, 1), version=4)
    for tag, opt in [("same", depthwise(SAME, 1, 2)), ("valid", depthwise(VALID, 2, 2, RELU))]:
        yield one(f"depthwise_{tag}", "DEPTHWISE_CONV_2D", [x(IMAGE), normal(1, 3, 3, 8), normal(8)], options=opt)
        w = weights((1, 3, 3, 8), 3)
        yield one(f"depthwise_{tag}_i8", "DEPTHWISE_CONV_2D", [x(IMAGE, I8), w, bias(X, w)], y(I8), opt, version=3)
    for tag, padding, shape in [("same", SAME, (1, 8, 10, 3)), ("odd", SAME, (1, 7, 9, 3)), ("valid", VALID, (1, 9, 11, 3))]:
        opt = ("TransposeConvOptions", dict(padding=padding, strideH=2, strideW=2))
        yield one(f"transpose_conv_{tag}", "TRANSPOSE_CONV", [const(shape), normal(3, 3, 3, 2), x((1, 4, 5, 2)), normal(3)],
                  options=opt, version=3)
        w = weights((3, 3, 3, 2), 0)
        yield one(f"transpose_conv_{tag}_i8", "TRANSPOSE_CONV", [const(shape), w, x((1, 4, 5, 2), I8), bias(X, w)], y(I8), opt,
                  version=3)


def products():
    fc = lambda act=NONE, keep=False: ("FullyConnectedOptions", dict(fusedActivationFunction=act, keepNumDims=keep))
    yield one("dense", "FULLY_CONNECTED", [x((3, 20)), normal(6, 20), normal(6)], options=fc(RELU))
    yield one("dense_without_bias", "FULLY_CONNECTED", [x((3, 20)), normal(6, 20), None], options=fc())
    yield one("dense_keeps_axes", "FULLY_CONNECTED", [x((2, 3, 20)), normal(6, 20), normal(6)], options=fc(keep=True), version=5)
    yield one("dense_flattens", "FULLY_CONNECTED", [x((1, 2, 2, 5)), normal(6, 20), normal(6)], options=fc())
    w = weights((40, 20))
    yield one("dense_i8", "FULLY_CONNECTED", [x((5, 20), I8), w, bias(X, w)], y(I8), fc(RELU), version=4)
    w = weights((40, 20), 0)
    yield one("dense_per_channel_i8", "FULLY_CONNECTED", [x((5, 20), I8), w, bias(X, w)], y(I8), fc(), version=5)
    yield one("dense_i4", "FULLY_CONNECTED", [x((5, 20), I8), const(RNG.integers(-7, 8, (6, 20)), I8, 0.1, int4=True), None], y(I8),
              fc(), version=4)
    yield one("batch_matmul", "BATCH_MATMUL", [x((2, 3, 4)), x((2, 4, 5))], options=("BatchMatMulOptions", {}))
    yield one("batch_matmul_adjoint", "BATCH_MATMUL", [x((2, 4, 3)), x((1, 5, 4))],
              options=("BatchMatMulOptions", dict(adjX=True, adjY=True)))
    yield one("batch_matmul_i8", "BATCH_MATMUL", [x((2, 9, 14), I8), x((2, 14, 15), I8)], y(I8, 0.2, 4), ("BatchMatMulOptions", {}),
              version=2)


def pools():
    for tag, opt in [("valid", pool(VALID, 2, 2)), ("same", pool(SAME, 3, 2, RELU))]:
        for op, name in [("AVERAGE_POOL_2D", "average"), ("MAX_POOL_2D", "max"), ("L2_POOL_2D", "l2")]:
            yield one(f"{name}_pool_{tag}", op, [x(IMAGE)], options=opt)
        for op, name in [("AVERAGE_POOL_2D", "average"), ("MAX_POOL_2D", "max")]:
            yield one(f"{name}_pool_{tag}_i8", op, [x((1, 9, 9, 8), I8)], y(I8, X, 3), opt, version=2)


def pointwise():
    act = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions"}
    for op, kind in act.items():
        yield one(op.lower(), op, [x((2, 3, 4)), normal(3, 1)], options=(kind, dict(fusedActivationFunction=RELU)))
        yield one(f"{op.lower()}_i32", op, [x((2, 3), I32), const([[7], [-3]])], y(I32), (kind, {}))
    for op in ["ADD", "SUB", "MUL"]:
        yield one(f"{op.lower()}_i8", op, [x((1, 16, 16, 8), I8), x((1, 16, 16, 8), I8, 0.0713, -9)], y(I8, 0.0931, 1), (act[op], {}),
                  version=2)
        yield one(f"{op.lower()}_constant_i8", op, [x((1, 16, 16, 8), I8), const(RNG.integers(-128, 128, 8), I8, 0.0317, 5)],
                  y(I8, 0.0607, 1), (act[op], dict(fusedActivationFunction=RELU)), version=2)
    yield one("mul_i16", "MUL", [x((50,), I16), x((50,), I16)], y(I16, 0.001), ("MulOptions", {}), version=4)
    yield one("add_n", "ADD_N", [x((2, 3)), x((2, 3)), x((2, 3))], options=("AddNOptions", {}))
    for op, kind in [("MAXIMUM", "MaximumMinimumOptions"), ("MINIMUM", "MaximumMinimumOptions")]:
        yield one(op.lower(), op, [x((2, 3)), normal(3)], options=(kind, {}))
        yield one(f"{op.lower()}_i8", op, [x((2, 30), I8), x((2, 30), I8)], y(I8, X, 3), (kind, {}), version=2)
    for op in ["EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"]:
        kind = "".join(w.capitalize() for w in op.split("_")) + "Options"
        yield one(op.lower(), op, [x((40,), I32), const(np.arange(40))], y(B), (kind, {}))
        yield one(f"{op.lower()}_i8", op, [x((400,), I8), x((400,), I8, X, 3)], y(B), (kind, {}), version=2)
    yield one("logical_and", "LOGICAL_AND", [x((20,), B), x((20,), B)], y(B))
    yield one("logical_or", "LOGICAL_OR", [x((20,), B), x((20,), B)], y(B))
    yield one("logical_not", "LOGICAL_NOT", [x((20,), B)], y(B))
    yield one("squared_difference", "SQUARED_DIFFERENCE", [x((2, 3)), normal(3)])
    yield one("squared_difference_i8", "SQUARED_DIFFERENCE", [x((900,), I8), x((900,), I8)], y(I8, 0.3, -128), version=2)
    yield one("pow", "POW", [x((2, 3)), const([2.5], F)])
    yield one("floor_div", "FLOOR_DIV", [x((30,), I32), const([7])], y(I32))
    yield one("floor_mod", "FLOOR_MOD", [x((30,), I32), const([-7])], y(I32))
    yield one("floor_div_f32", "FLOOR_DIV", [x((30,)), const([-0.3], F)], version=2)
    yield one("floor_mod_f32", "FLOOR_MOD", [x((30,)), const([-0.3], F)])
    yield one("atan2", "ATAN2", [const(RNG.normal(0, 1, 50), F), x((50,))])
    yield one("select", "SELECT", [x((3,), B), x((3, 2)), x((3, 2))])
    yield one("select_v2", "SELECT_V2", [x((3, 1), B), x((3, 2)), x((1, 2))])


def activations():
    plain = ["ABS", "COS", "ELU", "EXP", "FLOOR", "HARD_SWISH", "LOG", "LOGISTIC", "NEG", "RELU", "RELU6", "RELU_N1_TO_1", "ROUND",
             "RSQRT", "SIN", "SQRT", "SQUARE", "TANH", "CEIL", "RELU_0_TO_1", "SIGN"]
    for op in plain:
        yield one(op.lower(), op, [x((2, 40))])
        # The same below zero and above one.
        a, b = y(), y()
        if op not in ("LOG", "RSQRT", "SQRT"):
            yield Case(f"{op.lower()}_wide", [Step("MUL", [x((90,)), normal(90)], [a], ("MulOptions", {})),
                                              Step("SUB", [a, const([0.1], F)], [v := y()], ("SubOptions", {})),
                                              Step("MUL", [v, const([9], F)], [w := y()], ("MulOptions", {})),
                                              Step(op, [w], [b])], [b])
    for op, out in [("LOGISTIC", (1 / 256, -128)), ("TANH", (1 / 128, 0)), ("RELU", None), ("RELU6", None), ("HARD_SWISH", (0.03, -115)),
                    ("ABS", (X, -125)), ("NEG", (X, 3)), ("ELU", (0.03, -95)), ("RSQRT", None), ("EXP", None)]:
        if op in ("RSQRT", "EXP"):
            continue
        yield one(f"{op.lower()}_i8", op, [x((600,), I8)], y(I8, *out) if out else y(I8), version=1 if op in ("ELU", "HARD_SWISH", "NEG") else 2)
    yield one("logistic_i16", "LOGISTIC", [x((600,), I16, 1 / 4096)], y(I16, 1 / 32768), version=3)
    yield one("tanh_i16", "TANH", [x((600,), I16, 1 / 4096)], y(I16, 1 / 32768), version=3)
    yield one("gelu", "GELU", [x((90,))], options=("GeluOptions", {}))
    yield one("gelu_approximate", "GELU", [x((90,))], options=("GeluOptions", dict(approximate=True)))
    yield one("leaky_relu", "LEAKY_RELU", [x((90,))], options=("LeakyReluOptions", dict(alpha=0.1)))
    yield one("leaky_relu_i8", "LEAKY_RELU", [x((600,), I8)], y(I8), ("LeakyReluOptions", dict(alpha=0.1)), version=2)
    yield one("prelu", "PRELU", [x(IMAGE), normal(1, 1, 4)])
    yield one("prelu_i8", "PRELU", [x(IMAGE, I8), const(RNG.integers(-128, 128, (1, 1, 4)), I8, 0.01, 2)], y(I8))
    yield one("softmax", "SOFTMAX", [x((3, 8))], options=("SoftmaxOptions", dict(beta=1.0)))
    yield one("softmax_beta", "SOFTMAX", [x((2, 2, 3, 8))], options=("SoftmaxOptions", dict(beta=2.5)))
    yield one("softmax_i8", "SOFTMAX", [x((80, 10), I8)], y(I8, 1 / 256, -128), ("SoftmaxOptions", dict(beta=1.0)), version=2)
    yield one("softmax_i16_out", "SOFTMAX", [x((80, 10), I8)], y(I16, 1 / 65536, -32768), ("SoftmaxOptions", dict(beta=1.0)), version=2)
    yield one("softmax_i16", "SOFTMAX", [x((80, 10), I16)], y(I16, 1 / 32768), ("SoftmaxOptions", dict(beta=1.0)), version=3)
    yield one("log_softmax", "LOG_SOFTMAX", [x((3, 8))])
    yield one("log_softmax_i8", "LOG_SOFTMAX", [x((80, 10), I8)], y(I8, 16 / 256, 127), version=2)


def movements():
    for dtype, tag in [(F, ""), (I8, "_i8")]:
        o = lambda: y(dtype, X, 3) if dtype == I8 else y()
        i = lambda *shape: x(shape, dtype)
        v = 2 if dtype == I8 else 1
        yield one("reshape" + tag, "RESHAPE", [i(2, 3, 4), const([4, -1])], o(), ("ReshapeOptions", dict(newShape=[4, -1])))
        yield one("transpose" + tag, "TRANSPOSE", [i(2, 3, 4), const([2, 0, 1])], o(), version=v)
        yield one("concatenation" + tag, "CONCATENATION", [i(2, 3), i(2, 5)], o(), ("ConcatenationOptions", dict(axis=-1)), version=v)
        yield one("pack" + tag, "PACK", [i(2, 3), i(2, 3)], o(), ("PackOptions", dict(valuesCount=2, axis=1)), version=v)
        yield many("unpack" + tag, "UNPACK", [i(2, 3)], [o(), o(), o()], ("UnpackOptions", dict(num=3, axis=-1)))
        yield many("split" + tag, "SPLIT", [const(1), i(2, 6)], [o(), o(), o()], ("SplitOptions", dict(numSplits=3)))
        yield many("split_v" + tag, "SPLIT_V", [i(2, 6), const([1, -1, 3]), const(1)], [o(), o(), o()],
                   ("SplitVOptions", dict(numSplits=3)))
        yield one("squeeze" + tag, "SQUEEZE", [i(1, 3, 1, 2)], o(), ("SqueezeOptions", dict(squeezeDims=[2])))
        yield one("expand_dims" + tag, "EXPAND_DIMS", [i(3, 2), const(-1)], o())
        yield one("tile" + tag, "TILE", [i(2, 3), const([2, 1])], o())
        yield one("pad" + tag, "PAD", [i(1, 3, 2, 2), const([[0, 0], [1, 2], [0, 1], [0, 0]])], o(), version=v)
        fill = const(-7, I8, X, 3) if dtype == I8 else const(1.5, F)
        yield one("pad_v2" + tag, "PADV2", [i(1, 3, 2, 2), const([[0, 0], [1, 2], [0, 1], [0, 0]]), fill], o(), version=v)
        for mode, name in [(0, "reflect"), (1, "symmetric")]:
            yield one(f"mirror_pad_{name}{tag}", "MIRROR_PAD", [i(2, 4, 3), const([[0, 0], [2, 3], [1, 2]])], o(),
                      ("MirrorPadOptions", dict(mode=mode)), version=v)
        yield one("space_to_depth" + tag, "SPACE_TO_DEPTH", [i(1, 4, 6, 3)], o(), ("SpaceToDepthOptions", dict(blockSize=2)), version=v)
        yield one("depth_to_space" + tag, "DEPTH_TO_SPACE", [i(1, 2, 3, 12)], o(), ("DepthToSpaceOptions", dict(blockSize=2)))
        yield one("space_to_batch" + tag, "SPACE_TO_BATCH_ND", [i(1, 4, 5, 2), const([2, 3]), const([[0, 0], [0, 1]])], o(), version=v)
        yield one("batch_to_space" + tag, "BATCH_TO_SPACE_ND", [i(6, 2, 2, 2), const([2, 3]), const([[0, 1], [1, 1]])], o(), version=v)
        yield one("slice" + tag, "SLICE", [i(3, 4, 5), const([1, 0, 2]), const([2, -1, 3])],
                  Spec(dtype, (2, 4, 3), *((X, 3) if dtype == I8 else ())), version=v)
        yield one("strided_slice" + tag, "STRIDED_SLICE", [i(4, 5, 6), const([-1, 1, 5]), const([0, 4, 0]), const([-2, 1, -3])], o(),
                  ("StridedSliceOptions", dict(endMask=1)), version=v)
        yield one("gather" + tag, "GATHER", [i(3, 4, 2), const([[2, 0], [1, 1]])], o(), ("GatherOptions", dict(axis=1)), version=v)
        yield one("gather_nd" + tag, "GATHER_ND", [i(3, 4, 2), const([[2, 0], [1, 3]])], o())
        yield one("reverse" + tag, "REVERSE_V2", [i(3, 4), const([1])], o())
        yield one("resize_nearest" + tag, "RESIZE_NEAREST_NEIGHBOR", [i(1, 3, 4, 2), const([5, 8])], o(),
                  ("ResizeNearestNeighborOptions", {}), version=v)
    yield one("concatenation_u8", "CONCATENATION", [x((2, 300), U8), x((2, 300), U8, 0.02, 99)], y(U8), ("ConcatenationOptions", dict(axis=1)))
    yield one("strided_slice_shrink", "STRIDED_SLICE", [x((4, 5, 6)), const([1, 0, 2]), const([2, 0, 3]), const([1, 1, 1])],
              options=("StridedSliceOptions", dict(shrinkAxisMask=5, beginMask=2, endMask=2)))
    yield one("strided_slice_ellipsis", "STRIDED_SLICE", [x((4, 5, 6)), const([0, 0, 1]), const([0, 0, 3]), const([1, 1, 1])],
              options=("StridedSliceOptions", dict(ellipsisMask=1, newAxisMask=2)))
    yield one("broadcast_to", "BROADCAST_TO", [x((3, 1)), const([2, 3, 4])], version=2)
    for half, corners, name in [(False, False, "plain"), (True, False, "half"), (False, True, "corners")]:
        for op, kind, tag in [("RESIZE_BILINEAR", "ResizeBilinearOptions", "bilinear"),
                              ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions", "nearest")]:
            yield one(f"resize_{tag}_{name}", op, [x((1, 3, 5, 2)), const([7, 8])],
                      options=(kind, dict(halfPixelCenters=half, alignCorners=corners)), version=3)
    yield one("resize_bilinear_i8", "RESIZE_BILINEAR", [x((1, 9, 9, 4), I8), const([20, 15])], y(I8, X, 3),
              ("ResizeBilinearOptions", dict(halfPixelCenters=True)), version=3)


def reductions():
    for op in ["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"]:
        yield one(op.lower(), op, [x((2, 3, 4)), const([0, 2])], options=("ReducerOptions", {}))
        yield one(f"{op.lower()}_keeps", op, [x(IMAGE), const([1, 2])], options=("ReducerOptions", dict(keepDims=True)))
    for op in ["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"]:
        out = {"MEAN": y(I8, 0.0213, 1), "SUM": y(I8, 0.53, 1)}.get(op, y(I8, X, 3))
        yield one(f"{op.lower()}_i8", op, [x((1, 5, 5, 300), I8), const([1, 2])], out, ("ReducerOptions", {}), version=2)
    yield one("reduce_any", "REDUCE_ANY", [x((5, 3), B), const([1])], y(B), ("ReducerOptions", {}))
    yield one("reduce_all", "REDUCE_ALL", [x((5, 3), B), const([1])], y(B), ("ReducerOptions", {}))
    yield one("arg_max", "ARG_MAX", [x((4, 5)), const(1)], y(I32), ("ArgMaxOptions", dict(outputType=2)))
    yield one("arg_max_i8", "ARG_MAX", [x((4, 500), I8), const(1)], y(I64), ("ArgMaxOptions", dict(outputType=4)), version=2)
    yield one("arg_min", "ARG_MIN", [x((4, 5)), const(-2)], y(I32), ("ArgMinOptions", dict(outputType=2)))
    yield one("cumsum", "CUMSUM", [x((2, 5)), const(1)], options=("CumsumOptions", {}))
    yield one("cumsum_reverse", "CUMSUM", [x((2, 5)), const(1)], options=("CumsumOptions", dict(reverse=True, exclusive=True)))
    yield one("l2_normalization", "L2_NORMALIZATION", [x((3, 8))], options=("L2NormOptions", {}))
    yield one("l2_normalization_i8", "L2_NORMALIZATION", [x((40, 8), I8)], y(I8, 1 / 128), ("L2NormOptions", {}), version=2)


def sources():
    yield one("cast", "CAST", [x((20,), I32)], y(), ("CastOptions", {}))
    yield one("cast_down", "CAST", [x((20,))], y(I32), ("CastOptions", {}))
    yield one("cast_bool", "CAST", [x((20,), I32)], y(B), ("CastOptions", {}))
    yield one("dequantize", "DEQUANTIZE", [x((200,), I8)])
    yield one("dequantize_i16", "DEQUANTIZE", [x((200,), I16)], version=3)
    half = const(RNG.normal(0, 1, (2, 3)), np.float16)
    a, b = y(), y()
    yield Case("dequantize_f16", [Step("DEQUANTIZE", [half], [a], None, 3), Step("ADD", [x((2, 3)), a], [b], ("AddOptions", {}))], [b])
    yield one("quantize", "QUANTIZE", [x((900,))], y(I8, 0.003, -100))
    yield one("quantize_u8", "QUANTIZE", [x((900,))], y(U8, 0.004, 7))
    yield one("quantize_i16", "QUANTIZE", [x((900,))], y(I16, 0.0001), version=3)
    yield one("quantize_i8_again", "QUANTIZE", [x((900,), I8)], y(I8), version=2)
    yield one("quantize_i8_from_u8", "QUANTIZE", [x((900,), U8, X, 131)], y(I8, X, 3), version=2)
    yield one("quantize_i8_from_i16", "QUANTIZE", [x((900,), I16)], y(I8, 0.07, -100), version=3)
    yield one("shape", "SHAPE", [x((2, 3, 4))], y(I32), ("ShapeOptions", dict(outType=2)))
    yield one("rank", "RANK", [x((2, 3, 4))], y(I32, shape=()))
    yield one("zeros_like", "ZEROS_LIKE", [x((2, 3))])
    yield one("fill", "FILL", [const([2, 3]), x((), F)], version=2)
    yield one("range", "RANGE", [const(3), const(11), const(2)], y(I32))
    yield one("one_hot", "ONE_HOT", [const([2, 0, 3]), const(4), x((), F), const(-1, F)], options=("OneHotOptions", dict(axis=-1)))
    yield many("top_k", "TOPK_V2", [x((3, 9)), const(4)], [y(), y(I32)])
    yield one("embedding_lookup", "EMBEDDING_LOOKUP", [const([2, 0, 2]), x((3, 4))])
    # As converters flatten a batch of unknown size: the shape is computed and is known nevertheless.
    image, sizes, first, packed, flat = x((2, 3, 4)), y(I32), y(I32, shape=()), y(I32), y()
    yield Case("shape_arithmetic", [
        Step("SHAPE", [image], [sizes], ("ShapeOptions", dict(outType=2))),
        Step("STRIDED_SLICE", [sizes, const([0]), const([1]), const([1])], [first], ("StridedSliceOptions", dict(shrinkAxisMask=1))),
        Step("PACK", [first, const(12)], [packed], ("PackOptions", dict(valuesCount=2, axis=0))),
        Step("RESHAPE", [image, packed], [flat], ("ReshapeOptions", {})),
    ], [flat])


def recurrent():
    for rank, tag in [(1, ""), (2, "_rank_2")]:
        opt = ("SVDFOptions", dict(rank=rank, fusedActivationFunction=RELU))
        state = Spec(F, (2, 6 * 5), variable=True)
        yield one("svdf" + tag, "SVDF", [x((2, 4)), normal(6, 4), normal(6, 5), normal(6 // rank), state], options=opt)
        for dtype, scale, zero, runtime in [(I16, 0.001, 0, "litert"), (I8, 0.2, -9, "tflm")]:
            time = const(RNG.integers(-100, 100, (6, 5)) if dtype == I8 else RNG.integers(-9000, 9000, (6, 5)), dtype,
                         0.02 if dtype == I8 else 0.0002)
            state = Spec(dtype, (2, 30), scale, zero, variable=True)
            inputs = [x((2, 24), I8), weights((6, 24)), time, const(RNG.integers(-3000, 3000, 6 // rank), I32, scale * time.scale), state]
            yield one(f"svdf_{np.dtype(dtype).name}{tag}", "SVDF", inputs, y(I8, 0.3 / rank, -128, (2, 6 // rank)), opt, version=3,
                      runtime=runtime)
    lstm = lambda clip: ("UnidirectionalSequenceLSTMOptions", dict(fusedActivationFunction=TANH, cellClip=clip))
    cell = lambda: Spec(F, (2, 5), variable=True)
    gates = lambda skip: [None if skip and g == 0 else normal(5, 3) for g in range(4)] + \
        [None if skip and g == 0 else normal(5, 5) for g in range(4)]
    nothing = [None] * 3
    biases = lambda skip: [None if skip and g == 0 else normal(5) for g in range(4)]
    yield one("lstm", "UNIDIRECTIONAL_SEQUENCE_LSTM", [x((2, 7, 3)), *gates(False), *nothing, *biases(False), None, None, cell(), cell()],
              y(shape=(2, 7, 5)), lstm(0.4))
    yield one("lstm_coupled", "UNIDIRECTIONAL_SEQUENCE_LSTM",
              [x((2, 7, 3)), *gates(True), None, normal(5), normal(5), *biases(True), None, None, cell(), cell()], y(shape=(2, 7, 5)), lstm(0.0))
    yield one("lstm_projected", "UNIDIRECTIONAL_SEQUENCE_LSTM",
              [x((2, 7, 3)), *[normal(5, 3) for _ in range(4)], *[normal(5, 4) for _ in range(4)], normal(5), normal(5), normal(5),
               *biases(False), normal(4, 5), None, Spec(F, (2, 4), variable=True), cell()], y(shape=(2, 7, 4)), lstm(0.0))
    for zero in (0, 11):
        eight = lambda *shape: const(RNG.integers(-127, 128, shape), I8, RNG.uniform(0.004, 0.01))
        wide = lambda: const(RNG.integers(-3000, 3000, 12), I32, 1e-5)
        inputs = [x((2, 9, 10), I8, 0.02, 5), *[eight(12, 10) for _ in range(4)], *[eight(12, 12) for _ in range(4)], *nothing,
                  *[wide() for _ in range(4)], None, None, Spec(I8, (2, 12), 1 / 128, zero, variable=True),
                  Spec(I16, (2, 12), 1 / 2048 if zero else 1 / 4096, variable=True)]
        out = y(I8, 1 / 128, zero, (2, 9, 12))
        inner = [Spec(F, (0,)) for _ in range(4)] + [Spec(I8, (0,), 1 / 128, zero)]
        yield Case(f"lstm_i8_{zero}", [Step("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [out], lstm(10.0 if zero else 3.0), 1, inner)], [out])


def legacy():
    """uint8, as models were quantised before int8: weights have a zero point as well."""
    w = const(RNG.integers(0, 256, (5, 3, 3, 4)), U8, 0.02, 111)
    b = lambda n, scale: const(RNG.integers(-2000, 2000, n), I32, np.float32(0.0413) * np.float32(scale))
    yield one("conv_u8", "CONV_2D", [x(IMAGE, U8), w, b(5, 0.02)], y(U8), conv(SAME, 1, act=RELU6))
    w = const(RNG.integers(0, 256, (1, 3, 3, 4)), U8, 0.02, 140)
    yield one("depthwise_u8", "DEPTHWISE_CONV_2D", [x(IMAGE, U8), w, b(4, 0.02)], y(U8), depthwise(SAME, 2, 1, RELU))
    w = const(RNG.integers(0, 256, (40, 20)), U8, 0.01, 120)
    yield one("dense_u8", "FULLY_CONNECTED", [x((5, 20), U8), w, b(40, 0.01)], y(U8),
              ("FullyConnectedOptions", dict(fusedActivationFunction=RELU)))
    for op, name in [("AVERAGE_POOL_2D", "average"), ("MAX_POOL_2D", "max")]:
        yield one(f"{name}_pool_u8", op, [x((1, 9, 9, 8), U8)], y(U8, 0.0413, 120), pool(SAME, 2, 2, RELU6))
    yield one("add_u8", "ADD", [x((1, 9, 9, 8), U8), x((1, 9, 9, 8), U8, 0.0713, 99)], y(U8, 0.0931, 101), ("AddOptions", {}))
    yield one("logistic_u8", "LOGISTIC", [x((600,), U8)], y(U8, 1 / 256, 0))
    yield one("softmax_u8", "SOFTMAX", [x((80, 10), U8)], y(U8, 1 / 256, 0), ("SoftmaxOptions", dict(beta=1.0)))
    yield one("pad_u8", "PAD", [x((1, 3, 2, 2), U8), const([[0, 0], [1, 2], [0, 1], [0, 0]])], y(U8, 0.0413, 120))
    yield one("mean_u8", "MEAN", [x((1, 5, 5, 300), U8), const([1, 2])], y(U8, 0.0213, 99), ("ReducerOptions", {}))


def streams():
    """A window over a stream, as streaming Keras models keep it: the last inputs in a variable."""
    for dtype, begin in [(F, 0.5), (I8, 3)]:
        tag = "" if dtype == F else "_i8"
        i = lambda *shape: x(shape, dtype)
        o = lambda *shape: Spec(dtype, shape, *((X, 3) if dtype == I8 else ()))
        handle, last, both, kept, mean = Spec(I32, (), resource=True), o(1, 3, 4), o(1, 5, 4), o(1, 3, 4), y(dtype)
        start = const(np.full((1, 3, 4), begin), dtype, *((X, 3) if dtype == I8 else ()))
        yield Case(f"stream{tag}", [
            Step("VAR_HANDLE", [], [handle], ("VarHandleOptions", dict(sharedName="window"))),
            Step("READ_VARIABLE", [handle], [last]),
            Step("CONCATENATION", [last, i(1, 2, 4)], [both], ("ConcatenationOptions", dict(axis=1)), 2),
            Step("STRIDED_SLICE", [both, const([0, 2, 0]), const([1, 5, 4]), const([1, 1, 1])], [kept], ("StridedSliceOptions", {}), 2),
            Step("ASSIGN_VARIABLE", [handle, kept], []),
            Step("MEAN", [both, const([1])], [mean], ("ReducerOptions", {}), 2),
        ], [mean], initial=[("window", start)])


def chains():
    """Layouts: what stands between two convolutions."""
    image = x((1, 6, 6, 3))
    a, b, c, d, e, f = (y() for _ in range(6))
    yield Case("chain", [
        Step("CONV_2D", [image, normal(4, 3, 3, 3), normal(4)], [a], conv(SAME, 1, act=RELU)),
        Step("PRELU", [a, normal(1, 1, 4)], [b]),
        Step("CONV_2D", [b, normal(4, 1, 1, 4), normal(4)], [c], conv(SAME, 1)),
        Step("ADD", [c, a], [d], ("AddOptions", {})),
        Step("CONCATENATION", [d, b], [e], ("ConcatenationOptions", dict(axis=3))),
        Step("MEAN", [e, const([1, 2])], [f], ("ReducerOptions", {})),
    ], [f, c])
    a, b, c = y(), y(), y()
    yield Case("chain_softmax", [
        Step("CONV_2D", [x((1, 4, 4, 3)), normal(4, 3, 3, 3), normal(4)], [a], conv(VALID, 1)),
        Step("SOFTMAX", [a], [b], ("SoftmaxOptions", dict(beta=1.0))),
        Step("ARG_MAX", [b, const(3)], [c := y(I32)], ("ArgMaxOptions", dict(outputType=2))),
    ], [b, c])
    a, b, c, d = y(), y(), y(), y()
    yield Case("chain_flatten", [
        Step("CONV_2D", [x((1, 4, 4, 3)), normal(4, 3, 3, 3), normal(4)], [a], conv(SAME, 1)),
        Step("PAD", [a, const([[0, 0], [1, 1], [0, 0], [0, 2]])], [b]),
        Step("MAX_POOL_2D", [b], [c], pool(VALID, 2, 2)),
        Step("RESHAPE", [c, const([1, -1])], [d], ("ReshapeOptions", {})),
    ], [d])


def volumes():
    conv3d = lambda padding, stride, dilation=1, act=NONE: ("Conv3DOptions", dict(
        padding=padding, strideD=stride, strideH=stride, strideW=stride, dilationDFactor=dilation, dilationHFactor=dilation,
        dilationWFactor=dilation, fusedActivationFunction=act))
    for tag, opt in [("same", conv3d(SAME, 1)), ("stride", conv3d(SAME, 2, act=RELU)), ("valid", conv3d(VALID, 1, act=RELU6))]:
        yield one(f"conv_3d_{tag}", "CONV_3D", [x((1, 5, 6, 7, 2)), normal(3, 3, 2, 2, 4), normal(4)], options=opt)
    yield one("conv_3d_without_bias", "CONV_3D", [x((2, 4, 4, 4, 2)), normal(1, 2, 3, 2, 3)], options=conv3d(VALID, 1))
    for tag, padding, shape in [("same", SAME, (1, 6, 8, 10, 3)), ("valid", VALID, (1, 7, 9, 11, 3))]:
        yield one(f"conv_3d_transpose_{tag}", "CONV_3D_TRANSPOSE",
                  [const(shape), normal(3, 3, 3, 3, 2), x((1, 3, 4, 5, 2)), normal(3)], options=conv3d(padding, 2))


def written():
    yield one("scatter_nd", "SCATTER_ND", [const([[0, 1], [2, 0], [0, 1], [1, 3]]), x((4, 5)), const([3, 4, 5])])
    yield one("scatter_nd_elements", "SCATTER_ND", [const([[4], [3], [1], [7]]), x((4,)), const([8])])
    for tag, start in [("", [1, 0, 2]), ("_held_inside", [5, -3, 9])]:
        yield one(f"dynamic_update_slice{tag}", "DYNAMIC_UPDATE_SLICE", [x((4, 3, 5)), x((2, 2, 3)), const(start)])
    yield one("reverse_sequence", "REVERSE_SEQUENCE", [x((3, 5, 2)), const([5, 2, 1])], options=("ReverseSequenceOptions", dict(seqDim=1, batchDim=0)))
    yield one("reverse_sequence_time_first", "REVERSE_SEQUENCE", [x((5, 3, 2)), const([4, 0, 5])],
              options=("ReverseSequenceOptions", dict(seqDim=0, batchDim=1)))
    yield one("segment_sum", "SEGMENT_SUM", [x((6, 3)), const([0, 0, 1, 2, 2, 2])], options=("SegmentSumOptions", {}))
    for kind in ("SUM", "PROD", "MAX", "MIN"):
        yield one(f"unsorted_segment_{kind.lower()}", f"UNSORTED_SEGMENT_{kind}", [x((6, 3)), const([3, 0, 1, 3, -1, 0]), const(5)],
                  options=(f"UnsortedSegment{kind.title()}Options", {}))
    yield one("sparse_to_dense", "SPARSE_TO_DENSE", [const([[0, 1], [2, 3]]), const([3, 4]), x((2,)), const(0.5, F)],
              options=("SparseToDenseOptions", dict(validateIndices=False)))
    yield one("sparse_to_dense_one_value", "SPARSE_TO_DENSE", [const([1, 4, 5]), const([7]), const(2.5, F), const(-1.0, F)],
              options=("SparseToDenseOptions", dict(validateIndices=False)))
    for tag, shape, picks, axis, batches in [("rows", (2, 4, 3), (2, 5), 1, 1), ("behind", (2, 3, 4, 2), (2, 2, 2), 2, 1), ("elements", (2, 3, 4), (2, 3, 2), 2, 2)]:
        yield one(f"gather_in_batches_{tag}", "GATHER", [x(shape), const(RNG.integers(0, shape[axis], picks))],
                  options=("GatherOptions", dict(axis=axis, batchDims=batches)), version=5)


def diagonals():
    yield one("matrix_diag", "MATRIX_DIAG", [x((2, 4))], options=("MatrixDiagOptions", {}))
    for tag, rows, columns in [("wide", 3, 5), ("high", 5, 3), ("square", 4, 4)]:
        yield one(f"matrix_set_diag_{tag}", "MATRIX_SET_DIAG", [x((2, rows, columns)), x((2, min(rows, columns)))],
                  options=("MatrixSetDiagOptions", {}))
    yield one("dilate", "DILATE", [x((3, 4)), const([2, 3]), const(0.25, F)])
    a = y(I32)
    yield Case("broadcast_args", [Step("BROADCAST_ARGS", [const([3, 1]), const([2, 1, 5])], [a]),
                                  Step("BROADCAST_TO", [x((1, 5)), a], [b := y()], ("BroadcastToOptions", {}), 2)], [b])
    yield one("bucketize", "BUCKETIZE", [x((4, 5))], y(I32), ("BucketizeOptions", dict(boundaries=[-0.5, 0.0, 0.75])))
    for tag, dtype in [("i32", I32), ("i16", I16)]:
        yield one(f"right_shift_{tag}", "RIGHT_SHIFT", [Spec(dtype, (2, 5)), const([[0, 1, 2, 3, 7]], dtype)], Spec(dtype),
                  ("RightShiftOptions", {}))
        yield one(f"bitwise_xor_{tag}", "BITWISE_XOR", [Spec(dtype, (2, 5)), const([[0, 1, -2, 300, 77]], dtype)], Spec(dtype),
                  ("BitwiseXorOptions", {}))
    yield one("local_response", "LOCAL_RESPONSE_NORMALIZATION", [x((1, 3, 3, 7))],
              options=("LocalResponseNormalizationOptions", dict(radius=2, bias=1.5, alpha=0.7, beta=0.75)))


def spectra():
    for tag, shape, lengths in [("rows", (3, 1, 64), [1, 64]), ("cut", (2, 1, 40), [1, 32]), ("filled", (2, 1, 40), [1, 128]), ("both", (2, 8, 16), [8, 16])]:
        spectrum, moved, size, real, imaginary = Spec(C), Spec(C), y(), y(), y()
        squeeze = [Step("SQUEEZE", [spectrum], [moved], ("SqueezeOptions", dict(squeezeDims=[1])))] if tag != "both" else []
        last = moved if squeeze else spectrum
        yield Case(f"rfft2d_{tag}", [
            Step("RFFT2D", [x(shape), const(lengths)], [spectrum], ("Rfft2dOptions", {})), *squeeze,
            Step("COMPLEX_ABS", [last], [size]), Step("REAL", [last], [real]), Step("IMAG", [last], [imaginary]),
        ], [size, real, imaginary])


def cases():
    for family in (convolutions, products, pools, pointwise, activations, movements, reductions, sources, recurrent, legacy, chains, streams,
                   volumes, written, diagonals, spectra):
        yield from family()
