# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What registers do: connects the register file with the blocks behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.model import telemetry
from diag.model.commands import FenceHold
from pyaccel.spec import regs
from pyaccel.spec.formats import MAX_QUEUES
from pyaccel.spec.regs import QueueState, ResetCause

if TYPE_CHECKING:
    from diag.model.endpoint import Endpoint
    from diag.model.queue import Queue


def connect(endpoint: Endpoint) -> None:
    """Install all hooks of one endpoint."""
    _connect_control(endpoint)
    _connect_telemetry(endpoint)
    _connect_contexts(endpoint)
    QueueHooks(endpoint).connect()


def _connect_control(endpoint: Endpoint) -> None:
    registers, engine = endpoint.registers, endpoint.engine

    def control(_raw: int, new: int) -> None:
        registers.set(regs.CTRL_CONTROL, new)
        endpoint.update_running()

    def queue_reset(raw: int, _new: int) -> None:
        for number in range(MAX_QUEUES):
            if raw >> number & 1:
                engine.reset_queue(number)
                registers.set(regs.CTRL_RESET_CAUSE, ResetCause.QUEUE)

    def latch(_raw: int, _new: int) -> None:
        registers.set(regs.CLOCK_TICKS, endpoint.clock.ticks())

    registers.on_write(regs.CTRL_CONTROL, control)
    registers.on_write(regs.CTRL_QUEUE_RESET, queue_reset)
    registers.on_write(regs.CLOCK_LATCH, latch)


def _connect_telemetry(endpoint: Endpoint) -> None:
    registers, sensors, engine = endpoint.registers, endpoint.sensors, endpoint.engine
    space, traffic = endpoint.config_space, endpoint.engine.traffic
    on_read = registers.on_read
    on_read(regs.TELEMETRY_TEMPERATURE, lambda: sensors.millicelsius() & 0xFFFFFFFF)
    on_read(regs.TELEMETRY_POWER, sensors.milliwatt)
    on_read(regs.TELEMETRY_CLOCK, lambda: telemetry.CLOCK_KHZ)
    on_read(regs.TELEMETRY_UTILISATION, sensors.load_permille)
    on_read(regs.TELEMETRY_HEARTBEAT, sensors.heartbeat)
    on_read(regs.TELEMETRY_PROGRESS, lambda: engine.progress)
    on_read(regs.TELEMETRY_BYTES_HOST_TO_DEVICE, lambda: traffic.host_to_device)
    on_read(regs.TELEMETRY_BYTES_DEVICE_TO_HOST, lambda: traffic.device_to_host)
    on_read(regs.TELEMETRY_BYTES_DEVICE_TO_DEVICE, lambda: traffic.device_to_device)
    on_read(regs.TELEMETRY_BYTES_PEER, lambda: traffic.peer)
    on_read(
        regs.TELEMETRY_LINK,
        lambda: regs.TELEMETRY_LINK.make(SPEED=space.link_speed, WIDTH=space.link_width),
    )


def _connect_contexts(endpoint: Endpoint) -> None:
    contexts, registers = endpoint.engine.contexts, endpoint.registers
    invalidate_mask = regs.CONTEXT_CONTROL.field("INVALIDATE").mask
    enable_mask = regs.CONTEXT_CONTROL.field("ENABLE").mask
    faulted_mask = regs.CONTEXT_STATUS.field("FAULTED").mask

    def root(_raw: int, new: int, number: int) -> int:
        context = contexts[number]
        context.root = new
        context.invalidate()
        return new

    def control(raw: int, new: int, number: int) -> int:
        context = contexts[number]
        context.enabled = bool(new & enable_mask)
        if raw & invalidate_mask or not context.enabled:
            context.invalidate()
        return new

    def clear(raw: int, _new: int, number: int) -> None:
        if raw & faulted_mask:
            contexts[number].faulted = False

    registers.on_write(regs.CONTEXT_ROOT, root)
    registers.on_write(regs.CONTEXT_CONTROL, control)
    registers.on_write(regs.CONTEXT_STATUS, clear)
    registers.on_read(regs.CONTEXT_STATUS, lambda number: int(contexts[number].faulted))


class QueueHooks:
    """Registers of the queue pairs."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._queues = endpoint.engine.queues

    def connect(self) -> None:
        """Install the hooks of all queues."""
        registers = self._endpoint.registers
        registers.on_write(regs.QUEUE_SQ_BASE, self._sq_base)
        registers.on_write(regs.QUEUE_CQ_BASE, self._cq_base)
        registers.on_write(regs.QUEUE_SIZE, self._size)
        registers.on_write(regs.QUEUE_CONTROL, self._control)
        registers.on_write(regs.QUEUE_INTERRUPT, self._interrupt)
        registers.on_write(regs.QUEUE_COALESCE, self._coalesce)
        queues, on_read = self._queues, registers.on_read
        on_read(regs.QUEUE_SQ_BASE, lambda n: queues[n].sq_base)
        on_read(regs.QUEUE_CQ_BASE, lambda n: queues[n].cq_base)
        on_read(
            regs.QUEUE_SIZE,
            lambda n: regs.QUEUE_SIZE.make(SQ_LOG2=queues[n].sq_log2, CQ_LOG2=queues[n].cq_log2),
        )
        on_read(regs.QUEUE_CONTROL, lambda n: int(queues[n].state != QueueState.DISABLED))
        on_read(regs.QUEUE_STATUS, lambda n: _status(queues[n]))
        on_read(regs.QUEUE_SQ_HEAD, lambda n: queues[n].head)
        on_read(regs.QUEUE_CQ_TAIL, lambda n: queues[n].cq_tail)
        on_read(regs.QUEUE_INTERRUPTS, lambda n: queues[n].interrupts)
        on_read(
            regs.QUEUE_INTERRUPT,
            lambda n: regs.QUEUE_INTERRUPT.make(
                VECTOR=queues[n].vector, ENABLE=queues[n].interrupt_enabled
            ),
        )
        on_read(
            regs.QUEUE_COALESCE,
            lambda n: regs.QUEUE_COALESCE.make(
                COUNT=queues[n].coalesce_count, MICROSECONDS=queues[n].coalesce_us
            ),
        )

    def _disabled(self, number: int) -> Queue | None:
        queue = self._queues[number]
        return queue if queue.state == QueueState.DISABLED else None

    def _sq_base(self, _raw: int, new: int, number: int) -> int | None:
        queue = self._disabled(number)
        if queue is None:
            return None
        queue.sq_base = new
        return new

    def _cq_base(self, _raw: int, new: int, number: int) -> int | None:
        queue = self._disabled(number)
        if queue is None:
            return None
        queue.cq_base = new
        return new

    def _size(self, _raw: int, new: int, number: int) -> None:
        queue = self._disabled(number)
        if queue is not None:
            queue.sq_log2 = regs.QUEUE_SIZE.get(new, "SQ_LOG2")
            queue.cq_log2 = regs.QUEUE_SIZE.get(new, "CQ_LOG2")

    def _control(self, raw: int, _new: int, number: int) -> None:
        queue = self._queues[number]
        if not raw & 1:
            self._endpoint.engine.reset_queue(number)
        elif queue.state == QueueState.DISABLED and queue.enable():
            self._endpoint.engine.queues_changed()

    def _interrupt(self, _raw: int, new: int, number: int) -> None:
        queue = self._queues[number]
        queue.vector = regs.QUEUE_INTERRUPT.get(new, "VECTOR")
        queue.interrupt_enabled = bool(regs.QUEUE_INTERRUPT.get(new, "ENABLE"))

    def _coalesce(self, _raw: int, new: int, number: int) -> None:
        queue = self._queues[number]
        queue.coalesce_count = regs.QUEUE_COALESCE.get(new, "COUNT")
        queue.coalesce_us = regs.QUEUE_COALESCE.get(new, "MICROSECONDS")


def _status(queue: Queue) -> int:
    # Only a fence: a driver leaves a queue that waits for one alone, a hung one not.
    waiting = isinstance(queue.hold, FenceHold)
    return regs.QUEUE_STATUS.make(STATE=queue.state, WAITING=waiting)
