"""From the numbers of images, by which most files count, to stamps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# For a recording of one image, whose interval nobody knows.
_ASSUMED_INTERVAL_NS = 10**9


class ImageNumbers:
    """The stamps of a recording's images by their numbers.

    Args:
        stamps_ns: of all images, ns, in the order recorded; at least one.

    Raises:
        ValueError: there is no image.
    """

    def __init__(self, stamps_ns: Sequence[int]) -> None:
        if not stamps_ns:
            raise ValueError('stamps_ns: expected at least one image, got none')
        self._stamps_ns = stamps_ns
        steps = np.diff(np.array(stamps_ns, dtype=np.int64))
        steps = steps[steps > 0]
        self._interval_ns = int(np.median(steps)) if len(steps) else _ASSUMED_INTERVAL_NS

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._stamps_ns)

    def stamp_ns(self, number: int) -> int:
        """Return the stamp of an image, ns.

        Beyond the recording's end it is the one that an image would have at its rate: truth for
        images that were not recorded is told of by its stamp.

        Args:
            number: from 1.
        """
        if number <= len(self):
            return self._stamps_ns[number - 1]
        return max(self._stamps_ns) + (number - len(self)) * self._interval_ns

    def nearest_ns(self, stamp_ns: int, tolerance_ns: int) -> int:
        """Return the stamp of the nearest image within a tolerance, else the stamp itself."""
        stamps = np.array(self._stamps_ns, dtype=np.int64)
        nearest = int(stamps[np.argmin(np.abs(stamps - stamp_ns))])
        return nearest if abs(nearest - stamp_ns) <= tolerance_ns else stamp_ns
