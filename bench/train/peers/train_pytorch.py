"""PyTorch, eager or through torch.compile, on one thread."""

import torch
from torch import nn
from torch.nn import functional as F

from common import LEARNING_RATE, load, measure, parse_task


def network(model: str) -> nn.Sequential:
    if model == "mlp":
        return nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 10))
    return nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 10),
    )


def main() -> None:
    task = parse_task(["eager", "compile"])
    torch.set_num_threads(1)
    torch.manual_seed(0)

    images, labels = map(torch.from_numpy, load("train", task.model))
    net = network(task.model)
    if task.model == "cnn":
        # A fifth faster here than the default layout.
        images = images.to(memory_format=torch.channels_last)
        net = net.to(memory_format=torch.channels_last)
    # One fused kernel for the whole update; the default on a CPU is a loop of separate tensor operations.
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, fused=True)

    def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(net(x), y)

    if task.mode == "compile":
        loss_of = torch.compile(loss_of)

    def run_epoch(_epoch: int) -> None:
        order = torch.randperm(len(images))
        for start in range(0, len(images) - task.batch + 1, task.batch):
            batch = order[start : start + task.batch]
            optimizer.zero_grad(set_to_none=True)
            loss_of(images[batch], labels[batch]).backward()
            optimizer.step()

    @torch.no_grad()
    def test_accuracy() -> float:
        images, labels = map(torch.from_numpy, load("t10k", task.model))
        return (net(images).argmax(1) == labels).float().mean().item()

    measure(f"pytorch-{task.mode}", torch.__version__, task, run_epoch, test_accuracy)


if __name__ == "__main__":
    main()
