# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Train a network on handwritten digits on two endpoints, and in NumPy beside them.

    accel-rack up --rack 2x2
    python examples/digits.py --epochs 20

A perceptron with one hidden layer (64-128-10, ReLU, softmax cross-entropy, SGD with
momentum) learns scikit-learn's bundled digits. Every batch is halved: each endpoint runs
forward and backward on its half, fetches the other's gradients peer-to-peer, averages and
updates its own copy of the weights. A step is one submit per endpoint; the endpoints wait
for each other through fence words in device memory, so the host never stands between two
steps. Where peers cannot reach each other, gradients go through host memory instead.

The NumPy training takes the same data in the same order with the same float32 arithmetic.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

import pyaccel

Array = NDArray[np.float32]
Rows = NDArray[np.int64]
Weights = dict[str, Array]

HIDDEN = 128
CLASSES = 10
BATCH = 128
LEARNING_RATE = 0.1
MOMENTUM = 0.9
STEPS_IN_FLIGHT = 8


@dataclass(frozen=True)
class Data:
    """Images in 0..1 and their labels, split once by the seed."""

    train_x: Array
    train_y: Rows
    test_x: Array
    test_y: Rows


@dataclass(frozen=True)
class Outcome:
    """What a training gave."""

    weights: Weights
    accuracy: float
    seconds: float
    commands: int = 0
    submits: int = 0
    exchange: str = ""


def load(seed: int) -> Data:
    """1797 images of 8 x 8; a quarter is for testing."""
    digits = load_digits()
    images = (digits.data / 16.0).astype(np.float32)
    order = np.random.default_rng(seed).permutation(len(images))
    cut = len(images) // 4
    test, train = order[:cut], order[cut:]
    labels = digits.target.astype(np.int64)
    return Data(images[train], labels[train], images[test], labels[test])


def initial_weights(seed: int, features: int) -> Weights:
    """He initialisation."""
    rng = np.random.default_rng(seed + 1)
    return {
        "w1": (rng.standard_normal((features, HIDDEN)) * (2 / features) ** 0.5).astype(np.float32),
        "b1": np.zeros((1, HIDDEN), np.float32),
        "w2": (rng.standard_normal((HIDDEN, CLASSES)) * (2 / HIDDEN) ** 0.5).astype(np.float32),
        "b2": np.zeros((1, CLASSES), np.float32),
    }


def batches(seed: int, count: int, epochs: int) -> Rows:
    """Rows of each step, (steps, BATCH); an incomplete last batch is left out."""
    rng = np.random.default_rng(seed + 2)
    steps = count // BATCH
    return np.concatenate(
        [rng.permutation(count)[: steps * BATCH].reshape(steps, BATCH) for _ in range(epochs)]
    )


def accuracy(weights: Weights, x: Array, y: Rows) -> float:
    """Share of images whose most likely class is right."""
    hidden = np.maximum(x @ weights["w1"] + weights["b1"], 0)
    return float(((hidden @ weights["w2"] + weights["b2"]).argmax(1) == y).mean())


# --- on the endpoints ---------------------------------------------------------


class Replica:
    """One endpoint's copy of the network, its share of the data and its queue."""

    def __init__(
        self, device: pyaccel.Device, part: int, weights: Weights, data: Data, rows: Rows
    ) -> None:
        self.device = device
        self.part = part
        self.queue = device.queue(slots_log2=13)
        self.images = device.from_numpy(data.train_x)
        self.labels = device.from_numpy(np.eye(CLASSES, dtype=np.float32)[data.train_y])
        self.rows = device.from_numpy(rows[:, :, None])
        self.weights = {name: device.from_numpy(value) for name, value in weights.items()}
        self.velocity = {name: device.empty(value.shape) for name, value in weights.items()}
        # Two of each, used in turn: a peer may still read the gradients of the step before.
        size = sum(value.size for value in weights.values())
        self.gradients = [self._carve(device.buffer(size * 4), weights) for _ in range(2)]
        self.received = self._carve(device.buffer(size * 4), weights)
        self.word = device.empty((1,), "int64")
        half, features = rows.shape[1], data.train_x.shape[1]
        self.x = device.empty((half, features))
        self.y = device.empty((half, CLASSES))
        self.hidden, self.d_hidden = device.empty((half, HIDDEN)), device.empty((half, HIDDEN))
        self.logits = device.empty((half, CLASSES))
        self.row = device.empty((half, 1))

    @staticmethod
    def _carve(buffer: pyaccel.Buffer, weights: Weights) -> dict[str, pyaccel.Tensor]:
        """All gradients in one buffer, so that one copy moves them."""
        tensors, offset = {}, 0
        for name, value in weights.items():
            tensors[name] = buffer.tensor(value.shape, offset=offset)
            offset += value.nbytes
        return tensors

    def forward(self, step: int) -> None:
        """Fetch the step's rows; leave softmax(logits) - labels in logits."""
        q, w = self.queue, self.weights
        index = self.rows[step]
        q.gather(self.images, index.broadcast_to(*self.x.shape), self.x, 0)
        q.gather(self.labels, index.broadcast_to(*self.y.shape), self.y, 0)
        q.matmul(self.x, w["w1"], self.hidden, beta=1.0, c=w["b1"])
        q.unary("relu", self.hidden, self.hidden)
        q.matmul(self.hidden, w["w2"], self.logits, beta=1.0, c=w["b2"])
        q.reduce("max", self.logits, self.row, 1)
        q.binary("sub", self.logits, self.row, self.logits)
        q.unary("exp", self.logits, self.logits)
        q.reduce("sum", self.logits, self.row, 1)
        q.binary("div", self.logits, self.row, self.logits)
        q.binary("sub", self.logits, self.y, self.logits)

    def backward(self, gradients: dict[str, pyaccel.Tensor], scale: float) -> None:
        """Gradients of this half, scaled so that the two halves add up to the mean."""
        q = self.queue
        q.binary("mul", self.logits, scale, self.logits)
        q.matmul(self.hidden.T, self.logits, gradients["w2"])
        q.reduce("sum", self.logits, gradients["b2"], 0)
        q.matmul(self.logits, self.weights["w2"].T, self.d_hidden)
        q.binary("relu_backward", self.d_hidden, self.hidden, self.d_hidden)
        q.matmul(self.x.T, self.d_hidden, gradients["w1"])
        q.reduce("sum", self.d_hidden, gradients["b1"], 0)

    def update(self, own: dict[str, pyaccel.Tensor]) -> None:
        """Add both halves' gradients, in the same order everywhere, and take the step."""
        q = self.queue
        halves = (self.received, own) if self.part else (own, self.received)
        for name, weight in self.weights.items():
            velocity = self.velocity[name]
            q.binary("mul", velocity, MOMENTUM, velocity)
            q.binary("add", velocity, halves[0][name], velocity)
            q.binary("add", velocity, halves[1][name], velocity)
            q.binary("sub", weight, velocity, weight, scale=LEARNING_RATE)


class PeerExchange:
    """Each endpoint reads the other's device memory; fence words order them."""

    name = "peer-to-peer"

    def __init__(self, replicas: Sequence[Replica]) -> None:
        first, second = replicas
        self._replicas = replicas
        self._theirs, self._bell = [], []
        for here, there in ((first, second), (second, first)):
            context = here.device.context
            self._theirs.append([context.import_peer(_buffer(g)) for g in there.gradients])
            word = context.import_peer(_buffer({"word": there.word}))
            self._bell.append(word.tensor((1,), "int64"))

    def between(self, step: int) -> None:
        """Queue: tell the peer, wait for it, fetch its gradients, update. Then submit."""
        for replica, theirs, bell in zip(self._replicas, self._theirs, self._bell, strict=True):
            own = replica.gradients[step % 2]
            replica.queue.fence_signal(bell, step + 1)
            replica.queue.fence_wait(replica.word, step + 1)
            replica.queue.copy(_buffer(replica.received), theirs[step % 2])
            replica.update(own)


class HostExchange:
    """Without a path between the endpoints: through host memory, the host in between."""

    name = "host memory"

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas
        size = _buffer(replicas[0].received).nbytes
        self._out = [r.device.buffer(size, memory="host") for r in replicas]
        self._in = [r.device.buffer(size, memory="host") for r in replicas]

    def between(self, step: int) -> None:
        """Fetch both gradients, cross them over, queue the update."""
        for replica, out in zip(self._replicas, self._out, strict=True):
            replica.queue.copy(out, _buffer(replica.gradients[step % 2]))
        for fence in [replica.queue.submit() for replica in self._replicas]:
            fence.wait()
        for replica, into, out in zip(self._replicas, self._in, self._out[::-1], strict=True):
            into.write(memoryview(out))
            replica.queue.copy(_buffer(replica.received), into)
            replica.update(replica.gradients[step % 2])


def _buffer(tensors: dict[str, pyaccel.Tensor]) -> pyaccel.Buffer:
    """The buffer that holds all of them."""
    buffer = next(iter(tensors.values())).buffer
    assert isinstance(buffer, pyaccel.Buffer)
    return buffer


def choose_exchange(replicas: Sequence[Replica]) -> PeerExchange | HostExchange:
    """Peer-to-peer if there is a path; otherwise say why not."""
    try:
        return PeerExchange(replicas)
    except pyaccel.PeerUnreachableError as error:
        print(f"no peer-to-peer, gradients go through host memory: {error}")
        return HostExchange(replicas)


def train_axl(devices: Sequence[pyaccel.Device], data: Data, epochs: int, seed: int) -> Outcome:
    """Data-parallel training on two devices.

    Raises:
        pyaccel.CommandError: a command failed; its subclass and attributes tell which.
    """
    weights = initial_weights(seed, data.train_x.shape[1])
    rows = batches(seed, len(data.train_x), epochs)
    half = BATCH // 2
    begin = time.monotonic()
    replicas = [
        Replica(device, part, weights, data, rows[:, part * half : (part + 1) * half])
        for part, device in enumerate(devices)
    ]
    exchange = choose_exchange(replicas)
    _run_steps(replicas, exchange, len(rows))
    result = {name: tensor.read() for name, tensor in replicas[0].weights.items()}
    seconds = time.monotonic() - begin
    stats = [replica.queue.stats() for replica in replicas]
    for name, tensor in replicas[1].weights.items():
        assert np.array_equal(result[name], tensor.read()), f"the two copies of {name} differ"
    return Outcome(
        result, accuracy(result, data.test_x, data.test_y), seconds,
        sum(s.submitted for s in stats), sum(s.doorbells for s in stats), exchange.name,
    )  # fmt: skip


def _run_steps(
    replicas: Sequence[Replica], exchange: PeerExchange | HostExchange, steps: int
) -> None:
    """Queue all steps, a few ahead of the endpoints."""
    fences: list[pyaccel.Fence] = []
    for step in range(steps):
        for replica in replicas:
            replica.forward(step)
            replica.backward(replica.gradients[step % 2], 1.0 / BATCH)
        exchange.between(step)
        fences += [replica.queue.submit() for replica in replicas]
        while len(fences) > STEPS_IN_FLIGHT * len(replicas):
            fences.pop(0).wait()
    for fence in fences:
        fence.wait()


# --- in NumPy -----------------------------------------------------------------


def half_gradients(w: Weights, x: Array, y: Array) -> Weights:
    """Gradients of half a batch, in the order of operations of the endpoints."""
    hidden = np.maximum(x @ w["w1"] + w["b1"], 0)
    logits = hidden @ w["w2"] + w["b2"]
    logits = np.exp(logits - logits.max(1, keepdims=True))
    error = (logits / logits.sum(1, keepdims=True) - y) * np.float32(1.0 / BATCH)
    d_hidden = np.where(hidden > 0, error @ w["w2"].T, np.float32(0))
    return {
        "w1": x.T @ d_hidden, "b1": d_hidden.sum(0, keepdims=True),
        "w2": hidden.T @ error, "b2": error.sum(0, keepdims=True),
    }  # fmt: skip


def train_numpy(data: Data, epochs: int, seed: int) -> Outcome:
    """The same training on the CPU."""
    weights = initial_weights(seed, data.train_x.shape[1])
    velocity = {name: np.zeros_like(value) for name, value in weights.items()}
    labels = np.eye(CLASSES, dtype=np.float32)[data.train_y]
    begin = time.monotonic()
    for rows in batches(seed, len(data.train_x), epochs):
        halves = [
            half_gradients(weights, data.train_x[part], labels[part]) for part in np.split(rows, 2)
        ]
        for name in weights:
            velocity[name] = velocity[name] * np.float32(MOMENTUM) + halves[0][name]
            velocity[name] += halves[1][name]
            weights[name] -= np.float32(LEARNING_RATE) * velocity[name]
    seconds = time.monotonic() - begin
    return Outcome(weights, accuracy(weights, data.test_x, data.test_y), seconds)


# --- command line -------------------------------------------------------------


def report(ours: Outcome, theirs: Outcome, epochs: int, endpoints: list[str]) -> dict[str, Any]:
    """The comparison, as a JSON document."""
    difference = max(
        float(np.abs(ours.weights[name] - theirs.weights[name]).max()) for name in ours.weights
    )
    return {
        "schema": 1,
        "epochs": epochs,
        "endpoints": endpoints,
        "exchange": ours.exchange,
        "axl": {
            "accuracy": ours.accuracy, "seconds": ours.seconds,
            "commands": ours.commands, "submits": ours.submits,
        },
        "numpy": {"accuracy": theirs.accuracy, "seconds": theirs.seconds},
        "max_weight_difference": difference,
    }  # fmt: skip


def show(told: dict[str, Any], ours: Outcome, theirs: Outcome) -> None:
    """The comparison, for people."""
    print(f"endpoints          {', '.join(told['endpoints'])}")
    print(f"gradients          {ours.exchange}")
    print(f"accuracy           axl {ours.accuracy:.4f}   NumPy {theirs.accuracy:.4f}")
    print(f"weight difference  {told['max_weight_difference']:.3g} at most")
    print(f"commands           {ours.commands} in {ours.submits} submits")
    print(f"seconds            axl {ours.seconds:.2f}   NumPy {theirs.seconds:.2f}")


def positive(text: str) -> int:
    """A whole number above 0."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train on two endpoints, compare with NumPy.")
    parser.add_argument("--source", help="auto, rack:NAME, rack:/run/dir or kernel")
    parser.add_argument(
        "--same-card", action="store_true", help="two endpoints of one card; else of two cards"
    )
    parser.add_argument("--epochs", type=positive, default=20, help="passes over the data")
    parser.add_argument("--seed", type=int, default=0, help="split, weights and order")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the comparison here")
    return parser.parse_args(arguments)


def choose(
    found: Sequence[pyaccel.EndpointInfo], *, same_card: bool
) -> Sequence[pyaccel.EndpointInfo]:
    """Two endpoints: by default of different cards, so that gradients cross the switch above.

    Where the rack has no such pair, the first two; fewer if there are fewer.
    """
    for first, second in itertools.combinations(found, 2):
        if (first.board_serial == second.board_serial) == same_card:
            return first, second
    return found[:2]


def run(options: argparse.Namespace) -> int:
    """Train twice and compare; 1 if fewer than two endpoints are there."""
    found = pyaccel.devices(options.source)
    pair = choose(found, same_card=options.same_card)
    if len(pair) < 2:
        print(f"two endpoints are needed, {len(found)} found: accel-rack up 2x2", file=sys.stderr)
        return 1
    data = load(options.seed)
    with ExitStack() as stack:
        devices = [stack.enter_context(pyaccel.open(info.uri)) for info in pair]
        ours = train_axl(devices, data, options.epochs, options.seed)
    theirs = train_numpy(data, options.epochs, options.seed)
    told = report(ours, theirs, options.epochs, [info.id for info in pair])
    show(told, ours, theirs)
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; an error of the device is one line that names endpoint, queue and command."""
    try:
        return run(parse(arguments))
    except pyaccel.AxlError as error:
        print(f"digits: {type(error).__name__}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
