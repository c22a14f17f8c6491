# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Device memory that training takes: `python -m tests.bench.torch_memory`.

Prints most memory taken from the endpoint, as multiple of the most that tensors used.
"""

from __future__ import annotations

import json

import torch
from torch import nn

from pyaccel import testing

STEPS = 3


def train(model: nn.Module, batch: torch.Tensor) -> float:
    """The ratio after some steps of Adam from an empty cache."""
    torch.axl.empty_cache()
    torch.axl.reset_peak_memory_stats()
    model, batch = model.to("axl"), batch.to("axl")
    optimiser = torch.optim.Adam(model.parameters())
    for _ in range(STEPS):
        model(batch).pow(2).mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    return torch.axl.max_memory_reserved() / torch.axl.max_memory_allocated()


def main() -> None:
    """Measure and print."""
    mlp = nn.Sequential(*(nn.Sequential(nn.Linear(512, 512), nn.ReLU()) for _ in range(4)))
    layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
    with testing.rack("1x1"):
        sample = {
            "mlp_ratio": train(mlp, torch.randn(256, 512)),
            "transformer_ratio": train(layer, torch.randn(16, 64, 128)),
        }
    print(json.dumps(sample))


if __name__ == "__main__":
    main()
