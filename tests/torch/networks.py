# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Networks that tests train: characters in, scores of the next character out."""

from __future__ import annotations

import torch
from torch import nn


class Recurrent(nn.Module):
    """An LSTM.

    Args:
        vocabulary: characters that there are.
        width: of its state.
    """

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, T) characters to (N * T, vocabulary) scores."""
        return self.head(self.lstm(self.embedding(x))[0]).flatten(0, 1)


class Transformer(nn.Module):
    """One block with causal attention.

    Args:
        vocabulary: characters that there are.
        length: of the longest sequence.
        width: of a character's vector, for two heads.
        dropout: share of what each half of the block adds.
    """

    def __init__(self, vocabulary: int, length: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(length, width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, vocabulary)

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        """Causal self-attention with two heads."""
        n, t, width = x.shape
        q, k, v = (
            each.view(n, t, 2, width // 2).transpose(1, 2) for each in self.qkv(x).chunk(3, -1)
        )
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(n, t, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, T) characters to (N * T, vocabulary) scores."""
        h = self.tokens(x) + self.places(torch.arange(x.shape[1], device=x.device))
        h = h + self.dropout(self.attend(self.first(h)))
        h = h + self.dropout(self.mlp(self.second(h)))
        return self.head(h).flatten(0, 1)
