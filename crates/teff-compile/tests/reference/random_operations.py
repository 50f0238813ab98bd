"""Random models of one operation, fed numbers at the edges of floats, and what they give: `random_operations.py DIR FIRST COUNT`.

DIR/N/ gets model.onnx, inputs.txt and input_K.bin (a type and a shape a line, the bytes), and of each oracle that has the operation
ORACLE.txt and ORACLE_K.bin: `reference` (onnx.reference), `wide` (the same in doubles, rounded to floats) and `onnxruntime`.
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from cases import CASES, F, Random


def drawn(number):
    """The model with this number and its inputs."""
    r = Random(number)
    name = list(CASES)[number % len(CASES)]
    opset, make = CASES[name]
    inputs, attributes, *outputs = make(r)
    names = ["" if x is None else f"x{k}" for k, x in enumerate(inputs)]
    fixed = {f"x{k}": x[1] for k, x in enumerate(inputs) if isinstance(x, tuple)}
    fed = {f"x{k}": x for k, x in enumerate(inputs) if isinstance(x, np.ndarray)}
    outputs = [f"y{k}" for k in range(outputs[0] if outputs else 1)]
    node = helper.make_node(name, names, outputs, name="n", **attributes)
    info = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for k, x in fed.items()]
    graph = helper.make_graph(
        [node], name, info, [helper.make_value_info(y, onnx.TypeProto()) for y in outputs],
        [numpy_helper.from_array(x, k) for k, x in fixed.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    typed = onnx.shape_inference.infer_shapes(model)
    return name, typed if all(o.type.HasField("tensor_type") for o in typed.graph.output) else model, fed


def widened(model):
    """The model with doubles for floats."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    for t in [*wide.graph.input, *wide.graph.output]:
        if t.type.tensor_type.elem_type == TensorProto.FLOAT:
            t.type.tensor_type.elem_type = TensorProto.DOUBLE
    for k, t in enumerate(wide.graph.initializer):
        if t.data_type == TensorProto.FLOAT:
            wide.graph.initializer[k].CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float64), t.name))
    return wide


def by_reference(model, fed):
    with np.errstate(all="ignore"):
        return ReferenceEvaluator(model).run(None, fed)


def by_onnxruntime(model, fed):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, fed)


def in_doubles(model, fed):
    wide = {k: x.astype(np.float64) if x.dtype == F else x for k, x in fed.items()}
    with np.errstate(all="ignore"):
        return [np.asarray(y).astype(F) if np.asarray(y).dtype == np.float64 else y for y in by_reference(widened(model), wide)]


def write(at, name, singular, arrays):
    lines = []
    for k, x in enumerate(arrays):
        x = np.asarray(x)
        lines.append(" ".join([str(x.dtype), *map(str, x.shape)]))
        (at / f"{singular}_{k}.bin").write_bytes(np.ascontiguousarray(x).tobytes())
    (at / f"{name}.txt").write_text("\n".join(lines))


def main():
    root, first, count = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for number in range(first, first + count):
        name, model, fed = drawn(number)
        at = root / str(number)
        at.mkdir(parents=True)
        (at / "model.onnx").write_bytes(model.SerializeToString())
        (at / "name.txt").write_text(f"{name} {helper.printable_node(model.graph.node[0])}")
        write(at, "inputs", "input", fed.values())
        for oracle, run in [("reference", by_reference), ("wide", in_doubles), ("onnxruntime", by_onnxruntime)]:
            if oracle == "wide" and name == "Cast":
                continue
            try:
                write(at, oracle, oracle, run(model, fed))
            except Exception as e:  # an oracle that lacks the operation, or refuses it
                (at / f"{oracle}.error").write_text(f"{type(e).__name__}: {e}")


main()
