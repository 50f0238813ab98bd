"""Makes the models of `ai.onnx.ml` operators in `models/`: `python make_ml_models.py` (needs onnx and numpy)."""

import pathlib

import numpy as np
from onnx import TensorProto as T
from onnx import helper as h

OUT = pathlib.Path(__file__).parent / "models"
rng = np.random.default_rng(3)
X = [("x", T.FLOAT, [6, 4])]


def save(name, op, outputs, **attributes):
    node = h.make_node(op, ["x"], [o[0] for o in outputs], domain="ai.onnx.ml", **attributes)
    infos = [[h.make_tensor_value_info(*v) for v in values] for values in (X, outputs)]
    opsets = [h.make_opsetid("", 17), h.make_opsetid("ai.onnx.ml", 3)]
    model = h.make_model(h.make_graph([node], name, *infos), opset_imports=opsets, ir_version=8)
    (OUT / f"{name}.onnx").write_bytes(model.SerializeToString())


def forest(count, depth, features, classes, positive):
    """`count` trees of `depth` levels, one of them with a leaf higher up; leaves speak for `classes`."""
    keys = ["treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing_value_tracks_true"]
    nodes, leaves = {f"nodes_{k}": [] for k in keys}, []
    for t in range(count):
        for i in range(2 ** (depth + 1) - 1):
            leaf = i >= 2**depth - 1 or (t == 1 and i == 2)
            mode = "BRANCH_LEQ" if positive else ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT"][t % 3]
            feature = 0 if leaf else int(rng.integers(features))
            threshold = 0.0 if leaf else float(np.float32(rng.uniform(-0.7, 0.7)))
            children = (0, 0) if leaf else (2 * i + 1, 2 * i + 2)
            row = [t, i, feature, threshold, "LEAF" if leaf else mode, *children, 0]
            for key, value in zip(keys, row):
                nodes[f"nodes_{key}"].append(value)
            if leaf:
                for c in classes:
                    weight = rng.uniform(0 if positive else -1, 1) / (count if positive else 1)
                    leaves.append((t, i, c, float(np.float32(weight))))
    return nodes, leaves


def spoken(prefix, leaves):
    return {f"{prefix}_{k}": [leaf[i] for leaf in leaves] for i, k in enumerate(["treeids", "nodeids", "ids", "weights"])}


def labelled(n):
    return [("label", T.INT64, [6]), ("p", T.FLOAT, [6, n])]


nodes, leaves = forest(4, 3, 4, [0, 1], False)
save("tree_regressor", "TreeEnsembleRegressor", [("y", T.FLOAT, [6, 2])], n_targets=2, base_values=[0.5, -0.25],
     **nodes, **spoken("target", leaves))
nodes, leaves = forest(3, 3, 4, [0, 1, 2], True)
save("tree_classifier", "TreeEnsembleClassifier", labelled(3), classlabels_int64s=[10, 20, 30], post_transform="SOFTMAX",
     **nodes, **spoken("class", leaves))
nodes, leaves = forest(3, 2, 4, [0], True)
save("tree_binary", "TreeEnsembleClassifier", labelled(2), classlabels_int64s=[0, 1], **nodes, **spoken("class", leaves))
nodes, leaves = forest(3, 2, 4, [0], False)
save("tree_boosted", "TreeEnsembleClassifier", labelled(2), classlabels_int64s=[0, 1], post_transform="LOGISTIC",
     base_values=[0.1], **nodes, **spoken("class", leaves))
w = rng.uniform(-1, 1, 12).astype("f4").tolist()
save("linear_classifier", "LinearClassifier", labelled(3), classlabels_ints=[1, 2, 3], coefficients=w,
     intercepts=[0.1, 0.2, 0.3], post_transform="SOFTMAX", multi_class=1)
save("linear_binary", "LinearClassifier", labelled(2), classlabels_ints=[1, 2], coefficients=[-v for v in w[:4]] + w[:4],
     intercepts=[-0.1, 0.1], post_transform="LOGISTIC")
save("linear_regressor", "LinearRegressor", [("y", T.FLOAT, [6, 3])], targets=3, coefficients=w, intercepts=[1.0, 2.0, 3.0])
save("scaler", "Scaler", [("y", T.FLOAT, [6, 4])], offset=w[:4], scale=w[4:8])
save("normalizer", "Normalizer", [("y", T.FLOAT, [6, 4])], norm="L2")
