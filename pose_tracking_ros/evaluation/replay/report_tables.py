"""What a report says in words and numbers: the recording, the figures, the occlusions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_tracking_ros.evaluation.replay.report_timelines import Spell, Timeline
from pose_tracking_ros.evaluation.replay.result import ReplayResult
from pose_tracking_ros.recordings.overlay_video import rate_of

Rows = list[tuple[str, str]]

MAX_OCCLUSIONS = 200
# Abbreviations that are written in a way of their own.
_NAMES = {
    'mot': 'MOT, %',
    'mot_with_dropped': 'MOT with dropped images, %',
    'hota': 'HOTA',
    'deta': 'DetA',
    'assa': 'AssA',
    'idf1': 'IDF1',
    'mota': 'MOTA',
    'motp': 'MOTP',
    'idsw': 'identity switches',
    'fn': 'missed boxes',
    'fp': 'false boxes',
    'ap': 'AP',
    'posetrack': 'PoseTrack, %',
}
_MAX_LISTED = 12
_UNDEFINED = '-'
_GENERAL = 'In all'
_SAID_ELSEWHERE = (
    'bag',
    'topic',
    'configuration',
    'settings',
    'model_id',
    'truth',
    'is_complete',
    'problems',
)
# How the figures that people look for first are called.
_HEADLINES = {'hota': 'HOTA, %', 'idf1': 'IDF1, %', 'mota': 'MOTA, %', 'idsw': 'identity switches'}


@dataclass(frozen=True)
class Table:
    """A table with as many cells in each row as there are heads."""

    caption: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def recording_rows(result: ReplayResult) -> Rows:
    """Return what was replayed."""
    recording = result.recording
    stamps_ns = recording.source_stamps_ns
    rate_hz = rate_of(stamps_ns)
    sizes = sorted({frame.image_size for frame in recording.frames})
    models = sorted({frame.model_id for frame in recording.frames})
    rows = [
        ('bag', str(result.bag)),
        ('topic', result.topic),
        ('images', f'{len(stamps_ns)}, {duration_s(stamps_ns):.1f} s'),
        ('rate', 'not known' if rate_hz is None else f'{rate_hz:.3g} Hz'),
        ('image size', ', '.join(f'{width} x {height} px' for width, height in sizes) or 'none'),
        ('processed', f'{len(recording.frames)} images'),
        ('dropped', f'{len(result.dropped_ns)} images'),
        ('arrival', 'as recorded' if result.is_realistic else 'one after the other, none dropped'),
        ('configuration', result.configuration),
        ('model', ', '.join(models) or 'none'),
    ]
    if result.truth is not None:
        rows += [
            ('ground truth', result.truth.truth.name),
            ('images without truth', f'{len(result.truth.missing_ns)}'),
            ('truth without image', f'{len(result.truth.extra_ns)}'),
        ]
    return rows


def duration_s(stamps_ns: Sequence[int]) -> float:
    """Return the time from the earliest to the latest stamp, s; 0 without images."""
    return (max(stamps_ns) - min(stamps_ns)) * 1e-9 if len(stamps_ns) else 0.0


def headline_rows(result: ReplayResult, tracks: int) -> Rows:
    """Return the few numbers to be seen first.

    Args:
        result: of the replay.
        tracks: number of confirmed tracks.
    """
    rows = [('images processed', str(len(result.recording.frames))), ('tracks', str(tracks))]
    found: dict[str, str] = {}
    for path, value in _leaves(result.figures):
        if path[-1] in _HEADLINES and value is not None:
            found.setdefault(path[-1], text_of(value))
    return rows + [(label, found[name]) for name, label in _HEADLINES.items() if name in found]


def speed_rows(timing: Mapping[str, Any]) -> Rows:
    """Return how fast the replay was; nothing where that was not measured."""
    return [
        (' '.join(_name_of(part) for part in path), text_of(value))
        for path, value in _leaves(timing)
    ]


def figure_groups(figures: Mapping[str, Any]) -> list[tuple[str, Rows]]:
    """Return the figures in tables, one for each group of nested ones.

    What the summary and the list of problems say is left out, and so is what `figure_tables`
    gives.
    """
    groups: dict[str, Rows] = {}
    for path, value in _leaves(figures):
        if path[0] not in _SAID_ELSEWHERE:
            groups.setdefault(_group_of(path[:-1]), []).append(
                (_name_of(path[-1]), text_of(value))
            )
    return list(groups.items())


def figure_tables(figures: Mapping[str, Any], before: tuple[str, ...] = ()) -> list[Table]:
    """Return the groups that are made of like groups, as tables with a row for each of these."""
    tables = []
    for key, value in figures.items():
        if not isinstance(value, Mapping):
            continue
        if not _is_table(value):
            tables += figure_tables(value, (*before, key))
            continue
        columns = list(next(iter(value.values())))
        rows = [
            (_name_of(name), *(text_of(one[column]) for column in columns))
            for name, one in value.items()
        ]
        heads = ('', *(_name_of(column) for column in columns))
        tables.append(Table(_group_of((*before, key)), heads, rows))
    return tables


def _is_table(group: Mapping[str, Any]) -> bool:
    """Return whether a group holds three or more groups with the same figures."""
    kinds = [list(one) if isinstance(one, Mapping) else None for one in group.values()]
    return len(kinds) > 2 and kinds[0] is not None and all(kind == kinds[0] for kind in kinds)


def _group_of(path: tuple[str, ...]) -> str:
    return ' · '.join(_name_of(part) for part in path) or _GENERAL


def _name_of(key: str) -> str:
    return _NAMES.get(key, key.replace('_', ' '))


def text_of(value: Any) -> str:
    """Return a figure as people read it; None, where it is not defined, is a dash."""
    if value is None:
        return _UNDEFINED
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, float):
        if not np.isfinite(value):
            return _UNDEFINED
        return f'{value:.2f}' if 1 <= abs(value) < 1e4 else f'{value:.4g}'
    if isinstance(value, list | tuple):
        listed = ', '.join(text_of(one) for one in value[:_MAX_LISTED])
        more = len(value) - _MAX_LISTED
        return f'{listed} and {more} more' if more > 0 else listed or 'none'
    return str(value)


def occlusion_table(timelines: Sequence[Timeline], first_ns: int) -> Table | None:
    """Return when which track was occluded, and by whom; None when none ever was.

    Of many, the longest are listed.

    Args:
        timelines: of all tracks.
        first_ns: where time begins, ns.
    """
    occlusions = [(one, spell) for one in timelines for spell in one.occlusions]
    if not occlusions:
        return None
    longest = sorted(occlusions, key=lambda pair: -pair[1].duration_s)[:MAX_OCCLUSIONS]
    longest.sort(key=lambda pair: (pair[1].first_ns, pair[0].track_id))
    count = f'{len(occlusions)} occlusions'
    if len(occlusions) > len(longest):
        count = f'The longest {len(longest)} of {count}'
    return Table(
        count,
        ('track', 'from, s', 'to, s', 'duration, s', 'images', 'behind track'),
        [_occlusion_row(timeline.track_id, spell, first_ns) for timeline, spell in longest],
    )


def _occlusion_row(track_id: int, spell: Spell, first_ns: int) -> tuple[str, ...]:
    return (
        str(track_id),
        f'{(spell.first_ns - first_ns) * 1e-9:.2f}',
        f'{(spell.until_ns - first_ns) * 1e-9:.2f}',
        f'{spell.duration_s:.2f}',
        str(spell.images),
        ', '.join(map(str, spell.occluder_ids)) or _UNDEFINED,
    )


def _leaves(
    figures: Mapping[str, Any], before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in figures.items():
        if not isinstance(value, Mapping):
            yield (*before, key), value
        elif not _is_table(value):
            yield from _leaves(value, (*before, key))
