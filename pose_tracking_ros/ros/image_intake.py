"""Where images go when they arrive: past the limit of the rate, into the mailbox, counted."""

from __future__ import annotations

import threading
from typing import Any

from pose_tracking_ros.image_selection import StampRateLimit
from pose_tracking_ros.ros.conversion import seconds_from_stamp
from pose_tracking_ros.ros.mailbox import Mailbox


class ImageIntake:
    """Counts what becomes of every image of one activation, so that none is lost silently.

    An image is skipped (by `max_rate_hz`), dropped (a newer one came while it waited), refused
    (it cannot be read), failed (the network could not process it) or processed. At most two are
    on their way, four or six when two or three threads share the work. Safe to use from several
    threads.

    Args:
        mailbox: takes the images that are not skipped.
    """

    def __init__(self, mailbox: Mailbox[Any]) -> None:
        self._mailbox = mailbox
        self._limit = StampRateLimit()
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(('skipped', 'processed', 'refused', 'failed'), 0)
        self._unreadable = 0
        self._busy_s = 0.0
        self._overtaken = 0

    def take_in(self, message: Any, max_rate_hz: float) -> None:
        """Store an image message, or skip it.

        Args:
            message: with a header.
            max_rate_hz: images per second of image time; 0 for all.
        """
        if self._limit.allows(seconds_from_stamp(message.header.stamp), max_rate_hz):
            self._mailbox.put(message)
        else:
            self._count('skipped')

    def count_processed(self, processing_s: float) -> None:
        """Note that an image was processed, and how long that took, s."""
        self._count('processed')
        with self._lock:
            self._busy_s += processing_s

    def count_overtaken(self) -> None:
        """Note that a newer image came while one waited between two steps: it is dropped."""
        with self._lock:
            self._overtaken += 1

    def count_refused(self) -> None:
        """Note that an image could not be read."""
        self._count('refused')

    def count_unreadable(self) -> None:
        """Note that something was received, and refused, that is no message of an image."""
        with self._lock:
            self._unreadable += 1
            self._counts['refused'] += 1

    def count_failed(self) -> None:
        """Note that the network could not process an image."""
        self._count('failed')

    @property
    def busy_s(self) -> float:
        """Time spent on the processed images, s."""
        with self._lock:
            return self._busy_s

    def counts(self) -> dict[str, int]:
        """Return how many images were received, and what became of them."""
        with self._lock:
            counts, unreadable = dict(self._counts), self._unreadable
            overtaken = self._overtaken
        return {
            'received': self._mailbox.received + counts['skipped'] + unreadable,
            'dropped': self._mailbox.dropped + overtaken,
            **counts,
        }

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1
