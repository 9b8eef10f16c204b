"""What is odd about the images of one topic, told in sentences."""

from __future__ import annotations

from collections import Counter

from pose_tracking_ros.recordings.bag_parts import time_text


class ImageNotes:
    """Watches the images of a topic go by.

    Args:
        topic: its name.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._stamps: list[int] = []
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._unreadable: list[int] = []
        self._reason = ''

    @property
    def count(self) -> int:
        """Number of readable images so far."""
        return len(self._stamps)

    def take(self, stamp_ns: int, size: tuple[int, int]) -> None:
        """Take note of the next image: its stamp, ns, and width and height, px."""
        self._stamps.append(stamp_ns)
        self._sizes[size] += 1

    def unreadable(self, number: int, error: Exception) -> None:
        """Take note of an image that is left out: its number, and why."""
        self._unreadable.append(number)
        self._reason = self._reason or str(error)

    def problems(self) -> list[str]:
        """Return what is odd, one sentence each."""
        problems = []
        if self._unreadable:
            problems.append(
                f'{self._topic}: {len(self._unreadable)} images are left out as they cannot be '
                f'read; the first one is image {self._unreadable[0]}: {self._reason}.'
            )
        zeros = self._stamps.count(0)
        if zeros:
            problems.append(
                f'{self._topic}: {zeros} of {self.count} images have no stamp (0): the driver '
                'does not fill header.stamp, and time cannot be told from it.'
            )
        pairs = list(zip(self._stamps, self._stamps[1:], strict=False))
        back = [(a, b) for a, b in pairs if b < a]
        if back:
            problems.append(
                f'{self._topic}: the stamps are not sorted: they go back {len(back)} times, first '
                f'from {time_text(back[0][0])} to {time_text(back[0][1])}; each time, tracking '
                'starts anew.'
            )
        equal = [a for a, b in pairs if b == a != 0]
        if equal:
            problems.append(
                f'{self._topic}: {len(equal)} images have the same stamp as the image before, '
                f'first at {time_text(equal[0])}.'
            )
        if len(self._sizes) > 1:
            sizes = ', '.join(
                f'{width}x{height} px ({count})' for (width, height), count in self._sizes.items()
            )
            problems.append(f'{self._topic}: the images differ in size: {sizes}.')
        return problems
