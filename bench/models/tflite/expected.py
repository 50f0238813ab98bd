#!/usr/bin/env python3
"""What a runtime gives for each model of a folder, as text: a line an output, with model, runtime, run, output and elements.

    expected.py crates/teff-tflite/tests/data/models RUNS [RUNTIME] > expected.txt
"""

import glob
import os
import sys

import numpy as np

import runtimes

# LiteRT 2.3 writes behind the 8-bit state of SVDF, which TFLM alone supports. Teff takes 8-bit weights for the floats they stand for.
RUNTIMES = {"keyword_scrambled_8bit": "tflm", "kws_dscnn_fp32": "litert-without-hybrid"}


def main():
    folder, runs = sys.argv[1], int(sys.argv[2])
    for path in sorted(glob.glob(os.path.join(folder, "*.tflite"))):
        name = os.path.basename(path)[: -len(".tflite")]
        runtime = sys.argv[3] if len(sys.argv) > 3 else RUNTIMES.get(name, "litert")
        with open(path, "rb") as f:
            model = f.read()
        for run, outputs in enumerate(runtimes.outputs(model, runtime, runs)):
            for k, y in enumerate(outputs):
                number = "%.9g" if np.issubdtype(y.dtype, np.floating) else "%d"
                print(name, runtime, run, k, *(number % v for v in y.ravel()))


main()
