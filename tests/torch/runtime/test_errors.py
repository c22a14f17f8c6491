# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What goes wrong on an endpoint surfaces as an exception at the next synchronisation.

It names endpoint and command; afterwards a fresh tensor works in the same process. The
endpoints of the second card (axl:2, axl:3) are broken here, so that other tests keep theirs.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest
import torch

from pyaccel import testing

BROKEN = "axl:3"
ENDPOINT = 3
COMMAND_FAULTS = {
    "memory_ue": "memory_error",
    "lost_completion": "lost",
    "poisoned": "poisoned",
    "completion_timeout": "completion_timeout",
    "unsupported_request": "unsupported_request",
}


@pytest.fixture(autouse=True)
def repaired(rack: testing.Rack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Endpoints notice a hang after 300 ms, and are healthy and empty afterwards."""
    monkeypatch.setenv("AXL_HANG_TIMEOUT_MS", "300")
    yield
    rack.clear_faults()
    assert torch.ones(3, device=BROKEN).cpu().tolist() == [1.0, 1.0, 1.0]
    torch.axl.synchronize(BROKEN)


def use(tensor: torch.Tensor) -> None:
    """A command on the endpoint, and the wait for it."""
    tensor.clone()
    torch.axl.synchronize(tensor.device)


def lost_while(fault: str, rack: testing.Rack) -> pytest.ExceptionInfo[RuntimeError]:
    """The error of a copy on an endpoint that breaks meanwhile."""
    tensor = torch.zeros(8, device=BROKEN)
    torch.axl.synchronize(BROKEN)
    rack.inject(fault, endpoint=ENDPOINT)
    with pytest.raises(torch.AcceleratorError) as caught:
        use(tensor)
    return caught


@pytest.mark.parametrize("fault", COMMAND_FAULTS)
def test_a_failed_command_is_named(rack: testing.Rack, fault: str) -> None:
    """The error has the device, the stable id, the operator, the command and its status."""
    endpoint = torch.axl.endpoint(BROKEN)
    source = torch.ones(64).pin_memory()
    target = torch.zeros(64, device=BROKEN)
    torch.axl.synchronize(BROKEN)
    rack.inject(fault, endpoint=ENDPOINT)
    target.copy_(source, non_blocking=True)
    with pytest.raises(torch.AcceleratorError) as caught:
        torch.axl.synchronize(BROKEN)
    text = str(caught.value)

    assert f"{BROKEN} ({endpoint}): aten::copy_ failed: command " in text
    assert f"(copy) of queue 0 ended with {COMMAND_FAULTS[fault]}" in text
    assert "compute them again" in text


def test_after_a_failed_command_other_tensors_are_whole(rack: testing.Rack) -> None:
    """One failed command costs its result, not the memory of the process."""
    kept = torch.arange(5.0).to(BROKEN)
    lost_while("memory_ue", rack)

    assert kept.cpu().tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    torch.axl.synchronize(BROKEN)


def test_the_first_of_many_failures_is_told_once(rack: testing.Rack) -> None:
    """Commands that fail because an earlier one did are no news."""
    tensor = torch.zeros(8, device=BROKEN)
    torch.axl.synchronize(BROKEN)
    rack.inject("memory_ue", endpoint=ENDPOINT, count=0)
    for _ in range(5):
        tensor = tensor.clone()
    with pytest.raises(torch.AcceleratorError, match=r"command \d+ \(copy_strided\)"):
        torch.axl.synchronize(BROKEN)
    rack.clear_faults()

    torch.axl.synchronize(BROKEN)


@pytest.mark.parametrize(("fault", "word"), [("hung_queue", "hangs"), ("link_down", "is gone")])
def test_a_lost_endpoint_is_named_with_what_it_did_not_do(
    rack: testing.Rack, fault: str, word: str
) -> None:
    """A hang and a removal name endpoint, operator, command and queue, and what is lost."""
    endpoint = torch.axl.endpoint(BROKEN)
    text = str(lost_while(fault, rack).value)

    assert "waiting for aten::copy_ (command " in text
    assert f"of {BROKEN} ({endpoint})" in text
    assert word in text
    assert "Tensors on it are lost" in text


@pytest.mark.parametrize("fault", ["hung_queue", "link_down"])
def test_after_recovery_old_tensors_are_refused_and_fresh_ones_work(
    rack: testing.Rack, fault: str
) -> None:
    """What was on the endpoint is lost and says so; the process goes on."""
    old = torch.ones(4, device=BROKEN)
    lost_while(fault, rack)
    rack.clear_faults()
    fresh = torch.full((4,), 2.0, device=BROKEN)

    with pytest.raises(RuntimeError, match="before the endpoint was reset"):
        old.cpu()
    assert fresh.cpu().tolist() == [2.0] * 4


def test_other_endpoints_do_not_notice(rack: testing.Rack) -> None:
    """The loss of one endpoint leaves tensors of the others alone."""
    neighbour = torch.ones(4, device="axl:2")
    lost_while("link_down", rack)

    assert neighbour.cpu().tolist() == [1.0] * 4


def test_what_a_lost_endpoint_had_mapped_is_given_back(rack: testing.Rack) -> None:
    """Its mappings of another endpoint's memory end with it, and not again with that memory."""
    torch.axl.empty_cache()
    source = torch.ones(100_000, device="axl:2")
    assert source.to(BROKEN).cpu().eq(1).all()
    assert torch.ones(100_000, device=BROKEN).to("axl:2").cpu().eq(1).all()
    lost_while("link_down", rack)
    rack.clear_faults()
    torch.ones(4, device=BROKEN)
    del source
    torch.axl.empty_cache()

    assert torch.ones(100_000, device="axl:2").to(BROKEN).cpu().eq(1).all()


def test_a_stream_that_waits_for_a_lost_endpoint_is_let_go(rack: testing.Rack) -> None:
    """An event that will never be reached does not hold another endpoint for ever."""
    data = torch.zeros(8, device=BROKEN)
    other = torch.axl.current_stream("axl:2")
    mark = torch.zeros(1, device="axl:2")
    torch.axl.synchronize(BROKEN)
    rack.inject("hung_queue", endpoint=ENDPOINT)
    data.fill_(1)
    other.wait_event(torch.axl.current_stream(BROKEN).record_event())
    mark.fill_(1)
    with pytest.raises(torch.AcceleratorError):
        torch.axl.synchronize(BROKEN)

    assert mark.item() == 1


def test_threads_that_wait_for_a_lost_endpoint_all_return(rack: testing.Rack) -> None:
    """Each thread that synchronises gets the error; none hangs."""
    data = torch.zeros(8, device=BROKEN)
    torch.axl.synchronize(BROKEN)
    errors: list[Exception] = []

    def work() -> None:
        try:
            data.clone()
            torch.axl.synchronize(BROKEN)
        except RuntimeError as error:
            errors.append(error)

    rack.inject("hung_queue", endpoint=ENDPOINT)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert not any(thread.is_alive() for thread in threads)
    assert len(errors) == len(threads)


def test_a_card_whose_server_dies_comes_back(rack: testing.Rack) -> None:
    """Kill the card's process, restart it: the error first, then fresh tensors."""
    tensor = torch.ones(4, device=BROKEN)
    torch.axl.synchronize(BROKEN)
    rack.call("card.kill", card=1)
    with pytest.raises(torch.AcceleratorError, match=BROKEN):
        use(tensor)
    with pytest.raises(RuntimeError):
        torch.ones(4, device=BROKEN).cpu()
    rack.call("card.restart", card=1)
    with contextlib.suppress(torch.AcceleratorError):
        torch.ones(1, device="axl:2").cpu()  # the other endpoint of the card is told as well

    assert torch.ones(4, device=BROKEN).cpu().tolist() == [1.0] * 4


def test_an_endpoint_that_is_reset_loses_its_tensors(rack: testing.Rack) -> None:
    """A reset behind the process's back is an error that says so, then fresh tensors work."""
    tensor = torch.ones(4, device=BROKEN)
    torch.axl.synchronize(BROKEN)
    rack.call("endpoint.reset", endpoint=ENDPOINT)
    with pytest.raises(torch.AcceleratorError, match=BROKEN):
        use(tensor)

    assert torch.ones(4, device=BROKEN).cpu().tolist() == [1.0] * 4


def test_the_error_is_a_type_of_torch_axl() -> None:
    """torch.axl names the exceptions that it raises; both are PyTorch's own."""
    assert torch.axl.AcceleratorError is torch.AcceleratorError
    assert torch.axl.OutOfMemoryError is torch.OutOfMemoryError
