"""One slot between two threads: in a mailbox the newest image wins, a hand-over lets none go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

ItemT = TypeVar('ItemT')


class Mailbox(Generic[ItemT]):
    """Hands the newest item from one thread to another.

    Latency stays bounded by one round of the taker however fast the putter is, because nothing
    queues. Closing it lets the taker end.

    Args:
        on_drop: called when an item is replaced, in the putter's thread.
    """

    def __init__(self, on_drop: Callable[[], None] = lambda: None) -> None:
        self._on_drop = on_drop
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
            is_drop = self._item is not None
            self._dropped += is_drop
            self._item = item
            self._changed.notify()
        if is_drop:
            self._on_drop()

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


class HandOver(Generic[ItemT]):
    """Hands every item from one thread to another; the putter waits until there is room.

    For what cost too much to be thrown away: a slow taker slows its putter instead.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: ItemT | None = None
        self._is_closed = False

    def put(self, item: ItemT) -> None:
        """Store an item as soon as the previous one is taken. After `close` it is ignored."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is None or self._is_closed)
            if not self._is_closed:
                self._item = item
                self._changed.notify_all()

    def take(self) -> ItemT | None:
        """Wait for an item and remove it; None when it is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._is_closed)
            item, self._item = self._item, None
            self._changed.notify_all()
            return item

    def clear(self) -> None:
        """Forget the stored item."""
        with self._changed:
            self._item = None
            self._changed.notify_all()

    def close(self) -> None:
        """Take nothing more in, and let the taker end after what is stored."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
