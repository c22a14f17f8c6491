# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Networks that learn something real: as well as on the CPU, and files carry them both ways.

The same seed on both devices, so the same weights and batches. What differs is the order of
float32 sums, which training carries on: a loss may differ by LOSS_TOLERANCE of itself, the
accuracy by a few of the 397 test images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from diag.lab.supervisor import CHECKOUT
from tests.torch.networks import Recurrent, Transformer
from tests.torch.training import losses

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LOSS_TOLERANCE = 0.02
TRAIN, EPOCHS, BATCH = 1400, 12, 50
STEPS, LENGTH = 200, 24


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Scikit-learn's 1797 images of 8 x 8, scaled to 0..1, and what they show."""
    found = load_digits()
    images = torch.tensor(found.images, dtype=torch.float32).unsqueeze(1) / 16
    return images, torch.tensor(found.target)


def mlp() -> nn.Module:
    """Two layers."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn() -> nn.Module:
    """Two convolutions."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip


def accuracy(make: Callable[[], nn.Module], device: str) -> float:
    """Of a network that has learned the first TRAIN images, on the others."""
    torch.manual_seed(3)
    model = make().to(device)
    images, labels = (each.to(device) for each in digits())
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    starts = list(range(0, TRAIN, BATCH)) * EPOCHS
    losses(model, optimiser, ((images[s : s + BATCH], labels[s : s + BATCH]) for s in starts))
    model.eval()
    with torch.no_grad():
        right = model(images[TRAIN:]).argmax(1) == labels[TRAIN:]
    return float(right.float().mean())


@pytest.mark.parametrize("make", [mlp, cnn])
def test_digits_are_learned(make: Callable[[], nn.Module]) -> None:
    """As many images are known as on the CPU, but for four of 397, and without a fallback."""
    expected, actual = accuracy(make, "cpu"), accuracy(make, "axl")

    assert torch.axl.fallbacks() == {}
    assert actual > 0.85
    assert actual == pytest.approx(expected, abs=4.5 / 397)


def text() -> tuple[torch.Tensor, int]:
    """The licence as numbers of characters, and how many characters there are."""
    words = (CHECKOUT / "LICENSES/Apache-2.0.txt").read_text()
    known = sorted(set(words))
    return torch.tensor([known.index(each) for each in words]), len(known)


def batches(numbers: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """STEPS batches of sequences and their next characters, always the same."""
    chosen = torch.Generator().manual_seed(5)
    for _ in range(STEPS):
        starts = torch.randint(len(numbers) - LENGTH - 1, (16,), generator=chosen)
        rows = torch.stack([numbers[start : start + LENGTH + 1] for start in starts])
        yield rows[:, :-1].contiguous(), rows[:, 1:].flatten()


def losses_on(device: str, make: Callable[[int], nn.Module]) -> list[float]:
    """Of every step of AdamW on the licence."""
    numbers, vocabulary = text()
    torch.manual_seed(4)
    model = make(vocabulary).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    moved = ((source.to(device), target.to(device)) for source, target in batches(numbers))
    return losses(model, optimiser, moved)


@pytest.mark.parametrize(
    "make",
    [lambda size: Transformer(size, LENGTH, 32), lambda size: Recurrent(size, 32)],
    ids=["transformer", "lstm"],
)
def test_characters_are_learned(make: Callable[[int], nn.Module]) -> None:
    """The loss of every step is the CPU's, and falls by a third, without a fallback."""
    expected, actual = losses_on("cpu", make), losses_on("axl", make)

    assert torch.axl.fallbacks() == {}
    assert actual == pytest.approx(expected, rel=LOSS_TOLERANCE)
    assert sum(actual[-10:]) / 10 < actual[0] * 2 / 3


def step(model: nn.Module, optimiser: torch.optim.Optimizer, images: torch.Tensor) -> None:
    """One of training, towards scores of zero."""
    optimiser.zero_grad()
    model(images).square().mean().backward()
    optimiser.step()


def scores(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Without training, on the CPU."""
    model.eval()
    with torch.no_grad():
        found = model(images).cpu()
    model.train()
    return found


def reloaded(
    file: Path, device: str, model: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Both, saved and loaded on a device."""
    torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict()}, file)
    loaded = torch.load(file, map_location=device)
    there = cnn().to(device)
    there.load_state_dict(loaded["model"])
    steps = torch.optim.Adam(there.parameters())
    steps.load_state_dict(loaded["optimiser"])
    return there, steps


def test_files_carry_training_both_ways(tmp_path: Path) -> None:
    """Saved on axl and loaded on the CPU, and back: the scores are the same, now and a step on."""
    images = digits()[0][:20]
    model = cnn().to("axl")
    optimiser: torch.optim.Optimizer = torch.optim.Adam(model.parameters())
    for _ in range(3):
        step(model, optimiser, images.to("axl"))

    there, steps = reloaded(tmp_path / "axl", "cpu", model, optimiser)
    torch.testing.assert_close(
        scores(there, images), scores(model, images.to("axl")), rtol=1e-4, atol=1e-5
    )
    step(there, steps, images)
    step(model, optimiser, images.to("axl"))
    torch.testing.assert_close(
        scores(there, images), scores(model, images.to("axl")), rtol=1e-3, atol=1e-4
    )

    back, steps = reloaded(tmp_path / "cpu", "axl", there, steps)
    torch.testing.assert_close(
        scores(back, images.to("axl")), scores(there, images), rtol=1e-4, atol=1e-5
    )
