"""Whether the node keeps up with the camera, and what to do when it does not."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pose_tracking_ros.ros.health import Health

_WINDOW_S = 5.0
# Fewer tell nothing about a rate.
_MIN_ARRIVED = 5
# Between the two nothing changes, so that a node at the limit does not warn again and again.
_BEHIND_ABOVE = 0.2
_KEEPS_UP_BELOW = 0.05


class _Totals(NamedTuple):
    now_s: float
    arrived: int
    dropped: int
    processed: int
    busy_s: float


class LoadWatch:
    """Compares, over a few seconds, what arrived with what was dropped.

    Args:
        health: takes complaints of the kind `load`.
        now_s: monotonic clock, s.
    """

    def __init__(self, health: Health, now_s: Callable[[], float] = time.monotonic) -> None:
        self._health = health
        self._now_s = now_s
        self._totals: deque[_Totals] = deque()

    def check(self, counts: Mapping[str, int], busy_s: float) -> None:
        """Take in the totals so far; to be called about twice a second.

        Args:
            counts: `received`, `skipped`, `dropped` and `processed` since activation.
            busy_s: time spent on the processed images, s.
        """
        last = _Totals(
            self._now_s(),
            counts['received'] - counts['skipped'],
            counts['dropped'],
            counts['processed'],
            busy_s,
        )
        self._totals.append(last)
        while len(self._totals) > 2 and last.now_s - self._totals[1].now_s >= _WINDOW_S:
            self._totals.popleft()
        first = self._totals[0]
        span_s = last.now_s - first.now_s
        arrived, dropped = last.arrived - first.arrived, last.dropped - first.dropped
        if span_s < _WINDOW_S:
            return
        if arrived < _MIN_ARRIVED or dropped < _KEEPS_UP_BELOW * arrived:
            self._health.resolve('load')
        elif dropped > _BEHIND_ABOVE * arrived:
            self._health.begin('load', _text(first, last))


def _text(first: _Totals, last: _Totals) -> str:
    span_s = last.now_s - first.now_s
    arrived, dropped = last.arrived - first.arrived, last.dropped - first.dropped
    processed = last.processed - first.processed
    period_ms = 1e3 * span_s / arrived
    start = (
        f'falling behind: {dropped} of {arrived} images of the last {span_s:.0f} s were dropped. '
    )
    if not processed:
        return (
            f'{start}One comes every {period_ms:.0f} ms, and none was finished in this time. '
            'Choose a smaller preset or image_long_side_px, or a faster engine or device'
        )
    spent_ms = 1e3 * (last.busy_s - first.busy_s) / processed
    if spent_ms < period_ms:
        return (
            f'{start}One comes every {period_ms:.0f} ms and takes {spent_ms:.0f} ms, which would '
            'do: images come in bursts, or other programs keep the processor busy (top). '
            'Set threads, or move something to another machine'
        )
    return (
        f'{start}One comes every {period_ms:.0f} ms and takes {spent_ms:.0f} ms. Set max_rate_hz '
        f'to {1e3 / spent_ms:.1f} for an even rate; or make it faster: a lower '
        'image_long_side_px, a region of interest (roi_...), a smaller preset, another engine or '
        'device'
    )
