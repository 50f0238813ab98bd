"""What the Python peers share: the data, the command line, the clock, and the one line of JSON.

Every peer, in whatever language, keeps the contract of ../README.md. `Task` holds what a peer is asked to do,
`measure` runs and times its epochs.
"""

import argparse
import gzip
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[3] / "data" / "mnist"
LEARNING_RATE = 1e-3


@dataclass
class Task:
    """One run: `model` is "mlp" or "cnn"; `epochs` counts the warm-up epoch; `mode` is one of the peer's own."""

    model: str
    batch: int
    epochs: int
    mode: str


def parse_task(modes: list[str]) -> Task:
    """Reads the command line. The first of `modes` is the default of `--mode`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=["mlp", "cnn"], default="mlp")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=4, help="the first is warm-up and not counted")
    parser.add_argument("--mode", choices=modes, default=modes[0])
    args = parser.parse_args()
    if args.epochs < 2:
        parser.error("--epochs must be at least 2: the first is warm-up")
    return Task(args.model, args.batch, args.epochs, args.mode)


def load(split: str, model: str) -> tuple[np.ndarray, np.ndarray]:
    """Images as float32 in [0, 1], [n, 784] for the MLP and [n, 1, 28, 28] for the CNN; labels as int64 [n].

    `split` is "train" or "t10k".
    """
    # An IDX file opens with a magic number and one big-endian size per dimension, 4 bytes each.
    pixels = gzip.decompress((DATA / f"{split}-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((DATA / f"{split}-labels-idx1-ubyte.gz").read_bytes())[8:]
    shape = (-1, 784) if model == "mlp" else (-1, 1, 28, 28)
    images = np.frombuffer(pixels, np.uint8).reshape(shape).astype(np.float32) / 255.0
    return images, np.frombuffer(labels, np.uint8).astype(np.int64)


def measure(peer: str, version: str, task: Task, run_epoch, test_accuracy) -> None:
    """Calls `run_epoch(epoch)` for every epoch, then `test_accuracy()`, and prints the result.

    `run_epoch` must not return before its work is done. The first call, which compiles and allocates, is left out.
    """
    cpu, wall = [], []
    for epoch in range(task.epochs):
        cpu_start, wall_start = time.process_time(), time.perf_counter()
        run_epoch(epoch)
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
    print(
        json.dumps(
            {
                "peer": peer,
                "version": version,
                "model": task.model,
                "batch": task.batch,
                "epochs": task.epochs,
                "cpu_seconds_per_epoch": round(statistics.median(cpu[1:]), 4),
                "wall_seconds_per_epoch": round(statistics.median(wall[1:]), 4),
                "test_accuracy": round(float(test_accuracy()), 4),
            }
        ),
        flush=True,
    )
