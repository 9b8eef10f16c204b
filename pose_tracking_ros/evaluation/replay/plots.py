"""The plots of a report, as SVG text that can be read on light and on dark paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from pose_tracking_ros.evaluation.replay.report_timelines import Timeline
from pose_tracking_ros.people import TrackState
from pose_tracking_ros.viewing.svg_plots import INK, STYLE, svg_of

_BLUE, _ORANGE, _RED = '#3d86c6', '#e0861a', '#d6404b'
_LOOKS: dict[TrackState, tuple[str, dict[str, Any]]] = {
    TrackState.TENTATIVE: ('tentative', {'facecolor': _BLUE, 'alpha': 0.35}),
    TrackState.CONFIRMED: ('confirmed', {'facecolor': _BLUE}),
    # Told apart without colours, too.
    TrackState.OCCLUDED: (
        'occluded',
        {'facecolor': _ORANGE, 'hatch': '/////', 'edgecolor': '#ffffff', 'linewidth': 0.0},
    ),
    TrackState.LOST: ('lost', {'facecolor': INK, 'alpha': 0.35}),
}
_WIDTH_IN = 10.0


def timelines_plot(
    timelines: Sequence[Timeline],
    switches: Sequence[tuple[int, int]],
    first_ns: int,
    end_ns: int,
) -> str:
    """Draw a row per track, coloured by state.

    Args:
        timelines: at least one; from top to bottom.
        switches: track and stamp (ns) where somebody changed to it; those of others are left out.
        first_ns: where the axis begins.
        end_ns: where it ends, after the beginning.

    Raises:
        ValueError: there is no track.
    """
    if not timelines:
        raise ValueError('timelines: expected at least one track, got none')
    with mpl.rc_context(STYLE):
        # The legend and the axis need the same room whatever the number of rows.
        height = 1.0 + 0.27 * len(timelines)
        figure, axes = _axes(height)
        rows = {timeline.track_id: row for row, timeline in enumerate(timelines)}
        for state, (_, look) in _LOOKS.items():
            for timeline in timelines:
                spans = [
                    ((spell.first_ns - first_ns) * 1e-9, spell.duration_s)
                    for spell in timeline.spells
                    if spell.state is state
                ]
                axes.broken_barh(spans, (rows[timeline.track_id] - 0.36, 0.72), **look)
        marks = [((ns - first_ns) * 1e-9, rows[i]) for i, ns in switches if i in rows]
        handles: list[Artist] = [Patch(label=label, **look) for label, look in _LOOKS.values()]
        if marks:
            x, y = zip(*marks, strict=True)
            drawn = axes.plot(x, y, 'D', ms=6, color=_RED, mec='white', label='identity switch')
            handles += drawn
        axes.set_yticks(range(len(timelines)), [_row_label(one) for one in timelines])
        axes.set_ylim(len(timelines) - 0.4, -0.6)
        axes.set_xlim(0.0, (end_ns - first_ns) * 1e-9)
        axes.set_xlabel('time, s')
        axes.legend(
            handles=handles, loc='lower right', bbox_to_anchor=(1.0, 1.0), ncols=len(handles)
        )
        return svg_of(figure)


def people_plot(
    times_s: Float[np.ndarray, 'image'],
    shown: Float[np.ndarray, 'image'],
    true: Float[np.ndarray, 'image'] | None,
) -> str:
    """Draw how many people were in each processed image; NaN leaves a gap.

    Args:
        times_s: since the first image.
        shown: confirmed tracks found in the image.
        true: people of the truth; None without truth.
    """
    with mpl.rc_context(STYLE):
        figure, axes = _axes(2.6)
        axes.grid(visible=False, axis='x')
        if true is not None:
            axes.step(times_s, true, where='post', color=_ORANGE, lw=2.4, label='ground truth')
        axes.step(times_s, shown, where='post', color=_BLUE, lw=1.3, label='tracked')
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel('time, s')
        axes.set_ylabel('people in the image')
        axes.legend(loc='lower right', bbox_to_anchor=(1.0, 1.0), ncols=2)
        return svg_of(figure)


def durations_plot(durations_ms: Float[np.ndarray, 'image'], what: str) -> str:
    """Draw how often which duration occurred, with the median and the 95th percentile.

    Args:
        durations_ms: at least one.
        what: name of the duration.

    Raises:
        ValueError: there is no duration.
    """
    if not len(durations_ms):
        raise ValueError(f'durations_ms: expected at least one {what}, got none')
    with mpl.rc_context(STYLE):
        figure, axes = _axes(2.6)
        bins = int(np.clip(np.sqrt(len(durations_ms)) * 2, 10, 60))
        axes.hist(durations_ms, bins=bins, color=_BLUE)
        for share, style in ((50, '-'), (95, '--')):
            value = float(np.percentile(durations_ms, share))
            label = f'{"median" if share == 50 else f"{share}th percentile"} {value:.1f} ms'
            axes.axvline(value, color=_RED, ls=style, lw=1.4, label=label)
        axes.set_xlabel(f'{what}, ms')
        axes.set_ylabel('images')
        axes.legend(loc='lower right', bbox_to_anchor=(1.0, 1.0), ncols=2)
        return svg_of(figure)


def _row_label(timeline: Timeline) -> str:
    people = ', '.join(map(str, timeline.person_ids[:3]))
    more = '…' if len(timeline.person_ids) > 3 else ''
    return f'{timeline.track_id} (person {people}{more})' if people else str(timeline.track_id)


def _axes(height_in: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH_IN, height_in), layout='constrained')
    return figure, figure.subplots()
