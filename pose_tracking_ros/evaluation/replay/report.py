"""A replay as one HTML file that opens anywhere: figures, timelines, and pictures of mistakes.

Everything is inside the file: it asks for no other one and for no network, and holds no script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pose_tracking_ros.evaluation.replay.mistakes import (
    Mistake,
    MistakeKind,
    choose,
    find_mistakes,
)
from pose_tracking_ros.evaluation.replay.plots import (
    durations_plot,
    people_plot,
    timelines_plot,
)
from pose_tracking_ros.evaluation.replay.report_pictures import (
    Image,
    Images,
    Shot,
    images_of_bag,
    side_by_side,
    take,
)
from pose_tracking_ros.evaluation.replay.report_tables import (
    Table,
    figure_groups,
    figure_tables,
    headline_rows,
    occlusion_table,
    recording_rows,
    speed_rows,
    text_of,
)
from pose_tracking_ros.evaluation.replay.report_timelines import Timeline, timelines_of
from pose_tracking_ros.evaluation.replay.result import ReplayResult
from pose_tracking_ros.recordings.recording import FrameRecord
from pose_tracking_ros.viewing.html_pages import jpeg_address, rendered_page, svg_address

MAX_PICTURES = 24
"""Of mistakes and samples together; keeps the file at a few megabytes."""

_SAMPLES, _SAMPLES_ALONE = 6, 12
_MAX_TIMELINES = 60
_SAMPLE_SIZE = (560, 560)
_ONE_SIZE, _PAIR_SIZE = (480, 360), (276, 345)
_INTERRUPTED = 'The replay was interrupted: this is about the images until then.'
_TEMPLATES = Path(__file__).parent / 'templates'


@dataclass(frozen=True)
class _Plot:
    title: str
    notes: Sequence[str] = ()
    address: str = ''
    table: Table | None = None


@dataclass(frozen=True)
class _Picture:
    title: str
    caption: str
    address: str
    width: int
    height: int


@dataclass(frozen=True)
class _Gallery:
    title: str
    notes: Sequence[str]
    groups: Sequence[tuple[str, Sequence[_Picture]]]


@dataclass(frozen=True, eq=False)
class _Order:
    """A picture to be made from one shot, or from several side by side."""

    group: str
    title: str
    caption: str
    shots: Sequence[Shot] = field(default_factory=list)


def write_report(result: ReplayResult, target: Path, images: Images | None = None) -> None:
    """Write the report of a replay.

    Args:
        result: of the replay.
        target: HTML file to write; its folder is made where needed.
        images: fetches the images that are shown; None reads the bag once more for them.

    Raises:
        BagError: the bag cannot be read any more.
    """
    content = _content(result, images or images_of_bag(result.bag, result.topic))
    text = rendered_page(_TEMPLATES, 'report.html.j2', content)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding='utf-8')


def _content(result: ReplayResult, images: Images) -> dict[str, Any]:
    frames = result.recording.frames
    timelines = timelines_of(result.recording, result.truth)
    mistakes = find_mistakes(result.recording, result.truth) if result.truth else []
    return {
        'title': f'Replay of {result.bag.name}',
        'subtitle': f'{result.topic}, configuration {result.configuration}',
        'headline': headline_rows(result, len(timelines)),
        'problems': [*([] if result.is_complete else [_INTERRUPTED]), *result.problems],
        'recording': recording_rows(result),
        'settings': [(name, text_of(value)) for name, value in result.settings.items()],
        'has_truth': result.truth is not None,
        'speed': speed_rows(result.timing),
        'figures': figure_groups(result.figures),
        'figure_tables': figure_tables({**result.figures, 'speed': result.timing}),
        'plots': _plots(result, timelines, mistakes) if frames else [],
        'galleries': _galleries(result, mistakes, images) if frames else [],
    }


def _plots(
    result: ReplayResult, timelines: Sequence[Timeline], mistakes: Sequence[Mistake]
) -> list[_Plot]:
    stamps_ns = [frame.stamp_ns for frame in result.recording.frames]
    first_ns = min(stamps_ns)
    occlusions = occlusion_table(timelines, first_ns)
    sections = [
        _tracks_section(timelines, mistakes, first_ns),
        _Plot('Occlusions', [] if occlusions else ['No track was occluded.'], table=occlusions),
        _people_section(result, first_ns),
    ]
    latencies_s = [f.latency_s for f in result.recording.frames if f.latency_s is not None]
    if result.is_realistic and latencies_s:
        total = len(stamps_ns) + len(result.dropped_ns)
        note = (
            'Arrival as recorded, behind the mailbox of the node, which keeps the newest image: '
            f'{len(result.dropped_ns)} of {total} images were dropped.'
        )
        plot = durations_plot(np.array(latencies_s) * 1e3, 'latency')
        sections.append(_Plot('Latency and drops', [note], svg_address(plot)))
    times_s = np.array([frame.processing_time_s for frame in result.recording.frames])
    if times_s.any():
        plot = durations_plot(times_s * 1e3, 'processing time')
        sections.append(_Plot('Processing time', [], svg_address(plot)))
    return sections


def _tracks_section(
    timelines: Sequence[Timeline], mistakes: Sequence[Mistake], first_ns: int
) -> _Plot:
    title = 'Tracks over time'
    if not timelines:
        return _Plot(title, ['No track was ever confirmed.'])
    longest = sorted(timelines, key=lambda one: -one.images)[:_MAX_TIMELINES]
    shown = sorted(longest, key=lambda one: one.track_id)
    switches = [(m.track_ids[1], m.last_ns) for m in mistakes if m.kind is MistakeKind.SWITCH]
    end_ns = max(one.spells[-1].until_ns for one in shown)
    notes = ['A row per track that was confirmed at some time.']
    if any(timeline.person_ids for timeline in timelines):
        notes[0] += ' Behind its id: the people it followed, the one followed longest first.'
    if len(timelines) > len(shown):
        notes.append(f'The {len(shown)} confirmed longest of {len(timelines)} tracks are shown.')
    plot = timelines_plot(shown, switches, first_ns, end_ns)
    return _Plot(title, notes, svg_address(plot))


def _people_section(result: ReplayResult, first_ns: int) -> _Plot:
    frames = sorted(result.recording.frames, key=lambda frame: frame.stamp_ns)
    times_s = np.array([(frame.stamp_ns - first_ns) * 1e-9 for frame in frames])
    shown = np.array([float(len(frame.shown)) for frame in frames])
    true = None
    if result.truth is not None:
        counted = [_people_in(result, frame) for frame in frames]
        true = np.array(counted)
    return _Plot('People in the image', [], svg_address(people_plot(times_s, shown, true)))


def _people_in(result: ReplayResult, frame: FrameRecord) -> float:
    number = result.recording.number_of(frame)
    if result.truth is None or number is None:
        return float('nan')
    truth = result.truth.frames[number - 1]
    return float('nan') if truth is None else float((~truth.is_ignored).sum())


def _galleries(
    result: ReplayResult, mistakes: Sequence[Mistake], images: Images
) -> list[_Gallery]:
    samples = _sample_orders(result)
    chosen = choose(mistakes, MAX_PICTURES - len(samples))
    orders = [_mistake_order(result, mistake) for mistake in chosen]
    pictures, missing = _pictures([*orders, *samples], result, images)
    lost = [f'{missing} images were no longer to be read from the bag.'] if missing else []
    galleries = []
    if result.truth is not None:
        counts = {kind: sum(one.kind is kind for one in mistakes) for kind in MistakeKind}
        notes = [
            'Matched as CLEAR MOT does, at an overlap (IoU) of 0.5 or more. White corners are the '
            'truth, a red frame says who is meant. '
            + ', '.join(f'{kind.value}: {count}' for kind, count in counts.items())
            + '.',
            *lost,
        ]
        if len(mistakes) > len(chosen):
            notes.append(
                f'{len(chosen)} of {len(mistakes)} are shown: switches evenly spread in time, of '
                'the others those that lasted longest.'
            )
        groups = [(kind.value, pictures.get(kind.value, [])) for kind in MistakeKind]
        shown = [(f'{name[0].upper()}{name[1:]}', group) for name, group in groups if group]
        galleries.append(_Gallery('Mistakes', notes, shown))
    notes = [] if result.truth is not None else lost
    galleries.append(_Gallery('Samples', notes, [('', pictures.get('sample', []))]))
    return galleries


def _pictures(
    orders: Sequence[_Order], result: ReplayResult, images: Images
) -> tuple[dict[str, list[_Picture]], int]:
    """Return the pictures by group, and how many could not be made."""
    shots = [shot for order in orders for shot in order.shots]
    taken = take(shots, result, images)
    groups: dict[str, list[_Picture]] = {}
    missing = 0
    for order in orders:
        parts, taken = taken[: len(order.shots)], taken[len(order.shots) :]
        there = [part for part in parts if part is not None]
        if len(there) < len(parts):
            missing += 1
            continue
        groups.setdefault(order.group, []).append(_picture(order, there))
    return groups, missing


def _picture(order: _Order, parts: Sequence[Image]) -> _Picture:
    picture = side_by_side(parts)
    height, width = picture.shape[:2]
    return _Picture(order.title, order.caption, jpeg_address(picture), width, height)


def _mistake_order(result: ReplayResult, mistake: Mistake) -> _Order:
    is_switch = mistake.kind is MistakeKind.SWITCH
    size = _PAIR_SIZE if is_switch else _ONE_SIZE
    shots = [
        Shot(stamp_ns, size, box, mistake.track_ids)
        for stamp_ns, box in zip(mistake.shown_ns, mistake.boxes, strict=True)
    ]
    lasted = f'in {mistake.images} image{"s" if mistake.images > 1 else ""}'
    if is_switch:
        before, after = mistake.track_ids
        title = f'Person {mistake.person_id}: track {before}, then {after}'
        caption = ' → '.join(_moment(result, stamp_ns) for stamp_ns in mistake.shown_ns)
    else:
        title = (
            f'Person {mistake.person_id} missed {lasted}'
            if mistake.kind is MistakeKind.MISS
            else f'Track {mistake.track_ids[0]} on nobody {lasted}'
        )
        caption = f'{_moment(result, mistake.first_ns)} to {_moment(result, mistake.last_ns)}'
        if mistake.images == 1:
            caption = _moment(result, mistake.first_ns)
    return _Order(mistake.kind.value, title, caption, shots)


def _sample_orders(result: ReplayResult) -> list[_Order]:
    frames = result.recording.frames
    wanted = _SAMPLES if result.truth is not None else _SAMPLES_ALONE
    places = np.linspace(0, len(frames) - 1, min(wanted, len(frames))).round().astype(int)
    chosen = [frames[place] for place in places.tolist()]
    return [
        _Order(
            'sample',
            f'{len(frame.shown)} people',
            _moment(result, frame.stamp_ns),
            [Shot(frame.stamp_ns, _SAMPLE_SIZE)],
        )
        for frame in chosen
    ]


def _moment(result: ReplayResult, stamp_ns: int) -> str:
    """Return an image's number and time since the first image, for people."""
    stamps_ns = result.recording.source_stamps_ns
    number = stamps_ns.index(stamp_ns) + 1
    return f'image {number} ({(stamp_ns - min(stamps_ns)) * 1e-9:.2f} s)'
