"""Which depth image belongs to an image: by their stamps."""

from __future__ import annotations

import math
import threading
from typing import Generic, TypeVar

ItemT = TypeVar('ItemT')

# Stamps that fall back by more are those of a clock or a recording that started over.
_JUMP_S = 0.5
# Drivers that copy stamps may round them to a microsecond.
_EXACT_S = 1e-5


class StampMatcher(Generic[ItemT]):
    """Keeps the last few items and finds the one nearest to a stamp.

    What goes out first is what came first, whatever its stamp, so a wrong stamp far ahead or a
    clock that jumps back never blocks it. What a pinned stamp needs stays however long that takes:
    an image may wait for its turn, and then for a slow network. Safe to use from several threads.

    Args:
        max_items: so many are kept, and one more per pin.
    """

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        self._items: list[tuple[float, ItemT]] = []
        self._pins: dict[str, float] = {}
        self._changed = threading.Condition()
        self._added = 0

    def __len__(self) -> int:
        """Return the number of items kept."""
        with self._changed:
            return len(self._items)

    @property
    def added(self) -> int:
        """Number of items added so far."""
        with self._changed:
            return self._added

    def add(self, stamp_s: float, item: ItemT) -> None:
        """Keep an item; it wakes those who wait.

        A stamp far before the last one begins a new time: what was kept is forgotten, unless a pin
        needs it.
        """
        with self._changed:
            has_jumped = bool(self._items) and stamp_s < self._items[-1][0] - _JUMP_S
            needed = self._needed()
            excess = len(self._items) + 1 - self._max_items
            kept = []
            for index, entry in enumerate(self._items):
                if index in needed or not (has_jumped or index < excess):
                    kept.append(entry)
            self._items = [*kept, (stamp_s, item)]
            self._added += 1
            self._changed.notify_all()

    def pin(self, name: str, stamp_s: float) -> None:
        """Keep what is nearest to a stamp, until the same name pins another."""
        with self._changed:
            self._pins[name] = stamp_s

    def clear(self) -> None:
        """Forget everything."""
        with self._changed:
            self._items.clear()
            self._pins.clear()
            self._changed.notify_all()

    def nearest(self, stamp_s: float, tolerance_s: float) -> ItemT | None:
        """Return the item nearest in time, None if none is within the tolerance.

        Of two equally near ones it is the one that came later. It stays for other images.
        """
        with self._changed:
            return self._nearest(stamp_s, tolerance_s)

    def wait_for(self, stamp_s: float, tolerance_s: float, timeout_s: float) -> ItemT | None:
        """Return the item nearest in time, after giving it time to arrive.

        Waits until one has the very stamp, or one with a later stamp has come (then the nearest
        is there too), or the time is over.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_settled(stamp_s), timeout=timeout_s)
            return self._nearest(stamp_s, tolerance_s)

    def last_difference_s(self, stamp_s: float) -> float:
        """Return how far the newest item's stamp is from another, s; NaN without items."""
        with self._changed:
            return self._items[-1][0] - stamp_s if self._items else math.nan

    def _needed(self) -> set[int]:
        """Return which items are nearest to a pinned stamp."""
        if not self._items:
            return set()
        places = range(len(self._items))
        return {
            min(places, key=lambda index: abs(self._items[index][0] - pin))
            for pin in self._pins.values()
        }

    def _is_settled(self, stamp_s: float) -> bool:
        return any(stamp > stamp_s - _EXACT_S for stamp, _ in self._items)

    def _nearest(self, stamp_s: float, tolerance_s: float) -> ItemT | None:
        best, best_s = None, tolerance_s + _EXACT_S
        for stamp, item in self._items:
            if abs(stamp - stamp_s) <= best_s:
                best, best_s = item, abs(stamp - stamp_s)
        return best
