"""Reading ahead of the work and writing behind it, in threads of their own, in order.

Both queues are bounded: a slow disk slows the work down instead of filling the memory. What goes
wrong in a thread is raised where its items are used.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Generic, TypeVar

ItemT = TypeVar('ItemT')

# How often a thread that waits for room looks whether it is still wanted.
_LOOK_S: Final = 0.1


class _End:
    """What the reader puts last: the source is exhausted, or has raised an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class ReadAhead(Generic[ItemT]):
    """Iterates over a source in a thread, some items ahead; a context manager.

    Args:
        source: makes the iterator; called in the thread, where the iterator is also closed.
        depth: how many items may wait.
    """

    def __init__(self, source: Callable[[], Iterator[ItemT]], depth: int) -> None:
        self._source = source
        self._items: queue.Queue[ItemT | _End] = queue.Queue(depth)
        self._is_unwanted = threading.Event()
        self._thread = threading.Thread(target=self._read, name='read-ahead', daemon=True)

    def __iter__(self) -> Iterator[ItemT]:
        """Yield the items; raise what the source raised, after those before it."""
        while not isinstance(item := self._items.get(), _End):
            yield item
        # For whoever asks once more.
        self._items.put(item)
        if item.error is not None:
            raise item.error

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._source():
                if not self._put(item):
                    return
        except BaseException as raised:  # noqa: BLE001 - raised again where the items are used
            error = raised
        self._put(_End(error))

    def _put(self, item: ItemT | _End) -> bool:
        """Wait for room; return False when nobody wants the item any more."""
        while not self._is_unwanted.is_set():
            with contextlib.suppress(queue.Full):
                self._items.put(item, timeout=_LOOK_S)
                return True
        return False

    def __enter__(self) -> ReadAhead[ItemT]:
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop reading, wherever it is."""
        self._is_unwanted.set()
        self._thread.join()


class WriteBehind(Generic[ItemT]):
    """Writes items in a thread, in the order in which they were put; a context manager.

    Args:
        write: called with each item. What it raises ends the writing and is raised by the next
            `put`, or at the end.
        depth: how many items may wait.
    """

    def __init__(self, write: Callable[[ItemT], None], depth: int) -> None:
        self._write = write
        self._items: queue.Queue[ItemT | None] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name='write-behind', daemon=True)

    def put(self, item: ItemT) -> None:
        """Hand over an item; wait while too many wait already.

        Raises:
            BaseException: what the writing of an earlier item raised.
        """
        if self._error is not None:
            raise self._error
        self._items.put(item)

    def _work(self) -> None:
        while (item := self._items.get()) is not None:
            # After an error items are taken and thrown away, so that nobody waits for room.
            if self._error is None:
                try:
                    self._write(item)
                except BaseException as raised:  # noqa: BLE001 - raised again by `put`
                    self._error = raised

    def __enter__(self) -> WriteBehind[ItemT]:
        """Be ready to write."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is waiting, also after an error elsewhere.

        Raises:
            BaseException: what the writing raised, unless something else was raised before.
        """
        self._items.put(None)
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error
