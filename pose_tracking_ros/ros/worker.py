"""Threads whose failure does not go unnoticed."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Generic, TypeVar

from pose_tracking_ros.ros.mailbox import HandOver, Mailbox

ItemT = TypeVar('ItemT')


class Task:
    """Runs a function in a thread of its own.

    Args:
        work: called once. What it raises is kept for `raise_failure`.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix='task')
        self._result = pool.submit(work)
        # Takes no further work, so that the thread ends with this one.
        pool.shutdown(wait=False)

    @property
    def is_done(self) -> bool:
        """Whether the function has returned or raised."""
        return self._result.done()

    @property
    def failure(self) -> BaseException | None:
        """What the function raised, if it has ended that way."""
        return self._result.exception() if self._result.done() else None

    def raise_failure(self) -> None:
        """Raise what the function raised, if it has ended that way.

        Raises:
            Exception: whatever it was.
        """
        if self._result.done():
            self._result.result()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; return whether it came in time."""
        return not wait([self._result], timeout=timeout_s).not_done


class Line(Generic[ItemT]):
    """Stations that work on successive items at the same time, each in a thread of its own.

    Between two stations an item waits in a single slot, so that nothing queues. All but the last
    hand-over let a newer item replace one that waits; what the last one passes on is the result of
    all the work, and there the station before waits instead. The order of items is kept.

    Args:
        source: where items come from; closing it ends the line, after what is on its way.
        stations: called with what the station before returned, the first with an item; what
            returns None leaves the line. What one raises ends the line and is kept for
            `raise_failure`.
        on_drop: called for each item that is replaced between two stations.
    """

    def __init__(
        self,
        source: Mailbox[ItemT],
        stations: Sequence[Callable[[Any], Any]],
        on_drop: Callable[[], None] = lambda: None,
    ) -> None:
        between: list[Mailbox[Any] | HandOver[Any]] = [
            Mailbox(on_drop) for _ in range(len(stations) - 2)
        ]
        if len(stations) > 1:
            between.append(HandOver())
        self._slots: list[Mailbox[Any] | HandOver[Any]] = [source, *between]
        goals = [*between, None]
        self._tasks = [
            Task(functools.partial(_work, station, slot, goal))
            for station, slot, goal in zip(stations, self._slots, goals, strict=True)
        ]

    def raise_failure(self) -> None:
        """Raise what a station raised, if one has ended that way.

        Raises:
            Exception: whatever it was.
        """
        for task in self._tasks:
            task.raise_failure()

    def discard(self) -> None:
        """Take nothing more in, and forget what waits; what is being worked on is finished."""
        for slot in self._slots:
            slot.clear()
            slot.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of all stations; return whether it came in time."""
        end_s = time.monotonic() + timeout_s
        return all(task.join(max(0.0, end_s - time.monotonic())) for task in self._tasks)


def _work(
    station: Callable[[Any], Any],
    slot: Mailbox[Any] | HandOver[Any],
    goal: Mailbox[Any] | HandOver[Any] | None,
) -> None:
    try:
        while (item := slot.take()) is not None:
            result = station(item)
            if result is not None and goal is not None:
                goal.put(result)
    finally:
        # After a failure nobody waits in vain, neither for what is put nor for what is taken.
        slot.close()
        slot.clear()
        if goal is not None:
            goal.close()


def one_after_another(steps: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """Return a station that does all the steps; what returns None ends it."""

    def work(item: Any) -> Any:
        for step in steps:
            item = step(item)
            if item is None:
                return None
        return item

    return work
