"""The run in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pose_tracking_ros.people import EventKind
from pose_tracking_ros.recordings.recording import Recording


def summarise(recording: Recording, video: str) -> dict[str, Any]:
    """Return the run's frames, people, tracks, rates and times; None for what is not known.

    Args:
        recording: may be empty.
        video: what was played.
    """
    frames = recording.frames
    dropped = frames[-1].frames_dropped if frames else 0
    published = len(recording.source_stamps_ns)
    clip_s = _span_s(recording.source_stamps_ns)
    processed_s = _span_s([frame.stamp_ns for frame in frames])
    counts = [len(frame.shown) for frame in frames]
    lives = recording.lives_s()
    latencies = [frame.latency_s for frame in frames if frame.latency_s is not None]
    return {
        'video': video,
        'model_id': frames[-1].model_id if frames else None,
        'image_size': list(frames[-1].image_size) if frames else None,
        'frames': {
            'published': published,
            'processed': len(frames),
            'dropped': dropped,
            # In transport, or after the last result.
            'without_result': max(0, published - len(frames) - dropped),
        },
        'clip_s': round(clip_s, 3),
        'wall_s': round(recording.wall_time_s, 3),
        'rates_hz': {
            'published': _rate_hz(published, clip_s),
            'processed': _rate_hz(len(frames), processed_s),
        },
        'people': {
            'seen': sum(counts),
            'mean_per_frame': round(float(np.mean(counts)), 2) if counts else None,
            'max_per_frame': max(counts, default=None),
        },
        'tracks': {
            'count': len(lives),
            'median_s': round(float(np.median(lives)), 2) if lives else None,
            'longest_s': round(max(lives), 2) if lives else None,
        },
        'events': {kind.name.lower(): recording.events[kind] for kind in EventKind},
        'latency_ms': _spread_ms(latencies),
        'processing_ms': _spread_ms([frame.processing_time_s for frame in frames]),
    }


def summary_text(summary: dict[str, Any]) -> str:
    """Return the summary as a few lines for people."""
    frames, rates = summary['frames'], summary['rates_hz']
    people, tracks = summary['people'], summary['tracks']
    latency, processing = summary['latency_ms'], summary['processing_ms']
    rows = [
        ('video', summary['video']),
        ('model', _text(summary['model_id'])),
        (
            'frames',
            f'{frames["processed"]} processed of {frames["published"]} published, '
            f'{frames["dropped"]} dropped by the node, {frames["without_result"]} without result',
        ),
        (
            'rate',
            f'{_text(rates["processed"])} Hz processed, {_text(rates["published"])} Hz published',
        ),
        (
            'people',
            f'{_text(people["mean_per_frame"])} per frame, at most '
            f'{_text(people["max_per_frame"])}',
        ),
        (
            'tracks',
            f'{tracks["count"]}, median {_text(tracks["median_s"])} s, longest '
            f'{_text(tracks["longest_s"])} s',
        ),
        ('latency', _spread_text(latency) + ' from image to result'),
        ('processing', _spread_text(processing)),
    ]
    return '\n'.join(f'  {name:<11}{text}' for name, text in rows)


def _span_s(stamps_ns: Sequence[int]) -> float:
    return (max(stamps_ns) - min(stamps_ns)) * 1e-9 if stamps_ns else 0.0


def _rate_hz(count: int, span_s: float) -> float | None:
    return round((count - 1) / span_s, 2) if span_s > 0 else None


def _spread_ms(times_s: Sequence[float]) -> dict[str, float | None]:
    if not times_s:
        return {'median': None, 'p95': None, 'max': None}
    median, p95, top = np.percentile(np.asarray(times_s) * 1e3, [50, 95, 100])
    return {'median': round(median, 1), 'p95': round(p95, 1), 'max': round(top, 1)}


def _text(value: Any) -> str:
    return 'unknown' if value is None else str(value)


def _spread_text(spread: dict[str, float | None]) -> str:
    return (
        f'{_text(spread["median"])} ms median, {_text(spread["p95"])} ms at 95 %, '
        f'{_text(spread["max"])} ms at most'
    )
