# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Tensors that leave a device: files, other endpoints, other libraries."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch


def saved(thing: object) -> io.BytesIO:
    """What torch.save writes."""
    file = io.BytesIO()
    torch.save(thing, file)
    file.seek(0)
    return file


def test_a_saved_tensor_returns_to_its_device() -> None:
    """torch.load puts tensors where they were, views and parameters too."""
    tensor = torch.randn(4, 6, device="axl:1")
    loaded = torch.load(saved({"view": tensor.t()[1:], "own": torch.nn.Parameter(tensor)}))

    assert loaded["view"].device == torch.device("axl:1")
    assert loaded["view"].cpu().equal(tensor.cpu().t()[1:])
    assert isinstance(loaded["own"], torch.nn.Parameter)
    assert loaded["own"].detach().cpu().equal(tensor.cpu())


@pytest.mark.parametrize("target", ["cpu", "axl:0", "axl:2"])
@pytest.mark.parametrize("source", ["cpu", "axl:1"])
def test_map_location_moves_what_is_loaded(source: str, target: str) -> None:
    """From any device to any other, element for element."""
    tensor = torch.arange(10, dtype=torch.int16, device=source)
    loaded = torch.load(saved(tensor), map_location=target)

    assert loaded.device == torch.device(target)
    assert loaded.cpu().equal(tensor.cpu())


def test_a_model_trained_on_the_device_loads_on_the_cpu_and_back() -> None:
    """state_dict of model and optimiser survive axl -> cpu -> axl."""
    model = torch.nn.Linear(3, 2).to("axl")
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 3, device="axl")).sum().backward()
    optimiser.step()
    file = saved({"model": model.state_dict(), "optimiser": optimiser.state_dict()})
    host = torch.nn.Linear(3, 2)
    host.load_state_dict(torch.load(file, map_location="cpu")["model"])
    back = torch.nn.Linear(3, 2).to("axl")
    back.load_state_dict(torch.load(saved(host.state_dict())))
    again = torch.optim.Adam(back.parameters())
    file.seek(0)
    again.load_state_dict(torch.load(file)["optimiser"])

    assert back.weight.device.type == "axl"
    assert back.weight.cpu().equal(model.weight.cpu())
    assert again.state[back.weight]["exp_avg"].device.type == "axl"


def test_a_file_for_more_endpoints_than_there_are_says_so() -> None:
    """Loading to axl:9 names what is there."""
    with pytest.raises(RuntimeError, match=r"device_count\(\) is 4.*map_location"):
        torch.load(saved(torch.ones(2)), map_location="axl:9")


def test_copies_are_on_the_device_and_independent() -> None:
    """copy.deepcopy gives new memory there."""
    tensor = torch.ones(3, device="axl:1")
    other = copy.deepcopy(tensor)
    other.fill_(2)

    assert other.device == tensor.device
    assert tensor.cpu().tolist() == [1.0] * 3


@pytest.mark.parametrize("pair", [(0, 1), (1, 2), (3, 0)], ids=str)
@pytest.mark.parametrize("elements", [1, 1000, 700_001])
def test_endpoints_exchange_tensors(pair: tuple[int, int], elements: int) -> None:
    """Copies between endpoints of a card and of two cards arrive whole, views and types too."""
    source = torch.arange(elements, device=f"axl:{pair[0]}", dtype=torch.int32)
    target = source.to(f"axl:{pair[1]}")
    strided = source[::3].to(f"axl:{pair[1]}", torch.float32)

    assert target.device.index == pair[1]
    assert target.cpu().equal(torch.arange(elements, dtype=torch.int32))
    assert strided.cpu().equal(torch.arange(elements)[::3].float())


def test_a_source_may_be_overwritten_after_a_copy_between_endpoints() -> None:
    """The copy sees what was there when it was asked for, whatever the source does next."""
    source = torch.zeros(200_000, device="axl:0")
    copies = []
    for value in range(8):
        source.fill_(value)
        copies.append(source.to("axl:1"))

    assert [int(each[-1]) for each in copies] == list(range(8))


def test_the_device_context_says_where_axl_is() -> None:
    """`with torch.axl.device(n)` makes "axl" mean axl:n inside, and only there."""
    with torch.axl.device(2):
        inside = torch.ones(1, device="axl")
    with torch.device("axl:1"):
        made = torch.ones(1)

    assert inside.device.index == 2
    assert made.device.index == 1
    assert torch.ones(1, device="axl").device.index == 0


def test_dlpack_capsules_share_memory_within_pytorch() -> None:
    """torch.utils.dlpack moves a tensor without a copy."""
    tensor = torch.arange(4.0, device="axl")
    shared = torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(tensor))
    shared[0] = 9

    assert shared.device == tensor.device
    assert tensor.cpu().tolist() == [9.0, 1.0, 2.0, 3.0]


def test_numpy_is_refused_with_advice() -> None:
    """Device memory is no array; the error names Tensor.cpu(), which is one by DLPack."""
    tensor = torch.arange(4.0, device="axl")
    with pytest.raises(TypeError, match=r"Tensor.cpu\(\)"):
        tensor.numpy()

    assert np.from_dlpack(tensor.cpu()).tolist() == [0.0, 1.0, 2.0, 3.0]
