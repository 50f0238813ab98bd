"""Runs models with onnxruntime: `oracle.py DIR N` for DIR/0 .. DIR/N-1, each with model.onnx, input_K.bin and input_K.shape.

Writes outputs.txt (dtype and shape, a line an output) and output_K.bin, or error.txt.
"""

import pathlib
import sys

import numpy as np
import onnxruntime as ort

DTYPES = {
    "float": np.float32, "double": np.float64, "bool": np.bool_, "int8": np.int8, "uint8": np.uint8, "int16": np.int16,
    "uint16": np.uint16, "int32": np.int32, "uint32": np.uint32, "int64": np.int64, "uint64": np.uint64,
}


def run(at):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    # Fused integer kernels saturate 16-bit sums on processors without VNNI; operator by operator is what the model says.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(at / "model.onnx"), options, providers=["CPUExecutionProvider"])
    feed = {}
    for k, info in enumerate(session.get_inputs()):
        dtype = DTYPES[info.type.removeprefix("tensor(").removesuffix(")")]
        shape = [int(n) for n in (at / f"input_{k}.shape").read_text().split()]
        feed[info.name] = np.frombuffer((at / f"input_{k}.bin").read_bytes(), dtype).reshape(shape)
    lines = []
    for k, out in enumerate(session.run(None, feed)):
        out = np.asarray(out)
        lines.append(" ".join([str(out.dtype), *map(str, out.shape)]))
        (at / f"output_{k}.bin").write_bytes(np.ascontiguousarray(out).tobytes())
    (at / "outputs.txt").write_text("\n".join(lines))


root = pathlib.Path(sys.argv[1])
for i in range(int(sys.argv[2])):
    try:
        run(root / str(i))
    except Exception as e:  # every failure is a result of the job
        (root / str(i) / "error.txt").write_text(f"{type(e).__name__}: {e}")
