"""Runs of TFLite models by the runtimes that teff is compared with, on inputs that a test in Rust can make again."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

RESOLVERS = {
    "litert": OpResolverType.AUTO,
    "litert-without-xnnpack": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "litert-reference": OpResolverType.BUILTIN_REF,
}


def values(shape, dtype, seed):
    """SplitMix64 from `seed`: floats in [0, 1), integers of all sizes but int16, of which no negative ones, as audio energies are."""
    n = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    dtype = np.dtype(dtype)
    if dtype == np.float32:
        x = (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
    elif dtype == np.bool_:
        x = z >> np.uint64(63) != 0
    elif dtype == np.int16:
        x = (z >> np.uint64(49)).astype(np.int16)
    else:
        bits = dtype.itemsize * 8
        x = (z >> np.uint64(64 - bits)).astype(f"u{dtype.itemsize}").view(dtype)
    return x.reshape(shape)


def unpacked(model):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(model), 0))


def packed(m):
    builder = flatbuffers.Builder(0)
    builder.Finish(m.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def repaired(model):
    """A model whose one-dimensional biases name an axis they do not have, as LiteRT, unlike TFLM, refuses to read it."""
    m = unpacked(model)
    wrong = [t for t in m.subgraphs[0].tensors if t.quantization and t.quantization.quantizedDimension >= len(t.shape) > 0]
    for t in wrong:
        t.quantization.quantizedDimension = 0
    return packed(m) if wrong else model


def without_hybrid(model):
    """With floats in place of the 8-bit weights of operators on floats, which LiteRT would else apply to quantised inputs."""
    m = unpacked(model)
    g = m.subgraphs[0]
    for o in g.operators:
        inputs = [g.tensors[i] for i in o.inputs if i >= 0]
        if not inputs or inputs[0].type != schema.TensorType.FLOAT32:
            continue
        for t in inputs[1:]:
            if t.type == schema.TensorType.INT8 and t.quantization and t.quantization.scale is not None:
                scale = np.asarray(t.quantization.scale, np.float32)
                q = np.asarray(m.buffers[t.buffer].data, np.uint8).view(np.int8).reshape(t.shape).astype(np.float32)
                shape = [1] * q.ndim
                shape[t.quantization.quantizedDimension if len(scale) > 1 else 0] = len(scale)
                data = schema.BufferT()
                data.data = np.frombuffer((q * scale.reshape(shape)).tobytes(), np.uint8)
                m.buffers.append(data)
                t.buffer, t.type, t.quantization = len(m.buffers) - 1, schema.TensorType.FLOAT32, None
    return packed(m)


def litert(model, resolver, runs, seed):
    """Outputs of runs in a row, memory kept from one to the next."""
    if resolver == "litert-without-hybrid":
        model, resolver = without_hybrid(model), "litert"
    i = Interpreter(model_content=repaired(model), experimental_op_resolver_type=RESOLVERS[resolver], num_threads=1)
    i.allocate_tensors()
    for run in range(runs):
        for k, d in enumerate(i.get_input_details()):
            i.set_tensor(d["index"], values(d["shape"], d["dtype"], seed + run * 1000 + k))
        i.invoke()
        yield [i.get_tensor(d["index"]).copy() for d in i.get_output_details()]


def tflm(model, runs, seed):
    """As `litert`, by TFLite for Microcontrollers."""
    from tflite_micro.python.tflite_micro import runtime

    i = runtime.Interpreter.from_bytes(model, arena_size=1 << 22)
    details = schema.Model.GetRootAs(bytearray(model), 0).Subgraphs(0)
    for run in range(runs):
        for k in range(details.InputsLength()):
            d = i.get_input_details(k)
            i.set_input(values(tuple(d["shape"]), d["dtype"], seed + run * 1000 + k), k)
        i.invoke()
        yield [i.get_output(k).copy() for k in range(details.OutputsLength())]


def outputs(model, runtime, runs, seed=0):
    return tflm(model, runs, seed) if runtime == "tflm" else litert(model, runtime, runs, seed)
