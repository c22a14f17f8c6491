# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""`torch.distributed` over endpoints: the backend "axl".

One process per endpoint, as for every accelerator. What the processes tell each other goes
through host memory: a collective reads its tensors from the device, Gloo carries it out, and
the results are written back, on the stream that was current when it was called. Tensors of the
CPU may be used in the same group and go to Gloo directly.

    torch.axl.set_device(rank)
    torch.distributed.init_process_group("axl")
    model = DistributedDataParallel(Model().to("axl"))

Gloo chooses the network interface; GLOO_SOCKET_IFNAME names another one ("lo" for processes
of one machine).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import Store
from torch.distributed.distributed_c10d import GroupName
from torch.utils._pytree import tree_leaves, tree_map_only

from pyaccel.torch import streams

NAME: Final = "axl"
_CPU: Final = torch.device("cpu")


def create(store: Store, rank: int, size: int, timeout: timedelta) -> AxlProcessGroup:
    """What init_process_group("axl") calls; see torch.distributed.Backend.register_backend()."""
    return AxlProcessGroup(store, rank, size, timeout)


class _Staging:
    """The tensors of one collective in host memory.

    Args:
        written: what the collective writes to.
        read: what it reads; a tensor in both keeps its value.
        divisor: of every result, for an average.
    """

    def __init__(self, written: list[Any], read: list[Any], divisor: int = 1) -> None:
        self.written: list[torch.Tensor] = tree_leaves(written)
        self._read = {id(tensor) for tensor in tree_leaves(read)}
        self._divisor = divisor
        self._hosts: dict[int, torch.Tensor] = {}
        self._streams = {
            tensor.device: streams.current_stream(tensor.device)
            for tensor in self.written
            if tensor.device.type == NAME
        }

    def hosts(self, tensors: Any) -> Any:
        """The same nesting, of tensors that Gloo takes."""
        return tree_map_only(torch.Tensor, self._host, tensors)

    def _host(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.device.type != NAME:
            return tensor
        if id(tensor) not in self._hosts:
            kept = id(tensor) in self._read
            made = tensor.cpu() if kept else torch.empty_like(tensor, device=_CPU)
            self._hosts[id(tensor)] = made
        return self._hosts[id(tensor)]

    def write_back(self) -> None:
        """Bring the results to the devices. On any thread."""
        for tensor in self.written:
            host = self._host(tensor)
            if self._divisor != 1:
                host.div_(self._divisor)
            if host is not tensor:
                # The caller's streams are not current on Gloo's threads.
                with streams.stream(self._streams[tensor.device]):
                    tensor.copy_(host)


class _Waited(dist.Work):
    """Work that Gloo has no future for: who waits for it writes back."""

    def __init__(self, begun: dist.Work, staging: _Staging) -> None:
        super().__init__()
        self._begun = begun
        self._staging: _Staging | None = staging

    def is_completed(self) -> bool:
        """Whether the bytes have moved."""
        return bool(self._begun.is_completed())

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Block until they have; what was received is on its device then."""
        done = self._begun.wait() if timeout is None else self._begun.wait(timeout)
        if self._staging is not None:
            self._staging.write_back()
            self._staging = None
        return bool(done)

    def _source_rank(self) -> int:
        """Of recv(src=None)."""
        return int(self._begun._source_rank())


class _Promised(dist.Work):
    """Work with a future, for which DistributedDataParallel can wait; Gloo writes back.

    PyTorch's own work around a future would not do: its wait() does not raise.
    """

    def __init__(self, begun: dist.Work, staging: _Staging) -> None:
        super().__init__()

        def finish(done: torch.futures.Future[Any]) -> list[torch.Tensor]:
            done.value()  # raises what Gloo met
            staging.write_back()
            return staging.written

        self._ended = threading.Event()
        self._future = begun.get_future().then(finish)
        self._future.add_done_callback(lambda _future: self._ended.set())

    def is_completed(self) -> bool:
        """Whether the results are on their way to the devices, or never will be."""
        return bool(self._future.done())

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Block until then. RuntimeError: what Gloo met, such as a process that left."""
        if timeout and not self._ended.wait(timeout.total_seconds()):
            raise RuntimeError(f"the collective did not end within {timeout}")
        self._future.wait()
        return True

    def get_future(self) -> torch.futures.Future[Any]:
        """Its value is the list of what was written."""
        return self._future

    def result(self) -> list[torch.Tensor]:
        """The same, once it is there."""
        return list(self._future.value())


def _take_average(arguments: tuple[Any, ...], size: int) -> int:
    """Gloo has no average: have it sum instead, and say by what to divide."""
    for options in arguments:
        if getattr(options, "reduceOp", None) == dist.ReduceOp.AVG:
            options.reduceOp = dist.ReduceOp.SUM
            return size
    return 1


def _collective(
    name: str,
    written: tuple[int, ...],
    read: tuple[int, ...],
    work: Callable[[dist.Work, _Staging], dist.Work] = _Promised,
) -> Callable[..., dist.Work]:
    """A method of the group; `written` and `read` are positions among its arguments."""

    def method(self: AxlProcessGroup, *arguments: Any) -> dist.Work:
        divisor = _take_average(arguments, self.size())
        staging = _Staging(
            [arguments[at] for at in written], [arguments[at] for at in read], divisor
        )
        return work(getattr(self.host_group, name)(*staging.hosts(arguments)), staging)

    method.__name__ = name
    return method


class AxlProcessGroup(dist.ProcessGroup):
    """Collectives over tensors of endpoints and of the CPU; Gloo moves the bytes.

    The methods take what torch.distributed.ProcessGroup's take, by position.
    """

    def __init__(self, store: Store, rank: int, size: int, timeout: timedelta) -> None:
        super().__init__(rank, size)  # type: ignore[call-arg] # as Python subclasses do
        gloo = dist.ProcessGroupGloo(store, rank, size, timeout=timeout)
        self.host_group = dist.ProcessGroup(store, rank, size)
        self.host_group._register_backend(_CPU, dist.ProcessGroup.BackendType.GLOO, gloo)
        self._name = GroupName("")

    def getBackendName(self) -> str:  # noqa: N802 - the base class's
        """What torch.distributed calls this kind of group."""
        return NAME

    def _set_group_name(self, name: GroupName) -> None:
        self._name = name

    @property
    def group_name(self) -> GroupName:
        """As registered with torch.distributed."""
        return self._name

    def shutdown(self) -> None:
        """End Gloo's connections."""
        self.host_group.shutdown()

    def barrier(self, opts: Any = None) -> dist.Work:
        """Return when every process has come here."""
        return self.host_group.barrier(opts or dist.BarrierOptions())

    allreduce = _collective("allreduce", (0,), (0,))
    allreduce_coalesced = _collective("allreduce_coalesced", (0,), (0,))
    broadcast = _collective("broadcast", (0,), (0,))
    reduce = _collective("reduce", (0,), (0,))
    allgather = _collective("allgather", (0,), (1,))
    allgather_coalesced = _collective("allgather_coalesced", (0,), (1,))
    all_gather_single = _collective("all_gather_single", (0,), (1,))
    all_gather_single_coalesced = _collective("all_gather_single_coalesced", (0,), (1,))
    gather = _collective("gather", (0,), (1,))
    scatter = _collective("scatter", (0,), (1,))
    reduce_scatter = _collective("reduce_scatter", (0,), (1,), _Waited)
    reduce_scatter_single = _collective("reduce_scatter_single", (0,), (1,), _Waited)
    reduce_scatter_single_coalesced = _collective(
        "reduce_scatter_single_coalesced", (0,), (1,), _Waited
    )
    alltoall = _collective("alltoall", (0,), (1,))
    all_to_all_single = _collective("all_to_all_single", (0,), (1,))
    send = _collective("send", (), (0,), _Waited)
    recv = _collective("recv", (0,), (), _Waited)
    recv_anysource = _collective("recv_anysource", (0,), (), _Waited)
