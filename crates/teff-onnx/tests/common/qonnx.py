"""Models with QONNX's quantisers and what QONNX's documentation says that they give, in numpy.

`qonnx.py OUT SEED ROUNDS` writes a folder a model: model.onnx, input_0.pb, output_0.pb. The archive that tests use where there is no Python
with onnx is made by `qonnx.py OUT 1 30`, and then `tar --sort=name --owner=0 --group=0 --mtime=@0 -C OUT -c . | gzip -9n`.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper as nh

out, seed, rounds = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(seed)
F = np.float32
MODES = ["ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "round", "half_up"]


def pick(*values):
    return values[rng.integers(len(values))]


def rounded(x, mode):
    """The table "Rounding modes" of docs/qonnx-custom-ops/intquant_v1.md."""
    whole, rest = np.floor(np.abs(x)), np.abs(x) - np.floor(np.abs(x))
    return {
        "ROUND": lambda: np.round(x),
        "HALF_EVEN": lambda: np.round(x),
        "CEIL": lambda: np.ceil(x),
        "FLOOR": lambda: np.floor(x),
        "UP": lambda: np.copysign(np.ceil(np.abs(x)), x),
        "DOWN": lambda: np.trunc(x),
        "HALF_UP": lambda: np.copysign(whole + (rest >= 0.5), x),
        "HALF_DOWN": lambda: np.copysign(whole + (rest > 0.5), x),
    }[mode.upper()]()


def limits(bits, signed, narrow):
    if signed:
        return -(2.0 ** (bits - 1)) + narrow, 2.0 ** (bits - 1) - 1
    return 0.0 * bits, 2.0**bits - 1 - narrow


def clamped(y, bits, signed, narrow):
    low, high = limits(np.asarray(bits, np.float64), signed, narrow)
    return np.minimum(np.maximum(y, low.astype(F)), high.astype(F))


def save(name, op, domain, version, x, constants, y, **attributes):
    names = ["x"] + [f"c{i}" for i in range(len(constants))]
    node = h.make_node(op, names, ["y"], "node", domain=domain, **attributes)
    # Weights are constants, activations are not.
    weights = pick(True, False)
    graph_inputs = [] if weights else [h.make_tensor_value_info("x", T.FLOAT, x.shape)]
    held = [nh.from_array(np.asarray(c, F), n) for c, n in zip(constants, names[1:])] + ([nh.from_array(x, "x")] if weights else [])
    graph = h.make_graph([node], "g", graph_inputs, [h.make_tensor_value_info("y", T.FLOAT, y.shape)], held)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13), h.make_opsetid(domain, version)], ir_version=8)
    at = out / name
    at.mkdir(parents=True)
    onnx.save(model, at / "model.onnx")
    if not weights:
        (at / "input_0.pb").write_bytes(nh.from_array(x, "x").SerializeToString())
    (at / "output_0.pb").write_bytes(nh.from_array(y.astype(F), "y").SerializeToString())


def domain():
    return pick("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")


def numbers(scale, zero, bits):
    """Numbers around the range of steps, half of them exactly on halves of a step."""
    shape = [2, 3, 4, 4]
    reach = min(2.0 ** float(np.max(bits)), 64)
    steps = rng.uniform(-reach, reach, shape)
    steps = np.where(rng.integers(0, 2, shape), np.round(steps * 2) / 2, steps) - zero
    return (steps * scale).astype(F)


def quant(name):
    per = [1, 3, 1, 1]
    # Powers of two keep halves of steps exact.
    scale = np.exp2(rng.integers(-6, 3, pick([], [1], per, per))).astype(F)
    bits = pick(*[np.array(b) for b in [1, 2, 3, 4, 4, 5, 7, 8, 8, 9, 12, 16, 17, 24, 32]], rng.integers(2, 9, per))
    signed, narrow = pick(0, 1, 1), pick(0, 1)
    zero = pick(np.array(0.0), np.array(0.0), np.array(float(rng.integers(0, 9))), rng.integers(0, 7, per), np.array(0.5)).astype(F)
    if not zero.any():
        # With a zero point x / scale + zero is rounded to a half of a step where x / scale is only nearly that.
        scale = scale * F(pick(1, 0.7))
    mode = pick(*MODES, "ROUND", "ROUND", "ROUND")
    x = numbers(scale, zero, bits)
    y = x / scale + zero
    if bits.size == 1 and bits.item() == 1 and signed:
        y = np.where(y >= 0, F(1), F(-1))
    else:
        y = rounded(clamped(y, bits, signed, narrow), mode)
    op = pick("Quant", "IntQuant")
    save(name, op, domain(), 1, x, [scale, zero, bits], (y - zero) * scale, signed=signed, narrow=narrow, rounding_mode=mode)


def bipolar(name):
    scale = rng.uniform(0.1, 2, pick([], [1], [1, 3, 1, 1])).astype(F)
    x = numbers(scale, 0, 2) * rng.integers(0, 2, [2, 3, 4, 4]).astype(F)
    save(name, "BipolarQuant", domain(), 1, x, [scale], np.where(x >= 0, F(1), F(-1)) * scale)


def trunc(name):
    scale, zero = F(2.0 ** rng.integers(-5, 2)), F(pick(0, 0, 0, 4))
    before, after = int(rng.integers(6, 11)), int(rng.integers(2, 6))
    mode = pick(*MODES)
    x = (rng.integers(-(2 ** (before - 1)), 2 ** (before - 1), [2, 3, 4, 4]) - zero).astype(F) * scale
    whole = np.round(x / scale + zero)
    if pick(True, False):
        y = rounded(whole / F(2.0 ** (before - after)), mode)
        save(name, "Trunc", domain(), 1, x, [scale, zero, before, after], (y - zero) * scale, rounding_mode=mode)
        return
    power = F(2.0 ** (before - after))
    signed, narrow = pick(0, 1, 1), pick(0, 1)
    y = rounded(clamped(whole / power, after, signed, narrow), mode)
    scale_after = scale * power
    zero_after = pick([], [F(0)])
    constants = [scale, zero, before, scale_after, *zero_after, after]
    y = (y - zero / power) * scale_after
    save(name, "Trunc", domain(), 2, x, constants, y, rounding_mode=mode, signed=signed, narrow=narrow)


# The documentation's own table is what the rounding above must give.
TABLE = """
 5.5  6  6  5  6  5  6  5
 2.5  2  3  2  3  2  3  2
 1.6  2  2  1  2  1  2  2
 1.1  1  2  1  2  1  1  1
 1.0  1  1  1  1  1  1  1
-1.0 -1 -1 -1 -1 -1 -1 -1
-1.1 -1 -1 -2 -2 -1 -1 -1
-1.6 -2 -1 -2 -2 -1 -2 -2
-2.5 -2 -2 -3 -3 -2 -3 -2
-5.5 -6 -5 -6 -6 -5 -6 -5
"""
for row in TABLE.split("\n")[1:-1]:
    x, *want = map(float, row.split())
    assert [rounded(np.array(x), m).item() for m in ["ROUND", *MODES[2:8]]] == want, row

out.mkdir(parents=True, exist_ok=True)
for i in range(rounds):
    quant(f"Quant_{i}")
    if i % 3 == 0:
        bipolar(f"BipolarQuant_{i}")
        trunc(f"Trunc_{i}")
