# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The example: training on two endpoints is the training that NumPy does."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

import pyaccel

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits.py"


@pytest.fixture(scope="module")
def digits():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("digits", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["digits"] = module
    spec.loader.exec_module(module)
    return module


def test_training_agrees_with_numpy(digits, rack, tmp_path, capsys) -> None:
    """Same accuracy, weights equal within rounding, gradients exchanged between peers."""
    out = tmp_path / "digits.json"
    assert digits.main(["--source", rack.source, "--epochs", "4", "--json", str(out)]) == 0
    told = json.loads(out.read_text())

    assert told["schema"] == 1
    assert told["exchange"] == "peer-to-peer"
    assert abs(told["axl"]["accuracy"] - told["numpy"]["accuracy"]) < 0.005
    assert told["axl"]["accuracy"] > 0.9
    assert told["max_weight_difference"] < 1e-4
    assert told["axl"]["submits"] == 4 * 10 * 2
    assert "accuracy" in capsys.readouterr().out


def test_endpoints_are_of_two_cards_unless_asked_otherwise(digits, rack) -> None:
    """Endpoints 0 and 2 of a 2x2 rack; 0 and 1 with --same-card; what there is on one card."""
    found = pyaccel.devices(rack.source)
    assert digits.choose(found, same_card=False) == (found[0], found[2])
    assert digits.choose(found, same_card=True) == (found[0], found[1])
    assert list(digits.choose(found[:2], same_card=False)) == found[:2]
    assert list(digits.choose(found[:1], same_card=False)) == found[:1]
    assert list(digits.choose([found[0], found[3]], same_card=True)) == [found[0], found[3]]


def test_training_works_through_host_memory(digits, rack, monkeypatch, capsys) -> None:
    """Without a path between the endpoints the reason is printed and the result is the same."""

    def refuse(self, peer):
        raise pyaccel.PeerUnreachableError("no path")

    monkeypatch.setattr(pyaccel.Context, "import_peer", refuse)
    data = digits.load(1)
    with pyaccel.open(rack.uri(0)) as first, pyaccel.open(rack.uri(2)) as second:
        ours = digits.train_axl([first, second], data, 2, 1)
    theirs = digits.train_numpy(data, 2, 1)

    assert ours.exchange == "host memory"
    assert "no path" in capsys.readouterr().out
    assert abs(ours.accuracy - theirs.accuracy) < 0.005


def test_a_lost_completion_ends_the_training_by_name(digits, faulty, capsys) -> None:
    """Exit status 1 and one line that names endpoint, queue and sequence."""
    faulty.inject("lost_completion", 2, after=200)

    assert digits.main(["--source", faulty.source, "--epochs", "1"]) == 1
    message = capsys.readouterr().err
    assert f"CommandLostError: {pyaccel.devices(faulty.source)[2].id}: " in message
    assert "queue 0 sequence 201" in message


def test_one_endpoint_is_not_enough(digits, rack, monkeypatch, capsys) -> None:
    """The message says how to get two."""
    first = pyaccel.devices(rack.source)[0]
    monkeypatch.setenv("AXL_VISIBLE_DEVICES", first.id)

    assert digits.main(["--source", rack.source]) == 1
    assert "accel-rack up" in capsys.readouterr().err


def test_no_rack_is_one_line(digits, tmp_path, monkeypatch, capsys) -> None:
    """Without a rack the example says what to start."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv("AXL_RUNTIME_DIR", str(tmp_path))

    assert digits.main(["--source", "rack"]) == 1
    assert "accel-rack up" in capsys.readouterr().err


@pytest.mark.parametrize("epochs", ["0", "-1", "many"])
def test_epochs_must_be_a_positive_number(digits, epochs: str) -> None:
    """Wrong usage exits with status 2."""
    with pytest.raises(SystemExit) as caught:
        digits.main(["--epochs", epochs])

    assert caught.value.code == 2
