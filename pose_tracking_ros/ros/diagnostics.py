"""What the node says of itself on /diagnostics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue


@dataclass(frozen=True)
class Activity:
    """What happened between two diagnostics; a value that nothing was measured for is None.

    Attributes:
        received_hz: images that reached the node, per second.
        processed_hz: images processed, per second.
        processing_mean_s: mean time from taking an image to publishing, s.
        processing_max_s: longest such time, s.
        age_mean_s: mean time from the image's stamp to publishing, s; None for images whose
            stamps lie in the future or further back than an hour, like those of recordings.
        steps_s: mean and longest time of each step, s; of those that were measured.
    """

    received_hz: float
    processed_hz: float
    processing_mean_s: float | None
    processing_max_s: float | None
    age_mean_s: float | None
    steps_s: Mapping[str, tuple[float, float]]


class ActivityMeter:
    """Adds up what happens until it is asked. Safe to use from several threads.

    Args:
        now_s: monotonic clock, s.
    """

    _MAX_AGE_S = 3600.0

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._received = 0
        self._processing_s: list[float] = []
        self._ages_s: list[float] = []
        self._steps_s: dict[str, list[float]] = {}
        self._since_s = now_s()

    def count_received(self) -> None:
        """Note that an image reached the node."""
        with self._lock:
            self._received += 1

    def add_processed(self, processing_s: float, age_s: float) -> None:
        """Note that an image was processed.

        Args:
            processing_s: from taking it to publishing, s.
            age_s: from its stamp to publishing, by the node's clock, s.
        """
        with self._lock:
            self._processing_s.append(processing_s)
            if 0 <= age_s <= self._MAX_AGE_S:
                self._ages_s.append(age_s)

    def add_steps(self, spent_s: Mapping[str, float]) -> None:
        """Note how long each step took for an image, s."""
        with self._lock:
            for name, step_s in spent_s.items():
                self._steps_s.setdefault(name, []).append(step_s)

    def take(self) -> Activity:
        """Return what happened since the last call, and start anew."""
        with self._lock:
            now_s = self._now_s()
            elapsed_s = max(now_s - self._since_s, 1e-9)
            processing_s, self._processing_s = self._processing_s, []
            ages_s, self._ages_s = self._ages_s, []
            received, self._received = self._received, 0
            steps_s, self._steps_s = self._steps_s, {}
            self._since_s = now_s
        return Activity(
            received_hz=received / elapsed_s,
            processed_hz=len(processing_s) / elapsed_s,
            processing_mean_s=sum(processing_s) / len(processing_s) if processing_s else None,
            processing_max_s=max(processing_s, default=None),
            age_mean_s=sum(ages_s) / len(ages_s) if ages_s else None,
            steps_s={
                name: (sum(spent_s) / len(spent_s), max(spent_s))
                for name, spent_s in steps_s.items()
            },
        )


def diagnostic_message(
    *,
    name: str,
    hardware_id: str,
    stamp: Any,
    summary: str,
    problems: Mapping[str, str],
    is_error: bool,
    activity: Activity,
    values: Mapping[str, str],
) -> DiagnosticArray:
    """Return the message.

    Args:
        name: of the node; shown in diagnostic viewers.
        hardware_id: where the network runs.
        stamp: `builtin_interfaces/Time` of now.
        summary: shown when there is no problem.
        problems: present ones, kind to text; with any, the level is at least WARN.
        is_error: whether the node cannot do its work.
        activity: since the last message.
        values: further values.
    """
    level = DiagnosticStatus.OK
    if problems:
        level = DiagnosticStatus.WARN
    if is_error:
        level = DiagnosticStatus.ERROR
    pairs = {
        'images received (Hz)': f'{activity.received_hz:.1f}',
        'images processed (Hz)': f'{activity.processed_hz:.1f}',
        'processing time, mean (ms)': _milliseconds(activity.processing_mean_s),
        'processing time, longest (ms)': _milliseconds(activity.processing_max_s),
        'age of the image when published, mean (ms)': _milliseconds(activity.age_mean_s),
        **{
            f'{name}, {which} (ms)': _milliseconds(step_s)
            for name, times_s in activity.steps_s.items()
            for which, step_s in zip(('mean', 'longest'), times_s, strict=True)
        },
        **values,
        **{f'problem: {kind}': text for kind, text in problems.items()},
    }
    status = DiagnosticStatus(
        level=level,
        name=f'{name}: tracking',
        hardware_id=hardware_id,
        message='; '.join(problems.values()) or summary,
        values=[KeyValue(key=key, value=value) for key, value in pairs.items()],
    )
    message = DiagnosticArray(status=[status])
    message.header.stamp = stamp
    return message


def _milliseconds(seconds: float | None) -> str:
    return 'none' if seconds is None else f'{seconds * 1e3:.1f}'
