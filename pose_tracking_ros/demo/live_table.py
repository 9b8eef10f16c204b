"""What the demo shows while it runs: a table of the people in view."""

from __future__ import annotations

import time
from types import TracebackType

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table

from pose_tracking_ros.people import Track, TrackState
from pose_tracking_ros.recordings.recording import FrameRecord, Recording

_REFRESH_S = 0.25
_LINE_PERIOD_S = 10.0
_MOST_ROWS = 12
# Rates are those of the last seconds.
_RATE_WINDOW = 30


def recent_rate_hz(frames: list[FrameRecord]) -> float | None:
    """Return the rate of the last results in image time, Hz; None for fewer than two."""
    stamps = [frame.stamp_ns for frame in frames[-_RATE_WINDOW:]]
    span_s = (stamps[-1] - stamps[0]) * 1e-9 if stamps else 0.0
    return (len(stamps) - 1) / span_s if span_s > 0 else None


def headline(recording: Recording) -> str:
    """Return the state of the run in one line."""
    if not recording.frames:
        return f'{len(recording.source_stamps_ns)} images published, no result yet'
    last = recording.frames[-1]
    rate_hz = recent_rate_hz(recording.frames)
    parts = [
        f'{len(recording.source_stamps_ns)} images',
        f'{len(recording.frames)} processed',
        f'{last.frames_dropped} dropped',
        'unknown rate' if rate_hz is None else f'{rate_hz:.1f} Hz',
        f'{1e3 * last.processing_time_s:.0f} ms each',
        f'{len(last.shown)} people',
    ]
    return ', '.join(parts)


def table_of(recording: Recording) -> Table:
    """Return the people of the last image, the longest known first."""
    table = Table(title=headline(recording), title_justify='left')
    for name in ('id', 'state', 'age', 'score', 'joints seen', 'centre', 'speed'):
        table.add_column(name, justify='left' if name == 'state' else 'right')
    tracks = recording.frames[-1].tracks if recording.frames else []
    people = [track for track in tracks if track.state != TrackState.TENTATIVE]
    people.sort(key=lambda track: -track.age_s)
    for track in people[:_MOST_ROWS]:
        table.add_row(*_cells(track), style=None if track.is_matched else 'dim')
    if len(people) > _MOST_ROWS:
        table.caption = f'and {len(people) - _MOST_ROWS} more'
    return table


def _cells(track: Track) -> list[str]:
    x1, y1, x2, y2 = track.box.tolist()
    return [
        track.person_id or str(track.track_id),
        track.state.name.lower(),
        f'{track.age_s:.1f} s',
        f'{track.score:.2f}',
        f'{track.visibility:.0%}',
        f'{(x1 + x2) / 2:.0f}, {(y1 + y2) / 2:.0f}',
        f'{np.hypot(*track.velocity):.0f} px/s',
    ]


class LiveTable:
    """Shows the table on a terminal, else a line every ten seconds; a context manager.

    Args:
        recording: what to show; it grows while the table is shown.
        console: where to show it.
    """

    def __init__(self, recording: Recording, console: Console) -> None:
        self._recording = recording
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._shown_s = time.monotonic()

    def update(self) -> None:
        """Show what is new, unless that was done a moment ago."""
        period_s = _REFRESH_S if self._console.is_terminal else _LINE_PERIOD_S
        if time.monotonic() - self._shown_s < period_s:
            return
        self._shown_s = time.monotonic()
        if self._console.is_terminal:
            self._live.update(table_of(self._recording), refresh=True)
        else:
            self._console.print(headline(self._recording), soft_wrap=True)

    def __enter__(self) -> LiveTable:
        """Begin to show."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the terminal back."""
        if self._console.is_terminal:
            self._live.stop()
