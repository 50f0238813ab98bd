"""tinygrad on its CPU back end (kernels compiled by clang), the whole step captured by its JIT, on one thread."""

from importlib.metadata import version

import numpy as np
from tinygrad import Context, Tensor, TinyJit, nn

from common import LEARNING_RATE, load, measure, parse_task


class Mlp:
    def __init__(self) -> None:
        self.layers = [nn.Linear(784, 400), Tensor.relu, nn.Linear(400, 10)]

    def __call__(self, x: Tensor) -> Tensor:
        return x.sequential(self.layers)


class Cnn:
    def __init__(self) -> None:
        self.layers = [
            nn.Conv2d(1, 8, 3),
            Tensor.relu,
            Tensor.max_pool2d,
            nn.Conv2d(8, 16, 3),
            Tensor.relu,
            Tensor.max_pool2d,
            lambda x: x.flatten(1),
            nn.Linear(400, 10),
        ]

    def __call__(self, x: Tensor) -> Tensor:
        return x.sequential(self.layers)


def main() -> None:
    task = parse_task(["jit"])
    Tensor.manual_seed(0)
    random = np.random.default_rng(0)

    pixels, digits = load("train", task.model)
    images, labels = Tensor(pixels).realize(), Tensor(digits.astype(np.int32)).realize()
    net = Mlp() if task.model == "mlp" else Cnn()
    optimizer = nn.optim.Adam(nn.state.get_parameters(net), lr=LEARNING_RATE)

    @TinyJit
    @Context(TRAINING=1)
    def step(batch: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = net(images[batch]).sparse_categorical_crossentropy(labels[batch]).backward()
        return loss.realize(*optimizer.schedule_step())

    def run_epoch(_epoch: int) -> None:
        order = random.permutation(len(pixels)).astype(np.int32)
        for start in range(0, len(pixels) - task.batch + 1, task.batch):
            loss = step(Tensor(order[start : start + task.batch]).realize())
        loss.item()

    def test_accuracy() -> float:
        images, digits = load("t10k", task.model)
        return float((net(Tensor(images)).argmax(1).numpy() == digits).mean())

    measure("tinygrad", version("tinygrad"), task, run_epoch, test_accuracy)


if __name__ == "__main__":
    main()
