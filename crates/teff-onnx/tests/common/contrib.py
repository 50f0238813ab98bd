"""Models with operators that onnxruntime's quantiser and optimiser write, and what onnxruntime gives for them.

`contrib.py OUT SEED ROUNDS [MODEL.onnx ..]` writes a folder a model: model.onnx, input_K.pb, output_K.pb; of the files given too. The archive
that tests use where there is no onnxruntime is made by `contrib.py OUT 1 3`, and then `tar --sort=name --owner=0 --group=0 --mtime=@0 -C OUT -c . | gzip -9n`.
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T, helper as h, numpy_helper as nh

MS = "com.microsoft"
out, seed, rounds = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(seed)


def pick(*values):
    return values[rng.integers(len(values))]


def size(low, high):
    return int(rng.integers(low, high + 1))


def floats(*shape, spread=1.0):
    return (rng.uniform(-1, 1, shape) * spread).astype(np.float32)


def scale(*shape):
    return rng.uniform(0.01, 0.1, shape).astype(np.float32)


def codes(dtype, *shape):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def weights(dtype, *shape):
    """Signed ones of 7 bits: where processors have no VNNI, onnxruntime adds pairs of products in 16 bits, which saturate."""
    return codes(dtype, *shape) // 2 if dtype == np.int8 else codes(dtype, *shape)


def zero(dtype, *shape):
    """A zero point not too near the ends."""
    info = np.iinfo(dtype)
    middle = (info.min + info.max + 1) // 2
    return rng.integers(middle - 20, middle + 20, shape).astype(dtype)


def options():
    o = ort.SessionOptions()
    o.log_severity_level = 4
    o.intra_op_num_threads = 1
    o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return o


def save(name, model, feed):
    model.ir_version = min(model.ir_version, 10)
    session = ort.InferenceSession(model.SerializeToString(), options(), providers=["CPUExecutionProvider"])
    results = session.run(None, feed)
    at = out / name
    at.mkdir(parents=True)
    onnx.save(model, at / "model.onnx")
    for k, info in enumerate(session.get_inputs()):
        (at / f"input_{k}.pb").write_bytes(nh.from_array(feed[info.name], info.name).SerializeToString())
    for k, y in enumerate(results):
        (at / f"output_{k}.pb").write_bytes(nh.from_array(np.asarray(y)).SerializeToString())


def one(name, op, inputs, given, outputs=1, domain=MS, **attributes):
    """A model of one node. `inputs` are arrays or None; those named in `given` are inputs of the model, the others initialisers."""
    names = ["" if x is None else f"i{k}" for k, x in enumerate(inputs)]
    names_out = [f"o{k}" for k in range(outputs)]
    node = h.make_node(op, names, names_out, "node", domain=domain, **attributes)
    info = [h.make_tensor_value_info(names[k], h.np_dtype_to_tensor_dtype(inputs[k].dtype), inputs[k].shape) for k in given]
    constants = [nh.from_array(x, names[k]) for k, x in enumerate(inputs) if x is not None and k not in given]
    graph = h.make_graph([node], "g", info, [h.make_empty_tensor_value_info(n) for n in names_out], constants)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17), h.make_opsetid(MS, 1)], ir_version=8)
    save(name, model, {names[k]: inputs[k] for k in given})


def average_pool(name):
    dtype, last, axes = pick(np.uint8, np.int8), pick(0, 1), pick(1, 2)
    spatial = [size(4, 9) for _ in range(axes)]
    channels = size(1, 4)
    x = codes(dtype, 2, *([*spatial, channels] if last else [channels, *spatial]))
    kernel = [size(1, 3) for _ in range(axes)]
    attributes = {"kernel_shape": kernel, "strides": [size(1, 2) for _ in range(axes)], "channels_last": last}
    if pick(True, False):
        attributes["pads"] = [size(0, k - 1) for k in kernel * 2]
    else:
        attributes["auto_pad"] = pick("SAME_UPPER", "SAME_LOWER", "VALID")
    attributes["count_include_pad"] = pick(0, 1)
    inputs = [x, scale(), zero(dtype), scale(), zero(dtype)]
    one(name, "QLinearAveragePool", inputs, [0], **attributes)


def where(name):
    dtype = pick(np.uint8, np.int8)
    shape = [size(1, 4) for _ in range(3)]
    part = lambda: [1 if pick(0, 0, 1) else n for n in shape]
    condition = rng.integers(0, 2, shape).astype(bool)
    inputs = [condition, codes(dtype, *part()), scale(), zero(dtype), codes(dtype, *part()), scale(), zero(dtype), scale(), zero(dtype)]
    one(name, "QLinearWhere", inputs, [0, 1, 4])


def pair(op):
    def make(name):
        dtype = pick(np.uint8, np.int8)
        inputs = [codes(dtype, 2, 3, 4), scale(), zero(dtype), codes(dtype, *pick((2, 3, 4), (3, 1), (4,))), scale(), zero(dtype)]
        one(name, op, [*inputs, scale(), zero(dtype)], [0, 3])

    return make


def unary(op, **attributes):
    def make(name):
        dtype = pick(np.uint8, np.int8)
        one(name, op, [codes(dtype, 2, 3, 5), scale(), zero(dtype), scale(), zero(dtype)], [0], **attributes)

    return make


def softmax(name):
    dtype = pick(np.uint8, np.int8)
    low = np.array(np.iinfo(dtype).min, dtype)
    inputs = [codes(dtype, 2, 3, 5), scale(), zero(dtype), np.array(1 / 256, np.float32), low]
    one(name, "QLinearSoftmax", inputs, [0], axis=pick(-1, 2) if (new := pick(13, 12)) >= 13 else pick(1, 2, -1), opset=new)


def concat(name):
    dtype = pick(np.uint8, np.int8)
    parts = [[codes(dtype, 2, size(1, 4), 3), scale(), zero(dtype)] for _ in range(size(2, 3))]
    one(name, "QLinearConcat", [scale(), zero(dtype), *sum(parts, [])], [2 + 3 * i for i in range(len(parts))], axis=1)


def global_pool(name):
    dtype, last = pick(np.uint8, np.int8), pick(0, 1)
    inputs = [codes(dtype, 2, 3, 4, 5), scale(), zero(dtype), scale(), zero(dtype)]
    one(name, "QLinearGlobalAveragePool", inputs, [0], channels_last=last)


def q_gemm(name):
    a_type, b_type = np.uint8, pick(np.uint8, np.int8)
    m, k, n = size(1, 3), size(1, 8), size(1, 5)
    ta, tb, per = pick(0, 1), pick(0, 1), pick(True, False)
    b_shape = [n] if per else []
    inputs = [codes(a_type, *([k, m] if ta else [m, k])), scale(), zero(a_type)]
    inputs += [weights(b_type, *([n, k] if tb else [k, n])), scale(*b_shape), zero(b_type, *b_shape)]
    bias = rng.integers(-500, 500, [n]).astype(np.int32)
    ends = pick([], [scale(), zero(a_type)])
    one(name, "QGemm", [*inputs, pick(bias, None), *ends], [0], transA=ta, transB=tb, alpha=1.0)


def dynamic_mat_mul(name):
    dtype = pick(np.uint8, np.int8)
    k, n = size(1, 9), size(1, 6)
    per = pick(True, False)
    shape = [n] if per else pick([], [1])
    a = floats(*pick((k,), (3, k), (2, 3, k)) if k > 1 else (3, k), spread=pick(1, 20)) + pick(0, 2).__float__()
    inputs = [a.astype(np.float32), weights(dtype, k, n), scale(*shape), pick(None, zero(dtype, *shape)), pick(None, floats(n))]
    one(name, "DynamicQuantizeMatMul", inputs, [0])


def integer_to_float(name):
    a_type, b_type = pick(np.uint8, np.int8), pick(np.uint8, np.int8)
    if a_type == np.int8:
        b_type = np.int8
    k, n = size(1, 9), size(1, 6)
    shape = [n] if pick(True, False) else pick([], [1])
    inputs = [codes(a_type, *pick((3, k), (2, 3, k))), weights(b_type, k, n), scale(), scale(*shape)]
    inputs += [pick(None, zero(a_type)), pick(None, zero(b_type, *shape)), pick(None, floats(n))]
    one(name, "MatMulIntegerToFloat", inputs, [0])


def n_bits(name):
    bits, block = pick(4, 4, 8, 2), pick(16, 32)
    k, n = size(1, 70), size(1, 5)
    blocks = -(-k // block)
    w = codes(np.uint8, n, blocks, block * bits // 8)
    flat = pick(True, False)
    s = scale(n * blocks) if flat else scale(n, blocks)
    packed = -(-blocks * bits // 8)
    z = pick(None, codes(np.uint8, n * packed) if flat else codes(np.uint8, n, packed))
    bias = pick(None, floats(n))
    one(name, "MatMulNBits", [floats(*pick((2, k), (1, 3, k))), w, s, z, None, bias], [0], K=k, N=n, bits=bits, block_size=block)


def gather_block(name):
    block, rows, blocks = 16, size(2, 6), size(1, 3)
    kind = pick("uint8", "uint8", "int4", "uint4")
    s = scale(rows, blocks)
    indices = rng.integers(0, rows, pick((3,), (2, 2))).astype(np.int64)
    if kind == "uint8":
        bits = pick(4, 8)
        data = codes(np.uint8, rows, blocks * block * bits // 8)
        z = pick(None, codes(np.uint8, rows, -(-blocks * bits // 8)))
        one(name, "GatherBlockQuantized", [data, indices, s, z], [1], bits=bits, block_size=block, gather_axis=0, quantize_axis=1)
        return
    low, high = (-8, 7) if kind == "int4" else (0, 15)
    four = T.INT4 if kind == "int4" else T.UINT4
    data = h.make_tensor("d", four, [rows, blocks * block], rng.integers(low, high + 1, rows * blocks * block))
    z = h.make_tensor("z", four, [rows, blocks], rng.integers(low, high + 1, rows * blocks))
    names = ["d", "i", "s"] + pick([], ["z"])
    node = h.make_node("GatherBlockQuantized", names, ["y"], "node", domain=MS, block_size=block, quantize_axis=1)
    graph = h.make_graph([node], "g", [h.make_tensor_value_info("i", T.INT64, indices.shape)], [h.make_empty_tensor_value_info("y")],
                         [data, nh.from_array(s, "s")] + ([z] if "z" in names else []))
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 21), h.make_opsetid(MS, 1)])
    save(name, model, {"i": indices})


def lstm(name):
    dtype = pick(np.uint8, np.int8)
    way = pick("forward", "reverse", "bidirectional")
    d = 2 if way == "bidirectional" else 1
    steps, inner, hidden = size(1, 5), size(1, 6), size(1, 5)
    per = [d, 4 * hidden] if pick(True, False) else [d]
    optional = lambda x: pick(None, x)
    lengths = pick(None, None, np.array([size(1, steps)], np.int32))
    inputs = [floats(steps, 1, inner), weights(dtype, d, inner, 4 * hidden), weights(dtype, d, hidden, 4 * hidden)]
    inputs += [optional(floats(d, 8 * hidden)), lengths, optional(floats(d, 1, hidden)), optional(floats(d, 1, hidden))]
    # onnxruntime takes signed weights around 0 only, and unsigned ones with one zero point for all.
    middle = lambda: np.full(per, 0 if dtype == np.int8 else size(100, 150), dtype)
    inputs += [optional(floats(d, 3 * hidden)), scale(*per) / 10, middle(), scale(*per) / 10, middle()]
    one(name, "DynamicQuantizeLSTM", inputs, [0], 3, hidden_size=hidden, direction=way)


def mask(batch, steps, keys):
    lengths = rng.integers(1, keys + 1, batch)
    raw = (np.arange(keys) < lengths[:, None]).astype(np.int32)
    return pick(None, raw, np.broadcast_to(raw[:, None], (batch, steps, keys)).copy(), lengths.astype(np.int32))


def attention(quantised):
    def make(name):
        batch, steps, heads, each, inner = size(1, 2), size(1, 5), size(1, 3), size(1, 4), size(1, 6)
        hidden = heads * each
        past = pick(None, None, floats(2, batch, heads, size(1, 3), each))
        keys = steps + (0 if past is None else past.shape[3])
        hide = mask(batch, steps, keys)
        if past is not None and hide is not None and hide.ndim == 1:
            hide = None
        attributes = {"num_heads": heads, "unidirectional": pick(0, 1)}
        outputs = 1 if past is None else 2
        if quantised:
            w_type = pick(np.uint8, np.int8)
            per = [3 * hidden] if pick(True, False) else []
            inputs = [codes(np.uint8, batch, steps, inner), weights(w_type, inner, 3 * hidden), floats(3 * hidden), scale(), scale(*per) / 10]
            one(name, "QAttention", [*inputs, hide, zero(np.uint8), zero(w_type, *per), past], [0], outputs, **attributes)
            return
        if pick(True, False):
            attributes["scale"] = 0.7
        inputs = [floats(batch, steps, inner), floats(inner, 3 * hidden), floats(3 * hidden), hide, past]
        bias = pick(None, floats(batch, heads, steps, keys))
        one(name, "Attention", [*inputs, bias], [0], outputs, **attributes)

    return make


def embed(name):
    batch, steps, hidden = size(1, 2), size(1, 5), 4 * size(1, 3)
    segments = pick(True, False)
    inputs = [rng.integers(0, 7, (batch, steps)).astype(np.int32), rng.integers(0, 2, (batch, steps)).astype(np.int32) if segments else None]
    inputs += [floats(7, hidden), floats(6, hidden), floats(2, hidden) if segments else None, floats(hidden), floats(hidden)]
    hide = (np.arange(steps) < rng.integers(1, steps + 1, batch)[:, None]).astype(np.int32)
    one(name, "EmbedLayerNormalization", [*inputs, pick(None, hide)], [0], 2, epsilon=1e-5)


def network(kind):
    """A small float network that quantisers are run on."""
    x = h.make_tensor_value_info("x", T.FLOAT, [1, 3, 8, 8])
    w = lambda name, *shape: nh.from_array(floats(*shape, spread=0.5), name)
    if kind == "lstm":
        nodes = [h.make_node("LSTM", ["x", "w", "r", "b"], ["", "y"], "lstm", hidden_size=5),
                 h.make_node("Squeeze", ["y", "axis"], ["h"]), h.make_node("MatMul", ["h", "v"], ["m"]), h.make_node("Add", ["m", "c"], ["out"])]
        constants = [w("w", 1, 20, 4), w("r", 1, 20, 5), w("b", 1, 40), w("v", 5, 3), w("c", 3), nh.from_array(np.array([0]), "axis")]
        x, y = h.make_tensor_value_info("x", T.FLOAT, [6, 1, 4]), h.make_tensor_value_info("out", T.FLOAT, [1, 3])
    elif kind == "dense":
        nodes = [h.make_node("Flatten", ["x"], ["f"]), h.make_node("Gemm", ["f", "w1", "b1"], ["g"], "fc1", transB=1),
                 h.make_node("Sigmoid", ["g"], ["s"]), h.make_node("MatMul", ["s", "w2"], ["m"], "fc2"),
                 h.make_node("Add", ["m", "b2"], ["a"]), h.make_node("Softmax", ["a"], ["out"], axis=-1)]
        constants = [w("w1", 16, 192), w("b1", 16), w("w2", 16, 32), w("b2", 32)]
        y = h.make_tensor_value_info("out", T.FLOAT, [1, 32])
    else:
        nodes = [h.make_node("Conv", ["x", "w1", "b1"], ["c1"], "c1", pads=[1] * 4), h.make_node("Relu", ["c1"], ["r1"]),
                 h.make_node("AveragePool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
                 h.make_node("Conv", ["p1", "w2", "b2"], ["c2"], "c2", pads=[1] * 4, group=2),
                 h.make_node("LeakyRelu", ["c2"], ["l2"], alpha=0.1), h.make_node("Add", ["l2", "p1"], ["a"]),
                 h.make_node("Mul", ["a", "p1"], ["mul"]), h.make_node("MaxPool", ["mul"], ["mp"], kernel_shape=[2, 2], strides=[2, 2]),
                 h.make_node("Concat", ["mp", "mp"], ["cc"], axis=1), h.make_node("GlobalAveragePool", ["cc"], ["gp"]),
                 h.make_node("Flatten", ["gp"], ["f"]), h.make_node("Gemm", ["f", "w3", "b3"], ["out"], "fc", transB=1)]
        constants = [w("w1", 4, 3, 3, 3), w("b1", 4), w("w2", 4, 2, 3, 3), w("b2", 4), w("w3", 5, 8), w("b3", 5)]
        y = h.make_tensor_value_info("out", T.FLOAT, [1, 5])
    graph = h.make_graph(nodes, kind, [x], [y], constants)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    return model, [d.dim_value for d in x.type.tensor_type.shape.dim]


def quantised(kind):
    def make(name):
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

        class Reader(CalibrationDataReader):
            def __init__(self):
                self.left = [{"x": floats(*shape)} for _ in range(4)]

            def get_next(self):
                return self.left.pop() if self.left else None

        network_of = {"dynamic_lstm": "lstm", "dynamic": pick("conv", "dense"), "four": "dense"}.get(kind, pick("conv", "dense"))
        model, shape = network(network_of)
        signed = pick(QuantType.QInt8, QuantType.QUInt8)
        narrow = lambda: pick(True, False) or signed == QuantType.QInt8  # as `weights` has them
        if kind == "four":
            from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

            q = MatMulNBitsQuantizer(model, block_size=16, is_symmetric=pick(True, False), bits=pick(4, 8))
            q.process()
            quantized = q.model.model
        elif kind.startswith("dynamic"):
            to = out / "quantised.onnx"
            quantize_dynamic(model, to, per_channel=pick(True, False), reduce_range=narrow(), weight_type=signed)
            quantized = onnx.load(to)
            to.unlink()
        else:
            to = out / "quantised.onnx"
            wide = kind == "qdq" and pick(True, False)
            activations = QuantType.QInt16 if wide else (QuantType.QInt8 if signed == QuantType.QInt8 else QuantType.QUInt8)
            extra = {"ActivationSymmetric": pick(True, False), "WeightSymmetric": pick(True, False)}
            quantize_static(model, to, Reader(), QuantFormat.QDQ if kind == "qdq" else QuantFormat.QOperator, per_channel=pick(True, False),
                            reduce_range=narrow(), weight_type=signed, activation_type=activations, extra_options=extra)
            quantized = onnx.load(to)
            to.unlink()
        save(name, quantized, {"x": floats(*shape)})

    return make


MAKERS = {
    "QLinearAveragePool": average_pool, "QLinearWhere": where, "QLinearAdd": pair("QLinearAdd"), "QLinearMul": pair("QLinearMul"),
    "QLinearSigmoid": unary("QLinearSigmoid"), "QLinearLeakyRelu": unary("QLinearLeakyRelu", alpha=0.2), "QLinearSoftmax": softmax,
    "QLinearConcat": concat, "QLinearGlobalAveragePool": global_pool, "QGemm": q_gemm, "DynamicQuantizeMatMul": dynamic_mat_mul,
    "MatMulIntegerToFloat": integer_to_float, "MatMulNBits": n_bits, "GatherBlockQuantized": gather_block, "DynamicQuantizeLSTM": lstm,
    "Attention": attention(False), "QAttention": attention(True), "EmbedLayerNormalization": embed,
    "quantize_dynamic": quantised("dynamic"), "quantize_dynamic_lstm": quantised("dynamic_lstm"), "quantize_4_bits": quantised("four"),
    "quantize_static_qoperator": quantised("qoperator"), "quantize_static_qdq": quantised("qdq"),
}
out.mkdir(parents=True, exist_ok=True)
for name, make in MAKERS.items():
    for i in range(rounds):
        try:
            make(f"{name}_{i}")
        except Exception as e:  # a choice that onnxruntime does not take
            print(f"{name}_{i}: {type(e).__name__}: {str(e)[:200]}", file=sys.stderr)
for file in map(pathlib.Path, sys.argv[4:]):
    model = onnx.load(file)
    given = {x.name for x in model.graph.initializer}
    shapes = {x.name: [d.dim_value for d in x.type.tensor_type.shape.dim] for x in model.graph.input if x.name not in given}
    save(file.stem, model, {name: floats(*shape) for name, shape in shapes.items()})
