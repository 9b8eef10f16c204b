"""Keep a few of many, evenly spread, without knowing how many there will be."""

from __future__ import annotations

from typing import Generic, TypeVar

_Item = TypeVar('_Item')


class EvenSample(Generic[_Item]):
    """Keeps items evenly spread over all that were offered.

    Whenever twice as many as wanted have gathered, every second one is let go, and from then on
    only every second one is taken. Hence at most twice `wanted` are held at a time.

    Args:
        wanted: how many are returned in the end, at least 1.
    """

    def __init__(self, wanted: int) -> None:
        if wanted < 1:
            raise ValueError(f'wanted: expected at least 1, got {wanted}')
        self._wanted = wanted
        self._stride = 1
        self._offered = 0
        self._kept: list[_Item] = []

    @property
    def is_due(self) -> bool:
        """Whether the next item will be taken; its making may be spared if not."""
        return self._offered % self._stride == 0

    def offer(self, item: _Item | None) -> None:
        """Take or pass over the next item; None is fine where `is_due` is false."""
        if self.is_due and item is not None:
            self._kept.append(item)
            if len(self._kept) == 2 * self._wanted:
                del self._kept[1::2]
                self._stride *= 2
        self._offered += 1

    def chosen(self) -> list[_Item]:
        """Return at most `wanted` items, first and last kept ones included, in order."""
        count = len(self._kept)
        if count <= self._wanted:
            return list(self._kept)
        if self._wanted == 1:
            return [self._kept[0]]
        return [
            self._kept[round(place * (count - 1) / (self._wanted - 1))]
            for place in range(self._wanted)
        ]
