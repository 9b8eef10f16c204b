"""How fast a replay was: its own speed, and that of the pipeline alone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class Stopwatch:
    """Takes the times of a replay; it starts when it is made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._wall_s = 0.0
        self._process_s: list[float] = []
        self._stages_s: dict[str, list[float]] = {}

    def add(self, process_s: float, stages_s: Mapping[str, float]) -> None:
        """Take down what the pipeline took for an image, in all and stage by stage, s."""
        self._process_s.append(process_s)
        for stage, spent_s in stages_s.items():
            self._stages_s.setdefault(stage, []).append(spent_s)

    def stop(self) -> None:
        """Call it when everything has been written."""
        self._wall_s = time.perf_counter() - self._started

    def figures(self, read: int, device: str) -> dict[str, Any]:
        """Return the times as plain values; None for those of a replay without images.

        Args:
            read: readable images, dropped ones included.
            device: where the network ran.
        """
        busy_s = sum(self._process_s)
        processed = len(self._process_s)
        return {
            'device': device,
            'wall_s': round(self._wall_s, 3),
            'images_per_s': _rate_hz(read, self._wall_s),
            'processed_per_s': _rate_hz(processed, self._wall_s),
            # What the pipeline would do if images came at once and nothing had to be written.
            'pipeline_per_s': _rate_hz(processed, busy_s),
            'process_ms': spread_ms(self._process_s),
            'stages_ms': {stage: spread_ms(spent) for stage, spent in self._stages_s.items()},
        }


def _rate_hz(count: int, spent_s: float) -> float | None:
    return round(count / spent_s, 3) if count and spent_s > 0 else None


def spread_ms(times_s: Sequence[float]) -> dict[str, float | None]:
    """Return median, 95th percentile and maximum of times in s, in ms; None without any."""
    if not times_s:
        return {'median': None, 'p95': None, 'max': None}
    median, p95, top = np.percentile(np.asarray(times_s) * 1e3, [50, 95, 100]).tolist()
    return {'median': round(median, 3), 'p95': round(p95, 3), 'max': round(top, 3)}
