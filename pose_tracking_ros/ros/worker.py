"""The thread that takes images from the mailbox and processes them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from pose_tracking_ros.ros.mailbox import Mailbox

ItemT = TypeVar('ItemT')


class Worker(Generic[ItemT]):
    """Processes what comes into a mailbox, one item after the other, in a thread of its own.

    Args:
        mailbox: its closing ends the thread, after what is stored in it.
        process: called with each item. An exception ends the thread; `raise_failure` passes it
            on, so that it cannot go unnoticed.
    """

    def __init__(self, mailbox: Mailbox[ItemT], process: Callable[[ItemT], None]) -> None:
        self._mailbox = mailbox
        self._process = process
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix='worker')
        self._result = self._pool.submit(self._run)
        # Lets the thread end when the mailbox is closed.
        self._pool.shutdown(wait=False)

    def _run(self) -> None:
        while (item := self._mailbox.take()) is not None:
            self._process(item)

    def raise_failure(self) -> None:
        """Raise what ended the thread, if anything did.

        Raises:
            Exception: whatever `process` raised.
        """
        if self._result.done():
            self._result.result()

    def stop(self, timeout_s: float) -> bool:
        """Close the mailbox and wait for the thread; return whether it ended in time."""
        self._mailbox.close()
        return not wait([self._result], timeout=timeout_s).not_done
