#!/usr/bin/env python3
"""Small models, one or a few for each operator, and what LiteRT gives for them.

    operators.py crates/teff-tflite/tests/data/operators.tar.gz

For each case NAME the archive has NAME.tflite and NAME.txt: a line an output, with run, output and elements. A case that only TFLM can
run is given to TFLM. Equal versions of the tools give equal archives.
"""

import gzip
import io
import sys
import tarfile

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as s

import runtimes
from cases import Spec, Step, cases

RUNS = 2
TYPES = {
    np.dtype(np.float32): s.TensorType.FLOAT32, np.dtype(np.float16): s.TensorType.FLOAT16, np.dtype(np.int8): s.TensorType.INT8,
    np.dtype(np.uint8): s.TensorType.UINT8, np.dtype(np.int16): s.TensorType.INT16, np.dtype(np.int32): s.TensorType.INT32,
    np.dtype(np.int64): s.TensorType.INT64, np.dtype(np.bool_): s.TensorType.BOOL,
    np.dtype(np.complex64): s.TensorType.COMPLEX64,
}


class Builder:
    """A model under construction."""

    def __init__(self):
        self.model = s.ModelT()
        self.model.version, self.model.description = 3, "teff operator case"
        self.model.subgraphs, self.model.operatorCodes, self.model.buffers = [], [], [s.BufferT()]
        self.graph = self.new_graph("case")

    def new_graph(self, name):
        g = s.SubGraphT()
        g.tensors, g.operators, g.inputs, g.outputs, g.name = [], [], [], [], name
        self.model.subgraphs.append(g)
        return g

    def tensor(self, spec, shape, data=None):
        t = s.TensorT()
        t.name = f"{'constant' if data is not None else 'tensor'}{len(self.graph.tensors)}"
        t.shape, t.type, t.isVariable, t.hasRank = [int(n) for n in shape], TYPES[np.dtype(spec.dtype)], spec.variable, True
        if spec.int4:
            t.type = s.TensorType.INT4
        if spec.resource:
            t.type = s.TensorType.RESOURCE
        if spec.scale is not None:
            q = s.QuantizationParametersT()
            q.scale = np.atleast_1d(np.asarray(spec.scale, np.float32)).tolist()
            q.zeroPoint = [int(z) for z in np.broadcast_to(spec.zero, len(q.scale))]
            q.quantizedDimension = spec.axis
            t.quantization = q
        t.buffer = 0
        if data is not None:
            b = s.BufferT()
            raw = np.ascontiguousarray(data).tobytes()
            if spec.int4:
                flat = np.append(data.ravel(), 0)[: data.size + data.size % 2].astype(np.uint8) & 15
                raw = (flat[::2] | flat[1::2] << 4).tobytes()
            b.data = np.frombuffer(raw, np.uint8)
            self.model.buffers.append(b)
            t.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def operator(self, step, inputs, outputs, intermediates=()):
        code = s.OperatorCodeT()
        code.builtinCode = getattr(s.BuiltinOperator, step.name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = step.version
        self.model.operatorCodes.append(code)
        o = s.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = len(self.model.operatorCodes) - 1, inputs, outputs
        if intermediates:
            o.intermediates = list(intermediates)
        if step.options:
            kind, fields = step.options
            o.builtinOptionsType = getattr(s.BuiltinOptions, kind)
            o.builtinOptions = getattr(s, kind + "T")()
            for name, value in fields.items():
                assert hasattr(o.builtinOptions, name), (kind, name)
                setattr(o.builtinOptions, name, value)
        self.graph.operators.append(o)

    def bytes(self):
        b = flatbuffers.Builder(0)
        b.Finish(self.model.Pack(b), b"TFL3")
        return bytes(b.Output())


def build(case, shapes):
    """The model of a case. Outputs have `shapes`, or that of the first input while they are not known."""
    b = Builder()
    values = {}
    if case.initial:
        b.operator(Step("CALL_ONCE", [], [], ("CallOnceOptions", dict(initSubgraphIndex=1))), [], [])
    for step in case.steps:
        inputs = []
        for x in step.inputs:
            if x is None:
                inputs.append(-1)
            elif id(x) in values:
                inputs.append(values[id(x)])
            elif x.data is not None:
                inputs.append(values.setdefault(id(x), b.tensor(x, x.data.shape, x.data)))
            else:
                i = b.tensor(x, x.shape)
                if not x.variable:
                    b.graph.inputs.append(i)
                inputs.append(values.setdefault(id(x), i))
        intermediates = [b.tensor(x, (0,)) for x in step.intermediates]
        outputs = []
        for y in step.outputs:
            first = step.inputs[0].shape if step.inputs else None
            shape = shapes.get(len(b.graph.tensors), y.shape if y.shape is not None else first or (1,))
            outputs.append(values.setdefault(id(y), b.tensor(y, shape)))
        b.operator(step, inputs, outputs, intermediates)
    b.graph.outputs = [values[id(y)] for y in case.outputs]
    if case.initial:
        b.graph = b.new_graph("initial")
        for name, value in case.initial:
            handle = b.tensor(Spec(np.int32, resource=True), ())
            b.operator(Step("VAR_HANDLE", [], [], ("VarHandleOptions", dict(sharedName=name))), [], [handle])
            b.operator(Step("ASSIGN_VARIABLE", [], []), [handle, b.tensor(value, value.data.shape, value.data)], [])
    return b.bytes()


def complete(case):
    """The model with the shapes that the runtime works out."""
    first = build(case, {})
    if case.runtime == "tflm":
        return first
    i = runtimes.Interpreter(model_content=first, experimental_op_resolver_type=runtimes.RESOLVERS["litert-without-xnnpack"])
    i.allocate_tensors()
    shapes = {d["index"]: d["shape"] for d in i.get_tensor_details()}
    return build(case, shapes)


def write_archive(path, files):
    """A compressed archive of (name, content)."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    with open(path, "wb") as f:
        f.write(gzip.compress(archive.getvalue(), 9, mtime=0))


def main():
    files, failed = [], []
    for case in cases():
        try:
            model = complete(case)
            lines = []
            for run, outputs in enumerate(runtimes.outputs(model, case.runtime, RUNS)):
                for k, y in enumerate(outputs):
                    number = "%.9g" if np.issubdtype(y.dtype, np.floating) else "%d"
                    lines.append(" ".join([str(run), str(k), *(number % v for v in y.ravel())]))
        except Exception as e:  # noqa: BLE001: the case is named, whatever is wrong with it
            failed.append(f"{case.name}: {e}")
            continue
        files.append((f"{case.name}.tflite", model))
        files.append((f"{case.name}.txt", "\n".join(lines).encode() + b"\n"))
    write_archive(sys.argv[1], files)
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
