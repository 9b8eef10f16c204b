"""Which images a node would have taken: arrival times, a one-slot mailbox, a busy worker.

Time here is simulated, in ns of the bag's clock; nothing waits. The newest image replaces one that
waits, as in the node's mailbox, so latency is bounded by one processing time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar


class Arriving(Protocol):
    """Something that arrives at some time."""

    @property
    def received_ns(self) -> int:
        """When it arrives, ns."""


ItemT = TypeVar('ItemT', bound=Arriving)
ResultT = TypeVar('ResultT')


@dataclass(frozen=True)
class Processed(Generic[ItemT, ResultT]):
    """An item that was taken, and what became of it.

    Attributes:
        item: what was taken.
        result: of its processing.
        started_ns: when it was taken, ns.
        finished_ns: when its processing was over, ns.
        dropped: how many items had been replaced by newer ones when it was over.
    """

    item: ItemT
    result: ResultT
    started_ns: int
    finished_ns: int
    dropped: int

    @property
    def latency_s(self) -> float:
        """From arrival to result, s."""
        return (self.finished_ns - self.item.received_ns) * 1e-9

    @property
    def processing_time_s(self) -> float:
        """From taking to result, s."""
        return (self.finished_ns - self.started_ns) * 1e-9


def through_mailbox(
    items: Iterable[ItemT],
    process: Callable[[ItemT], tuple[ResultT, int]],
    on_drop: Callable[[ItemT], None],
) -> Iterator[Processed[ItemT, ResultT]]:
    """Process what a worker behind a one-slot mailbox would take.

    What arrives at the very time at which the worker becomes free has arrived before it looks.

    Args:
        items: in the order of their arrival. One that seems to arrive before its predecessor
            counts as arriving with it.
        process: does the work and returns its result and how long it takes, ns, at least 0.
        on_drop: told of each item that was replaced.

    Yields:
        Each processed item, once it is known how many were dropped meanwhile: when the next one is
        taken, or at the end.
    """
    waiting: ItemT | None = None
    done: Processed[ItemT, ResultT] | None = None
    dropped = arrived_ns = 0
    # Before any time there is: at first the worker is idle.
    free_ns = -1

    def take(item: ItemT) -> Processed[ItemT, ResultT]:
        result, duration_ns = process(item)
        start_ns = max(arrived_ns, free_ns)
        return Processed(item, result, start_ns, start_ns + duration_ns, dropped)

    for item in items:
        now_ns = max(arrived_ns, item.received_ns)
        if waiting is not None:
            is_idle = free_ns < arrived_ns
            if is_idle or free_ns < now_ns:
                if done is not None:
                    yield replace(done, dropped=dropped)
                done = take(waiting)
                free_ns = done.finished_ns
            else:
                dropped += 1
                on_drop(waiting)
        waiting, arrived_ns = item, now_ns
    if done is not None:
        yield replace(done, dropped=dropped)
    if waiting is not None:
        yield take(waiting)
