"""A one-slot mailbox: the newest image wins, the others are counted."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

ItemT = TypeVar('ItemT')


class Mailbox(Generic[ItemT]):
    """Hands the newest item from one thread to another.

    Latency stays bounded by one round of the taker however fast the putter is, because nothing
    queues. Closing it lets the taker end.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: ItemT | None = None
        self._is_closed = False
        self._received = 0
        self._dropped = 0

    @property
    def received(self) -> int:
        """Number of items put so far, dropped ones included."""
        with self._changed:
            return self._received

    @property
    def dropped(self) -> int:
        """Number of items replaced by a newer one before anybody took them."""
        with self._changed:
            return self._dropped

    def put(self, item: ItemT) -> None:
        """Store an item in place of one that nobody took. After `close` it is ignored."""
        with self._changed:
            if self._is_closed:
                return
            self._received += 1
            if self._item is not None:
                self._dropped += 1
            self._item = item
            self._changed.notify()

    def take(self) -> ItemT | None:
        """Wait for an item and remove it; None when the mailbox is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._is_closed)
            item, self._item = self._item, None
            return item

    def clear(self) -> None:
        """Forget the stored item, without counting it as dropped."""
        with self._changed:
            self._item = None

    def close(self) -> None:
        """Take nothing more in, and let the taker end after what is stored."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
