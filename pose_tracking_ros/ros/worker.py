"""Threads whose failure does not go unnoticed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from pose_tracking_ros.ros.mailbox import Mailbox

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


def take_from(mailbox: Mailbox[ItemT], process: Callable[[ItemT], None]) -> Task:
    """Process what comes into a mailbox, one item after the other, in a thread.

    Args:
        mailbox: closing it ends the thread, after what is stored in it.
        process: called with each item; what it raises ends the thread.
    """

    def work() -> None:
        while (item := mailbox.take()) is not None:
            process(item)

    return Task(work)
