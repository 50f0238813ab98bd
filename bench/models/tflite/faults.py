#!/usr/bin/env python3
"""Models that cannot be read, one for each kind of fault, for the test of what is said about them.

    faults.py crates/teff-tflite/tests/data/faults.tar.gz
"""

import sys

from ai_edge_litert import schema_py_generated as s

import runtimes
from cases import I8, I32, RELU, SAME, Spec, conv, normal, one, x, y
from operators import build, write_archive


def changed(case, change):
    """The model of a case with something done to its object."""
    m = runtimes.unpacked(build(case, {}))
    change(m, m.subgraphs[0])
    return runtimes.packed(m)


def faults():
    plain = lambda: one("conv", "CONV_2D", [x((1, 7, 6, 4)), normal(5, 3, 3, 4), normal(5)], options=conv(SAME, 1, act=RELU))
    option = lambda name, value: changed(plain(), lambda m, g: setattr(g.operators[0].builtinOptions, name, value))
    yield "stride", option("strideH", 0)
    yield "activation", option("fusedActivationFunction", 5)
    yield "padding", option("padding", 7)

    def other_kind(m, g):
        g.operators[0].builtinOptionsType = s.BuiltinOptions.Pool2DOptions
        g.operators[0].builtinOptions = s.Pool2DOptionsT()

    yield "options", changed(plain(), other_kind)
    yield "no_tensor", changed(plain(), lambda m, g: setattr(g.operators[0], "inputs", [0, 99, 2]))
    yield "no_value", changed(plain(), lambda m, g: setattr(g, "inputs", []))
    yield "too_many_inputs", changed(plain(), lambda m, g: setattr(g.operators[0], "inputs", [0, 1, 2, 0]))
    yield "no_output", changed(plain(), lambda m, g: setattr(g, "operators", []))
    yield "version", changed(plain(), lambda m, g: setattr(m, "version", 2))
    yield "string", changed(plain(), lambda m, g: setattr(g.tensors[0], "type", s.TensorType.STRING))
    yield "short_data", changed(plain(), lambda m, g: setattr(g.tensors[2], "shape", [6]))
    yield "sparse", changed(plain(), lambda m, g: setattr(g.tensors[1], "sparsity", s.SparsityParametersT()))
    yield "channels", changed(plain(), lambda m, g: setattr(g.tensors[0], "shape", [1, 7, 6, 3]))

    def custom(m, g):
        m.operatorCodes[0].builtinCode = m.operatorCodes[0].deprecatedBuiltinCode = s.BuiltinOperator.CUSTOM
        m.operatorCodes[0].customCode = "TFLite_Detection_PostProcess"

    yield "custom", changed(plain(), custom)
    open_axis = lambda m, g: setattr(g.tensors[0], "shapeSignature", [-1, -1, 6, 4])
    yield "open_axis", changed(plain(), open_axis)
    yield "no_scale", build(one("relu", "RELU", [x((3,), I8)], y(I8, 0)), {})
    yield "scales", build(one("relu", "RELU", [Spec(I8, (3, 4), [0.1, 0.2, 0.3], 0, 1)], y(I8)), {})
    yield "run_time_shape", build(one("reshape", "RESHAPE", [x((4,)), Spec(I32, (2,))], options=("ReshapeOptions", {})), {})
    yield "batch_dims", build(one("gather", "GATHER", [x((2, 3)), Spec(I32, (3, 1))], options=("GatherOptions", dict(axis=1, batchDims=1))), {})


write_archive(sys.argv[1], [(f"{name}.tflite", model) for name, model in faults()])
